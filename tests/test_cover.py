"""The error of confluency that held-out images imply: its interval, and where it is told."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.measurement import Cover, cover_words
from napari_cellseg.measurement._cover import cover_of, interval
from napari_cellseg.project import COVER, Project, cover_ratios, image_cover_ratios, note_prediction
from napari_cellseg.report import page, tell


def test_what_persons_said_is_taken_as_it_is():
    assert interval([Cover(40, 0), Cover(2, 0, (0.5, 2.0))]) == (42, 42)


@pytest.mark.parametrize("ratios", [(), (1.1,)], ids=["nobody knows", "one image"])
def test_too_little_held_out_says_nothing(ratios):
    assert all(map(math.isnan, interval([Cover(5, 100, ratios)])))
    assert all(map(math.isnan, interval([Cover(5, 100, (1.0, 1.1)), Cover(0, 1, ratios)])))


def test_one_image_by_hand():
    ratios = (0.9, 1.0, 1.1)  # mean 1, standard deviation 0.1; t of 2 degrees of freedom: 4.30265
    low, high = interval([Cover(20, 100, ratios)])
    half = 4.30265 * 0.1 * math.sqrt(1 + 1 / 3) * 100
    assert (low, high) == pytest.approx((120 - half, 120 + half), rel=1e-5)


@pytest.mark.parametrize("images", [1, 8], ids=["one image", "a group"])
def test_the_interval_holds_what_it_promises(images):
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(2000):
        ratios = tuple(rng.normal(0.95, 0.05, 5))
        areas = rng.uniform(50, 150, images)
        true = 30 + (areas * rng.normal(0.95, 0.05, images)).sum()
        low, high = interval([Cover(30 / images, a, ratios) for a in areas])
        held += low <= true <= high
    assert 0.935 < held / 2000 < 0.965


def test_voxels_are_parted_by_their_state():
    labels = np.array([[1, 1, 0, 2], [3, 3, 3, 0]], np.uint32)
    state = np.array([[1, 2, 2, 0], [0, 0, 0, 0]], np.uint8)
    assert cover_of(labels, state, [1.0]) == Cover(2, 4, (1.0,))


def test_words():
    row = {"confluency": 40.0, "confluency_low": 38.0, "confluency_high": 43.0}
    assert cover_words(row) == "95 %: 38.0 to 43.0, ±6% of it by what was held out, ±20% is usual by eye"
    assert cover_words(row | {"confluency_low": math.nan}) == ""
    assert cover_words(row | dict.fromkeys(("confluency_low", "confluency_high"), 40.0)) == ""


@pytest.fixture
def predicted(trained: Path, tmp_path: Path) -> Path:
    """Two approved images with a judged model, which predicted a third one."""
    folder = Path(shutil.copytree(trained.parent, tmp_path / "work")) / trained.name
    image, _ = cs.samples.synthetic_cells((96, 128), 10, radius=11, seed=9)
    np.save(tmp_path / "new.npy", image)
    with cs.open(folder) as project:
        project.add(tmp_path / "new.npy")
        project.predict("new")
    return folder


def test_a_judged_model_tells_how_far_off_its_area_is(predicted: Path, tmp_path: Path, capsys):
    with Project.open(predicted) as project:
        model = project.current_model
        pairs = project.db.rounds()[-1].after[COVER]
        assert len(pairs) == 2
        assert all(true > 0 for true, _ in pairs)
        assert cover_ratios(project, model) == tuple(true / found for true, found in pairs)
        assert image_cover_ratios(project, "new") == cover_ratios(project, model)
        assert image_cover_ratios(project, project.images()[0].id) == (), "nothing predicted it"
        assert f"the area that {model} covers" in page(tell(project))
    with cs.open(predicted) as project:
        rows = project.measure().summary.set_index("name")
    new, approved = rows.loc["new"], rows.iloc[0]
    assert new["confluency_low"] < new["confluency_high"] <= 100
    assert approved["confluency_low"] == approved["confluency"] == approved["confluency_high"]
    assert main(["measure", str(predicted), "--summary", str(tmp_path / "s.csv")]) == 0
    said = capsys.readouterr().out
    assert "±20% is usual by eye" in next(line for line in said.splitlines() if line.startswith("new:"))
    assert "by eye" not in next(line for line in said.splitlines() if line.startswith(str(rows.index[0])))


def test_labels_that_no_judged_model_made_have_no_interval(predicted: Path):
    with Project.open(predicted) as project:
        note_prediction(project, "new", "v77", "")
    with cs.open(predicted) as project:
        assert np.isnan(project.measure("new").summary["confluency_low"]).all()
    labels = np.zeros((9, 9), np.uint32)
    labels[2:5, 2:5] = 1
    np.save(predicted.parent / "loose.npy", labels)
    assert np.isnan(cs.measure_files(predicted.parent / "loose.npy").summary["confluency_low"]).all()

"""Choosing images to label: equal steps, sharp, clean, with reasons; folders and projects, command line and Python."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.measurement import CHOICE_COLUMNS, Candidate, Choosing, choose, looked_at
from napari_cellseg.measurement._select import debris_share, laplacian_variance
from napari_cellseg.samples import synthetic_cells

from .conftest import SHARED

NUMBERS = (6, 12, 18, 24, 30, 36, 42, 48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight fields with more and more cells and their masks, one of them blurred, and one with debris."""
    where = tmp_path_factory.mktemp("fields")
    (where / "images").mkdir()
    (where / "masks").mkdir()
    for k, n in enumerate([*NUMBERS, 25, 19]):
        image, labels = synthetic_cells((160, 160), n, radius=9, seed=k)
        name = f"{'m' if k % 2 else 'k'}_{k}"
        if k == 8:
            name, image = "blurred", cv2.GaussianBlur(image, (0, 0), 4)
        if k == 9:
            name = "dirty"
            free = cv2.dilate((labels > 0).astype(np.uint8), np.ones((21, 21), np.uint8)) == 0
            y, x = np.argwhere(free)[free.sum() // 2]
            image[max(0, y - 8) : y + 8, max(0, x - 8) : x + 8][
                labels[max(0, y - 8) : y + 8, max(0, x - 8) : x + 8] == 0
            ] = 60000
        tifffile.imwrite(where / "images" / f"{name}.tif", image)
        tifffile.imwrite(where / "masks" / f"{name}_masks.tif", labels.astype(np.uint16))
    return where


def chosen(folder, **how):
    return cs.select(folder / "images", folder / "masks", **how)


def reason_of(done, name):
    return done.table.set_index("image").loc[name, "reason"]


def test_equal_steps_sharp_and_clean(folder):
    done = chosen(folder, n=4)
    assert len(done.taken) == 4
    amounts = done.table.set_index("image")["confluency"]
    assert amounts[list(done.taken)].is_monotonic_increasing
    low, high = amounts.drop(["blurred", "dirty"]).agg(["min", "max"])
    steps = np.clip(((amounts[list(done.taken)] - low) / (high - low) * 4).astype(int), 0, 3)
    assert sorted(steps) == [0, 1, 2, 3]
    assert reason_of(done, "blurred").startswith("blurred: variance of the Laplacian")
    assert reason_of(done, "dirty").startswith("debris:")
    assert all(reason_of(done, name).startswith("taken for") for name in done.taken)
    assert list(done.table.columns) == [name for name, _ in CHOICE_COLUMNS]
    assert (done.table["source"] == "labels").all()


def test_sharpness_is_the_variance_of_the_laplacian():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (40, 50)).astype(np.float64)
    padded = np.pad(grey, 1, mode="reflect")
    plain = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * grey
    assert laplacian_variance(grey) == pytest.approx(plain.var())
    assert laplacian_variance(cv2.GaussianBlur(grey, (0, 0), 2)) < 0.1 * plain.var()


def test_debris_is_what_stands_out_and_is_no_object():
    rng = np.random.default_rng(1)
    grey, inside = rng.normal(100, 3, (100, 100)), np.zeros((100, 100), bool)
    inside[20:40, 20:40] = True
    grey[20:40, 20:40] = 250
    assert debris_share(grey, inside) == 0
    grey[60:70, 60:70] = 250
    assert debris_share(grey, inside) == pytest.approx(1.0)
    grey[80, 5] = 250  # one hot pixel is noise
    assert debris_share(grey, inside) == pytest.approx(1.0)
    assert debris_share(grey, np.ones_like(inside)) == 0


def test_volumes_are_as_sharp_as_their_sharpest_plane():
    rng = np.random.default_rng(2)
    image = np.full((1, 3, 30, 30), 50.0)
    image[0, 1] = rng.normal(50, 9, (30, 30))
    labels = np.zeros((3, 30, 30), np.uint32)
    labels[:, :15] = 1
    covered, sharp, _ = looked_at(image, labels)
    assert covered == pytest.approx(50)
    assert sharp == pytest.approx(laplacian_variance(image[0, 1]), rel=1e-5)


candidates = st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 1000), st.floats(0, 5)), min_size=1, max_size=30).map(
    lambda rows: [Candidate(str(n), *row) for n, row in enumerate(rows)]
)


@settings(max_examples=60)
@given(candidates, st.integers(1, 12), st.integers(0, 3))
def test_invariants(given, n, steps):
    how = Choosing(n, min(steps, n), None, None, None)
    try:
        found = choose(given, how).decisions
    except CellsegError:
        return
    usable = sum(not d.reason.startswith(("blurred", "debris")) for d in found)
    assert sum(d.taken for d in found) == min(n, usable)
    assert [d.candidate for d in found] == given
    assert all(d.reason for d in found)
    assert choose(given, how).decisions == found  # the same again


@pytest.mark.parametrize("amounts", [(0, 0, 0, 0, 1), (0, 0, 0, 1, 2e-309)])
def test_images_that_are_nearly_alike_are_chosen_from(amounts):
    given = [Candidate(str(n), a, 1.0 + n % 2, 0.0) for n, a in enumerate(amounts)]
    assert sum(d.taken for d in choose(given, Choosing(1, 0, None, None, None)).decisions) == 1


def test_groups_come_in_turn():
    movie = [Candidate(f"a{n}", 50, 100 + n, 0, group="a") for n in range(6)]
    other = [Candidate("b", 50, 92, 0, group="b"), Candidate("c", 50, 91, 0, group="c")]
    found = [d.candidate.name for d in choose(movie + other, Choosing(3)).decisions if d.taken]
    assert found == ["a5", "b", "c"]


def test_steps_without_images_are_said():
    given = [Candidate(str(n), c, 10, 0) for n, c in enumerate((0, 1, 2, 98, 99, 100))]
    choice = choose(given, Choosing(4, 4))
    assert choice.empty == ("25 to 50 %", "50 to 75 %")
    assert sum(d.taken for d in choice.decisions) == 4


def test_a_range_and_limits_of_a_person(folder):
    done = chosen(folder, n=2, span=(15, 40), debris=90, sharpness=0)
    amounts = done.table.set_index("image")["confluency"]
    assert all(15 <= amounts[name] <= 40 for name in done.taken)
    out = amounts[(amounts < 15) | (amounts > 40)].index
    assert all("is outside 15 to 40 %" in reason_of(done, name) for name in out)
    assert not done.table["reason"].str.startswith(("debris", "blurred")).any()


def test_the_command_writes_what_python_gives(folder, tmp_path, capsys):
    words = [str(folder / "images"), "--labels", str(folder / "masks"), "-n", "3", "--group-by", "^[km]_"]
    files = ["--csv", str(tmp_path / "s.csv"), "--list", str(tmp_path / "s.txt"), "--figure", str(tmp_path / "s.png")]
    assert main(["select", *words, *files]) == 0
    said = capsys.readouterr().out
    done = chosen(folder, n=3, group_by="^[km]_")
    done.table.to_csv(tmp_path / "own.csv", index=False)
    assert (tmp_path / "s.csv").read_text() == (tmp_path / "own.csv").read_text()
    paths = [Path(line) for line in (tmp_path / "s.txt").read_text().splitlines()]
    assert [p.stem for p in paths] == list(done.taken)
    assert all(p.is_file() for p in paths)
    assert (tmp_path / "s.png").stat().st_size > 5000
    assert f"+ {done.taken[0]}: " in said
    assert "- blurred: " in said


def test_without_labels_a_draft_or_the_base_model_tells(folder, tmp_path):
    truth = chosen(folder, n=4).table.set_index("image")["confluency"]
    draft = cs.select(folder / "images", n=4, by="draft").table.set_index("image")
    assert (draft["source"] == "draft").all()
    assert np.corrcoef(truth, draft["confluency"])[0, 1] > 0.8
    few = [folder / "images" / f"{name}.tif" for name in ("k_0", "k_6")]
    model = cs.select(few, n=2).table.set_index("image")
    assert (model["source"] == "model").all()
    assert model.loc["k_6", "confluency"] > model.loc["k_0", "confluency"]


def test_a_project_is_looked_at_and_not_changed(folder, tmp_path):
    with cs.new(tmp_path / "p", model="none") as project:
        for path in sorted((folder / "images").glob("*.tif")):
            project.add(path, folder / "masks" / f"{path.stem}_masks.tif")
        before = {r.id: len(project.project.db.history(r.id)) for r in project.images}
        done = project.select(n=4)
        assert {r.id: len(project.project.db.history(r.id)) for r in project.images} == before
    assert done.taken == chosen(folder, n=4).taken


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-n", "2", "--steps", "3"], "2 images cannot be chosen in 3 steps"),
        (["--range", "90:20"], "90 to 20 % is no range"),
        (["--range", "99.5:100"], "No image can be taken"),
        (["--csv", "x.doc"], "no name of a table"),
        (["--group-by", "("], "regular expression"),
        (["--image", "a"], "is not a project"),
    ],
)
def test_mistakes_are_said(folder, capsys, words, says):
    assert main(["select", str(folder / "images"), "--labels", str(folder / "masks"), *words]) == 2
    assert says in capsys.readouterr().err


def test_labels_can_be_asked_for(folder):
    with pytest.raises(CellsegError, match="It has no labels"):
        cs.select(folder / "images" / "k_0.tif", by="labels")


def test_fewer_than_asked_for_is_said(folder):
    seen = []
    done = chosen(folder, n=50, on_event=seen.append)
    assert len(done.taken) == 8
    assert any("8 images were taken; 50 were asked for" in getattr(e, "text", "") for e in seen)


@pytest.mark.data
def test_real_fields_with_the_edge_of_a_dish_are_left():
    data = SHARED / "phase_contrast"
    if not (data / "index.csv").is_file():
        pytest.skip("the phase contrast images are not there: set CELLSEG_DATA")
    done = cs.select(data / "images", data / "labels", n=5)
    dirty = set(done.table[done.table["reason"].str.startswith("debris")]["image"])
    assert {"usiigaci_set23", "usiigaci_set40"} <= dirty  # a third of the field is the rim of the dish
    assert len(dirty) <= 3
    steps = done.table[done.table["taken"]]["step"]
    assert steps.nunique() == 5

"""What a data set is like: known shapes, plain formulas, pairs of files, a project; command line and Python agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.measurement import FACTS, STATISTICS, Measured, describe_image, description
from napari_cellseg.samples import synthetic_cells


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures, two of them with masks beside them, and one volume."""
    where = tmp_path_factory.mktemp("set")
    for k, shape in enumerate([(90, 120), (90, 120), (80, 80)]):
        image, labels = synthetic_cells(shape, 10, radius=9, seed=k)
        tifffile.imwrite(where / f"{'ab'[k % 2]}{k}.tif", image)
        if k < 2:
            tifffile.imwrite(where / f"{'ab'[k % 2]}{k}_masks.tif", labels.astype(np.uint16))
    return where


def row_of(summary, figure, group="all images"):
    found = summary[(summary["figure"] == figure) & (summary["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


def test_figures_are_those_of_plain_formulas(folder):
    done = cs.describe(folder, folder / "a0_masks.tif")
    row = done.images.set_index("image").loc["a0"]
    image, labels = (tifffile.imread(folder / name).astype(np.float64) for name in ("a0.tif", "a0_masks.tif"))
    props = regionprops(labels.astype(int))
    p1, p99 = np.percentile(image, (1, 99))
    inside, outside = image[labels > 0].mean(), image[labels == 0].mean()
    assert row["intensity_mean"] == pytest.approx(image.mean())
    assert row["contrast"] == pytest.approx((p99 - p1) / (p99 + p1))
    assert row["contrast_rms"] == pytest.approx(image.std() / image.mean())
    assert row["contrast_objects"] == pytest.approx((inside - outside) / (inside + outside))
    assert row["objects"] == len(props)
    assert row["area"] == pytest.approx(np.mean([p.area for p in props]))
    assert row["covered"] == pytest.approx(100 * (labels > 0).mean())
    assert (row["size"], row["dtype"], row["height"], row["width"]) == ("90 x 120", "uint16", 90, 120)


def test_masks_beside_pictures_are_no_pictures(folder):
    done = cs.describe(folder, [folder / "a0_masks.tif", folder / "b1_masks.tif"])
    assert done.images["image"].tolist() == ["a0", "a2", "b1"]
    assert np.isnan(done.images.set_index("image").loc["a2", "objects"])
    assert row_of(done.summary, "objects")["n"] == 2
    assert row_of(done.summary, "height")["n"] == 3
    assert done.sizes[["size", "images"]].to_numpy().tolist() == [["90 x 120", 2], ["80 x 80", 1]]


def touching(*boxes):
    labels = np.zeros((40, 40), np.uint32)
    for n, (y, x) in enumerate(boxes, 1):
        labels[y : y + 5, x : x + 5] = n
    return labels


def test_touching_objects_are_counted():
    rows = {}
    for name, boxes in {"apart": [(0, 0), (20, 20)], "pair": [(0, 0), (5, 5), (30, 30)], "none": []}.items():
        rows[name] = describe_image(np.ones((1, 40, 40), np.uint8), Measured(touching(*boxes)))
    assert rows["pair"].row["touching"] == pytest.approx(200 / 3)
    _, summary, _ = description(rows, dict.fromkeys(rows, "all images"))
    share = row_of(summary, "images_touching")
    assert (share["n"], share["mean"]) == (3, pytest.approx(100 / 3))
    assert np.isnan(share["sd"])
    assert row_of(summary, "touching")["n"] == 2  # an image without objects has no share of them


def test_units_are_never_pooled():
    labels, image = touching((0, 0), (20, 20)), np.ones((1, 40, 40), np.uint8)
    found = {"px": describe_image(image, Measured(labels)), "um": describe_image(image, Measured(labels, (0.5, 0.5)))}
    _, summary, _ = description(found, dict.fromkeys(found, "all images"))
    areas = summary[summary["figure"] == "area"].set_index("unit")["mean"]
    assert areas.to_dict() == {"um^2": 6.25, "px^2": 25.0}


def test_colours_are_grey_and_channels_are_averaged():
    image = np.zeros((3, 20, 20), np.uint8)
    image[1] = 100
    assert describe_image(image, None, rgb=True).row["intensity_mean"] == pytest.approx(71.54)
    assert describe_image(image, None).row["intensity_mean"] == pytest.approx(100 / 3)


def test_volumes_have_volumes():
    image, labels = synthetic_cells((12, 60, 60), 8, radius=8, seed=1)
    row = describe_image(image[None], Measured(labels, (2.0, 0.5, 0.5))).row
    assert (row["size"], row["depth"]) == ("12 x 60 x 60", 12)
    assert row["volume"] == pytest.approx(0.5 * (labels > 0).sum() / len(np.unique(labels)[1:]))
    assert 0.5 < row["sphericity"] < 1.1
    assert np.isnan(row["area"])


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(0, 99), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_bounds(n, seed, dtype):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n + 1, (15, 17)).astype(np.uint32)
    row = describe_image(rng.integers(0, 200, (2, 15, 17)).astype(dtype), Measured(labels)).row
    assert 0 <= row["contrast"] <= 1
    assert -1 <= row["contrast_objects"] <= 1 or np.isnan(row["contrast_objects"])
    assert 0 <= row["touching"] <= 100
    assert 0 <= row["covered"] <= 100


def test_what_is_not_finite_does_not_count():
    image = np.full((1, 10, 10), 5.0, np.float32)
    image[0, 0] = np.nan
    assert describe_image(image, None).row["intensity_mean"] == 5
    assert np.isnan(describe_image(np.full((1, 9, 9), np.nan), None).row["contrast"])


def test_the_command_writes_what_python_gives(folder, tmp_path, capsys):
    words = ["--labels", str(folder / "a0_masks.tif"), "--group-by", "^[ab]"]
    files = ["--csv", str(tmp_path / "d.csv"), "--json", str(tmp_path / "d.json"), "--markdown", str(tmp_path / "d.md")]
    assert main(["describe", str(folder), *words, *files]) == 0
    said = capsys.readouterr().out
    done = cs.describe(folder, folder / "a0_masks.tif", group_by="^[ab]")
    for name, table in (("d", done.images), ("d_summary", done.summary), ("d_sizes", done.sizes)):
        table.to_csv(tmp_path / "own.csv", index=False)
        assert (tmp_path / f"{name}.csv").read_text() == (tmp_path / "own.csv").read_text()
    assert [r["image"] for r in json.loads((tmp_path / "d.json").read_text())["images"]] == ["a0", "a2", "b1"]
    assert "| area (px^2) |" in (tmp_path / "d.md").read_text()
    assert "[a] 2 images: 90 x 120 uint16 (1), 80 x 80 uint16 (1)" in said or "80 x 80 uint16 (1)" in said
    assert list(done.summary.columns)[4:] == list(STATISTICS)


def test_a_project_is_described_as_it_is_labelled(folder, tmp_path):
    with cs.new(tmp_path / "p", model="none") as project:
        for name in ("a0", "b1"):
            project.add(folder / f"{name}.tif", folder / f"{name}_masks.tif")
        project.add(folder / "a2.tif")
        done = project.describe()
        loose = cs.describe(folder, [folder / "a0_masks.tif", folder / "b1_masks.tif"])
        one, other = (t.images.set_index("image").sort_index().drop(columns="group") for t in (done, loose))
        pd.testing.assert_frame_equal(one, other)


def test_a_missing_picture_costs_its_intensities(folder, tmp_path, capsys):
    image, labels = synthetic_cells((64, 64), 5, radius=8, seed=9)
    tifffile.imwrite(tmp_path / "gone.tif", image)
    with cs.new(tmp_path / "p", model="none") as project:
        project.add(tmp_path / "gone.tif", labels)
        project.add(folder / "a0.tif")
    (tmp_path / "gone.tif").unlink()
    assert main(["describe", str(tmp_path / "p.cellseg")]) == 0
    assert "Intensities of gone are not described" in capsys.readouterr().out
    with cs.open(tmp_path / "p.cellseg") as project:
        row = project.describe().images.set_index("image").loc["gone"]
    assert row["objects"] == len(np.unique(labels)) - 1
    assert np.isnan(row["contrast"])


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [("nothing", (), "no file or folder"), (".", "extra_masks.tif", "no picture for the masks extra")],
)
def test_mistakes_are_said(folder, tmp_path, images, labels, says):
    tifffile.imwrite(tmp_path / "extra_masks.tif", np.ones((9, 9), np.uint8))
    with pytest.raises(CellsegError, match=says):
        cs.describe(folder / images, tmp_path / labels if labels else ())


def test_figures_are_named_once():
    assert len({f.name for f in FACTS}) == len(FACTS)


def test_the_page_says_what_the_code_says():
    page = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert all(f"| `{f.name}` | {f.unit} | {f.over} | {f.description} |" in page for f in FACTS)

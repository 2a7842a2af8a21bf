"""The classical algorithm of Karabag et al. 2023: nuclei, envelopes and cells in electron microscopy."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.morphology import disk

from napari_cellseg.cli import main
from napari_cellseg.drafts import DraftStopped, Hela, draft
from napari_cellseg.drafts.hela import HelaNumbers, salient
from napari_cellseg.drafts.hela import _masks as m
from napari_cellseg.drafts.hela._slice import background, cell, classes, nucleus, seen
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_micrograph

from .conftest import SHARED

CLASSES = ("envelope", "nucleus", "cell", "background")
SIDE = 440


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


@pytest.fixture(scope="module")
def slice_():
    return synthetic_micrograph((SIDE, SIDE), radius=120)


@pytest.fixture(scope="module")
def found(slice_):
    return Hela()(slice_[0][None].astype(np.float32))


# --- masks -------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.integers(1, 6))
def test_morphology_by_distances_is_that_by_disks(seed, radius):
    mask = ndi.binary_dilation(np.random.default_rng(seed).random((40, 50)) > 0.98, iterations=3)
    plain = disk(radius).astype(bool)
    np.testing.assert_array_equal(m.dilated(mask, radius), ndi.binary_dilation(mask, plain))
    np.testing.assert_array_equal(m.eroded(mask, radius), ndi.binary_erosion(mask, plain, border_value=1))
    wide = np.pad(mask, 20)
    closed = ndi.binary_closing(wide, plain)[20:-20, 20:-20]
    np.testing.assert_array_equal(m.closed(mask, radius), closed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_filling_is_scipys(seed):
    mask = np.random.default_rng(seed).random((30, 40)) > 0.45
    np.testing.assert_array_equal(m.filled(mask), ndi.binary_fill_holes(mask))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), deep=st.sampled_from([1, 3, 13]))
def test_the_median_through_a_volume_is_scipys(seed, deep):
    volume = np.random.default_rng(seed).random((7, 12, 15)) > 0.5
    plain = ndi.median_filter(volume.astype(np.uint8), (deep, 3, 3), mode="reflect") > 0
    np.testing.assert_array_equal(m.majority(volume, (deep, 3, 3)), plain)


def test_edges_lie_on_the_border_of_a_disk_and_nowhere_in_what_is_even():
    y, x = np.indices((200, 200))
    away = np.hypot(y - 100, x - 100)
    found = m.edges(np.where(away < 60, 200, 50).astype(np.float32), 4.0)
    assert found.any()
    assert np.abs(away[found] - 60).max() < 3
    assert not m.edges(np.full((50, 50), 7, np.float32), 4.0).any()


def test_nothing_grows_from_nothing():
    empty = np.zeros((20, 30), bool)
    assert not m.dilated(empty, 5).any()
    assert m.eroded(~empty, 5).all()
    assert not m.largest(empty).any()


# --- a slice -----------------------------------------------------------------------------------------


def test_a_slice_is_parted_into_envelope_nucleus_cell_and_background(slice_, found):
    truth = slice_[1]
    scores = {name: jaccard(found == n, truth == n) for n, name in enumerate(CLASSES, 1)}
    assert scores["nucleus"] > 0.92, scores
    assert scores["cell"] > 0.9, scores
    assert scores["background"] > 0.93, scores
    away = m.distance(truth == 1)[found == 1]  # a ring of 8 pixels over one of 6
    assert away.mean() < 3, away.mean()
    assert away.max() < 15, away.max()
    assert (found > 0).all()


def test_cytoplasm_of_other_cells_can_be_left_empty(slice_, found):
    truth = slice_[1]
    own = Hela(others=False)(slice_[0][None].astype(np.float32))
    np.testing.assert_array_equal(own[own != 0], found[own != 0])
    assert set(np.unique(found[own == 0])) <= {3}, "only cytoplasm is taken away"
    row = own[SIDE // 2]
    assert (row[SIDE // 2 - 60 : SIDE // 2 + 60] > 0).all()
    assert jaccard(np.isin(own, (1, 2, 3)), np.isin(truth, (1, 2, 3))) > 0.85


def test_the_shape_of_the_envelope_is_that_of_the_paper():
    y, x = np.indices((200, 200))
    away = np.hypot(y - 100, x - 100)
    made = classes(away <= 50, away > 90, numbers())
    ring = away[made == 1]
    assert 47.5 < ring.min() < 49.5
    assert 55.5 < ring.max() < 56.5
    assert set(np.unique(made)) == {1, 2, 3, 4}


def numbers(**changed: float) -> Hela:
    return Hela(**changed)


def test_without_background_one_cell_fills_the_picture():
    core = np.zeros((60, 60), bool)
    core[20:40, 20:40] = True
    assert cell(np.zeros((60, 60), bool), core, numbers()).all()


@pytest.mark.parametrize("grey", [np.zeros((200, 200)), np.full((200, 200), 220.0), np.eye(200) * 255])
def test_a_picture_of_nothing_has_no_nucleus_and_no_error(grey):
    found = Hela()(grey[None].astype(np.float32))
    assert found.shape == (200, 200)
    assert not np.isin(found, (1, 2)).any()


def test_numbers_follow_the_size_of_pixels(slice_, found):
    image, truth = slice_
    small = cv2.resize(image, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
    seen_small = Hela()(small[None].astype(np.float32), (0.02, 0.02))
    assert jaccard(seen_small == 2, truth[::2, ::2] == 2) > 0.93
    assert jaccard(seen_small == 2, found[::2, ::2] == 2) > 0.93
    n = Hela().scaled((0.1, 0.02, 0.02))
    assert (n.nucleus_edges, n.nucleus_area, n.median_slices) == (2.5, 2500, 6.5)
    assert (n.background_least, n.envelope_darker, n.cell_cap) == (160, 15, 0.7)


@pytest.mark.parametrize("change", [lambda p: p / 255, lambda p: p * 200 + 1000])
def test_the_range_of_grey_values_does_not_matter(slice_, found, change):
    again = Hela()(change(slice_[0][None].astype(np.float32)).astype(np.float32))
    assert jaccard(again == 2, found == 2) > 0.97


def test_disjoint_parts_of_a_nucleus_go_on_together():
    image, truth = synthetic_micrograph((SIDE, SIDE), radius=120, seed=3)
    grey = image.astype(np.float32)
    y, x = np.indices(truth.shape)
    core = truth == 2
    cut = core & (np.abs(x - SIDE // 2) < 25)  # cytoplasm comes between two parts
    rng = np.random.default_rng(0)
    rough = ndi.gaussian_filter(rng.normal(size=truth.shape), 6)
    grey[cut] = (125 + 22 * rough / rough.std() + rng.normal(0, 10, truth.shape))[cut]
    found = nucleus(seen(grey, numbers()), numbers(), beside=core)
    left, right = found[:, : SIDE // 2 - 30], found[:, SIDE // 2 + 30 :]
    assert left.sum() > 5000
    assert right.sum() > 5000
    assert nucleus(seen(grey, numbers()), numbers(), beside=np.zeros_like(core)).sum() == 0


# --- volumes -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def volume():
    return synthetic_micrograph((41, 300, 300), radius=80)


SMALL = {"nucleus_area": 2500, "margin_slices": 5, "median_slices": 3}


def test_a_volume_is_followed_until_the_nucleus_ends(volume):
    image, truth = volume
    found = Hela(**SMALL)(image[None].astype(np.float32))
    inside = found == 2
    assert jaccard(inside, truth == 2) > 0.85
    held = np.flatnonzero(inside.any((1, 2)))
    real = np.flatnonzero((truth == 2).any((1, 2)))
    assert (np.diff(held) == 1).all()
    assert held[0] >= real[0] - 2
    assert held[-1] <= real[-1] + 2


def test_along_three_axes_more_of_the_nucleus_is_found(volume):
    image, truth = volume
    one, three = (
        Hela(axes=axes, **SMALL)(image[None].astype(np.float32)) == 2 for axes in ("slices", "three")
    )  # fmt: skip
    assert jaccard(three, truth == 2) > 0.85
    assert (three & (truth == 2)).sum() >= 0.98 * (one & (truth == 2)).sum()


def test_the_cell_of_a_volume_lies_round_its_nucleus(volume):
    image, truth = volume
    found = Hela(others=False, **SMALL)(image[None].astype(np.float32))
    assert jaccard(np.isin(found, (1, 2, 3)), np.isin(truth, (1, 2, 3))) > 0.7
    assert not ((found == 3) & (truth == 4)).mean() > 0.05


def test_somebody_may_end_a_volume(volume):
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(DraftStopped):
        draft(Hela(**SMALL), volume[0][None].astype(np.float32), instances=False, classes=CLASSES, stop=stop)
    assert len(asked) == 6


# --- many cells --------------------------------------------------------------------------------------


def test_the_most_salient_cells_are_found_and_each_has_its_nucleus():
    image, truth = synthetic_micrograph((400, 1200), 3, radius=110)
    n = Hela()
    places = salient(image[None].astype(np.float32), n, 25)
    assert len(places) == 3
    for wanted in (200, 600, 1000):
        assert min(np.hypot(p.y - 200, p.x - wanted) for p in places) < 40
    found = Hela(cells=0, crop=400)(image[None].astype(np.float32))
    assert jaccard(found == 2, truth == 2) > 0.93
    narrow = Hela(cells=0, crop=300)(image[None].astype(np.float32))
    assert (narrow[:, :40] == 0).all(), "nothing is said of what was not looked at"
    assert len(salient(image[None].astype(np.float32), n, 2)) == 2


def test_a_cell_is_followed_through_the_slices():
    image, _ = synthetic_micrograph((21, 240, 480), 2, radius=65)
    n = Hela(every=5, chain=10, link=60)
    places = salient(image.astype(np.float32), n, 25)
    assert len(places) == 2
    assert all(abs(p.z - 10) <= 5 for p in places)
    assert salient(image.astype(np.float32), Hela(every=5, chain=10, link=0), 25) == [] or n.link


# --- in a project ------------------------------------------------------------------------------------


def test_classes_get_the_numbers_of_the_project(slice_):
    pixels = slice_[0][None].astype(np.float32)
    as_theirs = draft(Hela(), pixels, instances=False, classes=CLASSES).labels
    turned = draft(Hela(), pixels, instances=False, classes=("Nucleus", "mito", "cell", "Envelope")).labels
    np.testing.assert_array_equal(turned, np.array([0, 4, 1, 3, 0])[as_theirs])
    with pytest.raises(CellsegError, match="no class envelope or cell"):
        draft(Hela(), pixels, instances=False, classes=("nucleus",))
    with pytest.raises(CellsegError, match="one of objects"):
        draft(Hela(), pixels, instances=True)


def test_the_command_line_drafts_and_approves_nothing(tmp_path, capsys, slice_):
    tifffile.imwrite(tmp_path / "em.tif", slice_[0])
    folder = tmp_path / "em.cellseg"
    assert main(["new", str(folder), "--task", "semantic", "--classes", "envelope,nucleus,cell"]) == 0
    assert main(["add", str(folder), str(tmp_path / "em.tif")]) == 0
    assert main(["draft", str(folder), "--method", "hela", "--set", "nucleus_sigma=4"]) == 0
    assert "em: 3 classes" in capsys.readouterr().out
    with Project.open(folder) as project:
        labels, state = project.load_labels("em")
        assert jaccard(labels == 2, slice_[1] == 2) > 0.92
        assert jaccard(labels == 0, slice_[1] == 4) > 0.93
        assert not state.any()
    objects = tmp_path / "objects.cellseg"
    assert main(["new", str(objects)]) == 0
    assert main(["add", str(objects), str(tmp_path / "em.tif")]) == 0
    assert main(["draft", str(objects), "--method", "hela"]) == 2
    assert "--task semantic" in capsys.readouterr().err


@pytest.mark.data
def test_nuclei_of_real_shape_are_found_in_pictures_made_from_them():
    """The shapes of whole HeLa slices; the grey values are ours, since the slices are not to be had here."""
    folder = SHARED / "hela_em" / "fullslice_labels_only"
    if not folder.is_dir():
        pytest.skip("the real labels are not here: set CELLSEG_DATA")
    truth = tifffile.imread(sorted(folder.glob("*.tif"))[1])
    rng = np.random.default_rng(0)
    rough = ndi.gaussian_filter(rng.normal(size=truth.shape), 6)
    grey = ndi.gaussian_filter(np.array([0, 75, 148, 125, 205], np.float32)[truth], 1.5)
    grey += np.where(truth == 3, 22 * rough / rough.std(), 0) + rng.normal(0, 10, truth.shape)
    look = seen(np.clip(grey, 0, 255).astype(np.float32), numbers())
    pieces, _ = ndi.label(truth == 2)
    one = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    assert jaccard(nucleus(look, numbers()), ndi.binary_fill_holes(one)) > 0.96
    assert jaccard(background(look, numbers()), truth == 4) > 0.8


def test_every_number_is_told_in_the_help_of_settings(capsys):
    described = json.loads(json.dumps({k: f.description for k, f in Hela.model_fields.items()}))
    assert len(described) > 45
    assert all(described[k] for k in described if k != "kind")
    assert issubclass(Hela, HelaNumbers)

"""Clean-up of drafts: what it does to shapes, and that it never touches what a person has dealt with."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.morphology import disk

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.api import OpenProject
from napari_cellseg.cli import main
from napari_cellseg.drafts import CleanUp, DraftStopped
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import CleanedUp
from napari_cellseg.project import SOURCES, Project, label_sources
from napari_cellseg.samples import synthetic_cells


def rough(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Round cells, and the same with holes, spurs and crumbs."""
    _, truth = synthetic_cells((160, 200), 24, radius=12, touching=0.4, seed=seed)
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(truth.shape) < 0.08, 0, truth).astype(np.uint32)
    for id in np.unique(truth)[1:6]:
        y, x = (int(v) for v in np.mean(np.nonzero(truth == id), axis=1))
        labels[y, x : min(200, x + 40)] = np.where(labels[y, x : x + 40] == 0, id, labels[y, x : x + 40])
    labels[2:5, 2:5] = truth.max() + 1
    return labels, truth.astype(np.uint32)


def published(mask: np.ndarray) -> np.ndarray:
    """One object by itself, written down as the paper says it (Tiling 2024), with scipy."""
    padded = np.pad(mask, 10, mode="edge")
    smooth = ndi.uniform_filter(padded.astype(float), 5, mode="nearest") >= 0.5 - 1e-9
    opened = ndi.binary_opening(smooth, disk(2))
    return ndi.binary_dilation(opened, disk(1))[10:-10, 10:-10]


@pytest.mark.parametrize("seed", range(4))
def test_an_object_by_itself_is_what_the_paper_says(seed):
    labels, _ = rough(seed)
    for id in np.unique(labels)[1:]:
        alone = np.where(labels == id, id, 0).astype(np.uint32)
        y, x = np.nonzero(alone)
        if min(y.min(), x.min()) < 8 or y.max() > 151 or x.max() > 191:
            continue  # beyond the border each goes on in its own way
        np.testing.assert_array_equal(CleanUp(min_size=0)(alone) > 0, published(alone > 0))


def test_spurs_holes_and_crumbs_go_and_ids_stay():
    labels, truth = rough()
    cleaned = CleanUp()(labels)
    assert cleaned.dtype == np.uint32
    assert set(np.unique(cleaned)) == set(np.unique(truth))  # the crumb is gone, nobody else
    for id in np.unique(truth)[1:]:
        before, after, whole = labels == id, cleaned == id, truth == id
        assert (after & whole).sum() / (after | whole).sum() > 0.75
        assert (after & ~whole).sum() <= cv2.dilate(whole.astype(np.uint8), disk(2)).sum() - whole.sum()
        assert (before & ~after & ~cv2.dilate(whole.astype(np.uint8), disk(3)).astype(bool)).sum() == (
            before & ~cv2.dilate(whole.astype(np.uint8), disk(3)).astype(bool)
        ).sum()


def test_a_pixel_that_two_want_stays_with_its_owner():
    labels = np.zeros((40, 60), np.uint32)
    labels[10:30, 10:30], labels[10:30, 30:50] = 7, 4_000_000_000
    cleaned = CleanUp()(labels)
    assert (cleaned[14:26, 29] == 7).all()
    assert (cleaned[14:26, 30] == 4_000_000_000).all()
    labels[:, 30] = 0  # between them: the nearer one, the smaller number where both are as near
    assert (CleanUp()(labels)[14:26, 30] == 7).all()


def test_every_slice_by_itself():
    labels, _ = rough()
    volume = np.stack([labels, np.zeros_like(labels), np.roll(labels, 3, axis=1)])
    cleaned = CleanUp()(volume)
    for plane, expected in zip(cleaned, volume, strict=True):
        np.testing.assert_array_equal(plane, CleanUp()(expected))


@pytest.mark.parametrize("shape", [(30, 40), (3, 30, 40)])
def test_nothing_and_everything(shape):
    assert not CleanUp()(np.zeros(shape, np.uint32)).any()
    assert (CleanUp()(np.full(shape, 3, np.uint32)) == 3).all()  # no corners where it goes on


def test_stopping_ends_between_slices():
    asked = iter([False, True])
    with pytest.raises(DraftStopped):
        CleanUp()(np.ones((3, 20, 20), np.uint32), stop=lambda: next(asked))


@given(
    seed=st.integers(0, 1000),
    size=st.integers(0, 60),
    smoothing=st.integers(0, 4),
    opening=st.integers(0, 4),
    growth=st.integers(0, 4),
)
def test_what_is_not_free_never_changes(seed, size, smoothing, opening, growth):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 6, (2, 6, 7)), np.ones((1, 5, 6), int)).astype(np.uint32)
    free = rng.random(labels.shape) > 0.02
    touched = np.isin(labels, np.unique(labels[~free & (labels > 0)]))
    cleaned = CleanUp(min_size=size, smoothing=smoothing, opening=opening, growth=growth)(labels, free)
    np.testing.assert_array_equal(cleaned[touched | ~free], labels[touched | ~free])
    assert set(np.unique(cleaned)) <= set(np.unique(labels))
    for id in np.unique(labels[touched]):
        assert id == 0 or (cleaned == id).sum() == (labels == id).sum()


@pytest.fixture
def drafted(tmp_path):
    labels, _ = rough()
    tifffile.imwrite(tmp_path / "cells.tif", (labels > 0).astype(np.uint8) * 90)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "cells.tif", labels=labels, draft=True)
        yield project, labels


def test_only_what_nobody_touched_is_cleaned(drafted):
    project, labels = drafted
    store = project.store("cells")
    mine = edits.EditContext.on(store).piece(3)
    store.apply(edits.approve_object(edits.EditContext.on(store), mine))
    state = store.state.copy()
    seen: list[object] = []
    done = OpenProject(project).clean(on_event=seen.append)
    n = len(np.unique(labels)) - 2
    assert done.objects == {"cells": (n, n - 1)}
    assert seen == [CleanedUp("cells", n, n - 1)]
    after = project.load_labels("cells")
    np.testing.assert_array_equal(after[1], state)
    np.testing.assert_array_equal(after[0] == 3, labels == 3)
    np.testing.assert_array_equal(after[0], CleanUp()(labels, state == 0))
    assert (label_sources(project, "cells")[after[0] != labels] == SOURCES.index("automatic")).all()


def test_command_line_and_python_say_the_same(tmp_path, capsys):
    labels, _ = rough()
    tifffile.imwrite(tmp_path / "cells.tif", (labels > 0).astype(np.uint8) * 90)
    tifffile.imwrite(tmp_path / "draft.tif", labels.astype(np.uint16))
    found = []
    for name, clean in (("a", ["--clean"]), ("b", [])):
        folder = str(tmp_path / f"{name}.cellseg")
        assert main(["new", folder, "--model", "none"]) == 0
        picture, masks = str(tmp_path / "cells.tif"), str(tmp_path / "draft.tif")
        assert main(["add", folder, picture, "--labels", masks, "--draft", *clean]) == 0
        if not clean:
            assert main(["clean", folder, "--image", "cells", "--set", "min_size=20"]) == 0
            assert "untouched objects" in capsys.readouterr().out
        with Project.open(folder) as project:
            got, state = project.load_labels("cells")
            assert not state.any()
            found.append(got)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], CleanUp()(labels))
    assert main(["add", folder, picture, "--labels", masks, "--clean"]) == 2  # truth is not cleaned up
    assert main(["clean", folder, "--set", "opening=-1"]) == 2
    assert "opening" in capsys.readouterr().err


def test_classes_are_not_cleaned(tmp_path):
    with (
        cs.new(tmp_path / "c", task="semantic", classes=["a"]) as project,
        pytest.raises(CellsegError, match="objects"),
    ):
        project.clean()

"""Hints of single voxels: kept, taken back, learnt from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_cellseg.cli import main
from napari_cellseg.drafts import Example, PixelClassifier, learn
from napari_cellseg.engine import LiveJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Refined
from napari_cellseg.project import Holdout, Project, adopt_model
from napari_cellseg.samples import synthetic_cells


@pytest.fixture
def project(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.integers(0, 255, (40, 50)).astype(np.uint8))
    np.save(tmp_path / "v.npy", rng.integers(0, 255, (5, 40, 50)).astype(np.uint8))
    with Project.create(tmp_path / "p") as made:
        made.add_image(tmp_path / "a.npy")
        made.add_image(tmp_path / "v.npy", axes="ZYX")
        yield made


@pytest.mark.parametrize("id", ["a", "v"])
def test_random_strokes_undo_and_redo_are_what_a_plain_array_says(project, id):
    rng, hints = np.random.default_rng(1), project.hints(id)
    model, past, future = np.zeros(hints.values.shape, np.uint8), [], []
    for _ in range(40):
        verb = rng.choice(["paint", "undo", "redo", "clear"], p=[0.6, 0.2, 0.15, 0.05])
        if verb == "paint":
            index = rng.integers(0, model.size, rng.integers(1, 30))
            old, value = model.reshape(-1)[index].copy(), int(rng.integers(0, 3))
            if (old == value).all():
                continue
            past, future = [*past, model.copy()], []
            model.reshape(-1)[index] = value
            hints.values.reshape(-1)[index] = value  # napari paints before it tells
            hints.paint(index, old, np.full(index.size, value))
        elif verb == "clear":
            if model.any():
                past, future = [*past, model.copy()], []
                model = np.zeros_like(model)
            hints.clear()
        else:
            source, other = (past, future) if verb == "undo" else (future, past)
            assert (hints.undo() if verb == "undo" else hints.redo()) == bool(source)
            if source:
                other.append(model.copy())
                model = source.pop()
        np.testing.assert_array_equal(hints.values, model)
        np.testing.assert_array_equal(project.hints(id).values, model)  # from disk


def test_a_place_that_is_painted_twice_in_a_stroke_goes_back_to_what_it_was(project):
    hints = project.hints("a")
    hints.paint(np.array([7, 3, 7]), np.array([0, 0, 1]), np.array([1, 1, 2]))
    assert hints.values.reshape(-1)[[3, 7]].tolist() == [1, 2]
    hints.undo()
    assert not hints.values.any()


def test_pictures_of_hints_are_checked_before_anything_is_written(project):
    hints = project.hints("a")
    with pytest.raises(CellsegError, match="hints are"):
        hints.put(np.zeros((3, 3), np.uint8))
    with pytest.raises(CellsegError, match="no hint 3"):
        hints.put(np.full((40, 50), 3, np.uint8))
    assert hints.n == 0
    hints.put(np.eye(40, 50, dtype=np.uint8) * 2)
    hints.put(np.eye(40, 50, k=1, dtype=np.uint8))  # what it says nothing of, stays
    assert (project.hints("a").values == 2).sum() == 40
    assert (project.hints("a").values == 1).sum() == 40


def test_they_survive_a_recovery(project):
    project.hints("a").put(np.eye(40, 50, dtype=np.uint8))
    path = project.path
    project.db.close()
    with Project.recover(path) as again:
        assert (again.hints("a").values == 1).sum() == 40


@pytest.fixture(scope="module")
def rough() -> tuple[np.ndarray, np.ndarray]:
    """Smooth objects on a rough ground, which the base model does not see."""
    truth = synthetic_cells((256, 256), 40, radius=13, touching=0.0, seed=4)[1]
    noise = np.random.default_rng(0).normal(120, np.where(truth > 0, 8, 35))
    return noise.clip(0, 255).astype(np.uint8), truth


def strokes(truth: np.ndarray) -> np.ndarray:
    ids = np.unique(truth)[1::7]
    inside, outside = ndi.distance_transform_edt(truth > 0), ndi.distance_transform_edt(truth == 0)
    out = np.where(np.isin(truth, ids) & (inside > 7), 2, 0).astype(np.uint8)
    out[::37][outside[::37] > 6] = 1
    return out


def iou(labels: np.ndarray, truth: np.ndarray) -> float:
    return ((labels > 0) & (truth > 0)).sum() / ((labels > 0) | (truth > 0)).sum()


def test_a_forest_learns_from_hints_in_2d_and_3d(rough):
    pixels, truth = rough
    planes = pixels[None].astype(np.float32) / 255
    nothing, unknown = np.zeros(truth.shape, np.uint32), np.zeros(truth.shape, bool)
    method = PixelClassifier(trees=20)
    flat = method.fit([Example(planes, nothing, unknown, hints=strokes(truth))])(planes)
    assert iou(flat, truth) > 0.5
    volume = np.stack([planes[0], planes[0, ::-1]])[None]
    hints = np.stack([strokes(truth), np.zeros(truth.shape, np.uint8)])
    pair = np.stack([nothing] * 2), np.stack([unknown] * 2)
    found = method.fit([Example(volume, *pair, hints=hints)])(volume)
    assert iou(found, np.stack([truth, truth[::-1]])) > 0.5


def test_a_forest_learns_several_classes_from_hints(tmp_path):
    ground = np.repeat([40, 120, 220], 30)[None] + np.random.default_rng(0).normal(0, 8, (60, 90))
    classes = np.repeat(np.array([0, 1, 2], np.uint32), 30)[None].repeat(60, 0)
    np.save(tmp_path / "bands.npy", ground.clip(0, 255).astype(np.uint8))
    with Project.create(tmp_path / "p", "semantic", ("one", "two")) as project:
        project.add_image(tmp_path / "bands.npy")
        hints = np.zeros((60, 90), np.uint8)
        hints[30, 5:25], hints[30, 35:55], hints[30, 65:85] = 1, 2, 3
        project.hints("bands").put(hints)
        fitted = learn(project, PixelClassifier(trees=20))
        pixels = project.config.recipe(project.read_image("bands").load())
        assert (fitted(pixels) == classes).mean() > 0.9


def refined(project: Project, hints: np.ndarray | None, side: int = 256) -> Refined:
    nothing = np.zeros((side, side), np.uint32)
    (id,) = [r.id for r in project.images()]
    job = LiveJob(project.path, id, "cells", ((0, side), (0, side)), nothing, nothing.astype(np.uint8), None, hints)
    (event,) = run(job)
    return event


def test_live_learns_from_hints_and_forgets_them_when_they_are_gone(tmp_path, rough):
    pixels, truth = rough
    np.save(tmp_path / "rough.npy", pixels)
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "rough.npy")
        hints = strokes(truth)
        event = refined(project, hints)
        assert iou(event.labels, truth) > 0.6
        assert "hints" in event.learnt
        only_cells = refined(project, np.where(hints == 2, hints, 0).astype(np.uint8))
        assert "background" in only_cells.learnt
        assert not only_cells.adapted
        assert iou(only_cells.labels, truth) < 0.3  # the model's own again
        gone = refined(project, None)
        assert gone.learnt == ""
        assert gone.labels is None


def test_hints_in_what_is_held_out_are_never_learnt(tmp_path, rough):
    pixels, truth = rough
    np.save(tmp_path / "rough.npy", pixels)
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "rough.npy")
        project.db.put_holdout(Holdout("rough", (((0, 256), (0, 256)),)))
        event = refined(project, strokes(truth))
        assert event.labels is None
        assert event.learnt == ""


def test_a_fresh_process_recalls_hints_of_other_places(tmp_path, rough):
    from napari_cellseg.engine import _live

    pixels, truth = rough
    np.save(tmp_path / "rough.npy", np.concatenate([pixels, pixels[::-1]]))
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "rough.npy")
        project.hints("rough").put(np.concatenate([strokes(truth), np.zeros_like(truth, np.uint8)]))
        _live._memory.cache_clear()
        nothing = np.zeros((256, 256), np.uint32)
        field = ((256, 512), (0, 256))
        (event,) = run(LiveJob(project.path, "rough", "cells", field, nothing, nothing.astype(np.uint8)))
        assert iou(event.labels, truth[::-1]) > 0.6


def test_hints_on_the_command_line_must_fit_their_images(project, tmp_path, capsys):
    np.save(tmp_path / "right.npy", np.eye(40, 50, dtype=np.uint8))
    np.save(tmp_path / "wrong.npy", np.eye(4, 5, dtype=np.uint8))
    draft = ["draft", str(project.path), "--method", "forest", "--image"]
    assert main([*draft, "a", "v", "--hints", str(tmp_path / "right.npy")]) == 2
    assert main([*draft, "a", "v", "--hints", str(tmp_path / "right.npy"), str(tmp_path / "wrong.npy")]) == 2
    assert "hints are (4, 5)" in capsys.readouterr().err
    assert project.hints("a").n == 0

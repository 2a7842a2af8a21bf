"""Objects at the size that a network knows: factors, estimates, and every path that sees an image so."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg import images
from napari_cellseg.base import DEFAULT, base_models, estimate_size, median_diameter
from napari_cellseg.cli import main
from napari_cellseg.config import Config, default_config
from napari_cellseg.data import TrainingSet
from napari_cellseg.engine import PlanJob, PredictJob, run, write_prediction
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import score_image
from napari_cellseg.events import Planned, Predicted
from napari_cellseg.prediction import Request, load_model, predict
from napari_cellseg.prediction._size import checked_size
from napari_cellseg.project import (
    Project,
    adopt_model,
    difference,
    given_size,
    known_size,
    measure_sizes,
    new_project,
    note_size,
    object_size,
    put_size,
    zoom_of,
)
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.zoom import GRID, LEAST, MOST, Zoom

from .conftest import SHARED


@given(st.floats(1, 500), st.floats(1, 200))
def test_factors_are_kept_within_limits_and_on_the_grid(size, wanted):
    zoom = Zoom.between(size, wanted)
    assert LEAST * 0.98 <= zoom.factor <= MOST * 1.03
    assert zoom.stride(GRID) * zoom.factor == pytest.approx(GRID)
    assert zoom.stride(4 * GRID) == 4 * zoom.pixels
    if LEAST < wanted / size < MOST:
        assert zoom.factor == pytest.approx(wanted / size, rel=0.03)


def test_nothing_is_changed_where_a_size_is_unknown():
    pixels = np.random.default_rng(0).random((2, 33, 47)).astype(np.float32)
    for zoom in (Zoom.between(0, 30), Zoom.between(30, 0), Zoom.between(30, 30)):
        assert zoom.into(pixels) is pixels
        assert zoom.back(pixels, (33, 47)) is pixels
        assert zoom.stride(16) == 16


@settings(max_examples=40, deadline=None)
@given(st.integers(22, 128), st.integers(20, 300), st.integers(20, 300))
def test_there_and_back_keeps_place_and_size(pixels, height, width):
    zoom = Zoom(pixels)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    there = zoom.into(np.stack([y, x]))
    assert pixels == GRID or all(n % GRID == 0 for n in there.shape[-2:])  # as it is: nothing is mirrored
    back = zoom.back(there, (height, width))
    assert back.shape == (2, height, width)
    rim = 2 * -(-pixels // GRID) + 2
    inner = (slice(None), slice(rim, height - rim), slice(rim, width - rim))
    np.testing.assert_allclose(back[inner], np.stack([y, x])[inner], atol=0.5 * max(1, pixels / GRID))
    labels = zoom.into(np.ones((height, width), np.uint32), nearest=True)
    assert labels.dtype == np.uint32
    assert (labels == 1).all()


def test_nearest_takes_the_voxel_in_whose_middle_a_new_one_lies():
    labels = np.arange(64, dtype=np.uint32)[None].repeat(64, 0)
    np.testing.assert_array_equal(Zoom(64).into(labels, nearest=True)[0], np.arange(1, 64, 2))


@pytest.mark.parametrize("radius", [7, 12, 20, 30])
def test_sizes_are_estimated_from_the_picture(radius):
    image, labels = synthetic_cells((512, 512), 40, radius=radius, touching=0.1, seed=1)
    true = median_diameter(labels)
    assert estimate_size(image[None]) == pytest.approx(true, rel=0.4)


def test_a_picture_that_shows_nothing_has_no_size():
    assert estimate_size(np.zeros((1, 100, 100), np.uint8)) == 0
    assert estimate_size(np.full((1, 40, 40), np.nan, np.float32)) == 0
    assert median_diameter(np.zeros((10, 10), np.uint32)) == 0


def test_sizes_of_volumes_and_of_colour_pictures():
    image, labels = synthetic_cells((256, 256), 30, radius=12, touching=0.1, seed=3)
    volume = np.stack([image] * 6)[None]
    assert estimate_size(volume) == pytest.approx(estimate_size(image[None]), rel=1e-3)
    colour = np.stack([np.clip(image / image.max() * 255, 0, 255).astype(np.uint8)] * 3)
    assert estimate_size(colour) == pytest.approx(estimate_size(colour[:1]), rel=0.02)


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "phase_contrast").is_dir(), reason="the real images are not there: set CELLSEG_DATA")
def test_estimates_on_real_pictures_that_were_not_learnt_from():
    import csv

    from napari_cellseg import images

    ratios = []
    for folder in (SHARED / "dsb2018", SHARED / "phase_contrast"):
        for row in csv.DictReader((folder / "index.csv").open()):
            if row["split"] == "test":
                name = f"{row['name']}.tif"
                true = median_diameter(images.read_labels(folder / "labels" / name))
                ratios.append(estimate_size(images.read(folder / "images" / name).channels_first()) / true)
    assert np.mean(np.abs(np.log(ratios)) < np.log(1.5)) > 0.9


@pytest.fixture
def large(tmp_path):
    """Nuclei of 60 pixels: twice what the base model likes to see."""
    image, labels = synthetic_cells((512, 640), 40, radius=30, touching=0.1, seed=5)
    np.save(tmp_path / "large.npy", image)
    with new_project(tmp_path / "p") as project:
        project.add_image(tmp_path / "large.npy", labels=labels)
        yield project, labels


def predicted(project: Project, **options) -> np.ndarray:
    model = project.current_model
    config = project.model_config(model).with_values([f"predict.{k}={v}" for k, v in options.items()])
    events = run(PredictJob(project.path, ("large",), (model,), config.predict))
    return next(np.asarray(e.labels) for e in events if isinstance(e, Predicted))


def test_what_a_person_says_is_used_and_tiles_agree_with_the_whole(large):
    project, truth = large
    true = median_diameter(truth)
    put_size(project, "large", true)
    (planned,) = run(PlanJob(project.path, "large", (project.current_model,)))
    assert isinstance(planned, Planned)
    assert planned.size == true
    whole = predicted(project)
    assert score_image(truth, whole)["ap50"] > 0.7
    tiled = predicted(project, tile=256)
    same = score_image(whole, tiled)
    assert min(same["ap50"], same["matched_iou"]) > 0.95
    put_size(project, "large", 12)  # as if they were small: the network sees them far too large
    assert not np.array_equal(predicted(project), whole)


def test_a_training_sees_images_at_the_same_size(large):
    project, truth = large
    put_size(project, "large", 60)
    config = project.model_config(project.current_model)
    zoom = zoom_of(project, "large", config)
    (plane,) = TrainingSet(project, config).planes
    assert plane.pixels.shape[-2:] == plane.known.shape[-2:] == zoom.sides((512, 640)) == (256, 320)
    assert plane.target.shape[-2:] == (256, 320)
    inside = plane.target[0, 0] > 0.5
    assert inside.mean() == pytest.approx((truth > 0).mean(), rel=0.05)
    (native,) = TrainingSet(project, config.with_values(["object_size=0"])).planes
    assert native.pixels.shape[-2:] == (512, 640)


def test_a_size_holds_for_images_of_the_same_kind(tmp_path):
    nuclei = [synthetic_cells((128, 128), 12, radius=9, seed=s)[0] for s in range(2)]
    nuclei.append((255 - nuclei[0] / nuclei[0].max() * 255).astype(np.uint8))
    with Project.create(tmp_path / "p") as project:
        for n, image in enumerate(nuclei):
            np.save(tmp_path / f"i{n}.npy", image)
            project.add_image(tmp_path / f"i{n}.npy")
        assert given_size(project, "i0") == 0
        put_size(project, "i0", 40)
        assert [given_size(project, f"i{n}") for n in range(3)] == [40, 40, 0]
        put_size(project, "i1", 0)  # let it be estimated, whatever others are
        assert given_size(project, "i1") == 0
        assert object_size(project, "i0") == 40
        assert object_size(project, "i1") == estimate_size(project.read_image("i1").channels_first())
        with pytest.raises(CellsegError, match="no diameter"):
            put_size(project, "i0", -1)
        with pytest.raises(CellsegError):
            put_size(project, "nobody", 30)
        assert zoom_of(project, "i0", Config()) == Zoom()  # a model that never asked
        assert zoom_of(project, "i0", default_config()).factor == pytest.approx(0.75, rel=0.03)


def test_the_command_line_takes_a_size(large, capsys):
    project, _ = large
    project.close()
    assert main(["predict", str(project.path), "--object-size", "60"]) == 0
    with Project.open(project.path) as again:
        assert given_size(again, "large") == 60
    assert main(["predict", str(project.path), "--object-size", "1e9"]) == 2
    assert "no diameter" in capsys.readouterr().err


def test_a_base_model_asks_for_the_size(tmp_path):
    with Project.create(tmp_path / "p") as project:
        assert project.model_config(adopt_model(project, "cells")).object_size == default_config().object_size > 0


# --- an estimate is checked by what the network finds ----------------------------------------------


class Disks:
    """Labels of a window as a network might find them: disks whose diameter depends on how the image is seen."""

    def __init__(self, diameter) -> None:
        self.diameter, self.asked = diameter, []

    def __call__(self, window, size: float) -> np.ndarray:
        self.asked.append((window, size))
        height, width = (b - a for a, b in window[-2:])
        d = self.diameter(size)
        step = int(d) + 3
        y, x = np.mgrid[:height, :width]
        inside = ((y % step - step / 2) ** 2 + (x % step - step / 2) ** 2) < (d / 2) ** 2
        return np.where(inside, 1 + y // step * 1000 + x // step, 0).astype(np.uint32)


def test_an_estimate_that_the_network_confirms_stands():
    look = Disks(lambda size: 0.9 * size)
    assert checked_size(40.0, (900, 1000), look) == 40.0
    assert len(look.asked) == 1
    assert look.asked[0] == (((130, 770), (180, 820)), 40.0)  # the middle, 16 diameters wide


def test_where_clearly_smaller_objects_are_found_twice_their_size_is_taken():
    look = Disks(lambda size: 20.0)
    assert checked_size(40.0, (9, 300, 300), look) == pytest.approx(20, rel=0.1)
    assert [size for _, size in look.asked] == [40.0, pytest.approx(20, rel=0.1)]
    assert look.asked[0][0] == ((4, 5), (0, 300), (0, 300))


@pytest.mark.parametrize(
    "found",
    [lambda size: 0.5 * size, lambda size: 1.8 * size, lambda size: 200.0],
    ids=["fragments, ever smaller", "larger", "hardly any object"],
)
def test_otherwise_the_estimate_stands(found):
    assert checked_size(40.0, (400, 400), Disks(found)) == 40.0


def test_what_an_image_was_seen_with_is_remembered_until_a_person_speaks(tmp_path):
    np.save(tmp_path / "a.npy", synthetic_cells((200, 200), 12, radius=14, seed=1)[0])
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        (id,) = project.add_image(tmp_path / "a.npy")
        events = list(run(PredictJob(project.path, (id,), ("cells",))))
        (found,) = [e for e in events if isinstance(e, Predicted)]
        (plan,) = [e for e in events if isinstance(e, Planned)]
        assert found.size == plan.size == pytest.approx(28, rel=0.5)
        assert known_size(project, id) == 0
        write_prediction(project, found, PredictJob(project.path, (id,), ("cells",)))
        assert object_size(project, id) == known_size(project, id) == found.size
        assert given_size(project, id) == 0
        put_size(project, id, 50)
        assert object_size(project, id) == 50
        note_size(project, id, 20)  # an answer that comes late
        assert object_size(project, id) == 50
        put_size(project, id, 0)
        assert known_size(project, id) == 0  # the picture is asked again


# --- corrected objects know it better ----------------------------------------------------------------


def textured(path, radius: int, n: int) -> tuple[Project, np.ndarray]:
    """Two pictures of one kind whose grain looks like objects of a few pixels; n objects of the first are corrected."""
    rng = np.random.default_rng(0)
    project = Project.create(path / "p")
    for name in ("a", "b"):
        np.save(path / f"{name}.npy", rng.random((200, 200)).astype(np.float32))
        project.add_image(path / f"{name}.npy")
    y, x = np.mgrid[:200, :200]
    step = 2 * radius + 2
    inside = (y % step - radius) ** 2 + (x % step - radius) ** 2 < radius**2
    labels = np.where(inside, 1 + y // step * (200 // step + 1) + x // step, 0).astype(np.uint32)
    labels[labels > n] = 0
    store = project.store("a")
    whole = (slice(0, 200), slice(0, 200))
    store.apply(difference("brush", store.labels, store.state, whole, labels, (labels > 0).astype(np.uint8)))
    store.snapshot()
    return project, labels


def test_corrected_objects_overrule_an_estimate_that_is_far_off(tmp_path):
    project, labels = textured(tmp_path, 24, 6)
    with project:
        estimates = {id: estimate_size(project.read_image(id).channels_first()) for id in "ab"}
        assert 2 * max(estimates.values()) < median_diameter(labels)
        measure_sizes(project)
        assert object_size(project, "a") == object_size(project, "b") == pytest.approx(median_diameter(labels), abs=0.1)
        put_size(project, "a", 0)  # a person wants the estimate
        assert object_size(project, "a") == estimates["a"]
        put_size(project, "a", 44)
        assert object_size(project, "a") == object_size(project, "b") == 44


@pytest.mark.parametrize(("radius", "n"), [(24, 4), (4, 60)], ids=["few objects", "about right"])
def test_otherwise_each_picture_keeps_its_own_estimate(tmp_path, radius, n):
    project, labels = textured(tmp_path, radius, n)
    with project:
        estimate = estimate_size(project.read_image("a").channels_first())
        assert n < 5 or 0.5 < median_diameter(labels) / estimate < 2
        measure_sizes(project)
        assert given_size(project, "a") == 0
        assert object_size(project, "a") == estimate


def test_what_corrections_said_of_a_size_goes_with_them(tmp_path):
    project, labels = textured(tmp_path, 24, 6)
    with project:
        measure_sizes(project)
        assert given_size(project, "a") > 0
        store = project.store("a")
        whole = (slice(0, 200), slice(0, 200))
        empty = np.zeros_like(labels)
        store.apply(difference("erase", store.labels, store.state, whole, empty, empty.astype(np.uint8)))
        store.snapshot()
        measure_sizes(project)
        assert given_size(project, "a") == 0


@pytest.mark.skipif(not (SHARED / "dsb2018").is_dir(), reason="../shared/data/dsb2018 is not there")
def test_a_stained_smear_is_seen_at_its_size():
    """Its nuclei have 16 and 19 pixels; the picture alone says 27 and 31."""
    rows = [r for r in csv.DictReader((SHARED / "dsb2018" / "index.csv").open()) if r["split"] == "test"]
    model = load_model(base_models()[DEFAULT])
    for row in (r for r in rows if r["modality"] == "brightfield_grey"):
        picture = images.read(SHARED / "dsb2018" / "images" / f"{row['name']}.tif")
        truth = images.read_labels(SHARED / "dsb2018" / "labels" / f"{row['name']}.tif")
        (found,) = [e for e in predict(picture, model, request=Request(show=False)) if isinstance(e, Predicted)]
        assert found.size < 0.8 * estimate_size(picture.channels_first())
        assert found.size == pytest.approx(median_diameter(truth), rel=0.5)

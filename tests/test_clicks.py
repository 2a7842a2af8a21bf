"""Objects from clicks and boxes: what is found, what is drawn, and what stays as it was."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.base import CLICKS, DEFAULT, base_models
from napari_cellseg.cli import main
from napari_cellseg.clicks import MAPS, SIDE, ClickNetwork, Finder, Prompt, Shape, features_of, prompt_maps, through
from napari_cellseg.engine import ClickJob, run
from napari_cellseg.engine._live import network_with_features
from napari_cellseg.errors import CellsegError
from napari_cellseg.models import load_weights
from napari_cellseg.preprocess import Processed
from napari_cellseg.project import APPROVED, CORRECTED, Project, read_model_config
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.zoom import Zoom

MODEL = base_models()[DEFAULT]


@pytest.fixture(scope="module")
def network() -> ClickNetwork:
    network = ClickNetwork()
    load_weights(CLICKS, network)
    return network.eval()


def finder_on(picture: np.ndarray, network: ClickNetwork, size: float) -> Finder:
    """Of a picture (Y, X) or (Z, Y, X) with objects of a size."""
    config = read_model_config(MODEL)
    base, device = network_with_features(MODEL)
    pixels = picture[None, None] if picture.ndim == 2 else picture[None]
    zoom = Zoom.between(size, config.object_size)
    return Finder(Processed(config.recipe, pixels), base, network, device, config.object_size, zoom)


def overlap(shape, truth: np.ndarray) -> float:
    """Intersection over union with a mask of the whole plane."""
    found = np.zeros(truth.shape, bool)
    if shape is not None:
        (a, b), (c, d) = shape.box
        found[a:b, c:d] = shape.mask
    return float((found & truth).sum() / (found | truth).sum())


def middle(mask: np.ndarray) -> tuple[int, int]:
    """A pixel well inside."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(row), int(column)


def bounds(mask: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)


# --- what the network is told ---------------------------------------------------------------------


def test_prompts_are_drawn_where_they_are():
    maps = prompt_maps([(10, 20)], [(90, 100)], ((5, 15), (30, 31)))
    assert maps.shape == (MAPS, SIDE, SIDE)
    assert np.unravel_index(maps[0].argmax(), maps[0].shape) == (10, 20)
    assert np.unravel_index(maps[1].argmax(), maps[1].shape) == (90, 100)
    assert maps[2].sum() == 10
    assert maps[2, 5:15, 30].all()
    assert not maps[3].any()


@given(a=st.floats(-50, 200), b=st.floats(-50, 200))
@settings(max_examples=50, deadline=None)
def test_no_box_and_no_click_breaks_a_map(a, b):
    maps = prompt_maps([(a, b)], [(b, a)], ((min(a, b), max(a, b)), (a, a)))
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_the_network_takes_what_the_base_model_tells(network):
    base, _ = network_with_features(MODEL)
    x = torch.rand(1, 1, SIDE, SIDE)
    with torch.inference_mode():
        out = network(features_of(x, *base(x)), torch.from_numpy(prompt_maps([(64, 64)]))[None])
    assert out.shape == (1, 1, SIDE, SIDE)


def test_what_was_said_is_heard_in_the_order_of_the_clicks():
    prompt = Prompt(((1, 1), (2, 2)), ((3, 3),))
    heard = [prompt.heard(n) for n in range(prompt.later + 1)]
    assert [len(p.inside) for p in heard] == [1, 2, 2]
    assert [len(p.outside) for p in heard] == [0, 0, 1]
    boxed = Prompt(outside=((3, 3),), box=((0, 9), (0, 9)))
    assert [len(boxed.heard(n).outside) for n in range(boxed.later + 1)] == [0, 1]


# --- what is found --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["click", "box"])
@pytest.mark.parametrize("dark", [False, True], ids=["bright", "dark"])
def test_objects_are_found_where_they_are(network, how, dark):
    picture, truth = synthetic_cells((300, 300), 30, radius=13, touching=0.4, seed=3)
    finder = finder_on(picture.max() - picture if dark else picture, network, 26)
    found = []
    for id in range(1, 13):
        mask = truth == id
        prompt = Prompt((middle(mask),)) if how == "click" else Prompt(box=bounds(mask))
        found.append(overlap(finder.find(prompt), mask))
    assert np.median(found) > 0.75  # neighbours touch


def test_a_large_object_is_looked_at_from_further_away(network):
    picture, truth = synthetic_cells((600, 600), 2, radius=110, seed=1)
    finder = finder_on(picture, network, 30)  # the size that is known is of other objects
    mask = truth == 1
    assert overlap(finder.find(Prompt((middle(mask),))), mask) > 0.8
    assert overlap(finder.find(Prompt(box=bounds(mask))), mask) > 0.8


def test_the_answer_is_the_same_whatever_was_asked_before(network):
    picture, truth = synthetic_cells((200, 200), 12, radius=12, seed=5)
    places = [middle(truth == id) for id in (1, 2, 3)]
    finder = finder_on(picture, network, 24)
    alone = [finder_on(picture, network, 24).find(Prompt((place,))) for place in places]
    after = [finder.find(Prompt((place,))) for place in [*reversed(places), *places]][3:]
    for one, two in zip(alone, after, strict=True):
        assert one.box == two.box
        np.testing.assert_array_equal(one.mask, two.mask)


@pytest.mark.parametrize("shape", [(9, 9), (20, 300), (130, 40)])
@pytest.mark.parametrize("size", [8, 30, 90])
def test_any_picture_is_large_enough(network, shape, size):
    rng = np.random.default_rng(0)
    finder = finder_on(rng.random(shape).astype(np.float32), network, size)
    for prompt in (Prompt(((0, 0),)), Prompt(((shape[0] - 1, shape[1] - 1),)), Prompt(box=((0, 5), (0, 5)))):
        shape_found = finder.find(prompt)
        if shape_found is not None:
            (a, b), (c, d) = shape_found.box
            assert 0 <= a < b <= shape[0]
            assert 0 <= c < d <= shape[1]
            assert shape_found.mask.shape == (b - a, d - c)
            assert shape_found.mask.any()


class Echo(torch.nn.Module):
    """In the network's place: what was said comes back, a box as it was drawn, a click as a dot."""

    def forward(self, features, prompts):
        return 20 * torch.maximum(prompts[:, 2:3], prompts[:, :1]) - 10


@pytest.mark.parametrize("size", [12, 30, 61, 100])
@pytest.mark.parametrize("corner", [(0, 0), (37, 151), (260, 3)])
def test_what_the_network_says_comes_back_to_where_it_was_said(size, corner):
    picture = np.random.default_rng(0).random((290, 310)).astype(np.float32)
    finder = finder_on(picture, Echo(), size)
    (top, left), sides = corner, (round(0.9 * size), round(0.7 * size))
    box = tuple((a, min(n, a + side)) for a, side, n in zip((top, left), sides, picture.shape, strict=True))
    shape = finder.find(Prompt(box=box))
    off = 1 + 1 / finder.zoom.factor
    for (a, b), (c, d) in zip(shape.box, box, strict=True):
        assert abs(a - c) <= off
        assert abs(b - d) <= off
    place = (140, 150)
    shape = finder.find(Prompt((place,)))
    for found, said in zip(shape.centre, place, strict=True):
        assert abs(found - said) <= off


def test_a_slice_is_asked_for_what_was_found_beside_it():
    class Before(torch.nn.Module):
        def forward(self, features, prompts):
            return 20 * prompts[:, 3:4] - 10

    picture = np.random.default_rng(0).random((2, 200, 240)).astype(np.float32)
    for size in (14, 40, 90):
        finder = finder_on(picture, Before(), size)
        mask = np.hypot(*np.ogrid[-size // 2 : size // 2, -size // 2 : size // 2]) < 0.45 * size
        shape = Shape(((60, 60 + mask.shape[0]), (80, 80 + mask.shape[1])), mask)
        assert finder.follow(shape, 1).overlap(shape) > 0.85


def ball(shape=(24, 96, 96), radius=14.0, centre=(12, 48, 48)) -> np.ndarray:
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return (((z - centre[0]) * 2) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2) < radius**2


def test_an_object_is_followed_through_its_slices(network):
    truth = ball()
    rng = np.random.default_rng(1)
    volume = (truth * 200 + rng.normal(40, 6, truth.shape)).astype(np.float32)
    finder = finder_on(volume, network, 26)
    first = finder.find(Prompt(((48, 48),)), 12)
    slices = through(finder, first, 12, len(truth), lambda: False)
    found = np.zeros(truth.shape, bool)
    for z, shape in slices.items():
        (a, b), (c, d) = shape.box
        found[z, a:b, c:d] = shape.mask
    assert (found & truth).sum() / (found | truth).sum() > 0.75
    assert set(slices) <= set(np.flatnonzero(truth.any((1, 2)))) | {4, 5, 19, 20}


# --- what is drawn --------------------------------------------------------------------------------


def context(labels: np.ndarray, state: np.ndarray | None = None, **choices) -> edits.EditContext:
    state = np.zeros(labels.shape, np.uint8) if state is None else state
    return edits.EditContext.of(labels.astype(np.uint32), state, **choices)


def applied(edit, labels: np.ndarray) -> np.ndarray:
    out = labels.astype(np.uint32).ravel().copy()
    out[edit.index] = edit.new_labels
    return out.reshape(labels.shape)


def square(shape=(40, 40), where=(slice(10, 20), slice(10, 20)), id=1) -> np.ndarray:
    out = np.zeros(shape, np.uint32)
    out[where] = id
    return out


def test_on_background_it_is_a_new_object():
    labels = square()
    edit = edits.found(context(labels), (slice(25, 30), slice(25, 30)), np.ones((5, 5), bool))
    after = applied(edit, labels)
    assert (after[25:30, 25:30] == 2).all()
    assert (after == 1).sum() == 100
    assert (edit.new_state[edit.new_labels == 2] == CORRECTED).all()


def test_the_object_that_it_mostly_covers_gets_its_shape():
    labels = square()
    edit = edits.found(context(labels), (slice(12, 24), slice(12, 24)), np.ones((12, 12), bool))
    after = applied(edit, labels)
    np.testing.assert_array_equal(after, square(where=(slice(12, 24), slice(12, 24))))


def test_a_part_of_an_object_becomes_an_object_of_its_own():
    labels = square(where=(slice(10, 20), slice(5, 35)))  # two that were taken for one, and more
    edit = edits.found(context(labels), (slice(10, 20), slice(5, 15)), np.ones((10, 10), bool))
    after = applied(edit, labels)
    assert (after[10:20, 5:15] == 2).all()
    assert (after[10:20, 15:35] == 1).all()


@pytest.mark.parametrize("state", [CORRECTED, APPROVED])
def test_what_a_person_has_dealt_with_stays(state):
    labels = square() + square(where=(slice(10, 20), slice(20, 30)), id=2)
    states = np.where(labels == 2, state, 0).astype(np.uint8)
    edit = edits.found(context(labels, states), (slice(10, 20), slice(10, 25)), np.ones((10, 15), bool))
    after = applied(edit, labels)
    assert (after == 2).sum() == 100
    assert (after == 1).sum() == 100 or edit.empty


def test_what_is_only_predicted_gives_way():
    labels = square() + square(where=(slice(10, 20), slice(20, 30)), id=2)
    edit = edits.found(context(labels), (slice(10, 20), slice(10, 23)), np.ones((10, 13), bool))
    after = applied(edit, labels)
    assert (after[10:20, 10:23] == 1).all()
    assert (after == 2).sum() == 70


def test_over_background_only_it_takes_from_no_other_object_and_keeps_its_own():
    labels = square() + square(where=(slice(10, 20), slice(20, 30)), id=2)
    edit = edits.found(context(labels, over="background"), (slice(8, 20), slice(10, 23)), np.ones((12, 13), bool))
    after = applied(edit, labels)
    assert (after == 2).sum() == 100
    assert (after[10:20, 10:20] == 1).all()
    assert (after[8:10, 10:23] == 1).all()


def test_an_approved_object_is_protected_while_it_is_locked():
    labels = square()
    states = np.where(labels, APPROVED, 0).astype(np.uint8)
    with pytest.raises(CellsegError, match="approved"):
        edits.found(context(labels, states), (slice(8, 22), slice(8, 22)), np.ones((14, 14), bool))
    edit = edits.found(context(labels, states, locked=False), (slice(8, 22), slice(8, 22)), np.ones((14, 14), bool))
    assert (applied(edit, labels)[8:22, 8:22] == 1).all()


def test_of_a_volume_only_the_slices_that_were_looked_at_change():
    labels = np.stack([square(), square(), square()])
    edit = edits.found(context(labels, z=1), (slice(1, 2), slice(12, 22), slice(12, 22)), np.ones((1, 10, 10), bool))
    after = applied(edit, labels)
    np.testing.assert_array_equal(after[0], square())
    np.testing.assert_array_equal(after[2], square())
    np.testing.assert_array_equal(after[1], square(where=(slice(12, 22), slice(12, 22))))


def test_in_a_project_of_classes_it_is_a_region_of_the_class():
    labels = square(id=1)
    edit = edits.found(context(labels, instances=False), (slice(15, 25), slice(15, 25)), np.ones((10, 10), bool), id=2)
    after = applied(edit, labels)
    assert (after[15:25, 15:25] == 2).all()
    assert (after == 1).sum() == 75


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_found_a_persons_pixels_stay_and_undo_brings_all_back(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    labels = np.zeros((30, 30), np.uint32)
    state = np.zeros((30, 30), np.uint8)
    for id in range(1, 5):
        y, x = rng.integers(0, 22, 2)
        where = slice(y, y + 8), slice(x, x + 8)
        labels[where], state[where] = id, rng.choice([0, CORRECTED, APPROVED])
    y, x = rng.integers(0, 20, 2)
    box, mask = (slice(y, y + 10), slice(x, x + 10)), rng.random((10, 10)) < 0.7
    try:
        edit = edits.found(context(labels, state), box, mask)
    except CellsegError:
        return
    after = applied(edit, labels)
    whose = np.unique(after[box][mask & (after[box] != labels[box])])
    kept = (labels > 0) & (state > 0) & ~np.isin(labels, whose)
    np.testing.assert_array_equal(after[kept], labels[kept])
    np.testing.assert_array_equal(applied(edit.inverse(), after), labels)


# --- by every way in ------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    picture, truth = synthetic_cells((200, 200), 12, radius=12, seed=5)
    np.save(tmp_path / "a.npy", picture)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy")
        yield project, truth


def test_a_script_and_the_command_line_draw_the_same(project, tmp_path, capsys):
    made, truth = project
    place, path = middle(truth == 1), made.path
    made.close()
    with cs.open(path) as opened:
        found = opened.click("a", place)
        assert found.id == 1
        one = opened.labels("a").copy()
        rows = opened.project.db.history("a")
    assert [row.tool for row in rows] == ["click"]
    assert overlap(None, truth == 1) == 0
    assert ((one == 1) & (truth == 1)).sum() / ((one == 1) | (truth == 1)).sum() > 0.65
    second = tmp_path / "q.cellseg"
    assert main(["new", str(second)]) == 0
    assert main(["add", str(second), str(tmp_path / "a.npy")]) == 0
    capsys.readouterr()
    assert main(["click", str(second), "a", "--at", f"{place[0]},{place[1]}"]) == 0
    assert "a: object 1 at " in capsys.readouterr().out
    with cs.open(second) as opened:
        np.testing.assert_array_equal(opened.labels("a"), one)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({}, "Nothing was pointed at"),
        ({"at": (500, 3)}, "lies outside"),
        ({"at": (5, 5), "but_not": (0, 200)}, "lies outside"),
        ({"box": ((0, 500), (0, 10))}, "box must lie"),
        ({"at": (0, 5, 5)}, "2 axes"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(project, said, match):
    made, _ = project
    path = made.path
    made.close()
    with cs.open(path) as opened:
        with pytest.raises(CellsegError, match=match):
            opened.click("a", **said)
        assert not opened.project.db.history("a")


def test_nothing_found_is_a_message_and_changes_nothing(tmp_path):
    np.save(tmp_path / "flat.npy", np.full((64, 64), 7, np.uint8) + np.eye(64, dtype=np.uint8))
    with cs.new(tmp_path / "p") as opened:
        opened.add([tmp_path / "flat.npy"])
        found: list[int] = []
        with contextlib.suppress(CellsegError):
            found.append(int(opened.click("flat", (30, 30)).mask.sum()))
        assert np.count_nonzero(opened.labels("flat")) == sum(found)  # whatever a network sees in nothing, or nothing


def test_a_job_changes_nothing(project):
    made, truth = project
    events = list(run(ClickJob(made.path, "a", (middle(truth == 2),))))
    assert [type(e).__name__ for e in events] == ["ObjectFound"]
    assert not made.load_labels("a")[0].any()

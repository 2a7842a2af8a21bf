"""Comparing annotators, their consensus, and the order of review."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import Item, agreement, agreement_map, by_worth, compare, consensus, review_order
from napari_cellseg.images import read_labels, write_labels
from napari_cellseg.project import Project


def disks(*places: tuple[int, int, int, int], shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    """(y, x, radius, id) each."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.uint32)
    for cy, cx, radius, id in places:
        labels[np.hypot(y - cy, x - cx) < radius] = id
    return labels


LEFT = disks((15, 15, 8, 1), (15, 50, 8, 2), (45, 15, 8, 3), (45, 50, 8, 4), (45, 64, 7, 5))
RIGHT = disks((15, 15, 8, 7), (45, 15, 11, 8), (45, 50, 8, 9), (45, 64, 7, 9), (30, 70, 6, 10))


def test_every_kind_of_difference_is_found_and_named():
    found = {d.kind: d for d in compare(LEFT, RIGHT)}
    assert set(found) == {"only left", "only right", "merged", "outline"}
    assert found["only left"].left == (2,)
    assert found["only right"].right == (10,)
    assert found["merged"].left == (4, 5)
    assert found["merged"].right == (9,)
    assert found["outline"].left == (3,)
    assert 0.4 < found["outline"].iou < 0.6
    back = {d.kind for d in compare(RIGHT, LEFT)}
    assert back == {"only left", "only right", "split", "outline"}
    y, x = found["only left"].box
    assert (LEFT[y[0] : y[1], x[0] : x[1]] == 2).sum() == (LEFT == 2).sum()


def test_equal_labels_agree_whatever_their_numbers():
    other = np.where(LEFT > 0, 100 - LEFT, 0).astype(np.uint32)
    assert compare(LEFT, other) == []
    assert agreement(LEFT, other) == {"dice": 1.0, "iou": 1.0, "kappa": 1.0}
    assert set(np.unique(agreement_map(LEFT, other))) == {0, 3}


def test_the_map_says_who_said_what():
    shown = agreement_map(LEFT, RIGHT)
    assert shown[15, 15] == 3
    assert shown[15, 50] == 1
    assert shown[30, 70] == 2
    assert set(np.unique(shown[LEFT == 5])) <= {1, 3, 4}
    assert (shown[(LEFT == 5) & (RIGHT == 9)] == 4).all()  # 9 is 4's partner


def test_kappa_takes_chance_off():
    rng = np.random.default_rng(0)
    a, b = (rng.random((200, 200)) < 0.5).astype(np.uint32), (rng.random((200, 200)) < 0.5).astype(np.uint32)
    figures = agreement(a, b)
    assert abs(figures["kappa"]) < 0.03
    assert 0.45 < figures["dice"] < 0.55
    from sklearn.metrics import cohen_kappa_score

    classes = rng.integers(0, 4, (50, 50)), rng.integers(0, 4, (50, 50))
    classes[1][:40] = classes[0][:40]
    expected = cohen_kappa_score(classes[0].ravel(), classes[1].ravel())
    assert agreement(*(c.astype(np.uint32) for c in classes), n_classes=3)["kappa"] == pytest.approx(expected)


def test_regions_of_classes_are_compared_too():
    left, right = np.zeros((30, 30), np.uint32), np.zeros((30, 30), np.uint32)
    left[2:10, 2:10], right[2:10, 2:10] = 1, 2
    left[20:28, 20:28] = right[20:28, 20:28] = 2
    kinds = sorted(d.kind for d in compare(left, right, instances=False))
    assert kinds == ["only left", "only right"]


def test_consensus_of_three():
    a, b = disks((20, 20, 9, 1), (20, 45, 9, 2)), disks((20, 21, 9, 1), (20, 45, 9, 2), (50, 70, 4, 3))
    c = disks((21, 20, 9, 5))
    found = consensus([a, b, c])
    votes = (a > 0).astype(int) + (b > 0) + (c > 0)
    np.testing.assert_array_equal(found > 0, votes >= 2)
    assert len(np.unique(found[votes >= 2])) == 2
    with pytest.raises(CellsegError, match="two annotators"):
        consensus([a])
    with pytest.raises(CellsegError, match="same image"):
        consensus([a, b[:5]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_consensus_of_equals_is_what_they_say(seed):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 4, (6, 7)), np.ones((4, 4), int)).astype(np.uint32)
    found = consensus([labels, labels, labels])
    np.testing.assert_array_equal(found, labels)
    classes = consensus([labels, labels, rng.integers(0, 4, labels.shape).astype(np.uint32)], instances=False)
    np.testing.assert_array_equal(classes, labels)


# --- the order of review --------------------------------------------------------------------------


def test_what_stands_out_comes_first_and_says_why():
    grid = [(y, x, 7, 10 * y + x) for y in (15, 40, 65, 90) for x in (20, 45, 70, 95)]
    labels = disks(*grid, shape=(110, 130))
    labels[60:104, 106:126] = 999  # far too large
    doubt = np.full(labels.shape, 20, np.uint8)
    doubt[labels == 10 * 40 + 45] = 250
    items = review_order(labels, np.zeros(labels.shape, np.uint8), doubt=doubt, tiles=False)
    assert items[0].id == 445
    assert items[0].why[0] == "in doubt"
    assert items[1].id == 999
    assert "odd size" in items[1].why
    assert len(items) == 17
    assert all(a.score >= b.score for a, b in itertools.pairwise(items))


def test_what_a_person_has_spoken_about_is_left_out():
    state = np.zeros(LEFT.shape, np.uint8)
    state[LEFT == 2] = 1
    state[LEFT == 3] = 2
    state[15, 15] = 1  # only touched
    assert {item.id for item in review_order(LEFT, state)} == {1, 4, 5}


def test_random_and_reading_order():
    state = np.zeros(LEFT.shape, np.uint8)
    one, same, other = (review_order(LEFT, state, "random", seed=s) for s in (1, 1, 2))
    assert one == same
    assert {i.id for i in one} == {i.id for i in other} == {1, 2, 3, 4, 5}
    volume = np.stack([np.zeros_like(LEFT), LEFT, np.zeros_like(LEFT), np.where(LEFT > 0, LEFT + 5, 0)])
    read = review_order(volume.astype(np.uint32), np.zeros(volume.shape, np.uint8), "reading")
    assert [i.id for i in read[:5]] == [1, 3, 2, 4, 5]  # one band of 128 rows, from left to right
    assert [i.box[0] for i in read] == [(1, 2)] * 5 + [(3, 4)] * 5


def test_background_in_doubt_is_a_place():
    labels = np.zeros((200, 300), np.uint32)
    doubt = np.zeros(labels.shape, np.uint8)
    doubt[150:170, 260:290] = 240
    (item,) = review_order(labels, np.zeros(labels.shape, np.uint8), doubt=doubt)
    assert item.id == 0
    assert item.box == ((128, 200), (256, 300))
    state = np.zeros(labels.shape, np.uint8)
    state[128:, 256:] = 2
    assert review_order(labels, state, doubt=doubt) == []


def test_jumps_between_slices_are_seen():
    column = np.zeros((9, 40, 80), np.uint32)
    column[1:8, 10:20, 10:20] = 1
    column[1:4, 10:20, 40:50] = column[4:8, 22:32, 52:62] = 2
    items = review_order(column, np.zeros(column.shape, np.uint8))
    assert items[0].id == 2
    assert "jumps between slices" in items[0].why


# --- the command line -----------------------------------------------------------------------------


def test_compare_and_history_on_the_command_line(tmp_path, capsys):
    np.save(tmp_path / "cells.npy", LEFT.astype(np.float32))
    line = str(tmp_path / "p.cellseg")
    write_labels(tmp_path / "left.tif", LEFT)
    write_labels(tmp_path / "right.geojson", RIGHT)
    assert main(["new", line]) == 0
    add = ["add", line, str(tmp_path / "cells.npy"), "--labels", str(tmp_path / "left.tif"), "--draft"]
    assert main(add) == 0
    out = [str(tmp_path / n) for n in ("map.tif", "all.tif", "figures.json")]
    words = ["--map", out[0], "--consensus", out[1], "--json", out[2]]
    assert main(["compare", line, "--image", "cells", "--labels", str(tmp_path / "right.geojson"), line, *words]) == 0
    said = capsys.readouterr().out
    assert "p - right.geojson: Dice" in said
    assert "p - p.cellseg: Dice 1.000" in said
    np.testing.assert_array_equal(read_labels(out[0]), agreement_map(LEFT, RIGHT))
    figures = json.loads((tmp_path / "figures.json").read_text())["pairs"]["p - right.geojson"]
    assert figures["differences"] == 4
    assert read_labels(out[1]).shape == LEFT.shape
    with Project.open(line) as project:
        project.approve_labels("cells", RIGHT)
        last = project.store("cells").n
    assert main(["history", line, "--csv", str(tmp_path / "h.csv")]) == 0
    assert len((tmp_path / "h.csv").read_text().splitlines()) == 3
    assert main(["history", line]) == 0
    assert "import" in capsys.readouterr().out
    assert main(["history", line, "--restore", str(last - 1)]) == 2
    assert main(["history", line, "--image", "cells", "--restore", "999"]) == 2
    assert main(["history", line, "--image", "cells", "--restore", str(last - 1)]) == 0
    with Project.open(line) as project:
        np.testing.assert_array_equal(project.load_labels("cells")[0], LEFT)
        holder = Project.open(line)
        assert holder.claim()
        assert main(["history", line, "--image", "cells", "--restore", str(last)]) == 2
        holder.close()


def test_background_in_doubt_does_not_crowd_out_objects():
    box = ((0, 1), (0, 1))
    objects = [Item(n, box, score) for n, score in ((1, 0.2), (2, 0.4), (3, 0.1), (4, 0.3))]
    tiles = [Item(0, box, 0.95), Item(0, box, 0.9)]
    items = [*tiles, *objects]
    order = [(items[i].id, items[i].score) for i in by_worth(items)]
    assert order == [(2, 0.4), (0, 0.95), (4, 0.3), (1, 0.2), (0, 0.9), (3, 0.1)]
    assert by_worth([]) == []


def test_jumps_in_time_are_seen():
    centres = [(y, x, 7, 10 * y + x) for y in (20, 50, 80) for x in (20, 50, 80)]
    before, now, after = (disks(*((y, x + t, r, id) for y, x, r, id in centres), shape=(110, 130)) for t in range(3))
    now[now == 10 * 50 + 50] = 0  # missed in this frame
    now[100:108, 110:124] = 7  # and debris that comes and goes
    state = np.zeros(now.shape, np.uint8)
    items = review_order(now, state, beside=[before, after])
    assert items[0].id == 7
    assert items[0].why[0] == "jumps in time"
    assert all("jumps in time" not in item.why for item in items if item.id != 7)
    (gone,) = (item for item in items if not item.id)
    assert gone.why == ("there before and after, not here",)
    assert gone.box == ((44, 57), (44, 57))
    state[50, 50] = 1  # a person has spoken there
    assert all(item.id for item in review_order(now, state, beside=[before, after]))
    assert {i.id for i in review_order(now, state, beside=[before])} == {i.id for i in review_order(now, state)}
    assert review_order(now, state, beside=[np.zeros_like(now)]) == review_order(now, state)

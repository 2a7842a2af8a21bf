"""What a round says, as a pure function."""

from __future__ import annotations

import pytest

from napari_cellseg.engine import judged_better
from napari_cellseg.gui.app.rounds import verdict, wilson
from napari_cellseg.project import RoundRecord


def scores(ap: float, iou: float, n: int = 40, found: int = 30) -> dict[str, float]:
    return {"images": 1, "ap50": ap, "iou": iou, "objects_tp": found, "objects_fn": n - found, "objects_fp": 0}


def round_(before: dict, after: dict, parent: str | None = "cells") -> RoundRecord:
    return RoundRecord(1, 0.0, parent, "v1", "open", before, after)


@pytest.mark.parametrize(
    ("objects", "gain", "better"),
    [(2, 0.05, False), (2, 0.1, True), (10, 0.04, False), (10, 0.06, True), (20, 0.0, True), (200, 0.0, True)],
)
def test_with_few_held_out_objects_a_child_must_be_clearly_better_than_its_parent(objects, gain, better):
    kinds = [(scores(0.6, 0.6, objects, 1), scores(0.6 + gain, 0.6 + gain, objects, 1))]
    assert judged_better(kinds, "cells") is better
    assert judged_better(kinds, None)  # against a draft, the first network is preferred
    classes = [({"images": 1, "iou": 0.6}, {"images": 1, "iou": 0.6 + gain})]
    assert judged_better(classes, "v1")


@pytest.mark.parametrize(
    ("before", "after", "better"),
    [
        ([(0.5, 0.6)], [(0.6, 0.7)], True),
        ([(0.9, 0.9)], [(0.4, 0.6)], False),
        ([(0.9, 0.9), (0.2, 0.2)], [(0.7, 0.7), (0.6, 0.6)], True),  # worse on one kind, much better on another
    ],
)
def test_every_kind_counts_the_same(before, after, better):
    kinds = [(scores(*b), scores(*a)) for b, a in zip(before, after, strict=True)]
    assert judged_better(kinds, "cells") is better


def test_a_kind_of_one_small_part_does_not_outvote_many_images():
    """Seen in the demo: three images lost 0.02, a part of one gained more, and the worse model was kept."""
    many = (scores(0.70, 0.80) | {"images": 3}, scores(0.66, 0.78) | {"images": 3})
    part = (scores(0.50, 0.60), scores(0.54, 0.63))
    assert judged_better([many, part], "cells") is False
    assert judged_better([many, (part[0], scores(0.70, 0.80))], "cells") is True


def test_what_cannot_be_measured_is_not_better_than_what_is_there():
    assert judged_better([], "cells") is False
    assert judged_better([], None) is True
    assert judged_better([({"images": 0}, {"images": 0})], "cells") is False


def test_a_worse_model_is_called_worse_and_the_old_one_stays():
    text = verdict(round_(scores(0.9, 0.9), scores(0.4, 0.6)), "cells")
    assert text.startswith("v1 is worse than cells, which stays the model in use")
    assert "Worse: IoU, AP@0.5" in text


def test_a_better_one_too():
    assert verdict(round_(scores(0.4, 0.6), scores(0.9, 0.9)), "v1").startswith("v1 is better than cells")


def test_the_first_model_is_measured_against_the_draft():
    text = verdict(round_(scores(0.9, 0.9), scores(0.4, 0.6), parent=None), None)
    assert text.startswith("v1 is worse than the first draft")


def test_a_handful_of_objects_is_said_to_be_one():
    text = verdict(round_(scores(0.5, 0.5), scores(0.6, 0.6, n=4, found=3)), "v1")
    assert "Only 4 held-out objects: 3 found" in text
    low, high = wilson(3, 4)
    assert (round(low, 3), round(high, 3)) == (0.301, 0.954)  # R: binom::binom.wilson(3, 4)


def test_kinds_are_named():
    after = scores(0.6, 0.6) | {"kinds": {"a": (scores(0.5, 0.5), scores(0.7, 0.7)), "b": (scores(0.5, 0.5),) * 2}}
    text = verdict(round_(scores(0.5, 0.5), after), "v1")
    assert "Better on images like a (0.50 → 0.70); unchanged on images like b" in text


def test_nothing_held_out_is_said():
    assert "cannot be judged" in verdict(round_({}, {"images": 0}), "cells")


def test_a_child_that_is_not_clearly_better_is_not_called_worse():
    few = round_(scores(0.6, 0.6, 4), scores(0.62, 0.62, 4, 3))
    assert "v1 is not clearly better than cells, which stays the model in use" in verdict(few, "cells")
    worse = round_(scores(0.6, 0.6, 4), scores(0.5, 0.5, 4, 3))
    assert "v1 is worse than cells, which stays" in verdict(worse, "cells")

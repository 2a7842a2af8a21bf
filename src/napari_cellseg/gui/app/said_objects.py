"""Where what a person says of objects of the open image is kept: at a pixel inside each. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...measurement import Spoken, inner_point, labels_at
from ...project import LabelStore

Point = tuple[int, ...]


def points_in(
    store: LabelStore, words: Mapping[int, str], before: Sequence[Spoken]
) -> tuple[dict[Point, str], list[Point]]:
    """As `measurement.points_to_say`, for a store that knows where its objects are; what is not there is left out."""
    points: dict[Point, str] = {}
    for label, word in words.items():
        if label not in store.objects:
            continue
        box = store.objects.box(store.labels, label)
        inside = inner_point(store.labels[box], label)
        points[tuple(p + s.start for p, s in zip(inside, box, strict=True))] = word
    at = labels_at(store.labels, [s.point for s in before])
    return points, [s.point for s, label in zip(before, at, strict=True) if int(label) in words]

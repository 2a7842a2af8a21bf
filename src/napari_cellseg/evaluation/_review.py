"""In which order a person should look: objects and empty tiles by how much a look is worth.

Every object gets features between 0 and 1: doubt (mean entropy), disagreement of models, odd size and odd shape
(compared with the other objects), contact with neighbours, being cut by the border of the image, a jump between
slices, and a jump between time points. The score is their weighted mean; the features that stand out are named, so that
a person knows why to look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Labels, State
from .._types import Span as Box
from ..matching import Overlaps, overlaps
from ..project import Objects

Order = Literal["worth", "random", "reading"]
WEIGHTS = {
    "in doubt": 4.0, "models disagree": 2.0, "odd size": 1.5, "odd shape": 1.5, "touches others": 1.0,
    "jumps between slices": 1.5, "jumps in time": 2.0, "track breaks": 4.0, "jumps in size": 3.0,
    "cut by the border": 0.25,
}  # fmt: skip
"""How much each feature counts. Set by hand before anything was measured; `simulate` shows what the order is worth."""
STANDS_OUT = 0.35
SAME = 0.5
"""IoU from which objects of two time points are taken for one that has hardly moved."""
TILE = 128


@dataclass(frozen=True)
class Item:
    """One place to look at.

    Attributes
    ----------
    id
        The object, 0 for a tile of background.
    box
        (start, stop) per axis.
    score
        How much a look is worth, 0 to 1.
    why
        What stands out, in words.
    """

    id: int
    box: Box
    score: float
    why: tuple[str, ...] = ()


def review_order(
    labels: Labels,
    state: State,
    order: Order = "worth",
    *,
    doubt: NDArray[np.uint8] | None = None,
    disagreement: NDArray[np.uint8] | None = None,
    beside: Sequence[Labels] = (),
    through_time: Mapping[int, Mapping[str, float]] | None = None,
    seed: int = 0,
    tiles: bool = True,
) -> list[Item]:
    """What has no user edits yet, in the order in which to look at it.

    Parameters
    ----------
    labels, state
        (Z, Y, X) or (Y, X).
    doubt, disagreement
        Entropy and spread of models, uint8 of the same shape, where known.
    beside
        Labels of the time points before and after, where the image is a frame of a series. An object that neither has
        in its place is worth a look, and so is a place where both have the same one and this frame has none.
    through_time
        By object what `tracks.track_doubts` says of its track, where the series was tracked.
    order
        ``worth``: see `by_worth`; ``random``; ``reading``: slice by slice, row by row.
    tiles
        Whether background tiles of `TILE` pixels with doubt in them count as places: what a network has missed lies
        there.
    """
    frames = [overlaps(labels, other) for other in beside if other.any()]
    jumps = {id: {"jumps in time": value} for id, value in _jumps_in_time(frames).items()}
    for id, features in (through_time or {}).items():
        jumps[id] = {**jumps.get(id, {}), **features}
    items = _objects(labels, state, doubt, disagreement, jumps)
    if tiles and doubt is not None:
        items += _tiles(labels, state, doubt)
    if tiles and len(frames) == 2:
        items += _gone(labels, state, beside[0], beside[1])
    if order == "random":
        return [items[i] for i in np.random.default_rng(seed).permutation(len(items))]
    if order == "reading":
        return sorted(items, key=lambda item: _line_of_text(item.box))
    return [items[i] for i in by_worth(items)]


def by_worth(items: Sequence[Item]) -> list[int]:
    """Indices of places, the most worth a look first.

    Scores of objects (a mean of many features) and of background (its most doubtful part) cannot be compared, and
    background in doubt would always come first; so each kind is sorted by itself, and the two are merged by rank.
    """
    out: list[tuple[float, int]] = []
    for background in (False, True):
        mine = sorted(
            (i for i, item in enumerate(items) if (item.id == 0) == background), key=lambda i: -items[i].score
        )
        out += [((rank + 0.5) / len(mine), i) for rank, i in enumerate(mine)]
    return [i for _, i in sorted(out)]


def _line_of_text(box: Box) -> tuple[int, ...]:
    """Slice, then row of `TILE` pixels, then column."""
    middles = [(a + b) // 2 for a, b in box]
    return (*middles[:-2], middles[-2] // TILE, middles[-1], middles[-2])


def _objects(
    labels: Labels,
    state: State,
    doubt: NDArray[np.uint8] | None,
    disagreement: NDArray[np.uint8] | None,
    jumps: Mapping[int, Mapping[str, float]],
) -> list[Item]:
    objects = Objects(labels, state)
    found: list[tuple[int, Box, dict[str, float]]] = []
    sizes: list[float] = []
    for id in objects.ids().tolist():
        box = objects.box(labels, id)
        mask = labels[box] == id
        if state[box][mask].all():
            continue  # a person has dealt with all of it
        features = {"odd shape": _oddness(mask), "touches others": _contact(labels, box, id)}
        features["cut by the border"] = float(
            any(s.start == 0 or s.stop == n for s, n in list(zip(box, labels.shape, strict=True))[-2:])
        )
        if doubt is not None:
            features["in doubt"] = float(doubt[box][mask].mean()) / 255
        if disagreement is not None:
            features["models disagree"] = min(1.0, float(disagreement[box][mask].mean()) / 64)
        if labels.ndim == 3:
            features["jumps between slices"] = _jump(mask)
        features |= jumps.get(id, {})
        found.append((id, tuple((s.start, s.stop) for s in box), features))
        sizes.append(float(mask.sum()))
    odd = _odd_sizes(np.asarray(sizes))
    return [_item(id, box, {**f, "odd size": o}) for (id, box, f), o in zip(found, odd.tolist(), strict=True)]


def _item(id: int, box: Box, features: dict[str, float]) -> Item:
    total = sum(WEIGHTS[name] for name in features)
    score = sum(WEIGHTS[name] * value for name, value in features.items()) / max(total, 1e-9)
    why = sorted((n for n, v in features.items() if v >= STANDS_OUT), key=lambda n: -features[n] * WEIGHTS[n])
    return Item(id, box, float(score), tuple(why))


def _odd_sizes(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the logarithm of a size lies from the median, in robust deviations; 6 is as odd as it gets."""
    if sizes.size < 4:
        return np.zeros(sizes.size)
    logs = np.log(sizes)
    spread = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    return np.asarray(np.clip(np.abs(logs - np.median(logs)) / max(float(spread), 0.1) / 6, 0, 1))


def _oddness(mask: NDArray[np.bool_]) -> float:
    """One minus the size divided by that of the ellipse (ellipsoid) with the same second moments, in 0..1, stretched.

    A solid ellipse has covariance axis^2 / (n + 2) along each axis, so its volume follows from the determinant.
    """
    places = np.argwhere(mask).astype(float)
    places = places[:, np.ptp(places, axis=0) > 0]
    n = places.shape[1]
    if n < 2 or len(places) < 8:
        return 0.0
    covariance = np.cov(places.T) + np.eye(n) / 12  # a voxel is a cube, not a point
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[n]
    volume = ball * np.sqrt(max(float(np.linalg.det(covariance)), 1e-9)) * (n + 2) ** (n / 2)
    return float(np.clip((1 - len(places) / volume) * 3, 0, 1))


def _contact(labels: Labels, box: tuple[slice, ...], id: int) -> float:
    """Share of the outline (in slices) that faces other objects."""
    wide = tuple(
        slice(max(0, s.start - (a >= len(box) - 2)), min(n, s.stop + (a >= len(box) - 2)))
        for a, (s, n) in enumerate(zip(box, labels.shape, strict=True))
    )
    view = labels[wide]
    mine = view == id
    faces = touching = 0
    for axis in (-2, -1):
        a = np.moveaxis(mine, axis, 0)
        v = np.moveaxis(view, axis, 0)
        for one, other in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            edge = a[one] & ~a[other]
            faces += int(edge.sum())
            touching += int((edge & (v[other] > 0)).sum())
    return touching / faces if faces else 0.0


def _jump(mask: NDArray[np.bool_]) -> float:
    """One minus the least overlap (IoU) of two neighbouring slices between the ends of an object."""
    areas = mask.sum((1, 2))
    if len(areas) < 4:
        return 0.0
    both = (mask[:-1] & mask[1:]).sum((1, 2))
    either = np.maximum(areas[:-1] + areas[1:] - both, 1)
    return float(1 - (both / either)[1:-1].min())


def _jumps_in_time(frames: list[Overlaps]) -> dict[int, float]:
    """By id: how much less it overlaps (IoU) with its best partner in the frames beside than objects usually do."""
    if not frames or not frames[0].left_ids.size:
        return {}
    best = np.max([frame.of_left[0] for frame in frames], axis=0)
    usual = max(float(np.median(best)), 1e-9)
    jumps = np.clip(1 - best / usual, 0, 1)
    return dict(zip(frames[0].left_ids.tolist(), jumps.tolist(), strict=True))


def _gone(labels: Labels, state: State, before: Labels, after: Labels) -> list[Item]:
    """Places that hold one object before and after, and none that a person or a network has seen in between."""
    found, objects, items = overlaps(before, after), Objects(before, np.zeros(before.shape, np.uint8)), []
    for mine, _, iou in zip(*found.mutual, strict=True):
        if iou < SAME:
            continue
        id = int(found.left_ids[mine])
        box = objects.box(before, id)
        mask = before[box] == id
        if (labels[box][mask] > 0).mean() < 0.25 and not state[box][mask].any():
            items.append(
                Item(0, tuple((s.start, s.stop) for s in box), float(iou), ("there before and after, not here",))
            )
    return items


def _tiles(labels: Labels, state: State, doubt: NDArray[np.uint8]) -> list[Item]:
    """Tiles whose background is in doubt, by their most doubtful part."""
    items = []
    planes: Any = range(labels.shape[0]) if labels.ndim == 3 else (None,)
    for z in planes:
        view = (labels, state, doubt) if z is None else (labels[z], state[z], doubt[z])
        rows, columns = view[0].shape
        for y in range(0, rows, TILE):
            for x in range(0, columns, TILE):
                at = (slice(y, y + TILE), slice(x, x + TILE))
                free = (view[0][at] == 0) & (view[1][at] == 0)
                if free.sum() < 64:
                    continue
                values = np.sort(view[2][at][free])[-64:]
                if values.mean() < 0.35 * 255:
                    continue
                box = ((y, min(rows, y + TILE)), (x, min(columns, x + TILE)))
                front = () if z is None else ((z, z + 1),)
                items.append(Item(0, (*front, *box), float(values.mean()) / 255, ("background in doubt",)))
    return items

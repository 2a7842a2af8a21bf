"""Masks as polygons along pixel edges, and back: exact both ways, holes included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]
"""(N, 2) corners (y, x), not closed; pixel (0, 0) reaches from 0 to 1 on both axes, as in ImageJ and QuPath."""


def trace(mask: NDArray[np.bool_]) -> list[list[Ring]]:
    """Outlines of a (Y, X) mask: one list for each 4-connected piece, its outer ring first, then its holes."""
    import cc3d

    pieces = cc3d.connected_components(mask, connectivity=4)
    return [_sorted(_rings(pieces == k)) for k in range(1, int(pieces.max(initial=0)) + 1)]


def fill(rings: Iterable[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centres lie inside an odd number of rings, (Y, X) bool.

    Of centres on a ring, those on its upper and left sides count, so that neighbours never share a pixel. Takes time
    for the rows that edges cross and for the pixels, however many corners there are.
    """
    edges = np.concatenate([np.hstack([ring, np.roll(ring, -1, 0)]) for ring in rings])
    edges = edges[edges[:, 0] != edges[:, 2]]
    down = edges[:, 0] < edges[:, 2]  # always from above, so that a line there and back cancels out
    y0, x0, y1, x1 = np.where(down[:, None], edges, edges[:, [2, 3, 0, 1]]).T
    first, end = (np.clip(np.ceil(y - 0.5), 0, shape[0]).astype(np.int64) for y in (y0, y1))
    n = end - first
    edge = np.repeat(np.arange(n.size), n)
    rows = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + first[edge]
    x = x0[edge] + (rows + 0.5 - y0[edge]) * ((x1 - x0) / (y1 - y0))[edge]
    columns = np.clip(np.ceil(x - 0.5), 0, shape[1]).astype(np.int64)
    crossings = np.zeros((shape[0], shape[1] + 1), np.uint8)
    places, times = np.unique(rows * (shape[1] + 1) + columns, return_counts=True)
    crossings.reshape(-1)[places] = times & 1
    return np.asarray(np.cumsum(crossings, axis=1, dtype=np.uint8)[:, :-1] & 1, bool)


def bridged(rings: list[Ring]) -> Ring:
    """One ring that holds the holes too: a line of no width leads to each hole and back."""
    outer, *holes = rings
    parts = [outer, outer[:1]]
    for hole in holes:
        parts += [hole, hole[:1], outer[:1]]
    return np.concatenate(parts)


def outlines_of(labels: NDArray[np.uint32]) -> Iterator[tuple[int, int, int, list[Ring]]]:
    """Id, slice, number of the piece, and rings, of every piece of every object of labels (Z, Y, X) or (Y, X)."""
    for z, plane in enumerate(labels.reshape(-1, *labels.shape[-2:])):
        for id, box in boxes(plane):
            corner = np.array([box[0].start, box[1].start], float)
            for n, rings in enumerate(trace(plane[box] == id), start=1):
                yield id, z, n, [ring + corner for ring in rings]


def boxes(plane: NDArray[np.uint32]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Id and box of every object of a plane (Y, X)."""
    from ..kernels.extents import extents

    found = extents(np.ascontiguousarray(plane))
    for id, (y0, x0), (y1, x1) in zip(found.ids.tolist(), found.low.tolist(), found.high.tolist(), strict=True):
        yield id, (slice(y0, y1 + 1), slice(x0, x1 + 1))


def _sorted(rings: list[Ring]) -> list[Ring]:
    return sorted(rings, key=lambda ring: -abs(_area(ring)))


def _area(ring: Ring) -> float:
    y, x = ring.T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """Walk along the edges between inside and outside, the inside always on the same hand."""
    ahead: dict[tuple[int, int], list[tuple[int, int]]] = {}
    padded = np.pad(mask, 1)
    for dy, dx, start, stop in (  # the pixel's side, walked clockwise (y points down)
        (-1, 0, (0, 0), (0, 1)), (0, 1, (0, 1), (1, 1)), (1, 0, (1, 1), (1, 0)), (0, -1, (1, 0), (0, 0)),
    ):  # fmt: skip
        outside = padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
        for y, x in np.argwhere(mask & ~outside).tolist():
            ahead.setdefault((y + start[0], x + start[1]), []).append((y + stop[0], x + stop[1]))
    rings = []
    while ahead:
        first = here = next(iter(ahead))
        corners, came = [first], (0, 0)
        while True:
            choices = ahead[here]
            # where two pixels meet at a corner, turn right: 4-connected pieces stay apart
            there = choices.pop(0 if len(choices) == 1 else _right(here, came, choices))
            if not choices:
                del ahead[here]
            came, here = (there[0] - here[0], there[1] - here[1]), there
            if here == first:
                break
            corners.append(here)
        rings.append(_corners_only(np.array(corners, float)))
    return rings


def _right(here: tuple[int, int], came: tuple[int, int], choices: list[tuple[int, int]]) -> int:
    right = (here[0] + came[1], here[1] - came[0])
    return choices.index(right) if right in choices else 0


def _corners_only(ring: Ring) -> Ring:
    """Without points in the middle of a straight line."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    return np.asarray(ring[(before != after).any(1)])

"""From height maps to numbered objects, block by block, with the result of the whole.

Data flow: every block is parted into catchment basins (`kernels.landscape`) whose provisional numbers go to `out`;
what climbs through a face into the next block is joined with what is there, and saddles between basins are kept.
That graph is small: in it, basins that rise less than `prominence` above their highest saddle flow into their
neighbour (which is what h-maxima as seeds of a watershed do). At the end the provisional numbers become labels.
Nothing depends on how the image was cut into blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box3 as Box
from .._types import Float
from .._types import Shape3 as Shape
from ..parts import Answer, Parts

Landscape = Callable[[Box], tuple[Float, NDArray[np.bool_]]]
"""Box, which may reach over the border of the image, -> height and mask there (False outside the image)."""
BLOCK = 4_000_000
"""Blocks have about this many voxels."""


def blocks(shape: Shape, planar: bool, chunk: Shape | None = None, voxels: int = BLOCK) -> list[Box]:
    """Cover an image with blocks of about `voxels` voxels, in raster order; their sides are multiples of `chunk`."""
    unit = chunk or (1, 1, 1)
    depth = 1 if planar else min(shape[0], -(-32 // unit[0]) * unit[0])
    if np.prod(shape, dtype=np.int64) <= voxels:
        sides: tuple[int, ...] = shape
    else:
        side = int(np.sqrt(voxels / depth))
        sides = (depth, *(max(u, side // u * u) for u in unit[1:]))
    spans = [[slice(a, min(n, a + s)) for a in range(0, n, s)] for n, s in zip(shape, sides, strict=True)]
    return list(product(*spans))


@dataclass(frozen=True)
class Finer:
    """A lower prominence, which is taken where it makes at most this share of objects more."""

    prominence: float
    more: float


def segment(
    landscape: Landscape,
    shape: Shape,
    out: Any,
    *,
    prominence: float,
    min_size: int,
    finer: Finer | None = None,
    planar: bool = False,
    parts: list[Box] | None = None,
    way: Parts | None = None,
) -> Lookup:
    """Find basins in every block, join them over the faces of blocks, and return what turns their numbers into labels.

    Parameters
    ----------
    out
        Array-like (Z, Y, X) uint32: numpy or zarr. Provisional numbers go there, or to a sheet like it.
    finer
        A lower prominence that may be taken instead.
    planar
        Every plane for itself.
    parts
        Blocks that cover the image; chosen by size where not given.
    way
        How blocks are worked through.

    Raises
    ------
    WorkStopped
        When somebody wished to stop; `out` is then unfinished.
    """
    way = way or Parts()
    graph, faces, sheet, bases = Graph(shape), Faces(), way.sheet(out), []
    # down through the slices first: then only a row of blocks waits for its neighbours, not a whole plane
    order = sorted(parts if parts is not None else blocks(shape, planar), key=_column)
    planar = planar or shape[0] == 1  # nothing lies above or below: no faces to keep
    for box, found in zip(order, way.each(_Hollows(landscape, sheet, planar), order, "basins"), strict=True):
        bases.append(graph.add(found, box))
        for pairs, saddles, same in faces.meet(box, found, bases[-1], planar):
            graph.keep(pairs, saddles)
            graph.same.append(same)
    labels, n = graph.solve(prominence, min_size, finer)
    ends = [*bases[1:], graph.n]
    tables = [np.r_[np.uint32(0), labels[a + 1 : b + 1]] for a, b in zip(bases, ends, strict=True)]
    return Lookup(sheet, [(box, 0, table) for box, table in zip(order, tables, strict=True)], n)


@dataclass(frozen=True, eq=False)
class _Hollows:
    """Basins of a block, numbered for itself in `sheet`, and what of them the neighbours must know."""

    landscape: Landscape
    sheet: Any
    planar: bool

    def __call__(self, box: Box) -> Answer:
        from ..kernels.landscape import OUTWARD, basins

        height, mask = self.landscape(tuple(slice(s.start - 1, s.stop + 1) for s in box))  # type: ignore[arg-type]
        found = basins(height, mask, self.planar)
        inner = np.ascontiguousarray(height[1:-1, 1:-1, 1:-1])
        self.sheet[box] = found.regions
        pairs, saddles = found.edges(inner, self.planar)
        answer: dict[str, NDArray[Any]] = {
            "size": found.sizes, "first": found.firsts, "top": found.tops, "peak": found.peaks,
            "pairs": pairs.astype(np.uint32), "saddles": saddles,
        }  # fmt: skip
        for code, (axis, side) in enumerate(OUTWARD, start=1):
            if self.planar and axis == 0:
                continue
            at: Any = [slice(None)] * 3
            at[axis] = 0 if side < 0 else -1
            face = tuple(at)
            answer |= {
                f"regions{code}": found.regions[face].ravel().copy(), f"height{code}": inner[face].ravel().copy(),
                f"across{code}": found.leaves[face].ravel() == code,
            }  # fmt: skip
        return answer


def _column(box: Box) -> tuple[int, int, int]:
    z, y, x = (s.start for s in box)
    return y, x, z


Table = tuple[Box, int, NDArray[np.uint32]]
"""A part, and the labels of the numbers in it from some number on; 0 stays 0."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """What turns provisional numbers into labels.

    Attributes
    ----------
    sheet
        (Z, Y, X) uint32 array-like that holds the numbers.
    tables
        For every part its own.
    n_objects
        How many objects there are; they are numbered in raster order.
    """

    sheet: Any
    tables: list[Table]
    n_objects: int

    def write(self, out: Any, way: Parts) -> None:
        """Write labels."""
        way.do(Renumber(self.sheet, out), self.tables, "labels")


@dataclass(frozen=True, eq=False)
class Renumber:
    """Numbers of a part, replaced by those of its table."""

    source: Any
    out: Any

    def __call__(self, item: Table) -> Answer:
        """Write them, and say nothing."""
        self.out[item[0]] = self.numbers(item)
        return {}

    def numbers(self, item: Table) -> NDArray[np.uint32]:
        """(z, y, x) uint32 of the part; 0 for what the table does not hold."""
        box, low, table = item
        given = np.asarray(self.source[box])
        if low == 0:
            return np.asarray(table[given], np.uint32)
        padded = np.r_[np.uint32(0), table]
        inside = (given >= low) & (given - np.uint32(low) < len(table))
        return np.asarray(padded[np.where(inside, given - np.uint32(low - 1), 0)], np.uint32)


class Graph:
    """Regions of all blocks and how they touch."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.n = 0
        self._columns: dict[str, list[NDArray[Any]]] = {"size": [], "first": [], "top": [], "peak": []}
        self.edges: list[tuple[NDArray[np.uint32], Float]] = []
        self.same: list[NDArray[np.int64]] = []

    def add(self, found: Answer, box: Box) -> int:
        """Take the regions of a block; return the number before its first."""
        base = self.n
        origin, size = [s.start for s in box], [s.stop - s.start for s in box]

        def place(local: NDArray[np.int64]) -> NDArray[np.int64]:
            where = np.unravel_index(local, size)
            at = tuple(w + o for w, o in zip(where, origin, strict=True))
            return np.asarray(np.ravel_multi_index(at, self._shape), np.int64)

        for name in ("size", "first", "top", "peak"):
            self._columns[name].append(place(found[name]) if name in ("first", "top") else found[name])
        self.keep(found["pairs"].astype(np.int64) + base, found["saddles"])
        self.n += len(found["size"])
        return base

    def keep(self, pairs: NDArray[np.int64], saddles: Float) -> None:
        """Take edges; there are many of them, so they are kept as small as they can be."""
        self.edges.append((pairs.astype(np.uint32), saddles.astype(np.float32)))

    def solve(self, prominence: float, min_size: int, finer: Finer | None = None) -> tuple[NDArray[np.uint32], int]:
        """Join what belongs together, let low basins flow away, drop small objects, number the rest.

        Returns
        -------
        tuple
            The label of every number, (n + 1,), and how many objects there are.
        """
        if not self.n:
            return np.zeros(1, np.uint32), 0
        size, first, top, peak = (np.concatenate(self._columns[k]) for k in ("size", "first", "top", "peak"))
        same = np.concatenate([*self.same, np.zeros((0, 2), np.int64)]) - 1
        pairs = np.concatenate([p for p, _ in self.edges]) - np.uint32(1)
        saddles = np.concatenate([s for _, s in self.edges])
        self.edges.clear()
        whole = _components(self.n, same)

        def numbered(prominence: float) -> tuple[NDArray[np.uint32], int]:
            group = _flow(whole, pairs, saddles, top, peak, prominence)[whole]
            n = int(group.max()) + 1
            sizes, firsts = np.zeros(n, np.int64), np.full(n, np.iinfo(np.int64).max)
            np.add.at(sizes, group, size)
            np.minimum.at(firsts, group, first)
            keep = np.flatnonzero(sizes >= max(min_size, 1))
            number = np.zeros(n, np.uint32)
            number[keep[np.argsort(firsts[keep])]] = np.arange(1, keep.size + 1, dtype=np.uint32)
            return np.r_[np.uint32(0), number[group]].astype(np.uint32), int(keep.size)

        found = numbered(prominence)
        if finer is not None:
            other = numbered(finer.prominence)
            if other[1] <= found[1] * (1 + finer.more):
                return other
        return found


@dataclass
class Faces:
    """Faces of blocks that wait for the block on the other side."""

    waiting: dict[Any, Any] = field(default_factory=dict)

    def meet(
        self, box: Box, found: Answer, base: int, planar: bool
    ) -> Iterator[tuple[NDArray[np.int64], Float, NDArray[np.int64]]]:
        """For every face with a finished neighbour: touching pairs, their saddles, pairs that are the same region."""
        from ..kernels.landscape import OUTWARD, highest

        for code, (axis, side) in enumerate(OUTWARD, start=1):
            if planar and axis == 0:
                continue
            regions = found[f"regions{code}"].astype(np.int64)
            mine = np.where(regions > 0, regions + base, 0), found[f"height{code}"], found[f"across{code}"]
            border = box[axis].start if side < 0 else box[axis].stop
            key = (axis, border, *((s.start, s.stop) for a, s in enumerate(box) if a != axis))
            if key not in self.waiting:
                self.waiting[key] = mine
                continue
            other = self.waiting.pop(key)
            both = (mine[0] > 0) & (other[0] > 0)
            pairs = np.stack([mine[0][both], other[0][both]], 1)
            across = (mine[2] | other[2])[both]
            edges, saddles = highest(pairs, np.minimum(mine[1], other[1])[both])
            yield edges, saddles, np.unique(pairs[across], axis=0)


def _components(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return np.arange(n)
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (n, n))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _flow(
    group: NDArray[np.int64],
    pairs: NDArray[Any],
    saddles: Float,
    top: NDArray[np.int64],
    peak: Float,
    prominence: float,
) -> Any:
    """Group of every group after low ones have flowed into their neighbours over their highest saddle.

    In rounds: of all groups that rise less than `prominence` above their highest saddle, each joins what lies
    beyond it if that is higher. Ties go to the higher neighbour, then to the one whose top comes first.
    """
    from ..kernels.landscape import highest

    order = np.lexsort((-top, peak))  # by height; of equal ones the first in the image is the highest
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    into = np.arange(int(group.max()) + 1)
    best = np.zeros(into.size, np.int64)
    np.maximum.at(best, group, rank)  # rank of each group's highest region
    pairs = group[pairs]
    while True:
        pairs, saddles = highest(into[pairs], saddles)
        heights = peak[order[best]]
        alive = np.minimum(heights[pairs[:, 0]], heights[pairs[:, 1]]) - saddles < prominence
        pairs, saddles = pairs[alive], saddles[alive]
        if not len(pairs):
            return into
        both = np.concatenate([pairs, pairs[:, ::-1]])
        by = np.lexsort((best[both[:, 1]], np.r_[saddles, saddles], both[:, 0]))
        last = by[np.r_[both[by][1:, 0] != both[by][:-1, 0], True]]
        low, high, saddle = both[last, 0], both[last, 1], np.r_[saddles, saddles][last]
        joins = (best[low] < best[high]) & (heights[low] - saddle < prominence)
        step = np.arange(into.size)
        step[low[joins]] = high[joins]
        while (step[step] != step).any():
            step = step[step]
        np.maximum.at(best, step, best.copy())
        into = step[into]

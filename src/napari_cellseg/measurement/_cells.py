"""Cells as objects out of classes: connected nuclei count the cells, and every pixel of a cell goes to one of them.

Data flow: classes -> nuclei (connected in 3D; parts that go on over a gap of slices, or that a person joins, are one)
-> seeds of a watershed on the distance to the background, cut where it is large -> cells, each with the number of its
nucleus -> envelope and nucleus of a cell by the same number -> a table. Parts without a nucleus are cells, too, and
marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from .._types import Labels, Mask, Spacing
from ..errors import CellsegError

if TYPE_CHECKING:
    from pandas import DataFrame

LARGEST = 400_000_000
"""Voxels at most: a watershed needs about 25 bytes for each."""
Place = tuple[int, ...]


@dataclass(frozen=True)
class Roles:
    """Which classes are what: the class of nuclei, that of envelopes (0 for none), and those of the rest of a cell."""

    nucleus: int
    envelope: int = 0
    rest: tuple[int, ...] = ()


@dataclass(frozen=True)
class CellRules:
    """How cells are made.

    Attributes
    ----------
    least
        Smaller nuclei and smaller parts without a nucleus (voxels) are none: they belong to the cell around them, or
        to nothing.
    gap
        Parts of a nucleus over so many empty slices of one another are one.
    cap
        The distance to the background counts up to this share of its maximum, so that the borders between cells lie
        half way in wide cells, and in the waist of narrow ones (0.7 in Karabag et al. 2023).
    """

    least: int = 50
    gap: int = 0
    cap: float = 0.7


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of one image, (Z, Y, X) or (Y, X) uint32 each; nucleus and envelope have the number of their cell.

    Attributes
    ----------
    table
        A row for each cell: cell, nuclei (connected parts), no_nucleus, at_border; voxels, and um^2 or um^3 where the
        voxel size is known, of cell, nucleus and envelope; nucleus_share of the cell.
    """

    cells: Labels
    nuclei: Labels
    envelopes: Labels
    table: DataFrame


def cells_of_classes(
    classes: Labels,
    roles: Roles,
    rules: CellRules | None = None,
    *,
    spacing: Spacing = None,
    together: Sequence[Sequence[Place]] = (),
) -> Cells:
    """Make cells of classes (Z, Y, X) or (Y, X).

    Parameters
    ----------
    spacing
        um per voxel, (Z, Y, X) or (Y, X).
    together
        Places, a list for each cell, in nuclei that are parts of one nucleus.

    Raises
    ------
    CellsegError
        When the image is too large, or a place lies in no nucleus.
    """
    rules = rules or CellRules()
    if classes.size > LARGEST:
        raise CellsegError(
            f"Cells of {classes.size:,} voxels would need {classes.size * 25 / 1e9:.0f} GB.",
            f"Cut out what is of interest: up to {LARGEST:,} voxels.",
        )
    nuclei, parts = _nuclei(classes == roles.nucleus, rules, together)
    wanted = [c for c in (roles.nucleus, roles.envelope, *roles.rest) if c]
    body = np.isin(classes, wanted)
    cells = _grown(nuclei, body, rules.cap, spacing)
    found, own = _with_bare_parts(cells, body, rules.least)
    envelopes = np.where((classes == roles.envelope) & bool(roles.envelope), found, 0).astype(np.uint32)
    return Cells(found, nuclei, envelopes, _table(found, nuclei, envelopes, parts, own, spacing))


def _nuclei(mask: Mask, rules: CellRules, together: Sequence[Sequence[Place]]) -> tuple[Labels, NDArray[np.int64]]:
    """Nuclei 1..n, and of how many connected parts each is made (index 0 is nothing)."""
    pieces = _connected(mask)
    large = np.bincount(pieces.ravel()) >= max(rules.least, 1)
    large[0] = False
    pieces[~large[pieces]] = 0
    groups = np.arange(len(large))
    if rules.gap and mask.ndim == 3:
        wide = ndi.maximum_filter1d((pieces > 0).astype(np.uint8), rules.gap + 1, axis=0)
        joined = _connected(wide > 0)
        _join_alike(groups, pieces, joined)
    for number, places in enumerate(together, 1):
        ids = [int(pieces[tuple(place)]) if _inside(place, mask.shape) else 0 for place in places]
        if not all(ids):
            where = ", ".join(map(str, places[ids.index(0)]))
            raise CellsegError(
                f"Place {where} of cell {number} lies in no nucleus.", "Give voxels (Z, Y, X) inside nuclei."
            )
        _join(groups, ids)
    roots = np.unique(groups[np.unique(pieces)])
    roots = roots[roots > 0]
    number_of = np.zeros(len(groups), np.uint32)
    number_of[roots] = np.arange(1, roots.size + 1)
    lookup = np.where(large, number_of[groups], 0).astype(np.uint32)
    parts = np.bincount(lookup[large], minlength=roots.size + 1)
    return lookup[pieces], parts


def _connected(mask: Mask) -> Labels:
    """Pieces, also those that touch at a corner only."""
    connectivity: Literal[8, 26] = 8 if mask.ndim == 2 else 26
    found = cc3d.connected_components(mask, connectivity=connectivity)
    return np.asarray(found).astype(np.uint32)


def _join_alike(groups: NDArray[np.int64], pieces: Labels, joined: Labels) -> None:
    """Join pieces that lie in one component of another labelling."""
    inside = pieces > 0
    pairs = np.unique(np.stack([joined[inside], pieces[inside]]), axis=1)
    for component in np.unique(pairs[0]):
        _join(groups, pairs[1][pairs[0] == component].tolist())


def _join(groups: NDArray[np.int64], ids: Sequence[int]) -> None:
    roots = groups[list(ids)]
    groups[np.isin(groups, roots)] = roots.min()


def _inside(place: Place, shape: tuple[int, ...]) -> bool:
    return len(place) == len(shape) and all(0 <= p < n for p, n in zip(place, shape, strict=True))


def _grown(nuclei: Labels, body: Mask, cap: float, spacing: Spacing) -> Labels:
    """Every voxel of a body that holds a nucleus goes to one of its nuclei."""
    if not nuclei.any():
        return nuclei
    size = tuple(s / spacing[-1] for s in spacing[-body.ndim :]) if spacing else (1.0,) * body.ndim
    away = np.asarray(edt.edt(np.ascontiguousarray(body), anisotropy=size, black_border=False), np.float32)
    top = float(away[np.isfinite(away)].max(initial=0)) or 1.0
    return np.asarray(watershed(-np.minimum(away, cap * top), nuclei.astype(np.int32), mask=body), np.uint32)


def _with_bare_parts(cells: Labels, body: Mask, least: int) -> tuple[Labels, int]:
    """Parts of the body that no nucleus reaches become cells with the numbers after; how many have a nucleus."""
    own = int(cells.max(initial=0))
    bare = _connected(body & (cells == 0))
    large = np.bincount(bare.ravel()) >= max(least, 1)
    large[0] = False
    numbers = np.zeros(len(large), np.uint32)
    numbers[large] = own + 1 + np.arange(int(large.sum()), dtype=np.uint32)
    return np.where(cells > 0, cells, numbers[bare]).astype(np.uint32), own


def _table(
    cells: Labels, nuclei: Labels, envelopes: Labels, parts: NDArray[np.int64], own: int, spacing: Spacing
) -> DataFrame:
    import pandas as pd

    n = int(cells.max(initial=0)) + 1
    size, inner, shell = (np.bincount(a.ravel(), minlength=n)[:n] for a in (cells, nuclei, envelopes))
    ids = np.flatnonzero(size[1:]) + 1
    border = np.zeros(n, bool)
    for axis in range(cells.ndim):
        for end in (0, -1):
            if cells.shape[axis] > 1:
                border[np.unique(cells.take(end, axis))] = True
    columns: dict[str, NDArray[np.generic]] = {
        "cell": ids,
        "nuclei": np.array([parts[i] if i <= own else 0 for i in ids], np.int64),
        "no_nucleus": ids > own,
        "at_border": border[ids],
    }
    sizes = {"cell": size[ids], "nucleus": inner[ids], "envelope": shell[ids]}
    columns |= {f"{name}_voxels": values for name, values in sizes.items()}
    if spacing:
        unit = "um3" if cells.ndim == 3 else "um2"
        voxel = float(np.prod(spacing[-cells.ndim :]))
        columns |= {f"{name}_{unit}": values * voxel for name, values in sizes.items()}
    columns["nucleus_share"] = inner[ids] / size[ids]
    return pd.DataFrame(columns)

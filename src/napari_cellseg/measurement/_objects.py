"""The table of one image's objects, and what the image is measured against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._types import Labels, Spacing
from ..errors import CellsegError
from ._blocks import BLOCK_BYTES, Stop
from ._columns import Column, chosen
from ._cover import Cover
from ._facts import Facts
from ._intensity import intensities

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Measured:
    """What is measured.

    Attributes
    ----------
    labels
        Ids of objects, (Z, Y, X) or (Y, X), in numpy, memmap, zarr or dask.
    spacing_um
        Size of a pixel or voxel along each axis; None: lengths are in pixels.
    image
        Intensities, (C, Z, Y, X) or (C, Y, X) of whatever can be sliced; None: none are measured.
    channels
        Names of its channels; () numbers them from 1.
    state
        0 predicted, 1 corrected, 2 approved, as labels; None where nobody knows.
    classes
        The class of every object by its id, where there are classes.
    cover
        Who says which part of the covered area, in voxels; None where nobody knows.
    """

    labels: Any
    spacing_um: Spacing = None
    image: Any = None
    channels: tuple[str, ...] = ()
    state: Any = None
    classes: dict[int, int] | None = None
    cover: Cover | None = None


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one image.

    Attributes
    ----------
    table
        One row per object, rising labels; one column per `Column` that there is for this image.
    valid, covered
        Area or volume of the image (where intensities are finite) and of its objects, in `unit` squared or cubed.
    sizes
        Area or volume of every object.
    unit
        ``um``, or ``px`` where no pixel size is known.
    ndim
        2 or 3.
    cover
        Who says which part of `covered`, in voxels; None where nobody knows.
    """

    table: DataFrame
    valid: float
    covered: float
    sizes: NDArray[np.float64]
    unit: str
    ndim: int
    cover: Cover | None = None


def measure_objects(
    what: Measured, columns: Iterable[str] = (), *, stop: Stop = lambda: False, block_bytes: int = BLOCK_BYTES
) -> Objects:
    """Measure every object of an image.

    Parameters
    ----------
    columns
        Names of columns or groups; all that there are where none is named.
    stop
        Asked before every block.
    block_bytes
        So much of the labels is read at a time; it changes no figure.

    Raises
    ------
    CellsegError
        When labels, image, spacing or columns cannot be used, or it was stopped.
    """
    import pandas as pd

    wanted = chosen(columns)
    _check(what)
    facts = Facts(what.labels, what.state, what.spacing_um, stop, block_bytes)
    valid = int(np.prod(facts.shape, dtype=np.int64))
    values: dict[str, Any] = {}
    for column in wanted:
        if column.group != "intensity" and _has(what, facts, column):
            values[column.name] = _class(what, facts) if column.name == "class" else column.value(facts)
    asked = [c for c in wanted if c.group == "intensity"]
    if asked and what.image is not None:
        names = what.channels or tuple(str(n + 1) for n in range(what.image.shape[0]))
        found = intensities(facts, what.image, names)
        valid = found.valid
        values |= {f"{c.name}_{ch.name}": c.value(ch) for ch in found.channels for c in asked}
    table = pd.DataFrame(_in_order(values))
    covered = float(facts.counts.sum()) * facts.measure
    return Objects(table, valid * facts.measure, covered, facts.size, facts.unit, facts.ndim, what.cover)


def only_columns(objects: Objects, columns: Iterable[str]) -> Objects:
    """The same objects with some columns of their table, as if only these had been measured."""
    wanted = chosen(columns)
    light = tuple(f"{c.name}_" for c in wanted if c.group == "intensity")
    plain = {c.name for c in wanted if c.group != "intensity"}
    kept = [n for n in map(str, objects.table.columns) if n in plain or (light and n.startswith(light))]
    return replace(objects, table=objects.table[kept])


def components(classes: Labels) -> tuple[Labels, dict[int, int]]:
    """Connected regions of classes as objects, and the class of each; pixels that touch at a corner are connected."""
    import cc3d
    import fastremap

    found = cc3d.connected_components(classes, connectivity=8 if classes.ndim == 2 else 26)
    regions = np.asarray(found).astype(np.uint32)
    known = fastremap.component_map(regions, np.ascontiguousarray(classes, np.uint32))
    return regions, {int(id): int(value) for id, value in known.items()}


# --- inside ---------------------------------------------------------------------------------------


def _has(what: Measured, facts: Facts, column: Column) -> bool:
    if column.name == "class":
        return what.classes is not None
    return facts.ndim in column.dims and (column.group != "state" or what.state is not None)


def _class(what: Measured, facts: Facts) -> NDArray[np.int64]:
    assert what.classes is not None
    return np.array([what.classes[int(id)] for id in facts.ids], np.int64)


def _in_order(values: dict[str, Any]) -> dict[str, Any]:
    """What says which object it is comes first; the state, which concerns few, last."""
    state = ("predicted", "corrected", "approved")
    return {k: v for k, v in values.items() if k not in state} | {k: values[k] for k in state if k in values}


def _check(what: Measured) -> None:
    """Raise where parts do not fit each other."""
    shape = tuple(getattr(what.labels, "shape", ()))
    words = " x ".join(map(str, shape))
    spacing = what.spacing_um
    if spacing is not None and (len(spacing) != len(shape) or not all(0 < s < float("inf") for s in spacing)):
        raise CellsegError(
            f"The pixel size {spacing} does not fit labels of {words}.",
            "Give one number above 0 per axis, in um: (Y, X) or (Z, Y, X).",
        )
    if what.image is not None and tuple(what.image.shape[1:]) != shape:
        given = " x ".join(map(str, what.image.shape[1:]))
        raise CellsegError(
            f"The image ({given}) does not fit the labels ({words}).", "Give the image they were made on."
        )
    if what.state is not None and tuple(what.state.shape) != shape:
        raise CellsegError("The state does not fit the labels.", "Both come from the same image of a project.")

"""Measured objects as plain arrays and back, for the way between processes: nothing that is read can be executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._cover import Cover
from ._objects import Objects

Arrays = Mapping[str, NDArray[Any]]


def packed(found: Mapping[str, Objects]) -> dict[str, NDArray[Any]]:
    """Objects of one image, by name of its time points, as arrays by name."""
    out: dict[str, NDArray[Any]] = {"names": np.array(list(found), str)}
    for k, objects in enumerate(found.values()):
        table, cover = objects.table, objects.cover
        out[f"{k} columns"] = np.array([str(name) for name in table.columns], str)
        for n, name in enumerate(table.columns):
            values = table[name].to_numpy()
            words = values.dtype.kind not in "biuf"
            out[f"{k} {'words' if words else 'numbers'} {n}"] = values.astype(str) if words else values
        out[f"{k} sizes"] = objects.sizes
        out[f"{k} whole"] = np.array([objects.valid, objects.covered, objects.ndim], np.float64)
        out[f"{k} unit"] = np.array(objects.unit)
        if cover is not None:
            out[f"{k} cover"] = np.array([cover.known, cover.predicted, *cover.ratios], np.float64)
    return out


def unpacked(arrays: Arrays) -> dict[str, Objects]:
    """What `packed` was given: the same tables, to the bit."""
    return {str(name): _objects(arrays, k) for k, name in enumerate(arrays["names"])}


def _objects(arrays: Arrays, k: int) -> Objects:
    import pandas as pd

    columns: dict[str, NDArray[Any]] = {}
    for n, name in enumerate(arrays[f"{k} columns"]):
        words = arrays.get(f"{k} words {n}")
        columns[str(name)] = arrays[f"{k} numbers {n}"] if words is None else words.astype(object)
    valid, covered, ndim = arrays[f"{k} whole"].tolist()
    cover = None
    if (told := arrays.get(f"{k} cover")) is not None:
        known, predicted, *ratios = told.tolist()
        cover = Cover(known, predicted, tuple(ratios))
    sizes = np.asarray(arrays[f"{k} sizes"])
    return Objects(pd.DataFrame(columns), valid, covered, sizes, str(arrays[f"{k} unit"]), int(ndim), cover)

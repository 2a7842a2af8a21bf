"""TIFF that Fiji opens, and OME-TIFF: large planes in tiles, with a pyramid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ._pieces import Sampled, Sizes, planes

TILE = 512
"""Side of a tile, in pixels."""
LARGE = 2048
"""OME-TIFF of longer sides has tiles and a pyramid, whose coarsest level is no longer than this."""


def write_tiff(path: Any, data: Any, dtype: np.dtype[Any], axes: str, sizes: Sizes, *, ome: bool) -> None:
    """Write an array-like; ImageJ's kind of TIFF where that can hold it and `ome` is False."""
    # ImageJ's own TIFF has no 32-bit integers: those carry their voxel size as OME-TIFF does, and as tags in cm
    imagej = not ome and dtype != np.uint32
    metadata, options = _about(axes, sizes, imagej=imagej)
    if imagej:  # its axes are TZCYX
        data, metadata["axes"] = _imagej_order(data, axes)
    size = int(np.prod(data.shape, dtype=np.int64)) * dtype.itemsize
    if ome and max(data.shape[-2:]) > LARGE:
        _write_pyramid(path, data, dtype, metadata, options, big=size > 2_900_000_000)
        return
    tifffile.imwrite(
        path, planes(data, dtype), shape=tuple(data.shape), dtype=dtype, ome=not imagej, imagej=imagej,
        metadata=metadata, bigtiff=not imagej and size > 3_900_000_000, **options,
    )  # fmt: skip


def _about(axes: str, sizes: Sizes, *, imagej: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a file says of axes and sizes, and how it is written."""
    spacing_um, interval_s = sizes
    metadata: dict[str, Any] = {"axes": axes}
    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack"}
    if interval_s and "T" in axes:
        metadata |= {"finterval": interval_s} if imagej else {"TimeIncrement": interval_s, "TimeIncrementUnit": "s"}
    if spacing_um and not imagej:
        for letter, size in zip(axes.lstrip("TC"), spacing_um, strict=True):
            metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": "µm"}
        options |= {"resolution": (1e4 / spacing_um[-1], 1e4 / spacing_um[-2]), "resolutionunit": "CENTIMETER"}
    elif spacing_um:
        options["resolution"] = (1 / spacing_um[-1], 1 / spacing_um[-2])
        metadata["unit"] = "um"
        if "Z" in axes:
            metadata["spacing"] = spacing_um[0]
    return metadata, options


def _write_pyramid(
    path: Any, data: Any, dtype: np.dtype[Any], metadata: dict[str, Any], options: dict[str, Any], *, big: bool
) -> None:
    """Every plane in tiles, followed by its coarser levels (SubIFDs), each of every second pixel."""
    levels = [data]
    while max(levels[-1].shape[-2:]) > LARGE:
        step = 2 ** len(levels)
        levels.append(Sampled(data, (*data.shape[:-2], *(-(-n // step) for n in data.shape[-2:]))))
    resolution = options.pop("resolution", None)
    with tifffile.TiffWriter(path, bigtiff=big, ome=True) as file:
        for n, level in enumerate(levels):
            extra: dict[str, Any] = {"subfiletype": 1, "metadata": None}
            if n == 0:
                extra = {"subifds": len(levels) - 1, "metadata": metadata}
            if resolution:
                extra["resolution"] = tuple(r / 2**n for r in resolution)
            file.write(
                _tiles(level, dtype), shape=tuple(level.shape), dtype=dtype, tile=(TILE, TILE), **extra, **options
            )


def _tiles(data: Any, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The tiles of every plane, row by row; those at the edges are filled up with 0.

    A row of tiles is read at a time.
    """
    height, width = data.shape[-2:]
    for index in np.ndindex(*data.shape[:-2]):
        plane = tuple(slice(i, i + 1) for i in index)
        for y in range(0, height, TILE):
            rows = np.asarray(data[(*plane, slice(y, min(height, y + TILE)), slice(0, width))])
            rows = rows.reshape(rows.shape[-2:])
            for x in range(0, width, TILE):
                tile = np.zeros((TILE, TILE), dtype)
                part = rows[:, x : x + TILE]
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile


def _imagej_order(data: Any, axes: str) -> tuple[Any, str]:
    if axes != "CZYX":
        return data, axes
    return _ZBeforeC(data), "ZCYX"


class _ZBeforeC:
    """An array-like (C, Z, Y, X) in the order of ImageJ's pages."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = (array.shape[1], array.shape[0], *array.shape[2:])

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[Any]:
        return np.asarray(self._array[(index[1], index[0])])

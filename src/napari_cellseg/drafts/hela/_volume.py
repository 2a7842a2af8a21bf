"""Through a volume: from the middle slice outwards, each slice after the one beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import cc3d
import cv2
import numpy as np
from scipy import ndimage as ndi

from ..._types import Float, Mask
from ...extensions import DraftStopped
from . import _masks as m
from ._numbers import HelaNumbers
from ._slice import background, cell, nucleus, seen


class Parts(NamedTuple):
    """Masks of one cell, (Z, Y, X) each; `cell` is empty where it was not asked for."""

    nucleus: Mask
    cell: Mask
    background: Mask


Stop = Callable[[], bool]


def parts(
    grey: Float,
    n: HelaNumbers,
    *,
    three_axes: bool,
    stretch: float,
    middle: int | None = None,
    whole_cell: bool = False,
    stop: Stop = lambda: False,
) -> Parts:
    """Nucleus, cell and background of a picture (Z, Y, X), 0..255, with the cell in its middle.

    Parameters
    ----------
    three_axes
        Look for the nucleus along all axes and join what is found.
    stretch
        How many times a voxel is as deep as wide: planes across the slices are made of square pixels.
    middle
        The slice to begin with; the central one where not given.
    whole_cell
        Look for the border of the cell, too.
    stop
        Asked before every slice.

    Raises
    ------
    DraftStopped
        When `stop` answers True.
    """
    looks = [seen(plane, n) for plane in grey]
    outside = np.stack([_unless(stop, partial(background, look, n)) for look in looks])
    start = len(grey) // 2 if middle is None else middle
    core = _followed(len(grey), start, lambda z, beside: nucleus(looks[z], n, beside), grey.shape[1:], stop)
    if len(grey) > 1:
        core = _settled(core, outside, n)
    if three_axes and len(grey) > 1:
        for axis in (1, 2):
            core |= _settled(_across(grey, n, axis, stretch, stop), outside, n)
        core = m.majority(core, (3, 3, 3))
        core = np.stack([m.opened(plane, n.axes_open) for plane in core])
    whole = _whole_cell(core, outside, n, start, stop) if whole_cell else np.zeros_like(core)
    return Parts(core, whole, outside)


def _whole_cell(core: Mask, outside: Mask, n: HelaNumbers, start: int, stop: Stop) -> Mask:
    """The cell round a nucleus, through the volume."""
    if len(core) == 1:
        return cell(outside[0], core[0], n)[None]
    whole = _followed(
        len(core), start, lambda z, beside: cell(outside[z], core[z], n, beside), core.shape[1:], stop, to_the_end=True
    )
    whole &= ~_margin(outside, n.cell_margin, n.cell_margin_slices)
    whole = m.majority(whole, (_odd(n.median_slices), 3, 3)) | core
    return _largest(whole)


def _followed(
    count: int,
    start: int,
    make: Callable[[int, Mask | None], Mask],
    shape: tuple[int, ...],
    stop: Stop,
    *,
    to_the_end: bool = False,
) -> Mask:
    """Masks (count, Y, X): the first without a neighbour, then upwards and downwards until one is empty."""
    out = np.zeros((count, *shape), bool)
    out[start] = _unless(stop, lambda: make(start, None))
    for way in (range(start - 1, -1, -1), range(start + 1, count)):
        beside = out[start]
        for z in way:
            if not (beside.any() or to_the_end):
                break
            out[z] = beside = _unless(stop, partial(make, z, beside))
    return out


def _settled(core: Mask, outside: Mask, n: HelaNumbers) -> Mask:
    """The nucleus off the background, smoothed through the slices."""
    free = core & ~_margin(outside, n.margin, n.margin_slices)
    return m.majority(free, (_odd(n.median_slices), 3, 3))


def _margin(outside: Mask, side: float, slices: float) -> Mask:
    """Background (Z, Y, X) dilated by a box."""
    wide = np.stack([m.square(plane, side) for plane in outside]).astype(np.uint8)
    return np.asarray(ndi.maximum_filter1d(wide, max(1, round(slices)), axis=0) > 0)


def _unless(stop: Stop, make: Callable[[], Mask]) -> Mask:
    if stop():
        raise DraftStopped
    return make()


def _across(grey: Float, n: HelaNumbers, axis: int, stretch: float, stop: Stop) -> Mask:
    """The nucleus as it is found in planes that hold Z."""
    turned = np.moveaxis(grey, axis, 0)  # (planes, Z, other)
    rows = max(1, round(turned.shape[1] * stretch))

    def look(k: int) -> Float:
        plane = np.ascontiguousarray(turned[k])
        wide = cv2.resize(plane, (plane.shape[1], rows), interpolation=cv2.INTER_LINEAR)
        return seen(np.asarray(wide, np.float32), n)

    def make(k: int, beside: Mask | None) -> Mask:
        return nucleus(look(k), n, beside, n.across_sigma)

    found = _followed(len(turned), len(turned) // 2, make, (rows, turned.shape[2]), stop)
    size = (turned.shape[2], turned.shape[1])
    back = [cv2.resize(p.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for p in found]
    return np.ascontiguousarray(np.moveaxis(np.stack(back), 0, axis))


def _largest(volume: Mask) -> Mask:
    labels = cc3d.connected_components(volume, connectivity=26)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax()) if sizes.any() else volume


def _odd(count: float) -> int:
    """The nearest odd number of slices."""
    return 2 * round((max(count, 1) - 1) / 2) + 1

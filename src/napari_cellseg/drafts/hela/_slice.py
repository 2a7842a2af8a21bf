"""Background, nucleus and cell of one slice."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from skimage.filters import threshold_otsu
from skimage.measure import regionprops_table

from ..._types import Float, Labels, Mask
from ...targets import part
from . import _masks as m
from ._numbers import HelaNumbers


def seen(grey: Float, n: HelaNumbers) -> Float:
    """A slice (Y, X), 0..255, as everything here looks at it: 1-2-1, then a Gaussian cut at 1.5 sigma (7 x 7 for 2)."""
    if n.low_pass:
        row = np.array([0.25, 0.5, 0.25], np.float32)
        grey = np.asarray(cv2.sepFilter2D(grey, cv2.CV_32F, row, row), np.float32)
    side = 2 * int(np.ceil(1.5 * n.smooth)) + 1
    return np.asarray(cv2.GaussianBlur(grey, (side, side), n.smooth), np.float32) if n.smooth > 0 else grey


def background(look: Float, n: HelaNumbers) -> Mask:
    """Where no cell is: bright pieces between edges, and what is as bright beside them."""
    blocked = m.square(m.edges(look, n.background_sigma), n.background_edges)
    between = m.pieces(~blocked)
    sizes = m.areas(between)
    sums = np.bincount(between.ravel(), look.ravel(), minlength=sizes.size)
    level = min(max(n.background_least, float(threshold_otsu(look))), n.background_most) if np.ptp(look) else np.inf
    keep = (sizes > n.background_area) & (sums > level * np.maximum(sizes, 1))
    mask = m.filled(keep[between])
    mask = m.opened(m.closed(mask, n.background_close), n.background_open)
    if not mask.any():
        return mask
    bright = look > float(look[mask].mean()) - n.background_darker
    mask = mask | (bright & (m.distance(mask) < n.background_near))
    return m.dilated(m.closed_by_square(mask, n.background_gaps), n.background_rim)


def nucleus(look: Float, n: HelaNumbers, beside: Mask | None = None, sigma: float | None = None) -> Mask:
    """The nucleus in the middle, or what goes on from the nucleus of the slice `beside`; empty where there is none."""
    between = _superpixels(look, n, n.nucleus_sigma if sigma is None else sigma)
    found = _nearest(between) if beside is None else _going_on(between, beside, n)
    if not found.any():
        return found
    found = _grown(look, found, n)
    return m.dilated(m.filled(m.closed(found, n.nucleus_close)), n.nucleus_rim)


def _superpixels(look: Float, n: HelaNumbers, sigma: float) -> Labels:
    """Large pieces between thickened edges."""
    usual = n.nucleus_sigma * 1.5
    thick = n.nucleus_edges + (round(sigma / 3) if sigma > usual else 0)  # 6 pixels where the numbers are theirs
    between = m.pieces(m.distance(m.edges(look, sigma)) >= thick)
    keep = m.areas(between) > n.nucleus_area
    return np.where(keep[between], between, 0).astype(np.uint32)


def _nearest(between: Labels) -> Mask:
    """The piece off the border with a pixel nearest to the middle, its holes filled."""
    inner = np.where(m.at_border(between)[between], 0, between)
    middle = [(side - 1) / 2 for side in between.shape]
    found, away = np.zeros(between.shape, bool), np.inf
    y, x = np.ogrid[: between.shape[0], : between.shape[1]]
    square = (y - middle[0]) ** 2 + (x - middle[1]) ** 2
    for id in np.unique(inner[inner > 0]):
        mask = m.filled(inner == id)
        if (here := float(square[mask].min())) < away:
            found, away = mask, here
    return found


def _going_on(between: Labels, beside: Mask, n: HelaNumbers) -> Mask:
    """Pieces under the nucleus of the slice beside; disjoint parts of one nucleus go on together."""
    sizes = m.areas(between)
    shared = np.bincount(between[m.square(beside, 3, erode=True)], minlength=sizes.size)
    keep = shared > n.nucleus_overlap
    keep[0] = False
    if keep.sum() > 1:
        keep &= np.abs(shared - sizes) < n.nucleus_change * sizes
    return m.filled(keep[between])


def _grown(look: Float, mask: Mask, n: HelaNumbers) -> Mask:
    """Grown up to the envelope: the darkest ring round it tells how bright what joins must be."""
    away = m.distance(mask)
    rings = np.ceil(away).astype(np.int64)
    reach = max(1, round(n.envelope_reach))
    near = (rings > 0) & (rings <= reach)
    ring, values = rings[near], look[near]
    medians = [np.median(values[ring == d]) for d in range(1, reach + 1) if (ring == d).any()]
    if not medians:
        return mask
    level = float(min(medians)) + n.envelope_darker
    for _ in range(n.grow_steps):
        rim = m.square(mask, 3) & ~mask & (look > level)
        joining = m.pieces(rim)
        rim = (m.areas(joining) > n.grow_piece)[joining]
        mask = m.filled(mask | rim)
        if rim.sum() <= n.grow_stop:
            break
    return mask


def cell(outside: Mask, core: Mask, n: HelaNumbers, beside: Mask | None = None) -> Mask:
    """The cell round a nucleus (nucleus included), or in the middle where there is none.

    Parameters
    ----------
    outside
        Background of the slice.
    core
        Its nucleus; may be empty.
    beside
        The cell of the slice beside it, where there is one. What it "touches with a share below 0.5" is read as: a
        part that takes less than half of that cell, since a part that takes more is in the middle (ours).
    """
    away = m.distance(outside)
    if not np.isfinite(away).all():  # no background at all: one cell fills the picture
        return np.ones(outside.shape, bool)
    away = np.asarray(cv2.GaussianBlur(away, (9, 9), 1), np.float32)
    basins = part(np.minimum(away, n.cell_cap * float(away.max())), ~outside, 1e-4, 0)
    keep = np.zeros(int(basins.max(initial=0)) + 1, bool)
    if core.any():
        keep[np.unique(basins[core])] = True
    else:
        keep[_in_the_middle(basins, n)] = True
        if beside is not None and (inner := m.square(beside, n.cell_touch, erode=True)).any():
            shared = np.bincount(basins[inner], minlength=keep.size)
            keep |= (shared > 0) & (shared < n.cell_share * inner.sum())
    keep[0] = False
    mask = m.filled(m.closed_by_square(keep[basins] & ~outside & ~core, n.cell_gaps))
    left = m.pieces(~outside & ~core & ~mask)
    small = (m.areas(left) < n.cell_left_over * core.sum()) & ~m.at_border(left)
    small[0] = False
    mask = mask | small[left]
    return m.largest(m.closed(m.opened(mask, n.cell_open), n.cell_open) | core)


def _in_the_middle(basins: Labels, n: HelaNumbers) -> list[int]:
    """Basins whose centres are hardly farther from the middle than the nearest."""
    table = regionprops_table(basins.astype(np.int64), properties=("label", "centroid", "axis_minor_length"))
    wide = table["axis_minor_length"] > n.cell_axis
    if not wide.any():
        return []
    middle = [(side - 1) / 2 for side in basins.shape]
    away = np.hypot(table["centroid-0"] - middle[0], table["centroid-1"] - middle[1])[wide]
    return [int(i) for i in table["label"][wide][away <= away.min() + n.cell_centre]]


def classes(core: Mask, outside: Mask, n: HelaNumbers) -> Labels:
    """1 envelope, 2 nucleus, 3 cell, 4 background, (Y, X)."""
    found = np.full(core.shape, 3, np.uint32)
    found[outside] = 4
    found[core] = 2
    grown, shrunk = (partial(f, core) for f in (m.dilated, m.eroded))
    found[grown(n.envelope_out) & ~shrunk(n.envelope_in)] = 1
    return found

"""Masks of one plane, (Y, X) bool: morphology by distances, pieces, holes, edges. No mask is changed in place."""

from __future__ import annotations

import cc3d
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.feature import canny

from ..._types import Float, Labels, Mask

NOT_EDGES, LOW = 0.7, 0.4
"""Automatic thresholds of Canny's method as in MATLAB: the share of pixels that are no edges, and low to high."""


def distance(mask: Mask) -> Float:
    """Distance of every pixel to the mask, 0 inside; infinite where it is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def dilated(mask: Mask, radius: float) -> Mask:
    """By a disk."""
    return np.asarray(distance(mask) <= radius) if radius > 0 else mask


def eroded(mask: Mask, radius: float) -> Mask:
    """By a disk; what lies outside the image does not erode."""
    return ~dilated(~mask, radius)


def closed(mask: Mask, radius: float) -> Mask:
    """By a disk; nothing closes against the border of the image."""
    n = int(np.ceil(radius))
    wide = np.pad(mask, n)
    return eroded(dilated(wide, radius), radius)[n : n + mask.shape[0], n : n + mask.shape[1]]


def opened(mask: Mask, radius: float) -> Mask:
    """By a disk."""
    return dilated(eroded(mask, radius), radius)


def square(mask: Mask, side: float, *, erode: bool = False) -> Mask:
    """Dilated, or eroded, by a square of this side."""
    n = max(1, round(side))
    kernel = np.ones((n, n), np.uint8)
    change = cv2.erode if erode else cv2.dilate
    return np.asarray(change(mask.astype(np.uint8), kernel) > 0)


def closed_by_square(mask: Mask, side: float) -> Mask:
    """By a square; nothing closes against the border of the image."""
    n = max(1, round(side))
    wide = np.pad(mask.astype(np.uint8), n)
    found = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((n, n), np.uint8))
    return np.asarray(found[n:-n, n:-n] > 0)


def pieces(mask: Mask) -> Labels:
    """Connected pieces (8 neighbours) as 1..n."""
    return np.asarray(cc3d.connected_components(np.ascontiguousarray(mask), connectivity=8), np.uint32)


def areas(labels: Labels) -> NDArray[np.int64]:
    """Pixels of every label; 0 for what is no piece."""
    found = np.bincount(labels.ravel())
    found[0] = 0
    return found


def at_border(labels: Labels) -> NDArray[np.bool_]:
    """Which labels touch the border of the image; that of 0 means nothing."""
    found = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        found[side] = True
    return found


def filled(mask: Mask) -> Mask:
    """With its holes."""
    outside = np.asarray(cc3d.connected_components(np.ascontiguousarray(~mask), connectivity=4), np.uint32)
    holes = ~at_border(outside)
    holes[0] = False
    return np.asarray(mask | holes[outside])


def largest(mask: Mask) -> Mask:
    """The largest piece."""
    labels = pieces(mask)
    sizes = areas(labels)
    return labels == sizes.argmax() if sizes.any() else mask


def edges(grey: Float, sigma: float) -> Mask:
    """Edges by Canny's method with automatic thresholds: 70 % of the pixels are below the high one."""
    smooth = cv2.GaussianBlur(grey, (0, 0), sigma) if sigma > 0 else grey
    rows, columns = (cv2.Sobel(smooth, cv2.CV_32F, *d) for d in ((0, 1), (1, 0)))
    strength = np.hypot(rows, columns)
    high = float(np.quantile(strength, NOT_EDGES))
    if strength.max(initial=0) <= 0:
        return np.zeros(grey.shape, bool)
    # smoothed already; skimage's gradient is a quarter of OpenCV's
    return np.asarray(canny(smooth, 0, LOW * high / 4, high / 4))


def majority(volume: Mask, size: tuple[int, int, int]) -> Mask:
    """Median of (Z, Y, X) bool over a box of odd sides; mirrored at the borders. One slab is in memory."""
    deep, (rows, columns) = size[0], size[1:]
    half, n = deep // 2, len(volume)
    if n == 0:
        return volume
    order = np.pad(np.arange(n), half, mode="symmetric") if half else np.arange(n)
    out = np.zeros_like(volume)

    def counted(z: int) -> NDArray[np.uint16]:
        plane = volume[order[z]].astype(np.float32)
        found = cv2.boxFilter(plane, -1, (columns, rows), normalize=False, borderType=cv2.BORDER_REFLECT)
        return np.asarray(np.rint(found), np.uint16)

    window = [counted(z) for z in range(deep)]
    total = np.sum(window, axis=0, dtype=np.uint32)
    for z in range(n):
        out[z] = 2 * total > deep * rows * columns
        if z + 1 < n:
            window.append(counted(z + deep))
            total = total + window[-1] - window.pop(0)
    return out

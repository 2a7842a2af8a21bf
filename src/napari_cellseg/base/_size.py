"""How large objects are in a picture nobody has corrected yet.

Data flow: windows of a picture -> contrast and skewness in twelve bands of size -> a small forest of regression trees
-> diameter. The trees were grown with the base model (``make base``) on its training images at several magnifications
and are kept as plain arrays, so neither torch nor scikit-learn is needed to ask them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._types import Float

WINDOW = 512
"""Side of the windows that are looked at."""
SHARE = 0.5
"""Windows with less than this share of the greatest contrast are empty."""
CRUMB = 20
"""Smaller pieces of labels are no objects (pixels)."""
_LEVELS = 6
_FILE = Path(__file__).with_name("size.npz")


def estimate_size(channels: Any) -> float:
    """Median diameter (pixels) of the objects in a picture, 0 where it says nothing.

    Parameters
    ----------
    channels
        (C, Y, X) or (C, Z, Y, X), array-like; only windows of it are read.
    """
    found = [grey(np.asarray(channels[at])) for at in _windows(channels.shape)]
    contrast = np.array([c for _, c in found])
    if not contrast.max() > 0:
        return 0.0
    rows = [features(window) for (window, c) in found if c >= SHARE * contrast.max()]
    return float(np.exp(np.median(_trees().predict(np.stack(rows)))))


def median_diameter(labels: NDArray[np.integer[Any]]) -> float:
    """Median over objects (Y, X) of the diameter of the circle of their area (pixels); 0 where there is none."""
    found = diameters(labels)
    return float(np.median(found)) if found.size else 0.0


def diameters(labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Of every object (Y, X), that of the circle of its area (pixels); crumbs of fewer than 20 pixels do not count."""
    areas = np.unique(labels[labels > 0], return_counts=True)[1]
    return np.asarray(np.sqrt(areas[areas >= CRUMB] * (4 / np.pi)))


def grey(window: NDArray[Any]) -> tuple[Float, float]:
    """(C, Y, X) -> (Y, X) float32 between its 1st percentile (0) and its 99.8th (1), and how far these are apart.

    Colour pictures become their mean; else the channel with the most contrast is taken.
    """
    values = window.astype(np.float32)
    if len(values) == 3 and window.dtype == np.uint8:
        values = values.mean(0, keepdims=True)
    ends = np.nan_to_num(np.percentile(values, (1, 99.8), axis=(1, 2)))
    best = int(np.argmax(ends[1] - ends[0]))
    low, high = float(ends[0][best]), float(ends[1][best])
    plane = np.clip((np.nan_to_num(values[best]) - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(plane, np.float32), high - low


def features(plane: Float) -> Float:
    """What tells sizes: contrast, skewness, kurtosis and spread of every band, and the levels; (61,) float32."""
    missing = [(0, max(0, 64 - n)) for n in plane.shape]
    now = np.pad(plane, missing, mode="symmetric")
    energy, shape = [], []
    for _ in range(_LEVELS):
        fine, middle, coarse = _blurred(now)
        for band in (fine - middle, middle - coarse):
            spread = float(band.std()) + 1e-5
            z = band / spread
            square = z * z
            energy.append(np.log(spread))
            heavy = np.log(np.clip((square * square).mean(), 1, 100))
            shape += [float(np.clip((square * z).mean(), -5, 5)), float(heavy), float(np.abs(z).mean())]
        now = np.ascontiguousarray(coarse[::2, ::2])
    e = np.array(energy)
    levels = [plane.mean(), np.median(plane)]
    return np.concatenate([e - e.mean(), np.diff(e), shape, levels]).astype(np.float32)


class Trees:
    """Regression trees as arrays, one node after another; a leaf is its own child.

    Parameters
    ----------
    nodes
        ``roots`` (T,), and for every node ``feature``, ``threshold``, ``left``, ``right``, ``value``.
    """

    def __init__(self, nodes: dict[str, NDArray[Any]]) -> None:
        self._nodes = nodes

    def predict(self, rows: Float) -> Float:
        """(N, F) -> (N,), the mean of the trees."""
        n = self._nodes
        at = np.repeat(n["roots"][None], len(rows), 0)
        which = np.arange(len(rows))[:, None]
        while True:
            goes_left = rows[which, n["feature"][at]] <= n["threshold"][at]
            following = np.where(goes_left, n["left"][at], n["right"][at])
            if np.array_equal(following, at):
                return np.asarray(n["value"][at].mean(1), np.float32)
            at = following


@cache
def _trees() -> Trees:
    with np.load(_FILE, allow_pickle=False) as file:
        return Trees({name: file[name] for name in file.files})


def _blurred(plane: Float) -> tuple[Float, Float, Float]:
    out = [plane]
    for sigma in (0.8, 0.9, 1.3):
        smooth = cv2.GaussianBlur(out[-1], (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        out.append(np.asarray(smooth, np.float32))
    return out[1], out[2], out[3]


def _windows(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """The middle, and in large pictures the middles of the quarters; of volumes three slices."""
    spans = []
    for n in shape[-2:]:
        middles = (n // 2,) if n < 2 * WINDOW else (n // 2, n // 4, 3 * n // 4)
        spans.append([slice(max(0, m - WINDOW // 2), max(0, m - WINDOW // 2) + WINDOW) for m in middles])
    slices: list[Any] = [[]] if len(shape) == 3 else [[k] for k in sorted({shape[1] * q // 4 for q in (1, 2, 3)})]
    planes = [(y, x) for i, y in enumerate(spans[0]) for j, x in enumerate(spans[1]) if (i > 0) == (j > 0)]
    return [(slice(None), *z, y, x) for z in slices for y, x in planes]

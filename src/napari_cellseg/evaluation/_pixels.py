"""What is counted of pixels: the confusion matrix, what follows from it for one class, and structural similarity."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..errors import CellsegError
from ..matching import STRIP

Matrix = NDArray[np.int64]
WINDOW = 7
"""Side of the windows of SSIM in pixels, scikit-image's default."""


def confusion(truth: Labels, predicted: Labels, n_classes: int, known: NDArray[np.bool_] | None = None) -> Matrix:
    """Pixels by true class (rows) and predicted class (columns), background first: (n + 1, n + 1).

    With one class, any id counts as it. Where `known` is given, only its pixels count.

    Raises
    ------
    CellsegError
        When a label is no class.
    """
    if known is not None:
        truth, predicted = truth[known], predicted[known]
    n = n_classes + 1
    if n_classes == 1:
        there, found = truth > 0, predicted > 0
        both, one, other = (int(np.count_nonzero(m)) for m in (there & found, there, found))
        return np.array([[truth.size - one - other + both, other - both], [one - both, both]], np.int64)
    top = max(int(truth.max(initial=0)), int(predicted.max(initial=0)))
    if top >= n:
        raise CellsegError(f"There is a class {top}, but {n_classes} classes were named.", "Name all of them in order.")
    table = np.zeros(n * n, np.int64)
    for start in range(0, truth.size, STRIP):
        a, b = (side.reshape(-1)[start : start + STRIP] for side in (truth, predicted))
        table += np.bincount(a.astype(np.int64) * n + b, minlength=n * n)
    return table.reshape(n, n)


def count_of_class(matrix: Matrix, number: int) -> dict[str, float]:
    """``tp``, ``tn``, ``fp``, ``fn`` of one class against the rest; numbers of different images may be added up."""
    tp = int(matrix[number, number])
    fn, fp = int(matrix[number].sum()) - tp, int(matrix[:, number].sum()) - tp
    return {"tp": tp, "tn": int(matrix.sum()) - tp - fn - fp, "fp": fp, "fn": fn}


def similarity(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> dict[str, float]:
    """Sums of SSIM over all windows of two masks, and their number: ``ssim``, ``ssim_255``, ``windows``.

    Structural similarity (Wang et al. 2004) as scikit-image has it: windows of 7 x 7 inside the picture, sample
    covariance; of volumes slice by slice. The sums of 0 and 1 in a window are whole numbers up to 49, so every formula
    is evaluated once per combination of sums that occurs, which takes a twentieth of the time. `ssim` has the range 1,
    which is that of masks; `ssim_255` takes a range of 255 for the same 0 and 1, which is nearly always 1.
    """
    if min(truth.shape[-2:]) < WINDOW:
        return {"ssim": 0.0, "ssim_255": 0.0, "windows": 0.0}
    n, half = WINDOW**2, WINDOW // 2
    found = np.zeros((n + 1) ** 3, np.int64)
    inside = (slice(half, -half), slice(half, -half))
    planes = [side.reshape(-1, *side.shape[-2:]) for side in (truth, predicted)]
    for a, b in zip(*planes, strict=True):
        x, y, xy = (_window_sums(side)[inside] for side in (a, b, a & b))
        found += np.bincount(((x * (n + 1) + y) * (n + 1) + xy).ravel(), minlength=found.size)
    occurs = np.flatnonzero(found)
    sums = np.stack(np.unravel_index(occurs, (n + 1,) * 3)).astype(np.float64)
    values = {name: _ssim(sums, span, n) @ found[occurs] for name, span in (("ssim", 1.0), ("ssim_255", 255.0))}
    return {name: float(v) for name, v in values.items()} | {"windows": float(found.sum())}


def _window_sums(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    bits = np.ascontiguousarray(mask).view(np.uint8)
    return np.asarray(cv2.boxFilter(bits, cv2.CV_32S, (WINDOW, WINDOW), normalize=False), np.int32)


def _ssim(sums: NDArray[np.float64], span: float, n: int) -> NDArray[np.float64]:
    """SSIM of windows of `n` pixels by the sums of x, y and xy in them; x and y are 0 or 1, so x * x is x."""
    x, y, xy = sums / n
    one, two = (0.01 * span) ** 2, (0.03 * span) ** 2
    sample = n / (n - 1)
    of_x, of_y, both = sample * (x - x * x), sample * (y - y * y), sample * (xy - x * y)
    alike = (2 * x * y + one) * (2 * both + two)
    return np.asarray(alike / ((x * x + y * y + one) * (of_x + of_y + two)))

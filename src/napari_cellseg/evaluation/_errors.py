"""Where a prediction is right and wrong, as a picture: the colours of the papers, for the window and for figures."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..matching import numbered, overlaps
from ._agreement import check_same_grid
from ._tiling import best_cover

TN, TP, FP, FN = 0, 1, 2, 3
"""Values of the map of errors."""
Palette = Literal["objects", "classes"]
ERROR_COLOURS: dict[Palette, dict[int, str]] = {
    "objects": {TP: "#ffd92f", FP: "#c77dff", FN: "#7b1fa2"},
    "classes": {TN: "#404040", TP: "#d3d3d3", FP: "#000000", FN: "#ffffff"},
}
"""For objects, those of Tiling 2024 (overlap yellow, FP and FN purple; FP is the lighter one), over the image; for
classes those of Karabag et al. 2023 (TP light grey, TN dark grey, FP black, FN white)."""
ERROR_NAMES = {TP: "found", FP: "false", FN: "missed", TN: "neither"}


def error_map(
    truth: Labels, predicted: Labels, known: NDArray[np.bool_] | None = None, *, instances: bool = True, number: int = 0
) -> NDArray[np.uint8]:
    """`TP`, `FP`, `FN` or `TN` of every voxel; uint8 of the labels' shape.

    Objects: a voxel is right where the true object meets its partner, the predicted one with most voxels in it; what is
    left of true objects is missed, what is left of predicted ones false. Classes: a voxel counts for the class
    `number`; with 0, for any: right where both are the same, false where another class was predicted than the true one.

    Parameters
    ----------
    known
        Where the truth is known; elsewhere everything is `TN`.

    Raises
    ------
    CellsegError
        When the shapes differ.
    """
    check_same_grid(truth, predicted)
    if instances:
        right = _partners_meet(truth, predicted)
        there, found = truth > 0, predicted > 0
    elif number:
        there, found = truth == number, predicted == number
        right = there & found
    else:
        there, found = truth > 0, predicted > 0
        right = there & (truth == predicted)
    out = np.where(there, FN, np.where(found, FP, TN)).astype(np.uint8)
    if not instances:
        out[there & found & ~right] = FP
    out[right] = TP
    if known is not None:
        out[~known] = TN
    return out


def painted_errors(image: NDArray[np.generic] | None, errors: NDArray[np.uint8], palette: Palette) -> NDArray[np.uint8]:
    """A plane of errors in colours: (Y, X, 3) uint8; what has no colour of its own is the image (Y, X), or black."""
    from matplotlib.colors import to_rgb

    picture = np.zeros((*errors.shape, 3), np.uint8) if image is None else grey(image)
    for value, colour in ERROR_COLOURS[palette].items():
        picture[errors == value] = np.round(np.array(to_rgb(colour)) * 255)
    return picture


def grey(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """A plane (Y, X) of intensities as a picture (Y, X, 3) uint8, between its percentiles 1 and 99.8."""
    values = np.asarray(image, np.float32)
    low, high = np.percentile(values, (1, 99.8))
    shown = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1) ** 0.7
    return np.repeat(np.round(255 * shown).astype(np.uint8)[..., None], 3, axis=-1)


def _partners_meet(truth: Labels, predicted: Labels) -> NDArray[np.bool_]:
    """Where a true object meets the predicted one with most voxels in it."""
    found = overlaps(truth, predicted)
    pair = best_cover(found)
    some = np.flatnonzero(pair >= 0)
    numbers, behind = numbered(truth)
    partner = np.zeros(len(behind), np.int64)
    partner[np.searchsorted(behind, found.left_ids[some])] = found.right_ids[found.right[pair[some]]]
    return np.asarray((truth > 0) & (predicted > 0) & (partner[numbers] == predicted))

"""Strips for papers: the picture, the truth, and what each system found and missed, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import images
from .._types import Labels
from ..evaluation import ERROR_COLOURS, ERROR_NAMES, Palette, Row, borders, error_map, grey, painted_errors
from ..report import plot_strips

MOST_CLASSES = 6
"""Rows of a strip: one per class."""


@dataclass
class Strip:
    """One image with its truth, and what was found by system: labels, and their figures by class."""

    name: str
    truth: Labels
    image: images.Image | None = None
    spacing: tuple[float, ...] | None = None
    known: NDArray[np.bool_] | None = None
    systems: dict[str, tuple[Labels, tuple[Row, ...]]] = field(default_factory=dict)


def write_strip(strip: Strip, path: Path, classes: Sequence[str] = ()) -> Path:
    """Write a PNG of a strip: of classes one row for each, of volumes the slice with most of the truth.

    Objects are coloured as in Tiling 2024 (found yellow, false and missed purple), classes as in Karabag et al. 2023
    (TP light grey, TN dark grey, FP black, FN white).
    """
    z = _fullest(strip.truth) if strip.truth.ndim == 3 else None
    picture = _plane_of(strip.image, z)
    palette: Palette = "classes" if classes else "objects"
    rows = []
    for number, name in list(enumerate(classes, 1))[:MOST_CLASSES] or [(0, "")]:
        row = [] if picture is None else [(strip.name if number < 2 else "", grey(picture))]
        row.append((f"truth {name}".strip(), _painted_truth(_plane(strip.truth, z), picture, number)))
        for system, (labels, figures) in strip.systems.items():
            errors = error_map(strip.truth, labels, strip.known, instances=not classes, number=number)
            title = f"{system}\n{_figures(figures[max(0, number - 1)])}"
            panel = painted_errors(picture, errors if z is None else errors[z], palette)
            if not classes:
                panel[borders(np.asarray(_plane(labels, z), np.uint32))] = 0  # else merged and touching look alike
            row.append((title, panel))
        rows.append(row)
    colours = ERROR_COLOURS[palette]
    where = "" if z is None else f"slice {z + 1}"
    return plot_strips(rows, path, {ERROR_NAMES[v]: colour for v, colour in colours.items()}, where)


def _figures(row: Row) -> str:
    names = {"dice": "Dice", "iou": "IoU", "ap50": "AP@0.5", "sub": "sub", "full": "full"}
    told = [(text, row.get(key)) for key, text in names.items()]
    parts = [f"{text} {value:.2f}" for text, value in told if isinstance(value, float) and math.isfinite(value)]
    return "\n".join("  ".join(parts[k : k + 3]) for k in range(0, len(parts), 3))


def _fullest(labels: Labels) -> int:
    """The slice with most labelled voxels."""
    return int(np.argmax([np.count_nonzero(plane) for plane in labels]))


def _plane(values: NDArray[np.generic], z: int | None) -> NDArray[np.generic]:
    return values if z is None else values[z]


def _plane_of(image: images.Image | None, z: int | None) -> NDArray[np.generic] | None:
    """A plane of a picture, the mean of its channels, (Y, X) float32."""
    if image is None:
        return None
    pixels = image.channels_first()
    pixels = pixels if z is None else pixels[:, z]
    return np.asarray(pixels.mean(0), np.float32)


def _painted_truth(truth: NDArray[np.generic], picture: NDArray[np.generic] | None, number: int) -> NDArray[np.uint8]:
    """The truth in colours over the picture, objects by their ids; of a class, light grey on dark."""
    from skimage.color import label2rgb

    if number:
        return painted_errors(None, np.where(truth == number, 1, 0).astype(np.uint8), "classes")
    under = np.zeros((*truth.shape, 3), np.uint8) if picture is None else grey(picture)
    shown = label2rgb(np.asarray(truth, np.int64), under, alpha=0.6, bg_label=0)
    return np.asarray(np.round(255 * np.clip(shown, 0, 1)), np.uint8)

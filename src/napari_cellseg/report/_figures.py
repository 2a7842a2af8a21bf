"""Pictures: the curve of accuracy against corrected objects, labels before and after, strips of errors."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..events import RoundScored
from ..files import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Sequence[tuple[str, NDArray[np.uint8]]]]
_RIGHT, _WRONG, _MISSED = "#2ca25f", "#e34a33", "#ffd92f"


def plot_curve(scores: Sequence[RoundScored], path: Path, metrics: Sequence[str] = ("iou", "ap50")) -> Path:
    """Plot metrics on the test images against corrected objects, baselines as dashed lines; writes a PNG."""
    from matplotlib.figure import Figure

    names = {"iou": "mean IoU", "ap50": "AP@0.5", "dice": "Dice"}
    figure = Figure(figsize=(4.2 * len(metrics), 3.4), layout="constrained")
    rounds = [s for s in scores if s.name.startswith("round")]
    for axis, metric in zip(np.atleast_1d(figure.subplots(1, len(metrics))), metrics, strict=True):
        axis.plot([s.objects for s in rounds], [s.metrics[metric] for s in rounds], "o-", color="#3182bd", label="loop")
        for baseline, colour in zip(
            [s for s in scores if not s.name.startswith("round")], ("#969696", "#636363"), strict=False
        ):
            axis.axhline(baseline.metrics[metric], ls="--", lw=1, color=colour, label=baseline.name)
        axis.set(xlabel="corrected objects", ylabel=names.get(metric, metric))
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=8)
    with whole(path) as part:
        figure.savefig(part, dpi=130)
    return path


def plot_slices(rows: Sequence[Mapping[str, Any]], path: Path, metric: str, title: str = "") -> Path:
    """Plot a metric against the slices of a volume, a line for each system and a panel for each class; writes a PNG.

    Parameters
    ----------
    rows
        Of one image in the table of slices (`evaluation.Tables`): system, slice, class where there are any, and the
        metric, which may be missing where a slice holds nothing (as Fig. 11 of Karabag et al. 2023).
    """
    from matplotlib.figure import Figure

    classes = list(dict.fromkeys(str(row.get("class", "")) for row in rows))
    systems = list(dict.fromkeys(str(row["system"]) for row in rows))
    figure = Figure(figsize=(6.4, 0.9 + 1.9 * len(classes)), layout="constrained")
    for axis, name in zip(np.atleast_1d(figure.subplots(len(classes), 1, sharex=True)), classes, strict=True):
        for system in systems:
            mine = [r for r in rows if r["system"] == system and str(r.get("class", "")) == name]
            values = [float("nan") if r.get(metric) is None else float(r[metric]) for r in mine]
            axis.plot([r["slice"] for r in mine], values, ".-", ms=3, lw=1.2, label=system)
        axis.set(ylim=(-0.02, 1.02), ylabel=f"{name} {title or metric}".strip())
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("slice")
    figure.axes[0].legend(frameon=False, fontsize=8, ncols=min(4, len(systems)), loc="lower center")
    with whole(path) as part:
        figure.savefig(part, dpi=130)
    return path


def plot_before_after(
    panels: Sequence[tuple[str, NDArray[Any], NDArray[np.uint32], NDArray[np.uint32]]], path: Path
) -> Path:
    """Draw outlines on images: right ones green, wrong ones red, missed ones yellow; writes a PNG.

    Parameters
    ----------
    panels
        (title, image (Y, X), labels (Y, X), truth (Y, X)).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(panels), 3.9), layout="constrained")
    for axis, (title, image, labels, truth) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        axis.imshow(_overlay(image, labels, truth), interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    figure.text(0.5, 0.0, "green: right   red: wrong   yellow: missed", ha="center", va="bottom", fontsize=8)
    with whole(path) as part:
        figure.savefig(part, dpi=130)
    return path


def plot_strips(rows: Rows, path: Path, legend: dict[str, str], note: str = "") -> Path:
    """Draw pictures side by side, row under row, with what their colours mean; writes a PNG.

    Parameters
    ----------
    rows
        (title, picture (Y, X, 3) uint8), the same number in every row.
    legend
        Colour of every name.
    note
        Said beside the legend.
    """
    with whole(path) as part:
        _strips(rows, legend, note).savefig(part, dpi=130)
    return path


def strips_png(rows: Rows, legend: dict[str, str], note: str = "") -> bytes:
    """The same as `plot_strips`, as the bytes of a PNG."""
    file = io.BytesIO()
    _strips(rows, legend, note).savefig(file, format="png", dpi=130)
    return file.getvalue()


def _strips(rows: Rows, legend: dict[str, str], note: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    height, width = rows[0][0][1].shape[:2]
    lines = sum(max(title.count("\n") + 1 for title, _ in row) for row in rows)
    size = (3.2 * len(rows[0]), 3.2 * len(rows) * height / width + 0.17 * lines + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axis, (title, picture) in zip(axes.ravel(), [panel for row in rows for panel in row], strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
    patches = [Patch(facecolor=colour, edgecolor="#808080", label=name) for name, colour in legend.items()]
    figure.legend(
        handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8, frameon=False, title=note or None,
        title_fontsize=8,
    )  # fmt: skip
    return figure


def _overlay(image: NDArray[Any], labels: NDArray[np.uint32], truth: NDArray[np.uint32]) -> NDArray[np.float64]:
    from matplotlib.colors import to_rgb
    from skimage.segmentation import find_boundaries

    from ..matching import overlaps

    low, high = np.percentile(image, (1, 99.8))
    grey = np.clip((image.astype(np.float64) - low) / max(float(high - low), 1e-9), 0, 1) ** 0.6
    picture = np.repeat(grey[..., None], 3, axis=-1)
    both = overlaps(truth, labels)
    right = both.right_ids[both.of_right[0] > 0.5]
    missed = both.left_ids[both.of_left[0] <= 0.5]
    for source, chosen, colour in (
        (truth, missed, _MISSED),
        (labels, np.setdiff1d(both.right_ids, right), _WRONG),
        (labels, right, _RIGHT),
    ):
        edges = find_boundaries(np.where(np.isin(source, chosen), source, 0), mode="inner")
        picture[edges] = to_rgb(colour)
    return picture

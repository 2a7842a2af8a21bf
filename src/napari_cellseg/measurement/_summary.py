"""Counts, densities and sizes per image and per group of images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import CellsegError
from ._cover import interval
from ._objects import Objects

if TYPE_CHECKING:
    from pandas import DataFrame

ALL = "all images"
NO_GROUP = "no match"
"""The group of images whose names an expression does not match."""


class Figure(NamedTuple):
    """A column of the summary."""

    name: str
    unit: str
    description: str


FIGURES = (
    Figure("level", "", "Whether the row is of an image or of a group."),
    Figure("name", "", "Of the image or the group."),
    Figure("group", "", "The group that it belongs to."),
    Figure("images", "", "Number of images."),
    Figure("objects", "", "Number of objects."),
    Figure("unit", "", "The unit of lengths: um, or px where no pixel size is known."),
    Figure("dimensions", "", "2 for areas, 3 for volumes."),
    Figure("valid", "unit^2 (3D: unit^3)", "Area or volume of the images, less what is not finite."),
    Figure(
        "density", "per mm^2 (3D: per mm^3)",
        "Objects per valid area or volume; without a pixel size per million pixels or billion voxels.",
    ),
    Figure("confluency", "%", "Share of the valid area or volume that objects cover."),
    Figure(
        "confluency_low", "%",
        "Lower end of the 95 % interval of the true confluency, by what was held out from the model; empty where too "
        "little was.",
    ),
    Figure("confluency_high", "%", "Upper end of it."),
    Figure("size_median", "unit^2 (3D: unit^3)", "Median area or volume of the objects."),
    Figure("size_mean", "unit^2 (3D: unit^3)", "Mean area or volume."),
    Figure("size_sd", "unit^2 (3D: unit^3)", "Standard deviation of the areas or volumes (of a sample: n - 1)."),
)  # fmt: skip
"""The columns of the summary, in their order."""


def summarise(images: Mapping[str, Objects], group_by: str = "") -> DataFrame:
    """One row per image, then one per group.

    Images of different units or dimensions are never pooled: a group of such has one row for each.

    Parameters
    ----------
    group_by
        A regular expression that is looked for in the images' names: its first bracket, or else all that matches, is
        the group's name. "" makes one group of all.

    Raises
    ------
    CellsegError
        When it is no regular expression, or matches no name.
    """
    import pandas as pd

    groups = groups_of(list(images), group_by)
    rows = [_row("image", name, groups[name], [found]) for name, found in images.items()]
    kinds: dict[tuple[str, str, int], list[Objects]] = {}
    for name, found in images.items():
        kinds.setdefault((groups[name], found.unit, found.ndim), []).append(found)
    rows += [
        _row("group", group, group, members) for (group, _, _), members in sorted(kinds.items(), key=lambda k: k[0])
    ]
    return pd.DataFrame(rows, columns=[f.name for f in FIGURES])


def groups_of(names: Sequence[str], group_by: str) -> dict[str, str]:
    """The group of every image; see `summarise`."""
    if not group_by:
        return dict.fromkeys(names, ALL)
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise CellsegError(
            f"{group_by!r} is no regular expression: {error}.", "For example ^[A-Z] or _(day[0-9]+)_."
        ) from error
    found = {name: pattern.search(name) for name in names}
    if names and not any(found.values()):
        raise CellsegError(f"{group_by!r} matches no image.", f"Names are, for example: {', '.join(names[:3])}.")
    return {name: _named(match) for name, match in found.items()}


def _named(match: re.Match[str] | None) -> str:
    if match is None:
        return NO_GROUP
    return (match.group(1) if match.re.groups else match.group()) or NO_GROUP


def _row(level: str, name: str, group: str, members: Sequence[Objects]) -> tuple[Any, ...]:
    sizes = np.concatenate([m.sizes for m in members])
    valid, covered = sum(m.valid for m in members), sum(m.covered for m in members)
    n, ndim = sizes.size, members[0].ndim
    nan = float("nan")
    return (
        level, name, group, len(members), n, members[0].unit, ndim, valid,
        n / valid * 1000.0**ndim if valid else nan,
        100 * covered / valid if valid else nan,
        *_interval(members, valid),
        float(np.median(sizes)) if n else nan,
        float(sizes.mean()) if n else nan,
        float(sizes.std(ddof=1)) if n > 1 else nan,
    )  # fmt: skip


def _interval(members: Sequence[Objects], valid: float) -> tuple[float, float]:
    """The 95 % interval of the true confluency in %; NaN where nobody knows how far off it may be."""
    parts = [m.cover for m in members if m.cover is not None]
    if len(parts) < len(members) or not valid:
        return float("nan"), float("nan")
    voxels = sum(part.known + part.predicted for part in parts)
    covered = sum(m.covered for m in members)
    if not voxels:
        return float("nan"), float("nan")
    low, high = (100 * end * covered / voxels / valid for end in interval(parts))
    return low, min(high, 100.0)

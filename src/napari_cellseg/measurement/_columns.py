"""Every column of the table, declared once: name, unit, group, meaning, dimensions, and how it is worked out.

The table of the docs, ``--columns``, the choice in the dock and the tests all follow from `COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._facts import NEAREST, Facts
from ._intensity import Channel

Group = Literal["object", "size", "shape", "place", "neighbours", "intensity", "state"]
GROUPS: tuple[Group, ...] = ("object", "size", "shape", "place", "neighbours", "intensity", "state")
PLANE, VOLUME, BOTH = (2,), (3,), (2, 3)
Values = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """A column of the table of objects.

    Attributes
    ----------
    name
        In the table; of intensities it is followed by the channel's name or number.
    unit
        ``unit`` stands for um where the pixel size is known, else for px; "" of numbers without a unit.
    group
        What it belongs to; a group can be chosen as a whole.
    description
        What it is, in a sentence.
    value
        From what was counted of an image (of intensities: of a channel) to the values, (N,).
    dims
        Whether planes (2) or volumes (3) have it.
    skimage
        The property of ``skimage.measure.regionprops`` that it equals, "" where there is none.
    """

    name: str
    unit: str
    group: Group
    description: str
    value: Callable[[Any], Values]
    dims: tuple[int, ...] = BOTH
    skimage: str = ""

    def unit_in(self, unit: str, ndim: int) -> str:
        """Its unit where lengths are in `unit`, in planes (2) or volumes (3): ``um^2``."""
        flat, _, deep = self.unit.partition(" (3D: ")
        return (deep.rstrip(")") if deep and ndim == 3 else flat).replace("unit", unit)


def _ratio(a: Values, b: Values) -> Values:
    """One by the other, NaN where that is 0."""
    return np.asarray(np.divide(a, b, out=np.full(len(a), np.nan), where=np.asarray(b) != 0))


def _axis(f: Facts, k: int) -> Values:
    return np.asarray(f.axes[:, k])


def _orientation(f: Facts) -> Values:
    """Of the longest axis, as in scikit-image: from the Y axis towards the X axis, in degrees; NaN of what has none."""
    across, along = 2 * f.covariance[:, 0, 1], f.covariance[:, 0, 0] - f.covariance[:, 1, 1]
    angle = np.degrees(0.5 * np.arctan2(across, along))
    return np.where((across == 0) & (along == 0), np.nan, angle)


def _eccentricity(f: Facts) -> Values:
    """0 also for a single pixel, as in scikit-image."""
    return np.asarray(np.sqrt(1 - np.nan_to_num(_ratio(_axis(f, 1) ** 2, _axis(f, 0) ** 2), nan=1.0)))


def _border(f: Facts) -> Values:
    sides = [a for a, n in enumerate(f.shape) if n > 1]
    first, last = f.low[:, sides] == 0, f.high[:, sides] == np.array(f.shape)[sides] - 1
    return np.asarray((first | last).any(axis=1))


def _neighbours(f: Facts) -> Values:
    return np.bincount(f.pairs.reshape(-1), minlength=len(f))


def _sphericity(f: Facts) -> Values:
    return _ratio(np.pi ** (1 / 3) * (6 * f.size) ** (2 / 3), f.boundary)


def _place(axis: str, what: Callable[[Facts, int], Values]) -> Callable[[Facts], Values]:
    return lambda f: what(f, "ZYX"[3 - f.ndim :].index(axis))


def _places(name: str, unit: str, text: str, what: Callable[[Facts, int], Values], skimage: str) -> list[Column]:
    """One column per axis."""
    return [
        Column(
            f"{name}_{axis.lower()}", unit, "place", text.format(axis), _place(axis, what),
            VOLUME if axis == "Z" else BOTH, skimage,
        )
        for axis in "ZYX"
    ]  # fmt: skip


def _figure(k: int) -> Callable[[Channel], Values]:
    return lambda c: np.asarray(c.figures[:, k])


def _known(f: Facts, state: int) -> Values:
    return _ratio(f.edited[:, state - 1], f.counts)


_PERIMETER = "Perimeter from how often lines in 4 directions cross the boundary (Crofton)."
_SURFACE = "Surface area from how often lines in 13 directions cross the boundary (Crofton)."
_DENSITY = (
    f"Objects per area or volume among the {NEAREST} nearest ones: {NEAREST} / (area or volume of the circle or ball \
that reaches to the centre of the last); per mm^2 or mm^3, without a pixel size per million pixels or billion voxels."
)

COLUMNS: tuple[Column, ...] = (
    Column(
        "label", "", "object", "The object's number in the label image.", lambda f: f.ids.astype(np.int64), BOTH,
        "label",
    ),
    Column(
        "unit", "", "object", "The unit of lengths in this row: um, or px where no pixel size is known.",
        lambda f: np.full(len(f), f.unit, object),
    ),
    Column(
        "class", "", "object",
        "The object's class: of its pixels in projects of classes; else of the object, where there are any.",
        lambda f: f.classes,
    ),
    Column("pixels", "px", "size", "Number of pixels or voxels.", lambda f: f.counts, BOTH, "num_pixels"),
    Column("area", "unit^2", "size", "Pixels times the area of a pixel.", lambda f: f.size, PLANE, "area"),
    Column("volume", "unit^3", "size", "Voxels times the volume of a voxel.", lambda f: f.size, VOLUME, "area"),
    Column(
        "equivalent_diameter", "unit", "size", "Diameter of the circle or ball of the same area or volume.",
        lambda f: 2 * np.sqrt(f.size / np.pi) if f.ndim == 2 else np.cbrt(6 * f.size / np.pi), BOTH,
        "equivalent_diameter_area",
    ),
    Column("perimeter", "unit", "size", _PERIMETER, lambda f: f.boundary, PLANE, "perimeter_crofton"),
    Column("surface_area", "unit^2", "size", _SURFACE, lambda f: f.boundary, VOLUME),
    Column(
        "feret", "unit", "size", "Largest distance between two points of the convex hull's outline (Feret).",
        lambda f: f.hulls.feret, BOTH, "feret_diameter_max",
    ),
    Column(
        "major_axis", "unit", "size", "Longest axis of the ellipse or ellipsoid with the same second moments.",
        lambda f: _axis(f, 0), BOTH, "axis_major_length",
    ),
    Column("middle_axis", "unit", "size", "Middle axis of this ellipsoid.", lambda f: _axis(f, 1), VOLUME),
    Column(
        "minor_axis", "unit", "size", "Shortest axis of this ellipse or ellipsoid.", lambda f: _axis(f, -1), BOTH,
        "axis_minor_length",
    ),
    Column(
        "circularity", "", "shape", "4 pi area / perimeter^2: 1 for a circle. Of few pixels it may be above 1.",
        lambda f: _ratio(4 * np.pi * f.size, f.boundary**2), PLANE,
    ),
    Column(
        "sphericity", "", "shape", "Surface of the ball of the same volume / surface area: 1 for a ball.",
        _sphericity, VOLUME,
    ),
    Column(
        "convexity", "", "shape", "Perimeter of the convex hull / perimeter, measured alike: 1 without dents.",
        lambda f: _ratio(f.hull_boundary, f.boundary), PLANE,
    ),
    Column(
        "solidity", "", "shape", "Pixels / pixels of the convex hull: 1 without dents.",
        lambda f: _ratio(f.counts, f.hulls.pixels), BOTH, "solidity",
    ),
    Column(
        "aspect_ratio", "", "shape", "Longest / shortest axis; empty where the shortest is 0.",
        lambda f: _ratio(_axis(f, 0), _axis(f, -1)),
    ),
    Column(
        "eccentricity", "", "shape", "Of the ellipse: 0 for a circle, nearly 1 for a line.",
        _eccentricity, PLANE, "eccentricity",
    ),
    Column(
        "orientation", "degrees", "shape",
        "Of the longest axis, from the Y axis towards the X axis: -90 to 90; empty where there is no longest one.",
        _orientation, PLANE, "orientation",
    ),
    Column(
        "extent", "", "shape", "Pixels / pixels of the bounding box.",
        lambda f: _ratio(f.counts, f.sides.prod(axis=1)), BOTH, "extent",
    ),
    *_places(
        "centroid", "unit", "Centre along {}, from the middle of the image's first pixel.",
        lambda f, a: f.middle[:, a] * f.spacing[a], "centroid",
    ),
    *_places(
        "bbox_min", "px", "First pixel of the bounding box along {}.", lambda f, a: f.low[:, a].astype(np.int64),
        "bbox",
    ),
    *_places(
        "bbox_max", "px", "Pixel after the last one of the bounding box along {}.",
        lambda f, a: f.high[:, a].astype(np.int64) + 1, "bbox",
    ),
    Column("touches_border", "", "place", "Whether it touches the border of the image and may be cut off.", _border),
    Column(
        "neighbour_count", "", "neighbours", "How many objects it touches, by sides or corners of pixels.", _neighbours,
    ),
    Column(
        "contact", "unit (3D: unit^2)", "neighbours",
        "The part of its perimeter or surface area that other objects touch.", lambda f: f.contact,
    ),
    Column(
        "contact_share", "", "neighbours", "This part / perimeter or surface area, 0 to 1.",
        lambda f: _ratio(f.contact, f.boundary),
    ),
    Column("nearest_distance", "unit", "neighbours", "Distance to the nearest other centre.", lambda f: f.nearest[0]),
    Column(
        "local_density", "per mm^2 (3D: per mm^3)", "neighbours", _DENSITY, lambda f: f.nearest[1] * 1000.0**f.ndim,
    ),
    Column("intensity_mean", "", "intensity", "Mean intensity.", _figure(0), BOTH, "intensity_mean"),
    Column("intensity_sd", "", "intensity", "Their standard deviation.", _figure(1), BOTH, "intensity_std"),
    Column("intensity_min", "", "intensity", "Smallest intensity.", _figure(2), BOTH, "intensity_min"),
    Column("intensity_max", "", "intensity", "Largest intensity.", _figure(3), BOTH, "intensity_max"),
    Column("intensity_p05", "", "intensity", "5 % of the pixels are darker.", _figure(4)),
    Column("intensity_p50", "", "intensity", "Median intensity.", _figure(5), BOTH, "intensity_median"),
    Column("intensity_p95", "", "intensity", "95 % of the pixels are darker.", _figure(6)),
    Column(
        "intensity_corrected", "", "intensity",
        "Mean intensity less the background: the median of all pixels that belong to no object.",
        lambda c: c.figures[:, 0] - c.background,
    ),
    Column(
        "predicted", "", "state", "Share of its pixels that nobody has corrected or approved.",
        lambda f: 1 - _known(f, 1) - _known(f, 2),
    ),
    Column("corrected", "", "state", "Share of its pixels that were corrected.", lambda f: _known(f, 1)),
    Column("approved", "", "state", "Share of its pixels that are approved.", lambda f: _known(f, 2)),
)  # fmt: skip
ALWAYS = ("label", "unit", "class")
"""Columns that say which object a row is of; nobody has to ask for them."""


def chosen(names: Iterable[str]) -> tuple[Column, ...]:
    """The columns of some names or groups, in the order of `COLUMNS`; all of them where none is named.

    Raises
    ------
    CellsegError
        When there is no such column or group.
    """
    wanted = set(names)
    known = {c.name for c in COLUMNS} | set(GROUPS)
    if wrong := sorted(wanted - known):
        raise CellsegError(
            f"There is no column {', '.join(map(repr, wrong))}.",
            f"Columns: {', '.join(c.name for c in COLUMNS)}. Groups: {', '.join(GROUPS)}.",
        )
    return tuple(c for c in COLUMNS if not wanted or c.name in wanted or c.group in wanted or c.name in ALWAYS)

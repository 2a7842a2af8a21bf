"""What a new data set is like: sizes, contrast and intensities of its images, number, size and shape of its objects.

The exploratory table of Gautam & Gautam 2025 (sizes, nuclei per image, contrast, mean intensity, area, circularity,
share of images with touching nuclei). The paper gives no formulas; those here are ours and are told with every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._blocks import Stop
from ._objects import Measured, measure_objects

if TYPE_CHECKING:
    from pandas import DataFrame

LOOKED_AT = 1 << 22
"""Intensities of larger images are known from every n-th pixel along every axis."""
GREY = np.array([0.2125, 0.7154, 0.0721])
"""Red, green and blue to grey (ITU-R BT.709, as in scikit-image)."""


class Fact(NamedTuple):
    """A figure of a data set: its name, unit, meaning, and of what it is a distribution: images or objects."""

    name: str
    unit: str
    over: str
    description: str


FACTS = (
    Fact("height", "px", "images", "Pixels along Y."),
    Fact("width", "px", "images", "Pixels along X."),
    Fact("depth", "px", "images", "Planes along Z; of volumes alone."),
    Fact("channels", "", "images", "Number of channels."),
    Fact("intensity_mean", "", "images", "Mean intensity of an image: grey of colours, else the mean of its channels."),
    Fact("intensity_sd", "", "images", "Standard deviation of its intensities."),
    Fact("contrast", "", "images", "(p99 - p1) / (p99 + p1) of its intensities, p: percentiles; 0 to 1 (Michelson)."),
    Fact("contrast_rms", "", "images", "Standard deviation / mean of its intensities."),
    Fact(
        "contrast_objects", "", "images",
        "(inside - outside) / (inside + outside) of mean intensities: above 0 where objects are brighter.",
    ),
    Fact("objects", "", "images", "Objects per image, of images with labels."),
    Fact("covered", "%", "images", "Share of an image that objects cover."),
    Fact("touching", "%", "images", "Share of an image's objects that touch another one, by sides or corners."),
    Fact("images_touching", "%", "images", "Share of the images with labels in which any objects touch."),
    Fact("area", "unit^2", "objects", "Area of objects in planes."),
    Fact("volume", "unit^3", "objects", "Volume of objects in volumes."),
    Fact("circularity", "", "objects", "4 pi area / perimeter^2 of objects in planes."),
    Fact("sphericity", "", "objects", "Surface of the ball of the same volume / surface area, in volumes."),
)  # fmt: skip
"""The rows of the summary, in their order."""
STATISTICS = ("n", "mean", "sd", "min", "p25", "median", "p75", "max")


@dataclass(frozen=True, eq=False)
class Described:
    """One image.

    Attributes
    ----------
    row
        Its figures by name; of objects their means. NaN of what it does not have.
    objects
        Values of every object by name.
    """

    row: dict[str, Any]
    objects: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def describe_image(image: Any, what: Measured | None, *, rgb: bool = False, stop: Stop = lambda: False) -> Described:
    """The figures of one image.

    Parameters
    ----------
    image
        (C, Z, Y, X) or (C, Y, X) of anything that can be sliced; None: there is none.
    what
        Its labels and pixel size; None: nobody has labelled it.
    rgb
        Whether the channels are red, green and blue.

    Raises
    ------
    CellsegError
        When they do not fit each other, or it was stopped.
    """
    shape = tuple(image.shape[1:]) if image is not None else tuple(what.labels.shape) if what is not None else ()
    if what is not None and tuple(what.labels.shape) != shape:
        given = [" x ".join(map(str, s)) for s in (shape, what.labels.shape)]
        raise CellsegError(
            f"The image ({given[0]}) does not fit the labels ({given[1]}).", "Give the image they were made on."
        )
    row: dict[str, Any] = {
        "size": " x ".join(map(str, shape)), "dtype": str(image.dtype) if image is not None else "",
        "unit": "um" if what is not None and what.spacing_um is not None else "px",
        **{f.name: float("nan") for f in FACTS},
        "height": shape[-2], "width": shape[-1],
    }  # fmt: skip
    if len(shape) == 3:
        row["depth"] = shape[0]
    if image is not None:
        row |= _intensities(image, what.labels if what is not None else None, rgb) | {"channels": image.shape[0]}
    if what is None:
        return Described(row)
    numbers, objects = _objects(what, stop)
    return Described(row | numbers, objects)


def description(found: Mapping[str, Described], groups: Mapping[str, str]) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Tables of a data set.

    Parameters
    ----------
    found
        By the names of images.
    groups
        The group of every image.

    Returns
    -------
    tuple of pandas.DataFrame
        A row per image; per group and figure with its statistics (`STATISTICS`); per group and size of images.
    """
    import pandas as pd

    images = pd.DataFrame(
        [{"image": n, "group": groups[n], **d.row} for n, d in found.items()],
        columns=["image", "group", "size", "dtype", "unit", *(f.name for f in FACTS)],
    )
    rows, sizes = [], []
    for group in sorted(set(groups.values())):
        mine = {name: d for name, d in found.items() if groups[name] == group}
        for fact in FACTS:
            rows += [{"group": group, **row} for row in _rows(fact, list(mine.values()))]
        kinds = images[images["group"] == group].groupby(["size", "dtype", "channels"], dropna=False).size()
        for (size, dtype, channels), n in kinds.sort_values(ascending=False).items():
            sizes.append({"group": group, "size": size, "dtype": dtype, "channels": channels, "images": int(n)})
    summary = pd.DataFrame(rows, columns=["group", "figure", "unit", "over", *STATISTICS])
    return images, summary, pd.DataFrame(sizes, columns=["group", "size", "dtype", "channels", "images"])


def describe_markdown(summary: DataFrame, sizes: DataFrame) -> str:
    """The tables for a text."""
    lines = ["# Data set", ""]
    for group in summary["group"].unique():
        own, kinds = summary[summary["group"] == group], sizes[sizes["group"] == group]
        lines += [f"## {group}", "", "| image size | type | channels | images |", "|---|---|---|---|"]
        lines += [
            f"| {k['size']} | {k['dtype']} | {_figure(k['channels'])} | {k['images']} |"
            for k in kinds.to_dict("records")
        ]
        lines += ["", "| | mean ± SD | median | min to max | n |", "|---|---|---|---|---|"]
        for row in own.to_dict("records"):
            lines.append(f"| {' | '.join(describe_cells(row))} |")
        lines.append("")
    return "\n".join(lines)


def describe_cells(row: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """A row of the summary in words: figure, mean and spread, median, range, of how many."""
    unit = f" ({row['unit']})" if row["unit"] else ""
    spread = "" if row["sd"] != row["sd"] else f" ± {_figure(row['sd'])}"
    return (
        f"{row['figure'].replace('_', ' ')}{unit}", _figure(row["mean"]) + spread, _figure(row["median"]),
        f"{_figure(row['min'])} to {_figure(row['max'])}" if row["min"] == row["min"] else "",
        f"{row['n']} {row['over']}",
    )  # fmt: skip


# --- inside ---------------------------------------------------------------------------------------


def _rows(fact: Fact, found: Sequence[Described]) -> list[dict[str, Any]]:
    """Statistics of a figure; lengths of different units are never pooled."""
    out = []
    for unit in ("um", "px") if "unit" in fact.unit else ("",):
        mine = [d for d in found if unit in ("", d.row["unit"])]
        values = (
            np.array([d.row[fact.name] for d in mine], np.float64)
            if fact.over == "images"
            else np.concatenate([np.zeros(0), *(d.objects[fact.name] for d in mine if fact.name in d.objects)])
        )
        values = values[np.isfinite(values)]
        if values.size:
            named = {"figure": fact.name, "unit": fact.unit.replace("unit", unit), "over": fact.over}
            out.append({**named, **(_statistics(values) if fact.name != "images_touching" else _share(values))})
    return out


def _share(values: NDArray[np.float64]) -> dict[str, Any]:
    """Of what is so or not there is a share, and no spread."""
    return {**dict.fromkeys(STATISTICS, float("nan")), "n": int(values.size), "mean": float(values.mean())}


def _statistics(values: NDArray[np.float64]) -> dict[str, Any]:
    low, q1, middle, q3, high = (float(v) for v in np.percentile(values, (0, 25, 50, 75, 100)))
    sd = float(values.std(ddof=1)) if values.size > 1 else float("nan")
    return dict(zip(STATISTICS, (int(values.size), float(values.mean()), sd, low, q1, middle, q3, high), strict=True))


def _objects(what: Measured, stop: Stop) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    flat = len(what.labels.shape) == 2
    names = ("area", "circularity") if flat else ("volume", "sphericity")
    found = measure_objects(what, (*names, "neighbour_count"), stop=stop)
    table, n = found.table, len(found.table)
    touching = table["neighbour_count"].to_numpy() > 0
    values = {name: table[name].to_numpy(np.float64) for name in names}
    means = {name: float(np.nanmean(v)) if np.isfinite(v).any() else float("nan") for name, v in values.items()}
    return {
        "objects": n, "covered": 100 * found.covered / found.valid if found.valid else float("nan"),
        "touching": 100 * float(touching.mean()) if n else float("nan"),
        "images_touching": 100.0 * bool(touching.any()), **means,
    }, values  # fmt: skip


def _intensities(image: Any, labels: Any, rgb: bool) -> dict[str, float]:
    """Mean, spread and contrast of one grey image of all channels."""
    shape = tuple(image.shape[1:])
    every = int(np.ceil((np.prod(shape, dtype=np.float64) / LOOKED_AT) ** (1 / len(shape))))
    some = (slice(None, None, every),) * len(shape)
    n = image.shape[0]
    weights = GREY if rgb and n == len(GREY) else np.full(n, 1 / n)
    grey = np.zeros(tuple(-(-s // every) for s in shape))
    for c, weight in enumerate(weights):
        grey += weight * np.asarray(image[(c, *some)], np.float64)
    finite = np.isfinite(grey)
    values = grey[finite]
    if not values.size:
        return {}
    low, high = np.percentile(values, (1, 99))
    mean, sd = float(values.mean()), float(values.std())
    out = {"intensity_mean": mean, "intensity_sd": sd, "contrast": _ratio(high - low, high + low),
           "contrast_rms": _ratio(sd, mean)}  # fmt: skip
    if labels is not None:
        inside = np.asarray(labels[some]) > 0
        a, b = grey[inside & finite], grey[~inside & finite]
        if a.size and b.size:
            out["contrast_objects"] = _ratio(a.mean() - b.mean(), a.mean() + b.mean())
    return out


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b > 0 else float("nan")


def _figure(value: float) -> str:
    return "" if value != value else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

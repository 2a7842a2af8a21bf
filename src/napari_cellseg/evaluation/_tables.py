"""What was counted of many images and systems -> tables of plain rows.

Data flow: `Collector.add` gets one `Measured` per truth, system and image -> rows of images, classes, slices and
objects at once -> `Collector.tables` adds sums (pooled), statistics over images and slices, and tests of every two
systems.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, field_validator

from ..errors import CellsegError
from ._declared import BY_NAME, SHARE, Counts, Metric
from ._measure import Judging, Measured
from ._statistics import describe, paired

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]
ALL = "all"


class Comparing(Judging):
    """What is measured, and what is said of many images."""

    group_by: str = Field("", description="Regular expression on names of images: what it matches names the group.")
    against: float = Field(0.75, description="Threshold of the one-sample test.")
    seed: int = Field(0, ge=0, description="Of the bootstrap.")

    @field_validator("group_by")
    @classmethod
    def _check_group_by(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return text

    def group_of(self, image: str) -> str:
        """The group of an image: what the expression's first bracket, else all of it, matches; "" without a match."""
        found = re.search(self.group_by, image) if self.group_by else None
        if found is None:
            return ""
        return (found.group(1) or "") if found.re.groups else found.group(0)


@dataclass(frozen=True)
class Tables:
    """Tables as tuples of plain rows; the columns of metrics are the names of their declarations.

    Attributes
    ----------
    images
        One row per truth, system and image. With classes, metrics are means over them, and pixels their sums.
    classes
        The same per class.
    slices
        Per slice of volumes (and class): the metrics of pixels.
    objects
        Per object: id, what it was matched with, IoU, distances of the outlines, Evaluation Score.
    pooled
        Metrics of the sums over all images of a group.
    confusion
        Pixels by true and predicted class, over all images.
    summary
        Statistics of every metric over images and over slices (see `describe`).
    comparisons
        Tests of every two systems on the same images (see `paired`).
    """

    images: tuple[Row, ...] = ()
    classes: tuple[Row, ...] = ()
    slices: tuple[Row, ...] = ()
    objects: tuple[Row, ...] = ()
    pooled: tuple[Row, ...] = ()
    confusion: tuple[Row, ...] = ()
    summary: tuple[Row, ...] = ()
    comparisons: tuple[Row, ...] = ()

    def frame(self, name: str = "images") -> pandas.DataFrame:
        """A table as a DataFrame.

        Raises
        ------
        CellsegError
            When there is no such table.
        """
        import pandas

        if name not in self.names():
            raise CellsegError(f"There is no table {name!r}.", f"There are: {', '.join(self.names())}.")
        return pandas.DataFrame.from_records(list(getattr(self, name)))

    def to_dict(self) -> dict[str, list[Row]]:
        """All tables as lists of rows; what could not be measured is None, so that they can be written as JSON."""
        return {name: [{k: _plain(v) for k, v in row.items()} for row in getattr(self, name)] for name in self.names()}

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all tables."""
        return tuple(f.name for f in fields(cls))


@dataclass
class Collector:
    """Takes what was measured, image by image."""

    how: Comparing
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    sums: dict[tuple[str, str, str], list[dict[str, float]]] = field(default_factory=dict)
    matrices: dict[tuple[str, str], Any] = field(default_factory=dict)

    def add(self, truth: str, system: str, image: str, found: Measured, own: Counts | None = None) -> Row:
        """Take an image of a system; returns its row of the table of images.

        `own` are counts of the model itself, where it predicted here: seconds, loss, loss_voxels.
        """
        group = self.how.group_of(image)
        place = {"truth": truth, "system": system, "image": image} | ({"group": group} if self.how.group_by else {})
        by_class = [dict(counts) for counts in found.by_class]
        for counts in by_class:
            counts |= own or {}
        row = {**place, **self._values(by_class, self.how.chosen)}
        self.rows["images"].append(row)
        for name, counts in zip(self.how.classes, by_class, strict=False):
            self.rows["classes"].append({**place, "class": name, **self._values([counts], self.how.chosen)})
        of_pixels = tuple(m for m in self.how.chosen if m.group == "pixels")
        for number, slices in found.slices if of_pixels else ():
            for name, own in zip(self.how.classes or ("",), slices, strict=True):
                kind = {"class": name} if self.how.classes else {}
                self.rows["slices"].append({**place, "slice": number, **kind, **self._values([own], of_pixels)})
        self.rows["objects"] += [{**place, **own} for own in found.objects]
        for part in (ALL, group) if self.how.group_by else (ALL,):
            _add(self.sums.setdefault((truth, system, part), [{} for _ in by_class]), by_class)
        self.matrices[truth, system] = self.matrices.get((truth, system), 0) + found.matrix
        return row

    def tables(self) -> Tables:
        """All tables."""
        own = {name: tuple(rows) for name, rows in self.rows.items()}
        return Tables(
            **own,
            pooled=tuple(self._pooled()),
            confusion=tuple(self._confusion()),
            summary=tuple(self._summary()),
            comparisons=tuple(self._comparisons()),
        )

    # --- inside -----------------------------------------------------------------------------------

    def _values(self, by_class: Sequence[Counts], metrics: Iterable[Metric]) -> Row:
        """Every metric; of several classes the sum of counts, the mean of everything else."""
        out = {}
        for metric in metrics:
            values = [metric.value(counts, self.how.empty) for counts in by_class]
            told = [v for v in values if math.isfinite(v)]
            total = math.fsum(told) if metric.is_count else math.fsum(told) / len(told) if told else math.nan
            out[metric.name] = int(total) if metric.is_count else total
        return out

    def _pooled(self) -> Iterator[Row]:
        metrics = [m for m in self.how.chosen if m.pooled]
        for (truth, system, group), sums in self.sums.items():
            place = {"truth": truth, "system": system, "group": group}
            yield {**place, **({"class": ALL} if self.how.classes else {}), **self._values(sums, metrics)}
            for name, counts in zip(self.how.classes, sums, strict=False):
                yield {**place, "class": name, **self._values([counts], metrics)}

    def _confusion(self) -> Iterator[Row]:
        nothing = "unlabelled" if "background" in self.how.classes else "background"
        names = (nothing, *(self.how.classes or ("object",)))
        for (truth, system), matrix in self.matrices.items():
            for a, b in itertools.product(range(len(names)), repeat=2):
                where = {"truth": truth, "system": system, "true_class": names[a], "predicted_class": names[b]}
                yield where | {"pixels": int(matrix[a, b])}

    def _series(self) -> Iterator[tuple[Row, list[Row], list[str]]]:
        """What statistics are made of: the place, its rows, and the metrics in them."""
        names = [m.name for m in self.how.chosen]
        for table, over in (("images", "images"), ("classes", "images"), ("slices", "slices")):
            found: dict[tuple[str, ...], list[Row]] = {}
            for row in self.rows[table]:
                for group in dict.fromkeys((ALL, row.get("group", ALL))):
                    key = (row["truth"], row["system"], group, row.get("class", ALL if self.how.classes else ""))
                    found.setdefault(key, []).append(row)
            for place_key, rows in found.items():
                place: Row = dict(zip(("truth", "system", "group", "class"), place_key, strict=True)) | {"over": over}
                yield place, rows, [name for name in names if name in rows[0]]

    def _summary(self) -> Iterator[Row]:
        for place, rows, names in self._series():
            for name in names:
                against = self.how.against if BY_NAME[name].unit == SHARE else None
                figures = describe([row[name] for row in rows], against, self.how.seed)
                yield {**place, "metric": name, **figures}

    def _comparisons(self) -> Iterator[Row]:
        found = {tuple(p.values()): (p, {r["image"]: r for r in rows}, names) for p, rows, names in self._series()
                 if p["over"] == "images"}  # fmt: skip
        for (a, one, names), (b, other, _) in itertools.combinations(found.values(), 2):
            if a["system"] == b["system"] or any(a[k] != b[k] for k in ("truth", "group", "class")):
                continue
            both = [image for image in one if image in other]
            for name in names:
                mine, theirs = ([float(rows[image][name]) for image in both] for rows in (one, other))
                where = {k: a[k] for k in ("truth", "group", "class")} | {"one": a["system"], "other": b["system"]}
                yield {**where, "metric": name, **paired(mine, theirs, self.how.seed)}


def _add(total: list[dict[str, float]], counts: Sequence[Counts]) -> None:
    for own, more in zip(total, counts, strict=True):
        for key, value in more.items():
            own[key] = own.get(key, 0.0) + value


def _plain(value: Any) -> Any:
    """A value for JSON."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Masks of any tool against truth, with or without a project: arrays, files, models.

Data flow: sources -> which files (or arrays) belong together, by their names -> image by image: truth and prediction in
memory -> `measure` -> `Collector` -> tables; a strip of pictures where a folder for them is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import images
from .._types import Labels
from ..config import Values, assigned
from ..errors import CellsegError
from ..evaluation import METRICS, Collector, Comparing, Row, measure
from ..events import Evaluated, Exported, Notice, Skipped, Stopped
from ..project import safe_name
from ..report import plot_slices
from ..settings import validated
from ._add import as_labels
from ._results import SystemsCompared
from ._strips import Strip, write_strip
from ._work import OnEvent, Stop, Work, never, verb

CURVE = "iou"
"""What is drawn over the slices of a volume (Karabag et al. 2023, Fig. 11)."""
Masks = str | Path | Sequence[str | Path] | Mapping[str, Labels]
"""Masks of many images: a folder, files, or arrays by the names of their images."""


def comparing(settings: Values = (), **given: Any) -> Comparing:
    """How to measure, from keywords (None is not given) and from what was typed.

    Raises
    ------
    CellsegError
        When a name is unknown or a value cannot be used.
    """
    values = {key: value for key, value in given.items() if value is not None}
    return validated(Comparing, values | dict(assigned(settings, "threshold=0.5")))


def metrics() -> list[dict[str, str]]:
    """Every metric: its name, title, group, unit or range, which way is better, what it means and where it is from."""
    names = ("name", "title", "group", "unit", "better", "meaning", "source")
    return [{name: str(getattr(metric, name)) for name in names} for metric in METRICS]


def evaluate(
    truth: Labels,
    prediction: Labels,
    *,
    spacing_um: Sequence[float] | None = None,
    classes: Sequence[str] = (),
    metrics: Sequence[str] = (),
    known: Any = None,
    settings: Values = (),
) -> dict[str, float]:
    """Measure labels against the truth.

    Parameters
    ----------
    truth, prediction : array
        (Z, Y, X) or (Y, X) ids of objects, or of classes.
    spacing_um : sequence of float
        Voxel size in um, in the order of the axes; without it distances are in pixels.
    classes : sequence of str
        Names of the classes 1, 2, ...; without them labels are objects.
    metrics : sequence of str
        Names of metrics or groups of them (see `metrics`); all where not given.
    known : array of bool
        Only these voxels count, and of the objects those of which at least half is known.
    settings : dict or list of str
        Anything of `napari_cellseg.evaluation.Comparing`: ``{"threshold": 0.75, "tolerance": 1.0}``.

    Returns
    -------
    dict
        A number for every metric; NaN where it cannot be told. With several classes their mean, and ``iou/NAME``...

    Raises
    ------
    CellsegError
        When the labels do not fit each other, or a setting cannot be used.
    """
    how = comparing(settings, classes=tuple(classes), metrics=tuple(metrics), objects=False)
    spacing = tuple(spacing_um) if spacing_um is not None else None
    collector = Collector(how)
    mask = None if known is None else np.asarray(known, bool)
    row = collector.add("", "", "", measure(as_labels(truth), as_labels(prediction), how, spacing, mask))
    found = {m.name: float(row[m.name]) for m in how.chosen if m.group != "model"}
    for own in collector.rows["classes"] if len(how.classes) > 1 else ():
        found |= {f"{name}/{own['class']}": float(own[name]) for name in list(found) if name in own}
    return found


@verb
def compare_systems(
    truth: Masks | Mapping[str, Masks],
    predictions: Mapping[str, Masks],
    *,
    pictures: Masks | None = None,
    spacing_um: Sequence[float] | None = None,
    exclude: Iterable[str] = (),
    figures: str | Path | None = None,
    settings: Values = (),
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[SystemsCompared]:
    """Measure the masks of any number of tools against the truth of many images.

    Files belong together by their names, without what tools add to them (``_masks``, ``_labels``, ``_seg``...); one
    file against one file may be called anything.

    Parameters
    ----------
    truth : str, Path, list of them, or dict
        A folder, files, or arrays by the names of their images; or several truths by their names.
    predictions : dict
        The same of every system, by its name.
    pictures : str, Path, list of them, or dict
        The pictures: for figures, for voxel sizes, and for formats with outlines only.
    spacing_um : sequence of float
        Voxel size in um, in the order (Z, Y, X); those of the pictures where not given.
    exclude : iterable of str
        Names of images to leave out.
    figures : str or Path
        A folder for one strip per image: the picture, the truth, every system with its errors in colours.
    settings : dict or list of str
        Anything of `napari_cellseg.evaluation.Comparing`: ``{"threshold": 0.75, "empty": "zero"}``.
    on_event, stop : callable
        Called with every event; asked before every image whether to end.

    Returns
    -------
    SystemsCompared
        Tables of plain rows; an image that cannot be used is left out, with the reason.

    Raises
    ------
    CellsegError
        When nothing belongs together, or a setting cannot be used.
    """
    how = comparing(settings)
    truths = {name: _Source(masks) for name, masks in _named(truth).items()}
    systems = {name: _Source(masks) for name, masks in predictions.items()}
    if not systems:
        raise CellsegError("No predictions were given.", "Name them: NAME=DIR.")
    shown = _Source(pictures) if pictures is not None else None
    work = Comparison(how, Path(figures) if figures else None)
    stopped = False
    left_out = _known_names(exclude, [*truths.values(), *systems.values()])
    for truth_name, source in truths.items():
        for image in (name for name in source.names if name not in left_out):
            if stopped := stopped or stop():
                break
            alone = len(truths) == len(systems) == len(source.names) == 1
            yield from _one(work, truth_name, source, image, systems, (shown, spacing_um), alone)
    if stopped:
        yield Stopped("cancelled")
    if not work.collector.rows["images"] and not stopped:
        raise CellsegError(
            "No image has both truth and a prediction.", "Files belong together by their names: a.tif and a_masks.png."
        )
    return SystemsCompared(work.collector.tables(), tuple(work.left_out), tuple(work.files), stopped)


@dataclass
class Comparison:
    """What was measured so far, and the pictures of it."""

    how: Comparing
    figures: Path | None = None
    left_out: list[Skipped] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.collector = Collector(self.how)

    def add(self, truth: str, strip: Strip, system: str, found: Labels, own: Mapping[str, float] | None = None) -> Row:
        """Measure one system on one image, and keep its errors for the strip; `own`: see `Collector.add`."""
        measured = measure(strip.truth, found, self.how, strip.spacing, strip.known)
        row = self.collector.add(truth, system, strip.name, measured, own)
        if self.figures is not None:
            by_class = self.collector.rows["classes"][-len(self.how.classes) :] if self.how.classes else [row]
            strip.systems[system] = (found, tuple(by_class))
        return row

    def finish(self, strip: Strip, truth: str = "") -> Iterator[Exported]:
        """Write the strip of an image, and of a volume the curve over its slices, where pictures are wanted."""
        if self.figures is not None and strip.systems:
            name = safe_name(f"{truth}_{strip.name}" if truth else strip.name)
            self.files.append(write_strip(strip, self.figures / f"{name}_errors.png", self.how.classes))
            yield Exported(strip.name, str(self.files[-1]))
            rows = [r for r in self.collector.rows["slices"] if r["image"] == strip.name and truth in ("", r["truth"])]
            if any(r.get(CURVE) is not None for r in rows):
                self.files.append(plot_slices(rows, self.figures / f"{name}_slices.png", CURVE, "Jaccard (IoU)"))
                yield Exported(strip.name, str(self.files[-1]))

    def leave_out(self, image: str, error: CellsegError) -> Skipped:
        """Note why an image is not measured."""
        self.left_out.append(Skipped(image, error.message, error.hint))
        return self.left_out[-1]


def figures_of(row: Row) -> dict[str, float]:
    """The metrics of a row of images that could be told."""
    numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
    return {k: float(v) for k, v in numbers.items() if math.isfinite(v)}


# --- sources --------------------------------------------------------------------------------------


class _Source:
    """Masks (or pictures) of many images, read one by one."""

    def __init__(self, given: Masks) -> None:
        self.arrays: Mapping[str, Any] = {}
        self.files: dict[str, Path] = {}
        if isinstance(given, Mapping):
            self.arrays = {name: np.asarray(array) for name, array in given.items()}
        else:
            self.files = images.masks_by_name([given] if isinstance(given, str | Path) else given)
        self.names = tuple(self.arrays or self.files)

    def name_for(self, image: str, alone: bool) -> str | None:
        """What it calls an image: the same, or anything where there is only one on each side."""
        return image if image in self.names else self.names[0] if alone and len(self.names) == 1 else None

    def masks(self, name: str, wanted: images.MasksFor) -> images.Masks:
        """Labels of an image; of a series, with a leading T."""
        if name in self.arrays:
            return images.Masks(as_labels(self.arrays[name]))
        return images.read_masks(self.files[name], wanted)

    def picture(self, name: str) -> images.Image:
        """A picture, or masks as one, for its shape and voxel size."""
        return images.from_array(self.arrays[name]) if name in self.arrays else images.read(self.files[name])

    def is_picture(self, name: str) -> bool:
        """Whether its shape can be told without another file."""
        return name in self.files and self.files[name].exists() and images.is_picture(self.files[name])


def _named(truth: Masks | Mapping[str, Masks]) -> dict[str, Masks]:
    """Truths by their names: a mapping to arrays is one truth of many images."""
    if isinstance(truth, Mapping) and not all(hasattr(v, "ndim") for v in truth.values()):
        return dict(truth)  # type: ignore[arg-type]
    return {"truth": truth}  # type: ignore[dict-item]


def _known_names(exclude: Iterable[str], sources: Sequence[_Source]) -> set[str]:
    """The names to leave out, all of which somebody must have: a slip of the pen would measure what it should not."""
    wanted = set(exclude)
    unknown = sorted(wanted - {name for source in sources for name in source.names})
    if unknown:
        example = next(name for source in sources for name in source.names)
        raise CellsegError(f"There is no image {unknown[0]!r} to leave out.", f"Names have no ending: {example}.")
    return wanted


def _one(
    work: Comparison, truth_name: str, truth: _Source, image: str, systems: Mapping[str, _Source],
    shown: tuple[_Source | None, Sequence[float] | None], alone: bool,
) -> Work[None]:  # fmt: skip
    """One image of one truth against every system."""
    pictures, spacing = shown
    try:
        picture = _picture(pictures, image, alone)
        wanted = _wanted(image, truth, systems, picture, work.how)
        frames = _frames(truth.masks(image, wanted), wanted)
    except CellsegError as error:
        if alone:
            raise
        yield work.leave_out(image, error)
        return
    size = _spacing(spacing, picture.spacing_um if picture else _spacing_in(truth, image), frames[0].ndim)
    names = [image] if len(frames) == 1 else [f"{image}_t{t:04d}" for t in range(len(frames))]
    read = partial(_prediction, wanted=wanted, image=image, alone=alone)
    strips = [
        Strip(n, f, picture.frame(t) if picture else None, size)
        for t, (n, f) in enumerate(zip(names, frames, strict=True))
    ]
    for system, source in systems.items():
        try:
            found = read(source, system)
            yield from (Notice(note) for note in found.notes)
            for strip, labels in zip(strips, _frames(found, wanted, len(frames)), strict=True):
                row = work.add(truth_name, strip, system, labels)
                yield Evaluated(strip.name, system, figures_of(row), 0.0)
        except CellsegError as error:
            if alone:
                raise
            yield work.leave_out(f"{image} of {system}", error)
    for strip in strips:
        yield from work.finish(strip, truth_name if truth_name != "truth" else "")


def _prediction(source: _Source, system: str, wanted: images.MasksFor, image: str, alone: bool) -> images.Masks:
    name = source.name_for(image, alone)
    if name is None:
        raise CellsegError(f"{system} has no masks called {image}.", "Its files are called like the pictures.")
    return source.masks(name, wanted)


def _picture(pictures: _Source | None, image: str, alone: bool) -> images.Image | None:
    name = pictures.name_for(image, alone) if pictures is not None else None
    return pictures.picture(name) if pictures is not None and name is not None else None


def _spacing(given: Sequence[float] | None, told: tuple[float, ...] | None, ndim: int) -> tuple[float, ...] | None:
    """The voxel size that was given, for pictures its last two numbers; else that of the files where it fits."""
    if given is not None:
        return tuple(given)[-ndim:]
    return told if told is not None and len(told) == ndim else None


def _spacing_in(truth: _Source, image: str) -> tuple[float, ...] | None:
    return truth.picture(image).spacing_um if truth.is_picture(image) else None


def _wanted(
    image: str, truth: _Source, systems: Mapping[str, _Source], picture: images.Image | None, how: Comparing
) -> images.MasksFor:
    """What masks are read for: the picture's shape, or that of the first masks that tell it."""
    if picture is None:
        sources = (truth, *systems.values())
        picture = next((s.picture(image) for s in sources if s.is_picture(image)), None)
    shape, frames = (None, 1) if picture is None else (picture.spatial_shape, picture.n_frames)
    return images.MasksFor(shape, frames, f"{image}.tif", how.classes)


def _frames(masks: images.Masks, wanted: images.MasksFor, n: int = 0) -> list[Labels]:
    """The labels of every time point.

    Raises
    ------
    CellsegError
        When there are not `n` of them.
    """
    frames = list(masks.labels) if wanted.frames > 1 else [masks.labels]
    if n and len(frames) != n:
        raise CellsegError(f"There are {len(frames)} frames, and {n} of the truth.", "Give masks of all frames.")
    return frames

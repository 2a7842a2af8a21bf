"""Choosing images to label, of a folder or of a project.

Data flow: pictures one after another, with labels where there are some, else with objects of a model or a draft ->
confluency, sharpness, debris -> a decision with its reason for every image -> table, list, contact sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from .. import images
from ..errors import CellsegError
from ..events import Notice, Skipped
from ..files import write_text
from ..measurement import (
    Candidate,
    Choosing,
    Decision,
    check_picture_path,
    check_table_path,
    choice_table,
    choose,
    contact_sheet,
    groups_of,
    looked_at,
    write_figure,
    write_table,
)
from ..project import Project
from ._each_image import each_image
from ._loose import LoadedModel, load_model, predict
from ._pairs import Frames, paired, pictures_by_name
from ._work import OnEvent, Stop, Work, never, verb

if TYPE_CHECKING:
    from pandas import DataFrame

Source = str | Path
By = Literal["auto", "labels", "model", "draft", "quick"]
BASE = "cells"


@dataclass(frozen=True, eq=False)
class Selection:
    """Which images were chosen.

    Attributes
    ----------
    taken
        Names of the images to label, by confluency.
    table
        A row per image with what was decided, why, and from which figures.
    left_out
        Images that could not be used, with message and hint.
    files
        What was written.
    stopped
        Whether it ended early at somebody's wish; nothing is chosen then.
    """

    taken: tuple[str, ...]
    table: DataFrame
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Selecting:
    """How images are looked at, and what is written: see `select`."""

    choosing: Choosing = field(default_factory=Choosing)
    by: By = "auto"
    model: Source | LoadedModel = BASE
    group_by: str = ""
    csv: Source | None = None
    list: Source | None = None
    figure: Source | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raise where something cannot be done."""
        self.choosing.check()
        if self.by not in get_args(By):
            raise CellsegError(f"Confluency is not told by {self.by!r}.", f"Take {', '.join(get_args(By))}.")
        groups_of(names, self.group_by)
        if self.csv:
            check_table_path(self.csv)
        if self.figure:
            check_picture_path(self.figure)


@verb
def select(
    images: Source | Sequence[Source],
    labels: Source | Sequence[Source] = (),
    n: int = 10,
    *,
    steps: int = 0,
    span: tuple[float, float] | None = None,
    sharpness: float | None = None,
    debris: float | None = None,
    by: By = "auto",
    model: Source | LoadedModel = BASE,
    group_by: str = "",
    csv: Source | None = None,
    list: Source | None = None,
    figure: Source | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Selection]:
    """Choose images to label: at equal steps of confluency, sharp, without debris, each with the reason.

    Parameters
    ----------
    images, labels : str or Path, or lists of them
        Pictures, and masks or predictions where there are some: files or folders; masks are called like their pictures.
    n : int
        How many.
    steps : int
        Equal steps of confluency; 0: `n`, so that every step gives one image. Where a step has none that can be used,
        others give more.
    span : tuple of float
        Least and largest confluency in %; those of the images where not given.
    sharpness, debris : float
        Least variance of the Laplacian, and most debris in %; what is unusual in the set is left out where not given.
    by : str
        What tells confluency: ``"auto"`` (labels where there are some, else the model), ``"labels"``, ``"model"``,
        ``"draft"`` (Otsu's threshold, fast), ``"quick"`` (labels where there are some, else a draft).
    model : str, Path or LoadedModel
        As for `predict`.
    group_by : str
        A regular expression: its first bracket (or all that matches) in the name of an image is its group. Of every
        step images of different groups are taken first: not ten frames of one movie.
    csv, list, figure : str or Path
        Files to write: the table; paths of the pictures that were taken, one a line; a contact sheet of them.
    on_event, stop : callable
        Called with every event; asked again and again whether to end.

    Returns
    -------
    Selection

    Raises
    ------
    CellsegError
        When something given does not fit, or no image can be used.
    """
    how = Selecting(Choosing(n, steps, span, debris, sharpness), by, model, group_by, csv, list, figure)
    work = {name: partial(_of_files, read) for name, read in paired(images, labels).items()}
    return (yield from _selected(work, how, pictures_by_name(images), stop))


def select_of_project(project: Project, ids: Sequence[str], how: Selecting, stop: Stop) -> Work[Selection]:
    """The same of images of a project; nothing of it is changed."""
    every = [project.image(id).id for id in ids] or [r.id for r in project.images()]
    if not every:
        raise CellsegError("The project has no images.", "Add some first.")
    work = {id: partial(_of_project, project, id) for id in every}
    paths = {r.id: project.source(r) for r in project.images()}
    return (yield from _selected(work, how, paths, stop))


# --- inside ---------------------------------------------------------------------------------------

Seen = tuple[images.Image, Any]
"""A picture and its labels, None where it has none."""


def _selected(
    work: Mapping[str, Callable[[], dict[str, Seen]]], how: Selecting, paths: Mapping[str, Path], stop: Stop
) -> Work[Selection]:
    how.check(list(work))
    labeller = _Labeller(how, stop)
    done = yield from each_image({n: partial(_looked_at, read, labeller) for n, read in work.items()}, _objects, stop)
    if done.stopped:
        return Selection((), choice_table(()), done.left_out, (), True)
    candidates = [candidate for candidate, _ in done.parts.values()]
    groups = groups_of([c.name for c in candidates], how.group_by)
    choice = choose([_grouped(c, groups[c.name] if how.group_by else "") for c in candidates], how.choosing)
    taken = sorted((d for d in choice.decisions if d.taken), key=lambda d: d.candidate.confluency)
    if len(taken) < how.choosing.n:
        yield Notice(f"{len(taken)} images were taken; {how.choosing.n} were asked for, and no more can be used.")
    if choice.empty:
        yield Notice(f"No image at {', '.join(choice.empty)} can be used; other steps gave more.")
    table = choice_table(choice.decisions)
    files = _write(table, taken, how, work, paths)
    return Selection(tuple(d.candidate.name for d in taken), table, done.left_out, files)


def _looked_at(read: Callable[[], dict[str, Seen]], labeller: _Labeller) -> dict[str, tuple[Candidate, int]]:
    """What a picture, or each time point of it, is like, and the greatest number of an object in it."""
    found = {}
    for name, (picture, labels) in read().items():
        objects, source = labeller.objects(picture, labels)
        candidate = Candidate(name, *looked_at(picture.channels_first(), objects, picture.rgb), source)
        found[name] = candidate, int(objects.max(initial=0))
    return found


def _objects(looked: tuple[Candidate, int]) -> int:
    return looked[1]


class _Labeller:
    """Whose objects tell the confluency of a picture; a model is loaded when the first picture needs it."""

    def __init__(self, how: Selecting, stop: Stop) -> None:
        self._how, self._stop = how, stop
        self._model: LoadedModel | None = None

    def objects(self, picture: images.Image, labels: Any) -> tuple[Any, str]:
        """Labels and where they are from.

        Raises
        ------
        CellsegError
            When labels were asked for and there are none, or the model cannot be used.
        """
        by = self._how.by
        if labels is not None and by in ("auto", "labels", "quick"):
            return np.asarray(labels), "labels"
        if by == "labels":
            raise CellsegError("It has no labels.", "Give masks, or let a model or a draft tell the confluency.")
        pixels = picture.load()
        if by in ("draft", "quick"):
            from ..drafts import OtsuWatershed

            return OtsuWatershed()(pixels.astype(np.float32), picture.spacing_um), "draft"
        self._model = self._model or load_model(self._how.model)
        axes = f"C{picture.spatial_axes}"
        return predict(pixels, self._model, axes=axes, spacing=picture.spacing_um, stop=self._stop), "model"


def _of_files(read: Frames) -> dict[str, Seen]:
    return {name: (frame.picture, frame.labels) for name, frame in read().items()}


def _of_project(project: Project, id: str) -> dict[str, Seen]:
    labels, state = project.load_labels(id)
    return {id: (project.read_image(id), labels if labels.any() or state.any() else None)}


def _grouped(c: Candidate, group: str) -> Candidate:
    return Candidate(c.name, c.confluency, c.sharpness, c.debris, c.source, group)


def _write(
    table: DataFrame, taken: Sequence[Decision], how: Selecting, work: Mapping[str, Any], paths: Mapping[str, Path]
) -> tuple[Path, ...]:
    files: list[Path] = []
    if how.csv:
        files.append(write_table(table, how.csv))
    if how.list:
        lines = [str(paths[_file_of(d.candidate.name, paths)]) for d in taken]
        files.append(write_text(how.list, "".join(f"{line}\n" for line in dict.fromkeys(lines))))
    if how.figure:
        shown = []
        for d in taken:
            picture, _ = work[_file_of(d.candidate.name, work)]()[d.candidate.name]
            shown.append((d, picture.channels_first()))
        files.append(write_figure(contact_sheet(shown), how.figure))
    return tuple(files)


def _file_of(name: str, names: Mapping[str, Any]) -> str:
    """The file that an image or a frame of it is from."""
    return name if name in names else name[: name.rindex("_t")]

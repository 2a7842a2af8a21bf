"""The report of a project, with the places at which the newest judged model is worst."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Labels
from ..boxes import grown
from ..engine import EvaluateJob, held_out, run
from ..errors import CellsegError
from ..evaluation import ERROR_COLOURS, ERROR_NAMES, borders, error_map, grey, painted_errors
from ..events import Evaluated, Exported, Stopped
from ..files import write_text
from ..matching import mostly_known, numbered, overlaps
from ..project import ImageRecord, Project, RoundRecord
from ..report import Case, as_json, strips_png, tell, write_page
from ._plates import plates_of_project
from ._results import Reported
from ._work import Stop, Work

DIAMETERS = 1.5
"""Of an object are shown on every side of it."""
LEAST = 24
"""Pixels on every side, at least."""


@dataclass(frozen=True)
class _Worst:
    """A held-out object, and how well the newer model has it."""

    iou: float
    size: int
    image: str
    id: int
    box: Box


def report_project(project: Project, path: Path, cases: int, as_numbers: Path | None, stop: Stop) -> Work[Reported]:
    """Write the report: one HTML file, and the numbers as JSON where a path is given.

    Raises
    ------
    CellsegError
        When a file cannot be written, or `cases` is below 0.
    """
    if cases < 0:
        raise CellsegError(f"{cases} cases cannot be shown.", "Give 0 or more.")
    shown: list[Case] = []
    round_ = next((r for r in reversed(project.db.rounds()) if _is_there(project, r.child)), None)
    if cases and round_ is not None and project.task == "instance":
        shown = yield from _worst_cases(project, round_, cases, stop)
    story = tell(project)
    figures = yield from plates_of_project(project, stop)
    written = [write_page(story, path, shown, figures)]
    if as_numbers is not None:
        written.append(write_text(as_numbers, json.dumps(as_json(story), indent=1) + "\n"))
    for file in written:
        yield Exported("", str(file))
    return Reported(tuple(written), len(story.rounds), len(shown))


def _worst_cases(project: Project, round_: RoundRecord, n: int, stop: Stop) -> Work[list[Case]]:
    """The held-out objects that the newer model of a round has worst: image, truth, old and new."""
    held = project.db.holdouts()
    records = {r.id: r for r in project.images() if r.id in held and r.split != "test"}
    names = [m for m in (round_.parent, round_.child) if m is not None and _is_there(project, m)]
    found: dict[str, dict[str, Labels]] = {}
    for name in names:
        for event in run(EvaluateJob(project.path, tuple(records), name), stop):
            if isinstance(event, Evaluated):
                found.setdefault(event.image, {})[name] = np.asarray(event.labels)
            elif isinstance(event, Stopped):
                return []
            yield event
    config = project.model_config(round_.child)
    margin, smallest = config.train.margin, config.target.min_size
    worst: list[_Worst] = []
    for id, by_model in found.items():
        if round_.child in by_model:
            found_there = _objects(project, records[id], by_model[round_.child], margin)
            worst += [w for w in found_there if w.size >= smallest]  # debris that no network may find
    worst.sort(key=lambda w: w.iou)
    return [_case(project, w, found[w.image], names, margin) for w in worst[:n]]


def _objects(project: Project, record: ImageRecord, predicted: Labels, margin: int) -> Iterator[_Worst]:
    """Every held-out object of an image with its IoU; those that are right in every voxel are left out."""
    from scipy import ndimage as ndi

    truth, known = held_out(project, record, margin)
    both = overlaps(truth, predicted)
    best, judged = both.of_left[0], mostly_known(truth, known, both.left_ids)
    numbers, behind = numbered(truth)
    spans = ndi.find_objects(numbers)
    sizes = both.left_sizes.tolist()
    for id, iou, size, counts in zip(both.left_ids.tolist(), best.tolist(), sizes, judged.tolist(), strict=True):
        if counts and iou < 1:
            yield _Worst(iou, size, record.id, id, tuple(spans[int(np.searchsorted(behind, id)) - 1]))


def _case(project: Project, worst: _Worst, by_model: dict[str, Labels], names: list[str], margin: int) -> Case:
    record = project.image(worst.image)
    truth, known = held_out(project, record, margin)
    plane, box = _view(truth, worst)
    picture = _plane(project.read_image(worst.image).channels_first().mean(0), plane, box)
    panels = [("picture", grey(picture)), ("truth", _errors(truth, truth, known, plane, box, picture))]
    for name in names:
        errors = _errors(truth, by_model[name], known, plane, box, picture)
        panels.append((f"{name}: {'old' if name != names[-1] else 'new'}", errors))
    legend = {ERROR_NAMES[v]: colour for v, colour in ERROR_COLOURS["objects"].items()}
    where = "" if plane is None else f", slice {plane + 1}"
    text = f"{worst.image}{where}, object {worst.id}: IoU {worst.iou:.2f} with {names[-1]}"
    return text, strips_png([panels], legend)


def _view(truth: Labels, worst: _Worst) -> tuple[int | None, Box]:
    """The slice in which the object is largest (None in 2D), and a box (Y, X) with room around it."""
    plane = None
    if truth.ndim == 3:
        inside = truth[worst.box] == worst.id
        plane = worst.box[0].start + int(inside.sum((1, 2)).argmax())
    flat = worst.box[-2:]
    side = max(b.stop - b.start for b in flat)
    return plane, grown(flat, (max(LEAST, round(DIAMETERS * side)),) * 2, truth.shape[-2:])


def _errors(
    truth: Labels, labels: Labels, known: NDArray[np.bool_], plane: int | None, box: Box, picture: NDArray[np.generic]
) -> NDArray[np.uint8]:
    t, p, k = (_plane(values, plane, box) for values in (truth, labels, known))
    panel = painted_errors(picture, error_map(t, p, k), "objects")
    panel[borders(np.where(k, p, 0).astype(np.uint32))] = 0  # else merged and touching look alike
    return panel


def _plane(values: NDArray[Any], plane: int | None, box: Box) -> NDArray[Any]:
    return np.asarray(values[(... if plane is None else plane, *box)])


def _is_there(project: Project, model: str) -> bool:
    return (project.models_folder / model / "card.json").is_file()

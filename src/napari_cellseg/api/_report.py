"""The report of a project, with the places at which the newest judged model is worst.

Data flow: the newest round -> `worst_wanted`, which images both models must be asked about -> labels of each
image, computed here or by a window's engine -> `worst_in`, cut out, so that labels need not be kept -> `write_report`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from ..project import Project
from ..report import Case, as_json, strips_png, tell, write_page
from ._plates import plates_of_project
from ._results import Reported
from ._work import Stop, Work

DIAMETERS = 1.5
"""Of an object are shown on every side of it."""
LEAST = 24
"""Pixels on every side, at least."""


@dataclass(frozen=True)
class WorstWanted:
    """What the worst cases need: the held-out images, as the models of a round see them.

    Attributes
    ----------
    models
        The older one (where there was one) and the newer one, whose worst objects are shown.
    margin, smallest
        Of the newer one: how far corrections vouch for background, and the smallest object (voxels).
    """

    images: tuple[str, ...]
    models: tuple[str, ...]
    margin: int
    smallest: int

    @property
    def job(self) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
        """Images, model and other models of an `EvaluateJob`."""
        return self.images, self.models[0], self.models[1:]


@dataclass(frozen=True, eq=False)
class Worst:
    """A held-out object that the newer model has badly: how well (IoU), in words, and the panels of its strip."""

    iou: float
    text: str
    panels: tuple[tuple[str, NDArray[np.uint8]], ...]


def worst_wanted(project: Project) -> WorstWanted | None:
    """What the worst cases of a report need; None where there are none (no round, classes, nothing held out)."""
    round_ = next((r for r in reversed(project.db.rounds()) if _is_there(project, r.child)), None)
    if round_ is None or project.task != "instance":
        return None
    held = project.db.holdouts()
    images = tuple(r.id for r in project.images() if r.id in held and r.split != "test")
    models = tuple(m for m in (round_.parent, round_.child) if m is not None and _is_there(project, m))
    config = project.model_config(round_.child)
    return WorstWanted(images, models, config.train.margin, config.target.min_size) if images else None


def worst_in(project: Project, wanted: WorstWanted, image: str, by_model: Mapping[str, Labels], n: int) -> list[Worst]:
    """The `n` worst held-out objects of an image, the worst first, from the labels that each model gave."""
    record = project.image(image)
    truth, known = held_out(project, record, wanted.margin)
    there = [o for o in _objects(truth, known, by_model[wanted.models[-1]]) if o.size >= wanted.smallest]
    worst = sorted(there, key=lambda o: o.iou)[:n]  # without debris, that no network may find
    picture = project.read_image(image).channels_first().mean(0) if worst else None
    return [_cut(image, o, (truth, known, picture), by_model, wanted.models) for o in worst]


def report_project(project: Project, path: Path, cases: int, as_numbers: Path | None, stop: Stop) -> Work[Reported]:
    """Write the report: one HTML file, and the numbers as JSON where a path is given.

    Raises
    ------
    CellsegError
        When a file cannot be written, or `cases` is below 0.
    """
    if cases < 0:
        raise CellsegError(f"{cases} cases cannot be shown.", "Give 0 or more.")
    worst: list[Worst] = []
    wanted = worst_wanted(project) if cases else None
    if wanted is not None:
        worst = yield from _worst_cases(project, wanted, cases, stop)
    return (yield from write_report(project, path, worst, cases, as_numbers, stop))


def write_report(
    project: Project, path: Path, worst: Iterable[Worst], cases: int, as_numbers: Path | None, stop: Stop
) -> Work[Reported]:
    """Write the report with the worst of what was found; nothing is predicted.

    Raises
    ------
    CellsegError
        When a file cannot be written.
    """
    shown = [_case(w) for w in sorted(worst, key=lambda w: w.iou)[:cases]]
    story = tell(project)
    figures = yield from plates_of_project(project, stop)
    written = [write_page(story, path, shown, figures)]
    if as_numbers is not None:
        written.append(write_text(as_numbers, json.dumps(as_json(story), indent=1) + "\n"))
    for file in written:
        yield Exported("", str(file))
    return Reported(tuple(written), len(story.rounds), len(shown))


# --- inside ---------------------------------------------------------------------------------------


def _worst_cases(project: Project, wanted: WorstWanted, n: int, stop: Stop) -> Work[list[Worst]]:
    """Predicted in this process, image by image; nothing where it was stopped."""
    found: list[Worst] = []
    by_model: dict[str, Labels] = {}
    for event in run(EvaluateJob(project.path, *wanted.job[:2], also=wanted.job[2]), stop):
        if isinstance(event, Stopped):
            return []
        if isinstance(event, Evaluated):
            by_model[event.model] = np.asarray(event.labels)
            if event.model == wanted.models[-1]:
                found += worst_in(project, wanted, event.image, by_model, n)
                by_model = {}
        yield event
    return found


@dataclass(frozen=True)
class _Object:
    """A held-out object, and how well the newer model has it."""

    iou: float
    size: int
    id: int
    box: Box


def _objects(truth: Labels, known: NDArray[np.bool_], predicted: Labels) -> Iterator[_Object]:
    """Every held-out object of an image with its IoU; those that are right in every voxel are left out."""
    from scipy import ndimage as ndi

    both = overlaps(truth, predicted)
    best, judged = both.of_left[0], mostly_known(truth, known, both.left_ids)
    numbers, behind = numbered(truth)
    spans = ndi.find_objects(numbers)
    sizes = both.left_sizes.tolist()
    for id, iou, size, counts in zip(both.left_ids.tolist(), best.tolist(), sizes, judged.tolist(), strict=True):
        if counts and iou < 1:
            yield _Object(iou, size, id, tuple(spans[int(np.searchsorted(behind, id)) - 1]))


def _cut(
    image: str, worst: _Object, seen: tuple[Labels, NDArray[np.bool_], Any], by_model: Mapping[str, Labels],
    models: Sequence[str],
) -> Worst:  # fmt: skip
    """Picture, truth and what each model has, round one object."""
    truth, known, pixels = seen
    plane, box = _view(truth, worst)
    picture = _plane(pixels, plane, box)
    panels = [("picture", grey(picture)), ("truth", _errors(truth, truth, known, plane, box, picture))]
    for name in models:
        errors = _errors(truth, by_model[name], known, plane, box, picture)
        panels.append((f"{name}: {'old' if name != models[-1] else 'new'}", errors))
    where = "" if plane is None else f", slice {plane + 1}"
    text = f"{image}{where}, object {worst.id}: IoU {worst.iou:.2f} with {models[-1]}"
    return Worst(worst.iou, text, tuple(panels))


def _case(worst: Worst) -> Case:
    legend = {ERROR_NAMES[v]: colour for v, colour in ERROR_COLOURS["objects"].items()}
    return worst.text, strips_png([list(worst.panels)], legend)


def _view(truth: Labels, worst: _Object) -> tuple[int | None, Box]:
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

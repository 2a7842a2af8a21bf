"""Predictions in a project: which images, with which models and settings, written and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import images
from .._types import Span
from ..config import Config, Values
from ..engine import PredictJob, Stop, run, unpredicted, write_prediction
from ..errors import CellsegError
from ..events import Notice, Predicted, Skipped, Stopped
from ..probabilities import open_kept
from ..project import Project, put_size
from ..targets import Target
from ._export import Exporting, export_images
from ._let_go import let_go
from ._results import Predictions
from ._work import Work


@dataclass(frozen=True)
class Predicting:
    """How images are predicted: see `OpenProject.predict` and `predict_files`."""

    region: Span = ()
    object_size: float | None = None
    settings: Values = ()
    out: Path | None = None
    format: str = "tif"
    probabilities: bool = False
    resume: bool = False
    scheduler: str = ""
    scheduler_options: tuple[tuple[str, Any], ...] = ()


def predict_images(
    project: Project, ids: Sequence[str], models: Sequence[str], how: Predicting, stop: Stop
) -> Work[Predictions]:
    """Predict images of a project; what cannot be predicted is left out, and the rest goes on.

    Raises
    ------
    CellsegError
        Before anything is written: see `OpenProject.predict`.
    """
    job = _checked_job(project, ids, models, how)
    left = unpredicted(project, job) if how.resume else job.images
    objects, left_out, stopped = {}, [], False
    if not left:
        yield Notice(f"{'+'.join(job.models)} has predicted all {len(job.images)} images already.")
    for event in run(replace(job, images=left), stop) if left else ():
        if isinstance(event, Predicted):
            write_prediction(project, event, job)
            let_go(project, event.image)
            write_probabilities(event, project.image(event.image).spacing_um, how)
            objects[event.image] = event.objects
        elif isinstance(event, Skipped):
            left_out.append(event)
        stopped |= isinstance(event, Stopped)
        yield event
    files: tuple[Path, ...] = ()
    if how.out:
        missing = {skipped.image for skipped in left_out}
        there = [id for id in job.images if id not in missing]
        exports = yield from export_images(project, there, Exporting(how.out, how.format))
        files, left_out = tuple(dict.fromkeys(exports.files.values())), [*left_out, *exports.left_out]
    already = tuple(id for id in job.images if id not in left)
    return Predictions(job.models, objects, already, tuple(left_out), files, stopped)


def write_probabilities(event: Predicted, spacing: tuple[float, ...] | None, how: Predicting) -> None:
    """Write what was kept beside the labels, if asked for."""
    if how.probabilities and how.out and event.store:
        format = how.format if how.format in images.FOR_NUMBERS else "tif"  # a PNG holds no fractions
        images.write_probabilities(
            how.out / f"{event.image}_probabilities.{format}", open_kept(Path(event.store)), spacing
        )


def for_prediction(config: Config, settings: Values) -> Config:
    """A model's configuration with other settings; only what needs no other weights may change.

    Raises
    ------
    CellsegError
        When something else was to change, or a value does not fit.
    """
    changed = config.with_values(settings)
    fixed = ("recipe", "model", "loss", "train")
    if (
        any(getattr(changed, name) != getattr(config, name) for name in fixed)
        or changed.target.kind != config.target.kind
        or any(getattr(changed.target, name) != getattr(config.target, name) for name in config.target.coding)
    ):
        raise CellsegError(
            "A trained model keeps its recipe, network and kind of target.",
            "With predict, --set takes predict.* and the thresholds of target.*.",
        )
    return changed


def check_request(how: Predicting, shape: tuple[int, ...], name: str) -> None:
    """Refuse what an image cannot have, before anything is predicted.

    Raises
    ------
    CellsegError
        When the region is no box of it, or the format holds one slice and it is a volume.
    """
    region = how.region
    if region and (
        len(region) != len(shape) or any(not 0 <= a < b <= n for (a, b), n in zip(region, shape, strict=True))
    ):
        raise CellsegError(
            f"The region does not fit {name}, whose shape is {' x '.join(map(str, shape))}.",
            "Give start:stop for every spatial axis, in voxels.",
        )
    if how.out and how.format == "png" and len(shape) > 2:
        raise CellsegError(
            f"{name} is a volume ({' x '.join(map(str, shape))}), and a PNG holds one slice.",
            "Use --format tif, ome.tif, ome.zarr or npy.",
        )


def check_size(size: float | None) -> float:
    """A diameter of objects in pixels; 0 where it is to be estimated.

    Raises
    ------
    CellsegError
        When it is negative or infinite.
    """
    if size is not None and not 0 <= size < float("inf"):
        raise CellsegError(f"{size} is no diameter of objects.", "Give pixels, or 0 to let it be estimated.")
    return size or 0.0


# --- inside ---------------------------------------------------------------------------------------


def _checked_job(project: Project, ids: Sequence[str], models: Sequence[str], how: Predicting) -> PredictJob:
    """What the engine is to do; sizes that were given are remembered when all else has been checked."""
    if how.probabilities and not how.out:
        raise CellsegError("--probabilities needs a place.", "Say where: --out DIR.")
    models = tuple(models) or ((project.current_model,) if project.current_model else ())
    if not models:
        raise CellsegError(f"{project.name} has no model yet.", "Correct a field and run: napari-cellseg train.")
    own = project.model_config(models[0]).model_copy(update={"predict": project.config.predict})
    config = for_prediction(own, how.settings)
    ids = tuple(ids) or tuple(r.id for r in project.images())
    for id in ids:
        check_request(how, project.image(id).shape, id)
    if how.object_size is not None:
        size = check_size(how.object_size)
        for id in ids:
            put_size(project, id, size)
    return PredictJob(
        project.path, tuple(ids), tuple(models), config.predict, _moved(config.target, own.target), region=how.region,
        show=False, skip=True, live=True, scheduler=how.scheduler, scheduler_options=how.scheduler_options,
    )  # fmt: skip


def _moved(target: Target, own: Target) -> Target | None:
    """A target whose thresholds were asked for; None where they are the model's own, which may be fitted live."""
    return None if target == own else target

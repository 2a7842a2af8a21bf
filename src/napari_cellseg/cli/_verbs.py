"""What the subcommands do."""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import images
from .._types import Span
from ..config import Config, read_config
from ..engine import (
    EvaluateJob,
    PredictJob,
    TrainJob,
    decide,
    open_round,
    record_round,
    run,
    unpredicted,
    write_prediction,
)
from ..errors import CellsegError
from ..evaluate import mean_scores
from ..events import Evaluated, Event, Judged, Notice, Predicted, RoundScored, Skipped, StudyScored
from ..experiments import Simulation
from ..experiments import simulate as run_simulation
from ..files import write_text
from ..preprocess import recipe
from ..presets import preset
from ..probabilities import open_kept
from ..project import Added, Addition, Project, export_labels, names_for, new_project, put_size
from ..targets import Target
from ._opened import let_go, opened
from ._progress import Printer

DONE, MISTAKE, CANCELLED = 0, 2, 130
Score = TypeVar("Score", RoundScored, StudyScored)


def new(options: Namespace) -> int:
    """Make a project that begins with a model."""
    with new_project(options.project, options.task, options.classes, options.model) as project:
        model = project.current_model
        print(f"Made {project.path}" + (f", which begins with the model {model}." if model else "."))
    return DONE


def add(options: Namespace) -> int:
    """Add pictures, or say where one is now."""
    with opened(options.project) as project:
        if options.relocate:
            project.relocate(options.relocate, options.images[0])
            print(f"{options.relocate} is now read from {options.images[0]}.")
            return DONE
        options.shared = _serves_all(options)
        if options.shared:
            options.labels *= len(options.images)
        if options.labels and len(options.labels) != len(options.images):
            raise CellsegError(
                f"{len(options.images)} images but {len(options.labels)} labels were given.",
                "Give one --labels per image, in the same order.",
            )
        pairs = [_pair(Path(p), options, n) for n, p in enumerate(options.images)]
        additions = [
            _addition(picture, masks, (series, n), options, project.meanings)
            for n, (picture, masks) in enumerate(pairs)
            for series in _series(picture, masks, options)
        ]
        for addition, done in zip(additions, project.add_images(additions), strict=True):
            print(_added(addition, done))
            source = project.source(project.image(done.ids[0]))
            if addition.labels is None and not done.known and (inside := images.labels_inside(source)):
                print(f"  It holds label images, which --labels takes: {', '.join(map(str, inside))}")
    return DONE


def _addition(
    picture: Path, masks: Path | None, which: tuple[str | None, int], options: Namespace, classes: tuple[str, ...]
) -> Addition:
    """A picture of the command: `which` is the image of its file, and its place in the command."""
    series, _ = which
    labels = partial(_read_masks, picture, masks, which, options, classes) if masks is not None else None
    return Addition(
        picture, labels, options.axes, options.spacing, options.split, draft=options.draft, series=series
    )  # fmt: skip


def _added(addition: Addition, done: Added) -> str:
    names, labels = ", ".join(done.ids), f"{'drafted' if addition.draft else 'approved'} labels"
    if not done.known:
        return f"Added {names} with {labels}." if done.labelled else f"Added {names}."
    end = f"it has {labels} now" if done.labelled else "nothing was changed"
    return f"{addition.source.name} is in the project already, as {names}; {end}."


def predict(options: Namespace) -> int:
    """Label images of a project, or loose ones with a model folder."""
    first = Path(options.paths[0])
    if not (first / "project.toml").is_file():
        return _predict_loose(options)
    with opened(first) as project:
        if options.probabilities and not options.out:
            raise CellsegError("--probabilities needs a place.", "Say where: --out DIR.")
        models = tuple(options.model) or ((project.current_model,) if project.current_model else ())
        if not models:
            raise CellsegError(f"{project.name} has no model yet.", "Correct a field and run: napari-cellseg train.")
        own = project.model_config(models[0]).model_copy(update={"predict": project.config.predict})
        config = _for_prediction(own, options)
        ids = tuple(options.image) or tuple(r.id for r in project.images())
        for id in ids:
            check_region(options.region, project.image(id).shape, id)
            if options.out:
                _check_format(options.format, project.image(id).shape, id)
        if options.object_size is not None:
            for id in ids:
                put_size(project, id, options.object_size)
        job = PredictJob(
            project.path, ids, models, config.predict, _moved(config.target, own.target), region=options.region,
            show=False, skip=True, live=True,
        )  # fmt: skip
        left_out = LeftOut()
        with Printer(options.events) as printer:
            for event in _wanted(project, job, options, printer):
                printer.show(event)
                if isinstance(event, Predicted):
                    write_prediction(project, event, job)
                    let_go(project, event.image)
                    _probabilities(event, project.image(event.image).spacing_um, options)
                elif isinstance(event, Skipped):
                    left_out.tell(event.image, event.message, event.hint)
        if options.out:
            list(_export(project, [id for id in ids if id not in left_out.images], options, left_out))
    return CANCELLED if printer.stopped() else left_out.status


def train(options: Namespace) -> int:
    """Fine-tune, judge, keep or roll back."""
    with opened(options.project) as project:
        open_round(project)
        job = TrainJob(project.path, config_of(project, options), options.resume)
        with Printer(options.events) as printer:
            for event in run(job, printer.stopped):
                printer.show(event)
                if isinstance(event, Judged):
                    _decide(project, event, options.keep)
    return CANCELLED if printer.stopped() else DONE


def evaluate(options: Namespace) -> int:
    """Measure a model on one split."""
    with opened(options.project) as project:
        model = options.model or project.current_model
        if model is None:
            raise CellsegError(f"{project.name} has no model yet.", "Run: napari-cellseg train.")
        ids = tuple(r.id for r in project.images(options.split))
        scores: dict[str, dict[str, float]] = {}
        with Printer(options.events) as printer:
            for event in run(EvaluateJob(project.path, ids, model), printer.stopped):
                printer.show(event)
                if isinstance(event, Evaluated):
                    scores[event.image] = event.metrics
        if not scores:
            raise CellsegError(
                f"No {options.split} image of {project.name} has approved labels.",
                f"Add some: napari-cellseg add {project.path.name} IMAGE --labels LABELS --split {options.split}",
            )
        mean = mean_scores(scores.values())
        _table(mean)
        write_json(options.json, {"model": model, "split": options.split, "mean": mean, "images": scores})
    return CANCELLED if printer.stopped() else DONE


def simulate(options: Namespace) -> int:
    """The loop without a person."""
    plan = Simulation(
        options.rounds, options.objects, options.seconds, options.order, options.seed, start=options.model
    )
    scores, end = through(options, run_simulation, plan, RoundScored)
    if options.figure and any(s.round for s in scores):
        from ..report import plot_curve

        plot_curve(scores, Path(options.figure))
    return end


def export(options: Namespace) -> int:
    """Write labels."""
    with opened(options.project) as project:
        ids, left_out = [project.image(id).id for id in options.image] or [r.id for r in project.images()], LeftOut()
        for path in _export(project, ids, options, left_out, known_only=options.known_only):
            print(path)
    return left_out.status


def gui(options: Namespace) -> int:
    """Open napari."""
    from ..gui import launch

    launch(Path(options.project) if options.project else None)
    return DONE


class LeftOut:
    """Images that could not be done, told on stderr while the rest goes on."""

    def __init__(self) -> None:
        self.images: list[str] = []

    @property
    def status(self) -> int:
        """The exit status: a mistake where any image was left out."""
        return MISTAKE if self.images else DONE

    def tell(self, image: str, message: str, hint: str) -> None:
        """Say which image was left out and why."""
        self.images.append(image)
        print(f"napari-cellseg: {image} was left out: {message}", file=sys.stderr)
        if hint:
            print(f"  {hint}", file=sys.stderr)


# --- inside ---------------------------------------------------------------------------------------


def _pair(path: Path, options: Namespace, number: int) -> tuple[Path, Path | None]:
    """The picture and its masks; a folder with images/ and masks/ (Data Science Bowl) names both."""
    if (path / "images").is_dir():
        pictures = images.pictures_in(path / "images")
        if len(pictures) != 1:
            raise CellsegError(f"{path}/images holds {len(pictures)} pictures, not one.", "Add them one by one.")
        return pictures[0], path / "masks" if (path / "masks").is_dir() else None
    return path, Path(options.labels[number]) if options.labels else None


def _serves_all(options: Namespace) -> int:
    """How many masks the only file of labels holds where it serves every picture of the command: else 0.

    COCO finds the pictures by their names (1); images or planes of a picture are masks in the order of the command.
    """
    count = len(options.images)
    if len(options.labels) != 1 or count == 1:
        return 0
    masks = Path(options.labels[0])
    if images.is_for_many(masks):
        return 1
    first = Path(options.images[0])
    if not (masks.exists() and first.exists() and images.is_picture(masks)) or (first / "images").is_dir():
        return 0
    if options.series == "all":
        return 0
    shape = images.read(first, options.axes, series=options.series).spatial_shape
    return count if images.count_of_masks(masks, shape) == count else 0


def _series(picture: Path, masks: Path | None, options: Namespace) -> list[str | None]:
    """Which images of a file are meant; None where it is for the reader to say."""
    if options.series != "all":
        return [options.series]
    found: list[str | None] = [s.key or None for s in images.series_in(picture)]
    if masks is not None and len(found) > 1 and not images.holds_several(masks):
        raise CellsegError(
            f"{picture.name} holds {len(found)} images, but one file of labels was given.",
            "Add them one by one: --series N --labels LABELS.",
        )
    return found


def _read_masks(
    picture: Path, masks: Path, which: tuple[str | None, int], options: Namespace, classes: tuple[str, ...]
) -> NDArray[np.uint32]:
    axes, (series, place) = options.axes.replace("C", "") if options.axes else None, which
    image = images.read(picture, options.axes, series=series)
    wanted = images.MasksFor(
        image.spatial_shape, image.n_frames, picture.name, classes, options.components, options.threshold,
        place=images.place_in_file(picture, series),
    )  # fmt: skip
    if options.shared > 1:  # masks of a series whose frames are files of their own
        wanted = replace(wanted, frames=options.shared, frame=place)
    fitting = _fitting(masks, axes) if images.is_picture(masks) else None
    found = images.read_masks(masks, wanted, fitting)
    for note in found.notes:
        print(note)
    return found.labels


def _fitting(masks: Path, axes: str | None) -> str | None:
    """The image's axes, where the mask file has as many dimensions."""
    if axes is None or images.holds_several(masks):
        return None
    return axes if images.read(masks).data.ndim == len(axes) else None


def _for_prediction(config: Config, options: Namespace) -> Config:
    """A model's configuration with --set; only what needs no other weights may change."""
    changed = config.with_values(options.values)
    fixed = ("recipe", "model", "loss", "train")
    if (
        any(getattr(changed, name) != getattr(config, name) for name in fixed)
        or changed.target.kind != config.target.kind
    ):
        raise CellsegError(
            "A trained model keeps its recipe, network and kind of target.",
            "With predict, --set takes predict.* and the thresholds of target.*.",
        )
    return changed


def _moved(target: Target, own: Target) -> Target | None:
    """A target whose thresholds were asked for; None where they are the model's own, which may be fitted live."""
    return None if target == own else target


def _predict_loose(options: Namespace) -> int:
    """Any images with model folders: results go to --out, also those larger than memory."""
    if options.resume:
        raise CellsegError(f"{options.paths[0]} is not a project.", "--resume goes on with the images of a project.")
    if not options.model or not options.out:
        raise CellsegError(
            f"{options.paths[0]} is not a project.", "Without a project give --model MODEL_DIR and --out DIR."
        )
    from ..prediction import Request, load_model
    from ..prediction import predict as run_prediction

    left_out = LeftOut()
    frames = _frames(options, left_out)
    models = [m for folder in options.model for m in load_model(Path(folder))]
    config, out = _for_prediction(models[0].config, options), Path(options.out)
    classes = () if config.target.instances else tuple(f"class {k + 1}" for k in range(models[0].card.n_classes))
    with Printer(options.events) as printer, tempfile.TemporaryDirectory(prefix="cellseg-") as scratch:
        request = Request(
            config.predict, config.target, options.region, Path(scratch), options.probabilities, show=False,
            size=options.object_size or 0.0,
        )  # fmt: skip
        for path, t, stem in frames:
            try:
                image = images.read(path, series=options.series).frame(t)
                for event in run_prediction(image, models, stem, request=request, stop=printer.stopped):
                    printer.show(event)
                    if isinstance(event, Predicted):
                        file = out / f"{stem}_labels.{options.format}"
                        images.write_labels(file, event.labels, image.spacing_um, classes, image.source)
                        _probabilities(event, image.spacing_um, options)
            except CellsegError as error:
                if len(options.paths) == 1:
                    raise
                left_out.tell(stem, error.message, error.hint)
    return CANCELLED if printer.stopped() else left_out.status


def _frames(options: Namespace, left_out: LeftOut) -> list[tuple[str, int, str]]:
    """Path, time point and a name of its own of every frame of the given pictures.

    All are opened before any is predicted, and none is kept; one that cannot be read is told and left out.
    """
    paths, counts = [], []
    for path in options.paths:
        try:
            image = images.read(path, series=options.series)
        except CellsegError as error:
            if len(options.paths) == 1:
                raise
            left_out.tell(path, error.message, error.hint)
            continue
        check_region(options.region, image.spatial_shape, path)
        _check_format(options.format, image.spatial_shape, path)
        paths.append(path)
        counts.append(image.n_frames)
    names = names_for([Path(path) for path in paths], counts)
    return [(path, t, name) for path, stems in zip(paths, names, strict=True) for t, name in enumerate(stems)]


def _check_format(format: str, shape: tuple[int, ...], name: str) -> None:
    """Refuse volumes where a format holds one slice, before anything is predicted."""
    if format == "png" and len(shape) > 2:
        raise CellsegError(
            f"{name} is a volume ({' x '.join(map(str, shape))}), and a PNG holds one slice.",
            "Use --format tif, ome.tif, ome.zarr or npy.",
        )


def check_region(region: Span, shape: tuple[int, ...], name: str) -> None:
    """Refuse a box that an image does not have.

    Raises
    ------
    CellsegError
        When the number of axes differs or the box reaches over the border.
    """
    if region and (len(region) != len(shape) or any(b > n for (_, b), n in zip(region, shape, strict=True))):
        raise CellsegError(
            f"The region does not fit {name}, whose shape is {' x '.join(map(str, shape))}.",
            "Give start:stop for every spatial axis, in voxels.",
        )


def _probabilities(event: Predicted, spacing: tuple[float, ...] | None, options: Namespace) -> None:
    """Write what was kept beside the labels, if asked for."""
    if options.probabilities and options.out and event.store:
        format = "tif" if options.format == "png" else options.format  # a PNG holds no fractions
        path = Path(options.out) / f"{event.image}_probabilities.{format}"
        images.write_probabilities(path, open_kept(Path(event.store)), spacing)


def through(
    options: Namespace, experiment: Callable[..., Iterator[Event]], plan: Any, kind: type[Score]
) -> tuple[list[Score], int]:
    """Run an experiment without a person (simulation, study) on a project; its scores, and how it ended.

    Scratch projects go to a temporary folder, events to the screen, plan and scores to --json.
    """
    scores: list[Score] = []
    with opened(options.project) as project, tempfile.TemporaryDirectory() as folder:
        config = config_of(project, options)
        with Printer(options.events) as printer:
            for event in experiment(project, plan, config, Path(folder), lambda job: run(job, printer.stopped)):
                printer.show(event)
                if isinstance(event, kind):
                    scores.append(event)
                if printer.stopped():
                    break
    write_json(options.json, {"plan": asdict(plan), "scores": [asdict(s) for s in scores]})
    return scores, CANCELLED if printer.stopped() else DONE


def config_of(project: Project, options: Namespace) -> Config:
    """The project's configuration, or the given one, with preset, recipe and --set applied."""
    config = read_config(options.config) if options.config else project.config
    config = preset(options.preset).apply(config) if options.preset else config
    config = config.model_copy(update={"recipe": recipe(options.recipe)}) if options.recipe else config
    return config.with_values(options.values)


def _decide(project: Project, judged: Judged, keep: str) -> None:
    round_ = record_round(project, judged)
    kept = judged.better if keep == "auto" else keep == "yes"
    decide(project, "keep" if kept else "roll back", round_.n)
    print(
        f"{'Kept' if kept else 'Rolled back'} {judged.child}; the current model is {project.current_model or 'none'}."
    )


def _wanted(project: Project, job: PredictJob, options: Namespace, printer: Printer) -> Iterator[Event]:
    """The events of a job, with --resume for the images only that these models have not predicted yet."""
    left = unpredicted(project, job) if options.resume else job.images
    if not left:
        yield Notice(f"{'+'.join(job.models)} has predicted all {len(job.images)} images already.")
        return
    yield from run(replace(job, images=left), printer.stopped)


def _export(
    project: Project, ids: list[str], options: Namespace, left_out: LeftOut, *, known_only: bool = False
) -> Iterator[Path]:
    """Write labels of images to --out, one after another; what cannot be written is told, and the rest goes on."""
    for id in ids:
        try:
            yield export_labels(project, id, options.out, options.format, known_only=known_only)
        except CellsegError as error:
            left_out.tell(id, error.message, error.hint)


def _table(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"  {name:<16} {value:.4g}")


def write_json(path: str | None, values: dict[str, Any]) -> None:
    """Write plain values, where a path was given."""
    if path:
        write_text(path, json.dumps(values, indent=2))

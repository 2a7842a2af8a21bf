"""A project in Python: every verb of the command line and the docks, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from .._types import Labels, Span, State
from ..config import Config, Values
from ..drafts import CleanUp, Unlearnt
from ..engine import Asking, Keep
from ..errors import CellsegError
from ..events import RoundScored, StudyScored
from ..experiments import Simulation, Study
from ..experiments import simulate as run_simulation
from ..experiments import study as run_study
from ..explanation import Reasons
from ..project import (
    Compacted,
    EditRow,
    ImageRecord,
    ImageStatus,
    LogSize,
    ModelCard,
    Project,
    Removed,
    RoundRecord,
    Split,
    TrainingPlaces,
    best_epochs,
    change_split,
    compact,
    image_statuses,
    labels_of_cycle,
    log_size,
    masks_for_image,
    new_project,
    random_split,
    remove_image,
    removed_images,
    rename_image,
    restore_image,
    save_ensemble,
    stratified_split,
)
from ..report import ModelRow, model_rows
from ._add import Adding, Source, Truth, add_pictures, as_labels, truths
from ._clean import clean_images, clean_up
from ._correcting_verbs import CorrectingVerbs
from ._draft import draft_images, draft_method
from ._evaluate_project import Evaluating, Systems, evaluate_project
from ._explain import Explained, explain_image, why_there
from ._export import Exporting, export_images
from ._learn import config_for, experiment, names, train_model
from ._let_go import let_go, told
from ._measuring_verbs import MeasuringVerbs
from ._object_classes import keep_kinds
from ._predict import Predicting, predict_images
from ._report import report_project
from ._results import (
    Additions,
    Cleaned,
    Drafts,
    Evaluation,
    Experiment,
    Exports,
    Predictions,
    Reported,
    Training,
)
from ._reviewing_verbs import ReviewingVerbs
from ._time_verbs import seconds_of
from ._training_places import Finding, find_training_places
from ._work import OnEvent, Stop, Work, method, never

Several = str | Sequence[str] | None
Task = Literal["instance", "semantic"]


def new(
    path: str | Path, task: Task = "instance", classes: Sequence[str] = (), model: str | Path = "base"
) -> OpenProject:
    """Make a project folder and open it.

    Parameters
    ----------
    path : str or Path
        The folder; its name gets the ending ``.cellseg``.
    task : str
        ``"instance"``: labels are ids of objects; ``"semantic"``: of classes.
    classes : list of str
        Names of the classes 1, 2, ... of a semantic project.
    model : str or Path
        What it begins with: ``"base"`` (the base model, for objects), a model folder, another project, or ``"none"``.

    Raises
    ------
    CellsegError
        When the folder exists or the model cannot be used; no folder stays behind.
    """
    return OpenProject(new_project(path, task, tuple(classes), model))


def open(path: str | Path) -> OpenProject:
    """Open a project folder; close it, or use it in a ``with``.

    Raises
    ------
    CellsegError
        When it is not a project, was made by a newer version, or its database is damaged (see `recover`).
    """
    return OpenProject(Project.open(path))


def recover(path: str | Path) -> OpenProject:
    """Open a project whose database is damaged or missing: it is put together from the snapshots and what is left.

    Raises
    ------
    CellsegError
        When a window has the project open, or the new database cannot be written.
    """
    return OpenProject(Project.recover(path))


class OpenProject(MeasuringVerbs, ReviewingVerbs, CorrectingVerbs):
    """An open project and its verbs; networks compute in this process.

    Long verbs (`predict`, `draft`, `train`, `evaluate`, `export`, `measure`, `simulate`, `study`) answer with a result
    when all is done. They take `on_event`, which is called with every event, and `stop`, which is asked again and again
    whether to end. The same verb with ``.events`` is an iterator: ``for event in project.train.events(): ...``.

    Attributes
    ----------
    project
        What all verbs work on: the folder, its database, labels and log.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def __enter__(self) -> OpenProject:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<project {self.project.name}: {len(self.images)} images, model {self.current_model or 'none'}>"

    def close(self) -> None:
        """Write what is open and close the database.

        Snapshots that cannot be written then (a full disk) are told in `notices`: what was done is in the log.

        Raises
        ------
        CellsegError
            When the folder is gone.
        """
        with told(self.project):
            self.project.close()

    # --- what there is --------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The folder."""
        return self.project.path

    @property
    def images(self) -> tuple[ImageRecord, ...]:
        """What is known of every image: ``id``, ``shape``, ``spacing_um``, ``split``, ``source``..."""
        return tuple(self.project.images())

    @property
    def status(self) -> dict[str, ImageStatus]:
        """How far every image is, by id."""
        return image_statuses(self.project)

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """Cards of all models that can be used, the oldest first."""
        return tuple(self.project.models())

    @property
    def model_table(self) -> tuple[ModelRow, ...]:
        """How every model learnt: losses, gaps, epochs, stability, parameters; the oldest first. See `model_table`."""
        return tuple(model_rows(self.project))

    @property
    def current_model(self) -> str | None:
        """The model in use; None where there is none."""
        return self.project.current_model

    @property
    def rounds(self) -> tuple[RoundRecord, ...]:
        """Every round: old and new model on the same held-out corrections, and what was decided."""
        return tuple(self.project.db.rounds())

    @property
    def notices(self) -> tuple[str, ...]:
        """What should be known of what was found when it was opened or used."""
        return tuple(self.project.notices)

    def labels(self, image: str, *, cycle: int | None = None) -> Labels:
        """Labels of an image as they stand on disk: (Z, Y, X) or (Y, X) uint32, ids of objects or classes.

        Parameters
        ----------
        cycle : int
            As they were when this review cycle was closed.

        Raises
        ------
        CellsegError
            When there is no such image or closed cycle.
        """
        return (self.project.load_labels(image) if cycle is None else labels_of_cycle(self.project, image, cycle))[0]

    def state(self, image: str) -> State:
        """State of the voxels of an image: (Z, Y, X) or (Y, X) uint8; 0 predicted or empty, 1 corrected, 2 approved."""
        return self.project.load_labels(image)[1]

    # --- images and labels ----------------------------------------------------------------------

    def add(
        self,
        images: Source | Iterable[Source],
        labels: Truth | Iterable[Truth] | None = None,
        *,
        draft: bool = False,
        clean: bool | CleanUp = False,
        axes: str | None = None,
        spacing: tuple[float, ...] | None = None,
        series: str | None = None,
        split: str = "train",
        components: bool | None = None,
        threshold: float | None = None,
        time_series: str = "",
        interval: str = "",
    ) -> Additions:
        """Refer to pictures (they are never copied or changed), with or without labels: all of them, or none.

        Parameters
        ----------
        images : str or Path, or a list of them
            TIFF, OME-Zarr, PNG...; or folders with ``images/`` and ``masks/``.
        labels : array, str or Path, or a list of them
            One per image: (Z, Y, X) or (Y, X) ids, with a leading T for time series, or a file of masks of any tool; or
            one file for all: COCO, or a stack in their order. They are approved truth, from which training learns.
        draft : bool
            The labels are a first draft instead, which predictions may replace.
        clean : bool or CleanUp
            Objects of the draft are smoothed, without spurs and crumbs (see `clean`).
        axes : str
            One letter of ``TCZYX`` per dimension of the pictures.
        spacing : tuple of float
            Voxel size in um, in the order (Z, Y, X).
        series : str
            Which image of a file that holds several: its number from 0, its name, or ``"all"``.
        split : str
            ``"train"``, ``"val"`` (judges) or ``"test"`` (is never learnt from).
        components : bool
            Number the connected pieces of masks of objects; None: those of binary masks.
        threshold : float
            Values of masks above it are the class, or objects, piece by piece.
        time_series : str
            The pictures are frames of this time series, in their order; a file with a T axis is one without it.
        interval : str
            From one time point to the next: ``"15min"``; what the file says where not given.

        Raises
        ------
        CellsegError
            Before anything is written: when a picture or its labels cannot be used, or a picture that is there already
            comes with labels that differ.
        """
        pictures = [images] if isinstance(images, str | Path) else list(images)
        unfit = next((p for p in pictures if not isinstance(p, str | Path)), None)
        if unfit is not None:
            raise CellsegError(
                f"A project refers to files, not to {type(unfit).__name__}.",
                "Save the array first: numpy.save, tifffile.",
            )
        if clean and not draft:
            raise CellsegError(
                "Approved truth is not cleaned up.", "Say that the masks are a draft: draft=True (--draft)."
            )
        how = Adding(
            truths(labels), axes, spacing, split, draft, series, components, threshold, time_series=time_series,
            interval_s=seconds_of(interval), clean=(clean_up(()) if clean is True else clean) or None,
        )  # fmt: skip
        return add_pictures(self.project, pictures, how)

    def put_labels(
        self, image: str, labels: Truth, *, draft: bool = False, threshold: float | None = None
    ) -> tuple[str, ...]:
        """Replace the labels of an image and approve all of it; or, as a draft, only where there are no user edits.

        Parameters
        ----------
        labels : array, str or Path
            (Z, Y, X) or (Y, X) ids, or a file of masks of any tool; of a series, those of this frame are taken.
        threshold : float
            Values of masks in a file above it are the class, or objects, piece by piece.

        Returns
        -------
        tuple of str
            What was noticed when a file was read.

        Raises
        ------
        CellsegError
            When the shape or a class does not fit.
        """
        put = self.project.draft_labels if draft else self.project.approve_labels
        notes: tuple[str, ...] = ()
        kinds: Mapping[int, str] = {}
        if isinstance(labels, str | Path):
            masks = masks_for_image(self.project, image, labels, threshold=threshold)
            labels, notes, kinds = masks.labels, masks.notes, masks.kinds
        array = as_labels(labels)
        put(image, array)
        keep_kinds(self.project, image, kinds, array)
        let_go(self.project, image)
        return notes

    def relocate(self, image: str, path: str | Path) -> None:
        """Say where the picture of an image is now.

        Raises
        ------
        CellsegError
            When the file there has another shape.
        """
        self.project.relocate(image, path)

    def split(
        self,
        *,
        val: float = 0.15,
        test: float = 0.15,
        by: Literal["density", "confluency", "name", "random"] = "density",
        seed: int = 0,
    ) -> dict[str, list[str]]:
        """Divide the images into train, val and test, alike in every group or at random; ids by split.

        Raises
        ------
        CellsegError
            When the shares are impossible, there are too few images, or a model has learnt already.
        """
        if by == "random":
            return random_split(self.project, val, test, seed)
        return stratified_split(self.project, by, val, test, seed)

    @property
    def removed(self) -> tuple[Removed, ...]:
        """Images that were removed and can be restored, the newest first: ``key``, ``id``, ``edits``, ``known``."""
        return tuple(removed_images(self.project))

    def remove(self, image: str) -> Removed:
        """Take an image or a time series out of the project; what was made of it goes to ``removed/``, to be restored.

        Raises
        ------
        CellsegError
            When there is no such image, a napari window edits the project, or a training reads its images.
        """
        self._check_window()
        return remove_image(self.project, image)

    def restore_removed(self, key: str) -> str:
        """Put a removed image back, with all of its edits; returns its id.

        Raises
        ------
        CellsegError
            When nothing of that key was removed, or a napari window edits the project.
        """
        self._check_window()
        return restore_image(self.project, key)

    def rename(self, image: str, name: str) -> None:
        """Give an image another id, or a time series another name.

        Raises
        ------
        CellsegError
            When the name cannot be one or is taken, a napari window edits the project, or a training reads its images.
        """
        self._check_window()
        rename_image(self.project, image, name)

    def move(self, image: str, split: Split) -> str:
        """Move an image or a time series to ``"train"``, ``"val"`` (judges as a whole) or ``"test"`` (measures only).

        Returns
        -------
        str
            What should be known of it, "" for nothing: for example which models learnt from it before.

        Raises
        ------
        CellsegError
            When there is no such image, a napari window edits the project, or a training reads its images.
        """
        self._check_window()
        return change_split(self.project, image, split)

    @method
    def draft(
        self,
        images: Several = None,
        method: str | Unlearnt = "otsu",
        *,
        settings: Values = (),
        hints: Sequence[str | Path | Labels] = (),
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Drafts]:
        """First labels by a classical method, only where there are no user edits.

        Parameters
        ----------
        images : str or list of str
            Ids; all images without labels where not given.
        method : str or a draft method
            ``"otsu"``; ``"forest"``, which learns from what is corrected or hinted at; ``"hela"`` (electron
            micrographs, classes); or one of another package.
        settings : dict or list of str
            Of the method: ``{"polarity": "dark"}``.
        hints : list of arrays or paths
            One for each of `images`: strokes, 1 background, 2 cell (in a project of classes 1 + the class).
        on_event, stop : callable
            Called with every event; asked before every image whether to end.

        Returns
        -------
        Drafts
        """
        own = draft_method(method, settings) if isinstance(method, str) else method
        return draft_images(self.project, self._named(images), own, hints, stop)

    @method
    def clean(
        self,
        images: Several = None,
        how: CleanUp | None = None,
        *,
        settings: Values = (),
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Cleaned]:
        """Clean up objects that nobody has touched: outlines smoothed, spurs and crumbs gone, slice by slice.

        The preparation of first masks of Tiling 2024. No voxel that is corrected or approved changes, and no object
        that a person has dealt with.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given.
        how : CleanUp
            How much; or by `settings`: ``{"min_size": 30}``.
        on_event, stop : callable
            Called with every event; asked before every slice whether to end.

        Raises
        ------
        CellsegError
            When the project is of classes, or a value does not fit.
        """
        return clean_images(self.project, self._named(images), how or clean_up(settings), stop)

    # --- predicting and learning ----------------------------------------------------------------

    @method
    def predict(
        self,
        images: Several = None,
        models: Several = None,
        *,
        resume: bool = False,
        region: Span = (),
        object_size: float | None = None,
        settings: Values = (),
        out: str | Path | None = None,
        format: str = "tif",
        probabilities: bool = False,
        scheduler: str = "",
        scheduler_options: Mapping[str, Any] | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Predictions]:
        """Label images; what a person has corrected or approved stays as it is.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given.
        models : str or list of str
            Ids of models, which predict together; the current one where not given.
        resume : bool
            Only images that these models, with these settings, have not predicted yet.
        region : tuple of (int, int)
            Only this box: (start, stop) in voxels for each spatial axis.
        object_size : float
            Diameter of typical objects in pixels, remembered for these images; 0: estimate it.
        settings : dict or list of str
            Instead of the model's own: ``{"predict.mode": "three axes", "target.threshold": 0.4}``.
        out : str or Path
            Also write labels into this folder.
        format : str
            Of these: ``"tif"``, ``"ome.tif"``, ``"ome.zarr"``, ``"png"`` or ``"npy"``.
        probabilities : bool
            Write them to `out`, too.
        scheduler, scheduler_options : str, dict
            Who does the blocks of each image, as for `predict_files`; the project's folder is one that all workers see.
        on_event, stop : callable
            Called with every event; asked before every tile whether to end.

        Returns
        -------
        Predictions
            An image that cannot be read is left out, with the reason; the others are done.

        Raises
        ------
        CellsegError
            Before anything is written: when there is no such image or model, or something given does not fit.
        """
        where = Path(out) if out else None
        options = tuple((scheduler_options or {}).items())
        how = Predicting(region, object_size, settings, where, format, probabilities, resume, scheduler, options)
        return predict_images(self.project, self._named(images), names(models), how, stop)

    @method
    def train(
        self,
        settings: Values = (),
        *,
        keep: Keep = "auto",
        config: Config | str | Path | None = None,
        preset: str = "",
        recipe: str = "",
        resume: str | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Training]:
        """Fine-tune the current model on what is corrected and approved, judge both, keep the child or roll back.

        Parameters
        ----------
        settings : dict or list of str
            ``{"train.seconds": 60}``; see the page Settings.
        keep : str
            ``"auto"`` keeps a child that has proved itself on held-out corrections; ``"yes"``, ``"no"``.
        config : Config, str or Path
            Instead of the project's: a configuration, or a TOML file.
        preset, recipe : str
            Name of a published training or preprocessing.
        resume : str
            Go on with an interrupted training: its run, or ``""`` for the newest.
        on_event, stop : callable
            Called with every event; asked at every step whether to end, which keeps the best so far.

        Returns
        -------
        Training

        Raises
        ------
        CellsegError
            When nothing is corrected yet, or a setting cannot be used.
        """
        chosen = config_for(self.project, config, (preset, recipe), settings)
        return train_model(self.project, chosen, keep, resume, stop)

    @method
    def evaluate(
        self,
        split: str = "test",
        model: str | None = None,
        *,
        systems: Systems = MappingProxyType({}),
        exclude: Iterable[str] = (),
        figures: str | Path | None = None,
        settings: Values = (),
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Evaluation]:
        """Measure a model (the current one where nothing is named) against the approved labels of one split.

        Parameters
        ----------
        split : str
            ``"train"``, ``"val"`` or ``"test"``.
        model : str
            Id of a model.
        systems : dict
            Others to measure on the same images: ids of models, or folders of masks of any tool, by their names.
        exclude : iterable of str
            Ids of images to leave out.
        figures : str or Path
            A folder for one strip of pictures per image, with the errors in colours.
        settings : dict or list of str
            Anything of `napari_cellseg.evaluation.Comparing`: ``{"threshold": 0.75, "empty": "zero"}``.
        on_event, stop : callable
            Called with every event; asked before every image whether to end.

        Returns
        -------
        Evaluation
            IoU, Dice, AP@0.5, ... in [0, 1], their mean and of every image; every metric in its ``tables``.

        Raises
        ------
        CellsegError
            When there is no model, nothing approved to measure with, or a setting cannot be used.
        """
        how = Evaluating(split, model, systems, frozenset(exclude), Path(figures) if figures else None, settings)
        return evaluate_project(self.project, how, stop)

    @method
    def training_places(
        self,
        model: str | None = None,
        *,
        csv: str | Path | None = None,
        figures: str | Path | None = None,
        strips: int = 20,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[TrainingPlaces]:
        """Where a model disagrees most with the labels it learnt from, the worst first: label errors are among them.

        The images that it learnt from are predicted for it. What is held out and what was edited since is left out.

        Parameters
        ----------
        model : str
            Id of a model; the current one where not given, of which the list is kept for the report and the dock.
        csv : str or Path
            A table to write.
        figures : str or Path
            A folder for strips of the worst `strips` places: the picture, the labels, what the model sees.
        on_event, stop : callable
            Called with every event; asked before every image whether to end.

        Returns
        -------
        TrainingPlaces

        Raises
        ------
        CellsegError
            When there is no model, it has learnt from no image of this project, or the table cannot be written.
        """
        return find_training_places(self.project, model, Finding(csv, figures, strips), stop)

    @method
    def report(
        self,
        path: str | Path,
        *,
        cases: int = 6,
        as_numbers: str | Path | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Reported]:
        """Write what was done and what came of it as one HTML file that needs nothing beside it.

        Rounds before and after, the work by tool and person, how much had to be corrected, the worst cases, a paragraph
        of methods, models and their configuration.

        Parameters
        ----------
        path : str or Path
            The file, ``NAME.html``.
        cases : int
            So many held-out objects that the newest judged model has worst are shown; its images are predicted for it.
        as_numbers : str or Path
            A JSON file for the same as plain numbers.
        on_event, stop : callable
            Called with every event; asked before every image whether to end, then without the worst cases.

        Returns
        -------
        Reported

        Raises
        ------
        CellsegError
            When a file cannot be written.
        """
        return report_project(self.project, Path(path), cases, Path(as_numbers) if as_numbers else None, stop)

    @method
    def explain(
        self,
        image: str,
        method: str = "gradcam",
        *,
        model: str | None = None,
        object: int | None = None,
        point: tuple[int, ...] = (),
        box: Span = (),
        class_: str | int | None = None,
        layer: str = "",
        settings: Values = (),
        filters: int = 0,
        out: str | Path | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Explained]:
        """Where in an image a model's prediction comes from: a map, and numbers about it. Labels stay as they are.

        Parameters
        ----------
        image : str
            Id of the image.
        method : str
            ``"gradcam"``, ``"lrp"`` (needs zennit) or ``"occlusion"``.
        model : str
            Id of a model, as it was trained (without what was learnt live); the current one where not given.
        object : int
            Id in the labels of the image; without object, point or box: everything that the model predicts.
        point : tuple of int
            A voxel, (Z,) Y, X.
        box : tuple of (int, int)
            (start, stop) in voxels for each spatial axis.
        class_ : str or int
            Name or number of a class, in a project of classes.
        layer : str
            The layer that Grad-CAM looks at; the last before the 1 x 1 convolution where not given.
        settings : dict or list of str
            Of the method: ``{"window": 24, "stride": 12}``.
        filters : int
            With `out`, also write the filters and feature maps of this convolution, counted from 1.
        out : str or Path
            A folder for the map (float32 TIFF), the map over the picture (PNG) and the numbers (JSON).
        on_event, stop : callable
            Called with every event; asked again and again whether to end.

        Returns
        -------
        Explained

        Raises
        ------
        CellsegError
            Before anything is written: when there is no such image, model, object, layer or class, or the method cannot
            explain this network.
        """
        where = Path(out) if out else None
        how = Asking(method, object, tuple(point), tuple(box), class_, layer, filters, settings, where)
        return explain_image(self.project, image, model, how, stop)

    @method
    def why(
        self,
        image: str,
        point: tuple[int, ...],
        *,
        model: str | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Reasons]:
        """Why a model found, or missed, what is at a voxel: in words, and as numbers. Labels stay as they are.

        Parameters
        ----------
        image : str
            Id of the image.
        point : tuple of int
            A voxel, (Z,) Y, X.
        model : str
            Id of a model, as it was trained (without what was learnt live); the current one where not given.
        on_event, stop : callable
            Called with every event; asked again and again whether to end.

        Returns
        -------
        Reasons
            What the network says there and which objects it learnt from are like it; `sentences` for people.

        Raises
        ------
        CellsegError
            When there is no such image or model, the model is an ensemble, or the point does not lie in the image.
        """
        return why_there(self.project, image, model, tuple(point), stop)

    def ensemble(
        self,
        models: Sequence[str] = (),
        *,
        epochs: Sequence[str] = (),
        best: int = 14,
        combine: Literal["mean", "vote"] = "mean",
    ) -> str:
        """Make several models, or the best kept epochs of some, one model; it becomes the current one. Returns its id.

        Raises
        ------
        CellsegError
            When there are fewer than two, or they do not fit each other.
        """
        if not (models or epochs):
            raise CellsegError("An ensemble needs members.", "Give --model twice, or --epochs with --best.")
        kept = best_epochs(self.project, epochs, best) if epochs else ()
        id = save_ensemble(self.project, models, combine, kept)
        self.project.db.put_setting("current_model", id)
        return id

    @method
    def simulate(
        self,
        plan: Simulation | None = None,
        *,
        settings: Values = (),
        config: Config | str | Path | None = None,
        preset: str = "",
        recipe: str = "",
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Experiment[RoundScored]]:
        """Let a perfect annotator, the approved labels, work through the loop on a scratch copy."""
        chosen = config_for(self.project, config, (preset, recipe), settings)
        return experiment(run_simulation, self.project, plan or Simulation(), chosen, RoundScored, stop)

    @method
    def study(
        self,
        plan: Study | None = None,
        *,
        settings: Values = (),
        config: Config | str | Path | None = None,
        preset: str = "",
        recipe: str = "",
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Experiment[StudyScored]]:
        """Train under every combination of factors, on scratch copies, and measure on the test images."""
        chosen = config_for(self.project, config, (preset, recipe), settings)
        return experiment(run_study, self.project, plan or Study(), chosen, StudyScored, stop)

    # --- out, and the log -----------------------------------------------------------------------

    @method
    def export(
        self,
        out: str | Path | None = None,
        format: str = "tif",
        *,
        images: Several = None,
        known_only: bool = False,
        cycle: int | None = None,
        inside: str = "",
        replace: bool = False,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Exports]:
        """Write labels to ``out/ID_labels.FORMAT``: a file for each image, or for each time series where it can be.

        Parameters
        ----------
        format : str
            ``tif``, ``ome.tif``, ``ome.zarr`` (0.5), ``v0.4.ome.zarr``, ``png``, ``npy``, ``_seg.npy`` (``ID_seg.npy``,
            for Cellpose), ``roi.zip``, ``coco.json`` or ``geojson``.
        images : str or list of str
            Ids; all images where not given.
        known_only : bool
            Only corrected and approved voxels.
        cycle : int
            As labels were when this review cycle was closed.
        inside : str
            Instead of `out`: write into ``labels/INSIDE`` of every OME-Zarr image, in its version and with its levels.
        replace : bool
            With `inside`: write over labels of this name.
        on_event, stop : callable
            Called with every event; asked before every image whether to end.

        Returns
        -------
        Exports
            An image whose labels cannot be written is left out, with the reason; the others are done.
        """
        ids = list(self._named(images)) or [r.id for r in self.images]
        what = Exporting(Path(out) if out is not None else None, format, known_only, cycle, inside, replace)
        return export_images(self.project, ids, what, stop)

    def history(self, image: str | None = None) -> tuple[EditRow, ...]:
        """Who changed what, when and with which tool, of one image or of all, the oldest first."""
        ids = [self.project.image(image).id] if image else [r.id for r in self.images]
        return tuple(sorted((row for id in ids for row in self.project.db.history(id)), key=lambda row: row.n))

    def restore(self, image: str, edit: int) -> int:
        """Bring an image back to how it was after an edit of its log, as a new edit; returns how many voxels changed.

        Raises
        ------
        CellsegError
            When a napari window edits the project, or the log has no such edit.
        """
        id = self.project.image(image).id
        self._check_window()
        return int(self.project.store(id).restore(edit).index.size)

    def compact(self, keep: int = 1000) -> Compacted:
        """Fold all but the newest `keep` edits of every image into one; those cannot be undone or restored any more."""
        return compact(self.project, keep)

    def log_size(self, keep: int = 1000) -> LogSize:
        """How long the log is, and how many edits `compact` would fold."""
        return log_size(self.project, keep)

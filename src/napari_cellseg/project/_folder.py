"""A project folder: create, open, images in, labels out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tomli_w
from filelock import FileLock
from numpy.typing import NDArray

from .. import images as pictures
from ..config import Config
from ..errors import CellsegError
from ..files import write_text
from ..settings import validated
from ._db import Database
from ._edit import Edit, difference
from ._grids import check_in_memory, check_room, copied, is_mapped
from ._guidelines import copy_reference, read_guidelines
from ._hints import Hints
from ._import import Added, Addition, add_pictures
from ._inside import inside
from ._known import APPROVED, PREDICTED
from ._label_store import LabelStore
from ._models import LeftOut, foreign_runs, models_in, read_card, read_model_config, usable_card
from ._opening import Task, author, had_database, make_folder, read_settings, window_lock
from ._records import ImageRecord, ModelCard
from ._recovery import NAME as DATABASE
from ._recovery import rebuild


class Project:
    """An open project folder. Use `Project.create` or `Project.open`; close it, or use it in a ``with``.

    Attributes
    ----------
    path
        The folder ``NAME.cellseg``.
    task
        ``"instance"`` (labels are object ids) or ``"semantic"`` (labels are class ids).
    classes
        Names of the classes 1, 2, ...; one for instance projects.
    db
        The database.
    notices
        What the person should know of what was found; whoever tells it clears the list.
    """

    finder: ClassVar[Callable[[ImageRecord], Path] | None] = None
    """Where pictures lie in a process that computes for another machine; elsewhere they lie where records say."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.name = str(settings["name"])
        self.task: Task = settings["task"]
        self.classes: tuple[str, ...] = tuple(settings["classes"])
        self.meanings = self.classes if self.task == "semantic" else ()  # of labels; ids of objects have none
        self.config: Config = validated(Config, settings.get("config", {}))
        self._settings = settings
        self.db = Database(path / DATABASE, create=not had_database(path))
        self.author = author()
        self.notices: list[str] = []
        self._stores: dict[str, LabelStore] = {}
        self._claim: FileLock | None = None
        self._looks_only = False

    # --- opening --------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, task: Task = "instance", classes: tuple[str, ...] = ()) -> Project:
        """Make a new project folder; the name gets the ending ``.cellseg`` where it lacks it.

        Raises
        ------
        CellsegError
            When the folder exists or cannot be made, or the task is unknown.
        """
        path, settings = make_folder(Path(path), task, classes)
        try:
            return cls(path, settings)
        except CellsegError:  # its database found no room: a project is there as a whole, or not
            shutil.rmtree(path, ignore_errors=True)
            raise

    @classmethod
    def open(cls, path: str | Path) -> Project:
        """Open an existing project.

        Raises
        ------
        CellsegError
            When it is not a project, was made by a newer version, or its database is damaged.
        """
        path = Path(path)
        return cls(path, read_settings(path))

    @classmethod
    def recover(cls, path: str | Path) -> Project:
        """Open a project whose database is damaged, missing or older than its snapshots, and become its one window.

        The log is put together from every database that is there, also those that earlier recoveries kept, and from the
        snapshots. The old database stays beside the new one under another name. An interrupted recovery changes nothing
        that the next one would not find.

        Raises
        ------
        CellsegError
            When a window has the project open, or the new database cannot be written.
        """
        path = Path(path)
        settings = read_settings(path)
        lock = window_lock(path)
        if lock is False:
            raise CellsegError(
                f"{path.name} is open in a napari window, which would go on writing into the old database.",
                "Close the project there, then recover it.",
            )
        try:
            done = rebuild(path, models_in(path / "models")[0], author())
            project = cls(path, settings)
        except BaseException:
            if lock:
                lock.release()
            raise
        project._claim = lock
        project.notices.append(done.text)
        return project

    def claim(self) -> bool:
        """Become the one window that edits this project; False where another one is (it keeps that until it ends).

        Other processes (the command line, a running prediction) may still write; user edits stay.
        """
        if self._claim is None:
            lock = window_lock(self.path)
            self._looks_only = lock is False
            self._claim = lock or None
        return not self._looks_only

    def close(self) -> None:
        """Write snapshots of what is open, close the database, let another window edit.

        Raises
        ------
        CellsegError
            When a snapshot cannot be written; everything is closed all the same, and the log holds every edit.
        """
        with ExitStack() as closing:  # the last first, whatever happens to the others
            closing.callback(self.db.close)
            closing.callback(self._stores.clear)
            if self._claim is not None:
                closing.callback(self._claim.release)
                self._claim = None
            for id in list(self._stores):
                closing.callback(self.release, id)

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- images ---------------------------------------------------------------------------------

    def images(self, split: str | None = None) -> list[ImageRecord]:
        """Image records in the order in which they were added, of one split if given."""
        return [r for r in self.db.images() if split is None or r.split == split]

    def image(self, id: str) -> ImageRecord:
        """One record.

        Raises
        ------
        CellsegError
            When there is no such image.
        """
        for record in self.db.images():
            if record.id == id:
                return record
        known = ", ".join(r.id for r in self.db.images()[:8])
        raise CellsegError(f"There is no image {id!r} in {self.name}.", f"Images: {known or 'none yet'}.")

    def add_image(
        self,
        source: str | Path,
        *,
        labels: NDArray[np.uint32] | None = None,
        axes: str | None = None,
        spacing_um: tuple[float, ...] | None = None,
        split: str = "train",
        frame: int | None = None,
        id: str = "",
        draft: bool = False,
        series: str | None = None,
    ) -> list[str]:
        """Refer to a picture; a time series becomes one image per frame.

        A picture that is there already (the same file, or a copy of it) is not added again; labels are taken for it
        where it has no user edits.

        Parameters
        ----------
        labels
            Approved truth (state 2): (Z, Y, X) or (Y, X), with a leading T for a time series.
        frame
            Take only this time point; `labels` are its own, or with a leading T those of the whole series.
        draft
            The labels are a first draft (state 0) that predictions may replace.
        id
            Name of the image (of every frame: name and number); made from the file's name where not given.
        series
            Which image of a file that holds several (see `images.read`).

        Returns
        -------
        list of str
            The ids of its images.

        Raises
        ------
        CellsegError
            Before anything is written: when the picture or the labels cannot be used, or the picture is there already
            with labels that differ.
        """
        addition = Addition(Path(source), labels, axes, spacing_um, split, frame, id, draft, series)
        return list(self.add_images([addition])[0].ids)

    def add_images(self, additions: Iterable[Addition]) -> list[Added]:
        """Refer to several pictures, all or none of them; see `add_image`."""
        return add_pictures(self, additions)

    def approve_labels(self, id: str, labels: NDArray[np.uint32], tool: str = "import") -> Edit:
        """Replace an image's labels and approve every voxel (state 2), as one edit.

        Raises
        ------
        CellsegError
            When the shape or a class does not fit.
        """
        store = self.store(id)
        self._check_fit(labels, store.labels.shape)
        box = tuple(slice(0, n) for n in store.labels.shape)
        state = np.full(store.state.shape, APPROVED, np.uint8)
        return store.apply(difference(tool, store.labels, store.state, box, labels, state))

    def _check_fit(self, labels: NDArray[np.uint32], shape: tuple[int, ...]) -> None:
        if labels.shape != shape:
            raise CellsegError(f"The labels are {labels.shape}, the image {shape}.", "Choose the masks of this image.")
        self.check_classes(labels)

    def check_classes(self, labels: NDArray[np.uint32]) -> None:
        """Refuse labels with classes that the project does not have."""
        if self.task == "semantic" and labels.max(initial=0) > len(self.classes):
            raise CellsegError(
                f"The labels hold class {labels.max()}, but the project has {len(self.classes)}.",
                f"Classes are 1 to {len(self.classes)}: {', '.join(self.classes)}.",
            )

    def draft_labels(self, id: str, labels: NDArray[np.uint32], tool: str = "draft", first_id: int = 1) -> Edit:
        """Take labels from anywhere as a first draft, where there are no user edits, numbered from `first_id` or above.

        Raises
        ------
        CellsegError
            When the shape or a class does not fit.
        """
        store = self.store(id)
        self._check_fit(labels, store.labels.shape)
        box = tuple(slice(0, n) for n in store.labels.shape)
        free = store.state == PREDICTED
        shift = max(store.next_id(), first_id) - 1 if self.task == "instance" else 0
        new = np.where(free, np.where(labels > 0, labels + np.uint32(shift), 0), store.labels)
        return store.apply(difference(tool, store.labels, store.state, box, new, store.state))

    def read_image(self, id: str) -> pictures.Image:
        """The picture of one image, lazily, with its voxel size.

        Raises
        ------
        CellsegError
            When the file is gone, or is not the one that was added.
        """
        record = self.image(id)
        path = self.source(record)
        hint = f"Say where it is: napari-cellseg add {self.path.name} NEW_PATH --relocate {id}"
        if not (pictures.is_remote(path) or path.exists()):
            raise CellsegError(f"The picture of {id} is not at {path}.", hint)
        with pictures.reading(path.name):
            same = pictures.is_unchanged(path, record.fingerprint, record.seen)
        if not same:
            self._compare(record, path, hint)
        return self._read(record, path, record.spacing_um).frame(record.frame)

    def read_whole(self, id: str) -> pictures.Image:
        """The picture of an image with all of its frames, lazily; not compared with the one that was added.

        Raises
        ------
        CellsegError
            When the file is gone or cannot be read.
        """
        record = self.image(id)
        return self._read(record, self.source(record))

    def source(self, record: ImageRecord) -> Path:
        """Where the picture of a record should lie."""
        if Project.finder is not None:
            return Project.finder(record)
        if pictures.is_remote(record.source):
            return Path(record.source)
        return Path(os.path.normpath(self.path.resolve().parent / record.source))

    def relocate(self, id: str, path: str | Path) -> None:
        """Say where the picture of an image is now (all frames of a series move together).

        Raises
        ------
        CellsegError
            When the new file has another shape; labels would not fit it.
        """
        record, path = self.image(id), pictures.absolute(path)
        image = self._read(record, path)
        if image.frame(0).spatial_shape != record.shape:
            raise CellsegError(
                f"{path.name} is {image.spatial_shape}, but {id} is {record.shape}.",
                "Give the picture that was added; another one is added under its own name.",
            )
        last = max(r.frame for r in self.db.images() if (r.source, r.series) == (record.source, record.series))
        if image.n_channels != record.n_channels or image.n_frames <= last:
            raise CellsegError(
                f"{path.name} has {image.n_channels} channels and {image.n_frames} frames; the picture of {id} had "
                f"{record.n_channels} and at least {last + 1}.",
                "Give the picture that was added; another one is added under its own name.",
            )
        mark, seen = pictures.fingerprint(path), pictures.glance(path)
        moved = [
            replace(r, source=self.relative(path), fingerprint=mark, seen=seen)
            for r in self.db.images()
            if r.source == record.source
        ]
        self.db.put_images(moved)

    # --- labels ---------------------------------------------------------------------------------

    def store(self, id: str) -> LabelStore:
        """The one working copy of an image's labels and state in this process."""
        if id not in self._stores:
            store = self._open_store(id)
            if not self._looks_only and store.log_snapshot():
                self.notices.append(
                    f"The labels of {id} were newer than project.db, which was probably put back from a backup. They "
                    "were kept, and the log goes on from them."
                )
            self._stores[id] = store
        self._stores[id].sync()
        return self._stores[id]

    @property
    def open_images(self) -> tuple[str, ...]:
        """Images of which there is a working copy in this process."""
        return tuple(self._stores)

    def load_labels(self, id: str) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Labels and state as they stand on disk now, in memory, for reading; the working copy is left alone.

        Raises
        ------
        CellsegError
            When they are too large for that.
        """
        check_in_memory(id, self.image(id).shape)
        labels, state = self.open_labels(id)
        return (copied(labels), copied(state)) if is_mapped(labels) else (labels, state)

    def open_labels(self, id: str) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """The same, mapped where they are too large for memory: go through `parts` or `islands` of them."""
        store = self._open_store(id)
        return store.labels, store.state

    def release(self, id: str) -> None:
        """Write a snapshot of an open image and drop its working copy.

        Raises
        ------
        CellsegError
            When it cannot be written; the copy is dropped all the same, and the log holds every edit.
        """
        store = self._stores.pop(id, None)
        if store is not None and not store.read_only:
            store.snapshot()

    def hints(self, id: str) -> Hints:
        """What a person said of single voxels of an image, as it stands on disk now; it can be added to."""
        return Hints(self.db, self.image(id), len(self.classes), self.author)

    # --- guidelines -----------------------------------------------------------------------------

    @property
    def guidelines_path(self) -> Path:
        """The annotation rules of this project, Markdown; pictures lie in ``guidelines/`` beside it."""
        return self.path / "guidelines.md"

    def guidelines(self) -> str:
        """The rules, "" where nobody has written any.

        Raises
        ------
        CellsegError
            When the file is there and cannot be read.
        """
        return read_guidelines(self.guidelines_path)

    def save_guidelines(self, text: str) -> None:
        """Replace the rules, the file as a whole.

        Raises
        ------
        CellsegError
            When they cannot be written.
        """
        write_text(self.guidelines_path, text)

    def add_reference(self, picture: str | Path) -> str:
        """Copy a reference picture into the project, whole or not at all; returns the Markdown that shows it."""
        return copy_reference(Path(picture), self.path / "guidelines")

    # --- models ---------------------------------------------------------------------------------

    @property
    def models_folder(self) -> Path:
        """Where the models lie."""
        return self.path / "models"

    @property
    def runs_folder(self) -> Path:
        """Where trainings keep their checkpoints until their model is whole."""
        return self.path / "runs"

    def models(self) -> list[ModelCard]:
        """Cards of all models that can be used, oldest first."""
        return models_in(self.models_folder)[0]

    def left_out(self) -> list[LeftOut]:
        """Models and interrupted trainings whose folders cannot be used, with the reasons."""
        return [*models_in(self.models_folder)[1], *foreign_runs(self.runs_folder)]

    def model_path(self, id: str) -> Path:
        """The folder of one model.

        Raises
        ------
        CellsegError
            When there is no such model.
        """
        path = inside(self.models_folder, id, "a model") if id else self.models_folder
        if not id or not (path / "card.json").is_file():
            names = ", ".join(card.id for card in self.models())
            raise CellsegError(f"There is no model {id!r} in {self.name}.", f"Models: {names or 'none yet'}.")
        return path

    def model_card(self, id: str) -> ModelCard:
        """The card of one model."""
        return read_card(self.model_path(id))

    def model_config(self, id: str) -> Config:
        """The configuration one model was trained with."""
        return read_model_config(self.model_path(id))

    @property
    def current_model(self) -> str | None:
        """The model that predicts and that the next round starts from; None where none is set or it cannot be used."""
        id = self.db.setting("current_model")
        try:
            return usable_card(inside(self.models_folder, id, "a model")).id if id else None
        except CellsegError:
            return None

    def save_config(self, config: Config) -> None:
        """Make a configuration the project's default; the file is replaced whole.

        Raises
        ------
        CellsegError
            When it cannot be written; the default is as before.
        """
        settings = read_settings(self.path) | {"config": config.model_dump(mode="json")}
        write_text(self.path / "project.toml", tomli_w.dumps(settings))
        self.config, self._settings = config, settings

    def settings(self) -> dict[str, Any]:
        """What ``project.toml`` holds, with the configuration as it is now."""
        return self._settings | {"config": self.config.model_dump(mode="json")}

    # --- inside ---------------------------------------------------------------------------------

    def _open_store(self, id: str) -> LabelStore:
        record = self.image(id)
        check_room(id, record.shape, self.path)
        return LabelStore(inside(self.path / "images", id, "an image"), self.db, record, self.author)

    def relative(self, source: Path) -> str:
        """How a record names a file: relative to the folder that holds the project, where it lies in there."""
        if pictures.is_remote(source):
            return pictures.address(source)
        home = self.path.resolve().parent
        return source.relative_to(home).as_posix() if source.is_relative_to(home) else str(source)

    @staticmethod
    def _read(record: ImageRecord, path: Path, spacing_um: tuple[float, ...] | None = None) -> pictures.Image:
        """The picture of a record, read as it was when it was added."""
        before = record.rgb is None
        series = record.series or ("0" if before else None)
        return pictures.read(path, record.given_axes, spacing_um, series=series, as_before=before, turned=record.turned)

    def _compare(self, record: ImageRecord, path: Path, hint: str) -> None:
        shape = self._read(record, path).frame(0).spatial_shape
        detail = f"its shape is {shape}, not {record.shape}" if shape != record.shape else "its content differs"
        raise CellsegError(f"The picture of {record.id} was changed since it was added: {detail}.", hint)

"""A project folder: create, open, images in, labels out."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import time
import tomllib
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tomli_w
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from .. import images as pictures
from ..config import Config, default_config
from ..errors import CellsegError
from ..settings import validated
from ._canvas import Canvas
from ._db import Database, image_from_json, salvage_edits, salvage_tables
from ._edit import Edit, difference
from ._hints import Hints
from ._known import APPROVED, PREDICTED
from ._models import LeftOut, foreign_runs, models_in, read_card, read_model_config, usable_card
from ._records import ImageRecord, ModelCard
from ._snapshot import Snapshot, read_snapshot, write_snapshot

SCHEMA = 1
SUFFIX = ".cellseg"
Task = Literal["instance", "semantic"]
SPLITS = ("train", "val", "test")


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
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.name = str(settings["name"])
        self.task: Task = settings["task"]
        self.classes: tuple[str, ...] = tuple(settings["classes"])
        self.meanings = self.classes if self.task == "semantic" else ()  # of labels; ids of objects have none
        self.config: Config = validated(Config, settings.get("config", {}))
        self.db = Database(path / "project.db")
        self.author = _author()
        self._canvases: dict[str, Canvas] = {}
        self._claim: FileLock | None = None

    # --- opening --------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, task: Task = "instance", classes: tuple[str, ...] = ()) -> Project:
        """Make a new project folder; the name gets the ending ``.cellseg`` where it lacks it.

        Raises
        ------
        CellsegError
            When the folder exists or cannot be made, or the task is unknown.
        """
        path = Path(path)
        path = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
        if task not in ("instance", "semantic"):
            raise CellsegError(f"There is no task {task!r}.", "Use instance or semantic.")
        if path.exists():
            raise CellsegError(f"{path} exists already.", "Open it, or choose another name.")
        names = classes or (("object",) if task == "instance" else ("foreground",))
        if task == "instance" and len(names) > 1:
            raise CellsegError("An instance project has one class.", "Use --task semantic for several classes.")
        settings = {
            "schema": SCHEMA,
            "name": path.stem,
            "task": task,
            "classes": list(names),
            "config": default_config(task).model_dump(mode="json"),
        }
        part = path.with_name(path.name + ".part")
        try:
            for folder in ("images", "models", "cache"):
                (part / folder).mkdir(parents=True)
            (part / "project.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise CellsegError(f"{path} cannot be made: {error}.", "Choose a folder you may write to.") from error
        return cls(path, settings)

    @classmethod
    def open(cls, path: str | Path) -> Project:
        """Open an existing project.

        Raises
        ------
        CellsegError
            When it is not a project, was made by a newer version, or its database is damaged.
        """
        path = Path(path)
        return cls(path, _read_settings(path))

    @classmethod
    def recover(cls, path: str | Path) -> Project:
        """Open a project whose database is damaged.

        The damaged files are kept under another name. Images and labels come back from their snapshots, models
        from their folders, and every edit that can still be read is applied on top.
        """
        path = Path(path)
        settings = _read_settings(path)
        kept = path / f"project.db.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
        for ending in ("", "-wal", "-shm"):
            if (path / f"project.db{ending}").exists():
                os.replace(path / f"project.db{ending}", f"{kept}{ending}")
        project = cls(path, settings)
        project._restore(salvage_edits(kept), salvage_tables(kept))
        return project

    def claim(self) -> bool:
        """Become the one window that edits this project; False where another one is (it keeps that until it ends).

        Other processes (the command line, a running prediction) may still write; what a person said stands.
        """
        if self._claim is None:
            lock = FileLock(self.path / "window.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                return False
            except (OSError, NotImplementedError):  # a file system without locks: nobody can know
                return True
            self._claim = lock
        return True

    def close(self) -> None:
        """Write snapshots of what is open, close the database, let another window edit.

        Raises
        ------
        CellsegError
            When a snapshot cannot be written; everything is closed all the same, and the log holds every edit.
        """
        with ExitStack() as closing:  # the last first, whatever happens to the others
            closing.callback(self.db.close)
            closing.callback(self._canvases.clear)
            if self._claim is not None:
                closing.callback(self._claim.release)
                self._claim = None
            for id in list(self._canvases):
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
    ) -> list[str]:
        """Refer to a picture; a time series becomes one image per frame.

        Parameters
        ----------
        labels
            Approved truth (state 2): (Z, Y, X) or (Y, X), with a leading T for a time series.
        frame
            Take only this time point; `labels` then have no T.
        draft
            The labels are a first draft (state 0) that predictions may replace.
        id
            Name of the image (of every frame: name and number); made from the file's name where not given.

        Returns
        -------
        list of str
            The ids of the new images.

        Raises
        ------
        CellsegError
            Before anything is written: when the picture or the labels cannot be used.
        """
        if split not in SPLITS:
            raise CellsegError(f"There is no split {split!r}.", f"Use one of {', '.join(SPLITS)}.")
        source = Path(source).resolve()
        image = pictures.read(source, axes, spacing_um)
        pictures.check_content(image)
        if frame is not None and not 0 <= frame < image.n_frames:
            raise CellsegError(f"{source.name} has {image.n_frames} frames, not {frame + 1}.", "Frames count from 0.")
        frames = range(image.n_frames) if frame is None else (frame,)
        truths = self._labels_per_frame(image, labels, len(frames))
        taken = {r.id for r in self.db.images()}
        stem = id or (source.name.split(".")[0] if source.is_dir() else re.sub(r"\.ome$", "", source.stem))
        records = []
        for t in frames:
            free = _free_id(stem + (f"_t{t:04d}" if len(frames) > 1 else ""), taken)
            taken.add(free)
            records.append(self._record(free, image.frame(t), source, (t, axes), split))
        for record, truth in zip(records, truths, strict=True):
            self._prepare(record, image, truth)
        self.db.put_images(records)
        for record, truth in zip(records, truths, strict=True):
            if truth is not None and draft:
                self.draft_labels(record.id, truth)
            elif truth is not None:
                self.approve_labels(record.id, truth)
        return [r.id for r in records]

    def approve_labels(self, id: str, labels: NDArray[np.uint32], tool: str = "import") -> Edit:
        """Replace an image's labels and approve every voxel (state 2), as one edit.

        Raises
        ------
        CellsegError
            When the shape or a class does not fit.
        """
        canvas = self.canvas(id)
        self._check_fit(labels, canvas.labels.shape)
        box = tuple(slice(0, n) for n in canvas.labels.shape)
        state = np.full(canvas.state.shape, APPROVED, np.uint8)
        return canvas.apply(difference(tool, canvas.labels, canvas.state, box, labels, state))

    def _check_fit(self, labels: NDArray[np.uint32], shape: tuple[int, ...]) -> None:
        if labels.shape != shape:
            raise CellsegError(f"The labels are {labels.shape}, the image {shape}.", "Choose the masks of this image.")
        self._check_classes(labels)

    def _check_classes(self, labels: NDArray[np.uint32]) -> None:
        if self.task == "semantic" and labels.max(initial=0) > len(self.classes):
            raise CellsegError(
                f"The labels hold class {labels.max()}, but the project has {len(self.classes)}.",
                f"Classes are 1 to {len(self.classes)}: {', '.join(self.classes)}.",
            )

    def draft_labels(self, id: str, labels: NDArray[np.uint32], tool: str = "draft", first_id: int = 1) -> Edit:
        """Take labels from anywhere as a first draft: only where nobody has spoken, numbered from `first_id` or above.

        Raises
        ------
        CellsegError
            When the shape or a class does not fit.
        """
        canvas = self.canvas(id)
        self._check_fit(labels, canvas.labels.shape)
        box = tuple(slice(0, n) for n in canvas.labels.shape)
        free = canvas.state == PREDICTED
        shift = max(canvas.next_id(), first_id) - 1 if self.task == "instance" else 0
        new = np.where(free, np.where(labels > 0, labels + np.uint32(shift), 0), canvas.labels)
        return canvas.apply(difference(tool, canvas.labels, canvas.state, box, new, canvas.state))

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
        if not path.exists():
            raise CellsegError(f"The picture of {id} is not at {path}.", hint)
        if pictures.fingerprint(path) != record.fingerprint:
            self._compare(record, path, hint)
        return pictures.read(path, record.given_axes, record.spacing_um).frame(record.frame)

    def source(self, record: ImageRecord) -> Path:
        """Where the picture of a record should lie."""
        return Path(os.path.normpath(self.path.resolve().parent / record.source))

    def relocate(self, id: str, path: str | Path) -> None:
        """Say where the picture of an image is now (all frames of a series move together).

        Raises
        ------
        CellsegError
            When the new file has another shape; labels would not fit it.
        """
        record, path = self.image(id), Path(path).resolve()
        image = pictures.read(path, record.given_axes)
        if image.frame(0).spatial_shape != record.shape:
            raise CellsegError(
                f"{path.name} is {image.spatial_shape}, but {id} is {record.shape}.",
                "Give the picture that was added; another one is added under its own name.",
            )
        last = max(r.frame for r in self.db.images() if r.source == record.source)
        if image.n_channels != record.n_channels or image.n_frames <= last:
            raise CellsegError(
                f"{path.name} has {image.n_channels} channels and {image.n_frames} frames; the picture of {id} had "
                f"{record.n_channels} and at least {last + 1}.",
                "Give the picture that was added; another one is added under its own name.",
            )
        mark = pictures.fingerprint(path)
        moved = [
            replace(r, source=self._relative(path), fingerprint=mark)
            for r in self.db.images()
            if r.source == record.source
        ]
        self.db.put_images(moved)

    # --- labels ---------------------------------------------------------------------------------

    def canvas(self, id: str) -> Canvas:
        """The one working copy of an image's labels and state in this process."""
        if id not in self._canvases:
            self._canvases[id] = self._open_canvas(id)
        self._canvases[id].sync()
        return self._canvases[id]

    def load_labels(self, id: str) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Labels and state as they stand on disk now, for reading; the working copy is left alone."""
        canvas = self._open_canvas(id)
        return canvas.labels, canvas.state

    def release(self, id: str) -> None:
        """Write a snapshot of an open image and drop its working copy.

        Raises
        ------
        CellsegError
            When it cannot be written; the copy is dropped all the same, and the log holds every edit.
        """
        canvas = self._canvases.pop(id, None)
        if canvas is not None and not canvas.read_only:
            canvas.snapshot()

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
        try:
            data = self.guidelines_path.read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise CellsegError(
                f"The guidelines cannot be read: {error}.", "Check the folder of the project."
            ) from error
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("cp1252", errors="replace")  # an editor of Windows

    def save_guidelines(self, text: str) -> None:
        """Replace the rules, the file as a whole.

        Raises
        ------
        CellsegError
            When they cannot be written.
        """
        part = self.guidelines_path.with_suffix(".part")
        try:
            part.write_text(text, encoding="utf-8")
            os.replace(part, self.guidelines_path)
        except OSError as error:
            raise CellsegError(f"The guidelines could not be saved: {error}.", "Free some space.") from error

    def add_reference(self, picture: str | Path) -> str:
        """Copy a reference picture into the project; returns the Markdown that shows it."""
        picture = Path(picture)
        folder = self.path / "guidelines"
        try:
            folder.mkdir(exist_ok=True)
            name = _free_id(picture.stem, {p.stem for p in folder.iterdir()}) + picture.suffix.lower()
            shutil.copyfile(picture, folder / name)
        except OSError as error:
            raise CellsegError(f"{picture.name} could not be copied: {error}.", "Free some space.") from error
        return f"![{picture.stem}](guidelines/{name})"

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
        path = self.models_folder / id
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
            return usable_card(self.models_folder / id).id if id else None
        except CellsegError:
            return None

    def save_config(self, config: Config) -> None:
        """Make a configuration the project's default; the file is replaced whole."""
        settings = _read_settings(self.path) | {"config": config.model_dump(mode="json")}
        part = self.path / "project.toml.part"
        part.write_text(tomli_w.dumps(settings), encoding="utf-8")
        os.replace(part, self.path / "project.toml")
        self.config = config

    # --- inside ---------------------------------------------------------------------------------

    def _open_canvas(self, id: str) -> Canvas:
        return Canvas(self.path / "images" / id, self.db, self.image(id), self.author)

    def _relative(self, source: Path) -> str:
        home = self.path.resolve().parent
        return source.relative_to(home).as_posix() if source.is_relative_to(home) else str(source)

    def _record(
        self, id: str, image: pictures.Image, source: Path, place: tuple[int, str | None], split: str
    ) -> ImageRecord:
        return ImageRecord(
            id=id, source=self._relative(source), frame=place[0], given_axes=place[1], axes=image.axes,
            shape=image.spatial_shape, n_channels=image.n_channels, dtype=str(image.data.dtype),
            spacing_um=image.spacing_um, fingerprint=pictures.fingerprint(source), split=split,
        )  # fmt: skip

    def _prepare(self, record: ImageRecord, image: pictures.Image, truth: NDArray[np.uint32] | None) -> None:
        """Empty snapshots and a thumbnail; harmless where the record never follows."""
        folder = self.path / "images" / record.id
        text = json.dumps(asdict(record))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _thumbnail(folder / "thumbnail.png", image.frame(record.frame))
        except OSError as error:
            raise CellsegError(f"{record.id} could not be added: {error}.", "Free some space.") from error
        write_snapshot(folder / "labels.zarr", np.zeros(record.shape, np.uint32), 0, text)
        write_snapshot(folder / "state.zarr", np.zeros(record.shape, np.uint8), 0, text)

    def _labels_per_frame(
        self, image: pictures.Image, labels: NDArray[np.uint32] | None, n_frames: int
    ) -> list[NDArray[np.uint32] | None]:
        if labels is None:
            return [None] * n_frames
        expected = ((n_frames,) if n_frames > 1 else ()) + image.spatial_shape
        if labels.shape != expected:
            raise CellsegError(
                f"The labels are {labels.shape}, the image {expected}.",
                "Labels need the size of their image. Check whether one of them was cropped or transposed.",
            )
        self._check_classes(labels)
        return list(labels) if n_frames > 1 else [labels]

    def _compare(self, record: ImageRecord, path: Path, hint: str) -> None:
        shape = pictures.read(path, record.given_axes).frame(0).spatial_shape
        detail = f"its shape is {shape}, not {record.shape}" if shape != record.shape else "its content differs"
        raise CellsegError(f"The picture of {record.id} was changed since it was added: {detail}.", hint)

    def _restore(self, edits: list[tuple[int, str, Edit]], tables: dict[str, list[tuple[Any, ...]]]) -> None:
        """Fill a new database from snapshots, model folders and what is left of the old one."""
        self.db.restore_tables(tables)
        snapshots = {}
        for folder in sorted(p for p in (self.path / "images").glob("*") if p.is_dir()):
            labels, state = read_snapshot(folder / "labels.zarr"), read_snapshot(folder / "state.zarr")
            if labels is not None and state is not None:
                snapshots[folder.name] = (labels, state)
        for record in self.db.images():
            if record.id not in snapshots:  # the log alone has to tell
                empty = np.zeros(record.shape, np.uint32), np.zeros(record.shape, np.uint8)
                text = json.dumps(asdict(record))
                snapshots[record.id] = (Snapshot(empty[0], 0, text), Snapshot(empty[1], 0, text))
        self.db.put_images([image_from_json(labels.record) for labels, _ in snapshots.values()])
        newest = max([labels.n for labels, _ in snapshots.values()] + [n for n, *_ in edits], default=0)
        self.db.start_log_after(newest)
        for id, (labels, state) in snapshots.items():
            after = min(labels.n, state.n)
            for n, image, edit in edits:
                if image == id and n > after:
                    edit.write_to(labels.array, state.array)
            canvas = self.canvas(id)
            canvas.labels[...] = 0
            canvas.state[...] = 0
            box = tuple(slice(0, s) for s in labels.array.shape)
            canvas.apply(difference("recover", canvas.labels, canvas.state, box, labels.array, state.array))
            canvas.snapshot(force=True)
        for card in self.models():
            self.db.put_model(card.id, card.parent)
        if (cards := self.models()) and not self.current_model:
            self.db.put_setting("current_model", cards[-1].id)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads((path / "project.toml").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CellsegError(
            f"{path} is not a cellseg project.", "Give a folder that ends in .cellseg, or make one with: new."
        ) from error
    except (OSError, ValueError) as error:
        raise CellsegError(f"{path}/project.toml cannot be read: {error}.", "Restore it from a backup.") from error
    if int(settings.get("schema", 0)) > SCHEMA:
        raise CellsegError(
            f"{path.name} was made by a newer napari-cellseg (schema {settings['schema']}, this one knows {SCHEMA}).",
            "Update napari-cellseg: pip install -U napari-cellseg. The project was not touched.",
        )
    return settings


def _free_id(stem: str, taken: set[str]) -> str:
    """A file-system-safe id that is not in use."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._") or "image"
    id, number = base, 2
    while id in taken:
        id, number = f"{base}-{number}", number + 1
    return id


def _author() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _thumbnail(path: Path, image: pictures.Image, side: int = 128) -> None:
    """A small PNG of the middle plane of the first channel."""
    import cv2

    first = image.channels_first()[0]
    plane = first[first.shape[0] // 2] if first.ndim == 3 else first
    step = max(1, min(plane.shape) // (2 * side))
    pixels = np.nan_to_num(np.asarray(plane[::step, ::step]).astype(np.float32))
    low, high = np.percentile(pixels, (1, 99.5))
    pixels = np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1) * 255
    scale = side / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    cv2.imwrite(str(path), cv2.resize(pixels.astype(np.uint8), size, interpolation=cv2.INTER_AREA))

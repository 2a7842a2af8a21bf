"""Takes a job to the server with all that it needs, and brings home what it makes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CellsegError
from ...events import (
    Event,
    Failed,
    Finished,
    Judged,
    Notice,
    PictureWanted,
    Predicted,
    Refined,
    Saved,
    Stopped,
    TrainStarted,
)
from ...probabilities import OnlyPlane, kept_path, open_stored
from ...project import Project, reading
from .._jobs import DecodeJob, EvaluateJob, Job, JudgeJob, PredictJob, TrainJob
from .._messages import Cancel, Reply, Run
from .client import Away, Client
from .mirror import Mirror
from .scratch import checked_path, picture_tree
from .words import Fetch, Fetched, Lacking, NoPicture, Offer, Open, Opened, Part, Pictures, Put, Taken

Tell = Callable[[int, Event], None]
TOLD = 10_000_000
"""Of pictures with more bytes the person is told that they are sent."""
NOTED = (PredictJob, TrainJob, JudgeJob, EvaluateJob)
"""Jobs of which the project keeps a row (see `engine.run`)."""


class Unwanted(CellsegError):
    """The person has cancelled what something is being sent for."""


class Courier:
    """Does jobs on a server; used in one thread.

    Attributes
    ----------
    cancelled
        Numbers of jobs that the person wants no more; written by another thread.
    """

    def __init__(self, client: Client, tell: Tell, scratch: Path) -> None:
        self._client, self._tell, self._scratch = client, tell, scratch
        self.cancelled: set[int] = set()
        self._mirror: Mirror | None = None
        self._era = self._number = 0
        self._later: list[Any] = []

    def do(self, number: int, job: Job) -> None:
        """Do a job; its events are told, without the last one.

        Raises
        ------
        CellsegError
            When the server cannot be reached, or the project cannot be read or written.
        """
        self._number, self._later = number, []
        era = self._client.connected()
        with Project.open(job.project) as project, self._noted(project, job) as outcome:
            if self._mirror is None or self._mirror.project != job.project or era != self._era:
                self._open(project, era)
            assert self._mirror is not None
            with contextlib.suppress(Unwanted):
                self._mirror.bring_up_to_date(project, job)
            if number in self.cancelled:
                outcome[:] = ["cancelled"]
                self._tell(number, Stopped("cancelled"))
                return
            self._send(Pictures(tuple(self._mirror.pictures)))
            self._send(Run(number, replace(job, project=Path("project"))))
            if number in self.cancelled:  # said while it was sent, perhaps before it was there
                self._send(Cancel(number))
            while not isinstance(event := self._event(number), Finished):
                if isinstance(event, Failed | Stopped):
                    outcome[:] = [f"failed: {event.message}" if isinstance(event, Failed) else "cancelled"]
                self._take(project, job, event)
            if isinstance(job, TrainJob):
                self._bring_runs(project)

    @contextmanager
    def _noted(self, project: Project, job: Job) -> Iterator[list[str]]:
        """Note a job in the project as a child does: who computes what, and how it ended."""
        outcome = ["done"]
        if not isinstance(job, NOTED):
            yield outcome
            return
        row = project.db.start_run(type(job).__name__, repr(job)[:2000])
        try:
            with reading(project.path):
                yield outcome
        except BaseException as error:
            outcome[:] = [f"failed: {error}"]
            raise
        finally:
            project.db.finish_run(row, outcome[0])

    # --- talking --------------------------------------------------------------------------------

    def _send(self, message: Any) -> None:
        self._client.check(self._era)
        if isinstance(message, Put) and self._number in self.cancelled:
            raise Unwanted("cancelled.")
        self._client.channel.send(message)

    def _event(self, number: int) -> Event:
        """The job's next event."""
        while True:
            message = self._later.pop(0) if self._later else self._client.next(self._era)
            if isinstance(message, Reply) and message.job == number:
                return message.event

    def _answer(self, kind: type[Any], also: type[Any] | None = None) -> Any:
        """The next answer of a kind; events that come before it wait."""
        while True:
            message = self._client.next(self._era)
            if isinstance(message, kind) or (also is not None and isinstance(message, also)):
                return message
            self._later.append(message)

    def _ask(self, offer: Offer) -> NDArray[np.int64]:
        self._send(offer)
        lacking: NDArray[np.int64] = self._answer(Lacking).pieces
        return lacking

    def _open(self, project: Project, era: int) -> None:
        """Begin with a project in a new conversation, and bring home what was left there."""
        self._era = era
        mirror = Mirror(project.path, self._send, self._ask, self._scratch)
        self._send(Open(mirror.name, str(project.path.resolve().parent)))
        waiting = self._answer(Opened).waiting
        self._mirror = mirror
        for path in waiting:
            with contextlib.suppress(CellsegError):  # a model of that name was made here: it stays there
                if path == "runs":
                    self._bring_runs(project)
                elif path.startswith("models/"):
                    self._bring_model(project, path.removeprefix("models/"))
                    self._tell(self._number, Notice(f"{path} was made while nobody listened; judge it under Rounds."))

    # --- what comes --------------------------------------------------------------------------------

    def _take(self, project: Project, job: Job, event: Event) -> None:
        """Make an event true here, then tell it."""
        match event:
            case PictureWanted(source):
                self._bring_picture(project, source)
                return
            case TrainStarted(model, parent):
                project.db.put_model(model, parent)
            case Saved(model):
                self._bring_model(project, model)
            case Predicted():
                event = self._predicted(project, job, event)
        self._tell(self._number, event)
        if isinstance(event, Refined | Judged):
            self._bring(project, "cache/heads")

    def _predicted(self, project: Project, job: Job, event: Predicted) -> Predicted:
        """With probabilities and labels in files of this machine."""
        if event.store:
            tree = f"cache/predictions/{event.image}/probabilities.zarr"
            found = isinstance(job, DecodeJob) or self._bring(project, tree)  # it decoded those that are here
            event = replace(event, store=str(kept_path(project.path, event.image)) if found else "")
        inner = event.labels.array if isinstance(event.labels, OnlyPlane) else event.labels
        if isinstance(inner, Away):
            if inner.path != f"cache/predictions/{event.image}/labels.zarr" or not self._bring(project, inner.path):
                raise CellsegError("The labels did not come.", "Press Predict once more.")
            labels = open_stored(project.path / inner.path)
            event = replace(event, labels=OnlyPlane(labels) if isinstance(event.labels, OnlyPlane) else labels)
        return event

    def _bring_picture(self, project: Project, source: str) -> None:
        """Send a picture that a job asks for; the project's records say which there are."""
        records = [r for r in project.images() if r.source == source]
        path = project.source(records[0]) if records else None
        if path is None or not path.exists():
            place = f"it is not at {path}." if path else "the project has none of that name."
            self._send(NoPicture(source, place))
            return
        assert self._mirror is not None
        if (size := _size(path)) > TOLD:
            what = f"Sending the picture of {records[0].id} ({size / 1e6:.0f} MB) to the engine, once."
            self._tell(self._number, Notice(what))
        try:
            self._mirror.update(picture_tree(source), path)
        except (Unwanted, FileNotFoundError) as error:
            self._send(NoPicture(source, str(error)))
            return
        self._mirror.pictures[source] = path
        self._send(Pictures((source,)))

    def _bring_model(self, project: Project, model: str) -> None:
        """A trained model: whole, or not at all."""
        final = project.models_folder / str(checked_path(model))
        if final.exists():
            raise CellsegError(
                f"A model {model} was made in this project meanwhile.", "Train again: the next one gets its own number."
            )
        part = final.with_name(f"{model}.part")
        self._fetch(f"models/{model}", part)
        if not part.is_dir():
            raise CellsegError(f"Model {model} did not come.", "Train again.")
        part.rename(final)
        project.db.put_model(model, project.model_card(model).parent)
        assert self._mirror is not None
        self._mirror.arrived(f"models/{model}")
        self._send(Taken(f"models/{model}"))

    def _bring_runs(self, project: Project) -> None:
        """Trainings that have not ended: what can be resumed there can be resumed here. Those that have ended go."""
        assert self._mirror is not None
        part, before = project.path / "cache" / "arriving", self._mirror.folders("runs")
        self._fetch("runs", part)
        come = [path for path in part.iterdir() if path.is_dir()] if part.is_dir() else []
        for name in before | {path.name for path in come}:
            shutil.rmtree(project.runs_folder / name, ignore_errors=True)
        for path in come:
            if not (project.models_folder / path.name).exists():
                project.runs_folder.mkdir(exist_ok=True)
                path.rename(project.runs_folder / path.name)

    def _bring(self, project: Project, tree: str) -> bool:
        """A tree of the cache, in place of what is here; whether there is one."""
        part, final = project.path / "cache" / "arriving", project.path / str(checked_path(tree))
        self._fetch(tree, part)
        if not part.is_dir():
            return False
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        part.rename(final)
        assert self._mirror is not None
        self._mirror.arrived(tree)
        return True

    def _fetch(self, path: str, into: Path) -> None:
        """Let a folder have all files of a tree of the server; there is none where the tree is empty."""
        shutil.rmtree(into, ignore_errors=True)
        self._send(Fetch(path))
        while not isinstance(part := self._answer(Part, Fetched), Fetched):
            file = into / str(checked_path(part.name))
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("r+b" if part.offset else "wb") as out:
                out.seek(part.offset)
                out.write(part.data.data)
        if part.problem:
            raise CellsegError(part.problem, "Look at the server's disk.")


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(f.stat().st_size for f in ([path] if path.is_file() else path.rglob("*")) if f.is_file())

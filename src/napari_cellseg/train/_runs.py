"""A training on disk: ``runs/<id>/`` holds its configuration, events and last checkpoint until the model is whole."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..config import Config, read_config
from ..errors import CellsegError
from ..events import Event, StepDone, Validated, describe
from ..files import write_text
from ..models import write_tensors
from ..project import CHECKPOINT, EPOCHS, Project, unfinished_runs
from ._figures import FIGURES


@dataclass(frozen=True)
class RunRecord:
    """What a training began from.

    Attributes
    ----------
    edits_until
        The newest edit that the parent knew; later ones are new corrections.
    last_edit
        The newest edit when the training began.
    """

    id: str
    parent: str | None
    edits_until: int
    last_edit: int


class RunFolder:
    """One training's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events: list[str] = []
        self._written = self._taken = self._before_trial = 0
        self._trying = False
        self._board: Any = None

    @classmethod
    def create(cls, project: Project, record: RunRecord, config: Config) -> RunFolder:
        """Begin a new run.

        Raises
        ------
        CellsegError
            When it cannot be written, or TensorBoard is asked for and not installed.
        """
        folder = cls(project.runs_folder / record.id)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            (folder.path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
            (folder.path / "run.json").write_text(json.dumps(asdict(record)), encoding="utf-8")
        except OSError as error:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise CellsegError(f"The training cannot be noted: {error}.", "Free some space.") from error
        try:
            folder._open_board(config)
        except CellsegError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        return folder

    @classmethod
    def open(cls, project: Project, id: str) -> tuple[RunFolder, RunRecord, Config]:
        """A run that was interrupted; "" is the newest.

        Raises
        ------
        CellsegError
            When there is none.
        """
        known = unfinished_runs(project.runs_folder)
        if not known or (id and id not in known):
            raise CellsegError(
                f"There is no interrupted training{f' {id!r}' if id else ''}.",
                f"Interrupted: {', '.join(known) or 'none'}. Start a new one.",
            )
        folder = cls(project.runs_folder / (id or known[-1]))
        values = json.loads((folder.path / "run.json").read_text(encoding="utf-8"))
        record = RunRecord(**values | {"id": folder.path.name})
        return folder, record, read_config(folder.path / "config.toml")

    def go_on(self, id: str, config: Config) -> None:
        """Take up the events until the last checkpoint, under the id that the model will have.

        What is not installed any more is done without.
        """
        self.path = self.path.rename(self.path.with_name(id))
        noted = self.path / "events.jsonl"
        self._events = noted.read_text(encoding="utf-8").splitlines()[: self._taken] if noted.is_file() else []
        write_text(noted, "".join(f"{line}\n" for line in self._events))
        self._written = len(self._events)
        with contextlib.suppress(CellsegError):
            self._open_board(config)

    def note(self, event: Event) -> None:
        """Remember an event; it is on disk with the next checkpoint."""
        self._events.append(json.dumps(describe(event)))
        of = " (new weights)" if self._trying else ""
        if self._board is not None and isinstance(event, StepDone):
            self._board.add_scalar(f"loss/training{of}", event.loss, event.step)
        if self._board is not None and isinstance(event, Validated):
            held = event.held_out or {"loss": event.loss}
            for where, figures in (("held out", held), ("learnt patches", event.training)):
                for name, value in figures.items():
                    self._board.add_scalar(f"{name}/{where}{of}", value, event.step)

    def begin_trial(self) -> None:
        """What follows is of new weights, which may win or not."""
        self._before_trial, self._trying = len(self._events), True

    def end_trial(self, won: bool) -> None:
        """Keep the events of the one that won, and how the training started."""
        first, second = self._events[: self._before_trial], self._events[self._before_trial :]
        self._events, self._trying = first[:1] + second if won else first, False

    def save(self, tensors: dict[str, Any], progress: dict[str, Any]) -> None:
        """Write a checkpoint, whole or not at all; a full disk is no reason to stop a training."""
        state = json.dumps(progress | {"events": len(self._events)})
        with contextlib.suppress(OSError):
            self.flush()
            write_tensors(self.path / CHECKPOINT, tensors, {"progress": state})

    def keep(self, epoch: int, tensors: dict[str, Any], found: Validated) -> None:
        """Keep the weights after an epoch; a full disk is no reason to stop a training."""
        facts = {"epoch": str(epoch), "loss": repr(found.loss), "dice": repr(found.dice)}
        with contextlib.suppress(OSError):
            (self.path / EPOCHS).mkdir(exist_ok=True)
            write_tensors(self.path / EPOCHS / f"{epoch:04d}.safetensors", tensors, facts)

    def load(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The last checkpoint: tensors and progress. Changes nothing on disk.

        Raises
        ------
        CellsegError
            When it is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path / CHECKPOINT, "pt") as file:
                progress = json.loads(file.metadata()["progress"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            self._taken = int(progress.pop("events"))
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise CellsegError(f"The interrupted training cannot be read: {error}.", "Start a new one.") from error
        return tensors, progress

    def flush(self) -> None:
        """Put events on disk, all or none of them: half a line would stay in the middle when the next try succeeds."""
        noted = self.path / "events.jsonl"
        before = noted.stat().st_size if noted.is_file() else 0
        try:
            with noted.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in self._events[self._written :])
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(noted, before)
            raise
        self._written = len(self._events)
        if self._board is not None:
            self._board.flush()

    def fill(self, folder: Path) -> None:
        """Write what a model folder keeps of its training: events, curves, TensorBoard's files."""
        (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in self._events), encoding="utf-8")
        write_curves(folder / "curves.csv", (json.loads(line) for line in self._events))
        if (self.path / EPOCHS).is_dir():
            shutil.copytree(self.path / EPOCHS, folder / EPOCHS)
        if self._board is not None:
            self._board.flush()
            shutil.copytree(self.path / "tensorboard", folder / "tensorboard")

    def close(self, whole: bool) -> None:
        """Forget the run, or keep it for resuming."""
        if self._board is not None:
            self._board.close()
        if whole:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # a full disk ends nothing that had not ended
                self.flush()

    def _open_board(self, config: Config) -> None:
        if not config.train.tensorboard:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise CellsegError(
                "TensorBoard is not installed.", "Install it: pip install tensorboard; or set train.tensorboard=false."
            ) from error
        self._board = SummaryWriter(str(self.path / "tensorboard"))


def write_curves(path: Path, events: Iterable[dict[str, Any]]) -> None:
    """The loss of every step, and every figure of every validation, as a table.

    A row of a step has the loss on its (augmented) patches. A row of a validation has its number as `epoch` (one epoch
    each, where the training is counted in epochs), and all `FIGURES` with the averaged weights on patches as they are:
    on some that are learnt from, and on what is held out.
    """
    names = [f"{where}_{name}" for name in FIGURES for where in ("training", "held_out")]
    epoch = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["step", "epoch", *names], restval="")
        table.writeheader()
        for event in events:
            if event["event"] == "StepDone":
                table.writerow({"step": event["step"], "training_loss": event["loss"]})
            elif event["event"] == "Validated":
                epoch += 1
                before = {} if "held_out" in event else {"held_out_loss": event["loss"]}  # noted by older versions
                row = {"step": event["step"], "epoch": epoch, **before}
                for where in ("training", "held_out"):
                    row |= {f"{where}_{name}": value for name, value in event.get(where, {}).items()}
                table.writerow(row)

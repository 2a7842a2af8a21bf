"""Model folders: weights, configuration and card; immutable, numbered, whole or absent."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from ..config import Config, read_config
from ..errors import CellsegError
from ..models import NETWORK
from ._records import ModelCard


def write_model(folder: Path, card: ModelCard, config: Config, fill: Callable[[Path], None]) -> Path:
    """Write ``<folder>/<id>`` under a temporary name and rename it; returns its path.

    Parameters
    ----------
    fill
        Writes the weights, and what is kept of the training, into the folder.

    Raises
    ------
    CellsegError
        When it cannot be written; nothing is left behind.
    """
    final, part = folder / card.id, folder / f"{card.id}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fill(part)
        (part / "config.toml").write_text(config.to_toml(), encoding="utf-8")
        (part / "card.json").write_text(json.dumps(asdict(card), indent=2), encoding="utf-8")
        os.replace(part, final)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise CellsegError(
            f"Model {card.id} could not be saved: {error}.", "Free some space; the model before it is untouched."
        ) from error
    return final


EPOCHS = "epochs"
"""In a model's folder, and that of its training: the weights after every epoch, where they are kept."""
CHECKPOINT = "checkpoint.safetensors"
"""In the folder of a training that has not ended."""
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class LeftOut:
    """A model or training in the project that cannot be used: its folder's name, and why."""

    name: str
    reason: str


def unfinished_runs(folder: Path) -> list[str]:
    """Trainings in a folder that can be resumed, oldest first."""
    found = [p.parent for p in folder.glob(f"*/{CHECKPOINT}") if _NUMBERED.fullmatch(p.parent.name)]
    return [p.name for p in sorted(found, key=lambda p: (p / CHECKPOINT).stat().st_mtime)]


def foreign_runs(folder: Path) -> list[LeftOut]:
    """Folders with a checkpoint that no training of this project has made: copies, renamed ones."""
    names = sorted(p.parent.name for p in folder.glob(f"*/{CHECKPOINT}"))
    reason = "a training's folder has the name of its model (v1, v2, ...), so this is a copy or was renamed"
    return [LeftOut(name, reason) for name in names if not _NUMBERED.fullmatch(name)]


def read_card(path: Path) -> ModelCard:
    """The card of a model folder.

    Raises
    ------
    CellsegError
        When the folder is not a model.
    """
    try:
        values = json.loads((path / "card.json").read_text(encoding="utf-8"))
        values["images"] = tuple(values.get("images", ()))
        values["members"] = tuple(values.get("members", ()))
        card = ModelCard(**values)
        if not (isinstance(card.id, str) and isinstance(card.created, int | float)):
            raise TypeError("its id is no text or its date no number")
        return card
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CellsegError(
            f"{path} is not a model folder: {error}.",
            "A model folder holds weights.safetensors, config.toml and card.json.",
        ) from error


def read_model_config(path: Path) -> Config:
    """The configuration a model was trained with."""
    return read_config(path / "config.toml")


def network_files(path: Path) -> list[Path]:
    """The files of a single model's folder that are its network: weights, or a file that runs as it is."""
    if (path / WEIGHTS).is_file() or not (path / NETWORK).is_file():
        return [path / WEIGHTS]
    try:
        name = Path(json.loads((path / NETWORK).read_text(encoding="utf-8"))["file"]).name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CellsegError(f"{path / NETWORK} is damaged: {error}.", "Export or import the model anew.") from error
    return [path / NETWORK, path / name]


def models_in(folder: Path) -> tuple[list[ModelCard], list[LeftOut]]:
    """Cards of all models that can be used, the oldest first, and what is there and cannot be, with the reason."""
    cards, left_out = [], []
    folders = [p for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []  # some tools drop empty folders
    for path in sorted(p for p in folders if not p.name.endswith(".part")):
        if any((path / name).exists() for name in ("card.json", "config.toml", WEIGHTS, NETWORK)):
            try:
                cards.append(usable_card(path))
            except CellsegError as error:
                left_out.append(LeftOut(path.name, error.message.rstrip(".")))
    return sorted(cards, key=lambda card: (card.created, card.id)), left_out


def usable_card(path: Path) -> ModelCard:
    """The card of a model of a project, after a look at all that using it needs.

    Raises
    ------
    CellsegError
        When a file is missing or cannot be read (by this version), or the folder was copied or renamed.
    """
    card = read_card(path)
    if card.id != path.name:
        raise CellsegError(f"It is called {card.id} inside: a copy, or renamed.", "Give the folder its own name back.")
    try:
        _check_config(path / "config.toml", _stamp(path / "config.toml"))
    except CellsegError as error:
        text = f"its config.toml is damaged, or of a newer version ({error.message.rstrip('.')})"
        raise CellsegError(text, "Update napari-cellseg, or restore the model from a backup.") from error
    if not card.members:
        for file in network_files(path):
            if not file.is_file():
                raise CellsegError(f"Its {file.name} is missing.", "Restore it from a backup.")
    return card


_NUMBERED = re.compile(r"v\d+")


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1024)
def _check_config(path: Path, stamp: tuple[int, int]) -> None:
    """Parsed once for every model, since lists are asked for often and a configuration takes milliseconds."""
    read_config(path)

"""Model folders: weights, configuration and card; immutable, numbered, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ..config import Config, read_config
from ..errors import CellsegError
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


def unfinished_runs(folder: Path) -> list[str]:
    """Trainings in a folder that can be resumed, oldest first."""
    found = [p.parent for p in folder.glob(f"*/{CHECKPOINT}")]
    return [p.name for p in sorted(found, key=lambda p: (p / CHECKPOINT).stat().st_mtime)]


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
        return ModelCard(**values)
    except (OSError, ValueError, TypeError) as error:
        raise CellsegError(
            f"{path} is not a model folder: {error}.",
            "A model folder holds weights.safetensors, config.toml and card.json.",
        ) from error


def read_model_config(path: Path) -> Config:
    """The configuration a model was trained with."""
    return read_config(path / "config.toml")


def models_in(folder: Path) -> list[ModelCard]:
    """Cards of all whole models, in numeric order."""
    cards = [read_card(p) for p in folder.iterdir() if (p / "card.json").is_file() and not p.name.endswith(".part")]
    return sorted(cards, key=lambda card: (card.created, card.id))

"""How models learnt, a line each: losses, gaps, epochs, stability, parameters; the form of Das et al. 2025.

Data flow: a model folder -> its card, the header of its weights, the events of its training -> a row of plain numbers.
"""

from __future__ import annotations

import csv
import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CellsegError
from ..files import whole
from ..project import ModelCard, Project, member_paths, read_card, read_model_config

LAST = 1 / 3
"""The slope of the loss is that of this last share of the epochs."""
FEWEST = 3
"""From so many epochs on, a slope and a spread are told."""
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class ModelRow:
    """One model; None where a training noted nothing to tell it from (older versions, models from elsewhere).

    Epochs are validations: one after every epoch where a training is counted in epochs, else after shares of its time.

    Attributes
    ----------
    parameters
        Of the network, without the running statistics of normalisations; of an ensemble, of all its members.
    epochs, kept_epoch
        How many there were, and the one whose weights the model has.
    final_loss
        Mean over the steps of the last epoch.
    loss_slope
        Change of the held-out loss per epoch at the end: least squares over the last third (at least three epochs).
    training_loss, held_out_loss, training_f1, held_out_f1
        At the kept epoch, on patches as they are.
    loss_gap, f1_gap
        Held-out minus training loss, training minus held-out F1: both above 0 where a model fits what it learnt better.
    sigma
        Standard deviation (n - 1) of the held-out F1 over the epochs.
    stability
        1 / sigma; None where sigma is 0.
    """

    model: str
    parent: str = ""
    network: str = ""
    parameters: int | None = None
    steps: int = 0
    seconds: float = 0.0
    epochs: int = 0
    kept_epoch: int | None = None
    final_loss: float | None = None
    loss_slope: float | None = None
    training_loss: float | None = None
    held_out_loss: float | None = None
    loss_gap: float | None = None
    training_f1: float | None = None
    held_out_f1: float | None = None
    f1_gap: float | None = None
    sigma: float | None = None
    stability: float | None = None


COLUMNS = {
    "model": "Model", "parent": "Parent", "network": "Network", "parameters": "Parameters", "steps": "Steps",
    "seconds": "Seconds", "epochs": "Epochs", "kept_epoch": "Kept epoch", "final_loss": "Final loss",
    "loss_slope": "Slope of loss", "training_loss": "Train loss", "held_out_loss": "Val loss", "loss_gap": "Loss gap",
    "training_f1": "Train F1", "held_out_f1": "Val F1", "f1_gap": "F1 gap", "sigma": "Sigma", "stability": "Stability",
}  # fmt: skip
"""Fields of `ModelRow` and what people call them."""


@dataclass
class _Learnt:
    """What the events of a training say."""

    losses: list[float] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    last: list[float] = field(default_factory=list)


def model_rows(project: Project) -> list[ModelRow]:
    """A row for every model of a project, the oldest first."""
    return [model_row(project.models_folder / card.id) for card in project.models()]


def model_row(folder: Path) -> ModelRow:
    """The row of a model folder.

    Raises
    ------
    CellsegError
        When it is not a model folder.
    """
    card = read_card(folder)
    learnt = _read(folder / "events.jsonl")
    model = read_model_config(folder).model
    encoder = getattr(model, "encoder", "")
    network = f"{model.label()} ({encoder})" if encoder else model.label()
    common = ModelRow(
        card.id, card.parent or "", network, _parameters(folder, card), card.steps,
        card.seconds, len(learnt.checks),
    )  # fmt: skip
    return _with_dynamics(common, learnt) if learnt.checks else common


def _with_dynamics(row: ModelRow, learnt: _Learnt) -> ModelRow:
    best = max((n for n, c in enumerate(learnt.checks) if c.get("best")), default=len(learnt.checks) - 1)
    kept = learnt.checks[best]
    training, held = kept.get("training") or {}, kept.get("held_out") or {}
    losses = [c["loss"] for c in learnt.checks]
    f1 = [(c.get("held_out") or {}).get("f1", c.get("dice")) for c in learnt.checks]
    told = [float(v) for v in f1 if v is not None]
    sigma = float(np.std(told, ddof=1)) if len(told) == len(f1) >= FEWEST else None
    judged = bool(held) or "held_out" not in kept
    values = {
        "kept_epoch": best + 1,
        "final_loss": float(np.mean(learnt.last)) if learnt.last else None,
        "loss_slope": _slope(losses) if judged else None,
        "training_loss": training.get("loss"),
        "held_out_loss": held.get("loss", kept["loss"]) if judged else None,
        "training_f1": training.get("f1"),
        "held_out_f1": held.get("f1", kept.get("dice")) if judged else None,
        "sigma": sigma if judged else None,
        "stability": 1 / sigma if judged and sigma else None,
    }
    gaps = {
        "loss_gap": _minus(values["held_out_loss"], values["training_loss"]),
        "f1_gap": _minus(values["training_f1"], values["held_out_f1"]),
    }
    return ModelRow(**asdict(row) | values | gaps)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _slope(losses: Sequence[float]) -> float | None:
    """Per epoch, least squares over the last third."""
    n = max(FEWEST, math.ceil(len(losses) * LAST))
    last = np.asarray(losses[-n:], float)
    if len(last) < FEWEST or not np.isfinite(last).all():
        return None
    return float(np.polyfit(np.arange(len(last)), last, 1)[0])


def _read(path: Path) -> _Learnt:
    """Steps and validations; lines that cannot be read are left out."""
    found, since = _Learnt(), list[float]()
    for event in _events(path):
        try:
            if event["event"] == "StepDone":
                since.append(float(event["loss"]))
            elif event["event"] == "Validated":
                found.checks.append(event | {"loss": float(event["loss"])})
                found.last, since = since or found.last, []
        except (KeyError, TypeError, ValueError):
            continue
    return found


def _events(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _parameters(folder: Path, card: ModelCard) -> int | None:
    """Counted in the header of the weights, which needs no torch; None where it cannot be read."""
    counts = [_count(path / WEIGHTS) for path in member_paths(folder, card.members)]
    return sum(c for c in counts if c is not None) if None not in counts else None


def _count(path: Path) -> int | None:
    """Values of all tensors but buffers: a safetensors file begins with 8 bytes of length and a header in JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 1 << 26)))
        learnt = {k: v for k, v in header.items() if k != "__metadata__" and not k.endswith(_BUFFERS)}
        return sum(int(math.prod(tensor["shape"])) for tensor in learnt.values())
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return None


def write_model_rows(rows: Sequence[ModelRow], path: str | Path) -> Path:
    """Write rows as CSV, every digit.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(COLUMNS))
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
    return Path(path)


def shown(row: ModelRow) -> list[str]:
    """The row for people, in the order of `COLUMNS`."""
    return [_shown(name, getattr(row, name)) for name in COLUMNS]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "parameters":
        return f"{value / 1e6:.2f} M"
    if name == "seconds":
        return f"{value:.0f}"
    if name == "stability":
        return f"{value:.1f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def models_markdown(rows: Sequence[ModelRow]) -> str:
    """Rows as a table for a text."""
    lines = [f"| {' | '.join(COLUMNS.values())} |", "|---" * len(COLUMNS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(shown(row))} |" for row in rows)]) + "\n"


def folders_of(path: Path) -> list[Path]:
    """Model folders that a path names: its own, or those of a project.

    Raises
    ------
    CellsegError
        When it is neither.
    """
    if (path / "project.toml").is_file():
        with Project.open(path) as project:
            return [project.models_folder / card.id for card in project.models()]
    if (path / "card.json").is_file():
        return [path]
    raise CellsegError(f"{path} is neither a project nor a model folder.", "Give NAME.cellseg, or a folder of models/.")

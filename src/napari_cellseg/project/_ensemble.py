"""Several models as one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import CellsegError
from ._folder import Project
from ._models import EPOCHS, WEIGHTS, network_files, read_card, read_model_config, write_model


@dataclass(frozen=True)
class Epoch:
    """Weights that were kept after an epoch of a training, and how good and how steady it was there.

    Attributes
    ----------
    dice
        Of the foreground on what was held out.
    score
        The mean of `dice` over this epoch and its neighbours, less their standard deviation.
    """

    model: str
    epoch: int
    weights: Path
    dice: float
    score: float


def best_epochs(project: Project, ids: Sequence[str], n: int) -> list[Epoch]:
    """The `n` best of all epochs that some models kept, the best first (Das et al. 2025: by validation and stability).

    Raises
    ------
    CellsegError
        When a model has kept none, or there are fewer.
    """
    found: list[Epoch] = []
    for id in ids:
        paths = sorted((project.model_path(id) / EPOCHS).glob("*.safetensors"))
        if not paths:
            raise CellsegError(
                f"{id} has kept no epochs.",
                "Train with train.epochs=N and train.keep_epochs=true, then make the ensemble.",
            )
        facts = [_facts(path) for path in paths]
        dices = np.array([dice for _, dice in facts])
        for k, (path, (epoch, dice)) in enumerate(zip(paths, facts, strict=True)):
            near = dices[max(0, k - 1) : k + 2]
            found.append(Epoch(id, epoch, path, dice, float(near.mean() - near.std())))
    if len(found) < n:
        raise CellsegError(f"{len(found)} epochs were kept, fewer than {n}.", f"Give --best {len(found)} or less.")
    return sorted(found, key=lambda e: (-e.score, e.model, e.epoch))[:n]


def _facts(path: Path) -> tuple[int, float]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            facts = file.metadata()
        return int(facts["epoch"]), float(facts["dice"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CellsegError(f"The kept epoch {path.name} cannot be read: {error}.", "Remove the file.") from error


def save_ensemble(
    project: Project, ids: Sequence[str], combine: Literal["mean", "vote"] = "mean", epochs: Sequence[Epoch] = ()
) -> str:
    """Make several models one, which predicts by the mean of their probabilities or by majority.

    Its folder holds copies of its members, so that it can be taken elsewhere. Members of an ensemble among `ids` count
    one by one, and so do kept `epochs` (`best_epochs`). Returns the new model's id.

    Raises
    ------
    CellsegError
        When there are fewer than two different models, they do not fit each other, or it cannot be written.
    """
    named = [(project.model_path(i), project.model_card(i)) for i in ids]
    paths = {p.name: p for path, card in named for p in member_paths(path, card.members)}
    files = {name: {f.name: f for f in network_files(path)} for name, path in paths.items()}
    for kept in epochs:
        name = f"{kept.model}-e{kept.epoch:04d}"
        paths[name], files[name] = project.model_path(kept.model), {WEIGHTS: kept.weights}
    if len(paths) < 2:
        raise CellsegError("An ensemble needs two models.", "Name at least two different ones.")
    cards, configs = [read_card(p) for p in paths.values()], [read_model_config(p) for p in paths.values()]
    for config, card in zip(configs[1:], cards[1:], strict=True):
        found, wanted = (
            (c.target.kind, c.model.dimensions, k.in_channels, k.n_classes)
            for c, k in ((config, card), (configs[0], cards[0]))
        )
        if found != wanted:
            raise CellsegError(
                f"{card.id} and {cards[0].id} cannot predict together: target, dimensions, channels or classes differ.",
                "Choose models of the same task.",
            )
    card = replace(
        cards[0], id=project.db.new_model_id(None), parent=None, created=time.time(), members=tuple(paths), metrics={},
        steps=0, seconds=0.0, stopped_by="", edits_until=max(c.edits_until for c in cards),
        images=tuple(sorted({i for c in cards for i in c.images})),
    )  # fmt: skip

    def fill(part: Path) -> None:
        for name, path in paths.items():
            (part / "members" / name).mkdir(parents=True)
            said = {file: path / file for file in ("card.json", "config.toml")}
            for file, source in (said | files[name]).items():
                shutil.copyfile(source, part / "members" / name / file)

    options = configs[0].predict.model_copy(update={"combine": combine})
    write_model(project.models_folder, card, configs[0].model_copy(update={"predict": options}), fill)
    return card.id


def member_paths(path: Path, members: Sequence[str]) -> list[Path]:
    """The folders with weights of a model: its own, or those of its members."""
    return [path / "members" / m for m in members] or [path]

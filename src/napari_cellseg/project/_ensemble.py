"""Several models as one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..errors import CellsegError
from ._folder import Project
from ._models import write_model


def save_ensemble(project: Project, ids: Sequence[str], combine: Literal["mean", "vote"] = "mean") -> str:
    """Make several models one, which predicts by the mean of their probabilities or by majority.

    Its folder holds copies of its members, so that it can be taken elsewhere. Members of an ensemble among `ids` count
    one by one. Returns the new model's id.

    Raises
    ------
    CellsegError
        When there are fewer than two different models, they do not fit each other, or it cannot be written.
    """
    named = [(project.model_path(i), project.model_card(i)) for i in ids]
    paths = {p.name: p for path, card in named for p in member_paths(path, card.members)}
    if len(paths) < 2:
        raise CellsegError("An ensemble needs two models.", "Name at least two different ones.")
    cards, configs = [project.model_card(i) for i in paths], [project.model_config(i) for i in paths]
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
            for file in ("card.json", "config.toml", "weights.safetensors"):
                shutil.copyfile(path / file, part / "members" / name / file)

    options = configs[0].predict.model_copy(update={"combine": combine})
    write_model(project.models_folder, card, configs[0].model_copy(update={"predict": options}), fill)
    return card.id


def member_paths(path: Path, members: Sequence[str]) -> list[Path]:
    """The folders with weights of a model: its own, or those of its members."""
    return [path / "members" / m for m in members] or [path]

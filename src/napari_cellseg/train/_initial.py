"""What a training starts from: the parent or an interrupted run, the configuration that follows, what may be learnt."""

from __future__ import annotations

from typing import NamedTuple

from ..config import Config
from ..data import TrainingSet
from ..errors import CellsegError
from ..models import frozen_network
from ..project import ModelCard, Project
from ._runs import RunFolder, RunRecord

_INHERITED = ("recipe", "target", "model", "object_size")


class Beginning(NamedTuple):
    """All that is decided before a network is built; `folder` only where a training goes on."""

    record: RunRecord
    config: Config
    folder: RunFolder | None
    patches: TrainingSet
    channels: int


def begin(project: Project, config: Config, resume: str | None) -> Beginning:
    """Decide it; nothing is written.

    Raises
    ------
    CellsegError
        When the configuration does not fit the project, there is nothing to learn from or nothing to resume.
    """
    folder = None
    if resume is not None:
        folder, record, config = RunFolder.open(project, resume)
    else:
        parent, learnt = None if config.train.from_scratch else project.current_model, 0
        if parent is not None:
            card = project.model_card(parent)
            _refuse_ensemble(card)
            if reason := frozen_network(project.model_path(parent)):
                raise CellsegError(
                    reason, "Train a new network beside it (train.from_scratch=true), or start from the model it was."
                )
            config, learnt = _inherit(config, project.model_config(parent)), card.edits_until
        record = RunRecord("", parent, learnt, project.db.last_edit())
    _refuse_target(project, config)
    patches = TrainingSet(project, config, record.edits_until)
    classes, dimensions = len(project.classes), config.model.dimensions
    config.loss.check(config.target.probabilities(classes, dimensions))
    channels = config.target.channels(classes, dimensions)
    return Beginning(record, config, folder, patches, channels)


def _inherit(config: Config, parent: Config) -> Config:
    """A child keeps what its weights depend on: recipe, target, network, and the size of objects in its eyes."""
    return config.model_copy(update={name: getattr(parent, name) for name in _INHERITED})


def _refuse_ensemble(card: ModelCard) -> None:
    if card.members:
        raise CellsegError(
            f"The current model {card.id} is an ensemble of {', '.join(card.members)}, which does not learn.",
            "Make one of its members the current model, or train from scratch (train.from_scratch=true).",
        )


def _refuse_target(project: Project, config: Config) -> None:
    """Objects need a target that tells them apart, classes one that names them."""
    objects = project.task == "instance"
    if config.target.instances != objects:
        has, other = ("objects", "classes") if objects else ("classes", "objects")
        raise CellsegError(
            f"The target {config.target.label()!r} is for {other}, but {project.name} has {has}.",
            "Set target.kind=distance, boundary, flows or rays; trainings of classes need a project of classes."
            if objects
            else "Set target.kind=semantic or, for one class, target.kind=foreground.",
        )
    if config.target.one_class and len(project.classes) > 1:
        raise CellsegError(
            f"The target {config.target.label()!r} is for one class, but {project.name} has {len(project.classes)}.",
            "Set target.kind=semantic, or make a project with one class.",
        )

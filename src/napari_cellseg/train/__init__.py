"""Training: from the known voxels of a project to a new model folder.

Data flow: `data.TrainingSet` says what may be learnt; `Loop` learns, event by event; `RunFolder` keeps configuration,
events and checkpoints, so that a training that was cancelled or killed can go on; at the end the best weights become
``models/<id>``. The generator may be told to stop; it then saves the best weights so far.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..config import Config
from ..data import TrainingSet
from ..events import Event, Notice, Saved, Stopped, TrainStarted
from ..models import load_weights, save_weights
from ..nets.device import Device, choose
from ..project import ModelCard, Project, write_model
from ._initial import Beginning, begin
from ._loop import Loop, best_network
from ._loss_on import loss_on
from ._optimise import rate
from ._runs import RunFolder, RunRecord
from ._show import show_training
from ._teacher import Teacher
from ._trial import TRIED, better_of, is_due

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Loop", "is_first", "loss_on", "rate", "show_training", "train", "versions"]

FIRM = 10
"""With fewer objects to learn from, the parent is remembered less: of a new kind of image it may know nothing."""
RESUMABLE = ("person", "memory", "nan")


def train(
    project: Project, config: Config, stop: Callable[[], bool] = lambda: False, resume: str | None = None
) -> Iterator[Event]:
    """Train a child of the current model (or a first model) on what is corrected and approved.

    Started with ``torchrun``, all its processes train together, and the first one yields the events and saves.

    Parameters
    ----------
    project
        Read only, except for the held-out parts that are fixed on first use and for ``runs`` and ``models``.
    config
        Recipe, target and network are the parent's where there is one. Ignored when resuming.
    stop
        Asked after every step; when it answers True, the best weights so far are saved.
    resume
        Go on with an interrupted training: its id, or "" for the newest.

    Yields
    ------
    Event
        TrainStarted, StepDone, Validated, Notice; perhaps TrialStarted and these again; at last Saved (Stopped, if
        cancelled before the first step).

    Raises
    ------
    CellsegError
        When there is nothing to learn from, or the loss stops being a number (or memory ends) before any weights are
        worth keeping. The parent model is untouched.
    """
    begun = begin(project, config, resume)
    record, config, folder, patches, channels = begun
    first = is_first()
    if first:  # told before the libraries of networks are loaded, which takes seconds
        yield (started := _started(project, record, patches))
    fabric = _fabric(choose(config.precision))
    build = partial(_set_up, project, begun, fabric)
    loop, notice = build(config, record.parent)
    if notice and first:
        yield Notice(notice)
    if folder is not None:
        loop.restore(*folder.load(), patches)
        fabric.barrier()  # all have read it before the first one moves it
    if not first:
        for _ in loop.steps(patches, stop, lambda tensors, progress: None):
            pass
        return
    if folder is not None:
        folder.go_on(started.model, config)
        if project.db.last_edit() != record.last_edit:
            yield Notice("Corrections made since this training began take part from here on.")
    else:
        folder = RunFolder.create(project, replace(record, id=started.model), config)
    folder.note(started)
    begun = begun._replace(record=replace(record, id=started.model))
    yield from _learn(project, begun, folder, loop, stop, lambda config: build(config, None)[0])


def is_first() -> bool:
    """Whether this process tells and saves, of several that torchrun started and that all train."""
    return int(os.environ.get("RANK", "0")) == 0


def _started(project: Project, record: RunRecord, patches: TrainingSet) -> TrainStarted:
    """What is learnt from, and the id that the model will have."""
    known, new = patches.known_voxels()
    # a cancelled training has saved its model; going on makes another
    taken = not record.id or (project.models_folder / record.id).exists()
    id = project.db.new_model_id(record.parent) if taken else record.id
    objects, held = patches.count_objects()
    return TrainStarted(id, record.parent, len(patches.images), known, new, patches.held_out, objects, held)


def _set_up(project: Project, begun: Beginning, fabric: Fabric, config: Config, parent: str | None) -> tuple[Loop, str]:
    """A training before its first step, and what a person should know of its weights."""
    torch.manual_seed(config.train.seed)
    network, notice = config.model.build(begun.patches.n_channels, begun.channels), ""
    if parent is not None:
        load_weights(project.model_path(parent) / "weights.safetensors", network)
    else:
        notice = config.model.pretrain(network)  # when resuming too: it decides what is frozen
    network = choose(config.precision).place(network)
    teacher = None
    if parent is not None and config.train.remember:
        share = config.train.remember * min(1.0, begun.patches.count_objects()[0] / FIRM)
        teacher = Teacher(network, config.target.exclusive, share, fabric)
    peak = config.train.learning_rate * (config.train.child_rate if parent else 1.0)
    return Loop(network, config, peak, fabric, teacher, is_child=parent is not None), notice


def _learn(
    project: Project,
    begun: Beginning,
    folder: RunFolder,
    loop: Loop,
    stop: Callable[[], bool],
    build: Callable[[Config], Loop],
) -> Iterator[Event]:
    """Train, perhaps from new weights too (`build`), noting everything in the run's folder, and save the model."""
    record, patches, whole = begun.record, begun.patches, False
    loop.keep = folder.keep if loop.config.train.keep_epochs else None
    try:
        for event in loop.steps(patches, stop, folder.save):
            folder.note(event)
            yield event
        if not loop.at.step:
            whole = True
            yield Stopped("cancelled before the first step; there is no model")
            return
        config = loop.config  # a trial has another, which is nobody's wish
        if record.parent is not None and is_due(loop, patches, project):
            chosen = yield from better_of(loop, build, patches, folder, stop)
            loop, record = chosen, record if chosen is loop else replace(record, parent=None)
        network, card = best_network(loop), _card(record, loop, patches, len(project.classes))

        def fill(path: Path) -> None:
            save_weights(path / "weights.safetensors", network)
            folder.fill(path)

        write_model(project.models_folder, card, config, fill)
        whole = bool(loop.trial) or loop.stopped_by not in RESUMABLE
    finally:
        folder.close(whole)
    yield Saved(record.id, loop.at.best_step, loop.at.elapsed, loop.stopped_by)


def versions() -> dict[str, str]:
    """What a result may depend on."""
    names = ("napari-cellseg", "torch", "lightning-fabric", "segmentation-models-pytorch", "numpy", "scikit-image")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def _fabric(device: Device) -> Fabric:
    """One device, or as many processes as torchrun started."""
    from lightning_fabric import Fabric

    together = int(os.environ.get("WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=device.torch.type,
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=max(1, together // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))),
        strategy="ddp_find_unused_parameters_true" if together > 1 else "auto",
        precision="bf16-mixed" if device.bfloat16 else "16-mixed" if device.float16 else "32-true",
    )
    fabric.launch()
    return fabric


def _card(record: RunRecord, loop: Loop, patches: TrainingSet, n_classes: int) -> ModelCard:
    """Where the model came from."""
    config = loop.config
    return ModelCard(
        id=record.id,
        parent=record.parent,
        created=time.time(),
        in_channels=patches.n_channels,
        out_channels=config.target.channels(n_classes, config.model.dimensions),
        n_classes=n_classes,
        edits_until=record.last_edit,
        images=patches.images,
        seed=config.train.seed,
        steps=loop.at.best_step,
        seconds=round(loop.at.elapsed, 2),
        stopped_by=loop.stopped_by,
        metrics=_origin(loop),
        versions=versions(),
    )


def _origin(loop: Loop) -> dict[str, Any]:
    """What the weights were chosen from."""
    found: dict[str, Any] = {"share of the parent": loop.at.blend} if loop.at.blend else {}
    return found | ({TRIED: loop.trial} if loop.trial else {})

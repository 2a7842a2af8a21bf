"""Training: a short loop over the known voxels of a project that ends with a new model folder.

Data flow: `data.TrainingSet` gives batches; the optimiser steps; a running average of the weights is what gets
validated and saved. The generator yields events and may be told to stop; it then saves the best weights so far.
"""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

from .config import Config
from .data import Batch, TrainingSet
from .errors import CellsegError
from .events import Event, Notice, Saved, StepDone, TrainStarted, Validated, describe
from .models import load_weights, save_weights
from .nets.device import Device, choose
from .project import ModelCard, Project, write_model

WARM_UP_STEPS = 20


def train(project: Project, config: Config, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Train a child of the current model (or a first model) on what is corrected and approved.

    Parameters
    ----------
    project
        Read only, except for the held-out parts that are fixed on first use.
    config
        Recipe, target and network are the parent's where there is one.
    stop
        Asked after every step; when it answers True, the best weights so far are saved.

    Yields
    ------
    Event
        TrainStarted, StepDone, Validated, Notice, and at last Saved.

    Raises
    ------
    CellsegError
        When there is nothing to learn from, or the loss stops being a number before any weights are worth
        keeping. The parent model is untouched.
    """
    parent = None if config.train.from_scratch else project.current_model
    if parent is not None:
        config = inherit(config, project.model_config(parent))
    edits_until = project.model_card(parent).edits_until if parent else 0
    last_edit = project.db.last_edit()
    device = choose(config.precision)
    torch.manual_seed(config.train.seed)
    patches = TrainingSet(project, config, edits_until)
    out_channels = config.target.channels(len(project.classes))
    network = config.model.build(patches.n_channels, out_channels)
    if parent is not None:
        load_weights(project.model_path(parent) / "weights.safetensors", network)
    elif notice := config.model.pretrain(network):
        yield Notice(notice)
    id = project.db.new_model_id(parent)
    known, new = patches.known_voxels()
    history: list[Event] = [TrainStarted(id, parent, patches.n_images, known, new, patches.held_out)]
    yield history[0]
    run = Run(network, config, device, config.train.learning_rate * (config.train.child_rate if parent else 1.0))
    for event in run.steps(patches, stop):
        history.append(event)
        yield event
    card = run.card(id, parent, patches, (len(project.classes), last_edit))
    lines = [json.dumps(describe(e)) for e in history]
    write_model(project.models_folder, card, config, lambda path: save_weights(path, run.best), lines)
    yield Saved(id, run.best_step, run.elapsed, run.stopped_by)


def inherit(config: Config, parent: Config) -> Config:
    """A child keeps what its weights depend on: recipe, target and network."""
    return config.model_copy(update={"recipe": parent.recipe, "target": parent.target, "model": parent.model})


def versions() -> dict[str, str]:
    """What a result may depend on."""
    names = ("napari-cellseg", "torch", "segmentation-models-pytorch", "numpy", "scikit-image")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


@dataclass
class Run:
    """One training: network, running average, the best so far."""

    network: nn.Module
    config: Config
    device: Device
    peak_rate: float
    best_step: int = 0
    best_loss: float = math.inf
    elapsed: float = 0.0
    stopped_by: str = "time"
    average: nn.Module = field(init=False)
    best: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.network = self.device.place(self.network)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.best = copy.deepcopy(self.average)
        self.loss = self.config.loss.build(exclusive=self.config.target.exclusive)

    def steps(self, patches: TrainingSet, stop: Callable[[], bool]) -> Iterator[Event]:
        """Optimise until time, steps or a person ends it, validating now and then."""
        train = self.config.train
        rng = np.random.default_rng(train.seed)
        validation = list(patches.validation())
        optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay
        )
        start, paused, checked, done = time.monotonic(), 0.0, 0, 0
        for step in range(1, train.steps + 1):
            self.elapsed = time.monotonic() - start - paused
            progress = max(self.elapsed / train.seconds, (step - 1) / train.steps)
            if stop():
                self.stopped_by = "person"
                break
            if progress >= 1:
                break
            loss = self._step(patches.batch(rng), optimiser, rate(step, progress) * self.peak_rate)
            if not math.isfinite(loss):
                yield from self._not_a_number(step)
                break
            done, self.elapsed = step, time.monotonic() - start - paused
            remaining = max(0.0, train.seconds - self.elapsed)
            yield StepDone(step, loss, round(self.elapsed, 3), round(min(remaining, self._left(step)), 3))
            if int(progress * train.checks) > checked:
                checked, before = int(progress * train.checks), time.monotonic()
                yield self._validate(validation, step)
                paused += time.monotonic() - before
        else:
            self.stopped_by = "steps"
        if self.stopped_by != "nan":
            yield self._validate(validation, done)

    def card(self, id: str, parent: str | None, patches: TrainingSet, project: tuple[int, int]) -> ModelCard:
        """Where the model came from; `project` is its number of classes and its newest edit at the start."""
        n_classes, edits_until = project
        return ModelCard(
            id=id,
            parent=parent,
            created=time.time(),
            in_channels=patches.n_channels,
            out_channels=self.config.target.channels(n_classes),
            n_classes=n_classes,
            edits_until=edits_until,
            images=tuple(sorted({p.image for p in patches.planes})),
            seed=self.config.train.seed,
            steps=self.best_step,
            seconds=round(self.elapsed, 2),
            stopped_by=self.stopped_by,
            versions=versions(),
        )

    def _left(self, step: int) -> float:
        return (self.config.train.steps - step) * self.elapsed / max(step, 1)

    def _step(self, batch: Batch, optimiser: torch.optim.Optimizer, learning_rate: float) -> float:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate
        self.network.train()
        place = self.device.torch
        with self.device.autocast():
            output = self.network(batch.pixels.to(place))
        loss: torch.Tensor = self.loss(output, batch.target.to(place), batch.known.to(place))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        value = float(loss.detach())
        if math.isfinite(value):
            optimiser.step()
            self._follow(len(optimiser.state) and int(next(iter(optimiser.state.values()))["step"]))
        return value

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Move the running average, quickly at first."""
        decay = min(self.config.train.averaging, (1 + step) / (10 + step))
        for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)

    @torch.inference_mode()
    def _validate(self, batches: list[Batch], step: int) -> Validated:
        total, weight = 0.0, 0.0
        for batch in batches:
            with self.device.autocast():
                output = self.average(batch.pixels.to(self.device.torch))
            known = batch.known.to(self.device.torch)
            n = float(known.sum())
            total += float(self.loss(output, batch.target.to(self.device.torch), known)) * n
            weight += n
        loss = total / weight if weight else 0.0
        best = loss <= self.best_loss
        if best:
            self.best_loss, self.best_step = loss, step
            self.best.load_state_dict(self.average.state_dict())
        return Validated(step, loss, best)

    def _not_a_number(self, step: int) -> Iterator[Event]:
        self.stopped_by = "nan"
        if self.best_step == 0:
            raise CellsegError(
                f"Training was stopped at step {step}: the loss is not a number any more. No model was saved; "
                "the current model is untouched.",
                "Lower the learning rate (train.learning_rate), and check the images for extreme values.",
            )
        yield Notice(f"The loss stopped being a number at step {step}; the model of step {self.best_step} is kept.")


def rate(step: int, progress: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to 2 %."""
    return min(1.0, step / WARM_UP_STEPS) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))

"""The loop: batch, step, running average, validation, checkpoint; on one processor or several devices.

Data flow: `Loader` -> batch -> network (wrapped by Lightning Fabric: device, precision, several processes) -> loss ->
optimiser -> running average. The average is what is validated, and the best of it is what is saved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..config import Config
from ..data import Batch, Draw, Loader, TrainingSet
from ..errors import CellsegError
from ..events import Event, Notice, StepDone, Validated
from ..nets.device import out_of_memory
from ..nets.thin import ThinInFloat32
from ._figures import Sums
from ._optimise import Average, Freezing, kernels, make_optimiser, rate
from ._teacher import Teacher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BLENDS = (0.25, 0.5)
"""Shares of the parent that are tried."""
Save = Callable[[dict[str, torch.Tensor], dict[str, Any]], None]
Keep = Callable[[int, dict[str, torch.Tensor], Validated], None]
"""Takes the number of an epoch, the weights after it and how they did on what is held out."""


@dataclass
class Progress:
    """How far a training is; with the tensors of a checkpoint, all that is needed to go on.

    Attributes
    ----------
    elapsed
        Seconds of training; validation and saving do not count.
    checked
        Validations that were due so far.
    worse
        Validations since the best one.
    falls
        How often the plateau schedule lowered the rate.
    extended
        How often the training went on after its end, since it was still improving.
    blend
        Share of the parent in the weights that are saved.
    start_dice
        Dice of the foreground on what is held out before the first step, where a trial depends on it.
    """

    step: int = 0
    elapsed: float = 0.0
    checked: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    worse: int = 0
    falls: int = 0
    extended: int = 0
    blend: float = 0.0
    start_dice: float = 1.0


class Loop:
    """One training of one network.

    Parameters
    ----------
    peak
        Learning rate at the top of the schedule.
    teacher
        The parent, where it teaches.
    is_child
        Whether the network has a parent's weights.

    Attributes
    ----------
    keep
        Called after every epoch, where epochs are counted and kept.
    trial
        Where new weights were tried, too: what came of both (see `_trial.TRIED`).
    """

    def __init__(
        self,
        network: nn.Module,
        config: Config,
        peak: float,
        fabric: Fabric,
        teacher: Teacher | None = None,
        *,
        is_child: bool = False,
    ) -> None:
        self.config, self.fabric, self.peak = config, fabric, peak
        self.network, self.teacher = network, teacher
        self.freezing = Freezing(network, config.optimiser)
        self.module, self.optimiser = fabric.setup(network, make_optimiser(network, config))
        self.loss = config.build_loss().to(fabric.device)
        self.average = Average(network, config.train.averaging)
        self.is_child = is_child
        keep = is_child and config.train.blend
        self.parent = {k: v.clone() for k, v in network.state_dict().items()} if keep else {}
        self.best = {name: value.clone() for name, value in self.average.network.state_dict().items()}
        self.at = Progress()
        self.stopped_by = "time"
        self.keep: Keep | None = None
        self.trial: dict[str, float] = {}
        self.epoch = 0  # steps of one, where the training is counted in epochs

    # --- going on where one was ---------------------------------------------------------------------

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that changes, by name."""
        states = {"network": self.network.state_dict(), "average": self.average.network.state_dict(), "best": self.best}
        out = {f"{part}/{name}": value for part, state in states.items() for name, value in state.items()}
        for n, state in self.optimiser.state_dict()["state"].items():
            out |= {f"optimiser/{n}/{name}": torch.as_tensor(value) for name, value in state.items()}
        return out

    def restore(self, tensors: dict[str, torch.Tensor], progress: dict[str, Any], patches: TrainingSet) -> None:
        """Take up a checkpoint."""
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = value
        self.network.load_state_dict(parts["network"])
        self.average.network.load_state_dict(parts["average"])
        self.best = {name: value.to(self.fabric.device) for name, value in parts["best"].items()}
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in parts.get("optimiser", {}).items():
            n, _, name = key.partition("/")
            state.setdefault(int(n), {})[name] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        patches.recall(progress.pop("hard"))
        self.at = Progress(**progress)

    def _state(self, patches: TrainingSet) -> dict[str, Any]:
        return asdict(self.at) | {"hard": [asdict(h) for h in patches.hard]}

    # --- training -----------------------------------------------------------------------------------

    def steps(self, patches: TrainingSet, stop: Callable[[], bool], save: Save) -> Iterator[Event]:
        """Optimise until time, epochs, steps, patience or a person ends it, validating and saving now and then."""
        train = self.config.train
        self.epoch = patches.epoch if train.epochs else 0
        validation = list(patches.validation())
        if self.is_child and train.trial == "auto" and validation and not self.at.step:
            self.at.start_dice = self._sums_on(validation).dice
        clock, saved = time.monotonic() - self.at.elapsed, time.monotonic()
        self.network.train()
        with Loader(patches, self.at.step + 1, self.fabric.global_rank) as loader:
            while not self._ends(stop, bool(validation)):
                step, progress = self.at.step + 1, self._progress()
                draws, batch = loader.take()
                batch = self.teacher.taught(batch) if self.teacher is not None else batch
                loss = self._safe_step(batch, draws, patches, step, progress)
                if not math.isfinite(loss):
                    yield from self._broken(step)
                    break
                self.at.step, self.at.elapsed = step, time.monotonic() - clock
                yield StepDone(step, loss, round(self.at.elapsed, 3), round(self._remaining(), 3))
                due, paused = self._due(progress), time.monotonic()
                if due:
                    yield from self._checked(validation)
                    if self.stopped_by == "nan":
                        break
                if due or time.monotonic() - saved > train.checkpoint:
                    save(self.tensors(), self._state(patches))
                    saved = time.monotonic()
                clock += time.monotonic() - paused
        if self.stopped_by == "person" and self.at.step:
            save(self.tensors(), self._state(patches))  # before a validation that an uninterrupted training has not
        if self.stopped_by not in ("nan", "memory") and self.at.step and not self._epoch_ended():
            yield from self._checked(validation)
        if self.parent and validation and self.at.best_step and self.stopped_by != "nan":
            self._blend(validation)

    def _epoch_ended(self) -> bool:
        return bool(self.epoch) and self.at.step % self.epoch == 0

    def _due(self, progress: float) -> bool:
        """Whether it is time to validate: after every epoch, or after shares of the training."""
        n = self.at.step // self.epoch if self.epoch else int(progress * self.config.train.checks)
        due, self.at.checked = n > self.at.checked, max(n, self.at.checked)
        return due

    def _checked(self, validation: list[Batch]) -> Iterator[Event]:
        """Validate; a loss that is no number ends the training."""
        yield (found := self._validate(validation))
        if self.keep is not None and self._epoch_ended() and math.isfinite(found.loss):
            self.keep(self.at.step // self.epoch, self.average.network.state_dict(), found)
        if not math.isfinite(found.loss):
            self.stopped_by = "nan"
            yield from self._broken(self.at.step)

    def _ends(self, stop: Callable[[], bool], judged: bool) -> bool:
        """Whether it is over; the first process decides for all, and its clock and validations count."""
        if judged and self._progress() >= 1 and self._improves():
            self.at.extended += 1
            self.at.checked = int(self._progress() * self.config.train.checks)
        if self.fabric.world_size > 1:
            self.at = self.fabric.broadcast(self.at)
        reason = ""
        if stop():
            reason = "person"
        elif self.config.optimiser.patience and self.at.worse >= self.config.optimiser.patience:
            reason = "patience"
        elif self._progress() >= 1:
            reason = "steps" if self.epoch or self.at.step >= self.config.train.steps else "time"
        if self.fabric.world_size > 1:
            reason = self.fabric.broadcast(reason)
        self.stopped_by = reason or self.stopped_by
        return bool(reason)

    def _improves(self) -> bool:
        """Whether it is worth going on after the end: the last validation was the best, and steps are left."""
        train, at = self.config.train, self.at
        if self.epoch:
            return False
        return at.extended < train.extend and at.step < train.steps and at.best_step > 0 and at.worse == 0

    def _progress(self) -> float:
        """Share of the training that is over: by the clock, but not before the least number of steps; or by steps.

        Where it is extended, the share falls back by so much, and with it the learning rate rises once more.
        """
        train, at = self.config.train, self.at
        if self.epoch:
            return max(at.step / (train.epochs * self.epoch), at.step / train.steps)
        clock = min(at.elapsed / train.seconds, at.step / train.least) / (1 + 0.5 * at.extended)
        return max(clock, at.step / train.steps)

    def _remaining(self) -> float:
        """Seconds."""
        share = self._progress()
        return self.at.elapsed * (1 / share - 1) if 0 < share < 1 else 0.0

    def _safe_step(self, batch: Batch, draws: list[Draw], patches: TrainingSet, step: int, progress: float) -> float:
        """A step; infinite, and `stopped_by` memory, where it did not fit."""
        self.freezing.apply(progress)
        share = rate(step, progress, self.config.optimiser, self.at.falls)
        try:
            loss, each = self._step(batch, share * self.peak, step)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            self.stopped_by = "memory"
            return math.inf
        if each:
            patches.learnt(step, draws, each)
        if not math.isfinite(loss):
            self.stopped_by = "nan"
        return loss

    def _step(self, batch: Batch, learning_rate: float, step: int) -> tuple[float, list[float]]:
        """One step of the optimiser: the loss, and that of every patch where hard places are looked for."""
        torch.manual_seed(self.config.train.seed * 1_000_003 + step * 101 + self.fabric.global_rank)  # dropout
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        place = self.fabric.device
        target, known = batch.target.to(place), batch.known.to(place)
        with ThinInFloat32():
            output = self.module(batch.pixels.to(place))
        loss: torch.Tensor = self.loss(output, target, known) + self._penalty()
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        sound = self._clip()
        mean = loss.detach()
        if self.fabric.world_size > 1:  # one process's broken loss ends it for all
            mean = torch.as_tensor(self.fabric.all_reduce(mean, reduce_op="mean"))
        value = float(mean)
        if not (math.isfinite(value) and sound):
            return math.nan, []
        self.optimiser.step()
        self.average.follow(step)
        if not self.config.sampling.hard:
            return value, []
        with torch.no_grad():
            patches = zip(output.split(1), target.split(1), known.split(1), strict=True)
            return value, [float(self.loss(*patch)) for patch in patches]

    def _penalty(self) -> torch.Tensor | float:
        """What large convolution kernels cost."""
        share = self.config.optimiser.kernel_l2
        return share * torch.stack([k.square().sum() for k in kernels(self.network)]).sum() if share else 0.0

    def _clip(self) -> bool:
        """Shorten long gradients; whether they are all numbers.

        With a scaled loss (float16) some are not now and then: the step is left out then, and the scale lowered.
        """
        longest = self.config.optimiser.clip or math.inf
        if self.fabric._precision.precision == "16-mixed":
            self.fabric.clip_gradients(self.module, self.optimiser, max_norm=longest, error_if_nonfinite=False)
            return True
        return bool(nn.utils.clip_grad_norm_(self.network.parameters(), longest).isfinite())

    def _blend(self, validation: list[Batch]) -> None:
        """Weights between the parent's and the best ones, where they do better still on the held-out patches.

        Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", CVPR: the mean keeps what the parent
        knew of other images and most of what was learnt.
        """
        best = {name: value.clone() for name, value in self.best.items()}
        for share in BLENDS:
            mixed = {k: v.lerp(self.parent[k], share) if v.is_floating_point() else v for k, v in best.items()}
            self.average.network.load_state_dict(mixed)
            held = self._sums_on(validation)
            if held.mean_loss < self.at.best_loss:
                self.at.best_loss, self.at.blend, self.best = held.mean_loss, share, mixed

    def _validate(self, batches: list[Batch]) -> Validated:
        """The running average on the held-out patches, which decide, and on some that are learnt from."""
        held, learnt = self._sums_on(batches), self._sums_on(batches, learnt=True)
        loss = held.mean_loss
        best = loss <= self.at.best_loss
        self.at.worse = 0 if best else self.at.worse + 1
        if best:
            self.at.best_loss, self.at.best_step = loss, self.at.step
            for name, value in self.average.network.state_dict().items():
                self.best[name].copy_(value)
        elif self.config.optimiser.schedule == "plateau" and self.at.worse % self.config.optimiser.wait == 0:
            self.at.falls += 1
        return Validated(self.at.step, loss, best, held.dice, held.figures(), learnt.figures())

    @torch.inference_mode()
    def _sums_on(self, batches: list[Batch], *, learnt: bool = False) -> Sums:
        """What the running average does on the known voxels that are held out, or on those that are learnt from."""
        sums, place = Sums(), self.fabric.device
        for batch in [b for b in batches if b.learnt == learnt]:
            with self.fabric.autocast(), ThinInFloat32():
                output = self.average.network(batch.pixels.to(place))
            known, target = batch.known.to(place), batch.target.to(place)
            found, truth = (self._foreground(v) for v in (output.float(), target - 0.5))
            sums.add(float(self.loss(output, target, known)), found, truth, known[:, 0] > 0)
        return sums

    def _foreground(self, logits: torch.Tensor) -> torch.Tensor:
        """(N, K, ...) -> (N, ...) bool."""
        return logits.argmax(1) > 0 if self.config.target.exclusive else logits[:, 0] > 0

    def _broken(self, step: int) -> Iterator[Event]:
        """The loss is no number, or memory did not suffice: what was best before is kept."""
        nan = self.stopped_by == "nan"
        what = "the loss is not a number any more" if nan else "the patches do not fit into memory"
        hint = (
            "Lower the learning rate (train.learning_rate), and check the images for extreme values."
            if nan
            else "Lower train.batch or train.patch, or close other programs."
        )
        if self.at.best_step == 0:
            untouched = "No model was saved; the current model is untouched."
            raise CellsegError(f"Training was stopped at step {step}: {what}. {untouched}", hint)
        kept = f"the model of step {self.at.best_step} is kept"
        yield Notice(f"Training was stopped at step {step}: {what}; {kept}. {hint}")


def best_network(loop: Loop) -> nn.Module:
    """The network with the weights that were best on what is held out."""
    network = loop.average.network
    network.load_state_dict(loop.best)
    return network

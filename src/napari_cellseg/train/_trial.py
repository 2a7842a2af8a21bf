"""New weights beside the parent's: where a parent's world is another one, it holds back what could be learnt.

Data flow: the loop that began with the parent has ended -> `is_due` says whether the parent knew what is held out -> if
not, the same training once more, as many steps, from new weights -> whichever has clearly the lower loss is saved.

Of neurites in electron microscopy, the decoder that ships finds the outlines and leaves the insides background,
whatever is done to its rate, its margins or its encoder; new weights learn them from the same ten objects
(docs/benchmarks.md, "Where the base does not help"). Chen et al. 2019 ("Catastrophic forgetting meets negative
transfer", NeurIPS) call it negative transfer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from ..config import Config
from ..data import TrainingSet
from ..errors import CellsegError
from ..events import Event, Notice, TrialStarted
from ..project import Project
from ._loop import Loop
from ._runs import RunFolder

ENOUGH = 0.82
"""With this Dice on what is held out, before it has learnt anything of it, a parent knows such objects; nothing else is
tried then. Seen of the shipped base: 0.69 to 0.80 in neurites and grey bright field, 0.85 to 0.96 in phase contrast,
stained tissue and fluorescence."""
HOPELESS = 1.5
"""With so many times the loss after half of its steps, a trial is given up. Seen there (docs/benchmarks.md): 0.8 to 1.3
in neurites, where new weights won; 1.2 to 2.9 elsewhere."""
CLEARLY = 0.95
"""New weights must have so many times the loss of the others at most: few objects judge, and only themselves. Seen:
0.76 to 0.95 in neurites, where new weights were better on other images, too; 1.09 and more in grey bright field."""
TRIED = "trial of new weights"
"""What a model's card says of it: objects learnt from, least held-out loss from the parent and from new weights."""
WHOLE = ("time", "steps", "patience")
"""Ends of a training after which there is time for a trial; not a cancel, and not full memory."""


def is_due(loop: Loop, patches: TrainingSet, project: Project) -> bool:
    """Whether new weights are tried beside those that began with a parent.

    Where nothing is held out, nothing tells which start is the better one. What was tried is tried again when there is
    twice as much to learn from: in a hard kind of image every round would take twice as long for the same answer.
    """
    train, (objects, held) = loop.config.train, patches.count_objects()
    possible = held and loop.at.best_step and loop.stopped_by in WHOLE and not train.keep_epochs
    if not possible or loop.fabric.world_size > 1:
        return False
    if train.trial != "auto":
        return train.trial == "always"
    tried = max((card.metrics.get(TRIED, {}).get("objects", 0) for card in project.models()), default=0)
    return not train.epochs and loop.at.start_dice < ENOUGH and objects >= 2 * tried


def of_new_weights(config: Config, steps: int) -> Config:
    """The configuration of a trial: as many steps as the training before it, whatever the clock says."""
    values = {"from_scratch": True, "steps": steps, "seconds": 604_800.0, "least": steps, "extend": 0}
    return config.model_copy(update={"train": config.train.model_copy(update=values)})


def better_of(
    first: Loop, build: Callable[[Config], Loop], patches: TrainingSet, folder: RunFolder, stop: Callable[[], bool]
) -> Generator[Event, None, Loop]:
    """Try new weights, too; the generator returns the loop to save.

    A trial is not resumed: cancelled or out of memory, the better one of both so far is taken.
    """
    yield TrialStarted(first.at.start_dice, first.at.step)
    second = build(of_new_weights(first.config, first.at.step))
    folder.begin_trial()
    patches.recall(())  # hard places are those of the network that finds them hard

    def ends() -> bool:
        late = 2 * second.at.step >= first.at.step
        return stop() or (late and HOPELESS * first.at.best_loss < second.at.best_loss < math.inf)

    try:
        for event in second.steps(patches, ends, lambda tensors, progress: None):
            folder.note(event)
            yield event
    except CellsegError as error:  # the first one stands
        yield Notice(f"New weights were tried, without success: {error.message}")
    won = second.at.best_loss < CLEARLY * first.at.best_loss
    folder.end_trial(won)
    old, new = first.at.best_loss, second.at.best_loss
    chosen = second if won else first
    chosen.at.elapsed = first.at.elapsed + second.at.elapsed  # what the model took
    chosen.trial = {"objects": patches.count_objects()[0], "parent": old}
    if math.isfinite(new):
        chosen.trial["new weights"] = new
        yield Notice(_told(won, f"{old:.3f}", f"{new:.3f}"))
    return chosen


def _told(won: bool, old: str, new: str) -> str:
    if won:
        return f"New weights learn these objects better than the model before did (held-out loss {new}, not {old})."
    return f"New weights were tried, too; they are not clearly better (held-out loss {new} against {old})."

"""Training, judging and experiments: the same for the command line, for scripts and for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..config import Config, Values, read_config
from ..engine import Keep, Stop, TrainJob, open_round, run, settle_round
from ..events import Decided, Event, Judged, Saved, Stopped
from ..experiments import Simulation, Study
from ..preprocess import recipe
from ..presets import preset
from ..project import Project, RoundRecord
from ._results import Experiment, Score, Training
from ._work import Work


def config_for(
    project: Project, config: Config | str | Path | None, named: tuple[str, str], settings: Values
) -> Config:
    """The project's configuration, or the given one, with a preset, a recipe (by name, "" none) and settings applied.

    Raises
    ------
    CellsegError
        When a file, a name or a value cannot be used.
    """
    chosen = project.config if config is None else config if isinstance(config, Config) else read_config(config)
    chosen = preset(named[0]).apply(chosen) if named[0] else chosen
    chosen = chosen.model_copy(update={"recipe": recipe(named[1])}) if named[1] else chosen
    return chosen.with_values(settings)


def train_model(project: Project, config: Config, keep: Keep, resume: str | None, stop: Stop) -> Work[Training]:
    """Train a child of the current model, judge both, and decide as `keep` says."""
    open_round(project)
    model: str | None = None
    round_: RoundRecord | None = None
    stopped = False
    for event in run(TrainJob(project.path, config, resume), stop):
        stopped |= isinstance(event, Stopped)
        model = event.model if isinstance(event, Saved) else model
        yield event
        if isinstance(event, Judged):
            round_ = settle_round(project, event, keep)
            yield Decided(event.child, round_.decision, project.current_model or "")
    return Training(model, round_, project.current_model, stopped or stop())


def experiment(
    work: Callable[..., Iterator[Event]], project: Project, plan: Simulation | Study, config: Config,
    kind: type[Score], stop: Stop,
) -> Work[Experiment[Score]]:  # fmt: skip
    """Do an experiment without a person, on scratch projects in a temporary folder; `kind` are its scores."""
    scores: list[Score] = []
    with tempfile.TemporaryDirectory() as folder:
        for event in work(project, plan, config, Path(folder), lambda job: run(job, stop)):
            if isinstance(event, kind):
                scores.append(event)
            yield event
            if stop():
                break
    return Experiment(plan, tuple(scores), stop())


def names(images: str | Sequence[str] | None) -> tuple[str, ...]:
    """One id or several as a tuple; empty where none was named."""
    return () if images is None else (images,) if isinstance(images, str) else tuple(images)

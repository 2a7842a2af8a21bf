"""New weights beside the parent's: tried where the parent's child does not know what is held out, kept where better."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from napari_cellseg.config import Config
from napari_cellseg.engine import JudgeJob, TrainJob, open_round, run
from napari_cellseg.events import Judged, Notice, Saved, StepDone, TrialStarted
from napari_cellseg.models import read_weights
from napari_cellseg.project import Project, unfinished_runs
from napari_cellseg.train import _loop, _trial, train

from .conftest import train_once
from .test_train import approve_a_field


@pytest.fixture
def started(project, picture, small_config):
    """A project with a model that hardly learnt anything."""
    approve_a_field(project, picture[1])
    train_once(project, small_config.with_values(["train.steps=2"]))
    open_round(project)
    return project


def weigh_losses(monkeypatch, factor) -> None:
    """Losses on what is held out are told so many times as high as they are; `factor` of the loop."""
    true = _loop.Loop._sums_on

    def sums_on(loop, batches, **which):
        sums = true(loop, batches, **which)
        sums.loss *= factor(loop)
        return sums

    monkeypatch.setattr(_loop.Loop, "_sums_on", sums_on)


def tried(project: Project, config: Config, *values: str) -> list:
    return list(run(TrainJob(project.path, config.with_values(["train.steps=12", "train.trial=auto", *values]))))


def test_a_weak_child_gets_a_rival_of_as_many_steps(started, small_config, monkeypatch):
    monkeypatch.setattr(_trial, "HOPELESS", math.inf)
    events = tried(started, small_config)
    at = next(n for n, e in enumerate(events) if isinstance(e, TrialStarted))
    first, second = events[:at], events[at + 1 :]
    assert events[at].steps == 12
    assert events[at].dice < _trial.ENOUGH
    for part in (first, second):
        assert [e.step for e in part if isinstance(e, StepDone)] == list(range(1, 13))
    (saved,) = (e for e in events if isinstance(e, Saved))
    spent = [[e.elapsed for e in part if isinstance(e, StepDone)][-1] for part in (first, second)]
    assert saved.seconds == pytest.approx(sum(spent), abs=0.01)
    judged = events[-1]
    assert isinstance(judged, Judged)
    assert judged.parent == started.current_model  # whoever began it, it is judged against what is used
    card = started.model_card(judged.child)
    found = card.metrics[_trial.TRIED]
    assert found["objects"] == events[0].objects
    assert (card.parent is None) == (found["new weights"] < found["parent"])
    assert not unfinished_runs(started.runs_folder)


@pytest.mark.parametrize("better", ["parent", "new weights"])
def test_the_better_one_on_what_is_held_out_is_saved(started, small_config, monkeypatch, better):
    """Losses are told as they are, but for the side that is to lose, whose are ten times as high."""
    weigh_losses(monkeypatch, lambda loop: 1 if loop.config.train.from_scratch == (better == "new weights") else 10)
    monkeypatch.setattr(_trial, "HOPELESS", math.inf)
    parent = started.current_model
    events = tried(started, small_config, "train.checks=4")
    judged = next(e for e in events if isinstance(e, Judged))
    card, config = started.model_card(judged.child), started.model_config(judged.child)
    assert card.parent == (parent if better == "parent" else None)
    assert not config.train.from_scratch  # the person asked for nothing of the kind, nor should the next training
    assert config.train.steps == 12
    noted = [json.loads(line) for line in (started.model_path(judged.child) / "events.jsonl").read_text().splitlines()]
    assert [e["event"] for e in noted].count("TrainStarted") == 1
    assert [e["step"] for e in noted if e["event"] == "StepDone"] == list(range(1, 13))  # of one of them only
    held = [e["loss"] for e in noted if e["event"] == "Validated"]
    assert min(held) == pytest.approx(card.metrics[_trial.TRIED][better], rel=0.2)
    told = next(e.text for e in events if isinstance(e, Notice) and "New weights" in e.text)
    assert ("do no better" in told) == (better == "parent")


def test_the_parents_child_is_the_same_whether_new_weights_were_tried_or_not(started, small_config, monkeypatch):
    alone = next(e for e in tried(started, small_config, "train.trial=never") if isinstance(e, Saved))
    weigh_losses(monkeypatch, lambda loop: math.inf if loop.config.train.from_scratch else 1)
    beside = next(e for e in tried(started, small_config) if isinstance(e, Saved))
    one, other = (read_weights(started.model_path(e.model) / "weights.safetensors") for e in (alone, beside))
    assert all(np.array_equal(one[name].numpy(), other[name].numpy()) for name in one)


@pytest.mark.parametrize("values", [("train.trial=never",), ("train.from_scratch=true",), ("train.epochs=1",)])
def test_where_nothing_is_tried(started, small_config, values):
    assert not any(isinstance(e, TrialStarted) for e in tried(started, small_config, *values))


def test_a_child_that_knows_its_objects_needs_no_rival(started, small_config, monkeypatch):
    monkeypatch.setattr(_trial, "ENOUGH", 0.0)
    assert not any(isinstance(e, TrialStarted) for e in tried(started, small_config))
    assert any(isinstance(e, TrialStarted) for e in tried(started, small_config, "train.trial=always"))


def test_a_hopeless_trial_is_given_up_half_way(started, small_config, monkeypatch):
    weigh_losses(monkeypatch, lambda loop: 100 if loop.config.train.from_scratch else 1)
    events = tried(started, small_config, "train.checks=6")
    at = next(n for n, e in enumerate(events) if isinstance(e, TrialStarted))
    assert 6 <= max(e.step for e in events[at:] if isinstance(e, StepDone)) < 12
    saved = next(e for e in events if isinstance(e, Saved))
    assert started.model_card(saved.model).parent == started.current_model


def test_a_trial_is_repeated_when_there_is_twice_as_much_to_learn(started, picture, small_config):
    parent = started.current_model
    assert any(isinstance(e, TrialStarted) for e in tried(started, small_config))
    assert started.current_model == parent  # rolled back, or not decided: it was tried nevertheless
    assert not any(isinstance(e, TrialStarted) for e in tried(started, small_config))
    approve_a_field(started, picture[1], (slice(0, 128), slice(0, 160)))
    more = tried(started, small_config)
    first = next(c for c in started.models() if _trial.TRIED in c.metrics)
    enough = more[0].objects >= 2 * first.metrics[_trial.TRIED]["objects"]
    assert any(isinstance(e, TrialStarted) for e in more) == enough


def test_nothing_is_tried_where_nothing_is_held_out(project, picture, small_config):
    approve_a_field(project, picture[1])
    first = list(train(project, small_config.with_values(["train.steps=2"])))[-1]
    project.db.put_setting("current_model", first.model)
    events = list(train(project, small_config.with_values(["train.steps=4", "train.trial=always"])))
    assert events[0].parent == first.model
    assert events[0].held_objects == 0
    assert not any(isinstance(e, TrialStarted) for e in events)


def test_cancelled_during_the_trial_the_better_one_so_far_is_saved(started, small_config):
    trying = False

    def stop() -> bool:
        return trying

    events = []
    for event in train(started, small_config.with_values(["train.steps=12", "train.trial=auto"]), stop):
        trying = trying or isinstance(event, TrialStarted)
        events.append(event)
    assert isinstance(events[-1], Saved)
    card = started.model_card(events[-1].model)
    assert card.parent == started.current_model  # new weights made no step
    assert not unfinished_runs(started.runs_folder)


def test_a_trial_without_success_leaves_what_was_learnt(started, small_config, monkeypatch):
    """The loss of new weights is no number: that is said, and the first one stands."""
    true = _loop.Loop._step

    def step(loop, batch, learning_rate, number):
        value = true(loop, batch, learning_rate, number)
        return (math.nan, []) if loop.config.train.from_scratch else value

    monkeypatch.setattr(_loop.Loop, "_step", step)
    events = tried(started, small_config)
    assert any(isinstance(e, Notice) and "without success" in e.text for e in events)
    saved = next(e for e in events if isinstance(e, Saved))
    assert started.model_card(saved.model).parent == started.current_model


def test_a_model_of_new_weights_without_a_round_is_judged_against_what_is_used(started, small_config):
    """The window died between saving and judging."""
    parent = started.current_model
    saved = list(train(started, small_config.with_values(["train.steps=6", "train.from_scratch=true"])))[-1]
    judged = next(e for e in run(JudgeJob(started.path, saved.model)) if isinstance(e, Judged))
    assert judged.parent == parent

"""Curves of a training: figures on what is held out and on what is learnt from; tables, TensorBoard, plot."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.data import TrainingSet
from napari_cellseg.engine import open_round
from napari_cellseg.evaluation import rates
from napari_cellseg.events import Saved, Validated
from napari_cellseg.train import train
from napari_cellseg.train._figures import FIGURES, Sums
from napari_cellseg.train._runs import write_curves

STEPS = ["train.steps=12", "train.checks=3", "train.patch=32", "train.batch=2", "train.seconds=600", "train.extend=0"]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_figures_are_those_of_evaluate(pixels):
    found, truth, known = (torch.tensor([[row[k] for row in pixels]])[:, None] for k in range(3))
    sums = Sums()
    sums.add(0.5, found, truth, known)
    both, either = found & truth & known, (found | truth) & known
    counts = {"tp": float(both.sum()), "fp": float((found & ~truth & known).sum()),
              "fn": float((truth & ~found & known).sum())}  # fmt: skip
    if not known.any():
        assert sums.figures() == {}
        return
    figures, expected = sums.figures(), rates(counts)
    assert tuple(figures) == FIGURES
    for mine, theirs in (("iou", "iou"), ("f1", "dice"), ("precision", "precision"), ("recall", "recall")):
        assert figures[mine] == pytest.approx(expected[theirs])
    right = float(((found == truth) & known).sum())
    assert figures["accuracy"] == pytest.approx(right / float(known.sum()))
    assert figures["loss"] == 0.5
    assert either.sum() >= both.sum()


@pytest.fixture
def known(project, picture, small_config):
    project.approve_labels("cells", picture[1])
    open_round(project)
    return project, small_config.with_values(STEPS)


def test_some_patches_that_are_learnt_from_are_validated_on_too(known):
    project, config = known
    batches = list(TrainingSet(project, config).validation())
    held, learnt = [b for b in batches if not b.learnt], [b for b in batches if b.learnt]
    assert held
    assert 0 < len(learnt) <= min(8, len(held))
    assert batches == [*held, *learnt]
    assert all(b.known.any() for b in learnt)
    assert all(b.pixels.shape == held[0].pixels.shape for b in learnt)
    again = [b for b in TrainingSet(project, config).validation() if b.learnt]
    assert all(torch.equal(a.pixels, b.pixels) and torch.equal(a.known, b.known)
               for a, b in zip(learnt, again, strict=True))  # fmt: skip


def test_the_table_has_all_figures_of_every_epoch(known):
    project, config = known
    events = list(train(project, config))
    checks = [e for e in events if isinstance(e, Validated)]
    folder = project.model_path(next(e.model for e in events if isinstance(e, Saved)))
    rows = list(csv.DictReader((folder / "curves.csv").open()))
    epochs = [r for r in rows if r["epoch"]]
    assert [int(r["step"]) for r in epochs] == [e.step for e in checks]
    assert [int(r["epoch"]) for r in epochs] == list(range(1, len(checks) + 1))
    assert len(checks) >= 3
    for row, event in zip(epochs, checks, strict=True):
        assert float(row["held_out_loss"]) == event.loss
        assert event.held_out["f1"] == pytest.approx(event.dice)
        for name in FIGURES:
            assert float(row[f"held_out_{name}"]) == event.held_out[name]
            assert float(row[f"training_{name}"]) == event.training[name]
    steps = [r for r in rows if not r["epoch"]]
    assert len(steps) == 12
    assert all(r["training_loss"] and not r["held_out_loss"] for r in steps)


def test_what_an_older_version_noted_is_still_a_table(tmp_path):
    events = [{"event": "StepDone", "step": 1, "loss": 0.5}, {"event": "Validated", "step": 1, "loss": 0.4}]
    write_curves(tmp_path / "c.csv", events)
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert rows[0]["training_loss"] == "0.5"
    assert rows[1]["epoch"] == "1"
    assert rows[1]["held_out_loss"] == "0.4"


def test_tensorboard_has_them_too(known):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    project, config = known
    events = list(train(project, config.with_values(["train.tensorboard=true"])))
    folder = project.model_path(next(e.model for e in events if isinstance(e, Saved)))
    board = EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    for name in FIGURES:
        assert f"{name}/held out" in board.Tags()["scalars"]
    assert len(board.Scalars("loss/held out")) == sum(isinstance(e, Validated) for e in events)
    shown = [round(e.value, 5) for e in board.Scalars("f1/learnt patches")]
    assert shown == pytest.approx([e.training["f1"] for e in events if isinstance(e, Validated)], abs=1e-4)
    noted = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert next(e for e in noted if e["event"] == "Validated")["training"].keys() == set(FIGURES)


def test_looking_at_what_is_learnt_changes_no_training(known, monkeypatch):
    from napari_cellseg.models import read_weights

    project, config = known
    weights = []
    for seen in (8, 0):
        monkeypatch.setattr("napari_cellseg.data._sampling.SEEN", seen)
        project.db.put_setting("current_model", "")
        model = list(train(project, config))[-1].model
        weights.append(read_weights(project.model_path(model) / "weights.safetensors"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert np.isfinite([float(v.float().sum()) for v in weights[0].values()]).all()

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.engine import DecodeJob, Engine, PlanJob, PredictJob, TrainJob, run
from napari_cellseg.engine._pulse import PATIENCE_S, Pulse
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import (
    Event,
    Failed,
    Finished,
    Judged,
    Predicted,
    Ready,
    RoundScored,
    Saved,
    StepDone,
    TileDone,
    describe,
)
from napari_cellseg.experiments import Simulation, simulate
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .conftest import SMALL


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained project that a test may change."""
    shutil.copytree(trained.parent, tmp_path / "own")
    return tmp_path / "own" / trained.name


def wait(engine: Engine, until: Callable[[Event], bool], seconds: float = 1200) -> list[Event]:
    events: list[Event] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for reply in engine.poll():
            events.append(reply.event)
            if until(reply.event):
                return events
        time.sleep(0.01)
    raise AssertionError(f"not in {seconds} s; got {[describe(e) for e in events][-5:]}")


def until(come: Callable[[], bool], seconds: float = 1200) -> None:
    """Wait for an event; the limit only ends a test that would wait for ever."""
    end = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < end, f"not in {seconds} s"
        time.sleep(0.05)


def finished(event: Event) -> bool:
    return isinstance(event, Finished)


def test_the_child_predicts_as_this_process_does(engine, own):
    job = PredictJob(own, ("cells1",), ("v1",))
    engine.submit(job)
    events = wait(engine, finished)
    assert isinstance(events[0], Ready)
    there = next(e.labels for e in events if isinstance(e, Predicted))
    here = next(e.labels for e in run(job) if isinstance(e, Predicted))
    np.testing.assert_array_equal(there, here)
    assert "torch" not in engine.__class__.__module__
    assert not engine.busy


def test_cancelling_a_training_keeps_a_model(engine, own):
    with Project.open(own) as project:
        config = project.config.with_values([*SMALL, "train.steps=100000", "train.seconds=500"])
    number = engine.submit(TrainJob(own, config))
    wait(engine, lambda e: isinstance(e, StepDone) and e.step >= 3)
    engine.cancel(number)
    events = wait(engine, finished)
    saved = next(e for e in events if isinstance(e, Saved))
    assert saved.stopped_by == "person"
    with Project.open(own) as project:
        assert project.model_path(saved.model).is_dir()


def test_a_persons_mistake_comes_back_with_a_hint_and_the_child_lives(engine, own):
    engine.submit(PredictJob(own, ("nobody",), ("v1",)))
    events = wait(engine, finished)
    failed = next(e for e in events if isinstance(e, Failed))
    assert "nobody" in failed.message
    assert failed.hint
    pid = engine.pid
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    wait(engine, lambda e: isinstance(e, Predicted))
    assert engine.pid == pid


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_child_costs_a_message_and_the_next_job_works(engine, own):
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    wait(engine, finished)
    with Project.open(own) as project:
        config = project.config.with_values([*SMALL, "train.steps=100000", "train.seconds=500"])
    engine.submit(TrainJob(own, config))
    wait(engine, lambda e: isinstance(e, StepDone))
    os.kill(engine.pid, signal.SIGKILL)
    events = wait(engine, finished)
    failed = next(e for e in events if isinstance(e, Failed))
    assert "stopped unexpectedly" in failed.message
    assert not engine.busy
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    assert any(isinstance(e, Predicted) for e in wait(engine, finished))
    with Project.open(own) as project:
        assert [m.id for m in project.models()] == ["v1"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stopped_child_is_noticed_blocks_nobody_and_can_be_replaced(engine, project):
    engine.start()
    wait(engine, lambda e: isinstance(e, Ready))
    assert engine.answers
    stopped = engine.pid
    os.kill(stopped, signal.SIGSTOP)
    number = engine.submit(PredictJob(project.path, ("cells",), ("v1",)))
    for _ in range(5000):  # many times what a pipe holds
        engine.look(number, (1.0, 2.0))
    until(lambda: not engine.answers)
    engine.replace()
    events = wait(engine, finished)
    assert any(isinstance(e, Failed) and "started again" in e.message for e in events)
    assert engine.answers
    engine.submit(PredictJob(project.path, ("cells",), ("v1",)))
    assert any(isinstance(e, Failed) and "no model" in e.message for e in wait(engine, finished))
    assert engine.pid != stopped


def test_what_is_asked_while_a_child_is_replaced_is_done_by_the_next(engine, project):
    engine.start()
    wait(engine, lambda e: isinstance(e, Ready))
    engine.replace()
    assert engine.ready is None
    engine.submit(PredictJob(project.path, ("cells",), ("v1",)))
    failed = [e for e in wait(engine, finished) if isinstance(e, Failed)]
    assert [e for e in failed if "no model" in e.message] == failed
    assert not engine.busy


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stopped_child_does_not_hold_up_the_end(engine):
    engine.start()
    wait(engine, lambda e: isinstance(e, Ready))
    process = engine._process
    os.kill(process.pid, signal.SIGSTOP)
    until(lambda: not engine.answers)
    engine.close()
    assert process.returncode == -signal.SIGKILL


def test_long_native_code_is_no_silence():
    now, spent = 0.0, 0.0
    pulse = Pulse(1, lambda: now, lambda pid: spent)
    pulse.beat()
    for _ in range(60):  # a minute without a beat, computing
        now, spent = now + 1, spent + 0.3
        assert pulse.regular
    for _ in range(int(PATIENCE_S) - 1):  # computing no more
        now += 1
        assert pulse.regular
    now += 1
    assert not pulse.regular
    pulse.beat()
    assert pulse.regular


def test_a_child_that_only_waits_goes_on_beating(engine):
    engine.start()
    wait(engine, lambda e: isinstance(e, Ready))
    until(lambda: not engine.poll())
    before = engine._pulse._heard
    until(lambda: engine._pulse._heard > before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_child_leaves_when_its_parent_is_gone(engine):
    engine.start()
    wait(engine, lambda e: isinstance(e, Ready))
    pid, process = engine.pid, engine._process
    process.stdin.close()
    assert process.wait(600) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_simulate_improves_and_counts(tmp_path):
    with Project.create(tmp_path / "p") as project:
        for seed in range(6):
            image, labels = synthetic_cells((96, 96), 8, radius=10, seed=seed)
            np.save(tmp_path / f"c{seed}.npy", image)
            split = "test" if seed > 3 else "val" if seed == 3 else "train"
            project.add_image(tmp_path / f"c{seed}.npy", labels=labels, split=split)
        before = {p: p.stat().st_mtime_ns for p in project.path.rglob("*.zarr")}
        config = project.config.with_values([*SMALL, "train.steps=40"])
        plan = Simulation(rounds=2, objects=12, seconds=60, order="worst", start="none")
        scores = [e for e in simulate(project, plan, config, tmp_path / "s", run) if isinstance(e, RoundScored)]
        assert before == {p: p.stat().st_mtime_ns for p in project.path.rglob("*.zarr")}
    assert [s.name for s in scores] == ["Otsu + watershed", "random forest", "round 1", "round 2"]
    assert 0 < scores[2].objects <= scores[3].objects
    assert scores[3].objects <= scores[2].objects + 12
    assert scores[3].metrics["images"] == 2
    assert scores[3].metrics["iou"] > 0.3


def test_simulate_begins_with_the_base_model_and_never_ends_below_it(tmp_path):
    with Project.create(tmp_path / "p") as project:
        for seed in range(4):
            image, labels = synthetic_cells((96, 96), 8, radius=10, seed=seed)
            np.save(tmp_path / f"c{seed}.npy", image)
            project.add_image(tmp_path / f"c{seed}.npy", labels=labels, split="test" if seed > 2 else "train")
        config = project.config.with_values(
            ["train.steps=2", "train.patch=64", "train.batch=2", "train.learning_rate=0.5"]
        )
        plan = Simulation(rounds=1, objects=12, seconds=60, baselines=False)
        events = list(simulate(project, plan, config, tmp_path / "s", run))
    scores = [e for e in events if isinstance(e, RoundScored)]
    assert [s.name for s in scores] == ["round 0", "round 1"]
    assert scores[0].metrics["iou"] > 0.7
    (judged,) = [e for e in events if isinstance(e, Judged)]
    assert judged.parent == "cells"
    assert not judged.better  # two steps of so high a rate have spoilt the network
    assert scores[1].metrics == scores[0].metrics


def test_simulate_needs_truth(project, tmp_path):
    with pytest.raises(CellsegError, match="both are needed"):
        list(simulate(project, Simulation(), project.config, tmp_path / "s", run))


def test_the_child_plans_and_decodes_again(engine, own):
    from napari_cellseg.events import Decoded, Planned

    engine.submit(PlanJob(own, "cells1", ("v1",)))
    (planned,) = [e for e in wait(engine, finished) if isinstance(e, Planned)]
    assert planned.tiles == 1
    assert planned.seconds > 0
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    (predicted,) = [e for e in wait(engine, finished) if isinstance(e, Predicted)]
    with Project.open(own) as project:
        target = project.model_config("v1").target
    engine.submit(DecodeJob(own, "cells1", ("v1",), target))
    (again,) = [e for e in wait(engine, finished) if isinstance(e, Predicted)]
    np.testing.assert_array_equal(again.labels, predicted.labels)
    engine.submit(DecodeJob(own, "cells1", ("v1",), target, ((10, 40), (20, 60))))
    (part,) = [e for e in wait(engine, finished) if isinstance(e, Decoded)]
    assert part.labels.shape == (30, 40)
    engine.submit(DecodeJob(own, "cells2", ("v1",), target))
    assert any(isinstance(e, Failed) and "No probabilities" in e.message for e in wait(engine, finished))


def test_looking_elsewhere_reaches_a_running_prediction(engine, own):
    from napari_cellseg.config import Predict

    number = engine.submit(PredictJob(own, ("cells1",), ("v1",), Predict(tile=64, overlap=32), centre=(0.0, 0.0)))
    engine.look(number, (95.0, 127.0))
    tiles = [e for e in wait(engine, finished) if isinstance(e, TileDone) and e.done]
    assert len(tiles) > 1
    assert tiles[0].box[0][1] == 96
    assert tiles[0].box[1][1] == 128

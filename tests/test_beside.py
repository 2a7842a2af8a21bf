"""Networks in two threads: following one with torch.fx changes every module of the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from napari_cellseg.engine import _child
from napari_cellseg.engine._jobs import PlanJob
from napari_cellseg.kernels.threads import NETWORKS
from napari_cellseg.nets.device import fused

LIMIT_S = 60.0


class Slow(nn.Module):
    """Stands still in the middle of being followed; a copy of it is, so the events are the class's."""

    reached, go = threading.Event(), threading.Event()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.reached.set()
        assert self.go.wait(LIMIT_S)
        return x * 2


@pytest.fixture
def followed() -> Iterator[type[Slow]]:
    """A network that another thread is just fusing."""
    Slow.reached, Slow.go = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: fused(nn.Sequential(nn.Sequential(Slow())).eval()))
    thread.start()
    assert Slow.reached.wait(LIMIT_S)
    yield Slow
    Slow.go.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def test_without_the_lock_another_network_fails(followed):
    with pytest.raises(NameError, match="not installed as a submodule"):
        nn.Linear(2, 2)(torch.zeros(1, 2))


def test_who_holds_the_lock_runs_networks_afterwards(followed):
    found: list[torch.Tensor] = []

    def run() -> None:
        with NETWORKS:
            found.append(nn.Linear(2, 2)(torch.zeros(1, 2)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert not found
    followed.go.set()
    thread.join(LIMIT_S)
    assert found[0].shape == (1, 2)


def test_a_job_of_the_child_waits_until_a_network_has_been_followed(followed):
    sent: list[object] = []
    job = PlanJob(Path("there is no such project"), "a", ("v1",))
    thread = threading.Thread(target=lambda: _child._serve(1, job, set(), {}, sent.append), daemon=True)
    thread.start()
    thread.join(0.2)
    assert not sent
    followed.go.set()
    thread.join(LIMIT_S)
    assert [type(event).__name__ for event in sent] == ["Failed", "Finished"]
    assert "no such project" in sent[0].message, "a person's mistake, not a bug"


def test_a_thread_that_holds_the_lock_may_fuse_itself():
    with NETWORKS:
        network = fused(nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))).eval())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


@pytest.mark.parametrize("ready", [True, False], ids=["base model is exported", "torch predicts"])
def test_a_first_prediction_is_not_disturbed_by_what_it_does_not_need(monkeypatch, ready):
    done: queue.Queue[str] = queue.Queue()
    for name in ("_compile_loops", "_load_torch", "_load_networks", "_load_training", "_export_base"):
        monkeypatch.setattr(_child, name, partial(done.put, name))
    monkeypatch.setattr(_child, "_read_base", lambda: "base" if ready else None)
    monkeypatch.setattr(_child, "LATER_S", LIMIT_S)
    resting, asked = threading.Event(), threading.Event()
    resting.set()
    thread = threading.Thread(target=_child._prepare, args=(resting, asked), daemon=True)
    thread.start()
    assert done.get(timeout=LIMIT_S) == "_compile_loops"
    if ready:
        with pytest.raises(queue.Empty):
            done.get(timeout=0.2)
        asked.set()
    thread.join(LIMIT_S)
    assert [done.get_nowait() for _ in range(4)] == ["_load_torch", "_load_networks", "_load_training", "_export_base"]

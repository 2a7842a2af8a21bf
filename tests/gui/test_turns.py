"""Work in steps: what comes between, what ends them, and what is left of pictures that were not added after all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.errors import CellsegError
from napari_cellseg.gui.app import additions, bring_in
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.gui.app.turns import BETWEEN_MS, Steps, Turns
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project

from .waiting import settle, spin


def three(done: list[int]) -> Steps[None]:
    for n in range(3):
        done.append(n)
        yield None
    done.append(3)


def test_without_a_clock_everything_is_done_at_once():
    turns, done = Turns(), []
    turns.run(three(done))
    assert done == [0, 1, 2, 3]
    assert not turns.busy


def test_with_a_clock_every_step_is_a_turn_and_asks_for_the_next():
    turns, done, asked = Turns(), [], []
    turns.soon = lambda _: asked.append(len(done))
    turns.run(three(done))
    assert done == [0]
    while turns.busy:
        turns.step()
    assert done == [0, 1, 2, 3]
    assert asked == [1, 2, 3]


def test_clicks_and_drawing_come_after_the_whole_turn_of_the_clock(monkeypatch):
    """Of two ticks without anything between, the second does no step; the third does, however soon it comes after."""
    turns, done, asked, now = Turns(), [], [], 100.0
    monkeypatch.setattr("napari_cellseg.gui.app.turns.time.monotonic", lambda: now)
    turns.soon = asked.append
    turns.run(three(done))
    now += 0.1  # what else the clock did in this turn
    turns.ended()
    turns.step()
    turns.ended()
    assert done == [0]
    assert asked == [BETWEEN_MS] * 2
    now += BETWEEN_MS / 1000
    turns.step()
    turns.ended()
    assert done == [0, 1]


def test_another_piece_of_work_ends_the_first_where_it_is():
    turns, first, second = Turns(), [], []
    turns.soon = lambda _: None
    turns.run(three(first))
    turns.run(three(second))
    while turns.busy:
        turns.step()
    assert (first, second) == ([0], [0, 1, 2, 3])


def test_work_of_a_step_is_part_of_it():
    turns, done = Turns(), []
    turns.soon = lambda _: None

    def outer() -> Steps[None]:
        turns.run(three(done))
        turns.stop()  # nobody ends himself
        yield None
        done.append(9)

    turns.run(outer())
    while turns.busy:
        turns.step()
    assert done == [0, 1, 2, 3, 9]


@pytest.mark.parametrize("clock", [True, False])
def test_steps_wait_for_a_thread_and_the_window_does_not(clock):
    turns, go, done = Turns(), threading.Event(), []
    if clock:
        turns.soon = lambda _: None
    else:
        go.set()

    def steps() -> Steps[None]:
        done.append((yield from turns.away(lambda: go.wait(60))))

    turns.run(steps())
    if clock:
        turns.step()
        assert (turns.busy, done) == (True, [])
        go.set()
        while turns.busy:
            turns.step()
    assert done == [True]
    turns.close()


@pytest.mark.parametrize("clock", [True, False])
def test_a_mistake_in_a_step_or_in_the_thread_ends_the_work(clock):
    turns = Turns()
    turns.soon = (lambda _: None) if clock else None

    def bad() -> None:
        raise CellsegError("no", "why")

    def work() -> None:
        turns.run(turns.away(bad))
        while turns.busy:
            turns.step()

    with pytest.raises(CellsegError, match="no"):
        work()
    assert not turns.busy
    turns.close()


# --- a window's clock ---------------------------------------------------------------------------


def picture(path: Path) -> Path:
    np.save(path, np.random.default_rng(ord(path.stem[0])).integers(0, 255, (64, 80)).astype(np.uint8))
    return path


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """As in a window: a clock runs."""
    made = Controller(ViewerModel())
    made.ticked_by(lambda _: None)
    made.open_images([picture(tmp_path / f"{name}.npy") for name in "abc"])
    settle(made)
    yield made
    made.close()


def test_layers_are_seen_all_at_once_and_no_image_is_open_before(controller):
    shown = []
    controller.step_image(1)
    while controller.busy:
        ours = [x for x in controller.viewer.layers if x.name.startswith("b") and "[line]" not in x.name]
        there = controller.session.store is not None
        shown.append(sum(x.visible for x in ours))
        assert there == (shown[-1] == 3)
        assert not (ours and not there and any(getattr(x, "editable", False) for x in ours[1:]))
        assert resolve(controller.session).correct.enabled == there
        controller.tick()
    assert len(shown) >= 5
    assert set(shown) == {0, 3}
    assert sorted({x.name.split(" ")[0] for x in controller.viewer.layers}) == ["b"]


def test_who_is_faster_than_the_window_gets_what_was_asked_last(controller):
    for _ in range(2):
        controller.step_image(1)
        controller.tick()
        controller.select_image("b")
        controller.tick()
        controller.tick()
        controller.select_image("c")
        settle(controller)
        assert controller.session.image == "c"
        assert [x.name.split(" ")[0] for x in controller.viewer.layers] == ["c"] * 4
        assert all(x.visible for x in controller.viewer.layers[:3])


def test_closing_a_project_while_an_image_comes_leaves_nothing(controller, tmp_path):
    controller.step_image(1)
    controller.tick()
    controller.tick()
    controller.new_project(tmp_path / "other")
    settle(controller)
    assert list(controller.viewer.layers) == []
    assert controller.session.image == ""


# --- pictures that are added in the thread ------------------------------------------------------


class Slow:
    """Holds the thread where it reads the second picture."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here, self.go = threading.Event(), threading.Event()
        monkeypatch.setattr(additions, "SHOWN_AFTER_S", 0.0)
        told = additions._Running.told

        def held(running: additions._Running, done: int, name: str) -> None:
            told(running, done, name)
            if done == 1:
                self.here.set()
                assert self.go.wait(600)
                told(running, done, name)

        monkeypatch.setattr(additions._Running, "told", held)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


def test_pictures_come_in_the_thread_with_progress(controller, tmp_path, slow):
    new = [picture(tmp_path / f"{name}.npy") for name in "de"]
    controller.add_images(new)
    spin(controller, slow.here.is_set)
    controller.tick()
    assert "Adding picture 2 of 2: e.npy" in controller.session.progress.text
    assert controller.session.image == "a"
    controller.add_images(new)  # one call at a time
    assert "already" in controller.session.problem.message
    slow.go.set()
    settle(controller)
    assert controller.session.progress is None
    assert controller.session.image == "d"
    assert len(controller.session.images) == 5


def test_who_works_on_meanwhile_is_not_taken_away(controller, tmp_path, slow):
    controller.add_images([picture(tmp_path / f"{name}.npy") for name in "de"])
    spin(controller, slow.here.is_set)
    controller.tick()
    controller.family.labels.data_setitem((np.array([3]), np.array([4])), 5)
    slow.go.set()
    settle(controller)
    assert controller.session.image == "a"
    assert len(controller.session.images) == 5
    assert "Added 2 images" in controller.session.status


@pytest.mark.parametrize("into", ["the open project", "a new one"])
def test_cancelling_adds_nothing(controller, tmp_path, slow, into):
    new = [picture(tmp_path / f"{name}.npy") for name in "de"]
    home = tmp_path / "home"
    home.mkdir()
    if into == "the open project":
        controller.add_images(new)
    else:
        controller.open_images(new, home)
    spin(controller, slow.here.is_set)
    controller.tick()
    assert resolve(controller.session).cancel.enabled
    controller.cancel()
    slow.go.set()
    settle(controller)
    assert controller.session.status == "Cancelled: nothing was added."
    assert controller.session.problem is None
    assert list(home.iterdir()) == []
    with Project.open(controller.project().path) as project:
        assert [r.id for r in project.images()] == ["a", "b", "c"]


def test_pixels_of_a_layer_that_were_not_added_leave_no_file(controller, monkeypatch):
    def refuse(*_: object) -> None:
        raise CellsegError("no", "")

    controller.viewer.add_image(np.random.default_rng(9).integers(0, 255, (64, 80)).astype(np.uint8), name="x")
    monkeypatch.setattr(bring_in, "_one_by_one", refuse)
    controller.use_layer("x")
    settle(controller)
    assert controller.session.problem.message == "no"
    assert list((controller.project().path / "sources").iterdir()) == []
    assert "x" in controller.viewer.layers


def test_an_image_that_is_opened_again_has_layers_of_the_same_names(tmp_path, opened):
    """The layers before go last, and napari numbers names that are taken."""
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((40, 50)).astype(np.float32))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy")
    controller = opened(tmp_path / "p.cellseg", engine=False)
    names = [layer.name for layer in controller.viewer.layers]
    for _ in range(2):
        controller.select_image("a")
        assert [layer.name for layer in controller.viewer.layers] == names
    controller.open_project(tmp_path / "p.cellseg")
    assert [layer.name for layer in controller.viewer.layers] == names

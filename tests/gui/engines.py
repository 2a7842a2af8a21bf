"""Engines for tests: one without a process, and real ones whose child serves one test after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from napari_cellseg.engine import Engine, Job, PredictJob, Reply
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Event, Failed, Finished, Ready

Stop = Callable[[], bool]
OF_A_CHILD = ("_process", "_replies", "_commands", "_pulse", "_log", "_next", "_generation", "ready")


class Kept(Engine):
    """A real engine. Its child, if it is at rest in the end, serves the next test: one that starts takes 4 s.

    A child that is dead, stopped, busy or elsewhere ends with its test.
    """

    resting: ClassVar[list[dict[str, Any]]] = []

    def start(self) -> None:
        if self._process is None and self.resting and not (self.server or self._asks) and self.device == "auto":
            self.__dict__.update(self.resting.pop())
            if self._process is not None and self._process.poll() is None:
                ready, self.ready = self.ready, None  # it is said again, as by a child that is new
                self._replies.put((self._generation, Reply(0, ready)))
                return
        super().start()

    def close(self) -> None:
        well = self._process is not None and self._process.poll() is None and self.answers and not self._replacing
        if well and self.ready is not None and not self.busy and not (self.server or self._asks):
            self.poll(10**6)
            self.resting.append({name: getattr(self, name) for name in OF_A_CHILD})
            self._process = self._pulse = self._log = None
        else:
            super().close()

    @classmethod
    def end(cls) -> None:
        """End what still rests."""
        while cls.resting:
            engine = Engine()
            engine.__dict__.update(cls.resting.pop())
            engine.close()


class Here(Engine):
    """Works in this process: it answers a little in every `poll`, so tests decide what happens between events.

    Parameters
    ----------
    work
        What does a job: as `napari_cellseg.engine.run`.

    Attributes
    ----------
    asked
        Images that were asked for, in their order.
    deaths
        How often the engine dies over an image.
    """

    def __init__(self, work: Callable[[Job, Stop], Iterator[Event]]) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.deaths: dict[str, int] = {}
        self.ready = Ready("test", "fp32", 0.0)
        self._work, self._alive = work, True
        self._jobs: list[tuple[int, Iterator[Event]]] = []
        self._cancelled: set[int] = set()

    def start(self) -> None:
        self._alive = True

    def submit(self, job: Job) -> int:
        self.start()
        number, self._next = self._next, self._next + 1
        self._jobs.append((number, self._events(number, job)))
        return number

    def cancel(self, number: int) -> None:
        self._cancelled.add(number)

    def look(self, number: int, centre: tuple[float, ...]) -> None:
        pass

    def poll(self, limit: int = 64) -> list[Reply]:
        if not self._jobs:
            return []
        number, events = self._jobs[0]
        event = next(events)
        if isinstance(event, Finished):
            self._jobs.pop(0)
        return [Reply(number, event)]

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    @property
    def pid(self) -> int | None:
        return 1 if self._alive else None

    def close(self) -> None:
        self._jobs.clear()

    def _events(self, number: int, job: Job) -> Iterator[Event]:
        image = job.images[0] if isinstance(job, PredictJob) else ""
        self.asked += [image] * bool(image)
        if self.deaths.get(image, 0):
            self.deaths[image] -= 1
            self._alive = False
            yield Failed("The engine stopped unexpectedly.", "Lower the tile.")
        else:
            try:
                yield from self._work(job, lambda: number in self._cancelled)
            except CellsegError as error:
                yield Failed(error.message, error.hint)
        yield Finished(number)

"""An engine without a process: it answers a little in every `poll`, so tests decide what happens between events."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from napari_cellseg.engine import Engine, Job, PredictJob, Reply
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Event, Failed, Finished, Ready

Stop = Callable[[], bool]


class Here(Engine):
    """Works in this process, one event per `poll`.

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

"""What schedulers that hand out futures share, and the one of Python's own processes."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from ..errors import CellsegError
from ..processes import OURS, cores
from ._block import Block
from ._here import WorkStopped

WINDOW = 1000
"""So many blocks are handed out at once: the scheduler's memory does not grow with the image."""
TRIES = 5
"""A block whose process died is tried so often."""
_PATIENCE = 0.5


def threads_for(processes: int) -> int:
    """Threads of each of some processes on this machine, so that together they have as many as are granted to this."""
    return max(1, cores() // processes)


class Futures:
    """What schedulers that give futures share: a window of blocks under way, and blocks that are tried again."""

    link = ""
    lost: tuple[type[BaseException], ...] = ()
    """What is raised where a process died, or all of them."""

    def submit(self, block: Block, items: Mapping[int, Any]) -> dict[int, Any]:
        """Hand blocks out; futures with `add_done_callback`, `exception` and `cancel`."""
        raise NotImplementedError

    def renew(self) -> None:
        """A process died; whoever does not start another one by itself does it now."""

    def look_after(self) -> None:
        """Nothing has ended for a moment: start processes that are missing, where nobody else does."""

    def begin(self, block: Block) -> None:
        """Blocks of this work follow."""

    def run(self, block: Block, items: Mapping[int, Any], stop: Callable[[], bool]) -> Iterator[int]:
        """See `Scheduler`."""
        self.begin(block)
        waiting, tries = list(reversed(items)), dict.fromkeys(items, 0)
        ended: queue.Queue[tuple[int, Any]] = queue.Queue()
        under_way: dict[int, Any] = {}
        try:
            while waiting or under_way:
                if stop():
                    raise WorkStopped
                if waiting and len(under_way) <= WINDOW // 2:  # many at once cost a scheduler less
                    some = waiting[-(WINDOW - len(under_way)) :]
                    try:
                        futures = self.submit(block, {number: items[number] for number in reversed(some)})
                    except self.lost:
                        self.renew()
                        continue
                    del waiting[-len(some) :]
                    for number, future in futures.items():
                        under_way[number] = future
                        future.add_done_callback(lambda f, n=number: ended.put((n, f)))
                try:
                    number, future = ended.get(timeout=_PATIENCE)
                except queue.Empty:
                    self.look_after()
                    continue
                if under_way.pop(number, None) is None:
                    continue
                if self._is_done(future, number, tries):
                    yield number
                else:
                    waiting.append(number)
        finally:
            for future in under_way.values():
                future.cancel()

    def _is_done(self, future: Any, number: int, tries: dict[int, int]) -> bool:
        """Whether a block is done; False where it is to be tried again."""
        error = future.exception()
        if error is None:
            return True
        if isinstance(error, self.lost):
            tries[number] += 1
            if tries[number] < TRIES:
                self.renew()
                return False
            raise CellsegError(
                f"The process of block {number} died {TRIES} times.",
                "Most often it needs more memory than there is: fewer workers, or predict.memory smaller.",
            ) from error
        if isinstance(error, CellsegError):
            raise error
        raise CellsegError(
            f"Block {number} failed: {type(error).__name__}: {error}.", "This may be a bug of ours."
        ) from error


class Processes(Futures):
    """Processes of this machine, from Python's standard library."""

    lost = (BrokenProcessPool,)

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._made()
        self._broken: Any = None

    def submit(self, block: Block, items: Mapping[int, Any]) -> dict[int, Any]:
        """Hand blocks out."""
        return {number: self._pool.submit(block, number, item) for number, item in items.items()}

    def renew(self) -> None:
        """One dead process breaks the pool of all; a new one is made once for all their blocks."""
        try:
            self._pool.submit(os.getpid)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = self._made()

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._count, mp_context=get_context("spawn"), initializer=_begin, initargs=(threads_for(self._count),)
        )


def _begin(count: int) -> None:
    """In a process of the pool, before anything is imported that asks for threads."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    os.environ.update(OURS | os.environ)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Else a process whose parent was killed waits for ever. What it was doing has no mark, so it is done again."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

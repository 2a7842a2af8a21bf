"""Patches prepared in threads while the network learns."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from ..augmentation import Patch
from ._sampling import AHEAD, Batch, Draw, TrainingSet, stack


class Loader:
    """Batches of steps in order, the next ones being prepared meanwhile.

    Parameters
    ----------
    first
        The first step that will be asked for.
    rank
        Of this process among several that train together.
    threads
        OpenCV and numpy leave the interpreter's lock while they work.
    """

    def __init__(self, patches: TrainingSet, first: int, rank: int = 0, threads: int = 1) -> None:
        self._patches, self._rank = patches, rank
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="patches")
        self._next = first
        self._coming: deque[tuple[list[Draw], list[Future[Patch]]]] = deque()

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self) -> tuple[list[Draw], Batch]:
        """The next step's places and tensors."""
        while len(self._coming) <= AHEAD:
            draws = self._patches.draw(self._next, self._rank)
            self._coming.append((draws, [self._pool.submit(self._patches.cut, d) for d in draws]))
            self._next += 1
        draws, futures = self._coming.popleft()
        return draws, stack([f.result() for f in futures], self._patches.volumes)

"""Strips of rows on all cores (the kernels release Python's lock), and who may run networks beside whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from ..processes import cores

NETWORKS = threading.RLock()
"""Held while a network is followed by torch.fx, which changes every module of the process for that time, and by who
runs networks in another thread meanwhile: else that ends in "module is not installed as a submodule"."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="cellseg-rows")


def strips(work: Callable[[int, int], object], length: int, thickness: int) -> None:
    """Call ``work(start, stop)`` for strips that cover ``range(length)``, several at a time."""
    spans = [(a, min(length, a + thickness)) for a in range(0, length, thickness)]
    if len(spans) == 1:
        work(*spans[0])
    else:
        list(_pool().map(lambda span: work(*span), spans))

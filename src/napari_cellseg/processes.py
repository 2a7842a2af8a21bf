"""What holds for processes of ours: the window, the engine's child, the command line, workers for blocks."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

OURS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Environment, unless the person says otherwise: OpenMP's threads wait asleep.

Those that spin take turns with other programs, and on two cores at a load of 7 a training step took three to five
times as long. It is read when torch is loaded.
"""


def cores() -> int:
    """How many cores this process may use: what ``OMP_NUM_THREADS`` grants (batch systems set it), or all there are."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    if granted.isdigit() and int(granted):
        return int(granted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def compute_here() -> AbstractContextManager[Any]:
    """Have dask compute pixels in threads of this process, from now on or within ``with``, unless told where to.

    That is what it does anyway where no cluster is. But it looks for one first: it imports dask.distributed where that
    is installed, 2 to 4 s that a person waits for; and a worker of a cluster would hand the pixels of its own block
    round the cluster.
    """
    import dask
    import dask.threaded

    if dask.config.get("scheduler", None) is not None:
        return nullcontext()
    chosen: AbstractContextManager[Any] = dask.config.set(scheduler=dask.threaded.get)
    return chosen

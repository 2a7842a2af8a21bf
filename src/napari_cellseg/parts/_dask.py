"""dask.distributed: a cluster of this machine's processes, or a scheduler that runs already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ..processes import OURS
from ._block import Block
from ._futures import Futures, threads_for

INSTALL = 'Install it where this runs and on all workers: pip install "napari-cellseg[cluster]"'


class Dask(Futures):
    """Blocks done by workers of dask.

    What all blocks share is a task of its own: every worker fetches it once, and where it is lost with the last worker
    that had it, it is made again.

    Parameters
    ----------
    where
        How many workers to start on this machine, or the address (``tcp://HOST:8786``) or file of a scheduler.

    Raises
    ------
    CellsegError
        When dask.distributed is missing, or nobody answers.
    """

    def __init__(self, where: int | str) -> None:
        try:
            import distributed
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise CellsegError("dask.distributed is not installed.", INSTALL) from error
        self.lost = (KilledWorker, distributed.client.FutureCancelledError)
        self._cluster: Any = None
        self._count = where if isinstance(where, int) else 0
        self._shared: Any = None
        if isinstance(where, int):
            self._cluster = _cluster(where)
        try:
            self._client = distributed.Client(
                self._cluster.scheduler_address if self._cluster else None if Path(where).is_file() else where,  # type: ignore[arg-type]
                scheduler_file=str(where) if self._cluster is None and Path(where).is_file() else None,  # type: ignore[arg-type]
                timeout=15, set_as_default=False,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise CellsegError(
                f"No dask scheduler answers at {where}: {error}.",
                "Start one with: dask scheduler; or let one be started: --scheduler local:2.",
            ) from error
        self.link = self._client.dashboard_link

    def begin(self, block: Block) -> None:
        """What blocks share goes out once."""
        self._shared = self._client.submit(_itself, block, pure=False)

    def submit(self, block: Block, items: Mapping[int, Any]) -> dict[int, Any]:
        """Hand blocks out."""
        futures = self._client.map(_do, list(items), list(items.values()), block=self._shared, pure=False)
        return dict(zip(items, futures, strict=True))

    def look_after(self) -> None:
        """Replace workers that died while they were starting, after which dask gives them up."""
        if self._cluster is None:
            return
        lost = [name for name, worker in self._cluster.workers.items() if worker.status.name in ("closed", "failed")]
        if lost:
            for name in lost:
                self._cluster.worker_spec.pop(name, None)
            self._cluster.scale(self._count)

    def close(self) -> None:
        """Leave the scheduler; one that was started here ends."""
        self._shared = None
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _cluster(count: int) -> Any:
    import dask
    from distributed import LocalCluster

    env = OURS | {"OMP_NUM_THREADS": str(threads_for(count))}
    # how often a block is tried again is decided by us
    settings = {"distributed.nanny.pre-spawn-environ": env, "distributed.scheduler.allowed-failures": 30}
    with dask.config.set(settings):
        return LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=":0", env=env, silence_logs=logging.ERROR
        )  # fmt: skip


def _itself(block: Block) -> Block:
    return block


def _do(number: int, item: Any, block: Block) -> int:
    return block(number, item)

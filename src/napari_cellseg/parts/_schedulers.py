"""Who has blocks done: processes of this machine, dask workers, or jobs of a batch system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ._batch import Batch
from ._dask import Dask
from ._futures import Processes
from ._spread import Scheduler


def scheduler(name: str, folder: Path, options: Mapping[str, Any] | None = None) -> Scheduler:
    """Who was named.

    Parameters
    ----------
    name
        ``"processes:N"`` of this machine, without any extra; ``"local:N"``: a dask cluster of N workers on this
        machine; an address or scheduler file of a running dask scheduler; ``"slurm"``; ``"jobs:N"``: what SLURM would
        run, as N processes of this machine.
    folder
        For the batch system's scripts and logs.
    options
        Of the batch system, as `submitit` names them (``{"timeout_min": 60, "slurm_partition": "gpu"}``).

    Raises
    ------
    CellsegError
        When the name means nothing, nobody answers there, or an extra is missing.
    """
    kind, _, count = name.partition(":")
    if kind in ("processes", "local", "jobs"):
        if not count.isdigit() or int(count) < 1:
            raise CellsegError(f"{name!r} does not say how many processes.", f"Write for example {kind}:2.")
        if kind == "jobs":
            return Batch("local", int(count), folder, {})
        return Dask(int(count)) if kind == "local" else Processes(int(count))
    return Batch("slurm", 0, folder, options or {}) if kind == "slurm" else Dask(name)

"""Job arrays of a batch system, by submitit: SLURM, or the same jobs as processes of this machine."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import CellsegError
from ..files import write_text
from ._block import Block
from ._here import WorkStopped

JOBS = 200
"""Jobs of an array, where nothing else is asked for; blocks are dealt out to them."""
TRIES = 3
_PATIENCE = 0.5


class Batch:
    """Blocks done by jobs of a batch system.

    Parameters
    ----------
    kind
        ``"slurm"``, or ``"local"``: processes of this machine.
    jobs
        How many at most; 0: as many as `JOBS`, or as ``options["jobs"]`` says.
    options
        As `submitit` names them: ``timeout_min``, ``mem_gb``, ``slurm_partition``, ``slurm_array_parallelism``...

    Raises
    ------
    CellsegError
        When submitit is missing. Without SLURM on this machine, `run` writes the script and says where it is.
    """

    link = ""

    def __init__(self, kind: str, jobs: int, folder: Path, options: Mapping[str, Any]) -> None:
        try:
            import submitit
        except ImportError as error:
            raise CellsegError(
                "submitit is not installed.", 'Install it: pip install "napari-cellseg[cluster]"'
            ) from error
        self._folder, given = folder, dict(options)
        self._jobs = jobs or int(given.pop("jobs", JOBS))
        self._asked = {"array_parallelism": self._jobs} | _without_prefix(given)
        self._executor: Any = None
        if kind == "local":
            self._executor = submitit.LocalExecutor(folder=folder)
            self._executor.update_parameters(timeout_min=60 * 24 * 7)
        elif shutil.which("srun"):
            self._executor = submitit.SlurmExecutor(folder=folder)
            self._executor.update_parameters(**self._asked)

    def run(self, block: Block, items: Mapping[int, Any], stop: Callable[[], bool]) -> Iterator[int]:
        """See `Scheduler`."""
        if self._executor is None:
            self._write_script(len(items))
        left = set(items)
        for _ in range(TRIES):
            jobs = self._submitted(block, items, sorted(left))
            while True:
                over = all(job.done() for job in jobs)  # asked first: what a job did before its end is seen below
                for number in sorted(left & block.done()):
                    left.discard(number)
                    yield number
                if over or not left:
                    break
                if stop():
                    for job in jobs:
                        job.cancel()
                    raise WorkStopped
                time.sleep(_PATIENCE)
            if not left:
                return
            failed = [e for job in jobs if (e := job.exception()) is not None]
        raise CellsegError(
            f"{len(left)} blocks were not done in {TRIES} tries: {_last_line(failed)}",
            f"The logs of the jobs are in {self._folder}.",
        )

    def close(self) -> None:
        """Jobs end by themselves."""

    def _submitted(self, block: Block, items: Mapping[int, Any], numbers: list[int]) -> list[Any]:
        shares = [s for k in range(self._jobs) if (s := [(n, items[n]) for n in numbers[k :: self._jobs]])]
        return list(self._executor.map_array(block.several, shares))

    def _write_script(self, blocks: int) -> None:
        """There is no SLURM here: say what would be given to it."""
        from submitit.slurm.slurm import _make_sbatch_string

        command = "python -u -m submitit.core._submit " + shlex.quote(str(self._folder))
        text = _make_sbatch_string(
            command=command, folder=self._folder, map_count=min(self._jobs, blocks), **self._asked
        )  # fmt: skip
        path = write_text(self._folder / "dry-run.sh", text)
        raise CellsegError(
            f"There is no SLURM on this machine; {path} is what would be given to it, for {blocks} blocks.",
            "Give the command where sbatch and srun are.",
        )


def _without_prefix(options: Mapping[str, Any]) -> dict[str, Any]:
    """SLURM's own executor takes names without the prefix that `AutoExecutor` wants."""
    names = {"timeout_min": "time", "mem_gb": "mem"}
    out = {names.get(k, k.removeprefix("slurm_")): v for k, v in options.items()}
    if "mem" in out:
        out["mem"] = f"{out['mem']}GB"
    return out


def _last_line(errors: list[BaseException]) -> str:
    lines = str(errors[-1]).strip().splitlines() if errors else []
    ours = [line.partition("CellsegError: ")[2] for line in lines if "CellsegError: " in line]
    return ours[-1] if ours else lines[-1] if lines else "their jobs ended without a word."

"""Blocks for other processes, which import this module and little else."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from napari_cellseg.errors import CellsegError


def double(item: int) -> dict[str, np.ndarray]:
    return {"twice": np.array(2 * item)}


def once_per_life(item: tuple[Path, int]) -> dict[str, np.ndarray]:
    """Ends its process the first time."""
    mark = item[0] / str(item[1])
    if item[1] % 3 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"twice": np.array(2 * item[1])}


def always_dies(item: int) -> dict[str, np.ndarray]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def fails(item: int) -> dict[str, np.ndarray]:
    raise CellsegError("This block cannot be done.", "Do something.")

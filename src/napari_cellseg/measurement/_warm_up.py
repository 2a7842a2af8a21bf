"""What the first measurement of a process would wait for: compiled loops, called once on a few pixels.

Compiling holds Python's lock for up to two seconds at a time (in a window of napari: 1.6, 1.6 and 2.2 s of 37), so a
window lets a process of its own do it (`compiled_apart`) and loads what numba kept on the disk.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ._objects import measure_objects
from ._sources import array_channels, image_of_project

PATIENCE_S = 600.0
"""Compiling takes half a minute on two busy cores; a process that needs so long hangs."""
_CODE = (
    "import os, sys; getattr(os, 'nice', lambda n: n)(10); "
    "from napari_cellseg.measurement import warm_up; warm_up(int(sys.argv[1]), sys.argv[2])"
)


def warm_up(ndim: int, dtype: str) -> None:
    """Measure a tiny image with `ndim` spatial axes and intensities of this type, with all columns.

    Loops that were never used on this machine are compiled then (seconds), and numba keeps them on disk; those that
    were are loaded.
    """
    shape = (3, 24, 24)[-ndim:]
    labels, state = np.zeros(shape, np.uint32), np.zeros(shape, np.uint8)
    labels[..., 3:12, 4:10], labels[..., 3:12, 10:19] = 1, 2  # two that touch
    state[labels == 1] = 1
    pixels = (np.arange(labels.size).reshape(shape) % 100).astype(dtype)
    measure_objects(image_of_project(labels, state, None, array_channels(pixels, shape), instances=True))


def compiled_apart(ndim: int, dtype: str) -> subprocess.Popen[bytes] | None:
    """Begin to compile in a process of low priority; None where this machine has done so already."""
    if _mark(ndim, dtype).is_file():
        return None
    command = [sys.executable, "-c", _CODE, str(ndim), dtype]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def note_compiled(ndim: int, dtype: str) -> None:
    """Remember that this machine has them; where that cannot be written, they are looked for again the next time."""
    with suppress(OSError):
        mark = _mark(ndim, dtype)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _mark(ndim: int, dtype: str) -> Path:
    """A file that is there where these loops, as they are now, were compiled for this Python and numba."""
    sources = sorted((Path(__file__).parents[1] / "kernels").glob("*.py"))
    stamps = [(p.name, p.stat().st_mtime_ns) for p in sources]
    facts = (ndim, dtype, sys.version, version("numba"), os.environ.get("NUMBA_CACHE_DIR", ""), stamps)
    name = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "napari-cellseg" / "compiled" / name

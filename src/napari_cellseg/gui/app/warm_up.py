"""What the first image would make the window wait for, done in a thread while a person still looks for it. No Qt.

The first Labels layer of a session costs seconds in napari itself: it imports pandas for its features, loads numba for
its colours and computes patterns of dashes. All of this is done here, and our own compiled loops are called once on a
few pixels. No layer is made here: layers ask pint for units, and its registry does not bear to be read for the first
time by two threads at once.
"""

from __future__ import annotations

import contextlib
import importlib
import threading

import numpy as np

from ...processes import compute_here
from ..layers import _napari


def warm_up() -> threading.Thread:
    """Begin; the thread that works is returned.

    Python waits for it before it ends, at most for the part that it is at: a thread that loads libraries while the
    interpreter is taken apart crashes it.
    """
    compute_here()
    thread = threading.Thread(target=_work, name="cellseg-warming")
    thread.start()
    return thread


def _work() -> None:
    for part in (_layers, _loops, _folders):
        if not threading.main_thread().is_alive():
            return
        with contextlib.suppress(Exception):  # whatever goes wrong here shows where it is needed
            part()


def _layers() -> None:
    importlib.import_module("pandas")
    _napari.load_colours()
    _napari.load_dashes()


def _loops() -> None:
    from ...edits import EditContext  # noqa: F401 - what the first stroke needs
    from ...kernels.outline import overlay
    from ...project import Objects, known_mask

    labels, state = np.zeros((1, 16, 16), np.uint32), np.zeros((1, 16, 16), np.uint8)
    labels[0, 4:9, 4:9], state[0, 4:9, 4:9] = 1, 1
    near = known_mask(labels, state, 2, instances=False)
    overlay(labels, state, near, (3, 4, 7), np.empty((1, 16, 16), np.uint8))
    Objects(labels[0], state[0])


def _folders() -> None:
    """Readers and what a project folder needs."""
    for name in ("tifffile", "zarr", "filelock", "sqlite3", "cv2", "scipy.ndimage"):
        importlib.import_module(name)

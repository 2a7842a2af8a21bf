"""What the first image would make the window wait for, done in a thread while a person still looks for it. No Qt.

The first Labels layer of a session costs seconds in napari itself: it imports pandas for its features and loads numba
for its colours. So a small one is made that nobody sees; our own compiled loops are called once on a few pixels.
"""

from __future__ import annotations

import contextlib
import threading

import numpy as np


def warm_up() -> threading.Thread:
    """Begin; the thread that works is returned."""
    thread = threading.Thread(target=_work, name="cellseg-warming", daemon=True)
    thread.start()
    return thread


def _work() -> None:
    for part in (_layers, _loops, _folders):
        with contextlib.suppress(Exception):  # whatever goes wrong here shows where it is needed
            part()


def _layers() -> None:
    from napari.layers import Labels
    from napari.utils.colormaps import CyclicLabelColormap

    Labels(np.zeros((8, 8), np.uint32))
    Labels(np.zeros((8, 8), np.uint8), colormap=CyclicLabelColormap(colors=("transparent", "white")))


def _loops() -> None:
    from ..edits import Scene  # noqa: F401 - what the first stroke needs
    from ..kernels.outline import overlay
    from ..project import Objects, known_mask

    labels, state = np.zeros((1, 16, 16), np.uint32), np.zeros((1, 16, 16), np.uint8)
    labels[0, 4:9, 4:9], state[0, 4:9, 4:9] = 1, 1
    near = known_mask(labels, state, 2, instances=False)
    overlay(labels, state, near, (3, 4), np.empty((1, 16, 16), np.uint8))
    Objects(labels[0], state[0])


def _folders() -> None:
    """Readers and what a project folder needs."""
    import importlib

    for name in ("tifffile", "zarr", "filelock", "sqlite3", "cv2", "scipy.ndimage"):
        importlib.import_module(name)

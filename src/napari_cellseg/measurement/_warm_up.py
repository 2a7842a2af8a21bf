"""What the first measurement of a process would wait for: compiled loops, called once on a few pixels."""

from __future__ import annotations

import numpy as np

from ._objects import measure_objects
from ._sources import array_channels, image_of_project


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

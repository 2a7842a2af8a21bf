"""A small picture of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..files import whole
from ._guard import reading
from ._image import Image

SEEN = 6000
"""Pixels along each side that are looked at: of a very large picture its middle."""


def write_thumbnail(path: Path, image: Image, side: int = 128) -> None:
    """Write a small PNG of the middle plane of the first channel.

    Raises
    ------
    CellsegError
        When the pixels are damaged, or it cannot be written; it appears whole or not at all.
    """
    import cv2

    first = image.channels_first()[0]
    plane = first[first.shape[0] // 2] if first.ndim == 3 else first
    starts = [max(0, (n - SEEN) // 2) for n in plane.shape]
    plane = plane[tuple(slice(a, a + SEEN) for a in starts)]
    step = max(1, min(plane.shape) // (2 * side))
    with reading(f"The pixels of {path.parent.name}"):
        pixels = np.nan_to_num(np.asarray(plane[::step, ::step]).astype(np.float32))
    low, high = np.percentile(pixels, (1, 99.5))
    pixels = np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1) * 255
    scale = side / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    # not imwrite: of a full disk it says nothing, and leaves half a file
    _, data = cv2.imencode(".png", cv2.resize(pixels.astype(np.uint8), size, interpolation=cv2.INTER_AREA))
    with whole(path) as part:
        part.write_bytes(data.tobytes())

"""PNG, JPEG, BMP and NPY."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._image import Image, check_axes, guessed_axes, lazy
from ._limits import check_loading, check_stored
from ._shared import Wanted, finish, upright

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112
_LIMIT = threading.Lock()
_CHANNELS = {"RGB": 3, "RGBA": 4, "LA": 2, "PA": 4, "P": 4, "CMYK": 4, "YCbCr": 3, "HSV": 3, "LAB": 3, "RGBX": 4}


def read_picture(path: Path, wanted: Wanted) -> Image:
    """A picture, upright as its EXIF says, without its alpha, with all bits of its samples."""
    pixels = _decoded(path, wanted.as_before)
    colours = pixels.ndim == 3
    if colours and pixels.shape[-1] in (2, 4) and (not wanted.as_before or np.ptp(pixels[..., -1]) == 0):
        pixels = pixels[..., :-1]  # how much of a pixel shows is not how bright it is
    axes = wanted.axes or ("YXC" if colours else "YX")
    if len(axes) == 2 and colours and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return finish(path, da.from_array(pixels, name=False), axes, rgb=colours)


def read_npy(path: Path, wanted: Wanted) -> Image:
    """An array of numbers, mapped into memory."""
    shape, dtype, offset = _header(path)
    check_stored(path.name, math.prod(shape) * dtype.itemsize, path.stat().st_size - offset)
    axes = wanted.axes or guessed_axes(path.name, shape)
    check_axes(axes.upper(), shape)
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    data = lazy(path.name, shape, dtype, "auto", pixels.__getitem__)
    return finish(path, data, axes, rgb=not wanted.axes and axes.endswith("C") and dtype == np.uint8)


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype and where the numbers begin."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        if dtype.hasobject or dtype.itemsize == 0 or any(n < 0 for n in shape):
            raise CellsegError(
                f"{path.name} cannot be read: it holds {dtype} objects, not numbers.", "Save an array of numbers."
            )
        return tuple(map(int, shape)), dtype, file.tell()


def _decoded(path: Path, as_before: bool) -> NDArray[Any]:
    """(Y, X) or (Y, X, samples)."""
    import cv2

    with _opened(path) as opened:
        width, height = opened.size
        head = _png_head(path)
        deep = head is not None and head[0] == 16 and head[1] != 0 and not as_before
        samples = _CHANNELS.get(opened.mode, 1) * (2 if deep else 1)
        wide = 4 if opened.mode in ("I", "F") else 2 if opened.mode.startswith("I;16") else 1
        check_loading(path.name, (height, width), samples * wide, path.stat().st_size)
        turn = int(opened.getexif().get(_ORIENTATION, 1) or 1)
        pixels = None if deep else _plain(opened)
    if pixels is None:  # Pillow reduces colours of 16 bit to 8
        found = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise CellsegError(f"{path.name} cannot be read: its pixels are damaged.", "Copy it again.")
        pixels = found if found.ndim == 2 else found[..., [2, 1, 0, *range(3, found.shape[-1])]]
        if head is not None and head[1] == 4:  # grey with alpha
            pixels = pixels[..., [0, 3]]
    return pixels if as_before else np.ascontiguousarray(upright(pixels, turn))


def _opened(path: Path) -> Any:
    """The header of a picture, without Pillow's own limit: ours is told with numbers, and allows what is fine."""
    from PIL import Image as Pillow

    with _LIMIT:  # a setting of the whole library
        before, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            return Pillow.open(path)
        finally:
            Pillow.MAX_IMAGE_PIXELS = before


def _png_head(path: Path) -> tuple[int, int] | None:
    """Bits per sample and kind of colour of a PNG (0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA)."""
    with path.open("rb") as file:
        head = file.read(26)
    return (head[24], head[25]) if head[:8] == _SIGNATURE and len(head) == 26 else None


def _plain(opened: Any) -> NDArray[Any]:
    """Pixels of a picture that Pillow reads without loss."""
    if opened.mode in ("P", "PA"):
        opened = opened.convert("RGBA" if opened.mode == "PA" else opened.palette.mode)
    elif opened.mode in ("CMYK", "YCbCr", "HSV", "LAB", "RGBX"):
        opened = opened.convert("RGB")
    return np.asarray(opened)

"""Microscopes' own formats through bioio (extra ``bioio``): CZI, ND2, LIF, and what else its plugins read.

bioio is imported when the first such file is opened, since that takes seconds.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._guard import DAMAGED
from ._image import Image, lazy
from ._limits import CHUNK_BYTES, by, check_loading, chunking
from ._series import Series, choose
from ._shared import Wanted, finish

PLUGINS = {
    ".czi": "bioio-czi", ".nd2": "bioio-nd2", ".lif": "bioio-lif", ".dv": "bioio-dv", ".r3d": "bioio-dv",
    ".sldy": "bioio-sldy", ".lsm": "bioio-bioformats", ".oib": "bioio-bioformats", ".oif": "bioio-bioformats",
    ".vsi": "bioio-bioformats", ".ims": "bioio-bioformats", ".stk": "bioio-bioformats",
}  # fmt: skip
"""Endings of microscopes' formats, and the plugin of bioio that reads each."""
_IN_EXTRA = ("bioio-czi", "bioio-nd2", "bioio-lif")


def bioio_endings() -> tuple[str, ...]:
    """Endings that bioio may read here; none where it is not installed."""
    return tuple(PLUGINS) if importlib.util.find_spec("bioio") else ()


def read_bioio(path: Path, wanted: Wanted) -> Image:
    """The image of a file, or one of several (bioio's *scenes*).

    Raises
    ------
    CellsegError
        When bioio or its plugin for this format is not installed; the hint installs it.
    """
    with _plugin(path):
        picture = _opened(path)
        series = _series(picture)
        chosen = choose(path.name, series, wanted.series)
        picture.set_scene(int(chosen.key))
        data, letters = picture.dask_data, str(picture.dims.order)
        size, names = picture.physical_pixel_sizes, picture.channel_names
        interval = getattr(picture.time_interval, "total_seconds", lambda: None)()
    shape, dtype = tuple(map(int, data.shape)), np.dtype(data.dtype)
    native = tuple(map(int, data.chunksize))
    if math.prod(native) * dtype.itemsize > CHUNK_BYTES:
        check_loading(f"A part of {path.name}", native, dtype.itemsize)

    def read(key: Any) -> NDArray[Any]:
        return np.asarray(data[key].compute(scheduler="synchronous"))

    pixels = lazy(path.name, shape, dtype, chunking(path.name, shape, dtype.itemsize, native), read)
    rgb = letters.endswith("S") and shape[letters.find("C")] == 1
    if rgb:  # samples are the channels, in place of the single one
        pixels, letters = pixels[(slice(None),) * letters.index("C") + (0,)], letters.replace("C", "").replace("S", "C")
    spacing = {a: float(s) for a, s in zip("ZYX", (size.Z, size.Y, size.X), strict=True) if s}
    several = len(series) > 1
    return finish(
        path, pixels, wanted.axes or letters, spacing or None, tuple(map(str, names or ())), rgb=rgb,
        series=chosen.key if several else "", title=chosen.title if several else "", interval_s=interval,
    )  # fmt: skip


def series_in_bioio(path: Path) -> list[Series]:
    """The images of a file."""
    with _plugin(path):
        return _series(_opened(path))


# --- inside ---------------------------------------------------------------------------------------


def _opened(path: Path) -> Any:
    from bioio import BioImage

    return BioImage(path)


def _series(picture: Any) -> list[Series]:
    """Scenes by their numbers; how large each is takes a look at it."""

    def size(number: int) -> str:
        picture.set_scene(number)
        return f"{by(picture.shape)}, {picture.dtype}"

    names = [str(name) for name in picture.scenes]
    return [Series(str(n), name, lambda n=n: size(n)) for n, name in enumerate(names)]  # type: ignore[misc]


@contextmanager
def _plugin(path: Path) -> Iterator[None]:
    """Say what to install where it is missing.

    Raises
    ------
    CellsegError
        When a file cannot be read for want of a package.
    """
    plugin = PLUGINS.get(path.suffix.lower(), "")
    extra = 'pip install "napari-cellseg[bioio]"'
    install = f"pip install {plugin}" if plugin and plugin not in _IN_EXTRA else extra
    try:
        yield
    except ImportError as error:
        if error.name not in (None, "bioio"):
            raise
        more = f", then: {install}" if install != extra else ""
        raise CellsegError(
            f"{path.name} is read by bioio, which is not installed.", f"Install it: {extra}{more}"
        ) from error
    except Exception as error:
        # bioio's own class, which cannot be named before it is imported
        if type(error).__name__ != "UnsupportedFileFormatError":
            raise
        if plugin and importlib.util.find_spec(plugin.replace("-", "_")):
            raise CellsegError(f"{path.name} cannot be read by {plugin}.", DAMAGED) from error
        raise CellsegError(
            f"{path.name} cannot be read by the plugins of bioio that are installed.",
            f"Install the one for it: {install}. Fiji converts most formats to TIFF.",
        ) from error

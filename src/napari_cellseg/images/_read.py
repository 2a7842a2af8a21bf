"""One reader per file format, chosen by suffix; every reader answers with an `Image`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ..extensions import functions, problems
from ._bioio import PLUGINS, bioio_endings, read_bioio, series_in_bioio
from ._guard import reading
from ._image import SMALLEST, Image, check_axes, guessed_axes
from ._limits import MAX_CHUNKS, by
from ._pictures import read_npy, read_picture
from ._remote import answering, is_remote
from ._series import Series
from ._shared import Wanted, finish
from ._tiff import read_tiff, series_in_tiff
from ._zarr import read_zarr, series_in_zarr

_READERS = {".tif": read_tiff, ".tiff": read_tiff, ".npy": read_npy}
_READERS |= dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp"), read_picture)
SAMPLE_VOXELS = 64_000_000
"""Images up to this many voxels are checked whole, larger ones in windows."""
_WINDOW, _SAMPLED_FRAMES, _SAMPLED_CHANNELS = 1024, 2, 8
_SEARCHED = 1 << 33
"""Voxels that are looked through before a large image may be called constant."""


def read(
    path: str | Path,
    axes: str | None = None,
    spacing_um: tuple[float, ...] | None = None,
    *,
    series: str | None = None,
    as_before: bool = False,
    turned: bool = True,
) -> Image:
    """Read a picture lazily.

    Parameters
    ----------
    path
        TIFF, OME-TIFF, ImageJ TIFF, PNG, JPEG, BMP or NPY file, an OME-Zarr folder or its address (http, https, s3;
        extra ``remote``), CZI, ND2, LIF (extra ``bioio``), or what another package reads (see `extensions`).
    axes
        One letter of ``TCZYX`` per dimension; read from the metadata where not given. Pages of a plain TIFF
        count as Z.
    spacing_um
        Voxel size in um per spatial axis, in the order (Z, Y, X); read from the metadata where not given.
    series
        Which image of a file or folder that holds several: its number (from 0), its name, or its path inside.
    as_before
        Read as earlier versions did, for projects they made: a varying alpha is a channel, colours of PNG have 8 bit,
        and EXIF does not turn pictures.
    turned
        Obey the orientation tag of a TIFF. False for pictures that were added before it was obeyed.

    Raises
    ------
    CellsegError
        When the file is missing, damaged, of an unknown format, claims more than can be, its axes are ambiguous, or
        it holds several images and none is chosen.
    """
    path = Path(path)
    reader = _reader(_existing(path))
    with answering(path) if is_remote(path) else reading(path.name):
        image = reader(path, Wanted(axes, series, as_before, turned))
    if spacing_um is not None:
        image = _with_spacing(image, spacing_um)
    if min(image.data.shape, default=0) == 0:
        raise CellsegError(f"{path.name} is empty: its shape is {image.data.shape}.", "Export it again.")
    return image


def from_array(array: Any, axes: str | None = None, spacing_um: tuple[float, ...] | None = None) -> Image:
    """An array in memory, of dask or of zarr as an image, as if it had been read from an NPY file.

    Parameters
    ----------
    array
        Anything with shape, dtype and slices; intensities of any numeric dtype.
    axes
        One letter of ``TCZYX`` per dimension; guessed from the shape where that is safe.
    spacing_um
        Voxel size in um per spatial axis, in the order (Z, Y, X).

    Raises
    ------
    CellsegError
        When it holds no intensities, is empty, or its axes are ambiguous or do not fit.
    """
    data = array if isinstance(array, da.Array) else da.from_array(_sliceable(array), name=False)
    if data.dtype.kind not in "uifb":
        raise CellsegError(f"The array holds {data.dtype}, not intensities.", "Give integers or floats.")
    letters = axes or guessed_axes("the array", data.shape)
    check_axes(letters.upper(), data.shape)
    if min(data.shape, default=0) == 0:
        raise CellsegError(f"The array is empty: its shape is {data.shape}.", "Give an array with pixels.")
    image = finish(None, data, letters, rgb=not axes and letters.endswith("C") and data.dtype == np.uint8)
    return image if spacing_um is None else _with_spacing(image, spacing_um)


def _sliceable(array: Any) -> Any:
    """What dask takes: zarr and its like as they are, lists and views of them as numpy."""
    return array if all(hasattr(array, a) for a in ("shape", "dtype", "ndim", "__getitem__")) else np.asarray(array)


def series_in(path: str | Path) -> list[Series]:
    """The images that a file or folder holds; one for most.

    Raises
    ------
    CellsegError
        When it is missing or damaged.
    """
    path = _existing(Path(path))
    with answering(path) if is_remote(path) else reading(path.name):
        if is_remote(path) or path.is_dir():
            return series_in_zarr(path)
        reader = _reader(path)
        several = series_in_tiff if reader is read_tiff else series_in_bioio if reader is read_bioio else None
        return several(path) if several else [Series("", "", lambda: "")]


def check_content(image: Image) -> None:
    """Refuse pictures that cannot hold a cell.

    Raises
    ------
    CellsegError
        For images below 8 x 8 pixels, of a dtype that holds no intensities, entirely NaN or infinite, or
        constant; and for damaged pixel data.
    """
    name = image.source.name if image.source else "The image"
    if min(image.spatial_shape[-2:]) < SMALLEST:
        last = image.data.ndim > 2 and max(image.data.shape) >= SMALLEST
        raise CellsegError(
            f"{name} is only {by(image.spatial_shape)} pixels.",
            f"Give an image of at least {SMALLEST} x {SMALLEST} pixels."
            + (" If its channels come last, say so: --axes YXC." if last else ""),
        )
    if image.data.dtype.kind not in "uifb":
        raise CellsegError(f"{name} holds {image.data.dtype}, not intensities.", "Export it as 8 or 16 bit.")
    low, high = _extremes(_samples(image))
    if low == high and image.data.size > SAMPLE_VOXELS:
        low, high = _extremes(_everything(image), low)
    if low > high:
        raise CellsegError(f"{name} holds no finite value: every pixel is NaN or infinite.", "Export it again.")
    if low == high and image.data.size <= _SEARCHED:
        raise CellsegError(
            f"{name} has the value {low:g} everywhere.",
            "Nothing can be segmented in it. Check the channel and the export.",
        )


def _extremes(parts: Iterable[NDArray[Any]], found: float | None = None) -> tuple[float, float]:
    """Smallest and largest finite value of parts; with a value found before, only until another one comes."""
    low, high = (np.inf, -np.inf) if found is None else (found, found)
    for values in parts:
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        if found is not None and low < high:
            break
    return low, high


def _samples(image: Image) -> Iterator[NDArray[Any]]:
    """All pixels, frame by frame; of a large image windows, spread evenly over the first and the last frame."""
    if image.data.size <= SAMPLE_VOXELS:
        yield from (image.frame(t).load() for t in range(image.n_frames))
        return
    for frame in sorted({0, image.n_frames - 1}):
        pixels = image.frame(frame).channels_first()[:_SAMPLED_CHANNELS]
        depth, across = (5, 2) if pixels.ndim == 4 else (1, 4)
        for z in sorted({round(a) for a in np.linspace(0, pixels.shape[1] - 1, depth)}) if depth > 1 else (0,):
            plane = pixels[:, z] if depth > 1 else pixels
            for y, x in product(*(_starts(n, across) for n in plane.shape[-2:])):
                yield np.asarray(plane[:, y : y + _WINDOW, x : x + _WINDOW])


def _starts(n: int, count: int) -> list[int]:
    return sorted({round(a) for a in np.linspace(0, max(0, n - _WINDOW), count)})


def _everything(image: Image) -> Iterator[NDArray[Any]]:
    """Part after part, for as long as that is a matter of seconds."""
    seen = 0
    for part in image.data.blocks.ravel() if image.data.npartitions <= MAX_CHUNKS else ():
        if (seen := seen + part.size) > _SEARCHED:
            return
        yield np.asarray(part)


def _with_spacing(image: Image, spacing_um: tuple[float, ...]) -> Image:
    n = len(image.spatial_axes)
    if len(spacing_um) not in (n, 3) or any(not np.isfinite(s) or s <= 0 for s in spacing_um):
        raise CellsegError(
            f"The voxel size {spacing_um} does not fit the axes {image.spatial_axes}.",
            f"Give {n} positive numbers in um, for example --spacing {','.join(['0.5'] * n)}.",
        )
    return replace(image, spacing_um=tuple(spacing_um[-n:]))


def _existing(path: Path) -> Path:
    if not (is_remote(path) or path.exists()):
        raise CellsegError(f"There is no file {path}.", "Check the name, or whether the drive is mounted.")
    return path


def _reader(path: Path) -> Callable[[Path, Wanted], Image]:
    if is_remote(path) or path.is_dir():
        return read_zarr
    ending = path.suffix.lower()
    if ending in _READERS:
        return _READERS[ending]
    if (read_added := functions("readers").get(ending[1:])) is not None:
        return partial(_read_added, read_added)
    if ending in PLUGINS:
        return read_bioio
    hint = f"Use one of {', '.join(endings())} or an OME-Zarr folder; Fiji converts most others to TIFF."
    raise CellsegError(f"{path.name} has a format that cannot be read.", f"{hint} {problems('readers')}".strip())


def endings() -> list[str]:
    """How the names of the files end that can be read: our own formats, bioio's, and what other packages add."""
    return sorted({*_READERS, *bioio_endings(), *(f".{name}" for name in functions("readers"))})


def _read_added(function: Callable[[Path], Any], path: Path, wanted: Wanted) -> Image:
    """What a reader of another package gives: an array, or an array, its axes, and um per voxel."""
    given = function(path)
    data, axes, spacing = given if isinstance(given, tuple) else (given, None, None)
    return replace(from_array(data, wanted.axes or axes, spacing), source=path)

"""TIFF, OME-TIFF and ImageJ TIFF."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from ..errors import CellsegError
from ._image import AXES, SMALLEST, Image, check_axes, guessed_axes, lazy
from ._limits import by, check_loading, check_stored, chunking
from ._series import Series, choose
from ._shared import SECONDS, UM, Wanted, finish, readable, upright

_ASIDE = ("thumbnail", "label", "macro", "overview")
"""Names under which slide scanners store what is no image of its own."""
_ALPHA = (1, 2)
"""ExtraSamples that say how much of a pixel shows, not how bright it is."""


def read_tiff(path: Path, wanted: Wanted) -> Image:
    """The image of a TIFF, or one of several."""
    with tifffile.TiffFile(path) as file:
        series = _all_series(file)
        chosen = choose(path.name, series, wanted.series)
        number = int(chosen.key)
        one = file.series[number]
        shape = tuple(map(int, one.shape))
        letters = (wanted.axes or _axes(path, one)).upper()
        check_axes(letters, shape)
        spacing, channels = _metadata(file, number)
        interval = _interval(file, number)
        levels = [_level(path, number, 0, one)]
        levels += readable(path, [partial(_level, path, number, n, one.levels[n]) for n in range(1, len(one.levels))])
        # samples that lie plane by plane are no colours: tifffile calls any stack of 3 or 4 planes so when it writes it
        pixels = one.axes.endswith("S") and letters.endswith("C")
        rgb = pixels and one.keyframe.photometric in _COLOURS
        turn = _orientation(path.name, one) if wanted.turned and not wanted.as_before else 1
        alpha = _alpha(one.keyframe, shape[-1]) if pixels and not wanted.as_before else []
    if alpha:
        colours = [n for n in range(shape[-1]) if n not in alpha]
        levels = [da.take(level, colours, axis=-1) for level in levels]
    data, *coarser = (upright(level, turn, letters.index("Y"), letters.index("X")) for level in levels)
    if spacing and turn in (5, 6, 7, 8):
        spacing |= {a: spacing[b] for a, b in ("XY", "YX") if b in spacing}
    kept = series if len(series) > 1 else ()
    return finish(
        path, data, letters, spacing, channels, rgb=rgb,
        series=chosen.key if kept else "", title=chosen.title or chosen.key if kept else "",
        interval_s=interval, coarser=coarser,
    )  # fmt: skip


def series_in_tiff(path: Path) -> list[Series]:
    """The images of a TIFF; thumbnails, labels and overviews of slide scanners do not count."""
    with tifffile.TiffFile(path) as file:
        return _all_series(file)


_COLOURS = (
    tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR, tifffile.PHOTOMETRIC.CIELAB, tifffile.PHOTOMETRIC.ICCLAB,
)  # fmt: skip


def _all_series(file: tifffile.TiffFile) -> list[Series]:
    found = []
    for number, one in enumerate(file.series):
        name = str(one.name or "")
        aside = name.lower() in _ASIDE or one.keyframe.is_reduced
        if number and (aside or len(one.shape) < 2 or min(one.shape[-2:]) < SMALLEST):
            continue
        words = f"{by(one.shape)}, {one.dtype}"
        found.append(Series(str(number), name if file.is_ome else "", lambda words=words: words))  # type: ignore[misc]
    if not found:
        raise CellsegError(f"{file.filename} holds no image.", "Open it in Fiji to see what it holds.")
    return found


def _level(path: Path, number: int, n: int, level: Any) -> da.Array:
    """One level of a pyramid; the finest is 0."""

    def read(key: Any) -> NDArray[Any]:
        # opened for each access, so that no handle stays open
        with tifffile.TiffFile(path) as file, file.series[number].aszarr(level=n) as store:
            return np.asarray(zarr.open_array(store, mode="r")[key])

    shape = tuple(map(int, level.shape))
    return lazy(path.name, shape, np.dtype(level.dtype), _chunks(path, level), read)


def _chunks(path: Path, one: Any) -> tuple[int, ...]:
    """Parts to read: those of the file, but at least 512 wide where they are small.

    Raises
    ------
    CellsegError
        When the file claims more than it can hold.
    """
    shape, page, itemsize = tuple(map(int, one.shape)), one.keyframe, np.dtype(one.dtype).itemsize
    stored = path.stat().st_size
    if one.dataoffset is not None:  # uncompressed, in one piece
        check_stored(path.name, math.prod(shape) * itemsize, stored - int(one.dataoffset))
    largest = min(stored, max((*map(int, page.databytecounts), 0))) if page.dataoffsets else 0
    if not largest:
        check_stored(path.name, math.prod(shape) * itemsize, 0)
    chunks = tuple(map(int, page.chunks))
    check_loading(path.name, chunks, itemsize, largest)
    tail = min(len(chunks), len(shape))
    native = (1,) * (len(shape) - tail) + tuple(
        n if c < 64 else min(n, max(1, 512 // c) * c)
        for n, c in zip(shape[len(shape) - tail :], chunks[len(chunks) - tail :], strict=True)
    )
    if math.prod(native) * itemsize > 1 << 26:  # whole rows of strips
        native = (1,) * (len(shape) - tail) + tuple(
            min(n, c) for n, c in zip(shape[len(shape) - tail :], chunks[len(chunks) - tail :], strict=True)
        )
    return chunking(path.name, shape, itemsize, native)


def _axes(path: Path, one: Any) -> str:
    """Map tifffile's letters to ours: samples are channels, unnamed pages are Z."""
    letters, shape = str(one.axes).replace("S", "C"), tuple(map(int, one.shape))
    unnamed = [letter for letter in "IQRA" if letter in letters]
    if unnamed and "C" not in letters and len(shape) > 2 and shape[-1] < SMALLEST <= min(shape[-3:-1]):
        return guessed_axes(path.name, shape)  # an array saved as it was, with its channels last
    for letter in unnamed:
        if "Z" not in letters:
            letters = letters.replace(letter, "Z", 1)
    if len(set(letters)) != len(letters) or not set(letters) <= set(AXES):
        raise CellsegError(
            f"The axes of {path.name} are ambiguous: the file calls them {one.axes!r}, its shape is {shape}.",
            f"Say which is which with one letter of {AXES} per dimension, for example --axes {AXES[-len(shape) :]}.",
        )
    return letters


def _alpha(page: Any, n: int) -> list[int]:
    """Which samples say how much of a pixel shows."""
    extra = [int(e) for e in page.extrasamples or ()]
    return [n - len(extra) + k for k, kind in enumerate(extra) if kind in _ALPHA and n > len(extra)]


def _orientation(name: str, one: Any) -> int:
    """How the pages of a series are to be turned, 1 to 8: as the first says, which the last must not contradict.

    Raises
    ------
    CellsegError
        When it does.
    """
    first, last = (_turn(one.pages[n]) for n in (0, len(one.pages) - 1))
    if last and last != (first or 1):  # many programs give the tag to the first page only
        raise CellsegError(
            f"The pages of {name} are turned differently: orientation {first or 1} of the first, {last} of the last.",
            "Turn them alike, in Fiji for example, and save the stack again.",
        )
    return first or 1


def _turn(page: Any) -> int:
    """The orientation tag of a page; 0 where it has none that means anything."""
    tag = page.aspage().tags.get("Orientation") if page is not None else None
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 0


def _metadata(file: tifffile.TiffFile, number: int) -> tuple[dict[str, float] | None, tuple[str, ...]]:
    """Voxel size by axis, in um, and names of the channels."""
    if file.ome_metadata:
        return _of_ome(file.ome_metadata, number)
    spacing: dict[str, float] = {}
    imagej = file.imagej_metadata or {}
    unit = UM.get(str(imagej.get("unit", "")).replace("\\u00B5", "µ"))
    page = file.pages.first
    tag = page.tags.get("ResolutionUnit")
    if unit is None and tag is not None:
        unit = {2: 25400.0, 3: 1e4}.get(int(tag.value))
    for letter, name in (("X", "XResolution"), ("Y", "YResolution")):
        resolution = page.tags.get(name)
        if unit and resolution is not None and resolution.value[0] and resolution.value[1]:
            spacing[letter] = unit * resolution.value[1] / resolution.value[0]
    if unit and "spacing" in imagej:
        spacing["Z"] = abs(float(imagej["spacing"])) * unit
    # 72 or 96 dots an inch is what drawing programs write; no microscope has such pixels
    return (spacing if spacing and spacing.get("X", 1e9) < 200 else None), ()


def _interval(file: tifffile.TiffFile, number: int) -> float | None:
    """Seconds from one time point to the next, as OME or ImageJ say it."""
    if not file.ome_metadata:
        imagej = file.imagej_metadata or {}
        unit = SECONDS.get(str(imagej.get("tunit") or "s").strip().lower(), 1.0)  # ImageJ writes seconds
        step, given = imagej.get("finterval"), unit
    else:
        every = ElementTree.fromstring(file.ome_metadata).findall(".//{*}Pixels")
        pixels = every[number] if number < len(every) else every[0] if every else None
        step = pixels.get("TimeIncrement") if pixels is not None else None
        given = SECONDS.get(pixels.get("TimeIncrementUnit", "s"), 0.0) if pixels is not None else 0.0
    try:
        return float(step or 0) * given or None
    except (TypeError, ValueError):
        return None


def _of_ome(xml: str, number: int) -> tuple[dict[str, float] | None, tuple[str, ...]]:
    every = ElementTree.fromstring(xml).findall(".//{*}Pixels")
    if not every:
        return None, ()
    pixels = every[number] if number < len(every) else every[0]
    spacing = {}
    for letter in "XYZ":
        size = pixels.get(f"PhysicalSize{letter}")
        unit = UM.get(pixels.get(f"PhysicalSize{letter}Unit", "µm"))
        if size and unit:
            spacing[letter] = float(size) * unit
    names = tuple(str(c.get("Name") or "") for c in pixels.findall("{*}Channel"))
    return spacing or None, names if any(names) else ()

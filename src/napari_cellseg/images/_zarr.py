"""OME-Zarr (0.1 to 0.5): images, collections of bioformats2raw, plates, and ``labels/`` beside an image."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from ..errors import CellsegError
from ._checked import checked
from ._guard import reading
from ._image import AXES, Image, lazy
from ._limits import CHUNK_BYTES, by, check_loading, chunking
from ._series import Series, choose
from ._shared import SECONDS, UM, Wanted, finish, readable

MARKERS = (".zattrs", "zarr.json", ".zarray", ".zgroup")
"""Files by which a folder is known as zarr."""
_SPACE, _OTHERS = "ZYX", {"time": "T", "channel": "C"}


def read_zarr(path: Path, wanted: Wanted) -> Image:
    """An array, an image, or one image of a plate or collection; `Image.source` is the folder of that image."""
    node = _open(path)
    if isinstance(node, zarr.Array):
        return _image(path, node, wanted.axes or AXES[-node.ndim :], None, ())
    attributes = _attributes(node)
    if "multiscales" in attributes:
        return _read_multiscale(path, node, attributes, wanted)
    series = series_in_zarr(path)
    chosen = choose(path.name, series, wanted.series)
    inner = path / chosen.key
    found = _open(inner)
    if isinstance(found, zarr.Array) or "multiscales" not in _attributes(found):
        raise CellsegError(f"{path.name}/{chosen.key} is no OME-Zarr image.", "Open it in Fiji to see what it holds.")
    image = _read_multiscale(inner, found, _attributes(found), wanted)
    return replace(image, source=inner, series="", title=chosen.title or chosen.key, rgb=False)


def series_in_zarr(path: Path) -> list[Series]:
    """The images in a folder: fields of a plate or well, series of bioformats2raw; the folder itself is one, too."""
    node = _open(path)
    attributes = _attributes(node)
    if isinstance(node, zarr.Array) or "multiscales" in attributes:
        return [Series("", "", lambda: "")]
    names: Sequence[str] = ()
    if "plate" in attributes:
        keys = [
            f"{well['path']}/{field}" for well in attributes["plate"]["wells"] for field in _fields(path / well["path"])
        ]
    elif "well" in attributes:
        keys = _fields(path)
    else:
        keys, names = _collected(path, attributes)
    if not keys:
        raise CellsegError(
            f"{path.name} is a folder without OME-Zarr metadata.",
            "Give an image file, or an OME-Zarr folder that holds 'multiscales', a plate or images of bioformats2raw.",
        )
    titles = names if len(names) == len(keys) else [""] * len(keys)
    return [Series(key, title, _measured(path / key)) for key, title in zip(keys, titles, strict=True)]


def labels_inside(path: Path) -> list[Path]:
    """Label images that lie in ``labels/`` of an OME-Zarr image."""
    folder = path / "labels"
    if not folder.is_dir() or not any((path / name).exists() for name in MARKERS):
        return []
    try:
        with reading(path.name):
            names = [str(n) for n in _attributes(_open(folder)).get("labels", ())]
    except CellsegError:
        return []
    return [folder / name for name in names if name not in ("", "..") and (folder / name).is_dir()]


# --- inside ---------------------------------------------------------------------------------------


def _open(path: Path) -> zarr.Group | zarr.Array[Any]:
    return zarr.open(LocalStore(path, read_only=True), mode="r")


def _attributes(node: zarr.Group | zarr.Array[Any]) -> dict[str, Any]:
    """What OME says of a group; version 0.5 keeps it in a part of its own."""
    attributes: dict[str, Any] = dict(node.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _fields(well: Path) -> list[str]:
    found = _attributes(_open(well)).get("well", {})
    return [str(image["path"]) for image in found.get("images", ())]


def _collected(path: Path, attributes: dict[str, Any]) -> tuple[list[str], Sequence[str]]:
    """Paths and names of the images that bioformats2raw has put into one folder."""
    keys: list[str] = []
    if (path / "OME").is_dir():
        keys = [str(s) for s in _attributes(_open(path / "OME")).get("series", ())]
    if not keys and "bioformats2raw.layout" in attributes:
        keys = sorted((p.name for p in path.iterdir() if p.name.isdecimal() and p.is_dir()), key=int)
    names: list[str] = []
    if (path / "OME" / "METADATA.ome.xml").is_file():
        from xml.etree import ElementTree

        root = ElementTree.parse(path / "OME" / "METADATA.ome.xml").getroot()
        names = [str(image.get("Name") or "") for image in root.findall("{*}Image")]
    return [k for k in keys if (path / k).is_dir() and ".." not in Path(k).parts], names


def _measured(path: Path) -> Any:
    def size() -> str:
        try:
            with reading(path.name):
                image = read_zarr(path, Wanted())
        except CellsegError:
            return "cannot be read"
        return f"{by(image.data.shape)}, {image.data.dtype}"

    return size


def _read_multiscale(path: Path, node: zarr.Group, attributes: dict[str, Any], wanted: Wanted) -> Image:
    scales = attributes["multiscales"][0]
    level, *coarser = scales["datasets"]
    array: Any = node[str(level["path"])]
    named = [a if isinstance(a, dict) else {"name": a} for a in scales.get("axes", ())]
    letters = _letters(path, named, array.shape) if named else AXES[-array.ndim :]
    scale = np.ones(array.ndim)
    given = False
    for transform in (*level.get("coordinateTransformations", ()), *scales.get("coordinateTransformations", ())):
        if transform.get("type") == "scale" and len(transform.get("scale", ())) == array.ndim:
            scale, given = scale * np.asarray(transform["scale"], float), True
    spacing = None
    if given:
        units = [UM.get(re.sub("metre", "meter", str(a.get("unit", "")))) for a in named]
        spacing = {x: float(s) * u for x, s, u in zip(letters, scale, units, strict=True) if u and x in _SPACE}
    interval = None
    if given and "T" in letters:
        n = letters.index("T")
        interval = float(scale[n]) * SECONDS.get(str(named[n].get("unit", "")) if named else "", 0.0) or None
    names = tuple(str(c.get("label", "")) for c in (attributes.get("omero") or {}).get("channels", ()))
    found = _image(
        path, array, wanted.axes or letters, spacing, names if any(names) else (), _coarser(path, node, coarser)
    )
    return replace(found, interval_s=interval) if "T" in found.axes else found


def _letters(path: Path, named: list[dict[str, Any]], shape: tuple[int, ...]) -> str:
    """Our letters for axes of NGFF, whose names are free: the type says what an axis is.

    Axes of space are Z, Y and X in that order where their names are others.
    """
    letters = [_OTHERS.get(str(a.get("type", "")), str(a.get("name", "")).upper()) for a in named]
    space = [n for n, a in enumerate(named) if a.get("type") == "space"]
    if 1 < len(space) <= 3 and {letters[n] for n in space} != set(_SPACE[-len(space) :]):
        for n, letter in zip(space, _SPACE[-len(space) :], strict=True):
            letters[n] = letter
    if len(letters) != len(shape) or len(set(letters)) < len(letters) or not set(letters) <= set(AXES):
        names = ", ".join(str(a.get("name")) for a in named)
        raise CellsegError(
            f"The axes of {path.name} are ambiguous: the file calls them {names}, its shape is {tuple(shape)}.",
            f"Say which is which with one letter of {AXES} per dimension, for example --axes {AXES[-len(shape) :]}.",
        )
    return "".join(letters)


def _image(
    path: Path,
    array: zarr.Array[Any],
    axes: str,
    spacing: dict[str, float] | None,
    names: tuple[str, ...],
    coarser: Sequence[da.Array] = (),
) -> Image:
    return finish(path, _pixels(path, array), axes, spacing, names, coarser=coarser)


def _coarser(path: Path, node: zarr.Group, datasets: Sequence[dict[str, Any]]) -> list[da.Array]:
    """The coarser levels of an image, as far as they can be read."""

    def level(dataset: dict[str, Any]) -> da.Array:
        return _pixels(path, node[str(dataset["path"])])  # type: ignore[arg-type]

    return readable(path, [partial(level, dataset) for dataset in datasets])


def _pixels(path: Path, array: zarr.Array[Any]) -> da.Array:
    """An array as parts that are read when they are asked for."""
    name, dtype = path.name, np.dtype(array.dtype)
    shape = tuple(map(int, array.shape))
    pieces = [tuple(map(int, array.chunks))] + ([tuple(map(int, array.shards))] if array.shards else [])
    for piece in pieces:
        if math.prod(piece) * dtype.itemsize > CHUNK_BYTES:
            check_loading(f"A part of {name}", piece, dtype.itemsize, _stored(path))
    array = checked(array, name)
    native = pieces[-1] if math.prod(pieces[-1]) * dtype.itemsize <= CHUNK_BYTES else pieces[0]
    chunks = chunking(name, shape, dtype.itemsize, native)

    def read(key: Any) -> NDArray[Any]:
        return np.asarray(array[key])

    return lazy(name, shape, dtype, chunks, read)


def _stored(path: Path) -> int:
    """Bytes of all files in a folder."""
    return sum((Path(folder) / name).stat().st_size for folder, _, names in os.walk(path) for name in names)

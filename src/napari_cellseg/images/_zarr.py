"""OME-Zarr (0.1 to 0.6): images, collections of bioformats2raw, plates, and ``labels/`` beside an image."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
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
from ._limits import CHUNK_BYTES, MAX_CHUNKS, by, check_loading, chunking
from ._remote import address, answering, is_remote, remote_store
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
    if not is_remote(path) and not (folder.is_dir() and any((path / name).exists() for name in MARKERS)):
        return []
    try:
        with reading(path.name):
            names = [str(n) for n in _attributes(_open(folder)).get("labels", ())]
    except CellsegError:
        return []
    return [folder / name for name in names if name not in ("", "..") and _is_there(folder / name)]


def described(path: Path) -> str:
    """What an image at an address says of itself and of its levels, as a text that is the same as long as it does."""
    with answering(path):
        node = _open(path)
        arrays = [node] if isinstance(node, zarr.Array) else _multiscale(path, node, _attributes(node)).levels
        return json.dumps([dict(node.attrs), *([a.shape, a.chunks, str(a.dtype)] for a in arrays)], sort_keys=True)


# --- inside ---------------------------------------------------------------------------------------


def _open(path: Path) -> zarr.Group | zarr.Array[Any]:
    return zarr.open(remote_store(path) if is_remote(path) else LocalStore(path, read_only=True), mode="r")


def _is_there(path: Path) -> bool:
    """Whether there is a folder of zarr, here or at an address."""
    if not is_remote(path):
        return path.is_dir()
    try:
        _open(path)
    except FileNotFoundError:  # as zarr says it of groups and arrays
        return False
    return True


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
    if _is_there(path / "OME"):
        keys = [str(s) for s in _attributes(_open(path / "OME")).get("series", ())]
    if not keys and "bioformats2raw.layout" in attributes:
        keys = _numbered(path)
    names: list[str] = []
    if not is_remote(path) and (path / "OME" / "METADATA.ome.xml").is_file():
        from xml.etree import ElementTree

        root = ElementTree.parse(path / "OME" / "METADATA.ome.xml").getroot()
        names = [str(image.get("Name") or "") for image in root.findall("{*}Image")]
    return [k for k in keys if ".." not in Path(k).parts and _is_there(path / k)], names


def _numbered(path: Path) -> list[str]:
    """Folders that are called 0, 1, 2...; an address does not list what it has, so there they are asked for in turn."""
    if is_remote(path):
        return [str(n) for n in takewhile(lambda n: _is_there(path / str(n)), range(MAX_CHUNKS))]
    return sorted((p.name for p in path.iterdir() if p.name.isdecimal() and p.is_dir()), key=int)


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
    found = _multiscale(path, node, attributes, wanted.axes)
    array, letters, (scale, _) = found.array, wanted.axes or found.letters, found.transformations[0]
    spacing = interval = None
    if found.given:
        units = [UM.get(re.sub("metre", "meter", str(a.get("unit", "")))) for a in found.named]
        spacing = {x: s * u for x, s, u in zip(letters, scale, units, strict=True) if u and x in _SPACE}
        n = letters.find("T")
        if n >= 0:
            interval = scale[n] * SECONDS.get(str(found.named[n].get("unit", "")) if found.named else "", 0.0) or None
    names = tuple(str(c.get("label", "")) for c in (attributes.get("omero") or {}).get("channels", ()))
    coarser = readable(path, [partial(_pixels, path, level) for level in found.levels[1:]])
    image = _image(path, array, letters, spacing, names if any(names) else (), coarser)
    return replace(image, interval_s=interval) if "T" in image.axes else image


@dataclass(frozen=True)
class Multiscale:
    """What OME says of an image, in words that are the same for all versions.

    Attributes
    ----------
    version
        "0.1" to "0.6", or what the file says.
    letters
        One of ``TCZYX`` per axis of the arrays.
    named
        What the file says of each axis; () where it says nothing.
    levels
        Arrays, the finest first, up to one that cannot be opened.
    transformations
        Scale and translation of each level, one number per axis.
    given
        Whether the file tells the scale.
    """

    version: str
    letters: str
    named: tuple[dict[str, Any], ...]
    levels: tuple[zarr.Array[Any], ...]
    transformations: tuple[tuple[list[float], list[float]], ...]
    given: bool

    @property
    def array(self) -> zarr.Array[Any]:
        """The finest level."""
        return self.levels[0]


def is_image(path: Path) -> bool:
    """Whether a folder is an OME-Zarr image that can be written into."""
    try:
        multiscale_in(path)
    except CellsegError:
        return False
    return True


def multiscale_in(path: Path) -> Multiscale:
    """What OME says of the image in a folder.

    Raises
    ------
    CellsegError
        When there is none.
    """
    if is_remote(path):
        raise CellsegError(f"{address(path)} is only read.", "Download the image, or write to a folder of your own.")
    with reading(path.name):
        node = _open(path) if any((path / name).exists() for name in MARKERS) else None
    if not isinstance(node, zarr.Group) or "multiscales" not in (attributes := _attributes(node)):
        raise CellsegError(f"{path.name} is no OME-Zarr image.", "Labels lie inside of OME-Zarr images only.")
    return _multiscale(path, node, attributes)


def _multiscale(path: Path, node: zarr.Group, attributes: dict[str, Any], axes: str | None = None) -> Multiscale:
    """`axes`: what a person says, instead of what the file says."""
    scales = attributes["multiscales"][0]
    first, *others = scales["datasets"]
    arrays = [_level(node, first), *readable(path, [partial(_level, node, dataset) for dataset in others])]
    version = str(attributes.get("version") or scales.get("version") or ("0.4", "0.5")[node.metadata.zarr_format - 2])
    named, after = scales.get("axes", ()), scales.get("coordinateTransformations") or ()
    if scales.get("coordinateSystems"):  # from 0.6 on; what follows leads out of the image into other systems
        named, after = _intrinsic(scales), ()
    named = tuple(a if isinstance(a, dict) else {"name": a} for a in named)
    steps = [
        _composed((*(dataset.get("coordinateTransformations") or ()), *after), array.ndim)
        for dataset, array in zip((first, *others), arrays, strict=False)
    ]
    shape = tuple(map(int, arrays[0].shape))
    letters = axes or (_letters(path, list(named), shape) if named else AXES[-len(shape) :])
    given = steps[0] is not None
    nothing = ([1.0] * len(shape), [0.0] * len(shape))
    return Multiscale(version, letters, named, tuple(arrays), tuple(s or nothing for s in steps), given)


def _level(node: zarr.Group, dataset: dict[str, Any]) -> Any:
    return node[str(dataset["path"])]


def _intrinsic(scales: dict[str, Any]) -> Sequence[Any]:
    """The axes of the system into which the levels of an image of version 0.6 are mapped."""
    systems = {str(s.get("name")): s.get("axes") or () for s in scales["coordinateSystems"]}
    steps = scales["datasets"][0].get("coordinateTransformations") or [{}]
    output = steps[-1].get("output")
    name = str(output.get("name") if isinstance(output, dict) else output)
    axes: Sequence[Any] = systems.get(name) or next(iter(systems.values()))
    return axes


def _composed(steps: Sequence[dict[str, Any]], ndim: int) -> tuple[list[float], list[float]] | None:
    """Scale and translation of transformations one after another; None where there is no scale, or one of more."""
    scale, translation, given = np.ones(ndim), np.zeros(ndim), False
    for step in steps:
        kind = step.get("type")
        if kind == "sequence":
            inner = _composed(step.get("transformations") or (), ndim)
            if inner is None:
                return None
            scale, translation, given = scale * inner[0], translation * inner[0] + inner[1], True
        elif kind == "scale" and len(step.get("scale") or ()) == ndim:
            values = np.asarray(step["scale"], float)
            scale, translation, given = scale * values, translation * values, True
        elif kind == "translation" and len(step.get("translation") or ()) == ndim:
            translation = translation + np.asarray(step["translation"], float)
        elif kind not in ("scale", "translation", "identity"):
            return None  # a rotation, or what a later version brings
    return (scale.tolist(), translation.tolist()) if given else None


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


def _stored(path: Path) -> int | None:
    """Bytes of all files in a folder; an address does not say."""
    if is_remote(path):
        return None
    return sum((Path(folder) / name).stat().st_size for folder, _, names in os.walk(path) for name in names)

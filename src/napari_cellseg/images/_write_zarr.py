"""OME-Zarr 0.4 and 0.5: pyramids of labels and probabilities, on their own or in ``labels/`` of an image.

Data flow: what is written -> a `Pyramid`, of every second pixel or of the levels that an image has -> empty arrays ->
filled level by level, each from the one before.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ..files import take_place
from ._guard import reading
from ._pieces import Sampled, Sizes, WithAxes, blocks, halved
from ._zarr import Multiscale, multiscale_in

OLDER = ".v0.4.ome.zarr"
"""Names that end so become OME-Zarr 0.4, others 0.5."""
_COLOURS = (
    (230, 75, 53), (77, 187, 213), (0, 160, 135), (60, 84, 136), (243, 155, 127), (132, 145, 180), (145, 209, 194),
    (126, 97, 72),
)  # fmt: skip
"""Of classes and objects, red, green, blue; they come again where there are more."""
_COLOURED = 10_000
"""Of more objects nobody tells the colours apart, and the list of them would be longer than the labels."""
_SMALLEST = 256
"""A pyramid ends where Y and X are no longer than this."""
_MANY, _SHARD = 256, 1 << 24
"""An array of more chunks is put together in shards of so many voxels at most."""


@dataclass(frozen=True)
class Pyramid:
    """Levels of an OME-Zarr that is to be written.

    Attributes
    ----------
    version
        0.4 or 0.5.
    axes
        One letter of ``TCZYX`` for each, and what OME says of it.
    levels
        Shape and transformations of each, the finest first.
    """

    version: str
    axes: tuple[tuple[str, dict[str, Any]], ...]
    levels: tuple[tuple[tuple[int, ...], list[dict[str, Any]]], ...]


def write_zarr(
    path: Path, data: Any, dtype: np.dtype[Any], pyramid: Pyramid, metadata: dict[str, Any], name: str = ""
) -> None:
    """Write an array-like and its coarser levels; `metadata` stands beside the pyramid."""
    source = data
    for array in create(path, pyramid, dtype, metadata, name or path.name, sharded=True):
        shape = tuple(map(int, array.shape))
        for box, part in blocks(source if source is data else Sampled(source, shape), array.shards):
            array[box] = part.astype(dtype)
        source = array


def every_second(path: Path, shape: tuple[int, ...], axes: str, sizes: Sizes) -> Pyramid:
    """A pyramid of every second pixel of Y and X, in the version that the name of its folder says."""
    spacing_um, interval_s = sizes
    size = spacing_um or (1.0,) * len(axes.lstrip("TC"))
    ahead = [interval_s or 1.0 if a == "T" else 1.0 for a in axes if a in "TC"]
    levels, factor = [], 1
    while True:
        scale = ahead + [float(s) for s in size[:-2]] + [float(s) * factor for s in size[-2:]]
        levels.append((shape, [{"type": "scale", "scale": scale}]))
        if max(shape[-2:]) <= _SMALLEST:
            break
        shape, factor = (*shape[:-2], *(-(-n // 2) for n in shape[-2:])), factor * 2
    version = "0.4" if path.name.lower().endswith(OLDER) else "0.5"
    return Pyramid(version, tuple(zip(axes, _in_words(axes, sizes), strict=True)), tuple(levels))


def label_metadata(
    path: Path,
    classes: Sequence[str],
    source: Path | None,
    kinds: Mapping[int, str] | None = None,
    labels: Any = None,
) -> dict[str, Any]:
    """OME-Zarr's ``image-label``: background is clear, classes and objects have a colour, and some have a name.

    The picture's place is relative to the labels', or its name where it is no OME-Zarr. `labels`: whose objects get a
    colour, where they are not very many; None where nobody knows them yet.
    """
    named = dict(enumerate(classes, start=1)) or dict(kinds or {})
    values = sorted(named) if classes or labels is None else sorted(_ids(labels) or named)
    colours = [_COLOURS[(value - 1) % len(_COLOURS)] for value in values]
    about: dict[str, Any] = {"colors": [{"label-value": 0, "rgba": [0, 0, 0, 0]}]}
    about["colors"] += [{"label-value": v, "rgba": [*c, 255]} for v, c in zip(values, colours, strict=True)]
    if named:  # of the same values as there are colours, which validators insist on
        words = {0: "background"} | {v: named.get(v, "") for v in values}
        about["properties"] = [{"label-value": v, "class": word} for v, word in words.items()]
    if source is not None:
        about["source"] = {"image": source.name}
        if source.is_dir() and source.resolve().anchor == path.resolve().anchor:
            about["source"] = {"image": Path(os.path.relpath(source.resolve(), path.resolve())).as_posix()}
    return about


def write_inside(
    image: Path, name: str, labels: Any, about: tuple[Sequence[str], Mapping[int, str]], *, replace: bool = False
) -> Path:
    """Write labels into ``labels/NAME`` of an OME-Zarr image: its version, its levels, its sizes; returns that folder.

    Parameters
    ----------
    labels
        (T, Z, Y, X) array-like uint32, of these axes those that are longer than 1 in the image.
    about
        Names of the classes, where labels are classes, and the class of each object that has one.
    replace
        Write over labels of this name.

    Raises
    ------
    CellsegError
        Before anything is written: when there is no such image, or it is of a version that is only read, the labels do
        not fit it, or it holds labels of this name already.
    """
    if not re.fullmatch(r"\w[\w .-]*", name):
        raise CellsegError(f"{name!r} is no name for labels.", "Use letters, digits, dots, dashes and _.")
    with reading(image.name):
        there = multiscale_in(image)
    pyramid, shape = _like(image, there), tuple(map(int, there.array.shape))
    data = _fitted(labels, there.letters, shape, image.name)
    folder = image / "labels" / name
    if folder.exists() and not replace:
        raise CellsegError(
            f"{image.name} holds labels that are called {name} already.",
            "Choose another name, or let them be replaced: export --inside NAME --replace.",
        )
    classes, kinds = about
    metadata = {**label_metadata(folder, classes, None, kinds, labels), "source": {"image": "../../"}}
    part = folder.with_name(f".{name}.part")
    try:
        write_zarr(part, data, np.dtype(np.uint32), pyramid, {"image-label": metadata}, name)
        take_place(part, folder)
        _list(folder.parent, pyramid.version, name)
    except OSError as error:
        raise CellsegError(f"{folder} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def label_levels(
    place: Path,
    path: Path,
    shape: tuple[int, ...],
    spacing_um: tuple[float, ...] | None,
    classes: Sequence[str],
    source: Path | None,
    side: int | None = None,
    *,
    planar: bool = False,
) -> list[Any]:
    """An OME-Zarr of labels to be filled part by part: its levels, zarr arrays (Z, Y, X) or (Y, X), the finest first.

    What lies at `place` already is opened.

    Parameters
    ----------
    place
        Where it lies until it is complete.
    path
        Where it will lie then.
    side
        Chunks are no longer than this; None: as usual.
    planar
        Chunks are single planes.
    """
    import zarr

    if any((place / name).is_file() for name in ("zarr.json", ".zattrs")):
        group = zarr.open_group(str(place), mode="r+")
        attributes: Any = group.attrs.get("ome", group.attrs)
        if "multiscales" in attributes:
            return [group[d["path"]] for d in attributes["multiscales"][0]["datasets"]]
    place.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"image-label": label_metadata(path, classes, source)}
    pyramid = every_second(path, shape, "ZYX"[-len(shape) :], (spacing_um, None))
    largest = {"Z": min(1 if planar else 16, side or 16), "Y": min(512, side or 512), "X": min(512, side or 512)}
    return create(place, pyramid, np.dtype(np.uint32), metadata, path.name, largest)


@dataclass(frozen=True, eq=False)
class Halve:
    """Parts of a level of a pyramid made of the level before: every second pixel of Y and X."""

    finer: Any
    coarser: Any

    def __call__(self, box: tuple[slice, ...]) -> dict[str, NDArray[Any]]:
        """Write one part."""
        self.coarser[box] = halved(self.finer)[box]
        return {}


def create(
    path: Path,
    pyramid: Pyramid,
    dtype: np.dtype[Any],
    metadata: dict[str, Any],
    name: str,
    largest: Mapping[str, int] | None = None,
    *,
    sharded: bool = False,
) -> list[Any]:
    """The empty arrays of a pyramid; `largest`: of chunks, by letter. Shards are not for writing side by side."""
    import zarr

    old = pyramid.version == "0.4"
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if old else 3)
    letters = "".join(letter for letter, _ in pyramid.axes)
    most = {"T": 1, "C": 1, "Z": 16, "Y": 512, "X": 512, **(largest or {})}
    arrays = []
    for n, (shape, _) in enumerate(pyramid.levels):
        chunks = tuple(min(length, most[a]) for length, a in zip(shape, letters, strict=True))
        words = [str(axis["name"]) for _, axis in pyramid.axes]
        shards = _shards(shape, chunks) if sharded and not old else None
        kept = _as_before() if old else {"dimension_names": words, "shards": shards}
        arrays.append(group.create_array(str(n), shape=shape, dtype=dtype, chunks=chunks, **kept))
    levels = [{"path": str(n), "coordinateTransformations": t} for n, (_, t) in enumerate(pyramid.levels)]
    whole: Any = {"name": name, "axes": [axis for _, axis in pyramid.axes], "datasets": levels}
    if "image-label" in metadata:
        metadata = {**metadata, "image-label": {"version": pyramid.version, **metadata["image-label"]}}
    if old:
        group.attrs.update({"multiscales": [{"version": "0.4", **whole}], **metadata})
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [whole], **metadata}
    return arrays


# --- inside ---------------------------------------------------------------------------------------


def _as_before() -> dict[str, Any]:
    """How arrays of version 0.4 are written so that readers in Java and JavaScript know them."""
    import numcodecs

    compressor = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
    return {"compressors": compressor, "chunk_key_encoding": {"name": "v2", "separator": "/"}}


def _shards(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...] | None:
    """How many chunks share a file where there would be very many of them: the last axes first."""
    if math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True)) <= _MANY:
        return None
    shards = list(chunks)
    for axis in (-1, -2, -3):
        if len(shape) < -axis:
            break
        while shards[axis] < shape[axis] and math.prod(shards) * 2 <= _SHARD and shards[axis] < 8 * chunks[axis]:
            shards[axis] *= 2
    return tuple(shards)


def _in_words(axes: str, sizes: Sizes) -> list[dict[str, Any]]:
    """Axes as OME-Zarr has them, with their units."""
    unit = {"unit": "micrometer"} if sizes[0] else {}
    others = {
        "C": {"name": "c", "type": "channel"},
        "T": {"name": "t", "type": "time", **({"unit": "second"} if sizes[1] else {})},
    }
    return [others.get(a, {"name": a.lower(), "type": "space", **unit}) for a in axes]


def _ids(labels: Any) -> set[int]:
    """The numbers of the objects; none where they are very many."""
    ids: set[int] = set()
    for _, part in blocks(labels):
        ids |= {int(id) for id in fastremap.unique(part)} - {0}
        if len(ids) > _COLOURED:
            return set()
    return ids


def _like(image: Path, there: Multiscale) -> Pyramid:
    """The levels of an image without its channels, which labels have, too."""
    if there.version > "0.5":
        raise CellsegError(
            f"{image.name} is OME-Zarr {there.version}; labels are written into images up to 0.5.",
            "Export them as OME-Zarr of their own: --out DIR --format ome.zarr.",
        )
    kept = [n for n, letter in enumerate(there.letters) if letter != "C"]
    named = there.named or tuple({"name": x.lower(), "type": "space"} for x in there.letters)
    levels = []
    for array, (scale, translation) in zip(there.levels, there.transformations, strict=True):
        shape = tuple(int(array.shape[n]) for n in kept)
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": [scale[n] for n in kept]}]
        if any(translation):
            steps.append({"type": "translation", "translation": [translation[n] for n in kept]})
        levels.append((shape, steps))
    version = "0.5" if there.version == "0.5" else "0.4"
    axes = tuple((there.letters[n], {k: v for k, v in named[n].items() if v}) for n in kept)
    return Pyramid(version, axes, tuple(levels))


def _fitted(labels: Any, letters: str, shape: tuple[int, ...], name: str) -> WithAxes:
    """Labels with all axes of an image but that of its channels."""
    whole = [(letter, n) for letter, n in zip(letters, shape, strict=True) if letter != "C"]
    own = [k for k, (letter, n) in enumerate(whole) if n > 1 or letter in "YX"]
    expected = tuple(whole[k][1] for k in own)
    if "".join(whole[k][0] for k in own) not in ("YX", "ZYX", "TYX", "TZYX"):
        raise CellsegError(
            f"The axes of {name} are {letters}, an order in which no labels are written.", "Write them on their own."
        )
    if tuple(labels.shape) != expected:
        raise CellsegError(
            f"The labels are {tuple(labels.shape)}, the image {name} is {expected}.",
            "Labels need the size of their image.",
        )
    return WithAxes(labels, tuple(n for _, n in whole), own)


def _list(folder: Path, version: str, name: str) -> None:
    """Put a name on the list of an image's labels."""
    import zarr

    group = zarr.open_group(str(folder), mode="a", zarr_format=2 if version == "0.4" else 3)
    about: Any = dict(group.attrs) if version == "0.4" else dict(group.attrs.get("ome", {}))  # type: ignore[arg-type]
    names = [str(n) for n in about.get("labels", ())]
    about["labels"] = names if name in names else [*names, name]
    if version == "0.4":
        group.attrs.update(about)
    else:
        group.attrs["ome"] = {"version": version, **about}

"""Labels and probabilities out: TIFF that Fiji opens, OME-TIFF, NPY, and OME-Zarr with a pyramid.

Data flow: array-like (numpy, or zarr larger than memory) -> planes or blocks -> a file under a temporary name ->
its own name, so that a file appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ..errors import CellsegError
from ._masks import write_foreign

LABEL_FORMATS = {
    "tif": "TIFF", "ome.tif": "OME-TIFF", "ome.zarr": "OME-Zarr", "png": "PNG", "npy": "NumPy",
    "roi.zip": "ImageJ ROIs", "coco.json": "COCO", "geojson": "GeoJSON (QuPath)",
}  # fmt: skip
"""Endings that `write_labels` knows, and what people call them."""
_ARRAYS = (".tif", ".tiff", ".zarr", ".npy")
_FOREIGN = (".png", ".zip", ".json", ".geojson")
_COLOURS = (
    (230, 75, 53), (77, 187, 213), (0, 160, 135), (60, 84, 136), (243, 155, 127), (132, 145, 180), (145, 209, 194),
    (126, 97, 72),
)  # fmt: skip
"""Of classes in OME-Zarr, red, green, blue; they come again where there are more."""
_Sizes = tuple[tuple[float, ...] | None, float | None]
"""Voxel size in um by spatial axis, and seconds from one time point to the next."""
_BLOCK = (16, 1024, 1024)
_SMALLEST = 256
"""A pyramid ends where Y and X are no longer than this."""


def write_labels(
    path: str | Path,
    labels: Any,
    spacing_um: tuple[float, ...] | None = None,
    classes: Sequence[str] = (),
    source: str | Path | None = None,
    kinds: Mapping[int, str] | None = None,
) -> Path:
    """Write labels (Z, Y, X) or (Y, X) in the format of the name's ending; returns the path.

    These are ``.tif``, ``.ome.tif``, ``.ome.zarr``, ``.npy``, ``.png``, ``.roi.zip`` (ImageJ), ``.coco.json`` and
    ``.geojson`` (QuPath). A name without an ending gets ``.tif``.

    Parameters
    ----------
    labels
        Array-like; TIFF, OME-TIFF, OME-Zarr and NPY take those larger than memory, too. TIFF and NPY hold uint16 where
        the ids fit and uint32 otherwise; OME-Zarr holds uint32 and a pyramid of every second pixel.
    spacing_um
        Voxel size in um, one number per axis.
    classes
        Names of the classes, where labels are classes: COCO, GeoJSON and OME-Zarr take them, and a PNG of the only
        class is black and white (0 and 255).
    source
        The picture that the labels are of; OME-Zarr says it.
    kinds
        Where labels are objects, the class of each that has one: COCO and GeoJSON take them.

    Raises
    ------
    CellsegError
        When the ending is not known, the format does not hold such labels, or the file cannot be written. The file
        appears whole or not at all.
    """
    path = Path(path)
    path = path if path.suffix else path.with_name(f"{path.name}.tif")
    if path.name.lower().endswith(_FOREIGN):
        return write_foreign(path, np.asarray(labels, np.uint32), classes, kinds or {})
    about = _label_metadata(path, classes, Path(source) if source else None)
    return _write(path, labels, _dtype_for(labels, path), "ZYX"[-len(labels.shape) :], (spacing_um, None), about)


def write_label_series(
    path: str | Path,
    labels: Any,
    spacing_um: tuple[float, ...] | None = None,
    interval_s: float | None = None,
    classes: Sequence[str] = (),
    source: str | Path | None = None,
) -> Path:
    """Write labels of a time series, (T, Z, Y, X) or (T, Y, X), as TIFF, OME-TIFF, OME-Zarr or NPY; see `write_labels`.

    Parameters
    ----------
    interval_s
        Seconds from one time point to the next.

    Raises
    ------
    CellsegError
        When the ending is another, or the file cannot be written. It appears whole or not at all.
    """
    path = Path(path)
    about = _label_metadata(path, classes, Path(source) if source else None)
    axes = f"T{'ZYX'[1 - len(labels.shape) :]}"
    return _write(path, labels, _dtype_for(labels, path), axes, (spacing_um, interval_s), about)


def _dtype_for(labels: Any, path: Path) -> np.dtype[Any]:
    """uint16 where the ids fit, uint32 otherwise and in OME-Zarr."""
    top = max((int(part.max(initial=0)) for _, part in _blocks(labels)), default=0)
    return np.dtype(np.uint16 if top < 65536 and path.suffix.lower() != ".zarr" else np.uint32)


def write_probabilities(path: str | Path, probabilities: Any, spacing_um: tuple[float, ...] | None = None) -> Path:
    """Write probabilities (K, Z, Y, X) or (K, Y, X) as float32, one channel per class or target channel."""
    axes = "CZYX" if len(probabilities.shape) == 4 else "CYX"
    return _write(Path(path), probabilities, np.dtype(np.float32), axes, (spacing_um, None))


def write_map(path: str | Path, values: Any, spacing_um: tuple[float, ...] | None = None) -> Path:
    """Write one value per voxel, (Z, Y, X) or (Y, X), as float32."""
    return _write(Path(path), values, np.dtype(np.float32), "ZYX"[-len(values.shape) :], (spacing_um, None))


def _write(
    path: Path,
    data: Any,
    dtype: np.dtype[Any],
    axes: str,
    sizes: _Sizes,
    about: dict[str, Any] | None = None,
) -> Path:
    """`about`: what OME-Zarr says of labels."""
    if not path.name.lower().endswith(_ARRAYS):
        raise CellsegError(
            f"{path.name} has no ending that can be written.",
            f"Use one of {', '.join('.' + e for e in LABEL_FORMATS)}.",
        )
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".zarr":
            metadata = {"name": path.name, **({"image-label": about} if about else {})}
            _write_zarr(temporary, data, dtype, axes, sizes, metadata)
        elif path.suffix.lower() == ".npy":
            _write_npy(temporary, data, dtype)
        else:
            _write_tiff(temporary, data, dtype, axes, sizes, ome=".ome." in path.name.lower())
        _put_in_place(temporary, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
    return path


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename; a folder that was there is removed only when the new one stands in its place."""
    if not path.is_dir():
        os.replace(temporary, path)
        return
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_npy(path: Path, data: Any, dtype: np.dtype[Any]) -> None:
    """Plane after plane: a file that is mapped into memory ends the process where the disk turns out to be full."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(data.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for plane in _planes(data, dtype):
            file.write(np.ascontiguousarray(plane).data)


def _blocks(data: Any) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
    """Parts of an array-like that fit into memory."""
    sides = (1,) * (len(data.shape) - 3) + _BLOCK[-min(3, len(data.shape)) :]
    for start in product(*(range(0, n, s) for n, s in zip(data.shape, sides, strict=True))):
        box = tuple(slice(a, min(n, a + s)) for a, s, n in zip(start, sides, data.shape, strict=True))
        yield box, np.asarray(data[box])


def _planes(data: Any, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    for index in np.ndindex(*data.shape[:-2]):
        yield np.asarray(data[index]).astype(dtype)


def _write_tiff(path: Path, data: Any, dtype: np.dtype[Any], axes: str, sizes: _Sizes, *, ome: bool) -> None:
    spacing_um, interval_s = sizes
    metadata: dict[str, Any] = {"axes": axes}
    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack"}
    # ImageJ's own TIFF has no 32-bit integers: those carry their voxel size as OME-TIFF does, and as tags in cm
    ome = ome or dtype == np.uint32
    if interval_s and "T" in axes:
        metadata |= {"TimeIncrement": interval_s, "TimeIncrementUnit": "s"} if ome else {"finterval": interval_s}
    if ome and spacing_um:
        for letter, size in zip(axes.lstrip("TC"), spacing_um, strict=True):
            metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": "µm"}
        options |= {"resolution": (1e4 / spacing_um[-1], 1e4 / spacing_um[-2]), "resolutionunit": "CENTIMETER"}
    elif spacing_um:
        options["resolution"] = (1 / spacing_um[-1], 1 / spacing_um[-2])
        metadata["unit"] = "um"
        if "Z" in axes:
            metadata["spacing"] = spacing_um[0]
    imagej = not ome
    if imagej:  # its axes are TZCYX
        data, metadata["axes"] = _imagej_order(data, axes)
    options["bigtiff"] = not imagej and int(np.prod(data.shape, dtype=np.int64)) * dtype.itemsize > 3_900_000_000
    tifffile.imwrite(
        path, _planes(data, dtype), shape=tuple(data.shape), dtype=dtype, ome=ome, imagej=imagej, metadata=metadata,
        **options,
    )  # fmt: skip


def _imagej_order(data: Any, axes: str) -> tuple[Any, str]:
    if axes != "CZYX":
        return data, axes
    return _ZBeforeC(data), "ZCYX"


class _ZBeforeC:
    """An array-like (C, Z, Y, X) in the order of ImageJ's pages."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = (array.shape[1], array.shape[0], *array.shape[2:])

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[Any]:
        return np.asarray(self._array[(index[1], index[0])])


def _write_zarr(
    path: Path,
    data: Any,
    dtype: np.dtype[Any],
    axes: str,
    sizes: _Sizes,
    metadata: dict[str, Any],
) -> None:
    """OME-Zarr 0.5, see `_levels`."""
    source = data
    for array in _levels(path, tuple(data.shape), dtype, axes, sizes, metadata):
        for box, part in _blocks(source):
            array[box] = part.astype(dtype)
        source = _Halved(array)


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

    if (place / "zarr.json").is_file() and "ome" in (group := zarr.open_group(str(place), mode="r+")).attrs:
        about: Any = group.attrs["ome"]
        return [group[d["path"]] for d in about["multiscales"][0]["datasets"]]
    place.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"name": path.name, "image-label": _label_metadata(path, classes, source)}
    axes = "ZYX"[-len(shape) :]
    return _levels(place, shape, np.dtype(np.uint32), axes, (spacing_um, None), metadata, side, 1 if planar else 16)


def put_in_place(place: Path, path: Path) -> Path:
    """Give a file or folder that is complete its name, in place of what has it; returns the path.

    Raises
    ------
    CellsegError
        When it cannot be renamed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _put_in_place(place, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    return path


@dataclass(frozen=True, eq=False)
class Halve:
    """Parts of a level of a pyramid made of the level before: every second pixel of Y and X."""

    finer: Any
    coarser: Any

    def __call__(self, box: tuple[slice, ...]) -> dict[str, NDArray[Any]]:
        """Write one part."""
        self.coarser[box] = _Halved(self.finer)[box]
        return {}


def _levels(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: str,
    sizes: _Sizes,
    metadata: dict[str, Any],
    side: int | None = None,
    depth: int = 16,
) -> list[Any]:
    """Empty levels of an OME-Zarr 0.5; each is for every second pixel of the one before in Y and X.

    `metadata`: the image's name, and what else stands beside the pyramid.
    """
    import zarr

    spacing_um, interval_s = sizes
    size = spacing_um or (1.0,) * len(axes.lstrip("TC"))
    ahead = [interval_s or 1.0 if a == "T" else 1.0 for a in axes if a in "TC"]
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    levels: list[dict[str, Any]] = []
    arrays, factor = [], 1
    largest = {"T": 1, "C": 1, "Z": min(depth, side or depth), "Y": min(512, side or 512), "X": min(512, side or 512)}
    while True:
        chunks = tuple(min(n, largest[a]) for n, a in zip(shape, axes, strict=True))
        arrays.append(
            group.create_array(
                str(len(levels)), shape=shape, dtype=dtype, chunks=chunks, dimension_names=list(axes.lower())
            )
        )
        scale = ahead + [float(s) for s in size[:-2]] + [float(s) * factor for s in size[-2:]]
        levels.append({"path": str(len(levels)), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        if max(shape[-2:]) <= _SMALLEST:
            break
        shape, factor = (*shape[:-2], *(-(-n // 2) for n in shape[-2:])), factor * 2
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"name": metadata["name"], "axes": _axes_in_words(axes, sizes), "datasets": levels}],
        **{key: value for key, value in metadata.items() if key != "name"},
    }
    return arrays


def _axes_in_words(axes: str, sizes: _Sizes) -> list[Any]:
    """Axes as OME-Zarr has them, with their units."""
    unit = {"unit": "micrometer"} if sizes[0] else {}
    others = {
        "C": {"name": "c", "type": "channel"},
        "T": {"name": "t", "type": "time", **({"unit": "second"} if sizes[1] else {})},
    }
    return [others.get(a, {"name": a.lower(), "type": "space", **unit}) for a in axes]


def _label_metadata(path: Path, classes: Sequence[str], source: Path | None) -> dict[str, Any]:
    """OME-Zarr's ``image-label``: background is clear, classes have a colour and a name, and where the picture lies.

    The picture's place is relative to the labels', or its name where it is no OME-Zarr.
    """
    about: dict[str, Any] = {"version": "0.5", "colors": [{"label-value": 0, "rgba": [0, 0, 0, 0]}]}
    for k, name in enumerate(classes):
        about["colors"].append({"label-value": k + 1, "rgba": [*_COLOURS[k % len(_COLOURS)], 255]})
        about.setdefault("properties", []).append({"label-value": k + 1, "class": name})
    if source is not None:
        about["source"] = {"image": source.name}
        if source.is_dir() and source.resolve().anchor == path.resolve().anchor:
            about["source"] = {"image": Path(os.path.relpath(source.resolve(), path.resolve())).as_posix()}
    return about


class _Halved:
    """An array-like seen at every second pixel of Y and X; the upper left one, so that ids stay ids."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = (*array.shape[:-2], *(-(-n // 2) for n in array.shape[-2:]))

    def __getitem__(self, box: tuple[slice, ...]) -> NDArray[Any]:
        fine = tuple(slice(2 * s.start, 2 * s.stop) for s in box[-2:])
        return np.asarray(self._array[(*box[:-2], *fine)])[..., ::2, ::2]

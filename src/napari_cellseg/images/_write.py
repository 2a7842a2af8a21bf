"""Labels and probabilities out: TIFF, OME-TIFF, NPY and OME-Zarr, by the ending of a name.

Data flow: array-like (numpy, or zarr larger than memory) -> planes or blocks -> a file under a temporary name ->
its own name, so that a file appears whole or not at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CellsegError
from ..files import take_place
from ._masks import write_foreign
from ._pieces import Sizes, blocks, planes
from ._write_tiff import write_tiff
from ._write_zarr import every_second, label_metadata, write_inside, write_zarr
from ._zarr import is_image

LABEL_FORMATS = {
    "tif": "TIFF", "ome.tif": "OME-TIFF", "ome.zarr": "OME-Zarr", "v0.4.ome.zarr": "OME-Zarr 0.4", "png": "PNG",
    "npy": "NumPy", "_seg.npy": "Cellpose (_seg.npy)", "roi.zip": "ImageJ ROIs", "coco.json": "COCO",
    "geojson": "GeoJSON (QuPath)",
}  # fmt: skip
"""Endings that `write_labels` knows, and what people call them."""
FOR_NUMBERS = ("tif", "ome.tif", "ome.zarr", "v0.4.ome.zarr", "npy")
"""Those that hold any numbers, and time series."""
_ARRAYS = (".tif", ".tiff", ".zarr", ".npy")
_FOREIGN = (".png", ".zip", ".json", ".geojson", "_seg.npy")


def label_file(name: str, format: str) -> str:
    """What a file of labels is called: its name with the ending of its format, ``x_seg.npy`` for Cellpose."""
    if format.startswith("_"):
        return f"{name.removesuffix('_labels')}{format}"
    return f"{name}.{format}"


def write_labels(
    path: str | Path,
    labels: Any,
    spacing_um: tuple[float, ...] | None = None,
    classes: Sequence[str] = (),
    source: str | Path | None = None,
    kinds: Mapping[int, str] | None = None,
) -> Path:
    """Write labels (Z, Y, X) or (Y, X) in the format of the name's ending; returns the path.

    These are ``.tif``, ``.ome.tif``, ``.ome.zarr`` (0.5) and ``.v0.4.ome.zarr``, ``.npy``, ``.png``, ``.roi.zip``
    (ImageJ), ``.coco.json``, ``.geojson`` (QuPath) and ``_seg.npy`` (Cellpose). A name without an ending gets ``.tif``;
    ``IMAGE.zarr/labels/NAME`` is a place inside of an OME-Zarr image, see `write_labels_inside`.

    Parameters
    ----------
    labels
        Array-like; TIFF, OME-TIFF, OME-Zarr and NPY take those larger than memory, too. TIFF and NPY hold uint16 where
        the ids fit and uint32 otherwise; OME-Zarr holds uint32 and a pyramid of every second pixel, as OME-TIFF does
        where Y or X is longer than 2,048.
    spacing_um
        Voxel size in um, one number per axis.
    classes
        Names of the classes, where labels are classes: COCO, GeoJSON and OME-Zarr take them, and a PNG of the only
        class is black and white (0 and 255).
    source
        The picture that the labels are of; OME-Zarr and Cellpose's file say it.
    kinds
        Where labels are objects, the class of each that has one: COCO, GeoJSON and OME-Zarr take them.

    Raises
    ------
    CellsegError
        When the ending is not known, the format does not hold such labels, or the file cannot be written. The file
        appears whole or not at all.
    """
    path, kinds = Path(path), kinds or {}
    if path.parent.name == "labels" and is_image(path.parent.parent):
        return write_inside(path.parent.parent, path.name, labels, (classes, kinds))
    path = path if path.suffix else path.with_name(f"{path.name}.tif")
    if path.name.lower().endswith(_FOREIGN):
        return write_foreign(path, np.asarray(labels, np.uint32), classes, kinds, Path(source) if source else None)
    about = _about(path, labels, classes, source, kinds)
    return _write(path, labels, _dtype_for(labels, path), "ZYX"[-len(labels.shape) :], (spacing_um, None), about)


def write_labels_inside(
    image: str | Path,
    name: str,
    labels: Any,
    classes: Sequence[str] = (),
    kinds: Mapping[int, str] | None = None,
    *,
    replace: bool = False,
) -> Path:
    """Write labels into ``labels/NAME`` of an OME-Zarr image, where viewers of OME-Zarr find them; returns that folder.

    They are of the image's version (0.4 or 0.5), have its levels and its scales, and say colours, classes and where the
    image lies (OME-NGFF 0.4 and 0.5, *labels*). The image itself is not touched.

    Parameters
    ----------
    image
        Folder of an image, or of one field of a plate.
    labels
        (T, Z, Y, X) array-like uint32, of these axes those that are longer than 1 in the image.
    classes, kinds
        As for `write_labels`.
    replace
        Write over labels of this name; else they are left as they are, and that is an error.

    Raises
    ------
    CellsegError
        Before anything is written: when there is no such image, its version is only read, the labels do not fit it, or
        it holds labels of this name already.
    """
    return write_inside(Path(image), name, labels, (classes, kinds or {}), replace=replace)


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
    about = _about(path, labels, classes, source, {})
    axes = f"T{'ZYX'[1 - len(labels.shape) :]}"
    return _write(path, labels, _dtype_for(labels, path), axes, (spacing_um, interval_s), about)


def _about(
    path: Path, labels: Any, classes: Sequence[str], source: str | Path | None, kinds: Mapping[int, str]
) -> dict[str, Any]:
    """What OME-Zarr says of labels; nothing for other formats."""
    if path.suffix.lower() != ".zarr":
        return {}
    return label_metadata(path, classes, Path(source) if source else None, kinds, labels)


def _dtype_for(labels: Any, path: Path) -> np.dtype[Any]:
    """uint16 where the ids fit, uint32 otherwise and in OME-Zarr."""
    top = max((int(part.max(initial=0)) for _, part in blocks(labels)), default=0)
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
    sizes: Sizes,
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
            pyramid = every_second(path, tuple(data.shape), axes, sizes)
            write_zarr(temporary, data, dtype, pyramid, {"image-label": about} if about else {}, path.name)
        elif path.suffix.lower() == ".npy":
            _write_npy(temporary, data, dtype)
        else:
            write_tiff(temporary, data, dtype, axes, sizes, ome=".ome." in path.name.lower())
        take_place(temporary, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
    return path


def _write_npy(path: Path, data: Any, dtype: np.dtype[Any]) -> None:
    """Plane after plane: a file that is mapped into memory ends the process where the disk turns out to be full."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(data.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for plane in planes(data, dtype):
            file.write(np.ascontiguousarray(plane).data)


def put_in_place(place: Path, path: Path) -> Path:
    """Give a file or folder that is complete its name, in place of what has it; returns the path.

    Raises
    ------
    CellsegError
        When it cannot be renamed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        take_place(place, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    return path

"""Masks of other tools, in and out: ImageJ/Fiji ROI zip, COCO, GeoJSON (QuPath), PNG, Cellpose ``_seg.npy``; CVAT in.

Data flow: file -> the reader of its format -> outlines -> labels, and back. Coordinates are pixel edges, so outlines
written here come back voxel for voxel.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .._types import Labels
from ..errors import CellsegError
from ._cellpose import read_seg, write_seg
from ._coco import read_coco, write_coco
from ._cvat import load_cvat
from ._geojson import is_geojson, read_geojson, write_geojson
from ._guard import reading
from ._json import load
from ._limits import check_archive
from ._outlines import Masks, MasksFor, frame_of, paint
from ._rois import read_rois, write_rois


def is_foreign(path: Path) -> bool:
    """Whether a file is one of the formats of this module that are no pictures."""
    return kind_of(path) in ("roi", "coco", "geojson", "cellpose", "cvat")


def is_for_many(path: Path) -> bool:
    """Whether a file is COCO or CVAT that lists several images, so that one file serves them all."""
    listed = None
    if kind_of(path) in ("coco", "cvat"):
        with contextlib.suppress(CellsegError), reading(path.name):  # whoever reads it as masks says what is wrong
            data = load_cvat(path) if kind_of(path) == "cvat" else load(path)
            listed = data.get("images") if isinstance(data, dict) else None
    return isinstance(listed, list) and len(listed) > 1


def kind_of(path: Path) -> str:
    """Which format of this module a file's name says, "" for none."""
    name = path.name.lower()
    if name.endswith((".zip", ".roi")):
        return "roi"
    if name.endswith("_seg.npy"):
        return "cellpose"
    return {".json": "coco", ".geojson": "geojson", ".png": "png", ".xml": "cvat"}.get(path.suffix.lower(), "")


def read_foreign(path: Path, wanted: MasksFor) -> Masks:
    """Labels from a file of another tool.

    Where labels are classes, those of the file (COCO's categories, CVAT's labels, QuPath's classifications, names of
    ROIs) become their numbers, from 1. Otherwise every mask is an object.

    Raises
    ------
    CellsegError
        When the file is damaged, of another format, or does not fit the image.
    """
    kind = kind_of(path)
    with reading(path.name, "Export it again, or as a label TIFF.", "cannot be read as masks"):
        check_archive(path)
        if kind == "cellpose":
            return Masks(frame_of(read_seg(path), wanted, path.name))
        if wanted.shape is None:
            raise CellsegError(f"{path.name} holds outlines only.", "They need their image: give both together.")
        if kind == "roi":
            return replace(paint(list(read_rois(path, wanted)), wanted, path.name), kinds={})  # ROIs have names
        data = load_cvat(path) if kind == "cvat" else load(path)
        if is_geojson(data):
            return paint(list(read_geojson(data)), wanted, path.name)
        return read_coco(data, path.name, wanted)


def write_foreign(
    path: Path,
    labels: Labels,
    classes: Sequence[str] = (),
    kinds: Mapping[int, str] | None = None,
    source: Path | None = None,
) -> Path:
    """Write labels (Z, Y, X) or (Y, X) as ``.roi.zip``, ``.coco.json``, ``.geojson``, ``.png`` or ``_seg.npy``.

    Where labels are `classes`, their names go with them, where objects have `kinds`, these; a PNG of the only class is
    black and white (0 and 255). Cellpose's file says where its picture, the `source`, lies.

    Raises
    ------
    CellsegError
        When the format cannot hold the labels, or the file cannot be written.
    """
    writers: dict[str, Callable[[Path], None]] = {
        "roi": lambda part: write_rois(part, labels),
        "coco": lambda part: write_coco(part, labels, classes, kinds or {}),
        "geojson": lambda part: write_geojson(part, labels, classes, kinds or {}),
        "png": lambda part: _write_png(part, labels, classes),
        "cellpose": lambda part: write_seg(part, labels, source),
    }
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writers[kind_of(path)](part)
        os.replace(part, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _write_png(path: Path, labels: Labels, classes: Sequence[str]) -> None:
    import cv2

    if labels.ndim == 3:
        raise CellsegError("A PNG holds one slice.", "Export a volume as TIFF or OME-Zarr.")
    if labels.max(initial=0) > 65535:
        raise CellsegError(f"A PNG holds ids up to 65,535, not {labels.max():,}.", "Export as TIFF or OME-Zarr.")
    values = np.where(labels > 0, 255, 0).astype(np.uint8) if len(classes) == 1 else labels.astype(np.uint16)
    done, data = cv2.imencode(".png", values)
    if not done:
        raise CellsegError("The labels cannot be written as PNG.", "Export as TIFF.")
    path.write_bytes(data.tobytes())

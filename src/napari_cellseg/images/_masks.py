"""Masks of other tools, in and out: ImageJ/Fiji ROI zip, COCO, GeoJSON (QuPath), PNG, Cellpose ``_seg.npy``.

Data flow: file -> one (id, slice, rings) after another -> labels, and back. Coordinates are pixel edges, so outlines
written here come back voxel for voxel.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._polygons import Ring, bridged, fill, trace

Labels = NDArray[np.uint32]
Shape = tuple[int, ...]
Outline = tuple[int | str, str, int, list[Ring]]
"""Id (or a key of its own, where the file gives no number), class (or ""), slice (0 in 2D), rings."""


def is_foreign(path: Path) -> bool:
    """Whether a file is one of the formats of this module that are no pictures."""
    return _kind(path) in ("roi", "coco", "geojson", "cellpose")


def read_foreign(path: Path, shape: Shape | None, classes: Sequence[str] = ()) -> Labels:
    """Labels (Z, Y, X) or (Y, X) from a file of another tool.

    Parameters
    ----------
    shape
        Of the image; outlines alone do not tell it.
    classes
        Names of the classes, where labels are classes: those of the file (COCO's categories, QuPath's classifications,
        names of ROIs) become their numbers, from 1. Otherwise every mask is an object.

    Raises
    ------
    CellsegError
        When the file is damaged, of another format, or does not fit the image.
    """
    kind = _kind(path)
    try:
        if kind == "cellpose":
            from ._cellpose import read_seg

            return read_seg(path)
        if shape is None:
            raise CellsegError(f"{path.name} holds outlines only.", "They need their image: give both together.")
        if kind == "coco":
            return _from_coco(json.loads(path.read_text(encoding="utf-8")), shape, path.name, classes)
        outlines = _from_rois(path) if kind == "roi" else _from_geojson(json.loads(path.read_text(encoding="utf-8")))
        if classes:
            outlines = ((_class(id, name, classes, path.name), name, z, rings) for id, name, z, rings in outlines)
        return _painted(outlines, shape, path.name)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        zipfile.BadZipFile,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:
        raise CellsegError(
            f"{path.name} cannot be read as masks: {error}.", "Export it again, or as a label TIFF."
        ) from error


def write_foreign(path: Path, labels: Labels, classes: Sequence[str] = ()) -> Path:
    """Write labels (Z, Y, X) or (Y, X) as ``.roi.zip``, ``.coco.json``, ``.geojson`` or ``.png``, by the ending.

    Where labels are `classes`, their names go with them.

    Raises
    ------
    CellsegError
        When the format cannot hold the labels, or the file cannot be written.
    """
    writers: dict[str, Callable[[Path, Labels, Sequence[str]], None]] = {
        "roi": _to_rois, "coco": _to_coco, "geojson": _to_geojson, "png": _to_png,
    }  # fmt: skip
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writers[_kind(path)](part, labels, classes)
        os.replace(part, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        part.unlink(missing_ok=True)
    return path


# --- ImageJ ---------------------------------------------------------------------------------------


def _from_rois(path: Path) -> Iterator[Outline]:
    import roifile

    kinds = roifile.ROI_TYPE
    areas = (kinds.POLYGON, kinds.RECT, kinds.OVAL, kinds.FREEHAND, kinds.TRACED)
    rois = roifile.roiread(path)
    for k, roi in enumerate(rois if isinstance(rois, list) else [rois]):
        if roi.roitype not in areas:
            continue  # points and lines are no masks
        rings = [np.asarray(points, float)[:, ::-1] for points in roi.coordinates(multi=True) if len(points) >= 3]
        if roi.roitype == roifile.ROI_TYPE.OVAL:
            rings = [_oval(roi)]
        z = max(0, int(roi.z_position or roi.position or 1) - 1)
        # pieces of one object bear its number; any other name may be that of many objects ("cell", or a class)
        name = re.fullmatch(r"object (\d+)(?: .*)?", roi.name or "")
        yield int(name[1]) if name else f"roi {k}", roi.name or "", z, rings


def _oval(roi: Any) -> Ring:
    angle = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    height, width = (roi.bottom - roi.top) / 2, (roi.right - roi.left) / 2
    return np.stack([roi.top + height * (1 + np.sin(angle)), roi.left + width * (1 + np.cos(angle))], axis=1)


def _to_rois(path: Path, labels: Labels, classes: Sequence[str]) -> None:
    import roifile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for id, z, n, rings in _outlines(labels):
            name = f"object {id} z{z + 1} part {n}"
            points = bridged(rings)[:, ::-1]
            # whole numbers: with fractions ImageJ would move outlines by half a pixel
            roi = roifile.ImagejRoi.frompoints(points.astype(np.int32), name=name, z=z if labels.ndim == 3 else None)
            archive.writestr(f"{name}.roi", roi.tobytes())


# --- GeoJSON --------------------------------------------------------------------------------------


def _from_geojson(data: Any) -> Iterator[Outline]:
    features = data.get("features", [data]) if isinstance(data, dict) else data
    for number, feature in enumerate(features, start=1):
        geometry, properties = feature.get("geometry") or {}, feature.get("properties") or {}
        if geometry.get("type") not in ("Polygon", "MultiPolygon"):
            continue  # points and lines are no masks
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        z = int((geometry.get("plane") or {}).get("z", 0))
        label = str(properties.get("label", ""))
        numbered = re.fullmatch(r"-?\d+", label)
        id = int(label) if numbered else f"feature {number}"
        kind = (properties.get("classification") or {}).get("name") or ("" if numbered else label)
        for polygon in polygons:
            yield id, kind, z, [np.asarray(ring, float)[:-1, 1::-1] for ring in polygon]


def _to_geojson(path: Path, labels: Labels, classes: Sequence[str]) -> None:
    pieces: dict[tuple[int, int], list[list[Ring]]] = {}
    for id, z, _, rings in _outlines(labels):
        pieces.setdefault((id, z), []).append(rings)
    features = []
    for (id, z), polygons in pieces.items():
        coordinates = [[_closed(ring) for ring in rings] for rings in polygons]
        geometry: dict[str, Any] = {"type": "MultiPolygon", "coordinates": coordinates}
        if len(polygons) == 1:
            geometry = {"type": "Polygon", "coordinates": coordinates[0]}
        if labels.ndim == 3:
            geometry["plane"] = {"c": -1, "z": z, "t": 0}
        properties: dict[str, Any] = {"objectType": "detection", "label": id, "name": f"object {id}"}
        if classes:
            properties["classification"] = {"name": classes[id - 1]}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def _closed(ring: Ring) -> list[list[float]]:
    return [[float(x), float(y)] for y, x in [*ring.tolist(), ring[0].tolist()]]


# --- COCO -----------------------------------------------------------------------------------------


def _from_coco(data: Any, shape: Shape, name: str, classes: Sequence[str]) -> Labels:
    if len(data.get("images", [])) > (shape[0] if len(shape) == 3 else 1):
        raise CellsegError(f"{name} holds masks of {len(data['images'])} images.", "Split it: one file per image.")
    slices = {image["id"]: z for z, image in enumerate(data.get("images", []))}
    labels = np.zeros(shape if len(shape) == 3 else (1, *shape), np.uint32)
    given = [_checked(a["label"], name) for a in data["annotations"] if "label" in a]
    next_id = max(given, default=0) + 1
    kinds = {c["id"]: str(c.get("name", "")) for c in data.get("categories", [])}
    for annotation in data["annotations"]:
        z = slices.get(annotation.get("image_id"), 0)
        if classes:
            id = _class(annotation.get("label", ""), kinds.get(annotation.get("category_id"), ""), classes, name)
        elif "label" in annotation:
            id = int(annotation["label"])
        else:
            id, next_id = next_id, next_id + 1
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, dict):
            labels[z][_unrun(segmentation, labels.shape[1:], name)] = id
        else:
            for flat in segmentation:  # several polygons are pieces, not holes
                _fill_in(labels[z], [np.asarray(flat, float).reshape(-1, 2)[:, ::-1]], id)
    return labels if len(shape) == 3 else labels[0]


def _to_coco(path: Path, labels: Labels, classes: Sequence[str]) -> None:
    """One image per slice; masks as uncompressed runs, which hold holes and pieces exactly."""
    volume = labels.reshape(-1, *labels.shape[-2:])
    height, width = volume.shape[1:]
    annotations: list[dict[str, Any]] = []
    for z, plane in enumerate(volume):
        for id, (rows, columns) in _boxes(plane):
            mask = plane[rows, columns] == id
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": z + 1, "category_id": id if classes else 1, "iscrowd": 0,
                    "label": id, "area": int(mask.sum()),
                    "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                    "segmentation": {
                        "size": [height, width], "counts": _runs(mask, (rows.start, columns.start), (height, width))
                    },
                }
            )  # fmt: skip
    images = [{"id": z + 1, "width": width, "height": height, "file_name": f"slice {z}"} for z in range(len(volume))]
    categories = [{"id": k, "name": kind} for k, kind in enumerate(classes or ("object",), start=1)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(data), encoding="utf-8")


def _runs(mask: NDArray[np.bool_], corner: tuple[int, int], shape: tuple[int, int]) -> list[int]:
    """Lengths of runs of a plane in column order, background first; `mask` is what lies at its corner."""
    columns, rows = np.nonzero(mask.T)
    places = (columns + corner[1]) * shape[0] + rows + corner[0]
    first = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    last = np.append(first[1:], places.size) - 1
    edges = np.stack([places[first], places[last] + 1], axis=1).ravel()
    lengths: list[int] = np.diff(edges, prepend=0, append=shape[0] * shape[1]).tolist()
    return lengths if lengths[-1] else lengths[:-1]


def _unrun(segmentation: dict[str, Any], shape: Shape, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of what the runs hold, (N,) each."""
    size = tuple(int(n) for n in segmentation["size"])
    if size != shape:
        raise CellsegError(f"{name} is for an image of {size}, not {shape}.", "Give the image it was made on.")
    counts = segmentation["counts"]
    lengths = np.asarray(_expanded(counts) if isinstance(counts, str) else counts, np.int64)
    if lengths.sum() != size[0] * size[1] or lengths.min(initial=0) < 0:
        raise CellsegError(f"{name} holds a mask whose runs do not fill it.", "The file is damaged: export it again.")
    starts, inside = (np.cumsum(lengths) - lengths)[1::2], lengths[1::2]
    places = np.repeat(starts - (np.cumsum(inside) - inside), inside) + np.arange(inside.sum())
    return places % size[0], places // size[0]


def _expanded(text: str) -> list[int]:
    """Run lengths of COCO's own text form: 5 bits a character, signed, from the third on relative to two before."""
    lengths: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        more = True
        while more:
            bits = ord(text[position]) - 48
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            position, shift = position + 1, shift + 5
            if not more and bits & 16:
                value |= -1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths


# --- PNG ------------------------------------------------------------------------------------------


def _to_png(path: Path, labels: Labels, classes: Sequence[str]) -> None:
    import cv2

    if labels.ndim == 3:
        raise CellsegError("A PNG holds one slice.", "Export a volume as TIFF or OME-Zarr.")
    if labels.max(initial=0) > 65535:
        raise CellsegError(f"A PNG holds ids up to 65535, not {labels.max()}.", "Export as TIFF.")
    done, data = cv2.imencode(".png", labels.astype(np.uint16))
    if not done:
        raise CellsegError("The labels cannot be written as PNG.", "Export as TIFF.")
    path.write_bytes(data.tobytes())


# --- inside ---------------------------------------------------------------------------------------


def _kind(path: Path) -> str:
    name = path.name.lower()
    if name.endswith((".zip", ".roi")):
        return "roi"
    if name.endswith("_seg.npy"):
        return "cellpose"
    return {".json": "coco", ".geojson": "geojson", ".png": "png"}.get(path.suffix.lower(), "")


def _outlines(labels: Labels) -> Iterator[tuple[int, int, int, list[Ring]]]:
    """Id, slice, number of the piece, and rings, of every piece of every object."""
    for z, plane in enumerate(labels.reshape(-1, *labels.shape[-2:])):
        for id, box in _boxes(plane):
            corner = np.array([box[0].start, box[1].start], float)
            for n, rings in enumerate(trace(plane[box] == id), start=1):
                yield id, z, n, [ring + corner for ring in rings]


def _boxes(plane: Labels) -> Iterator[tuple[int, tuple[slice, slice]]]:
    from ..kernels.extents import extents

    ids, _, low, high = extents(np.ascontiguousarray(plane))
    for id, (y0, x0), (y1, x1) in zip(ids.tolist(), low.tolist(), high.tolist(), strict=True):
        yield id, (slice(y0, y1 + 1), slice(x0, x1 + 1))


def _checked(id: Any, name: str) -> int:
    if not 1 <= int(id) < 2**32 - 1_000_000:
        raise CellsegError(f"{name} holds the object number {id}.", "Numbers are 1 to 4,293,967,295.")
    return int(id)


def _class(id: int | str, kind: str, classes: Sequence[str], name: str) -> int:
    """The number of a class: by its name, or as it was written here."""
    if kind in classes:
        return list(classes).index(kind) + 1
    if isinstance(id, int) and 1 <= id <= len(classes):
        return id
    said = f"the class {kind!r}" if kind else "masks without a class"
    raise CellsegError(f"{name} holds {said}.", f"The classes here are {', '.join(classes)}.")


def _painted(outlines: Iterable[Outline], shape: Shape, name: str) -> Labels:
    labels = np.zeros(shape if len(shape) == 3 else (1, *shape), np.uint32)
    found = False
    everything = list(outlines)
    next_id = max((_checked(id, name) for id, *_ in everything if isinstance(id, int)), default=0) + 1
    named: dict[str, int] = {}
    several = len(shape) == 3 or len({z for _, _, z, _ in everything}) > 1  # else one slice of something
    for key, _, z, rings in everything:
        id = key if isinstance(key, int) else named.setdefault(key, next_id + len(named))
        z = z if several else 0
        if not rings:
            continue
        if not 0 <= z < len(labels):
            raise CellsegError(
                f"{name} has an outline in slice {z + 1} of {len(labels)}.", "Give the image it was made on."
            )
        if not _fill_in(labels[z], rings, id):
            raise CellsegError(f"{name} has an outline outside the image.", "Give the image it was made on.")
        found = True
    if not found:
        raise CellsegError(f"{name} holds no outlines.", "Points and lines are no masks.")
    return labels if len(shape) == 3 else labels[0]


def _fill_in(plane: Labels, rings: list[Ring], id: int) -> bool:
    """Paint what rings enclose; False where all of it lies outside."""
    corners = np.concatenate(rings)
    low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int), plane.shape)
    if (high <= low).any():
        return False
    part = fill([ring - low for ring in rings], (int(high[0] - low[0]), int(high[1] - low[1])))
    plane[low[0] : high[0], low[1] : high[1]][part] = id
    return True

"""COCO: one JSON file with images, categories, and masks as polygons or runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..errors import CellsegError
from ._json import whole
from ._outlines import Masks, MasksFor, Outline, paint
from ._polygons import boxes

NO_KIND = "object"
"""The category of objects without a class."""
_LONGEST_RUN = 60
"""Bits of a run's length; no picture has as many pixels."""


def read_coco(data: Any, name: str, wanted: MasksFor) -> Masks:
    """The masks of one image: the one of its name, or the only one; of a volume or series one per plane.

    Raises
    ------
    CellsegError
        When the file has no such image, was made on another size, or names images that it does not list.
    """
    if not isinstance(data, dict) or not isinstance(data.get("annotations"), list):
        raise CellsegError(
            f"{name} is neither COCO nor GeoJSON: it has no 'annotations' and no 'features'.",
            "Export the masks as COCO, GeoJSON or a label TIFF.",
        )
    shape = wanted.shape or ()
    entries = {str(e.get("id")): e for e in data.get("images") or []}
    planes = _planes(entries, wanted, name)
    for id in planes:
        _check_size(entries[id], shape[-2:], name)
    outlines = list(_outlines(data, entries, planes, wanted, name))
    if not outlines and planes and not any(str(a.get("image_id")) in planes for a in data["annotations"]):
        labels = np.zeros(((wanted.times,) if wanted.times > 1 else ()) + tuple(shape), np.uint32)
        return Masks(labels, (f"{name}: it lists the image and has no mask of it, so all of it is background.",))
    masks = paint(outlines, wanted, name)
    masks = replace(masks, kinds=_told_apart(data, masks.kinds))
    alone = next(iter(planes), "")
    other = str(entries[alone].get("file_name") or "") if len(planes) == len(entries) == 1 else ""
    if other and wanted.name and wanted.planes == 1 and not _same(other, wanted.name, loose=True):
        return replace(masks, notes=(*masks.notes, f"{name}: its masks were made on a picture called {other}."))
    return masks


def write_coco(path: Path, labels: Labels, classes: Sequence[str], kinds: Mapping[int, str]) -> None:
    """One image per slice; masks as uncompressed runs, which hold holes and pieces exactly.

    Objects that have a class are of a category of this name; those of none, and all where none has one, are objects.
    """
    names = list(classes or dict.fromkeys([NO_KIND, *sorted(set(kinds.values()))]))
    volume = labels.reshape(-1, *labels.shape[-2:])
    height, width = volume.shape[1:]
    annotations: list[dict[str, Any]] = []
    for z, plane in enumerate(volume):
        for id, (rows, columns) in boxes(plane):
            mask = plane[rows, columns] == id
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": z + 1, "iscrowd": 0,
                    "category_id": id if classes else names.index(kinds.get(id, NO_KIND)) + 1,
                    "label": id, "area": int(mask.sum()),
                    "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                    "segmentation": {
                        "size": [height, width], "counts": runs(mask, (rows.start, columns.start), (height, width))
                    },
                }
            )  # fmt: skip
    images = [{"id": z + 1, "width": width, "height": height, "file_name": f"slice {z}"} for z in range(len(volume))]
    categories = [{"id": k, "name": kind} for k, kind in enumerate(names, start=1)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(data), encoding="utf-8")


def runs(mask: NDArray[np.bool_], corner: tuple[int, int], shape: tuple[int, int]) -> list[int]:
    """Lengths of runs of a plane of `shape` in column order, background first; `mask` is what lies at its `corner`."""
    columns, rows = np.nonzero(mask.T)
    places = (columns + corner[1]) * shape[0] + rows + corner[0]
    first = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    last = np.append(first[1:], places.size) - 1
    edges = np.stack([places[first], places[last] + 1], axis=1).ravel()
    lengths: list[int] = np.diff(edges, prepend=0, append=shape[0] * shape[1]).tolist()
    return lengths if lengths[-1] else lengths[:-1]


def _told_apart(data: Any, kinds: Mapping[int, str]) -> dict[int, str]:
    """Categories as classes of objects: the only one of a file, and what we write for none, say nothing of them."""
    if len(data.get("categories") or []) < 2:
        return {}
    return {label: kind for label, kind in kinds.items() if kind != NO_KIND}


# --- which image ----------------------------------------------------------------------------------


def _planes(entries: Mapping[str, Any], wanted: MasksFor, name: str) -> dict[str, int]:
    """Ids of the images in the file whose masks are wanted, and their planes."""
    if wanted.frame is not None and len(entries) == wanted.frames * wanted.slices > 1:
        first = wanted.frame * wanted.slices
        return {id: k - first for k, id in enumerate(entries) if first <= k < first + wanted.slices}
    if wanted.planes > 1 and len(entries) == wanted.planes:
        return {id: k for k, id in enumerate(entries)}
    files = {id: str(e.get("file_name") or "") for id, e in entries.items()}
    if wanted.planes > 1:
        raise CellsegError(
            f"{name} holds masks of {len(entries)} images, and the image has {wanted.planes} planes.",
            "Give one COCO image for each slice (and frame), in their order.",
        )
    if len(entries) <= 1:
        return dict.fromkeys(entries, 0)
    for loose in (False, True):
        fitting = [id for id, file in files.items() if wanted.name and _same(file, wanted.name, loose=loose)]
        if len(fitting) == 1:
            return {fitting[0]: 0}
        if len(fitting) > 1:
            raise CellsegError(
                f"{name} holds masks of {len(fitting)} images called {wanted.name}.",
                "Give each its own name, or split the file: one per image.",
            )
    some = ", ".join(list(files.values())[:3])
    raise CellsegError(
        f"{name} holds masks of {len(entries)} images ({some}...), and none is called "
        f"{wanted.name or 'like this one'}.",
        "The picture needs the name that the file gives it (file_name); or split the file: one per image.",
    )


def _same(file: str, name: str, *, loose: bool) -> bool:
    """Whether a file of the list is the picture; loosely: whatever its folder is, its capitals and its ending."""
    file, name = (PurePosixPath(text.replace("\\", "/")).name for text in (file, name))
    if not loose:
        return file == name
    file, name = (re.sub(r"(\.ome)?\.[^.]+$", "", text.casefold()) for text in (file, name))
    return file == name


def _check_size(entry: Mapping[str, Any], shape: Sequence[int], name: str) -> None:
    height, width = whole(entry.get("height")), whole(entry.get("width"))
    if (height or shape[0], width or shape[1]) != tuple(shape):
        raise CellsegError(
            f"{name} was made on an image {width} wide and {height} high ({entry.get('file_name', 'unnamed')}); this "
            f"one is {shape[1]} wide and {shape[0]} high.",
            "Give the image it was made on, at its full size.",
        )


# --- masks ----------------------------------------------------------------------------------------


def _outlines(
    data: Any, entries: Mapping[str, Any], planes: Mapping[str, int], wanted: MasksFor, name: str
) -> Iterator[Outline]:
    shape = (wanted.shape or ())[-2:]
    kinds = {str(c.get("id")): str(c.get("name") or "") for c in data.get("categories") or []}
    unknown = {str(a.get("image_id")) for a in data["annotations"]} - set(entries)
    if (entries and unknown - {"None"}) or len(unknown) > 1:
        raise CellsegError(
            f"{name} holds masks of the images {', '.join(sorted(unknown)[:5])}, which it does not list.",
            "Export it again with its images, or leave these masks out.",
        )
    for number, annotation in enumerate(data["annotations"], start=1):
        place = planes.get(str(annotation.get("image_id")), 0 if len(entries) <= 1 else None)
        if place is None:
            continue
        label = whole(annotation.get("label"))
        kind = kinds.get(str(annotation.get("category_id")), "")
        kind = kind or (str(annotation.get("label") or "") if label is None else "")
        key = f"mask {number}" if label is None else label
        frame, z = divmod(place, wanted.slices)
        segmentation = annotation.get("segmentation") or []
        if isinstance(segmentation, dict):
            yield Outline(key, kind, (), frame, z, pixels=_unrun(segmentation, shape, name))
        else:
            for flat in segmentation:  # several polygons are pieces, not holes
                if len(flat) >= 6:
                    yield Outline(key, kind, [np.asarray(flat, float).reshape(-1, 2)[:, ::-1]], frame, z)


def _unrun(
    segmentation: Mapping[str, Any], shape: Sequence[int], name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of what the runs hold, (N,) each."""
    size = tuple(int(n) for n in segmentation["size"])
    if size != tuple(shape):
        raise CellsegError(
            f"{name} is for an image of {size}, not {tuple(shape)} (height, width).", "Give the image it was made on."
        )
    counts = segmentation["counts"]
    lengths = np.asarray(_expanded(counts) if isinstance(counts, str) else counts, np.int64)
    if lengths.min(initial=0) < 0 or int(lengths.astype(float).sum()) != size[0] * size[1]:
        raise CellsegError(f"{name} holds a mask whose runs do not fill it.", "The file is damaged: export it again.")
    starts, inside = (np.cumsum(lengths) - lengths)[1::2], lengths[1::2]
    places = np.repeat(starts - (np.cumsum(inside) - inside), inside) + np.arange(inside.sum())
    return places % size[0], places // size[0]


def _expanded(text: str) -> list[int]:
    """Run lengths of COCO's own text form: 5 bits a character, signed, from the third on relative to two before.

    Raises
    ------
    ValueError
        When a number is longer than any picture needs, or breaks off.
    """
    lengths: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        more = True
        while more:
            if shift > _LONGEST_RUN or position >= len(text):
                raise ValueError("a run of a mask breaks off or is too long")
            bits = ord(text[position]) - 48
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            position, shift = position + 1, shift + 5
            if not more and bits & 16:
                value |= -1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths

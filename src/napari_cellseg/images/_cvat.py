"""CVAT's XML 1.1 (*CVAT for images* and *CVAT for video*), seen as COCO: images, categories, polygons and runs.

Polygons and masks are taken. Shapes of one group are pieces of one object, and so are those of one track; boxes, points
and lines are no masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from ..errors import CellsegError
from ._coco import runs
from ._limits import check_loading


def load_cvat(path: Path) -> dict[str, Any]:
    """The content of a file as COCO has it; frames of a video are images.

    Raises
    ------
    CellsegError
        When it is other XML, or its masks do not fill what they say.
    """
    root = ElementTree.parse(path).getroot()
    if root.tag != "annotations":
        raise CellsegError(
            f"{path.name} is XML, but none of CVAT: it begins with <{root.tag}>.",
            'Export from CVAT as "CVAT for images 1.1" or "CVAT for video 1.1".',
        )
    tracks = root.findall("track")
    images = _frames(root, tracks) if tracks or root.find("image") is None else _images(root)
    sizes = {str(i["id"]): (int(i["height"]), int(i["width"])) for i in images}
    kinds: dict[str, int] = {}
    annotations = []
    for image, label, kind, shape in _shapes(root, tracks):
        segmentation = _segmentation(shape, sizes.get(image, (0, 0)), path.name)
        if segmentation is not None:
            number = kinds.setdefault(kind, len(kinds) + 1)
            annotations.append({"image_id": image, "category_id": number, "label": label, "segmentation": segmentation})
    categories = [{"id": number, "name": kind} for kind, number in kinds.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


# --- inside ---------------------------------------------------------------------------------------


def _images(root: Element) -> list[dict[str, Any]]:
    return [
        {"id": i.get("id"), "file_name": i.get("name"), "width": i.get("width"), "height": i.get("height")}
        for i in root.findall("image")
    ]


def _frames(root: Element, tracks: list[Element]) -> list[dict[str, Any]]:
    """All frames of a video, whether or not they hold shapes."""
    size, count = root.find(".//original_size"), root.findtext(".//size")
    if size is None:
        raise CellsegError("This file of CVAT does not say how large its pictures are.", "Export it again.")
    first = int(root.findtext(".//start_frame") or 0)
    last = max((int(s.get("frame") or 0) for t in tracks for s in t), default=-1)
    width, height = size.findtext("width"), size.findtext("height")
    frames = range(first, max(first + int(count or 0), last + 1))
    return [{"id": str(n), "file_name": f"frame {n}", "width": width, "height": height} for n in frames]


def _shapes(root: Element, tracks: list[Element]) -> Iterator[tuple[str, int | None, str, Element]]:
    """Image, number of the object where there is one, class, and shape."""
    groups = [0]
    for image in root.findall("image"):
        for shape in image:
            group = int(shape.get("group_id") or 0)
            groups.append(group)
            yield str(image.get("id")), group or None, shape.get("label") or "", shape
    for track in tracks:
        number = max(groups) + 1 + int(track.get("id") or 0)
        for shape in track:
            if shape.get("outside") != "1":
                yield str(shape.get("frame")), number, track.get("label") or "", shape


def _segmentation(shape: Element, size: tuple[int, int], name: str) -> Any:
    """Polygons or runs of a shape; None where it is no area."""
    if shape.tag == "polygon":
        return [[float(v) for point in (shape.get("points") or "").split(";") for v in point.split(",")]]
    if shape.tag != "mask":
        return None
    left, top, width, height = (int(float(shape.get(key) or 0)) for key in ("left", "top", "width", "height"))
    lengths = np.array([int(v) for v in (shape.get("rle") or "").split(",")], np.int64)
    check_loading(f"A mask of {name}", (height, width), 1)
    inside = left >= 0 and top >= 0 and top + height <= size[0] and left + width <= size[1]
    if not inside or lengths.min(initial=0) < 0 or int(lengths.sum()) != height * width:
        raise CellsegError(
            f"{name} holds a mask of {width} x {height} pixels that does not fill its place.",
            "The file is damaged: export it again.",
        )
    # row after row, background first
    mask = np.repeat(np.arange(lengths.size) % 2 == 1, lengths).reshape(height, width)
    return {"size": list(size), "counts": runs(mask, (top, left), size)}

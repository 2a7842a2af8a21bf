"""Kinds of images: what looks alike is one kind, so that every kind is learnt from and judged.

Data flow: record, pixels (a sample) and labels of an image -> a handful of figures -> the first kind whose founder is
near enough, or a new kind. What was decided once is kept in the project's settings, so a kind never changes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._folder import Project
from ._records import ImageRecord

SIDE = 768
"""Figures are taken from the middle of the middle slice, this many pixels wide."""
LEVEL, COLOUR, TEXTURE = 0.25, 0.12, 2.5
"""How far figures of one kind may differ: background level and colourfulness by so much, texture by this factor."""
_SETTING = "kinds"


@dataclass(frozen=True)
class Figures:
    """What an image looks like.

    Attributes
    ----------
    channels, folder
        Of the picture, and the name of the folder in which it lies.
    level
        Median intensity between the 1st percentile (0) and the 99.8th (1): low for fluorescence, high for bright field.
    colour
        Mean difference of the largest and the smallest channel of a colour picture, between 0 and 1.
    texture
        Mean size of the gradient of the intensity so normalised, per pixel.
    """

    channels: int
    folder: str
    level: float
    colour: float
    texture: float

    def like(self, other: Figures) -> bool:
        """Whether both are of one kind."""
        if (self.channels, self.folder) != (other.channels, other.folder):
            return False
        texture = abs(np.log(max(self.texture, 1e-4) / max(other.texture, 1e-4)))
        near = abs(self.level - other.level) <= LEVEL and abs(self.colour - other.colour) <= COLOUR
        return bool(near and texture <= np.log(TEXTURE))


def kinds_of_images(project: Project) -> dict[str, str]:
    """The kind of every image, by id; a kind is named after its first image.

    An image whose picture cannot be read now is a kind of its own until it can. The result is remembered by the
    process that owns the project (see `remember_kinds`), else only computed.
    """
    return {id: kind for id, (kind, _) in _decided(project).items()}


def remember_kinds(project: Project) -> dict[str, str]:
    """As `kinds_of_images`, and keep it: from now on these images stay of these kinds."""
    decided = _decided(project)
    kept = {id: {"kind": kind, "figures": asdict(f)} for id, (kind, f) in decided.items() if f is not None}
    text = json.dumps(kept, separators=(",", ":"))
    if text != project.db.setting(_SETTING):
        project.db.put_setting(_SETTING, text)
    return {id: kind for id, (kind, _) in decided.items()}


def figures(record: ImageRecord, pixels: NDArray[Any]) -> Figures:
    """Figures of a sample (C, Y, X) of a picture."""
    folder = PurePath(record.source).parent.name
    grey = pixels.astype(np.float32).mean(0)
    low, high = np.percentile(grey, (1, 99.8))
    grey = np.clip((grey - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1)
    gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8
    colour = np.ptp(pixels, axis=0).mean() / 255 if record.in_colour and len(pixels) == 3 else 0.0
    return Figures(
        len(pixels), folder, round(float(np.median(grey)), 4), round(float(colour), 4), round(float(gradient.mean()), 5)
    )


def _decided(project: Project) -> dict[str, tuple[str, Figures | None]]:
    kept = _kept(project)
    out: dict[str, tuple[str, Figures | None]] = {}
    founders: dict[str, Figures] = {}
    for record in project.images():
        found: Figures | None
        if record.id in kept:
            kind, found = kept[record.id]
        else:
            found = _sampled(project, record)
            near = [k for k, f in founders.items() if found is not None and found.like(f)]
            kind = near[0] if near else record.id
        out[record.id] = (kind, found)
        if found is not None:
            founders.setdefault(kind, found)
    return out


def _kept(project: Project) -> dict[str, tuple[str, Figures]]:
    try:
        values = json.loads(project.db.setting(_SETTING) or "{}")
        return {id: (str(v["kind"]), Figures(**v["figures"])) for id, v in values.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _sampled(project: Project, record: ImageRecord) -> Figures | None:
    try:
        picture = project.read_image(record.id)
        y, x = (slice(max(0, (n - SIDE) // 2), max(0, (n - SIDE) // 2) + SIDE) for n in record.shape[-2:])
        middle = (record.shape[0] // 2,) if len(record.shape) == 3 else ()
        return figures(record, np.asarray(picture.channels_first()[(slice(None), *middle, y, x)]))
    except (CellsegError, OSError, ValueError):
        return None

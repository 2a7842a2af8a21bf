"""What may be learnt from: every plane (for 3D networks: every volume) with known voxels, and what judges.

What is held out is masked here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._types import Box, Float, Mask
from ..augmentation import Patch
from ..boxes import grown, relative, size
from ..config import Config
from ..errors import CellsegError
from ..images import Image
from ..matching import numbered
from ..preprocess import Processed
from ..project import (
    Holdout,
    ImageRecord,
    Project,
    automatic_truth,
    holdout_mask,
    is_mapped,
    islands,
    known_mask,
    mask_of,
    zoom_of,
)
from ..zoom import Zoom

Places = NDArray[np.int64]
"""(M, 3) positions of voxels: z, y, x."""
RIM = 32
"""Pixels round a patch in which its objects go on, where it is encoded by itself."""
MOST = 1 << 27
"""Voxels of an image that does not fit into memory, of which a training holds pixels, target and masks."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane, or one volume, to learn from; all arrays have a Z axis, of length 1 in a plane.

    Attributes
    ----------
    pixels
        (C, Z, Y, X) float32.
    target
        (K, Z, Y, X) float32; where patches are encoded by themselves, the numbers of objects (1, Z, Y, X).
    known
        (Z, Y, X) bool: what may be learnt from.
    held_out
        (Z, Y, X) bool: what judges; disjoint from `known`.
    new
        Positions of known voxels touched since the parent model.
    old
        Positions of the other known voxels.
    exclusive
        Whether the target's channels are classes.
    encode
        Turns the numbers of objects of a patch (1, z, y, x) into its target, of targets that ask for that.
    objects, held_objects
        How many objects (or classes) are learnt from, and how many judge.
    """

    image: str
    pixels: Float
    target: Float
    known: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    new: Places
    old: Places
    exclusive: bool = True
    objects: int = 0
    held_objects: int = 0
    encode: Callable[[Float], Float] | None = None
    _places: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def patch(self) -> Patch:
        """All of it, as augmentation takes it."""
        return Patch(self.pixels, self.target, self.known)

    def target_in(self, box: tuple[slice, slice, slice]) -> Float:
        """The target of a part (K, z, y, x)."""
        if self.encode is None:
            return self.target[:, *box]
        wide = grown(box, (0, RIM, RIM), self.known.shape)
        return self.encode(self.target[:, *wide])[:, *relative(box, wide)]

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """(Z, Y, X): the class of every voxel, 0 being background; objects are class 1 where they have none."""
        if self.exclusive:
            return np.asarray(self.target.argmax(0), np.uint8)
        return np.asarray(self.target[0] > 0.5, np.uint8)

    def class_sizes(self, n: int) -> NDArray[np.int64]:
        """Known voxels of each class."""
        return np.bincount(self.classes[self.known], minlength=n)[:n]

    def places_of(self, value: int) -> Places:
        """Positions of the known voxels of a class."""
        if str(value) not in self._places:
            self._places[str(value)] = np.argwhere((self.classes == value) & self.known)
        places: Places = self._places[str(value)]
        return places


def read_planes(
    project: Project, record: ImageRecord, config: Config, holdout: Holdout | None, edits_until: int, slices: str = ""
) -> list[Plane]:
    """Planes of one image; `edits_until` is the newest edit that the parent model knew.

    Of an image that does not fit into memory, only places with something known in them are read. Of volumes, `slices`
    says which are known to it: first:step:last, counted from 1 (see `Sampling.slices`).
    """
    labels, state = project.open_labels(record.id)
    whole = not is_mapped(labels)
    if "automatic" in config.sampling.sources and not whole:
        raise CellsegError(
            f"{record.id} is too large to learn from what a draft said of it.",
            "Learn from corrections (sampling.sources=manual), or crop the image.",
        )
    places = islands(state, config.train.patch + config.train.margin)
    if (need := sum(math.prod(size(p)) for p in places)) > MOST and not whole:
        raise CellsegError(
            f"{need:,} voxels of {record.id} are known or lie near what is known: a training holds at most {MOST:,}.",
            "Choose slices (sampling.slices=first:step:last), or crop parts of the image for learning.",
        )
    picture = None if whole else Processed(config.recipe, _volume(project.read_image(record.id)))
    found: list[Plane] = []
    for place in places:
        masks = _masks(project, record, config, (labels, state), place, holdout, edits_until, slices)
        if masks is None:
            continue
        if picture is None:
            pixels = config.recipe(project.read_image(record.id).load())
            pixels = pixels.reshape(pixels.shape[0], -1, *pixels.shape[-2:])
        else:
            z, y, x = (slice(0, 1),) * (3 - len(place)) + place
            pixels = picture.read((z, y, x))
        found += _planes(project, record, config, pixels, (labels[place], *masks))
    return found


def _volume(image: Image) -> Any:
    """Pixels (C, Z, Y, X), lazily."""
    pixels = image.channels_first()
    return pixels if pixels.ndim == 4 else pixels[:, None]


def _masks(
    project: Project,
    record: ImageRecord,
    config: Config,
    arrays: tuple[NDArray[np.uint32], NDArray[np.uint8]],
    place: Box,
    holdout: Holdout | None,
    edits_until: int,
    slices: str,
) -> tuple[Mask, Mask, Mask] | None:
    """Of a place: what is known, what of it is held out, and what is new since the parent; None: nothing is known."""
    manual, known = _known(project, record, *arrays, place, config)
    if not (known.any() or manual.any()):
        return None
    if slices and known.ndim == 3:
        first, step, last = (int(n) for n in slices.split(":"))
        left_out = ~np.isin(np.arange(len(known)) + place[0].start, np.arange(first - 1, last, step))
        known[left_out] = manual[left_out] = False
    kept_back = holdout_mask(record, holdout, place)
    held = kept_back & manual  # nothing else may judge, and nothing there is learnt
    known = (known & ~kept_back) | held
    since = [row.box for row in project.db.rows_after(record.id, edits_until) if row.by_hand]
    return known, held, mask_of(since, place) & known & ~held


def _planes(
    project: Project,
    record: ImageRecord,
    config: Config,
    pixels: Float,
    arrays: tuple[NDArray[np.uint32], Mask, Mask, Mask],
) -> list[Plane]:
    """Planes of a place: pixels (C, Z, Y, X); labels, what is known, held out and new, (Z, Y, X) or (Y, X)."""
    zoom = zoom_of(project, record.id, config)
    flat: list[NDArray[Any]] = [a.reshape(-1, *a.shape[-2:]) for a in arrays]
    flat = [_seen(a, zoom, nearest=True) for a in flat]
    pixels = _seen(pixels, zoom)
    whole = config.model.dimensions == 3
    spacing = record.spacing_um if whole else None
    planes = []
    for z in [slice(None)] if whole else [slice(z, z + 1) for z in np.flatnonzero(flat[1].any((1, 2)))]:
        plane_labels, plane_known, plane_held, plane_fresh = (a[z] for a in flat)
        learnt = plane_known & ~plane_held
        encode = partial(_encoded, config=config, n_classes=len(project.classes), spacing=spacing)
        by_patch = config.target.by_patch
        target = numbered(plane_labels)[0][None].astype(np.float32) if by_patch else encode(plane_labels)
        planes.append(
            Plane(
                record.id, pixels[:, z], target, learnt, plane_held,
                np.argwhere(plane_fresh), np.argwhere(learnt & ~plane_fresh), config.target.exclusive,
                _count(plane_labels, learnt), _count(plane_labels, plane_held),
                partial(_patch_encoded, encode) if by_patch else None,
            )
        )  # fmt: skip
    return planes


def _known(
    project: Project,
    record: ImageRecord,
    labels: NDArray[np.uint32],
    state: NDArray[np.uint8],
    place: Box,
    config: Config,
) -> tuple[Mask, Mask]:
    """What a person vouches for in a place, and what may be known to a training: that, what a draft said, or both."""
    sources = config.sampling.sources
    manual = known_mask(labels[place], state[place], config.train.margin, instances=project.task == "instance")
    known = manual.copy() if "manual" in sources else np.zeros_like(manual)
    if "automatic" in sources:
        known |= automatic_truth(project, record.id, labels, state)
    return manual, known


def _seen(planes: NDArray[Any], zoom: Zoom, *, nearest: bool = False) -> NDArray[Any]:
    """(..., Y, X) as the network sees it, without what is mirrored beyond the border."""
    y, x = zoom.sides((planes.shape[-2], planes.shape[-1]))
    return np.ascontiguousarray(zoom.into(planes, nearest=nearest)[..., :y, :x])


def _patch_encoded(encode: Callable[[NDArray[np.uint32]], Float], numbers: Float) -> Float:
    """Numbers of objects (1, z, y, x) -> (K, z, y, x)."""
    return encode(numbers[0].astype(np.uint32))


def _encoded(labels: NDArray[np.uint32], config: Config, n_classes: int, spacing: tuple[float, ...] | None) -> Float:
    """(Z, Y, X) -> (K, Z, Y, X); a plane is encoded in 2D."""
    if len(labels) > 1 or (config.target.by_patch and config.model.dimensions == 3):
        return config.target.encode(labels, n_classes, spacing)
    return config.target.encode(labels[0], n_classes)[:, None]


def _count(labels: NDArray[np.uint32], mask: NDArray[np.bool_]) -> int:
    ids = np.unique(labels[mask])
    return int((ids > 0).sum())

"""From a project and a configuration to training patches.

Data: every (Y, X) plane with known voxels (for 3D networks: every volume) becomes one `Plane` (pixels after the
recipe, encoded target, known mask); patches are cut around known voxels, augmented and stacked into torch
tensors. What is held out is masked here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .config import Config
from .errors import CellsegError
from .project import Holdout, ImageRecord, Project, holdout_mask, known_mask

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane, or one volume, to learn from; all arrays have a Z axis, of length 1 in a plane.

    Attributes
    ----------
    pixels
        (C, Z, Y, X) float32.
    target
        (K, Z, Y, X) float32.
    known
        (Z, Y, X) bool: what may be learnt from.
    held_out
        (Z, Y, X) bool: what judges; disjoint from `known`.
    new
        (M, 3) positions of known voxels touched since the parent model.
    old
        (M, 3) positions of the other known voxels.
    """

    image: str
    pixels: Float
    target: Float
    known: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    new: NDArray[np.int64]
    old: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Tensors of one step: pixels (N, C, [Z], Y, X), target (N, K, [Z], Y, X), known (N, 1, [Z], Y, X)."""

    pixels: torch.Tensor
    target: torch.Tensor
    known: torch.Tensor


class TrainingSet:
    """Planes of a project with what a person said about them.

    Raises
    ------
    CellsegError
        When nothing is corrected or approved yet, or images have different numbers of channels.
    """

    def __init__(self, project: Project, config: Config, edits_until: int = 0) -> None:
        self.config = config
        self.planes: list[Plane] = []
        self.held_out = ""
        records = [r for r in project.images() if r.split != "test"]
        holdouts = project.db.holdouts()
        for record in records:
            self.planes += _planes(project, record, config, holdouts.get(record.id), edits_until)
        if not any(p.known.any() for p in self.planes):
            raise CellsegError(
                "Nothing is corrected or approved yet, so there is nothing to learn from.",
                "Paint a handful of objects, then approve the field around them.",
            )
        channels = {p.pixels.shape[0]: p.image for p in self.planes}
        if len(channels) > 1:
            shown = ", ".join(f"{image} has {n}" for n, image in channels.items())
            raise CellsegError(
                f"The corrected images have different numbers of channels: {shown}.",
                "Keep images of one kind in one project.",
            )
        self.held_out = _describe(holdouts)

    @property
    def n_channels(self) -> int:
        """Channels of the images."""
        return int(self.planes[0].pixels.shape[0])

    @property
    def n_images(self) -> int:
        """Images that are learnt from."""
        return len({p.image for p in self.planes if p.known.any()})

    def known_voxels(self) -> tuple[int, int]:
        """How many voxels are learnt from, and how many of them are new since the parent."""
        return sum(int(p.known.sum()) for p in self.planes), sum(len(p.new) for p in self.planes)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Random augmented patches; a share `replay` comes from corrections of earlier rounds."""
        train = self.config.train
        have_new = [p for p in self.planes if len(p.new)]
        have_old = [p for p in self.planes if len(p.old)]
        items = []
        for _ in range(train.batch):
            replay = not have_new or (bool(have_old) and rng.random() < train.replay)
            planes = have_old if replay else have_new
            # every picture counts the same, however large, unless less than a patch of it is known
            known = np.array([len(p.old if replay else p.new) for p in planes], float)
            weights = np.minimum(known / train.patch**2, 1) ** 0.5
            plane = planes[rng.choice(len(planes), p=weights / weights.sum())]
            places = plane.old if replay else plane.new
            centre = places[rng.integers(len(places))]
            items.append(augment(plane, centre, self.config, rng, self.depth))
        return stack(items, self.volumes)

    def validation(self) -> Iterator[Batch]:
        """Fixed patches over the held-out voxels, never augmented."""
        side, depth = self.config.train.patch, self.depth
        for plane in self.planes:
            where = np.nonzero(plane.held_out)
            if not where[0].size:
                continue
            starts = [range(int(w.min()), int(w.max()) + 1, n) for w, n in zip(where, (depth, side, side), strict=True)]
            for z, y, x in product(*starts):
                box = (slice(z, z + depth), slice(y, y + side), slice(x, x + side))
                if plane.held_out[box].any():
                    yield stack([crop(plane, box, (depth, side, side))], self.volumes)

    @property
    def volumes(self) -> bool:
        """Whether the network takes volumes."""
        return self.config.model.dimensions == 3

    @property
    def depth(self) -> int:
        """Slices of a patch: 1 for planes."""
        return min(self.config.train.depth, max(p.known.shape[0] for p in self.planes)) if self.volumes else 1


Item = tuple[Float, Float, NDArray[np.bool_]]


def crop(plane: Plane, box: tuple[slice, slice, slice], size: tuple[int, int, int]) -> Item:
    """A held-out patch as it is, padded by reflection to `size`."""
    pixels, target, held = plane.pixels[:, *box], plane.target[:, *box], plane.held_out[box]
    missing = [n - m for n, m in zip(size, held.shape, strict=True)]
    mirror = all(m < n for m, n in zip(missing, held.shape, strict=True))
    mode: Literal["reflect", "edge"] = "reflect" if mirror else "edge"
    pad = [(0, 0), *((0, int(m)) for m in missing)]
    return np.pad(pixels, pad, mode=mode), np.pad(target, pad, mode="edge"), np.pad(held, pad[1:])


def augment(plane: Plane, centre: NDArray[np.int64], config: Config, rng: np.random.Generator, depth: int = 1) -> Item:
    """A patch around a place: turned, mirrored, scaled, then changed in contrast, sharpness and noise.

    Pixels and soft targets are interpolated linearly, hard targets and masks by nearest neighbour; beyond the
    border pixels are mirrored and nothing is known. Slices of a volume are turned together, never out of their
    plane, since voxels are seldom cubes.
    """
    side, scale, hard = config.train.patch, config.train.scale, config.target.exclusive
    zoom = float(np.exp(rng.uniform(-np.log(scale), np.log(scale))))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    jitter = rng.uniform(-side / 4, side / 4, 2)
    middle = centre[:0:-1] + jitter  # OpenCV speaks (x, y)
    matrix = np.column_stack([turn, middle - turn @ np.array([side / 2, side / 2])]).astype(np.float32)
    slices, outside = _slices(int(centre[0]), depth, plane.known.shape[0], rng)

    def warp(values: Float, flags: int, border: int) -> Float:
        flags |= cv2.WARP_INVERSE_MAP
        planes = np.ascontiguousarray(values[:, slices]).reshape(-1, *values.shape[-2:])
        out = [cv2.warpAffine(v, matrix, (side, side), flags=flags, borderMode=border) for v in planes]
        return np.asarray(np.stack(out).reshape(len(values), len(slices), side, side), np.float32)

    pixels = warp(plane.pixels, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
    target = warp(plane.target, cv2.INTER_NEAREST if hard else cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
    known = warp(plane.known[None].astype(np.float32), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)[0] > 0
    known[outside] = False
    return _photometric(pixels, rng), target, known


def stack(items: list[Item], volumes: bool = False) -> Batch:
    """Patches as tensors, planes in channels-last memory."""
    pixels, target = (np.stack([item[k] for item in items]) for k in (0, 1))
    known = np.stack([i[2] for i in items])[:, None].astype(np.float32)
    if volumes:
        return Batch(torch.from_numpy(pixels), torch.from_numpy(target), torch.from_numpy(known))
    flat = torch.from_numpy(pixels[:, :, 0]).contiguous(memory_format=torch.channels_last)
    return Batch(flat, torch.from_numpy(target[:, :, 0]), torch.from_numpy(known[:, :, 0]))


# --- inside ---------------------------------------------------------------------------------------


def _slices(centre: int, depth: int, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Indices of the slices of a patch, perhaps upside down, and which of them lie outside (mirrored)."""
    if depth == 1:
        return np.array([centre]), np.zeros(1, bool)
    start = centre - int(rng.integers(depth))
    start = int(np.clip(start, min(0, n - depth), max(0, n - depth)))
    index = np.arange(start, start + depth)
    outside = (index < 0) | (index >= n)
    mirrored = np.abs(index) % max(2 * n - 2, 1)
    index = np.where(mirrored >= n, 2 * n - 2 - mirrored, mirrored)
    return (index[::-1], outside[::-1]) if rng.random() < 0.5 else (index, outside)


def _photometric(pixels: Float, rng: np.random.Generator) -> Float:
    if rng.random() < 0.5:
        pixels = np.power(np.clip(pixels, 0, None), np.float32(np.exp(rng.uniform(-0.25, 0.25))), dtype=np.float32)
    pixels = pixels * np.float32(rng.uniform(0.85, 1.15)) + np.float32(rng.uniform(-0.05, 0.05))
    if rng.random() < 0.3:
        sigma = rng.uniform(0.3, 1.5)
        planes = pixels.reshape(-1, *pixels.shape[-2:])
        pixels = np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in planes]).reshape(pixels.shape)
    if rng.random() < 0.5:
        pixels = pixels + rng.normal(0, rng.uniform(0, 0.05), pixels.shape).astype(np.float32)
    return pixels


def _planes(
    project: Project, record: ImageRecord, config: Config, holdout: Holdout | None, edits_until: int
) -> list[Plane]:
    labels, state = project.load_labels(record.id)
    if not state.any():
        return []
    known = known_mask(labels, state, config.train.margin, instances=project.task == "instance")
    held = holdout_mask(record, holdout) & known
    fresh = _fresh(project, record, edits_until) & known & ~held
    pixels = config.recipe(project.read_image(record.id).load())
    flat: list[NDArray[Any]] = [a.reshape(-1, *a.shape[-2:]) for a in (labels, known, held, fresh)]
    pixels = pixels.reshape(pixels.shape[0], -1, *pixels.shape[-2:])
    whole = config.model.dimensions == 3
    spacing = record.spacing_um if whole else None
    planes = []
    for z in [slice(None)] if whole else [slice(z, z + 1) for z in np.flatnonzero(flat[1].any((1, 2)))]:
        plane_labels, plane_known, plane_held, plane_fresh = (a[z] for a in flat)
        learnt = plane_known & ~plane_held
        target = _encoded(plane_labels, config, len(project.classes), spacing)
        planes.append(
            Plane(
                record.id, pixels[:, z], target, learnt, plane_held,
                np.argwhere(plane_fresh), np.argwhere(learnt & ~plane_fresh),
            )
        )  # fmt: skip
    return planes


def _encoded(labels: NDArray[np.uint32], config: Config, n_classes: int, spacing: tuple[float, ...] | None) -> Float:
    """(Z, Y, X) -> (K, Z, Y, X); a single plane is encoded in 2D."""
    if len(labels) > 1:
        return config.target.encode(labels, n_classes, spacing)
    return config.target.encode(labels[0], n_classes)[:, None]


def _fresh(project: Project, record: ImageRecord, edits_until: int) -> NDArray[np.bool_]:
    """Boxes of what was edited since the parent model."""
    mask = np.zeros(record.shape, bool)
    for row in project.db.rows_after(record.id, edits_until):
        if row.tool != "predict":
            mask[tuple(slice(a, b) for a, b in row.box)] = True
    return mask


def _describe(holdouts: dict[str, Holdout]) -> str:
    names = ", ".join(list(holdouts)[:3]) + (", ..." if len(holdouts) > 3 else "")
    return f"{len(holdouts)} held out: {names}" if holdouts else "nothing held out"

"""From a project and a configuration to training patches.

Data: every (Y, X) plane with known voxels becomes one `Plane` (pixels after the recipe, encoded target, known
mask); patches are cut around known voxels, augmented and stacked into torch tensors. What is held out is masked
here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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
    """One plane to learn from.

    Attributes
    ----------
    pixels
        (C, Y, X) float32.
    target
        (K, Y, X) float32.
    known
        (Y, X) bool: what may be learnt from.
    held_out
        (Y, X) bool: what judges; disjoint from `known`.
    new
        (M, 2) positions of known voxels touched since the parent model.
    old
        (M, 2) positions of the other known voxels.
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
    """Tensors of one step: pixels (N, C, Y, X), target (N, K, Y, X), known (N, 1, Y, X)."""

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
            items.append(augment(plane, centre, self.config, rng))
        return stack(items)

    def validation(self) -> Iterator[Batch]:
        """Fixed patches over the held-out voxels, never augmented."""
        side = self.config.train.patch
        for plane in self.planes:
            rows, columns = np.nonzero(plane.held_out)
            if not rows.size:
                continue
            for y in range(int(rows.min()), int(rows.max()) + 1, side):
                for x in range(int(columns.min()), int(columns.max()) + 1, side):
                    box = (slice(y, y + side), slice(x, x + side))
                    if plane.held_out[box].any():
                        yield stack([crop(plane, box, side)])


Item = tuple[Float, Float, NDArray[np.bool_]]


def crop(plane: Plane, box: tuple[slice, slice], side: int) -> Item:
    """A held-out patch as it is, padded by reflection to (side, side)."""
    pixels, target, held = plane.pixels[:, *box], plane.target[:, *box], plane.held_out[box]
    below, right = side - held.shape[0], side - held.shape[1]
    mode: Literal["reflect", "edge"] = "reflect" if min(held.shape) > max(below, right) else "edge"
    pad = ((0, 0), (0, int(below)), (0, int(right)))
    return np.pad(pixels, pad, mode=mode), np.pad(target, pad, mode="edge"), np.pad(held, pad[1:])


def augment(plane: Plane, centre: NDArray[np.int64], config: Config, rng: np.random.Generator) -> Item:
    """A patch around a place: turned, mirrored, scaled, then changed in contrast, sharpness and noise.

    Pixels and soft targets are interpolated linearly, hard targets and masks by nearest neighbour; beyond the
    border pixels are mirrored and nothing is known.
    """
    side, scale, hard = config.train.patch, config.train.scale, config.target.exclusive
    zoom = float(np.exp(rng.uniform(-np.log(scale), np.log(scale))))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    jitter = rng.uniform(-side / 4, side / 4, 2)
    middle = centre[::-1] + jitter  # OpenCV speaks (x, y)
    matrix = np.column_stack([turn, middle - turn @ np.array([side / 2, side / 2])]).astype(np.float32)

    def warp(values: Float, flags: int, border: int) -> Float:
        flags |= cv2.WARP_INVERSE_MAP
        return np.stack([cv2.warpAffine(v, matrix, (side, side), flags=flags, borderMode=border) for v in values])

    pixels = warp(plane.pixels, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
    target = warp(plane.target, cv2.INTER_NEAREST if hard else cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
    known = warp(plane.known[None].astype(np.float32), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)[0] > 0
    return _photometric(pixels, rng), target, known


def stack(items: list[Item]) -> Batch:
    """Patches as tensors in channels-last memory."""
    pixels = torch.from_numpy(np.stack([i[0] for i in items])).contiguous(memory_format=torch.channels_last)
    target = torch.from_numpy(np.stack([i[1] for i in items]))
    known = torch.from_numpy(np.stack([i[2] for i in items])[:, None].astype(np.float32))
    return Batch(pixels, target, known)


# --- inside ---------------------------------------------------------------------------------------


def _photometric(pixels: Float, rng: np.random.Generator) -> Float:
    if rng.random() < 0.5:
        pixels = np.power(np.clip(pixels, 0, None), np.float32(np.exp(rng.uniform(-0.25, 0.25))), dtype=np.float32)
    pixels = pixels * np.float32(rng.uniform(0.85, 1.15)) + np.float32(rng.uniform(-0.05, 0.05))
    if rng.random() < 0.3:
        sigma = rng.uniform(0.3, 1.5)
        pixels = np.stack([cv2.GaussianBlur(p, (0, 0), sigma) for p in pixels])
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
    flat = [a.reshape(-1, *a.shape[-2:]) for a in (labels, known, held, fresh)]
    pixels = pixels.reshape(pixels.shape[0], -1, *pixels.shape[-2:])
    planes = []
    for z in np.flatnonzero(flat[1].any((1, 2))):
        plane_labels, plane_known, plane_held, plane_fresh = (a[z] for a in flat)
        learnt = plane_known & ~plane_held
        target = config.target.encode(plane_labels, len(project.classes), None)
        planes.append(
            Plane(
                record.id, pixels[:, z], target, learnt, plane_held,
                np.argwhere(plane_fresh), np.argwhere(learnt & ~plane_fresh),
            )
        )  # fmt: skip
    return planes


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

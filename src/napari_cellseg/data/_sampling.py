"""Where training patches are taken."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..augmentation import Cut, Patch
from ..config import Config
from ..errors import CellsegError
from ..project import ImageRecord, Project, kinds_of_images
from ._planes import RIM, Places, Plane, read_planes

AHEAD = 2
"""Steps that may be prepared ahead; what a step's loss teaches about hard places is seen so many steps later."""
_MEMORY = 64
"""Steps whose places are remembered as hard or easy."""
_TRIES = 50
_INNER = slice(RIM, -RIM)
SEEN = 8
"""Patches that are learnt from are validated on, too, but no more than so many, and no more than judge."""


@dataclass(frozen=True)
class Batch:
    """Tensors of one step: pixels (N, C, [Z], Y, X), target (N, K, [Z], Y, X), known (N, 1, [Z], Y, X).

    `learnt` says of a patch to validate on that it is learnt from, and only tells how well that is fitted.
    """

    pixels: torch.Tensor
    target: torch.Tensor
    known: torch.Tensor
    learnt: bool = False


@dataclass(frozen=True)
class Draw:
    """One patch to be cut: which plane, round which voxel, and the seed of its changes."""

    plane: int
    centre: tuple[int, int, int]
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Hard:
    """How well a place was known at a step."""

    step: int
    plane: int
    centre: tuple[int, int, int]
    loss: float


class TrainingSet:
    """Planes of a project with what a person said about them.

    Raises
    ------
    CellsegError
        When nothing is known from the sources that are wanted, or images have different numbers of channels.
    """

    def __init__(self, project: Project, config: Config, edits_until: int = 0) -> None:
        self.config = config
        self.planes: list[Plane] = []
        self.hard: deque[Hard] = deque()
        records = [r for r in project.images() if r.split != "test"]
        holdouts, kinds = project.db.holdouts(), kinds_of_images(project)
        slices = config.sampling.slices
        for n, record in enumerate(records):
            chosen = slices[min(n, len(slices) - 1)] if slices else ""
            self.planes += read_planes(project, record, config, holdouts.get(record.id), edits_until, chosen)
        if not any(p.known.any() for p in self.planes):
            raise _nothing(config)
        channels = {p.pixels.shape[0]: p.image for p in self.planes}
        if len(channels) > 1:
            shown = ", ".join(f"{image} has {n}" for n, image in channels.items())
            raise CellsegError(
                f"The corrected images have different numbers of channels: {shown}.",
                "Keep images of one kind in one project.",
            )
        self.held_out = _describe(self.planes)
        self._rare = self._rarest() if config.sampling.rare else 0
        self._new = [n for n, p in enumerate(self.planes) if len(p.new)]
        self._old = [n for n, p in enumerate(self.planes) if len(p.old)]
        self.together = int(os.environ.get("WORLD_SIZE", "1"))
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))
        self._share = _shares([kinds[p.image] for p in self.planes], config.sampling.kinds)
        if config.sampling.places == "every" and not self.grid:
            raise CellsegError(
                f"No patch of {config.train.patch} pixels holds anything to learn.",
                "Correct more, or set sampling.empty=1.",
            )

    @property
    def n_channels(self) -> int:
        """Channels of the images."""
        return int(self.planes[0].pixels.shape[0])

    @property
    def images(self) -> tuple[str, ...]:
        """Ids of the images that are learnt from."""
        return tuple(sorted({p.image for p in self.planes if p.known.any()}))

    @property
    def volumes(self) -> bool:
        """Whether the network takes volumes."""
        return self.config.model.dimensions == 3

    @property
    def depth(self) -> int:
        """Slices of a patch: 1 for planes."""
        return min(self.config.train.depth, max(p.known.shape[0] for p in self.planes)) if self.volumes else 1

    def count_objects(self) -> tuple[int, int]:
        """How many objects are learnt from, and how many judge; in volumes, per slice."""
        return sum(p.objects for p in self.planes), sum(p.held_objects for p in self.planes)

    def known_voxels(self) -> tuple[int, int]:
        """How many voxels are learnt from, and how many of them are new since the parent."""
        return sum(int(p.known.sum()) for p in self.planes), sum(len(p.new) for p in self.planes)

    def draw(self, step: int, rank: int = 0) -> list[Draw]:
        """Where the patches of a step lie; depends on seed, step, rank and (hard places) losses of earlier steps."""
        seed = self.config.train.seed
        rng = np.random.default_rng((seed, rank, step))
        if self.config.sampling.places == "every":
            return self._of_epoch(step, rank, rng)
        return [self._place(step, rng, (seed, rank, step, n)) for n in range(self.config.train.batch)]

    def cut(self, draw: Draw) -> Patch:
        """An augmented patch."""
        rng, plane = np.random.default_rng(draw.seed), self.planes[draw.plane]
        fixed = self.config.sampling.places == "every"
        slices, outside = _slices(draw.centre[0], self.depth, plane.known.shape[0], None if fixed else rng)
        centre = (float(draw.centre[2]), float(draw.centre[1]))
        hard, rim = self.config.target.exclusive, 0 if plane.encode is None else RIM
        patch = self.config.augmentation(
            plane.patch, Cut(slices, outside, centre, self.config.train.patch, hard, fixed, rim), rng
        )
        return patch if plane.encode is None else replace(patch, target=plane.encode(patch.target)[..., *(_INNER,) * 2])

    def learnt(self, step: int, draws: Sequence[Draw], losses: Sequence[float]) -> None:
        """Remember how hard the places of a step were."""
        found = [Hard(step, d.plane, d.centre, loss) for d, loss in zip(draws, losses, strict=True)]
        self.hard.extend(found)
        while self.hard and self.hard[0].step < step - 2 * AHEAD - _MEMORY:
            self.hard.popleft()

    def recall(self, hard: Sequence[dict[str, Any]]) -> None:
        """Remember again what an interrupted training knew about hard places."""
        self.hard = deque(Hard(h["step"], h["plane"], tuple(h["centre"]), h["loss"]) for h in hard)

    def validation(self) -> Iterator[Batch]:
        """Fixed patches over the held-out voxels, never augmented; then some that are learnt from, as they are."""
        held = 0
        for batch in self._held_patches():
            held += 1
            yield batch
        for plane, box in self._learnt_boxes(min(held, SEEN)):
            patch = _as_it_is(plane, box, (self.depth, *(self.config.train.patch,) * 2), plane.known)
            yield replace(stack([patch], self.volumes), learnt=True)

    def _held_patches(self) -> Iterator[Batch]:
        for plane in self.planes:
            yield from side_by_side(plane, plane.held_out, (self.depth, *(self.config.train.patch,) * 2), self.volumes)

    def _learnt_boxes(self, n: int) -> Iterator[tuple[Plane, tuple[slice, slice, slice]]]:
        """So many patches round random voxels that are learnt from, the same ones for the same seed."""
        rng = np.random.default_rng((self.config.train.seed, n))
        known = [k for k, p in enumerate(self.planes) if len(p.new) or len(p.old)]
        size = (self.depth, self.config.train.patch, self.config.train.patch)
        for k in rng.choice(known, n) if n else ():
            plane = self.planes[k]
            places = plane.new if len(plane.new) else plane.old
            middle = places[int(rng.integers(len(places)))]
            starts = (
                int(np.clip(m - s // 2, 0, max(length - s, 0)))
                for m, s, length in zip(middle, size, plane.known.shape, strict=True)
            )
            z, y, x = (slice(a, a + s) for a, s in zip(starts, size, strict=True))
            yield plane, (z, y, x)

    @cached_property
    def grid(self) -> list[tuple[int, tuple[int, int, int]]]:
        """Plane and middle of every patch of the grid with something known in it; of empty ones, a share is left out.

        Patches lie side by side or overlap, from the first pixel on; what is left at the far ends is in none.
        """
        share, side, found = self.config.sampling, self.config.train.patch, []
        rng = np.random.default_rng(self.config.train.seed)
        for n, plane in enumerate(self.planes):
            sides = (self.depth, side, side)
            overlap = (0.0 if not self.volumes else share.overlap, share.overlap, share.overlap)
            spans = [
                range(0, max(length - size, 0) + 1, max(1, round(size * (1 - over))))
                for length, size, over in zip(plane.known.shape, sides, overlap, strict=True)
            ]
            for start in product(*spans):
                box = tuple(slice(a, a + size) for a, size in zip(start, sides, strict=True))
                if not plane.known[box].any():
                    continue
                if share.empty >= 1 or plane.classes[box].any() or rng.random() < share.empty:
                    middle = (start[0] + self.depth // 2, start[1] + side // 2, start[2] + side // 2)
                    found.append((n, middle))
        return found

    @property
    def epoch(self) -> int:
        """Steps of one epoch: in it every patch of the grid is seen, each in all its variants."""
        per_step = self.config.train.batch * self.together
        return max(1, -(-len(self.grid) * self.config.sampling.variants // per_step))

    # --- inside ---------------------------------------------------------------------------------

    def _of_epoch(self, step: int, rank: int, rng: np.random.Generator) -> list[Draw]:
        """The next patches of the epoch, in its own order; some give way to rare classes or hard places."""
        seed, batch, variants = self.config.train.seed, self.config.train.batch, self.config.sampling.variants
        epoch, k = divmod(step - 1, self.epoch)
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((seed, epoch)).permutation(len(self.grid) * variants)
        at = (k * self.together + rank) * batch
        chosen = self._order[1][at : at + batch]
        draws = []
        for n, place in enumerate((chosen if len(chosen) else self._order[1][:batch]).tolist()):
            index, variant = divmod(place, variants)
            plane, centre = self._special(step, rng) or self.grid[index]
            # one variant only: changed in another way every time; several: the same ones in every epoch
            draws.append(Draw(plane, centre, (seed, rank, step, n) if variants == 1 else (seed, index, variant)))
        return draws

    def _place(self, step: int, rng: np.random.Generator, seed: tuple[int, ...]) -> Draw:
        """One place; background without any object is taken only sometimes."""
        sampling = self.config.sampling
        for _ in range(_TRIES):
            plane, centre = self._candidate(step, rng)
            if sampling.empty >= 1 or not self._is_empty(plane, centre) or rng.random() < sampling.empty:
                break
        return Draw(plane, centre, seed)

    def _special(self, step: int, rng: np.random.Generator) -> tuple[int, tuple[int, int, int]] | None:
        """A hard place or one of a rare class, as often as is wanted."""
        sampling = self.config.sampling
        if sampling.hard and rng.random() < sampling.hard:
            seen = range(step - AHEAD - _MEMORY, step - AHEAD)  # whenever the draw is made, the same
            known = sorted((h for h in self.hard if h.step in seen), key=lambda h: -h.loss)
            if known:
                chosen = known[rng.integers(max(1, len(known) // 4))]
                return chosen.plane, chosen.centre
        if sampling.rare and rng.random() < sampling.rare:
            planes = [n for n, p in enumerate(self.planes) if len(p.places_of(self._rare))]
            if planes:
                return self._voxel(planes, [self.planes[n].places_of(self._rare) for n in planes], rng)
        return None

    def _candidate(self, step: int, rng: np.random.Generator) -> tuple[int, tuple[int, int, int]]:
        sampling = self.config.sampling
        if (special := self._special(step, rng)) is not None:
            return special
        replay = not self._new or (bool(self._old) and rng.random() < self.config.train.replay)
        planes = self._old if replay else self._new
        places = [self.planes[n].old if replay else self.planes[n].new for n in planes]
        plane, centre = self._voxel(planes, places, rng)
        return (plane, centre) if sampling.places == "anywhere" else (plane, self._on_grid(plane, centre))

    def _voxel(
        self, planes: list[int], places: list[Places], rng: np.random.Generator
    ) -> tuple[int, tuple[int, int, int]]:
        """Every picture of a kind counts the same, however large, unless less than a patch of it is known."""
        sizes = np.array([len(p) for p in places], float)
        weights = np.minimum(sizes / self.config.train.patch**2, 1) ** 0.5 * self._share[planes]
        chosen = rng.choice(len(planes), p=weights / weights.sum())
        z, y, x = places[chosen][rng.integers(len(places[chosen]))]
        return planes[chosen], (int(z), int(y), int(x))

    def _on_grid(self, plane: int, centre: tuple[int, int, int]) -> tuple[int, int, int]:
        """The middle of the grid patch that holds a voxel (with overlap: the one whose middle is nearest)."""
        side = self.config.train.patch
        step = max(1, round(side * (1 - self.config.sampling.overlap)))
        middles = [
            min(max(round((c - side / 2) / step), 0) * step, max(n - side, 0)) + side // 2
            for c, n in zip(centre[1:], self.planes[plane].known.shape[1:], strict=True)
        ]
        return centre[0], middles[0], middles[1]

    def _is_empty(self, plane: int, centre: tuple[int, int, int]) -> bool:
        half = self.config.train.patch // 2
        z, y, x = centre
        classes = self.planes[plane].classes
        box = classes[z, max(0, y - half) : y + half, max(0, x - half) : x + half]
        return not box.any()

    def _rarest(self) -> int:
        """The class (not background) with the fewest known voxels."""
        n = max(int(p.classes.max(initial=0)) for p in self.planes) + 1
        sizes = np.sum([p.class_sizes(n) for p in self.planes], axis=0)[1:]
        there = np.flatnonzero(sizes)
        return int(there[sizes[there].argmin()]) + 1 if there.size else 0


def _nothing(config: Config) -> CellsegError:
    if "automatic" in config.sampling.sources:
        return CellsegError(
            "No draft says anything of the training images, so there is no automatic truth to learn from.",
            "Draft them first (draft --method ...), or learn from people: sampling.sources=[manual].",
        )
    return CellsegError(
        "Nothing is corrected or approved yet, so there is nothing to learn from.",
        "Paint a handful of objects, then approve the field around them.",
    )


def whole_image(project: Project, record: ImageRecord, config: Config) -> Iterator[Batch]:
    """Patches side by side over all that is known of an image (no margin round it), as they are, one a batch.

    What a training validates on, for an image that no training has seen.
    """
    exact = config.model_copy(update={"train": config.train.model_copy(update={"margin": 0})})
    volumes = config.model.dimensions == 3
    for plane in read_planes(project, record, exact, None, 0):
        depth = min(config.train.depth, plane.known.shape[0]) if volumes else 1
        yield from side_by_side(plane, plane.known, (depth, *(config.train.patch,) * 2), volumes)


def side_by_side(plane: Plane, where: NDArray[np.bool_], size: tuple[int, int, int], volumes: bool) -> Iterator[Batch]:
    """Patches of a size, from the first voxel to the last one of `where`, which alone counts in them."""
    places = np.nonzero(where)
    if not places[0].size:
        return
    starts = [range(int(p.min()), int(p.max()) + 1, n) for p, n in zip(places, size, strict=True)]
    for z, y, x in product(*starts):
        box = (slice(z, z + size[0]), slice(y, y + size[1]), slice(x, x + size[2]))
        if where[box].any():
            yield stack([_as_it_is(plane, box, size, where)], volumes)


def _shares(kinds: Sequence[str], balance: float) -> NDArray[np.float64]:
    """How often each plane is drawn: a kind of n planes counts n ** (1 - balance), shared equally among them."""
    sizes = Counter(kinds)
    return np.array([sizes[kind] ** -balance for kind in kinds], float)


def stack(patches: Sequence[Patch], volumes: bool = False) -> Batch:
    """Patches as tensors, planes in channels-last memory."""
    pixels, target = np.stack([p.pixels for p in patches]), np.stack([p.target for p in patches])
    known = np.stack([p.known for p in patches])[:, None].astype(np.float32)
    if volumes:
        return Batch(torch.from_numpy(pixels), torch.from_numpy(target), torch.from_numpy(known))
    flat = torch.from_numpy(pixels[:, :, 0]).contiguous(memory_format=torch.channels_last)
    return Batch(flat, torch.from_numpy(target[:, :, 0]), torch.from_numpy(known[:, :, 0]))


def _as_it_is(
    plane: Plane, box: tuple[slice, slice, slice], size: tuple[int, int, int], where: NDArray[np.bool_]
) -> Patch:
    """A patch as it is, padded by reflection to `size`; what counts is `where` in its plane."""
    pixels, target, held = plane.pixels[:, *box], plane.target_in(box), where[box]
    missing = [n - m for n, m in zip(size, held.shape, strict=True)]
    mirror = all(m < n for m, n in zip(missing, held.shape, strict=True))
    mode: Literal["reflect", "edge"] = "reflect" if mirror else "edge"
    pad = [(0, 0), *((0, int(m)) for m in missing)]
    return Patch(np.pad(pixels, pad, mode=mode), np.pad(target, pad, mode="edge"), np.pad(held, pad[1:]))


def _slices(
    centre: int, depth: int, n: int, rng: np.random.Generator | None
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Indices of the slices of a patch, perhaps upside down, and which of them lie outside (mirrored).

    Without `rng` the slice is the middle one, and nothing is turned.
    """
    if depth == 1:
        return np.array([centre]), np.zeros(1, bool)
    start = centre - (depth // 2 if rng is None else int(rng.integers(depth)))
    start = int(np.clip(start, min(0, n - depth), max(0, n - depth)))
    index = np.arange(start, start + depth)
    outside = (index < 0) | (index >= n)
    mirrored = np.abs(index) % max(2 * n - 2, 1)
    index = np.where(mirrored >= n, 2 * n - 2 - mirrored, mirrored)
    return (index[::-1], outside[::-1]) if rng is not None and rng.random() < 0.5 else (index, outside)


def _describe(planes: Sequence[Plane]) -> str:
    """What judges, in words: so many images as a whole, so many fields of others."""
    held = [p for p in planes if p.held_out.any()]
    whole = {p.image for p in held} - {p.image for p in planes if p.known.any()}
    fields = len({p.image for p in held} - whole)
    words = [f"{len(whole)} image{'s' if len(whole) > 1 else ''}"] if whole else []
    words += [f"parts of {fields} image{'s' if fields > 1 else ''}"] if fields else []
    return f"{' and '.join(words)} held out" if words else "nothing held out"

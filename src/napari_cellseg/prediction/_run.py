"""Prediction: tiles, nearest first, through one or several networks, blended, decoded, joined.

Data flow: image -> `Processed` (the recipe, read box by box) -> tile -> every network -> mean or vote -> `Blend`
-> labels of the tile for the screen; at the end `decode_into` reads the blend block by block and writes labels.
Nothing larger than a tile, a block or a plane is in memory, unless the whole result is small.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._types import Box3 as Box
from .._types import Float, Span
from .._types import Shape3 as Shape
from ..base import estimate_size
from ..config import Predict
from ..errors import CellsegError
from ..events import Event, Notice, Planned, Predicted, Stopped, TileDone
from ..images import Image
from ..parts import Parts, WorkStopped
from ..preprocess import Processed
from ..probabilities import OnlyPlane, entropy
from ..targets import Target, decode_into, typical_radius
from ..zoom import Zoom
from ._decode_kept import decode_joined
from ._plan import Plan, make_plan
from ._predictor import Predictor
from ._size import checked_size
from ._store import Blend, Readable, allocate, chunk_shape, make_zarr
from ._tiles import Queue, Tile
from ._tiles import Span as Extent

GLIMPSE = 256
"""Side of the piece at the centre of view that is shown before the first tile."""
STRETCH, DEPTH = 2.5, 16
"""Volumes of voxels at most so many times as deep as wide, and of so many slices, are seen along three axes."""
PART = "probabilities.part.zarr"
"""Probabilities get their own name when they are complete."""


@dataclass(frozen=True)
class Request:
    """What is wanted beyond the labels of the whole image.

    Attributes
    ----------
    options
        Instead of the model's own prediction settings.
    target
        Instead of the model's own target (same kind): thresholds and clean-up.
    region
        Only this box, (start, stop) per spatial axis.
    folder
        Where what is larger than memory goes; with `keep`, probabilities stay there for decoding again.
    show
        Whether somebody watches: tiles come with provisional labels, after a glimpse at the centre of view.
    size
        Diameter of typical objects (pixels); 0: estimated, where a model wants to know it.
    plan
        A plan that was made before, to which processes that share the work keep.
    """

    options: Predict | None = None
    target: Target | None = None
    region: Span = ()
    folder: Path | None = None
    keep: bool = False
    show: bool = True
    size: float = 0.0
    plan: Plan | None = None


def predict(
    image: Image,
    models: Predictor | Sequence[Predictor],
    name: str = "",
    *,
    request: Request | None = None,
    look: Callable[[], tuple[float, ...] | None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Label one image.

    Parameters
    ----------
    image
        Any image with the number of channels that the models have learnt.
    models
        One model, or several that predict together.
    look
        Where the person looks, in voxels (Z, Y, X) or (Y, X), asked before every tile: tiles near it come first.
    stop
        Asked before every tile.

    Yields
    ------
    Event
        Planned, TileDone for every tile, Notice where a tile did not fit or torch had to predict, then Predicted, or
        Stopped.

    Raises
    ------
    CellsegError
        When the image does not fit the models, or the models each other.
    """
    together = [models] if isinstance(models, Predictor) else list(models)
    yield from _events(Run(image, together, name, request or Request(), look), stop)


def _events(run: Run, stop: Callable[[], bool]) -> Iterator[Event]:
    yield run.planned()
    yield from run.tiles(stop)
    for model in run.models:
        model.rest()
    if run.stopped:
        yield Stopped("cancelled")
        return
    try:
        yield run.result(stop)
    except WorkStopped:
        yield Stopped("cancelled")


def plan_for(image: Image, models: Sequence[Predictor], name: str, request: Request) -> Planned:
    """What a prediction will take, without doing it."""
    return Run(image, list(models), name, request, lambda: None).planned()


@dataclass
class Run:
    image: Image
    models: list[Predictor]
    name: str
    request: Request
    look: Callable[[], tuple[float, ...] | None]
    stopped: bool = False
    plan: Plan = field(init=False)
    zooms: list[Zoom] = field(init=False)
    size: float = field(init=False)

    def __post_init__(self) -> None:
        self._check()
        self.start = time.monotonic()
        self.options = self.request.options or self.models[0].config.predict
        self.models = [m.through(self.options.runtime) for m in self.models]
        self.first = self.models[0]
        self.target = self.request.target or self.first.config.target
        self.spacing = self.image.spacing_um
        pixels = self.image.channels_first()
        self.pixels = pixels if pixels.ndim == 4 else pixels[:, None]
        spatial = self.image.spatial_shape
        region = self.request.region or tuple((0, n) for n in spatial)
        span = region if len(region) == 3 else ((0, 1), *region)
        self.origin = tuple(a for a, _ in span)
        self.shape: Shape = tuple(b - a for a, b in span)  # type: ignore[assignment]
        options = self.options.model_copy(update={"mode": self._mode()})
        self.views = [Processed(m.config.recipe, self.pixels) for m in self.models]
        self.zooms = self._zooms()
        self.plan = self.request.plan or make_plan(self.models, self.shape, options, self._stretch(), self.zooms)
        self._check_views()
        self.blend: Blend | None = None
        self.spread: Blend | None = None

    def _zooms(self) -> list[Zoom]:
        """How each model sees the image."""
        wanted = [m.config.object_size if m.dimensions == 2 else 0.0 for m in self.models]
        self.size = self.request.size if any(wanted) else 0.0
        if any(wanted) and not self.size:
            estimate = estimate_size(self.pixels)
            self.size = checked_size(estimate, self.image.spatial_shape, self._first_look) if estimate else 0.0
        return [Zoom.between(self.size, w) for w in wanted]

    def _first_look(self, window: Span, size: float) -> NDArray[np.uint32]:
        """Labels (Y, X) of a window."""
        options = self.options.model_copy(update={"mode": "slices", "uncertainty": False, "flips": False})
        request = Request(options, self.request.target, window, show=False, size=size)
        inner = Run(self.image, self.models, "", request, lambda: None)
        inner.views = self.views  # what recipes know of a whole image is read from it once
        found = next(e for e in _events(inner, lambda: False) if isinstance(e, Predicted))
        return np.asarray(found.labels).reshape(found.labels.shape[-2:])

    def _mode(self) -> str:
        """What *auto* means: volumes whose voxels are nearly cubes are seen by 2D networks along three axes.

        On 16 embryo volumes (1.75 x 0.8 x 0.8 um) an early base model reached AP@0.5 0.669 so, 0.385 slice by slice.
        """
        auto = self.options.mode == "auto" and self.first.dimensions == 2
        cubes = bool(self.spacing) and self._stretch() <= STRETCH and not self.target.obstacle(2, axes=3)
        return "three axes" if auto and cubes and self.shape[0] >= DEPTH else self.options.mode

    @property
    def flat(self) -> bool:
        """Whether the image has no Z axis; inside, everything has one."""
        return "Z" not in self.image.spatial_axes

    def planned(self) -> Planned:
        """The plan in plain numbers."""
        p = self.plan
        return Planned(
            self.name,
            p.side,
            p.overlap,
            p.batch,
            self.first.device.precision,
            len(p.tiles),
            p.seconds,
            p.bytes,
            self.size,
        )

    def tiles(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """Compute all tiles, the nearest to the person first."""
        self._open()
        if self.request.show:
            yield from (Notice(text) for m in self.models if (text := m.notice()))
        if self.request.show and self.plan.seconds > 0.3:
            if self.stopped_by(stop):
                return
            yield from self._glimpse()
        limit = dict(self.first.limits)
        while not self.queue.empty:
            if self.stopped_by(stop):
                return
            chosen = self.queue.take(self.plan.batch, self._centre())
            batch = [self.plan.tiles[i] for i in chosen]
            for index, tile, values in zip(chosen, batch, self.values(batch), strict=True):
                self._add(tile, values)
                self.queue.finish(index)
                yield self._shown(tile)
            if self.first.limits != limit:
                limit = dict(self.first.limits)
                yield Notice(f"A tile did not fit into memory; tiles of {limit['side']} pixels do.")

    def stopped_by(self, stop: Callable[[], bool]) -> bool:
        """Whether the person has had enough."""
        self.stopped = stop()
        return self.stopped

    def result(self, stop: Callable[[], bool]) -> Predicted:
        """Decode everything, join slices, keep what was asked for."""
        assert self.blend is not None
        folder = self.request.folder
        planar = self.plan.planar
        labels = allocate(self.shape, "uint32", None if self.plan.in_memory else folder, "labels.zarr", planar)
        chunk = None if self.plan.in_memory else chunk_shape(self.shape, planar)
        radius = self.radius(self.blend)
        n = decode_joined(
            self.target, self.blend, labels, self.options.join_overlap,
            spacing=self.spacing, planar=planar, chunk=chunk, radius=radius, ease=self.ease, way=Parts(stop),
        )  # fmt: skip
        box = tuple((o, o + n) for o, n in zip(self.origin, self.shape, strict=True))
        flat = self.flat
        store = self._kept(radius) if self.request.keep else ""
        maps = self._maps()
        together, seconds = "+".join(m.id for m in self.models), time.monotonic() - self.start
        uncertainty, disagreement = (m if m is None or not flat else m[0] for m in maps)
        return Predicted(
            self.name, together, _flat(labels) if flat else labels, seconds, box[1:] if flat else box, n, store,
            uncertainty, disagreement, self.size,
        )  # fmt: skip

    # --- inside ---------------------------------------------------------------------------------

    def _check(self) -> None:
        first = self.models[0]
        for model in self.models:
            channels = model.config.recipe.channels(self.image.n_channels)
            if channels != model.card.in_channels:
                raise CellsegError(
                    f"The image has {channels} channels, model {model.id} has learnt {model.card.in_channels}.",
                    "Use a model trained on images of this kind, or start a project of its own for them.",
                )
            if (model.config.target.kind, model.card.out_channels) != (
                first.config.target.kind,
                first.card.out_channels,
            ):
                raise CellsegError(
                    f"Models {first.id} and {model.id} cannot predict together: their targets or classes differ.",
                    "Choose models of one project with the same target.",
                )

    def _check_views(self) -> None:
        """Refuse what the target cannot be asked."""
        options, axes = self.options, len(self.plan.axes)
        if reason := self.target.obstacle(
            self.first.dimensions, flips=options.flips, axes=axes, doubt=options.uncertainty
        ):
            raise CellsegError(
                f"Model {self.first.id} cannot predict so: {reason}.",
                "Leave predict.flips and predict.uncertainty out, and set predict.mode=auto.",
            )

    def _open(self) -> None:
        """Allocate what tiles are added to; needs a folder only for what is larger than memory."""
        self.queue = Queue(self.plan.tiles, (max(self.plan.side[1:]) / 3.0, 1.0, 1.0))
        if not self.plan.in_memory and self.request.folder is None:
            raise CellsegError(
                "The result is larger than what is kept in memory.", "Predict in a project, or give a folder (--out)."
            )
        folder = None if self.plan.in_memory else self.request.folder
        planar, channels = self.plan.planar, self.plan.channels
        shape = (self.plan.n_channels, *self.shape)
        self.blend = Blend(allocate(shape, "uint16", folder, PART, planar), channels)
        if len(self.models) > 1:
            spread = allocate((1, *self.shape), "uint16", folder, "disagreement.zarr", planar)
            self.spread = Blend(spread, dict.fromkeys(channels, (0,)))

    def _stretch(self) -> float:
        """How many times a voxel is as deep as wide."""
        spacing = self.spacing
        return max(1.0, spacing[0] / spacing[-1]) if spacing and len(spacing) == 3 else 1.0

    def _centre(self) -> tuple[float, ...]:
        given = self.look()
        if given is None:
            return tuple(n / 2 for n in self.shape)
        given = given if len(given) == 3 else (0.0, *given)
        return tuple(g - o for g, o in zip(given, self.origin, strict=True))

    def values(self, batch: list[Tile]) -> list[tuple[Float, Float | None]]:
        """Probabilities (K, z, y, x) of tiles of one shape, and how far models disagree (1, z, y, x)."""
        per_model = []
        for model, view, zoom in zip(self.models, self.views, self.zooms, strict=True):
            stack = np.concatenate([self.stack(view, t) for t in batch])
            seen = model.probabilities(zoom.into(stack), flips=self.options.flips, budget=self.options.memory * 1e9)
            found = self.target.resized(zoom.back(seen, (stack.shape[-2], stack.shape[-1])), zoom.factor)
            parts = np.split(found, len(batch))
            per_model.append([_from_stack(p, t) for p, t in zip(parts, batch, strict=True)])
        return [self._combined([m[k] for m in per_model]) for k in range(len(batch))]

    def stack(self, view: Processed, tile: Tile) -> Float:
        """A tile after the recipe, (N, C, [Z], Y, X), before it is enlarged or reduced."""
        return _to_stack(self._read(view, tile.box), tile.axis, self.spacing)

    def _read(self, view: Processed, box: Box) -> Float:
        z, y, x = (slice(s.start + o, s.stop + o) for s, o in zip(box, self.origin, strict=True))
        return view.read((z, y, x))

    def _combined(self, values: list[Float]) -> tuple[Float, Float | None]:
        if len(values) == 1:
            return values[0], None
        foreground = [1 - v[0] if self.target.exclusive else v[0] for v in values]
        spread = 2 * np.std(foreground, axis=0, dtype=np.float32)[None]
        if self.options.combine == "vote":
            values = [_vote(v, self.target.exclusive) for v in values]
        return np.asarray(np.mean(values, axis=0), np.float32), spread

    def _add(self, tile: Tile, values: tuple[Float, Float | None]) -> None:
        assert self.blend is not None
        self.blend.add(tile, values[0])
        if self.spread is not None and values[1] is not None:
            self.spread.add(tile, np.minimum(values[1], 1))

    def _shown(self, tile: Tile) -> TileDone:
        """Provisional labels of a finished tile; none where nobody looks, or where the tile is the whole image."""
        total = len(self.queue.tiles)
        if total == 1 or not self.request.show:
            starts = [s.start + o for s, o in zip(tile.box, self.origin, strict=True)]
            span, seconds = tuple((a, a) for a in starts), time.monotonic() - self.start
            flat = self.flat
            nothing = np.zeros((0,) * (2 if flat else 3), np.uint32)
            return TileDone(self.name, span[1:] if flat else span, nothing, self.queue.n_done, total, seconds)
        assert self.blend is not None
        probabilities = self.blend.read_partial(tile.box, self.queue.done_in(tile.box))
        return self._tile_done(tile.box, probabilities, self.queue.n_done, total)

    def _glimpse(self) -> Iterator[TileDone]:
        """What the person looks at, at once, before the tiles proper."""
        centre = self._centre()
        box = []
        for n, side, c in zip(self.shape, (1, GLIMPSE, GLIMPSE), centre, strict=True):
            start = int(np.clip(round(c - (side - 1) / 2), 0, max(0, n - side)))
            box.append(slice(start, min(n, start + side)))
        if self.first.dimensions == 3:
            return  # a slice of a volume says little
        spans = tuple(Extent(s.start, s.stop) for s in box)
        (values, _), *_ = self.values([Tile((spans[0], spans[1], spans[2]), 0)])
        yield self._tile_done((box[0], box[1], box[2]), values, 0, len(self.plan.tiles))

    def _tile_done(self, box: Box, probabilities: Float, done: int, total: int) -> TileDone:
        thin = self.first.dimensions == 2 and box[0].stop - box[0].start == 1
        planar, spacing = self.plan.planar or thin, self.spacing
        shape: Shape = probabilities.shape[1:]
        labels = np.zeros(shape, np.uint32)
        decode_into(
            self.target, lambda b: probabilities[(slice(None), *b)], shape, labels, spacing=spacing, planar=planar,
            ease=self.ease,
        )  # fmt: skip
        doubt = entropy(probabilities, self.target.exclusive) if self.options.uncertainty else None
        span = tuple((s.start + o, s.stop + o) for s, o in zip(box, self.origin, strict=True))
        seconds = time.monotonic() - self.start
        if self.flat:
            labels, span, doubt = labels[0], span[1:], None if doubt is None else doubt[0]
        return TileDone(self.name, span, labels, done, total, seconds, doubt)

    @property
    def ease(self) -> float:
        """Along three axes, the mean is low where only some views see an object."""
        return self.options.ease if len(self.plan.axes) > 1 else 1.0

    def radius(self, blend: Readable) -> float:
        """Typical radius of the objects, where the target asks for it."""
        if not self.target.instances:
            return 0.0
        return typical_radius(self.target, blend.read, self.shape, spacing=self.spacing, planar=self.plan.planar)

    def _maps(self) -> tuple[Any, Any]:
        """Uncertainty and disagreement of the whole result as uint8, where asked for and small enough."""
        if not self.plan.in_memory or self.blend is None:
            return None, None
        whole = (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))
        doubt = entropy(self.blend.read(whole), self.target.exclusive) if self.options.uncertainty else None
        if self.spread is None:
            return doubt, None
        return doubt, np.rint(self.spread.read(whole)[0] * 255).astype(np.uint8)

    def _kept(self, radius: float) -> str:
        """Leave the probabilities in the folder."""
        if self.request.folder is None or self.blend is None:
            return ""
        part, data = self.request.folder / PART, self.blend.data
        if isinstance(data, np.ndarray):
            stored = make_zarr(part, data.shape, "uint16", self.plan.planar)
            stored[:] = data
            data = stored
        return self.keep(data, part, radius)

    def keep(self, data: Any, part: Path, radius: float) -> str:
        """Give finished probabilities their name in the folder, with what decoding them again needs; returns that.

        Parameters
        ----------
        data
            Zarr (K, Z, Y, X) uint16, which lies at `part`.
        """
        if self.request.folder is None:
            return ""
        path = self.request.folder / "probabilities.zarr"
        data.attrs.update(
            {
                "models": [m.id for m in self.models], "target": self.target.kind, "planar": self.plan.planar,
                "radius": radius, "spacing": list(self.spacing or ()), "origin": list(self.origin),
                "axes": self.image.spatial_axes, "join_overlap": self.options.join_overlap,
                "ease": self.ease,
            }
        )  # fmt: skip
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.rename(path)
        return str(path)


def _flat(labels: Any) -> Any:
    """The only plane: of numpy at once, of zarr when it is read."""
    return labels[0] if isinstance(labels, np.ndarray) else OnlyPlane(labels)


def _vote(values: Float, exclusive: bool) -> Float:
    """One vote per voxel: for its most probable class, or for the foreground; a distance stays as it is."""
    if exclusive:
        winner = values.argmax(0)
        return np.stack([winner == k for k in range(len(values))]).astype(np.float32)
    out = values.copy()
    out[0] = values[0] > 0.5
    return out


def _to_stack(pixels: Float, axis: int | None, spacing: tuple[float, ...] | None) -> Float:
    """(C, z, y, x) -> what a network takes: (N, C, rows, columns) along an axis, or (1, C, z, y, x).

    Planes that hold Z are stretched to square pixels where the voxel size is known.
    """
    if axis is None:
        return pixels[None]
    stack = np.moveaxis(pixels, 1 + axis, 0)
    if axis == 0 or not spacing:
        return stack
    rows = max(1, round(stack.shape[2] * spacing[0] / spacing[-1]))
    return _resized(stack, rows)


def _from_stack(stack: Float, tile: Tile) -> Float:
    """The way back: (N, K, rows, columns) -> (K, z, y, x)."""
    if tile.axis is None:
        return np.asarray(stack[0])
    depth = tile.spans[0].stop - tile.spans[0].start
    if tile.axis != 0 and stack.shape[2] != depth:
        stack = _resized(stack, depth)
    return np.asarray(np.moveaxis(stack, 0, 1 + tile.axis))


def _resized(stack: Float, rows: int) -> Float:
    planes = stack.reshape(-1, *stack.shape[-2:])
    how = cv2.INTER_AREA if rows < planes.shape[1] else cv2.INTER_LINEAR
    out = np.stack([cv2.resize(np.ascontiguousarray(p), (p.shape[1], rows), interpolation=how) for p in planes])
    return np.asarray(out.reshape(*stack.shape[:2], rows, stack.shape[-1]), np.float32)

"""One image labelled by many processes, block by block, with the labels of one.

Data flow: the plan's tiles in groups -> each group's 16-bit sums in an array of its own, written once -> sums of
neighbouring groups added where they are read, which gives in any order what one process adds up -> the decoding of one
process (`decode_joined`), whose parts are done elsewhere -> an OME-Zarr, each block owning whole chunks -> its pyramid.
What the whole image decides (plan, size of objects, statistics of the recipe, typical radius) is found out once, here.
"""

from __future__ import annotations

import json
import math
import queue
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from .. import images
from .._types import Box3 as Box
from .._types import Float
from .._types import Shape3 as Shape
from ..boxes import around, relative, size
from ..errors import CellsegError
from ..events import BlockDone, Event, Notice, Predicted, Stopped
from ..files import whole, write_text
from ..images import Image
from ..parts import Answer, Spread, WorkStopped, array_at
from ..probabilities import scaled
from ._decode_kept import decode_joined
from ._plan import Plan
from ._predictor import Predictor, load_model
from ._run import PART, Request, Run
from ._store import Blend, chunk_shape
from ._tiles import Span, Tile

GROUP = 4_000_000
"""Tiles of about so many voxels are computed by one block."""
PYRAMID = 4
"""A block of a coarser level has so many chunks along Y and X."""


@dataclass(frozen=True)
class Elsewhere:
    """How an image is labelled by other processes.

    Attributes
    ----------
    way
        Who does the blocks, and the folder of this piece of work.
    picture, models
        Give a worker what this process has; pickled, so frozen classes at the top of a module.
    path
        Where the labels will lie as OME-Zarr, which stands in its metadata; they stay at `place` until then.
    classes
        Names of the classes of the labels.
    """

    way: Spread
    picture: Callable[[], Image]
    models: Callable[[], list[Predictor]]
    path: Path
    classes: Sequence[str] = ()

    @property
    def place(self) -> Path:
        """Where the OME-Zarr lies until it has its name."""
        return self.way.folder / "labels.ome.zarr"


@dataclass(frozen=True)
class PictureAt:
    """A picture that a worker opens for itself."""

    path: Path
    series: str | None = None
    frame: int = 0

    def __call__(self) -> Image:
        """Open it."""
        return images.read(self.path, series=self.series).frame(self.frame)


@dataclass(frozen=True)
class ModelsAt:
    """Model folders that a worker loads for itself, once."""

    folders: tuple[Path, ...]

    def __call__(self) -> list[Predictor]:
        """Load them."""
        return [model for folder in self.folders for model in load_model(folder)]


def predict_elsewhere(
    name: str, job: Elsewhere, request: Request, *, stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Label one image; the labels are those that `predict` gives by the same plan.

    What a block has finished is on the disk: a second call with the same folder, after whatever ended the first, does
    what is left. The plan is kept there, too.

    Yields
    ------
    Event
        Planned, Notice with where to watch, BlockDone, then Predicted, whose labels are zarr, or Stopped.

    Raises
    ------
    CellsegError
        When the image does not fit the models, or a block cannot be done.
    """
    request = replace(request, show=False)
    kept = _kept_plan(job.way.folder)
    if kept is not None:
        request = replace(request, plan=kept[0], size=kept[1] or request.size)
    run = Run(job.picture(), job.models(), name, request, lambda: None)
    if kept is None:
        _keep_plan(job.way.folder, run.plan, run.size)
    yield run.planned()
    if job.way.scheduler.link:
        yield Notice(f"Watch the workers at {job.way.scheduler.link}")
    try:
        yield from relayed(lambda tell: _labelled(run, job, request, tell), job.way, name, stop)
    except WorkStopped:
        yield Stopped("cancelled")


def _labelled(run: Run, job: Elsewhere, request: Request, tell: Callable[[Event], None]) -> None:
    way, plan = job.way, run.plan
    groups = grouped(plan.tiles, way.voxels or GROUP)
    sums = Sums.begin(way.folder / "sums", (plan.n_channels, *run.shape), [box for box, _ in groups])
    way.holds(sums.folder)
    work = _Tiles(
        str(way.folder), job.picture, job.models,
        replace(request, plan=replace(plan, tiles=()), size=run.size, folder=None),
        [view.known() for view in run.views], sums,
    )  # fmt: skip
    way.do(work, [(k, box, tiles) for k, (box, tiles) in enumerate(groups)], "network")
    spatial = run.shape[1:] if run.flat else run.shape
    levels = images.label_levels(
        job.place, job.path, spatial, run.spacing, job.classes, run.image.source, way.side, planar=plan.planar
    )
    way.holds(job.place)
    out = AsVolume(levels[0]) if run.flat else levels[0]
    radius = run.radius(sums)
    n = decode_joined(
        run.target, sums, out, run.options.join_overlap, spacing=run.spacing, planar=plan.planar, chunk=out.chunks,
        radius=radius, ease=run.ease, way=way,
    )  # fmt: skip
    for finer, coarser in pairwise(levels):
        way.do(images.Halve(finer, coarser), _boxes(coarser), "pyramid")
    store = _stored(run, job, sums, radius) if request.keep else ""
    box = tuple((o, o + n) for o, n in zip(run.origin, run.shape, strict=True))
    together, seconds = "+".join(m.id for m in run.models), time.monotonic() - run.start
    labels = levels[0]
    tell(Predicted(run.name, together, labels, seconds, box[1:] if run.flat else box, n, store, size=run.size))


def _stored(run: Run, job: Elsewhere, sums: Sums, radius: float) -> str:
    """Probabilities in one array, where `predict` leaves them."""
    way, planar, part = job.way, run.plan.planar, job.way.folder / PART
    chunks = (sums.channels, *chunk_shape(run.shape, planar))
    data = array_at(part, (sums.channels, *run.shape), "uint16", chunks)
    way.holds(part)
    boxes = [
        (slice(z, z + chunks[1]), slice(y, y + chunks[2]), slice(x, x + chunks[3]))
        for z, y, x in product(*(range(0, n, c) for n, c in zip(run.shape, chunks[1:], strict=True)))
    ]
    way.do(_Copied(sums, data), boxes, "probabilities")
    return run.keep(data, part, radius)


# --- what workers do ------------------------------------------------------------------------------

_RUNS: OrderedDict[str, Run] = OrderedDict()
"""Of this process: the last images it worked on, with their networks, which are loaded once."""
_OPEN_RUNS = 2


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Sums of the tiles of a group."""

    job: str
    picture: Callable[[], Image]
    models: Callable[[], list[Predictor]]
    request: Request
    known: list[dict[tuple[int, int], Any]]
    sums: Sums

    def __call__(self, item: tuple[int, Box, list[Tile]]) -> Answer:
        number, box, tiles = item
        run = self._run()
        blend = Blend(np.zeros((self.sums.channels, *size(box)), np.uint16), run.plan.channels)
        for tile, (values, _) in zip(tiles, self._values(run, tiles), strict=True):
            blend.add(_moved(tile, box), values)
        self.sums.write(number, blend.data, run.plan.planar)
        return {}

    def _values(self, run: Run, tiles: list[Tile]) -> Iterator[tuple[Float, Float | None]]:
        for batch in (tiles[k : k + run.plan.batch] for k in range(0, len(tiles), run.plan.batch)):
            same = len({tuple(s.stop - s.start for s in t.spans) for t in batch}) == 1
            for part in [batch] if same else [[tile] for tile in batch]:
                yield from run.values(part)

    def _run(self) -> Run:
        if self.job not in _RUNS:
            run = Run(self.picture(), self.models(), "", self.request, lambda: None)
            for view, known in zip(run.views, self.known, strict=True):
                view.know(known)
            _RUNS[self.job] = run
            while len(_RUNS) > _OPEN_RUNS:
                _RUNS.popitem(last=False)
        _RUNS.move_to_end(self.job)
        return _RUNS[self.job]


@dataclass(frozen=True)
class Sums:
    """Blended probabilities of an image, (K, Z, Y, X) float32 in [0, 1], that lie in an array for each group of tiles.

    Parameters
    ----------
    folder
        Of the arrays, and of the table of their boxes.
    """

    folder: Path
    channels: int
    shape: Shape

    @classmethod
    def begin(cls, folder: Path, shape: tuple[int, ...], boxes: list[Box]) -> Sums:
        """Write the table of boxes, by which any process finds the arrays."""
        with whole(folder / "boxes.npy") as part, part.open("wb") as file:
            np.save(file, np.array([[(s.start, s.stop) for s in box] for box in boxes]))
        return cls(folder, shape[0], (shape[1], shape[2], shape[3]))

    def write(self, number: int, sums: NDArray[np.uint16], planar: bool) -> None:
        """Keep the sums of a group; they appear whole or not at all."""
        path = self._path(number)
        part = path.with_name(f".{path.name}.{time.monotonic_ns()}.part")  # a group may be done twice at a time
        chunks = (sums.shape[0], *chunk_shape(sums.shape[1:], planar))
        array_at(part, sums.shape, "uint16", chunks)[:] = sums
        try:
            part.rename(path)
        except OSError:
            if not path.is_dir():
                raise
            shutil.rmtree(part, ignore_errors=True)  # the other one was faster, and the same

    def read(self, box: Box) -> Float:
        """Probabilities (K, z, y, x) of a box."""
        return scaled(self.sums(box))

    def sums(self, box: Box) -> NDArray[np.uint16]:
        """(K, z, y, x) uint16 of a box."""
        boxes = _boxes_of(str(self.folder))
        start, stop = (np.array([getattr(s, end) for s in box]) for end in ("start", "stop"))
        out = np.zeros((self.channels, *size(box)), np.uint16)
        for number in np.flatnonzero((boxes[..., 0] < stop).all(1) & (boxes[..., 1] > start).all(1)):
            own = tuple(slice(int(a), int(b)) for a, b in boxes[number])
            shared = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(own, box, strict=True))
            out[(slice(None), *relative(shared, box))] += _opened(str(self._path(int(number))))[
                (slice(None), *relative(shared, own))
            ]
        return out

    def _path(self, number: int) -> Path:
        return self.folder / f"{number // 1000:06d}" / f"{number % 1000:03d}.zarr"


@dataclass(frozen=True, eq=False)
class _Copied:
    """Sums of a box in one array."""

    sums: Sums
    data: Any

    def __call__(self, box: Box) -> Answer:
        inside = tuple(slice(s.start, min(s.stop, n)) for s, n in zip(box, self.sums.shape, strict=True))
        self.data[(slice(None), *inside)] = self.sums.sums((inside[0], inside[1], inside[2]))
        return {}


class AsVolume:
    """A plane on disk (Y, X) as a volume (1, Y, X) that is read and written in parts."""

    def __init__(self, plane: Any) -> None:
        self.plane = plane
        self.shape, self.dtype, self.chunks = (1, *plane.shape), plane.dtype, (1, *plane.chunks)

    def __getitem__(self, box: Any) -> NDArray[Any]:
        return np.asarray(self.plane[self._inner(box)])[None]

    def __setitem__(self, box: Any, values: NDArray[Any]) -> None:
        self.plane[self._inner(box)] = values[0]

    @staticmethod
    def _inner(box: Any) -> Any:
        return box[1:] if isinstance(box, tuple) else slice(None)


def grouped(tiles: Sequence[Tile], voxels: int) -> list[tuple[Box, list[Tile]]]:
    """Neighbouring tiles that look along one axis, about `voxels` voxels together, and the box they fill."""
    out = []
    for axis in dict.fromkeys(t.axis for t in tiles):
        own = [t for t in tiles if t.axis == axis]
        ranks = [{a: k for k, a in enumerate(sorted({t.spans[d].start for t in own}))} for d in range(3)]
        left, steps = max(1, voxels // math.prod(size(own[0].box))), [1, 1, 1]
        for d in (2, 1, 0):  # planes are cut first where they are long
            steps[d] = max(1, min(len(ranks[d]), round(left ** (1 / (d + 1)))))
            left = max(1, left // steps[d])
        together: dict[tuple[int, ...], list[Tile]] = {}
        for tile in own:
            key = tuple(ranks[d][tile.spans[d].start] // steps[d] for d in range(3))
            together.setdefault(key, []).append(tile)
        for members in together.values():
            z, y, x = around([t.box for t in members])
            out.append(((z, y, x), members))
    return out


# --- inside ---------------------------------------------------------------------------------------


def _moved(tile: Tile, box: Box) -> Tile:
    """A tile as seen from the corner of a box."""
    z, y, x = (replace(s, start=s.start - b.start, stop=s.stop - b.start) for s, b in zip(tile.spans, box, strict=True))
    return Tile((z, y, x), tile.axis)


@lru_cache(maxsize=4)
def _boxes_of(folder: str) -> NDArray[np.int64]:
    return np.asarray(np.load(Path(folder) / "boxes.npy", allow_pickle=False))


@lru_cache(maxsize=64)
def _opened(path: str) -> Any:
    return zarr.open_array(path, mode="r")


def _boxes(array: Any) -> list[tuple[slice, ...]]:
    """Blocks of whole chunks."""
    sides = [c * (PYRAMID if k >= len(array.shape) - 2 else 1) for k, c in enumerate(array.chunks)]
    spans = [[slice(a, min(n, a + s)) for a in range(0, n, s)] for n, s in zip(array.shape, sides, strict=True)]
    return list(product(*spans))


def _keep_plan(folder: Path, plan: Plan, object_size: float) -> None:
    said = {k: v for k, v in asdict(replace(plan, tiles=())).items() if k != "tiles"}
    said["channels"] = [[axis, list(own)] for axis, own in plan.channels.items()]
    tiles = [[t.axis, *([s.start, s.stop, s.before, s.after] for s in t.spans)] for t in plan.tiles]
    write_text(folder / "plan.json", json.dumps({"plan": said, "tiles": tiles, "size": object_size}))


def _kept_plan(folder: Path) -> tuple[Plan, float] | None:
    path = folder / "plan.json"
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        said = kept["plan"]
        tiles = tuple(Tile((Span(*z), Span(*y), Span(*x)), axis) for axis, z, y, x in kept["tiles"])
        said["channels"] = {axis: tuple(own) for axis, own in said["channels"]}
        said |= {"axes": tuple(said["axes"]), "side": tuple(said["side"])}
        return Plan(tiles=tiles, **said), float(kept["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise CellsegError(
            f"{path} is damaged.", f"Delete {folder} and give the command again; all of it is done again."
        ) from error


def relayed(
    work: Callable[[Callable[[Event], None]], None], way: Spread, name: str, stop: Callable[[], bool]
) -> Generator[Event, None, None]:
    """Do work in a thread, and yield what it tells; it is stopped when nobody listens any more."""
    told: queue.Queue[Event | BaseException | None] = queue.Queue()
    gone, start = threading.Event(), time.monotonic()
    way.stop = lambda: gone.is_set() or stop()
    way.tell = lambda what, done, total: told.put(BlockDone(name, what, done, total, time.monotonic() - start))

    def begin() -> None:
        try:
            work(told.put)
            told.put(None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, who listens must hear of it
            told.put(error)

    thread = threading.Thread(target=begin, name="cellseg-blocks")
    thread.start()
    try:
        while (event := told.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        gone.set()
        thread.join()

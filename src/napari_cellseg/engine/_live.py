"""Learning in seconds: after a correction, a head is fitted and the visible field labelled with it.

Data flow: `LiveJob` (labels and state of the field, as they stand) -> the base network's features of the field, kept
while the person stays there -> samples of known pixels, joined with those of other places -> `fit_head` -> labels of
the field; the head is kept in the project's cache, where predictions of whole images find it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..boxes import relative
from ..config import Config
from ..errors import CellsegError
from ..events import Event, Refined, Span
from ..preprocess import Processed
from ..project import Project, known_mask
from ..targets import Distance, Target

if TYPE_CHECKING:
    import torch

    from ..adapt import Head, Samples
    from ..nets.device import Device
    from ..nets.features import Features, Maps

CONTEXT = 32
"""The network sees so many pixels around the field."""
CELL = 128
"""Samples are remembered by squares of this side; a square that is seen again is sampled anew."""
RECALLED = 8
"""Places of earlier corrections that a fresh process looks at once more."""


@dataclass(frozen=True, eq=False)
class LiveJob:
    """Fit a head to the corrections and label a field of one plane with it.

    Attributes
    ----------
    field
        (start, stop) per spatial axis; of volumes, one slice.
    labels, state
        Of the field, as they stand: (Y, X) uint32 and uint8.
    target
        With the thresholds that the person has set.
    """

    project: Path
    image: str
    model: str
    field: Span
    labels: NDArray[np.uint32]
    state: NDArray[np.uint8]
    target: Target | None = None


def live_reason(config: Config, task: str) -> str:
    """Why a model cannot learn live, "" where it can."""
    if task != "instance" or not isinstance(config.target, Distance):
        return "Live learning is for objects and the distance target; here a minute of fine-tuning is needed."
    if config.model.dimensions != 2:
        return "Live learning is for 2D networks; here a minute of fine-tuning is needed."
    return ""


def live(project: Project, job: LiveJob) -> Iterator[Event]:
    """Do a `LiveJob`: yields one `Refined`.

    Raises
    ------
    CellsegError
        When the model cannot learn live.
    """
    from ..adapt import fit_head, load_head, save_head

    start = time.monotonic()
    config = project.model_config(job.model)
    if reason := live_reason(config, project.task):
        raise CellsegError(reason, "Press Fine-tune.")
    memory = _memory(project.path.resolve(), job.model)
    if not memory.recalled:
        memory.recall(project, config)
    seen = memory.see(project, job.image, config, job.field)
    memory.learn(project, job, config, seen)
    samples = memory.samples()
    earlier = load_head(project.path, job.model)
    head = fit_head(samples) if samples is not None else None
    save_head(project.path, job.model, head)
    learnt = "" if samples is None else _learnt(head)
    labels = None
    if head is not None or earlier is not None:
        labels = seen.labels(job.target or config.target, head, job.field)
    yield Refined(job.image, job.field, labels, head is not None, learnt, time.monotonic() - start)


def refit(project: Project, model: str) -> None:
    """Fit a model's head once more, without what has been held out since; where it has none, nothing happens."""
    from ..adapt import fit_head, load_head, save_head

    if load_head(project.path, model) is None:
        return
    memory = _memory(project.path.resolve(), model)
    memory.recall(project, project.model_config(model))
    samples = memory.samples()
    save_head(project.path, model, fit_head(samples) if samples is not None else None)


def network_with_features(path: Path) -> tuple[Features, Device]:
    """A model folder's network, ready to tell its features."""
    return _network(path.resolve())


@dataclass(eq=False)
class Seen:
    """What the network made of a field of one plane.

    Attributes
    ----------
    box
        What was computed: the field and what lies around it, (start, stop) of Y and X.
    """

    box: Span
    logits: torch.Tensor
    maps: Maps

    def labels(self, target: Target, head: Head | None, field: Span) -> NDArray[np.uint32]:
        """Labels of the field with a head (or the network alone), of the field's shape."""
        import torch

        from ..nets.features import with_head

        with torch.inference_mode():
            logits = self.logits.float()
            if head is not None:
                place = logits.device
                weight, bias = torch.from_numpy(head.weight).to(place), torch.from_numpy(head.bias).to(place)
                logits = with_head(logits, self.maps, weight, bias)
            p = logits[0].sigmoid().cpu().numpy()
        inner = tuple(slice(a, b) for a, b in field[-2:])
        cut = relative(inner, tuple(slice(a, b) for a, b in self.box))
        labels = np.ascontiguousarray(target.decode(p)[cut])
        return labels[None] if len(field) == 3 else labels


@dataclass(eq=False)
class Memory:
    """What one process remembers for one model of a project: fields it has computed, samples by place."""

    model: Path
    recalled: bool = False
    fields: dict[tuple[Any, ...], Seen] = field(default_factory=dict)
    cells: dict[tuple[Any, ...], Samples] = field(default_factory=dict)
    pictures: dict[str, Processed] = field(default_factory=dict)

    def see(self, project: Project, image: str, config: Config, box: Span) -> Seen:
        """The network's features of a field, computed once while the person stays there."""
        key = (image, box)
        if key not in self.fields:
            while len(self.fields) >= 2:
                del self.fields[next(iter(self.fields))]
            self.fields[key] = self._compute(project, image, config, box)
        return self.fields[key]

    def learn(self, project: Project, job: LiveJob, config: Config, seen: Seen) -> None:
        """Sample what is known of the field."""
        field = Field(project, job.image, job.field, job.labels, job.state)
        self._sample(field, config, seen)

    def samples(self) -> Samples | None:
        """Of all places, thinned."""
        from ..adapt import Samples

        return Samples.joined(self.cells.values())

    def recall(self, project: Project, config: Config) -> None:
        """Look once more at places of earlier corrections, the newest first."""
        self.recalled = True
        self.cells.clear()
        rows = [row for record in project.images() for row in project.db.rows_after(record.id, 0) if row.by_hand]
        done: set[tuple[Any, ...]] = set()
        for row in sorted(rows, key=lambda row: -row.n):
            box = _around(row.box, project.image(row.image).shape)
            if len(done) >= RECALLED:
                return
            if (row.image, box) in done:
                continue
            done.add((row.image, box))
            labels, state = project.load_labels(row.image)
            cut = tuple(slice(a, b) for a, b in box)
            seen = self._compute(project, row.image, config, box)
            self._sample(Field(project, row.image, box, labels[cut], state[cut]), config, seen)

    # --- inside ---------------------------------------------------------------------------------

    def _compute(self, project: Project, image: str, config: Config, box: Span) -> Seen:
        import torch

        picture = self._picture(project, image, config)
        depth, height, width = picture.shape
        z = box[0] if len(box) == 3 else (0, 1)
        stride = config.model.stride[-1]
        y, x = (_aligned(span, n, stride) for span, n in zip(box[-2:], (height, width), strict=True))
        pixels = picture.read((slice(*z), slice(*y), slice(*x)))[:, 0][None]
        network, device = _network(self.model)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(device.torch)
        with torch.inference_mode(), device.autocast():
            logits, maps = network(tensor.contiguous(memory_format=torch.channels_last))
        return Seen((y, x), logits, maps)

    def _picture(self, project: Project, image: str, config: Config) -> Processed:
        if image not in self.pictures:
            self.pictures.clear()
            pixels = project.read_image(image).channels_first()
            self.pictures[image] = Processed(config.recipe, pixels if pixels.ndim == 4 else pixels[:, None])
        return self.pictures[image]

    def _sample(self, field: Field, config: Config, seen: Seen) -> None:
        """Known pixels of a field, square by square; what was known of these squares before is forgotten."""
        from ..adapt import read_samples

        labels, known = field.plane(config.train.margin)
        inner, wide = (tuple(slice(a, b) for a, b in box) for box in (field.box[-2:], seen.box))
        within = relative(inner, wide)
        z = field.box[0][0] if len(field.box) == 3 else 0
        for row, column in _cells(field.box[-2:]):
            self.cells.pop((field.image, z, row, column), None)
        origin = ((within[0].start, within[1].start), (inner[0].start, inner[1].start))
        found = read_samples(seen.logits, seen.maps, config.target.encode(labels, 1), labels, known, origin)
        if found is None:
            return
        squares = found.places // CELL
        for row, column in np.unique(squares, axis=0).tolist():
            self.cells[field.image, z, row, column] = found.of((squares == (row, column)).all(1))


@dataclass(frozen=True, eq=False)
class Field:
    """A field of one plane of an image, with its labels and state."""

    project: Project
    image: str
    box: Span
    labels: NDArray[np.uint32]
    state: NDArray[np.uint8]

    def plane(self, margin: int) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """Labels (Y, X), and what of them is known and not held out to judge."""
        shape = self.labels.shape[-2:]
        labels, state = self.labels.reshape(shape), self.state.reshape(shape)
        known = known_mask(labels, state, margin)
        holdout = self.project.db.holdouts().get(self.image)
        for box in holdout.boxes if holdout is not None else ():
            shared = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, self.box, strict=True)]
            if all(a < b for a, b in shared):
                (a, b), (c, d) = ((s - o[0], t - o[0]) for (s, t), o in zip(shared[-2:], self.box[-2:], strict=True))
                known[a:b, c:d] = False
        return labels, known


@lru_cache(maxsize=1)
def _memory(project: Path, model: str) -> Memory:
    return Memory(project / "models" / model)


@lru_cache(maxsize=2)
def _network(path: Path) -> tuple[Features, Device]:
    from ..models import load_weights
    from ..nets.device import choose
    from ..nets.features import Features
    from ..project import read_card, read_model_config

    card, config = read_card(path), read_model_config(path)
    device = choose(config.precision)
    network: Any = config.model.build(card.in_channels, card.out_channels)
    load_weights(path / "weights.safetensors", network)
    return Features(device.place(network.eval())).eval(), device  # type: ignore[arg-type]


def _learnt(head: Head | None) -> str:
    if head is None:
        return "The model is as good without it: nothing was changed."
    share = 100 * (1 - head.after / max(head.before, 1e-9))
    return f"learnt from {head.objects} objects: error on those left out {share:.0f} % lower"


def _aligned(span: tuple[int, int], n: int, stride: int) -> tuple[int, int]:
    """A span and what lies around it, beginning on the network's grid."""
    start = max(0, span[0] - CONTEXT) // stride * stride
    return start, min(n, -(-(span[1] + CONTEXT) // stride) * stride)


def _around(box: Span, shape: tuple[int, ...]) -> Span:
    """A square of 256 pixels round the middle of a box, in its middle slice."""
    out = []
    for axis, ((a, b), n) in enumerate(zip(box, shape, strict=True)):
        middle = (a + b) // 2
        if axis < len(shape) - 2:
            out.append((middle, middle + 1))
        else:
            start = max(0, min(middle // CELL * CELL - CELL // 2, n - 2 * CELL))
            out.append((start, min(n, start + 2 * CELL)))
    return tuple(out)


def _cells(box: Span) -> list[tuple[int, int]]:
    """Squares that begin inside a field."""
    y, x = (range(-(-a // CELL), -(-b // CELL)) for a, b in box)
    return [(row, column) for row in y for column in x]

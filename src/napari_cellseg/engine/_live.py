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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._types import Labels, Span, State
from ..boxes import grown, relative
from ..config import Config
from ..errors import CellsegError
from ..events import Event, Refined
from ..matching import ids_in
from ..preprocess import Processed
from ..project import Project, fitted_target, known_mask, known_size, parts, put_fitted_target, zoom_of
from ..targets import Distance, Target
from ..zoom import GRID, Zoom

if TYPE_CHECKING:
    import torch

    from ..adapt import Evidence, Head, Plane, Samples
    from ..nets.device import Device
    from ..nets.features import Features, Maps

CONTEXT = 32
"""The network sees so many of its pixels around the field."""


class Spoken(NamedTuple):
    """What a person said of a field of one plane, all (Y, X): labels, what of them is known, hints; none held out."""

    labels: NDArray[np.uint32]
    known: NDArray[np.bool_]
    hints: NDArray[np.uint8]


CELL = 128
"""Samples are remembered by squares of this side; a square that is seen again is sampled again."""
REFUSED = "the view stays as it was: another answer would change much of it and agree no better with what you corrected"
ANSWERS = 3
"""Of a field so many answers are kept: the one on the screen, the one before it, the new one."""
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
    hints
        Of the field, (Y, X) uint8 (see `project.Hints`); None where there are none.
    target
        With the thresholds that the person has set; None: they are fitted to the corrections, too.
    """

    project: Path
    image: str
    model: str
    field: Span
    labels: NDArray[np.uint32]
    state: NDArray[np.uint8]
    target: Target | None = None
    hints: NDArray[np.uint8] | None = None


def live_reason(config: Config, task: str) -> str:
    """Why a model cannot learn live, "" where it can."""
    if task != "instance" or not isinstance(config.target, Distance):
        return "Live learning is for objects and the distance target; here a minute of fine-tuning is needed."
    if config.model.dimensions != 2:
        return "Live learning is for 2D networks; here a minute of fine-tuning is needed."
    return ""


def live(project: Project, job: LiveJob) -> Iterator[Event]:
    """Do a `LiveJob`: yields a `Refined`, and where other thresholds agree better with the corrections, a second one.

    Thresholds take as long to fit as all else together, and are seldom changed, so nobody waits for them.

    Raises
    ------
    CellsegError
        When the model cannot learn live.
    """
    from ..adapt import fit_head, load_head

    start = time.monotonic()
    config = project.model_config(job.model)
    if reason := live_reason(config, project.task):
        raise CellsegError(reason, "Press Fine-tune.")
    memory = _memory(project.path.resolve(), job.model)
    if not memory.recalled:
        memory.recall(project, config)
    seen = memory.see(project, job.image, config, job.field)
    spoken = Field(project, job.image, job.field, job.labels, job.state, job.hints).plane(config.train.margin)
    memory.learn(job, config, seen, spoken)
    samples = memory.samples()
    before = Answer(
        load_head(project.path, job.model), job.target or fitted_target(project, job.model) or config.target
    )
    head = fit_head(samples) if samples is not None else None
    question = Question(job, seen, spoken, before, taken_back=_taken_back(before, samples))
    found, labels = question.answer(Answer(head, before.target), moved=head is not None or before.head is not None)
    learnt = _learnt(head, samples) if found is not None and samples is not None else ""
    now = _keep(project, job, before, found)
    said = learnt if found is not None else REFUSED
    yield Refined(job.image, job.field, labels, now.head is not None, said, time.monotonic() - start, now.target)
    target, words = _thresholds(job, config, now, seen.evidence(now.head, job.field, spoken))
    if not words:
        return
    better, labels = question.answer(Answer(now.head, target), moved=True)
    if better is not None:
        _keep(project, job, now, better)
        learnt = "; ".join(text for text in (learnt, words) if text)
        yield Refined(job.image, job.field, labels, now.head is not None, learnt, time.monotonic() - start, target)


class Answer(NamedTuple):
    """What labels come from: a head (None: the network alone), and a target with its thresholds."""

    head: Head | None
    target: Target


@dataclass(frozen=True, eq=False)
class Question:
    """What answers to a job are held against.

    Attributes
    ----------
    before
        The answer that is on the screen.
    taken_back
        Whether the person has undone something since that answer: it may not stand in the way then.
    """

    job: LiveJob
    seen: Seen
    spoken: Spoken
    before: Answer
    taken_back: bool

    def answer(self, now: Answer, *, moved: bool) -> tuple[Answer | None, NDArray[np.uint32] | None]:
        """The answer and its labels, None where it has not `moved` anything; (None, None) where it is doubted."""
        labels = self.seen.labels(now, self.job.field) if moved else None
        if labels is None or self.taken_back:
            return now, labels
        doubted = _doubted(self.job, self.seen, self.spoken, self.before, now, labels)
        return (None, None) if doubted else (now, labels)


def _keep(project: Project, job: LiveJob, before: Answer, now: Answer | None) -> Answer:
    """Let predictions of whole images use an answer, too; None: what was before stays."""
    from ..adapt import save_head

    if now is None:
        return before
    save_head(project.path, job.model, now.head)
    if now.target != before.target:
        put_fitted_target(project, job.model, now.target)
    return now


def _thresholds(job: LiveJob, config: Config, shown: Answer, evidence: Evidence) -> tuple[Target, str]:
    """Thresholds that agree better with what is known of the field, told in words; "": they stay as they are."""
    from ..adapt import fit_decoding

    if job.target is not None:  # the person has set them
        return job.target, ""
    fitted = fit_decoding(config.target, [evidence], shown.target)  # type: ignore[arg-type]
    if fitted is None or fitted.target == shown.target:
        return shown.target, ""
    return fitted.target, f"thresholds fitted to {fitted.objects} objects"


def _doubted(job: LiveJob, seen: Seen, spoken: Spoken, before: Answer, now: Answer, labels: NDArray[np.uint32]) -> bool:
    """Whether an answer would turn the field over and agree no better with what the person said of it.

    Nothing is doubted where the person spoke of no object, or in hints, which ask for something else than is there.
    """
    from ..adapt import agreement, doubtful, field_change

    if spoken.hints.any() or not spoken.labels[spoken.known].any():
        return False
    change = field_change(job.labels, job.state, labels)
    if not doubtful(change, 0.0, 0.0):  # it moves little: that costs no more decoding
        return False
    agreed = (
        agreement(answer.target, [seen.evidence(answer.head, job.field, spoken).cut()])  # type: ignore[arg-type]
        for answer in (before, now)
    )
    return doubtful(change, *agreed)


def _taken_back(before: Answer, samples: Samples | None) -> bool:
    """Whether the person has undone something since the answer before: it may not stand in the way then."""
    return before.head is not None and (samples is None or samples.objects < before.head.objects)


def refit(project: Project, model: str) -> None:
    """Fit a model's head once more, without what has been held out since; where it has none, nothing happens."""
    from ..adapt import fit_head, load_head, save_head

    if load_head(project.path, model) is None:
        return
    memory = _memory(project.path.resolve(), model)
    memory.forget_held_out(project)
    if not memory.cells:
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
    logits, maps
        (1, K, y, x) at the size of the image, perhaps with mirrored pixels at the far ends, and features of the same
        place, as the network sees it.
    """

    box: Span
    logits: torch.Tensor
    maps: Maps
    _planes: list[tuple[Head | None, Plane]] = field(default_factory=list, repr=False)

    def labels(self, answer: Answer, field: Span) -> NDArray[np.uint32]:
        """Labels of the field, of the field's shape."""
        labels = self._plane(answer.head).labels(answer.target)[self._inside(field)]  # type: ignore[arg-type]
        return np.array(labels[None] if len(field) == 3 else labels)

    def evidence(self, head: Head | None, field: Span, spoken: Spoken) -> Evidence:
        """What the network and a head (or the network alone) make of the field, beside what was said of it."""
        from ..adapt import Evidence

        return Evidence(self._plane(head), self._inside(field), spoken.labels, spoken.known)

    def _inside(self, field: Span) -> tuple[slice, slice]:
        inner = tuple(slice(a, b) for a, b in field[-2:])
        y, x = relative(inner, tuple(slice(a, b) for a, b in self.box))
        return y, x

    def _plane(self, head: Head | None) -> Plane:
        """What a head (or the network alone) makes of the box; the last few are kept, since answers are compared."""
        from ..adapt import Plane

        found = next((k for k, (other, _) in enumerate(self._planes) if _same(other, head)), None)
        self._planes.append(self._planes.pop(found) if found is not None else (head, Plane(self._computed(head))))
        del self._planes[:-ANSWERS]
        return self._planes[-1][1]

    def _computed(self, head: Head | None) -> NDArray[np.float32]:
        import torch

        from ..nets.features import with_head

        with torch.inference_mode():
            logits = self.logits.float()
            if head is not None:
                place = logits.device
                weight, bias = torch.from_numpy(head.weight).to(place), torch.from_numpy(head.bias).to(place)
                logits = with_head(logits, self.maps, weight, bias)
            (top, bottom), (left, right) = self.box
            p = logits[0, :, : bottom - top, : right - left].sigmoid()  # mirrored pixels left out
        return np.asarray(p.cpu().numpy())


@dataclass(eq=False)
class Memory:
    """What one process remembers for one model of a project: fields it has computed, samples by place."""

    model: Path
    recalled: bool = False
    fields: dict[tuple[Any, ...], Seen] = field(default_factory=dict)
    cells: dict[tuple[Any, ...], Samples] = field(default_factory=dict)
    pictures: dict[str, tuple[Processed, Zoom]] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)

    def see(self, project: Project, image: str, config: Config, box: Span) -> Seen:
        """The network's features of a field, computed once while the person stays there."""
        self._heed_size(project, image)
        key = (image, box)
        if key not in self.fields:
            while len(self.fields) >= 2:
                del self.fields[next(iter(self.fields))]
            self.fields[key] = self._compute(project, image, config, box)
        return self.fields[key]

    def learn(self, job: LiveJob, config: Config, seen: Seen, spoken: Spoken) -> None:
        """Sample what is known of the field."""
        self._sample(job.image, job.field, config, seen, spoken)

    def samples(self) -> Samples | None:
        """Of all places, thinned."""
        from ..adapt import Samples

        return Samples.joined(self.cells.values())

    def forget_held_out(self, project: Project) -> None:
        """Drop samples of what has been held out since they were taken; the others stay, as they were on screen."""
        holdouts = project.db.holdouts()
        for key, samples in list(self.cells.items()):
            holdout = holdouts.get(key[0])
            if holdout is None:
                continue
            left = samples.of(~samples.inside(key[1], holdout.boxes))
            if len(left.places):
                self.cells[key] = left
            else:
                del self.cells[key]

    def recall(self, project: Project, config: Config) -> None:
        """Look once more at places of earlier corrections, the newest first."""
        self.recalled = True
        self.cells.clear()
        rows = [row for record in project.images() for row in project.db.history(record.id) if row.by_hand]
        done: set[tuple[Any, ...]] = set()
        there: dict[str, tuple[Labels, State]] = {}
        for row in sorted(rows, key=lambda row: -row.n):
            box = _around(row.box, project.image(row.image).shape)
            if len(done) >= RECALLED:
                return
            if (row.image, box) in done:
                continue
            done.add((row.image, box))
            self._look_at(project, config, row.image, box, there)
        for image in project.db.hinted():
            for box in _round_hints(project.hints(image).values)[: RECALLED - len(done)]:
                done.add((image, box))
                self._look_at(project, config, image, box, there)

    def _look_at(
        self, project: Project, config: Config, image: str, box: Span, there: dict[str, tuple[Labels, State]]
    ) -> None:
        """Sample a place as it stands on disk; of the last image it is remembered `there`."""
        if image not in there:
            there.clear()
            there[image] = project.open_labels(image)
        labels, state = there[image]
        cut = tuple(slice(a, b) for a, b in box)
        hints = project.hints(image).values[cut]
        spoken = Field(project, image, box, labels[cut], state[cut], hints).plane(config.train.margin)
        self._sample(image, box, config, self._compute(project, image, config, box), spoken)

    # --- inside ---------------------------------------------------------------------------------

    def _heed_size(self, project: Project, image: str) -> None:
        """Forget what was seen of an image when its objects turn out to be of another size, or a person says so."""
        given = known_size(project, image)
        if self.sizes.setdefault(image, given) != given:
            self.sizes[image] = given
            self.pictures.pop(image, None)
            for kept in (self.fields, self.cells):
                for key in [key for key in kept if key[0] == image]:
                    del kept[key]

    def _compute(self, project: Project, image: str, config: Config, box: Span) -> Seen:
        import torch

        picture, zoom = self._picture(project, image, config)
        depth, height, width = picture.shape
        z = box[0] if len(box) == 3 else (0, 1)
        stride = zoom.stride(config.model.stride[-1])
        around = round(CONTEXT / zoom.factor)
        y, x = (_aligned(span, n, stride, around) for span, n in zip(box[-2:], (height, width), strict=True))
        pixels = zoom.into(picture.read((slice(*z), slice(*y), slice(*x)))[:, 0][None])
        network, device = _network(self.model)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(device.torch)
        with torch.inference_mode(), device.autocast():
            logits, maps = network(tensor.contiguous(memory_format=torch.channels_last))
            if zoom.factor != 1:
                sides = [n // GRID * zoom.pixels for n in pixels.shape[-2:]]
                logits = torch.nn.functional.interpolate(logits.float().contiguous(), sides, mode="bilinear")
        return Seen((y, x), logits, maps)

    def _picture(self, project: Project, image: str, config: Config) -> tuple[Processed, Zoom]:
        if image not in self.pictures:
            self.pictures.clear()
            pixels = project.read_image(image).channels_first()
            processed = Processed(config.recipe, pixels if pixels.ndim == 4 else pixels[:, None])
            self.pictures[image] = processed, zoom_of(project, image, config)
        return self.pictures[image]

    def _sample(self, image: str, field: Span, config: Config, seen: Seen, spoken: Spoken) -> None:
        """Known pixels of a field, square by square; what was known of these squares before is forgotten."""
        from ..adapt import read_samples

        inner, wide = (tuple(slice(a, b) for a, b in box) for box in (field[-2:], seen.box))
        within = relative(inner, wide)
        z = field[0][0] if len(field) == 3 else 0
        for row, column in _cells(field[-2:]):
            self.cells.pop((image, z, row, column), None)
        origin = ((within[0].start, within[1].start), (inner[0].start, inner[1].start))
        target = _encoded(config.target, spoken.labels, ids_in(np.where(spoken.known, spoken.labels, 0)))
        found = read_samples(seen.logits, seen.maps, target, spoken.labels, spoken.known, origin, hints=spoken.hints)
        if found is None:
            return
        squares = found.places // CELL
        for row, column in np.unique(squares, axis=0).tolist():
            self.cells[image, z, row, column] = found.of((squares == (row, column)).all(1))


@dataclass(frozen=True, eq=False)
class Field:
    """A field of one plane of an image, with its labels, state and hints."""

    project: Project
    image: str
    box: Span
    labels: NDArray[np.uint32]
    state: NDArray[np.uint8]
    hints: NDArray[np.uint8] | None = None

    def plane(self, margin: int) -> Spoken:
        """What was said of it."""
        shape = self.labels.shape[-2:]
        labels, state = self.labels.reshape(shape), self.state.reshape(shape)
        known, hints = known_mask(labels, state, margin), np.zeros(shape, np.uint8)
        if self.hints is not None:
            hints[:] = self.hints.reshape(shape)
        holdout = self.project.db.holdouts().get(self.image)
        for box in holdout.boxes if holdout is not None else ():
            shared = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, self.box, strict=True)]
            if all(a < b for a, b in shared):
                (a, b), (c, d) = ((s - o[0], t - o[0]) for (s, t), o in zip(shared[-2:], self.box[-2:], strict=True))
                known[a:b, c:d], hints[a:b, c:d] = False, 0
        return Spoken(labels, known, hints)


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


def _encoded(target: Target, labels: NDArray[np.uint32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """What a target says inside some objects, (K, Y, X): each is looked at in its own box."""
    from ..kernels.extents import extents

    found = extents(labels)
    if 2 * len(ids) > len(found.ids):  # all at once takes less time then
        return target.encode(labels, 1)
    chosen = np.searchsorted(found.ids, ids)
    out = np.zeros((target.channels(1), *labels.shape), np.float32)
    for id, low, high in zip(ids.tolist(), found.low[chosen].tolist(), found.high[chosen].tolist(), strict=True):
        inner = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
        box = grown(inner, (1, 1), labels.shape)  # with what it borders on
        mine = labels[box] == id
        out[(slice(None), *box)][:, mine] = target.encode(mine.astype(np.uint32), 1)[:, mine]
    return out


def _same(one: Head | None, other: Head | None) -> bool:
    return one is other or (one is not None and other is not None and one.same(other))


def _learnt(head: Head | None, samples: Samples) -> str:
    if samples.lacking:
        return f"Nothing is known of {samples.lacking} yet: paint a hint on some."
    if head is None:
        return "The model is as good without it: nothing was changed."
    share = 100 * (1 - head.after / max(head.before, 1e-9))
    sources = [f"{head.objects} object{'s' * (head.objects > 1)}"] if head.objects else []
    sources += ["hints"] if samples.hints.any() else []
    return f"learnt from {' and '.join(sources)}: error on what was left out {share:.0f} % lower"


def _aligned(span: tuple[int, int], n: int, stride: int, around: int) -> tuple[int, int]:
    """A span and what lies around it, beginning on the network's grid."""
    start = max(0, span[0] - around) // stride * stride
    return start, min(n, -(-(span[1] + around) // stride) * stride)


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


def _round_hints(hints: NDArray[np.uint8]) -> list[Span]:
    """Squares round hints, those with most of them first."""
    found = [np.argwhere(hints[part] > 0) + [s.start for s in part] for part in parts(hints)]
    places = np.concatenate([np.zeros((0, hints.ndim), np.int64), *found])
    if not len(places):
        return []
    cells = places // np.array((1, CELL, CELL)[-hints.ndim :])
    squares, counts = np.unique(cells, axis=0, return_counts=True)
    middles = [
        tuple((int(c) * n, int(c) * n + n) for c, n in zip(cell, (1, CELL, CELL)[-hints.ndim :], strict=True))
        for cell in squares[np.argsort(-counts, kind="stable")]
    ]
    return list(dict.fromkeys(_around(box, hints.shape) for box in middles))


def _cells(box: Span) -> list[tuple[int, int]]:
    """Squares that begin inside a field."""
    y, x = (range(-(-a // CELL), -(-b // CELL)) for a, b in box)
    return [(row, column) for row in y for column in x]

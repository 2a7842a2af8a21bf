"""What long work tells while it runs. Every job is a generator of these; `describe` puts one into JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._types import Span


@dataclass(frozen=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True)
class Ready(Event):
    """The child process is up and has its networks' libraries loaded."""

    device: str
    precision: str
    seconds: float


@dataclass(frozen=True)
class Connection(Event):
    """Whether the engine on another machine can be reached, and what to say of it."""

    up: bool
    text: str


@dataclass(frozen=True)
class PictureWanted(Event):
    """A job on another machine needs a picture, by the name that the project's record has for it."""

    source: str


@dataclass(frozen=True)
class Notice(Event):
    """Something a person should know; nothing has failed."""

    text: str


@dataclass(frozen=True)
class Planned(Event):
    """What a prediction will take: sides of a tile and overlap (pixels), tiles per batch, seconds and bytes.

    `size` is the diameter of objects (pixels), given or estimated, where the model wants to know it; else 0.
    """

    image: str
    tile: tuple[int, ...]
    overlap: int
    batch: int
    precision: str
    tiles: int
    seconds: float
    bytes: int
    size: float = 0.0


@dataclass(frozen=True, eq=False)
class TileDone(Event):
    """One tile of a prediction; `labels` has the shape of `box`, ids are provisional and local to the tile.

    `uncertainty`, where asked for, is uint8 of the same shape: 255 is complete doubt. `done` is 0 for a first
    glimpse at the centre of view.
    """

    image: str
    box: Span
    labels: NDArray[np.uint32]
    done: int
    total: int
    seconds: float
    uncertainty: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class BlockDone(Event):
    """One block of an image was done by another process: of which work (`stage`), so many of so many."""

    image: str
    stage: str
    done: int
    total: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Predicted(Event):
    """A whole image or, where one was asked for, a box of it, objects numbered in raster order.

    `labels` is array-like (Z, Y, X) or (Y, X) uint32 of the shape of `box`: numpy, or zarr for what is larger
    than memory. `disagreement` (of several models) and `uncertainty` are uint8 arrays of that shape, or None.
    `store` is the folder with the probabilities, "" where they were not kept. `size` is the diameter of objects that it
    was seen with, 0 where no model asks.
    """

    image: str
    model: str
    labels: Any
    seconds: float
    box: Span = ()
    objects: int = 0
    store: str = ""
    uncertainty: Any = None
    disagreement: Any = None
    size: float = 0.0


@dataclass(frozen=True, eq=False)
class Decoded(Event):
    """Kept probabilities decoded again inside a box; `labels` has its shape."""

    image: str
    box: Span
    labels: NDArray[np.uint32]
    objects: int
    seconds: float


@dataclass(frozen=True)
class Fitted(Event):
    """Thresholds fitted to so many known objects, and the agreement (0 to 1) with these before and after."""

    image: str
    target: Any
    objects: int
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Refined(Event):
    """A field labelled again after a correction; `labels` has the shape of `box`, or is None where nothing changes.

    `adapted` says whether a head was found that beats the model alone on objects it has not seen; `learnt` tells it in
    words. `target` is what the field was decoded with.
    """

    image: str
    box: Span
    labels: NDArray[np.uint32] | None
    adapted: bool
    learnt: str
    seconds: float
    target: Any = None


@dataclass(frozen=True, eq=False)
class ObjectFound(Event):
    """The object that somebody pointed at: `mask` has the shape of `box`, (start, stop) per spatial axis."""

    image: str
    box: Span
    mask: NDArray[np.bool_]
    seconds: float


@dataclass(frozen=True)
class TrainStarted(Event):
    """What is learnt from and what judges: images, voxels, objects (of volumes: per slice)."""

    model: str
    parent: str | None
    images: int
    known_voxels: int
    new_voxels: int
    held_out: str
    objects: int = 0
    held_objects: int = 0


@dataclass(frozen=True, eq=False)
class TrainingShown(Event):
    """What a training would be.

    `parameters` of the network and how many of them are `learning`; `bytes` is the memory of a step; `sheet` is a
    picture of patches (Y, X, 3) uint8: a place per row, first as it is, then augmented.
    """

    title: str
    source: str
    parameters: int
    learning: int
    bytes: int
    sheet: NDArray[np.uint8]


@dataclass(frozen=True)
class TrialStarted(Event):
    """The same training once more, so many steps, from new weights.

    `dice` is what the parent had on what is held out before it learnt anything of it. What follows is of new weights.
    """

    dice: float
    steps: int


@dataclass(frozen=True)
class StepDone(Event):
    """One optimiser step; `remaining` in seconds."""

    step: int
    loss: float
    elapsed: float
    remaining: float


@dataclass(frozen=True)
class Validated(Event):
    """Loss and Dice of the foreground on the held-out part; `best` where the loss is the lowest so far.

    `held_out` and `training` are loss, accuracy, iou, f1, precision and recall of the foreground there, and on some
    patches that are learnt from, as they are (not augmented); {} where nothing is held out.
    """

    step: int
    loss: float
    best: bool
    dice: float = 0.0
    held_out: dict[str, float] = field(default_factory=dict)
    training: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved(Event):
    """A model folder is complete."""

    model: str
    steps: int
    seconds: float
    stopped_by: str


@dataclass(frozen=True)
class Judged(Event):
    """A new model against what was there before it, on the same held-out corrections; metrics by name.

    `before` is of the parent, or of the labels that stood on the screen before the first correction (a draft, imported
    masks): round 0. It is empty where neither was there. `kinds` holds both for every kind of image, where there are
    several. `better` is whether the child has proved itself. `cover` has the true and the predicted voxels of
    objects of every held-out image, before and after.
    """

    parent: str | None
    child: str
    before: dict[str, Any]
    after: dict[str, Any]
    better: bool
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    cover: tuple[list[tuple[int, int]], list[tuple[int, int]]] = field(default_factory=lambda: ([], []))


@dataclass(frozen=True, eq=False)
class Evaluated(Event):
    """A model, or masks of another tool, against the truth of one image; `labels` are what was measured.

    `seconds` is all of it, `took` the prediction alone; None where it was not made here. `loss` is the model's loss
    times known voxels, and how many these are; None where it was not asked for.
    """

    image: str
    model: str
    metrics: dict[str, float]
    seconds: float
    labels: Any = None
    took: float | None = None
    loss: tuple[float, int] | None = None


@dataclass(frozen=True)
class Decided(Event):
    """A judged round is decided: `decision` is keep or roll back, `current` the model in use from now on ("": none)."""

    child: str
    decision: str
    current: str


@dataclass(frozen=True)
class DraftWritten(Event):
    """A draft of a classical method is in an image; `doubt` says why it does not look right, "" where it does."""

    image: str
    objects: int
    doubt: str


@dataclass(frozen=True)
class CleanedUp(Event):
    """The objects of an image that nobody had touched are cleaned up: how many there were, and how many are left."""

    image: str
    before: int
    after: int


@dataclass(frozen=True)
class Exported(Event):
    """The labels of an image are in a file."""

    image: str
    path: str


@dataclass(frozen=True)
class ObjectsMeasured(Event):
    """The objects of an image are measured."""

    image: str
    objects: int
    seconds: float


@dataclass(frozen=True)
class FrameTracked(Event):
    """The objects of a frame of a time series are linked with those before."""

    image: str
    objects: int
    done: int
    total: int


@dataclass(frozen=True)
class Explaining(Event):
    """How far the explanation of an image is: passes through the network."""

    image: str
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class MapFound(Event):
    """Where a prediction comes from: a map (float32) of a box of an image, and its numbers (see `Explanation`).

    `grids` are pictures of filters, (Y, X) uint8 by name, where they were asked for; `files` what was written instead.
    """

    image: str
    model: str
    of: str
    map: NDArray[np.float32]
    box: Span
    numbers: dict[str, Any]
    grids: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ReasonsFound(Event):
    """Why something was found or missed at a voxel: in words, and as numbers (see `Reasons`).

    `profile`: foreground probabilities (float32) along X through the voxel, which is at index ``numbers["here"]``.
    """

    image: str
    model: str
    point: tuple[int, ...]
    sentences: tuple[str, ...]
    profile: NDArray[np.float32]
    numbers: dict[str, Any]


@dataclass(frozen=True)
class RoundScored(Event):
    """A round of `simulate` (or a baseline, round 0) on the test images: mean metrics, objects mended, seconds."""

    round: int
    name: str
    objects: int
    trained: float
    elapsed: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class StudyScored(Event):
    """One training of a study on the test images: the level of every factor, the seed, mean metrics, seconds."""

    levels: dict[str, str]
    seed: int
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Skipped(Event):
    """An image was left out for a reason that its person can mend; the job goes on with the others."""

    image: str
    message: str
    hint: str


@dataclass(frozen=True)
class Stopped(Event):
    """The job ended early at a person's wish; what was finished stays."""

    reason: str


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with an error that the person can do something about (or a bug, with its traceback)."""

    message: str
    hint: str
    traceback: str = ""


@dataclass(frozen=True)
class Finished(Event):
    """The last event of every job that the engine ran."""

    job: int


def describe(event: Event) -> dict[str, Any]:
    """An event as plain JSON values; arrays become their shape."""
    values: dict[str, Any] = {"event": type(event).__name__}
    for item in fields(event):
        value = getattr(event, item.name)
        values[item.name] = list(value.shape) if hasattr(value, "shape") else value
    return values

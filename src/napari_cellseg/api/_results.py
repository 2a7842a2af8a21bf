"""What verbs answer with: what was done, what was left out and why. Nothing is printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..evaluation import Tables
from ..events import RoundScored, Skipped, StudyScored
from ..project import RoundRecord

if TYPE_CHECKING:
    from pandas import DataFrame

Score = TypeVar("Score", RoundScored, StudyScored)


@dataclass(frozen=True)
class AddedPicture:
    """What became of a picture.

    Attributes
    ----------
    source
        The file, as it was named.
    ids
        Its images in the project: one, or one for every frame or image of the file.
    known
        Whether the project had it already.
    labelled
        Whether labels were taken.
    draft
        Whether labels are a draft, not approved truth.
    labels_inside
        Label images that the file itself holds and that were not asked for.
    time_series
        The time series whose frames its images are, "" where they are none.
    """

    source: Path
    ids: tuple[str, ...]
    known: bool = False
    labelled: bool = False
    draft: bool = False
    labels_inside: tuple[str, ...] = ()
    time_series: str = ""


@dataclass(frozen=True)
class Additions:
    """What became of the pictures of one call, and what was noticed when masks were read."""

    pictures: tuple[AddedPicture, ...]
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The images of all pictures."""
        return tuple(id for picture in self.pictures for id in picture.ids)


@dataclass(frozen=True)
class Predictions:
    """What was predicted.

    Attributes
    ----------
    models
        Ids or names of the models that predicted together.
    objects
        How many objects (in a semantic project, voxels are classes: 0) were found in each image that was predicted now.
    already
        Images that these models had predicted before, with ``resume``.
    left_out
        Images that could not be predicted or written, with message and hint.
    files
        What was written to ``out``.
    stopped
        Whether it ended early at somebody's wish.
    """

    models: tuple[str, ...]
    objects: dict[str, int]
    already: tuple[str, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Drafts:
    """What was drafted: objects (or classes) by image, doubts by image where a draft does not look right."""

    objects: dict[str, int]
    doubts: dict[str, str]
    left_out: tuple[Skipped, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Cleaned:
    """What was cleaned up: by image how many objects nobody had touched, and how many of these are left."""

    objects: dict[str, tuple[int, int]]
    left_out: tuple[Skipped, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Training:
    """What a training came to.

    Attributes
    ----------
    model
        The id of the new model; None where none was saved.
    round
        How old and new were judged, and what was decided; None where nothing was judged.
    current_model
        The model in use from now on.
    stopped
        Whether it ended early at somebody's wish; the best so far is kept.
    """

    model: str | None
    round: RoundRecord | None
    current_model: str | None
    stopped: bool = False

    @property
    def kept(self) -> bool:
        """Whether the new model is the one in use."""
        return self.round is not None and self.round.decision == "keep"


@dataclass(frozen=True)
class Evaluation:
    """A model measured on one split: the mean of all images, and metrics by image; plain numbers.

    Attributes
    ----------
    model, split
        What was measured, and on which images; of several systems the first.
    mean, images
        The few figures that decide a round.
    stopped
        Whether it ended early at somebody's wish.
    tables
        Every metric of every system.
    left_out
        Images that could not be measured, with message and hint.
    files
        Strips of pictures that were written.
    """

    model: str
    split: str
    mean: dict[str, float]
    images: dict[str, dict[str, float]]
    stopped: bool = False
    tables: Tables = field(default_factory=Tables)
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SystemsCompared:
    """Systems measured on the same images: tables, what was left out and why, strips of pictures that were written."""

    tables: Tables
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Reported:
    """The files of a report, and how many rounds and worst cases it tells."""

    files: tuple[Path, ...]
    rounds: int
    cases: int


@dataclass(frozen=True)
class Exports:
    """Which file holds the labels of which image, and which images could not be written."""

    files: dict[str, Path]
    left_out: tuple[Skipped, ...] = ()
    stopped: bool = False


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured.

    Attributes
    ----------
    table
        One row per object, `image` first; one column per property.
    summary
        Count, density, confluency and sizes of every image, then of every group.
    left_out
        Images that could not be measured, with message and hint.
    files
        What was written.
    stopped
        Whether it ended early at somebody's wish; nothing is written then.
    plate, growth
        A row per well, and per group with its growth; None where they were not asked for.
    """

    table: DataFrame
    summary: DataFrame
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False
    plate: DataFrame | None = None
    growth: DataFrame | None = None


@dataclass(frozen=True)
class Agreement:
    """How far annotators agree: Dice, IoU, kappa and the number of differences by pair of names.

    Attributes
    ----------
    image
        "" for all images of a project.
    pairs
        Of that image, or of all images pooled.
    images
        Of all images, by their ids.
    left_out
        Images of which not everybody has labels.
    """

    image: str
    pairs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    images: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment(Generic[Score]):
    """What an experiment without a person measured, in the order of time."""

    plan: Any
    scores: tuple[Score, ...]
    stopped: bool = False

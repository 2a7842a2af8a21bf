"""What one viewer's Workbench knows and wants: the only state in memory, written only from the main thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from psygnal import Signal

from ...config import Config
from ...edits import Over
from ...evaluation import Item
from ...events import Planned, TrainingShown
from ...project import (
    Forecast,
    Holdout,
    ImageRecord,
    ImageStatus,
    LabelStore,
    LeftOut,
    LogSize,
    ModelCard,
    Project,
    RoundRecord,
    TimeSeries,
    TrainingPlace,
)
from ...targets import Target
from .crops import Pair
from .cycles_view import CyclesState
from .error_list import ErrorList
from .explained import ExplainState
from .items import Item as Line
from .measured import MeasureState
from .spot_view import SpotState
from .survey_view import Surveys
from .track_state import TrackState

Way = Literal["locate", "save", "recover", "folder", "own project", "add anyway", "here"]


@dataclass(frozen=True)
class Offer:
    """A way out that the dock offers beside an error.

    Attributes
    ----------
    way
        What is offered.
    of
        Of what: the id of an image, the folder of a project, paths of pictures; () where that goes without saying.
    """

    way: Way
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """An error that stays on screen until it is read."""

    message: str
    hint: str = ""
    details: str = ""
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Progress:
    """A running job: what, how far (0 to 1), how long still (s, None if unknown)."""

    kind: str
    text: str
    done: float = 0.0
    remaining: float | None = None


@dataclass(frozen=True)
class Curve:
    """The running or last training: (seconds, loss) of steps, and of validations the figures by their names.

    `held_out` and `learnt` are (seconds, figures) on what is held out, and on patches that are learnt from.
    """

    training: tuple[tuple[float, float], ...] = ()
    held_out: tuple[tuple[float, dict[str, float]], ...] = ()
    learnt: tuple[tuple[float, dict[str, float]], ...] = ()

    def points(self, name: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """(seconds, value) of a figure on what is learnt from, and on what is held out."""
        learnt, held = (
            [(t, values[name]) for t, values in side if name in values] for side in (self.learnt, self.held_out)
        )
        return learnt, held


@dataclass(frozen=True)
class Counts:
    """The open image's objects, how many are corrected and approved, and the same in shares of its voxels."""

    objects: int = 0
    corrected: float = 0.0
    approved: float = 0.0
    corrected_objects: int = 0
    approved_objects: int = 0


@dataclass(frozen=True)
class Choices:
    """How the tools of the step Correct act."""

    over: Over = "all"
    """What drawing may replace."""
    locked: bool = True
    """Whether approved objects are protected."""
    through: bool = True
    """Whether tools act through the volume, or on the current slice only."""
    split_on: Literal["distance", "image"] = "distance"
    """What parts an object between clicked seeds."""
    snap_to: Literal["image", "probability"] = "image"
    """What a scribble snaps to."""
    smallest: int = 30
    """Objects below this many voxels are removed by the tool Remove small."""


@dataclass(frozen=True)
class Histogram:
    """Intensities of the visible field before and after preprocessing: shares of 64 bins over each one's range."""

    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    before_range: tuple[float, float] = (0.0, 1.0)
    after_range: tuple[float, float] = (0.0, 1.0)
    text: str = ""


@dataclass
class Session:
    """One per viewer; passed in, never global. `update` writes and tells; `changed` is what views listen to."""

    project: Project | None = None
    recent: tuple[Line, ...] = ()
    """Projects that were open last."""
    images: tuple[ImageRecord, ...] = ()
    time_series: tuple[TimeSeries, ...] = ()
    """Which images are frames of which series."""
    removed: tuple[Line, ...] = ()
    """Images that were removed and can be restored."""
    image: str = ""
    store: LabelStore | None = None
    channel: int = 0
    """What tools and the preview look at."""
    channel_names: tuple[str, ...] = ()
    channels_together: bool = False
    """Whether all channels can be seen together, in colour."""
    together_shown: bool = False
    """Whether they are."""
    plane: str = ""
    """From which side the open volume is seen: XY, XZ or YZ, or 3D; "" where it is no volume."""
    config: Config = field(default_factory=Config)
    statuses: dict[str, ImageStatus] = field(default_factory=dict)
    """How far images are; the open one may be further."""
    models: tuple[ModelCard, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """Models and trainings of the project that cannot be used, and why."""
    unjudged: tuple[str, ...] = ()
    """Models that were trained and have no round, since the window was closed before they were judged."""
    guidelines: str = ""
    """The project's annotation rules."""
    current_model: str | None = None
    rounds: tuple[RoundRecord, ...] = ()
    progress: Progress | None = None
    curve: Curve = field(default_factory=Curve)
    before_after: Pair | None = None
    """A field as the models before and after the last training see it, while the round waits for a decision."""
    training: TrainingShown | None = None
    """The network and patches of a training, where the person asked to see them."""
    forecast: Forecast = field(default_factory=Forecast)
    """What the next training would learn from."""
    pace: float = 0.0
    """Seconds a step of the last training took, 0 where none is known."""
    user_edits: bool = False
    """Whether a person has said something about any image."""
    unfinished: str = ""
    """The training that was interrupted last."""
    counts: Counts = field(default_factory=Counts)
    status: str = "Open images, or drop them on the window."
    undo: str = ""
    """What the next undo takes back, in words; "" for nothing."""
    redo: str = ""
    undo_takes_all: bool = False
    """Whether that is the labels of the whole image."""
    answered: bool = False
    """Whether the newest labels are Live's answer."""
    notice: str = ""
    problem: Problem | None = None
    engine: str = "engine: starting"
    silent: bool = False
    """Whether the engine does not answer."""
    server: str = ""
    """The engine on another machine that computes, as HOST:PORT; "" for this one."""
    preview: bool = False
    split: float = 0.0
    """Left of this share of the visible field the preview leaves the image as it is."""
    histogram: Histogram = field(default_factory=Histogram)
    plan: Planned | None = None
    """What predicting the open image will take."""
    side: Literal["", "old", "new"] = ""
    """Whose outlines are shown while a round waits for a decision."""
    side_text: str = ""
    holdouts: dict[str, Holdout] = field(default_factory=dict)
    """What of each image judges."""
    errors: str = ""
    """Which errors are shown over the open image, and how many; "" while none are."""
    error_list: ErrorList = field(default_factory=ErrorList)
    """These one by one."""
    explained: ExplainState = field(default_factory=ExplainState)
    """What was found of why the model says what it says."""
    report_written: Path | None = None
    """Where the report of the project was written last."""
    pointed: tuple[int, ...] = ()
    """The voxel of the open image that was asked about last; () where none was."""
    held_shown: bool = False
    """Whether boxes show what is held out."""
    given_size: float = 0.0
    """Diameter of objects of the open image as the person said (pixels); 0: it is estimated."""
    by_state: bool = False
    """Whether objects have the colours of their state."""
    class_colours: tuple[str, ...] = ()
    """Of the classes 1, 2, ... as they are on the screen; () where labels are objects."""
    brush_class: int = 0
    hint: int = 0
    """What is painted on the layer of hints: 1 background, 1 + n class n; 0: nothing."""
    hinted: bool = False
    """Whether the open image has hints."""
    live: bool = True
    """Whether the visible field is labelled again after every correction."""
    live_reason: str = ""
    """Why there is no live learning here, "" where there is."""
    live_learnt: str = ""
    """What the last live learning gave, in words."""
    field_only: bool = False
    """Predict the visible field instead of the whole image."""
    together: tuple[str, ...] = ()
    """Models that predict together with the current one."""
    own: Target | None = None
    """The current model's own target; None without a model."""
    fitted: Target | None = None
    """The current model's target with thresholds that were fitted live to the corrections."""
    target: Target | None = None
    """The current model's target with the thresholds that the person has set."""
    decoded: str = ""
    """What the person sees of other thresholds, in words; "" while the labels are as predicted."""
    kept: bool = False
    """Whether probabilities of the open image are kept, so that thresholds act at once."""
    tool: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)
    queue: tuple[Item, ...] = ()
    """Places to review, in their order."""
    place: int = -1
    """Which of them is shown."""
    order: str = "worth"
    compared: str = ""
    """With what the labels are compared, and how well they agree; "" while they are not."""
    gone: bool = False
    """Whether the project's folder is not where it was opened: nothing can be saved there."""
    read_only: bool = False
    """Whether another window has the project open for editing."""
    open_images: tuple[str, ...] = ()
    """Names of image layers in the viewer that are not ours yet."""
    places: tuple[TrainingPlace, ...] = ()
    """Where the model in use disagrees with what it learnt, the worst first."""
    spot: SpotState = field(default_factory=SpotState)
    """The spot check: what it asks, and what it comes to."""
    surveys: Surveys = field(default_factory=dict)
    """What the data set is like, which images to label, its plate, so far as somebody asked."""
    cycles: CyclesState = field(default_factory=CyclesState)
    """Review cycles of the project."""
    log: LogSize | None = None
    """How long the log of edits is, where somebody asked."""
    measured: MeasureState = field(default_factory=MeasureState)
    tracking: TrackState = field(default_factory=TrackState)

    _held: int = field(default=0, repr=False)
    _different: bool = field(default=False, repr=False)

    changed = Signal()

    @contextmanager
    def told_once(self) -> Iterator[None]:
        """Whatever is updated inside is told once, at the end."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held and self._different:
                self._different = False
                self.changed.emit()

    def update(self, **values: Any) -> None:
        """Set fields and tell once if anything is different."""
        different = {k: v for k, v in values.items() if getattr(self, k) is not v and getattr(self, k) != v}
        for name, value in different.items():
            setattr(self, name, value)
        if different and self._held:
            self._different = True
        elif different:
            self.changed.emit()

    @property
    def together_now(self) -> tuple[str, ...]:
        """The current model and those that predict with it."""
        current = (self.current_model,) if self.current_model else ()
        there = {m.id for m in self.models}
        return (*current, *(m for m in self.together if m not in current and m in there))

    @property
    def chosen(self) -> Target | None:
        """The current model's target with the thresholds the person has set; None where they are not set."""
        same_kind = self.target is not None and self.own is not None and self.target.kind == self.own.kind
        return self.target if same_kind else None

    @property
    def decoding(self) -> Target | None:
        """The target that is decoded with: as the person set it, as fitted live, or the model's own."""
        fitted = self.fitted if self.live and len(self.together_now) == 1 else None
        return (self.chosen or fitted or self.own) if self.own is not None else None

    @property
    def record(self) -> ImageRecord | None:
        """The record of the open image."""
        return next((r for r in self.images if r.id == self.image), None)

    @property
    def folder(self) -> Path | None:
        """The project's folder."""
        return self.project.path if self.project else None

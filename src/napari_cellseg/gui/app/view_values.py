"""Everything that a Workbench shows, as plain values: what `view.resolve` makes and pages read. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...config import Config
from ...events import TrainingShown
from ...preprocess import Recipe
from ...targets import Target
from .copy_text import Call
from .crops import Pair
from .cycles_view import CyclesView
from .edit_log import LogView
from .explained import ExplainView
from .items import Control, Item, Step
from .measured import MeasureView
from .session import Choices, Curve, Histogram, Problem, Progress
from .spot_view import SpotView
from .survey_view import SurveyView
from .time_line import TimeView
from .track_state import TrackView


@dataclass(frozen=True)
class View:
    """Everything that a Workbench shows, as plain values."""

    project: str
    recent: tuple[Item, ...]
    folder: Path | None
    guidelines: str
    config: Config
    saved: str
    image_position: str
    images: tuple[Item, ...]
    image: str
    entry: str
    """Key of the line of `images` that the open image belongs to."""
    time: TimeView
    removed: tuple[Item, ...]
    splits: dict[str, str]
    """What each line of `images` is for: train, val or test."""
    change_images: Control
    summary: str
    predict_all: Control
    export_all: Control
    log: LogView
    open_images: tuple[str, ...]
    channels: tuple[Item, ...]
    """What can be shown of them; () where there is nothing to choose."""
    channel: str
    """Key of the one that is shown."""
    plane: str
    """From which side the open volume is seen: XY, XZ, YZ or 3D; "" where it is none."""
    calls: dict[str, Call]
    """What each step does, to be copied as a command or as Python."""
    steps: dict[str, Step]
    """How far each step is, by its title."""
    undo: str
    redo: str
    undo_takes_all: bool
    answered: bool
    status: str
    notice: str
    problem: Problem | None
    progress: Progress | None
    remaining: str
    progress_kind: str
    """What runs, without numbers; "" while nothing does."""
    engine: str
    silent: str
    server: str
    models: tuple[Item, ...]
    current_model: str
    counts: str
    curve: Curve
    before_after: Pair | None
    training: TrainingShown | None
    network: str
    resume: Control
    unjudged: str
    judge: Control
    unfinished: str
    forecast: str
    rounds: tuple[Item, ...]
    verdict: str
    side: str
    side_text: str
    held: Control
    change_held: Control
    held_shown: bool
    explain: ExplainView
    errors: str
    report_written: Path | None
    error_lines: tuple[Item, ...]
    """One by one, the worst first."""
    error_colours: tuple[str, ...]
    """Of what was found, false and missed."""
    errors_of_model: Control
    errors_against_file: Control
    look_old: Control
    look_new: Control
    better: bool
    by_state: bool
    hint: int
    hinted: bool
    live: bool
    live_control: Control
    live_learnt: str
    tool: str
    keys: Mapping[str, str]
    preview: bool
    split: float
    histogram: Histogram
    recipe: Recipe
    plan: str
    object_size: float
    given_size: float
    field_only: bool
    decoded: str
    decoding: Target | None
    together: tuple[str, ...]
    thresholds: Control
    apply: Control
    reset: Control
    fit: Control
    forest: Control
    fitted: bool
    predict_text: str
    choices: Choices
    volume: bool
    semantic: bool
    classes: tuple[str, ...]
    class_colours: tuple[str, ...]
    brush_class: int
    place: str
    reviewing: Control
    order: str
    compared: str
    compare_model: Control
    edits: int
    needs_project: Control
    needs_image: Control
    predict: Control
    places: tuple[Item, ...]
    """Where the model disagrees with what it learnt; marked where somebody has edited since."""
    find_places: Control
    spot: SpotView
    cycles: CyclesView
    surveys: SurveyView
    measure: MeasureView
    tracks: TrackView
    cancel: Control
    correct: Control
    fine_tune: Control
    decide: Control
    gone: bool

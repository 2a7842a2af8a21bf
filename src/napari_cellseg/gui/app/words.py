"""What views say, in words: sizes, times, models, counts. Pure functions. No Qt."""

from __future__ import annotations

from ...events import Planned, TrainingShown
from .items import Item
from .session import Session


def forecast_text(s: Session) -> str:
    """What Fine-tune will learn from and how long that takes, before it is pressed."""
    found, train = s.forecast, s.config.train
    if not found.objects or s.project is None:
        return ""
    one, several = ("object", "objects") if s.project.task == "instance" else ("class", "classes")
    things = one if found.objects == 1 else several
    images = "1 image" if found.images == 1 else f"{found.images} images"
    what = f"Learns from about {found.objects} {things} in {images}, {found.held} judge."
    if not s.pace:  # how fast this computer is shows with the first steps
        return f"{what} At least {min(train.steps, train.least)} steps; longer while it improves."
    seconds = max(train.seconds, train.least * s.pace)
    steps = int(min(train.steps, max(train.least, train.seconds / s.pace)))
    return f"{what} About {_long(seconds)}, {steps} steps; longer while it improves."


def network_text(shown: TrainingShown | None) -> str:
    """A network in numbers: parameters, how many learn, memory of a step."""
    if shown is None:
        return ""
    learning = "" if shown.learning == shown.parameters else f", {_millions(shown.learning)} of them learn"
    return (
        f"{shown.title} ({shown.source}): {_millions(shown.parameters)} parameters{learning}; a step needs about "
        f"{shown.bytes / 1e9:.1f} GB."
    )


def _millions(n: int) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e5 else f"{n:,}"


def plan_text(plan: Planned | None) -> str:
    """What a prediction takes: ``about 40 s, 1.1 GB (6 tiles of 1024 x 1024 pixels)``."""
    if plan is None:
        return ""
    seconds = plan.seconds
    time = f"{seconds:.1f} s" if seconds < 3 else f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    size = f"{plan.bytes / 1e9:.1f} GB" if plan.bytes >= 95e6 else f"{plan.bytes / 1e6:.0f} MB"
    tiles = "one tile" if plan.tiles == 1 else f"{plan.tiles} tiles"
    return f"About {time}, {size} ({tiles}, {plan.precision})."


def size_text(shape: tuple[int, ...], split: str) -> str:
    """``30 x 512 x 512, test``."""
    size = " x ".join(map(str, shape))
    return size if split == "train" else f"{size}, {split}"


def counts_text(s: Session) -> str:
    """How far the open image is: in objects, or in shares of its voxels where labels are classes."""
    if s.store is None:
        return ""
    c = s.counts
    if s.project is not None and s.project.task == "semantic":
        return f"{c.corrected:.1%} of the image corrected, {c.approved:.1%} approved"
    objects = "1 object" if c.objects == 1 else f"{c.objects:,} objects"
    return f"{objects}: {c.corrected_objects:,} corrected, {c.approved_objects:,} approved"


def silence_text(s: Session) -> str:
    """What a person should know of an engine that does not answer."""
    if not s.silent:
        return ""
    lost = f" What it was doing is lost then ({s.progress.text})." if s.progress else ""
    return (
        "The engine has not answered for more than 10 s: it may be stopped, or the computer out of memory. What you "
        f"made is saved. Wait, or start a new one.{lost}"
    )


def model_items(s: Session) -> tuple[Item, ...]:
    """Models to choose from, and behind them what cannot be used, with the reason."""
    usable = (Item(m.id, _model(m.id, s)) for m in s.models)
    return (*usable, *(Item(x.name, f"{x.name} (cannot be used)", off=x.reason) for x in s.left_out))


def _model(id: str, s: Session) -> str:
    scores = [r.after for r in s.rounds if r.child == id]
    if not scores:
        return id
    key, name = ("ap50", "AP") if "ap50" in scores[-1] else ("iou", "IoU")
    return f"{id} · {name} {scores[-1][key]:.2f}" if key in scores[-1] else id


def remaining_text(seconds: float | None) -> str:
    """``40 s left``."""
    if seconds is None:
        return ""
    return f"{_long(seconds)} left"


def _long(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

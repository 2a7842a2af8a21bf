"""Events on the terminal: a progress bar for people, JSON lines for programs; Ctrl-C asks politely first."""

from __future__ import annotations

import json
import signal
import sys
import threading
from types import FrameType
from typing import Any

from tqdm import tqdm

from ..events import (
    BlockDone,
    Evaluated,
    Event,
    Explaining,
    FrameTracked,
    Judged,
    Notice,
    ObjectsMeasured,
    Planned,
    Predicted,
    RoundScored,
    Saved,
    StepDone,
    StudyScored,
    TileDone,
    TrainStarted,
    TrialStarted,
    describe,
)


class Printer:
    """Shows events; use as a context, during which the first Ctrl-C asks the job to stop and keep what it has."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._stop = threading.Event()
        self._bar: Any = None
        self._previous: Any = None

    def __enter__(self) -> Printer:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def stopped(self) -> bool:
        """Whether the person pressed Ctrl-C."""
        return self._stop.is_set()

    def show(self, event: Event) -> None:
        """Show one event."""
        if self._json:
            print(json.dumps(describe(event)), flush=True)
        elif isinstance(event, StepDone):
            self._advance(event.elapsed, event.elapsed + event.remaining, f"loss {event.loss:.3f}", "s")
        elif isinstance(event, TileDone):
            self._advance(event.done, event.total, event.image, "tile")
        elif isinstance(event, BlockDone):
            self._advance(event.done, event.total, f"{event.image}: {event.stage}", "block")
        elif isinstance(event, FrameTracked):
            self._advance(event.done, event.total, event.image, "frame")
        elif isinstance(event, Explaining):
            self._advance(event.done, event.total, event.image, "pass")
        elif line := _line(event):
            self._close()
            print(line, flush=True)

    def _advance(self, now: float, total: float, text: str, unit: str) -> None:
        if self._bar is None:
            layout = "{desc} {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} {unit}"
            self._bar = tqdm(total=total, unit=unit, bar_format=layout, disable=not sys.stderr.isatty(), leave=False)
        self._bar.total, self._bar.n = total, now
        self._bar.set_description_str(text)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()
        print("\nStopping; what is finished is kept. Press Ctrl-C again to leave at once.", file=sys.stderr)


def _line(event: Event) -> str:
    match event:
        case Notice(text):
            return f"Note: {text}"
        case TrainStarted():
            source = f"from {event.parent}" if event.parent else "from scratch"
            return (
                f"Training {event.model} {source} on {event.known_voxels} known voxels ({event.new_voxels} new) of "
                f"{event.images} images; {event.held_out}."
            )
        case TrialStarted():
            return f"The model before hardly knew these objects (Dice {event.dice:.2f}): new weights are tried, too."
        case Saved():
            return f"Saved {event.model} (step {event.steps}, {event.seconds:.0f} s, stopped by {event.stopped_by})."
        case Judged():
            return f"Judged: {event.parent or 'nothing'} {_short(event.before)} -> {event.child} {_short(event.after)}"
        case Predicted():
            return f"Predicted {event.image} with {event.model}: {event.objects} objects in {event.seconds:.1f} s."
        case ObjectsMeasured():
            return f"Measured {event.image}: {event.objects} objects in {event.seconds:.1f} s."
        case Planned():
            return (
                f"Planned {event.image}: {event.tiles} tiles, about {event.seconds:.0f} s, {event.bytes / 1e9:.1f} GB."
            )
        case Evaluated():
            return f"{event.image} of {event.model}: {_short(event.metrics)}"
        case StudyScored():
            levels = ", ".join(f"{k} {v}" for k, v in event.levels.items())
            return f"[{levels}; seed {event.seed}] {event.seconds:.0f} s: {_short(event.metrics)}"
        case RoundScored():
            return f"[{event.name}] {event.objects} objects, {event.trained:.0f} s trained: {_short(event.metrics)}"
    return ""


def _short(metrics: dict[str, Any]) -> str:
    names = {"iou": "IoU", "dice": "Dice", "ap50": "AP@0.5"}
    return ", ".join(f"{text} {metrics[key]:.3f}" for key, text in names.items() if key in metrics)

"""The report's curves, as PNG bytes."""

from __future__ import annotations

import io
from itertools import accumulate
from typing import Any

from ._story import MEASURED, Story

_COLOURS = {"iou": "#2b6cb0", "dice": "#718096", "ap50": "#c05621"}


def accuracy_plot(story: Story) -> bytes | None:
    """Accuracy after every round against minutes of annotation, what was kept as full dots; None without rounds."""
    rounds = story.rounds
    if not any(s.metric(name, "after") is not None for s in rounds for name in _COLOURS):
        return None
    minutes = [0.0, *accumulate(s.effort.seconds / 60 for s in rounds)]
    figure, axis = _figure()
    for name, colour in _COLOURS.items():
        first = rounds[0].metric(name, "before")
        values = [first, *(s.metric(name, "after") for s in rounds)]
        known = [(m, v) for m, v in zip(minutes, values, strict=True) if v is not None]
        if not known:
            continue
        axis.plot(*zip(*known, strict=True), "-", color=colour, lw=1.5, label=MEASURED[name])
        kept = [True, *(s.round is not None and s.round.decision == "keep" for s in rounds)]
        for at, value, good in zip(minutes, values, kept, strict=True):
            if value is not None:
                axis.plot(at, value, "o", color=colour, mfc=colour if good else "white", ms=5)
    axis.set(xlabel="minutes of annotation", ylabel="on what was held out", ylim=(0, 1.02))
    axis.legend(frameon=False, fontsize=8)
    return _png(figure)


def correction_plot(story: Story) -> bytes | None:
    """How much of what a person looked at had to be corrected, before every training; None where nobody looked."""
    shares = [(n, s.share) for n, s in enumerate(story.stretches, 1) if s.share is not None]
    if not shares:
        return None
    figure, axis = _figure()
    axis.bar([n for n, _ in shares], [100 * v for _, v in shares], width=0.6, color="#2b6cb0")
    names = [f"v. {s.round.child}" if s.round is not None else "since" for s in story.stretches]
    axis.set_xticks(range(1, len(names) + 1), [n.replace("v. ", "before ") for n in names], fontsize=8)
    axis.set(ylabel="corrected, % of what was looked at", ylim=(0, 105))
    return _png(figure)


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.1), layout="constrained")
    axis = figure.subplots()
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=140)
    return file.getvalue()

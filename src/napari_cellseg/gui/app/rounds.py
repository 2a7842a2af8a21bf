"""Rounds in words: what was before, what is after, whether the difference means anything. No Qt."""

from __future__ import annotations

import math
from typing import Any

from ...evaluation import headline
from ...project import RoundRecord
from ...report import MEASURED, OWN, measured_against
from .items import Item

FEW = 10
"""Below so many held-out objects a verdict says how little they tell."""
SAME = 0.005
"""Metrics that differ less are called the same."""


def describe_round(r: RoundRecord) -> Item:
    """A round as a line, with one line of detail per metric (name|before|after)."""
    lines = []
    for key, name in MEASURED.items():
        if key in r.after:
            old = f"{r.before[key]:.3f}" if key in r.before else "-"
            lines.append(f"{name}|{old}|{r.after[key]:.3f}")
    said = {"keep": "kept", "roll back": "rolled back", "open": "not decided"}[r.decision]
    return Item(str(r.n), f"Round {r.n}: {measured_against(r)} → {r.child} ({said})", "\n".join(lines))


def verdict(r: RoundRecord, current: str | None) -> str:
    """What an open round says, in plain words: the default, why, for which kinds, and how sure."""
    old = r.parent or "the first draft"
    if not r.after.get("images"):
        return (
            f"{r.child} cannot be judged: nothing is held out yet. Correct a few more objects and fine-tune again. "
            f"Until then {current or 'it'} stays the model in use."
        )
    if not r.before:
        return f"{r.child} is the first model, and no draft was there before it: look at what it finds, then decide."
    pairs = [(name, r.before[k], r.after[k]) for k, name in MEASURED.items() if k in r.before and k in r.after]
    better = [name for name, b, a in pairs if a > b + SAME]
    worse = [name for name, b, a in pairs if a < b - SAME]
    proved = r.child == current
    head = f"{r.child} is better than {old}" if proved and better else f"{r.child} is as good as {old}"
    if not proved:
        word = "worse than" if headline(r.after) < headline(r.before) else "not clearly better than"
        head = f"{r.child} is {word} {old}, which stays the model in use"
    if r.before.get("iou", 0.0) > OWN:
        changes = f"What judges are {old}'s own masks, approved as they were: nothing can do better on them."
        return " ".join([f"{head} (measured on what neither has learnt from).", changes, *_sure(r.after)])
    changes = f"Better: {', '.join(better) or 'nothing'}. Worse: {', '.join(worse) or 'nothing'}."
    return " ".join([f"{head} (measured on what neither has learnt from).", changes, *_kinds(r), *_sure(r.after)])


def _kinds(r: RoundRecord) -> list[str]:
    """One clause per kind of image, where there are several."""
    words = []
    for kind, (before, after) in r.after.get("kinds", {}).items():
        key = "ap50" if "ap50" in after else "iou"
        if key in before and key in after:
            gain = after[key] - before[key]
            word = "better" if gain > SAME else "worse" if gain < -SAME else "unchanged"
            words.append(f"{word} on images like {kind} ({before[key]:.2f} → {after[key]:.2f})")
    return [f"{'; '.join(words).capitalize()}."] if words else []


def _sure(after: dict[str, Any]) -> list[str]:
    """How little a handful of held-out objects tells (Wilson's interval of the share found)."""
    if "objects_tp" not in after:
        return []
    found, n = int(after["objects_tp"]), int(after["objects_tp"] + after["objects_fn"])
    if n == 0 or n >= FEW:
        return []
    low, high = wilson(found, n)
    return [
        f"Only {n} held-out object{'s' if n > 1 else ''}: {found} found, which may mean anything from {low:.0%} to "
        f"{high:.0%}. Look at both before you decide."
    ]


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    p, w = k / n, z * z / n
    middle = (p + w / 2) / (1 + w)
    half = z * math.sqrt(p * (1 - p) / n + w / (4 * n)) / (1 + w)
    return max(0.0, middle - half), min(1.0, middle + half)

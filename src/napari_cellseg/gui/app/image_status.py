"""How far all images are, as the dock shows it: pure functions of the session. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...project import Holdout, ImageRecord, ImageStatus
from .session import Session

WORDS = ("approved", "corrected", "predicted", "not begun")


def statuses(s: Session) -> dict[str, ImageStatus]:
    """What is known of every image; the open one as it is now."""
    known = {r.id: s.statuses[r.id] for r in s.images if r.id in s.statuses}
    if s.store is not None and s.image in known:
        c = s.counts
        known[s.image] = replace(known[s.image], labelled=c.objects > 0, corrected=c.corrected, approved=c.approved)
    return known


def summary(s: Session, known: dict[str, ImageStatus]) -> str:
    """``12 images: 3 approved, 4 corrected, 5 not begun``; "" without images."""
    n = len(s.images)
    if not n:
        return ""
    found = Counter[str](status.word for status in known.values())
    parts = [f"{found[word]} {word}" for word in WORDS if found[word]]
    images = "1 image" if n == 1 else f"{n} images"
    return f"{images}: {', '.join(parts)}" if len(known) == n else f"{images}: counting..."


def mark(status: ImageStatus, record: ImageRecord, holdout: Holdout | None) -> tuple[str, str]:
    """How far an image is, in a word, and what that means; what of it judges is said, too."""
    if holdout is None or not holdout.boxes:
        return status.word, tip(status)
    if tuple((0, n) for n in record.shape) in holdout.boxes:
        return f"{status.word}, judges", f"{tip(status)} It judges as a whole and is never learnt from."
    n = len(holdout.boxes)
    parts = "A part of it judges and is" if n == 1 else f"{n} parts of it judge and are"
    return status.word, f"{tip(status)} {parts} never learnt from."


def series_mark(known: Sequence[ImageStatus]) -> tuple[str, str]:
    """How far the frames of a time series are together: the least that is true of all, and how many are how far."""
    if not known:
        return "", ""
    found = Counter[str](status.word for status in known)
    parts = [f"{found[word]} {word}" for word in WORDS if found[word]]
    begun = [word for word in WORDS if found[word]]
    word = begun[0] if len(begun) == 1 else "corrected" if {"approved", "corrected"} & set(begun) else "predicted"
    return word, f"Of {len(known)} frames: {', '.join(parts)}."


def tip(status: ImageStatus) -> str:
    """What the mark of an image means."""
    known = _percent(status.corrected + status.approved)
    meaning = {
        "not begun": "Not begun: no labels yet.",
        "predicted": "Predicted: nobody has looked at the labels yet.",
        "corrected": f"Corrected: {known} of the pixels are corrected or approved.",
        "approved": "Approved as a whole.",
    }[status.word]
    return f"{meaning} {_said(status)}".strip()


def _said(status: ImageStatus) -> str:
    if not status.predicted_by:
        return ""
    found = "" if status.labelled else " and found nothing"
    return f"{status.predicted_by} has predicted it{found}."


def _percent(share: float) -> str:
    return "less than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"

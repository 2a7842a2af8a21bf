"""What a spot check says of the labels that nobody has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..project import (
    COUNTED,
    GONE,
    RIGHT,
    UNSURE,
    WRONG,
    Project,
    SpotCheck,
    is_outdated,
    spot_checks,
)
from ._intervals import Share, recall_in_fields, share_of_set
from ._own_truth import OwnTruth, own_truth

MUCH = 0.5
"""From this share of approved objects that nobody changed, it is said that they are a model's own guesses."""


@dataclass(frozen=True)
class SpotResult:
    """Precision and recall of untouched labels, with 95 % intervals, and what they were counted from.

    Attributes
    ----------
    check
        The sample and its answers.
    right, wrong, unsure, gone, open
        Answers to objects; gone are those that changed before anybody looked.
    precision
        Of the sure ones: right / (right + wrong).
    doubtful
        The precision if all unsure ones were wrong, and if all were right.
    fields_counted, fields_open
        Fields, likewise.
    found, missed
        Sums over the counted fields.
    outdated
        Whether images were predicted again since the sample was drawn: it tells of labels that are no more.
    own
        Whose word the approved objects are.
    """

    check: SpotCheck
    right: int
    wrong: int
    unsure: int
    gone: int
    open: int
    precision: Share
    doubtful: tuple[float, float] | None
    fields_counted: int
    fields_open: int
    found: int
    missed: int
    recall: Share
    seconds: float
    outdated: bool
    own: OwnTruth

    @property
    def finished(self) -> bool:
        """Whether every place has an answer."""
        return not self.open and not self.fields_open


def result_of(check: SpotCheck, *, outdated: bool = False, own: OwnTruth | None = None) -> SpotResult:
    """Count the answers of a check. See `share_of_set` and `recall_in_fields` for the intervals."""
    said = {p.number: a.answer for p in check.places if (a := check.answers.get(p.number)) is not None}
    objects = [said.get(p.number, "") for p in check.of("object")]
    right, wrong, unsure, gone = (objects.count(word) for word in (RIGHT, WRONG, UNSURE, GONE))
    n = right + wrong
    counted = [p for p in check.of("field") if said.get(p.number) == COUNTED]
    missed = [check.answers[p.number].missed for p in counted]
    found = [p.found for p in counted]
    sure = max(n, check.objects - unsure - gone)
    all_ = n + unsure
    return SpotResult(
        check, right, wrong, unsure, gone, len(objects) - n - unsure - gone, share_of_set(right, n, sure),
        (right / all_, (right + unsure) / all_) if unsure else None, len(counted),
        sum(p.kind == "field" for p in check.open), sum(found), sum(missed),
        recall_in_fields(found, missed, right, n), sum(a.seconds for a in check.answers.values()), outdated,
        own or OwnTruth(),
    )  # fmt: skip


def results(project: Project) -> list[SpotResult]:
    """What every spot check of a project says, the oldest first."""
    checks = spot_checks(project.db)
    own = own_truth(project) if checks else OwnTruth()
    return [result_of(c, outdated=is_outdated(project.db, c), own=own) for c in checks]


def said(result: SpotResult) -> list[str]:
    """The same for people, a sentence or two a line."""
    lines = [_precision(result), _recall(result)]
    if result.unsure and result.doubtful is not None:
        low, high = result.doubtful
        lines.append(f"{result.unsure} unsure, left out: with them the precision is {low:.2f} to {high:.2f}.")
    if result.gone:
        lines.append(f"{result.gone} had changed before anybody looked, and are left out.")
    if not result.finished:
        lines.append(f"Not finished: {result.open} objects and {result.fields_open} fields are open.")
    if result.outdated:
        lines.append("Images were predicted again since it was drawn: draw a new one for the labels as they are now.")
    if result.own.share >= MUCH:
        lines.append(
            f"Of {result.own.approved:,} approved objects {result.own.unchanged:,} were never changed by a person: "
            "where figures are measured against them, the truth is a model's own guess."
        )
    return [line for line in lines if line]


def _precision(result: SpotResult) -> str:
    n = result.right + result.wrong
    if not n:
        return "No object has been judged yet." if result.check.objects else "Nothing untouched was predicted."
    p = result.precision
    return f"Precision {_interval(p)}: {result.right} of {n} objects are right."


def _recall(result: SpotResult) -> str:
    if not result.fields_counted:
        return ""
    counts = f"{result.missed} missed beside {result.found} found in {result.fields_counted} fields"
    r = result.recall
    if r.value is None:
        return f"Recall cannot be told: {counts}."
    return f"Recall {_interval(r)}: {counts}."


def _interval(share: Share) -> str:
    return f"{share.value:.2f} (95 % interval {share.low:.2f} to {share.high:.2f})"


def as_row(result: SpotResult) -> dict[str, Any]:
    """Plain numbers and texts, for files."""
    p, r, check = result.precision, result.recall, result.check
    return {
        "check": check.n, "time": check.time, "author": check.author, "models": check.models, "seed": check.seed,
        "precision": p.value, "precision_low": p.low, "precision_high": p.high,
        "recall": r.value, "recall_low": r.low, "recall_high": r.high,
        "objects": check.objects, "right": result.right, "wrong": result.wrong, "unsure": result.unsure,
        "gone": result.gone, "open": result.open, "fields": check.fields, "fields_counted": result.fields_counted,
        "fields_open": result.fields_open, "found": result.found, "missed": result.missed,
        "seconds": round(result.seconds, 1), "outdated": result.outdated,
        "approved_objects": result.own.approved, "approved_unchanged": result.own.unchanged,
    }  # fmt: skip

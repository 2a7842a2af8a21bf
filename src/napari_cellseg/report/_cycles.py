"""Review cycles told: what each changed, how far it agrees with the one before, and the work that it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..cycles import CycleResult, ImageChange, results
from ..project import Project, ReviewCycle
from ._effort import Action, Effort, actions, summed
from ._html import day, minutes, table_of

CYCLE_COLUMNS = {
    "cycle": "", "image": '"" for all images together', "reviewer": "", "opened": "UTC", "closed": "UTC",
    "images": "that were there when it was opened", "reviewed": "in which something was done by hand", "actions": "",
    "minutes": "pauses over 20 s left out", "voxels": "", "changed": "voxels of another class than at the opening",
    "objects_before": "", "objects": "", "objects_changed": "added, removed, parted, joined, or IoU below 0.8",
    "against": "the cycle before; 0: the labels at its own opening", "dice": "", "iou": "", "kappa": "Cohen's",
}  # fmt: skip
"""Columns of the table of cycles and what they mean; the last three and the objects are to the cycle before."""


@dataclass(frozen=True)
class CycleTold:
    """A cycle with the work in it; `reviewed` are images in which something was done by hand."""

    result: CycleResult
    effort: Effort
    reviewed: tuple[str, ...]

    @property
    def cycle(self) -> ReviewCycle:
        """Who, when and with which marks."""
        return self.result.cycle


def told_cycles(project: Project, done: Sequence[Action] | None = None) -> list[CycleTold]:
    """Every cycle of a project, the oldest first; `done` are its actions where they are known already.

    Raises
    ------
    CellsegError
        When the database cannot be read.
    """
    found = results(project)
    done = actions(project) if done is None and found else done or ()
    return [_told(result, done) for result in found]


def cycle_rows(told: Sequence[CycleTold], *, by_image: bool = True) -> list[dict[str, Any]]:
    """Rows of the table of cycles, by the names of `CYCLE_COLUMNS`; None where there is no figure."""
    return [row for one in told for row in _rows(one, by_image)]


def sentence(told: CycleTold) -> str:
    """A cycle in a line for people: ``Dice 0.941, IoU 0.889, kappa 0.921 to cycle 1; ...``."""
    result, effort = told.result, told.effort
    images, acts = len(told.reviewed), effort.actions
    work = f"{images} image{'s' * (images != 1)}, {acts:,} action{'s' * (acts != 1)}, {effort.seconds / 60:.1f} min"
    if told.cycle.closed is None:
        return f"open: {work}"
    agreed = result.pooled.agreement
    if not agreed:
        return f"{work}; no image was there at its opening"
    before = f"cycle {result.against}" if result.against else "the labels at its opening"
    figures = f"Dice {agreed['dice']:.3f}, IoU {agreed['iou']:.3f}, kappa {agreed['kappa']:.3f} to {before}"
    sums = result.pooled
    some = f" and {sums.objects_changed:,} of {sums.objects_before:,} objects" if sums.objects_before else ""
    return f"{work}; {sums.changed:,} voxels ({sums.changed / sums.voxels:.1%}){some} changed; {figures}"


def section(told: Sequence[CycleTold]) -> str:
    """The cycles as a part of the report, "" where there are none."""
    if not told:
        return ""
    heads = ["Cycle", "Reviewer", "Opened", "Closed", "Images reviewed", "Actions", "Minutes", "Pixels changed",
             "Objects changed", "Compared with", "Dice", "IoU", "kappa"]  # fmt: skip
    note = (
        "A cycle is a pass of a reviewer over all images. Pixels changed: of another class (for objects: object or "
        "background) than when it was opened. Objects changed (added, removed, parted, joined, or IoU below 0.8), "
        "Dice, IoU and Cohen's kappa are to the close of the cycle before, or to the labels at the opening of the "
        "first; all images together, those that were added meanwhile left out. Agreement of a reviewer with labels "
        "that he or she began with says how much was changed, not how right they are."
    )
    table = table_of(heads, [_cells(one) for one in told], " class=wide")
    return f'<h2>Review cycles</h2>{table}<p class="quiet">{note}</p>'


# --- inside ---------------------------------------------------------------------------------------


def _cells(told: CycleTold) -> list[str]:
    cycle, result, agreed = told.cycle, told.result, told.result.pooled.agreement
    closed = "open" if cycle.closed is None else day(cycle.closed)
    images = f"{len(told.reviewed)} of {len(cycle.at_opening)}"
    first = [str(cycle.n), cycle.reviewer, day(cycle.opened), closed, images, f"{told.effort.actions:,}",
             minutes(told.effort)]  # fmt: skip
    if not agreed:
        return [*first, *[""] * 6]
    sums = result.pooled
    objects = f"{sums.objects_changed:,} of {sums.objects_before:,}" if sums.objects_before or sums.objects else ""
    changed = f"{sums.changed:,} ({sums.changed / sums.voxels:.2%})"
    against = f"cycle {result.against}" if result.against else "its opening"
    return [*first, changed, objects, against, *(f"{agreed[n]:.3f}" for n in ("dice", "iou", "kappa"))]


def _told(result: CycleResult, done: Sequence[Action]) -> CycleTold:
    own = [a for a in done if _belongs(result.cycle, a)]
    effort = summed(own).get("all", Effort(0, 0, 0.0, 0))
    return CycleTold(result, effort, tuple(dict.fromkeys(a.image for a in own)))


def _belongs(cycle: ReviewCycle, action: Action) -> bool:
    """Whether it was done while the cycle was open."""
    opening, closing = cycle.at_opening.get(action.image), cycle.at_closing.get(action.image)
    begun = action.n > opening.edit if opening is not None else action.time >= cycle.opened
    return begun and (cycle.closed is None or (closing is not None and action.n <= closing.edit))


def _rows(told: CycleTold, by_image: bool) -> Iterator[dict[str, Any]]:
    cycle, result, effort = told.cycle, told.result, told.effort
    who = {"cycle": cycle.n, "reviewer": cycle.reviewer, "opened": _when(cycle.opened), "closed": _when(cycle.closed)}
    work = {"reviewed": len(told.reviewed), "actions": effort.actions, "minutes": round(effort.seconds / 60, 2)}
    images = len(cycle.at_opening)
    yield _row(who | work | {"image": "", "images": images}, result.pooled, result)
    for id, change in result.images.items() if by_image else ():
        yield _row(who | {"image": id, "reviewed": int(id in told.reviewed)}, change, result)


def _row(row: dict[str, Any], change: ImageChange, result: CycleResult) -> dict[str, Any]:
    if change.table:
        names = ("voxels", "changed", "objects_before", "objects", "objects_changed")
        row |= {name: getattr(change, name) for name in names} | change.agreement | {"against": result.against or 0}
    return {name: row.get(name) for name in CYCLE_COLUMNS}


def _when(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")

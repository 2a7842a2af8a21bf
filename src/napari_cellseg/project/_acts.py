"""What can be undone: rows of the log as a person did one thing after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ._records import EditRow

Verb = Literal["undo", "redo"]


@dataclass(frozen=True)
class Act:
    """What one undo takes back, or one redo does again: an edit of a person with Live's answer to it, or a prediction.

    Attributes
    ----------
    rows
        In the order in which they are taken back, or done again.
    """

    rows: tuple[EditRow, ...]

    @property
    def meant(self) -> tuple[EditRow, ...]:
        """The rows that a person thinks of: without Live's answer, where that is not all."""
        return tuple(row for row in self.rows if not row.answer) or self.rows

    @property
    def answered(self) -> bool:
        """Whether Live's answer to an edit goes with it."""
        return self.meant is not self.rows and len(self.meant) < len(self.rows)


class Acts:
    """Two stacks of rows, the newest last: what can be undone, and what can be done again.

    A row stands where a person began it: a prediction that was asked for before a stroke, and written after it, lies
    below the stroke. Live's answers lie on the correction that they answer, and go with it.
    """

    def __init__(self) -> None:
        self._stacks: dict[Verb, list[EditRow]] = {"undo": [], "redo": []}

    def take(self, row: EditRow) -> None:
        """Follow the log: an undo moves a row from one stack to the other."""
        undo, redo = self._stacks["undo"], self._stacks["redo"]
        if row.compacted:
            return
        if row.tool in ("undo", "redo"):
            source, target = (undo, redo) if row.tool == "undo" else (redo, undo)
            for moved in [r for r in source if r.n == row.undoes]:
                source.remove(moved)
                target.append(moved)
            return
        undo.insert(_place(undo, row), row)
        if row.by_hand:  # a tile of a prediction takes nobody's redo away
            redo.clear()

    def forget(self, verb: Verb, row: EditRow) -> None:
        """Drop a row that would change nothing any more: the log does not tell of it."""
        self._stacks[verb].remove(row)

    def coming(self, verb: Verb, last: EditRow | None = None, leave: str = "") -> EditRow | None:
        """The row to turn next, None where there is none, or what was begun with `last` is done.

        Parameters
        ----------
        leave
            A group that is left alone: a prediction that is being written.
        """
        row = next(self._newest_first(verb, leave), None)
        return row if row is None or last is None or _goes_with(verb, row, last) else None

    def act(self, verb: Verb, leave: str = "") -> Act | None:
        """What the next undo or redo turns, None where there is nothing."""
        rows: list[EditRow] = []
        for row in self._newest_first(verb, leave):
            if rows and not _goes_with(verb, row, rows[-1]):
                break
            rows.append(row)
        return Act(tuple(rows)) if rows else None

    def _newest_first(self, verb: Verb, leave: str) -> Iterator[EditRow]:
        return (row for row in reversed(self._stacks[verb]) if not leave or row.group != leave)


def _place(stack: list[EditRow], row: EditRow) -> int:
    """Where a row belongs: below what a person did after it was begun."""
    at = len(stack)
    while row.begun is not None and at and stack[at - 1].by_hand and stack[at - 1].n > row.begun:
        at -= 1
    return at


def _goes_with(verb: Verb, row: EditRow, last: EditRow) -> bool:
    """Whether a row is turned in one go with the one that was turned last."""
    if row.group and row.group == last.group:
        return True
    if verb == "redo":
        return row.answer and (last.answer or last.by_hand)
    # an edit above the answer came while it was being taken back: that ends it
    return last.answer and (row.answer or (row.by_hand and row.n < last.n))

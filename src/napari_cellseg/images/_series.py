"""Files and folders that hold several images: which there are, and which one is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import CellsegError

LISTED = 12
"""Images that a message lists."""


@dataclass(frozen=True)
class Series:
    """One image of a file or folder that holds several.

    Attributes
    ----------
    key
        What is remembered of it: the number in a file, the path inside a folder.
    title
        What the file calls it, "" where it does not.
    size
        Its shape in words; asked for when a message needs it.
    """

    key: str
    title: str
    size: Callable[[], str]


def choose(name: str, all_series: Sequence[Series], wanted: str | None) -> Series:
    """The image that is meant: the only one, or that of a number (from 0), a name or a path inside.

    Raises
    ------
    CellsegError
        When there are several and none is chosen, or there is none of that name; it lists what there is.
    """
    if not wanted:
        if len(all_series) == 1:
            return all_series[0]
        first = all_series[0].title or "0"
        raise CellsegError(
            f"{name} holds {len(all_series)} images: {listed(all_series)}.",
            f"Say which: --series 0 (its number) or --series {first!r} (its name); --series all adds each of them.",
        )
    for found in ([s for s in all_series if s.key == wanted], [s for s in all_series if s.title == wanted]):
        if len(found) == 1:
            return found[0]
    if wanted.isdecimal() and int(wanted) < len(all_series):
        return all_series[int(wanted)]
    raise CellsegError(
        f"{name} holds no image {wanted!r}.", f"It holds {len(all_series)}: {listed(all_series)}. Numbers begin at 0."
    )


def listed(all_series: Sequence[Series]) -> str:
    """Numbers, names and sizes, of the first dozen."""
    words = [
        f"{n}{f' {s.title!r}' if s.title and s.title != str(n) else ''} ({s.size()})"
        for n, s in enumerate(all_series[:LISTED])
    ]
    return ", ".join(words) + (", ..." if len(all_series) > LISTED else "")

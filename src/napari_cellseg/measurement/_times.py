"""Time points that names of images tell: ``..._t005``, ``day3``, or what an expression finds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import CellsegError

USUAL_TIMES = r"(?i)(?:^|[^a-z0-9])(?:t|time|tp|frame|day|hour)[ _-]?(\d+)(?![a-z])"
"""A number after t, time, frame, day or hour that begins a word."""


def times_of(names: Sequence[str], time_by: str = "") -> dict[str, float]:
    """The time point of every image by its name, NaN where it has none.

    Parameters
    ----------
    time_by
        A regular expression whose first bracket (or all that it matches) is a number; "" looks for `USUAL_TIMES`, the
        last of which in a name counts.

    Raises
    ------
    CellsegError
        When it is no regular expression, or finds no number in any name.
    """
    try:
        pattern = re.compile(time_by or USUAL_TIMES)
    except re.error as error:
        raise CellsegError(f"{time_by!r} is no regular expression: {error}.", "For example _t([0-9]+).") from error
    found = {name: _number(pattern, name) for name in names}
    if time_by and names and all(v != v for v in found.values()):
        raise CellsegError(
            f"{time_by!r} finds no number in any name.", f"Names are, for example: {', '.join(names[:3])}."
        )
    return found


def known_times(names: Sequence[str], known: Mapping[str, float], time_by: str = "") -> dict[str, float]:
    """The same; where nothing is said of names, what is `known` of images counts, and names tell of the others."""
    told = times_of(names, time_by)
    return told if time_by else told | {name: known[name] for name in names if name in known}


def series_of(names: Sequence[str]) -> dict[str, str]:
    """What images have in common that differ in their time points: their names without these (`USUAL_TIMES`)."""
    found = {}
    for name in names:
        matches = list(re.finditer(USUAL_TIMES, name))
        without = name[: matches[-1].start()] + name[matches[-1].end() :] if matches else name
        found[name] = without.strip("_-. ") or "all images"
    return found


def _number(pattern: re.Pattern[str], name: str) -> float:
    matches = list(pattern.finditer(name))
    if not matches:
        return float("nan")
    text = matches[-1].group(1) if pattern.groups else matches[-1].group()
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")

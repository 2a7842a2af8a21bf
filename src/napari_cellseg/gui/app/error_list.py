"""Errors of the open image as a list to walk through. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from ...evaluation import Error, ErrorPlace
from .items import Item

MOST = 300
"""Lines of the list; the worst come first."""
_MEANS: dict[Error, str] = {
    "missed": "The truth has it, nothing of these labels fits.",
    "false": "These labels have it, the truth has nothing like it.",
    "poor match": "Something is there, but no match: badly drawn, parted or merged.",
}


@dataclass(frozen=True, eq=False)
class ErrorList:
    """The worst errors, and a line for each."""

    places: tuple[ErrorPlace, ...] = ()
    lines: tuple[Item, ...] = ()


def listed(found: list[ErrorPlace]) -> ErrorList:
    """The first of these, in words."""
    places = tuple(found[:MOST])
    return ErrorList(places, tuple(Item(str(n), _words(p), tip=_MEANS[p.error]) for n, p in enumerate(places)))


def _words(place: ErrorPlace) -> str:
    size = f"{place.voxels:,} {'px' if len(place.box) == 2 else 'voxels'}"
    if not (place.true or place.found):
        return f"{place.error}: {size}"
    if place.error == "poor match":
        return f"{place.error}: true {place.true}, found {place.found}, IoU {place.iou:.2f}, {size}"
    return f"{place.error}: object {place.true or place.found}, {size}"

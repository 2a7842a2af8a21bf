"""Names for what a project holds and what goes out: those of the pictures, safe on every file system.

One scheme for ids of images, exported files and predictions without a project: the name of the picture; where that is
taken, its folder's name before it; else a number after it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ..images import absolute, picture_stem

LONGEST = 160
"""Bytes of a name in UTF-8; file systems take 255, and endings come after it."""
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=\.|$)", re.IGNORECASE)
"""What Windows keeps for devices, whatever the ending."""


def safe_name(text: str, longest: int = LONGEST) -> str:
    """A name that every file system takes: letters and digits of any script, ``.``, ``_`` and ``-``."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c if c in "._-" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    name = re.sub(r" +", "_", kept).strip("._").lstrip("-._") or "image"
    return _cut(_RESERVED.sub(r"\1_", name, count=1) if _RESERVED.match(name) else name, longest)


def free_name(text: str, taken: Collection[str], folder: str = "", ending: str = "") -> str:
    """A safe name that is not in use, also where capitals do not count (Windows, macOS).

    Parameters
    ----------
    text
        What it is made from.
    taken
        Names in use.
    folder
        Of what has the name; it goes before the name where that is taken.
    ending
        Kept whole at the end of the name.
    """
    used = {_folded(name) for name in taken}
    room = LONGEST - len(ending.encode())
    plain = safe_name(text, room)
    name = plain + ending
    if _folded(name) in used and folder:
        name = safe_name(f"{folder}_{plain}", room) + ending
    base, number = name.removesuffix(ending), 2
    while _folded(name) in used:
        tail = f"{ending}-{number}"
        name, number = _cut(base, LONGEST - len(tail.encode())) + tail, number + 1
    return name


def names_for(sources: Iterable[Path], frames: Sequence[int]) -> list[list[str]]:
    """A name for every frame of every picture, each different.

    Parameters
    ----------
    frames
        How many each picture has; those of a series are numbered.
    """
    taken: set[str] = set()
    found = []
    for source, n in zip(sources, frames, strict=True):
        stem, folder = picture_stem(source), absolute(source).parent.name
        names = []
        for t in range(n):
            names.append(free_name(stem, taken, folder, f"_t{t:04d}" if n > 1 else ""))
            taken.add(names[-1])
        found.append(names)
    return found


def _cut(name: str, longest: int) -> str:
    """At most so many bytes, between letters."""
    return name if len(name.encode()) <= longest else name.encode()[:longest].decode(errors="ignore").rstrip("._")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())

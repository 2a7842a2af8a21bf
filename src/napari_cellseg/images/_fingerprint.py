"""Whether a picture is still the one that was added.

Data flow: size and modification time of its file, or of all files of its folder (`glance`, no content is read) ->
equal: it is unchanged; else `fingerprint`, blocks spread evenly through all of its content -> equal: it was moved or
copied.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._remote import is_remote
from ._zarr import described

BLOCK, BLOCKS = 1 << 14, 4096
"""Content up to 64 MiB is read whole, of more so many blocks of so many bytes, evenly spread."""
SETTLED_S = 3.0
"""What was changed so shortly ago may change again within the same tick of the file system's clock."""
_NOW = "s1:"


@dataclass(frozen=True)
class _Item:
    name: str
    path: str
    size: int
    changed: int


def fingerprint(path: str | Path) -> str:
    """A checksum of a picture's content that takes well under a second for any size.

    SHA-256 of the sizes (and names, in a folder) and of the content: all of it up to 64 MiB, of more 4,096 blocks of
    16 KiB that are spread evenly from the first to the last byte of all files together. Equal for copies. ``labels/``
    inside an OME-Zarr image does not count, since tools write there. Of a picture at an address: of what it says of
    itself, no pixels.
    """
    if is_remote(path):
        return _NOW + hashlib.sha256(described(Path(path)).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    items = _items(Path(path))
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.name}:{item.size};".encode("utf-8", "surrogateescape"))
    for item, start, length in _blocks(items):
        with open(item.path, "rb") as file:  # noqa: PTH123 - thousands of blocks: a Path each is what takes the time
            file.seek(start)
            digest.update(file.read(length))
    return _NOW + digest.hexdigest()[:32]


def glance(path: str | Path) -> str:
    """Size and modification time of a file, or a checksum of those of all files of a folder; "" while they may change.

    Whoever sees the same twice need not read the content. An address tells neither.
    """
    if is_remote(path):
        return ""
    items = _items(Path(path))
    newest = max((item.changed for item in items), default=0)
    if time.time() - newest / 1e9 < SETTLED_S:
        return ""
    text = ";".join(f"{item.name}:{item.size}:{item.changed}" for item in items)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def is_unchanged(path: str | Path, mark: str, seen: str = "") -> bool:
    """Whether a picture is the one of which `fingerprint` gave `mark` and `glance` gave `seen`.

    Marks of earlier versions are recognised. They did not look at times, nor at the content of folders.
    """
    if not mark.startswith(_NOW):
        return _earlier_mark(Path(path)) == mark
    return bool(seen and glance(path) == seen) or fingerprint(path) == mark


def _items(path: Path) -> list[_Item]:
    """The files that hold a picture, in the order of their names."""
    if not path.is_dir():
        found = path.stat()
        return [_Item("", str(path), found.st_size, found.st_mtime_ns)]
    return sorted(_walked(str(path), "", True), key=lambda item: item.name)


def _walked(folder: str, prefix: str, top: bool) -> Iterator[_Item]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if not (top and entry.name == "labels"):
                    yield from _walked(entry.path, f"{prefix}{entry.name}/", False)
            elif entry.is_file():
                found = entry.stat()
                yield _Item(prefix + entry.name, entry.path, found.st_size, found.st_mtime_ns)


def _blocks(items: list[_Item]) -> Iterator[tuple[_Item, int, int]]:
    """(file, start, length) of what is read."""
    total = sum(item.size for item in items)
    if total <= BLOCK * BLOCKS and len(items) <= BLOCKS:
        yield from ((item, 0, item.size) for item in items)
        return
    index, before = 0, 0
    for n in range(BLOCKS):
        place = (total - BLOCK) * n // (BLOCKS - 1) if total > BLOCK else 0
        while index < len(items) - 1 and place >= before + items[index].size:
            before += items[index].size
            index += 1
        yield items[index], place - before, BLOCK


def _earlier_mark(path: Path) -> str:
    """Size and the first, middle and last MiB of a file; names and sizes of all files of a folder."""
    digest = hashlib.sha256()
    if path.is_dir():
        for item in sorted(path.rglob("*")):
            if item.is_file():
                digest.update(f"{item.relative_to(path).as_posix()}:{item.stat().st_size};".encode())
        return digest.hexdigest()[:32]
    size, block = path.stat().st_size, 1 << 20
    digest.update(str(size).encode())
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2 - block // 2), max(0, size - block)}):
            file.seek(start)
            digest.update(file.read(block))
    return digest.hexdigest()[:32]

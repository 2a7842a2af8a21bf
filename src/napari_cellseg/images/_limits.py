"""What files claim, held against what there is, before anything is loaded.

A few kilobytes can claim petabytes: headers are believed only after their numbers have been looked at. Every reader
of pictures and masks asks here.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from ..errors import CellsegError

HARMLESS = 1 << 29
"""Bytes that are decoded without asking how few they were on disk: an almost empty mask of 16,000 x 16,000 pixels."""
PACKED = 300
"""Real pictures are seldom packed more tightly than this; what is larger than `HARMLESS` must not be."""
MAX_CHUNKS = 1 << 17
"""Parts in which an image may be read; a terabyte in parts of 8 MB."""
CHUNK_BYTES = 1 << 28
"""Parts are joined up to this size where an image has too many."""
COMPRESSIONS = ("blosc", "lz4", "zstd", "zlib", "gzip", "bz2", "lzma")
"""Those of zarr that can make few bytes many."""
VOXEL_BYTES = 5
"""Of working memory per voxel: labels uint32 and state uint8."""


def memory_left() -> int:
    """Bytes that this process may still take: of the machine, or of the container it runs in."""
    left = int(psutil.virtual_memory().available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            allowed = int((Path("/sys/fs/cgroup") / limit).read_text())
            left = min(left, max(0, allowed - int((Path("/sys/fs/cgroup") / used).read_text())))
        except (OSError, ValueError):  # no container, or none with a limit
            continue
    return left


def in_words(n: float) -> str:
    """A number of bytes as a person writes it."""
    for unit in ("bytes", "KB", "MB", "GB", "TB", "PB", "EB"):
        if n < 1000 or unit == "EB":
            return f"{n:.0f} {unit}" if n >= 10 or unit == "bytes" else f"{n:.1f} {unit}"
        n /= 1000
    raise AssertionError


def by(shape: Iterable[int]) -> str:
    """A shape as a person writes it."""
    return " x ".join(map(str, shape)) or "one value"


def check_loading(name: str, shape: Sequence[int], itemsize: int, stored: int | None = None) -> None:
    """Refuse what cannot be, or should not be, decoded as a whole.

    Parameters
    ----------
    stored
        Bytes on disk; decoding much more than these is refused, since only forged files are packed so tightly.

    Raises
    ------
    CellsegError
        With the claimed size, in pixels and in bytes, and with what there is.
    """
    need, left = math.prod(shape) * itemsize, memory_left()
    if stored is not None and need > max(HARMLESS, stored * PACKED):
        raise CellsegError(
            f"{name} claims {by(shape)} pixels, which is {in_words(need)} from {in_words(stored)} on disk.",
            "It is damaged or forged. If it is right, save it as a tiled TIFF or as OME-Zarr, which are read in parts.",
        )
    if need * 2 > left:
        raise CellsegError(
            f"{name} has {by(shape)} pixels at once: decoding takes {in_words(2 * need)} of memory, of which "
            f"{in_words(left)} are free.",
            "Save it as a tiled TIFF or as OME-Zarr, which are read in parts, or crop it.",
        )


def check_labels_fit(name: str, shape: Sequence[int]) -> None:
    """Refuse an image whose labels and states do not fit into memory, where they are worked on.

    Raises
    ------
    CellsegError
        With what is needed and what there is.
    """
    need, left = math.prod(shape) * VOXEL_BYTES, memory_left()
    if need > left:
        raise CellsegError(
            f"{name} has {by(shape)} voxels: its labels and states take {in_words(need)} of memory, of which "
            f"{in_words(left)} are free.",
            "Crop it into parts, or use a machine with more memory. Without correcting, images larger than memory can "
            "be labelled: napari-cellseg predict --model MODEL IMAGE --out DIR --format ome.zarr.",
        )


def check_stored(name: str, claimed: int, stored: int) -> None:
    """Refuse uncompressed pixels of which the file holds only a part.

    Raises
    ------
    CellsegError
        With both numbers.
    """
    if claimed > stored:
        raise CellsegError(
            f"{name} claims {in_words(claimed)} of pixels, but only {in_words(stored)} are on disk.",
            "The file is truncated or damaged: copy it again from where it was acquired.",
        )


def check_archive(path: Path) -> None:
    """Refuse a zip that would unpack to far more than it is; other files are fine.

    Raises
    ------
    CellsegError
        With both numbers.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            need = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # whoever reads it says so
    stored = path.stat().st_size
    if need > max(HARMLESS, stored * PACKED) or need * 2 > memory_left():
        raise CellsegError(
            f"{path.name} unpacks to {in_words(need)} from {in_words(stored)} on disk.", "It is damaged or forged."
        )


def chunking(name: str, shape: Sequence[int], itemsize: int, native: Sequence[int]) -> tuple[int, ...]:
    """Parts in which an image is read: those of the file, joined where they are very many.

    Raises
    ------
    CellsegError
        When even large parts are too many: such an image cannot be.
    """
    parts = [max(1, min(int(c), int(n))) for c, n in zip(native, shape, strict=True)]

    def count() -> int:
        return math.prod(-(-int(n) // c) for n, c in zip(shape, parts, strict=True))

    axis = len(parts) - 1
    while count() > MAX_CHUNKS:
        if math.prod(parts) * itemsize >= CHUNK_BYTES:
            raise CellsegError(
                f"{name} claims {by(shape)} pixels, which is {in_words(math.prod(shape) * itemsize)}.",
                "It is damaged or forged, or too large to be worked on. Crop it into parts.",
            )
        if parts[axis] < shape[axis]:
            parts[axis] = min(int(shape[axis]), parts[axis] * 2)
        axis = (axis - 1) % len(parts)
    return tuple(parts)


def check_expansion(name: str, codec: str, data: Any, expected: int) -> None:
    """Refuse compressed bytes that unpack to far more than the part of an image they stand for.

    Parameters
    ----------
    codec
        Name of the compression, one of `COMPRESSIONS`.
    data
        Bytes-like.
    expected
        Bytes of the part as the metadata describe it.

    Raises
    ------
    CellsegError
        With the numbers.
    """
    limit, view = max(CHUNK_BYTES, 2 * expected), memoryview(data).cast("B")
    if codec == "blosc":
        _check_blosc(name, bytes(view[:16]), len(view))
    if _expands(codec, view, limit):
        raise CellsegError(
            f"{name} holds {in_words(len(view))} that unpack to more than {in_words(limit)}, where "
            f"{in_words(expected)} were to be.",
            "The file is damaged or forged: copy it again from where it was acquired.",
        )


def _check_blosc(name: str, head: bytes, there: int) -> None:
    """Hold a header against its bytes: the decoder believes it, and would read beyond them (a crash, no error)."""
    size, block, stored = (int.from_bytes(head[n : n + 4], "little") for n in (4, 8, 12))
    if len(head) < 16 or not head[3] or not 0 < stored <= there or (size and not 0 < block <= size):
        raise CellsegError(
            f"{name} is damaged: {in_words(there)} are there, of which its header says that they are "
            f"{in_words(stored)}, and {in_words(size)} in blocks of {in_words(block)} when unpacked.",
            "Copy the file again from where it was acquired.",
        )


def _expands(codec: str, data: memoryview, limit: int) -> bool:
    """Whether bytes of one compression unpack to more than `limit`."""
    if codec == "blosc":
        return int.from_bytes(data[4:8], "little") > limit
    if codec == "lz4" and len(data) >= 4:
        return int.from_bytes(data[:4], "little") > limit
    if codec == "zstd":
        return _zstd_size(data) > limit
    # nothing packs more than about a thousandfold with deflate
    if codec in ("zlib", "gzip") and len(data) * 1032 > limit:
        return _streamed(zlib.decompressobj(47), data, limit)
    if codec == "bz2":
        return _streamed(bz2.BZ2Decompressor(), data, limit)
    if codec == "lzma":
        return _streamed(lzma.LZMADecompressor(), data, limit)
    return False


def _zstd_size(data: memoryview) -> int:
    """What a frame says it holds; without that, the most its blocks can hold (128 KiB each, 3 bytes at least)."""
    if len(data) < 14 or bytes(data[:4]) != b"\x28\xb5\x2f\xfd":
        return 0
    kind, single, dictionary = data[4] >> 6, bool(data[4] & 32), (0, 1, 2, 4)[data[4] & 3]
    width = (1 if single else 0, 2, 4, 8)[kind]
    if not width:
        return _zstd_blocks(data, 6 + dictionary)
    start = 5 + (0 if single else 1) + dictionary
    return int.from_bytes(data[start : start + width], "little") + (256 if width == 2 else 0)


def _zstd_blocks(data: memoryview, start: int) -> int:
    """Upper bound of what the blocks of a frame unpack to, from their headers."""
    total, last = 0, False
    while not last and start + 3 <= len(data):
        header = int.from_bytes(data[start : start + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        total += 1 << 17 if kind == 2 else size
        start += 3 + (1 if kind == 1 else size)
    return total


def _streamed(decoder: Any, data: memoryview, limit: int) -> bool:
    """Whether a decoder gives more than `limit` bytes; nothing of it is kept."""
    step, total, rest = 1 << 22, 0, bytes(data)
    try:
        while total <= limit:
            if hasattr(decoder, "unconsumed_tail"):
                got = decoder.decompress(rest, step)
                rest = decoder.unconsumed_tail
            else:
                got = decoder.decompress(rest, step)
                rest = b""
            total += len(got)
            if not got or decoder.eof:
                return False
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        return False  # the reader will say that it is damaged
    return True

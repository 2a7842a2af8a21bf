"""Frames: how one message goes through a pipe or a connection, as JSON and raw arrays. Nothing in them is executed.

A frame is `HEAD` (a mark with the version, the lengths of header and body), a header in JSON - ``{"message": ...,
"arrays": [[dtype, shape], ...]}`` - and the arrays one after another, little-endian, in C order. Lengths are held
against limits before anything is allocated, and arrays may only be of `DTYPES`.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

MARK = b"CSF1"
"""What every frame begins with; the digit is the version of the protocol."""
HEAD = struct.Struct("<4sIQ")
HEADER_LIMIT = 8 << 20
"""Bytes of a header at most: the longest messages are tracebacks and tables of metrics."""
BODY_LIMIT = 16 << 30
"""Bytes of all arrays of a frame at most; what may be larger stays in files (`prediction`, IN_MEMORY)."""
ARRAYS, AXES = 64, 8
"""Arrays in a frame, and axes of an array, at most."""
DTYPES = frozenset(["|b1", "|u1", "|i1", *(f"<{kind}{n}" for kind in "uif" for n in (2, 4, 8))])

Array = NDArray[Any]
Read = Callable[[memoryview], int | None]
"""Fills some of a buffer from a pipe or socket and tells how much; 0 at the end, as `io.RawIOBase.readinto`."""


class BadFrame(CellsegError):
    """What came is no frame of this version, or says what no frame may."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"What came from the other side is not understood: {reason}.",
            "Both sides need the same version of napari-cellseg.",
        )

    def __reduce__(self) -> tuple[type[CellsegError], tuple[str, str]]:
        return CellsegError, (self.message, self.hint)


@dataclass(frozen=True)
class Limits:
    """Bytes that a frame may have."""

    header: int = HEADER_LIMIT
    body: int = BODY_LIMIT


LIMITS = Limits()


def packed(message: Any, arrays: list[Array]) -> list[memoryview]:
    """A frame as buffers to be written one after another; arrays are not copied where they lie in C order.

    Raises
    ------
    BadFrame
        When it is larger than a frame may be, or holds an array of a kind that none may be.
    """
    plain = [_little(array) for array in arrays]
    header = json.dumps(
        {"message": message, "arrays": [[a.dtype.str, list(a.shape)] for a in plain]}, separators=(",", ":")
    ).encode("ascii")
    body = sum(a.nbytes for a in plain)
    _check_sizes(len(header), body, LIMITS)
    if len(plain) > ARRAYS:
        raise BadFrame(f"{len(plain)} arrays")
    head = HEAD.pack(MARK, len(header), body) + header
    return [memoryview(head), *(_bytes(a) for a in plain if a.size)]


def read_frame(read: Read, limits: Limits = LIMITS) -> tuple[Any, list[Array]]:
    """The next frame: its message, in plain JSON values, and its arrays, which are the caller's own.

    Raises
    ------
    EOFError
        When the stream ends, also within a frame.
    BadFrame
        When this is no frame, or one that is too large; the stream cannot be used any more.
    """
    head = bytearray(HEAD.size)
    fill(read, memoryview(head))
    mark, n_header, n_body = HEAD.unpack(head)
    if mark != MARK:
        raise BadFrame(f"it begins with {bytes(mark)!r}, not {MARK!r}")
    _check_sizes(n_header, n_body, limits)
    text = bytearray(n_header)
    fill(read, memoryview(text))
    message, arrays = _parsed(text, n_body)
    for array in arrays:
        if array.size:
            fill(read, _bytes(array))
    return message, _sound(arrays)


def fill(read: Read, buffer: memoryview) -> None:
    """Fill a buffer from a stream.

    Raises
    ------
    EOFError
        When the stream ends before.
    """
    while buffer:
        if not (n := read(buffer[: 1 << 20])):
            raise EOFError
        buffer = buffer[n:]


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _sound(arrays: list[Array]) -> list[Array]:
    """Bytes that are neither 0 nor 1 are no bool, whatever a header says of them."""
    for array in arrays:
        if array.dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
            raise BadFrame("an array of bool holds other bytes than 0 and 1")
    return arrays


def _check_sizes(header: int, body: int, limits: Limits) -> None:
    if header > limits.header or body > limits.body:
        raise BadFrame(f"a frame of {header:,} and {body:,} bytes; at most {limits.header:,} and {limits.body:,}")


def _parsed(text: bytearray, body: int) -> tuple[Any, list[Array]]:
    """Message and empty arrays, after a look at whether they are as large as the frame says."""
    try:
        header = json.loads(text.decode("ascii"))
        if not isinstance(header, dict) or set(header) != {"message", "arrays"}:
            raise BadFrame("its header does not hold a message and arrays")
        kinds = [_kind(item) for item in header["arrays"]]
    except (ValueError, TypeError, RecursionError) as error:
        raise BadFrame(f"its header is no JSON of ours ({type(error).__name__})") from error
    sizes = [np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in kinds]
    if len(kinds) > ARRAYS or sum(sizes) != body:
        raise BadFrame(f"{len(kinds)} arrays of {sum(sizes):,} bytes in a body of {body:,}")
    try:
        return header["message"], [np.empty(shape, dtype) for dtype, shape in kinds]
    except MemoryError as error:
        raise BadFrame(f"{body:,} bytes, for which there is no memory") from error


def _kind(item: Any) -> tuple[str, tuple[int, ...]]:
    dtype, shape = item
    numbers = isinstance(shape, list) and all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
    if dtype not in DTYPES or not numbers or len(shape) > AXES:
        raise BadFrame(f"an array {str(dtype)[:20]} {str(shape)[:60]}")
    return dtype, tuple(shape)


def _little(array: Array) -> Array:
    """In C order and little-endian."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    if plain.dtype.str not in DTYPES or plain.ndim > AXES:
        raise BadFrame(f"an array {plain.dtype} {plain.shape} has no place in a frame")
    return plain.reshape(array.shape)

"""Compressed parts of zarr arrays, looked at before they are unpacked: chunks, and chunks inside shards.

Before every decompression stands a codec of ours that passes its bytes on or refuses them, so nothing depends on where
the bytes lie: in a file of their own, in a shard (first or last index, read whole or in part), or in a shard of shards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from numcodecs.abc import Codec as Numcodec
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.codecs import ShardingCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.core.metadata.v2 import ArrayV2Metadata

from ..errors import CellsegError
from ._limits import COMPRESSIONS, by, check_expansion

MAX_PARTS = 1 << 20
"""Chunks in one shard, which are listed each time it is read: 262,144 in one of 2048 x 2048 x 2048 by 32 a side."""


def checked(array: zarr.Array[Any], name: str) -> zarr.Array[Any]:
    """The same array, whose compressed parts are refused where they would unpack to far more than they stand for.

    Parameters
    ----------
    name
        Of the folder, for messages.

    Raises
    ------
    CellsegError
        When a shard is said to hold more chunks than can be listed; when read, for parts that lie about their size.
    """
    metadata = array.metadata
    part = f"A part of {name}"
    if isinstance(metadata, ArrayV2Metadata):
        size = math.prod(metadata.chunks) * np.dtype(array.dtype).itemsize
        metadata = replace(
            metadata,
            compressor=_v2(metadata.compressor, part, size),
            filters=tuple(_v2(f, part, size) for f in metadata.filters or ()) or None,
        )
    else:
        shape = metadata.shards or metadata.chunks
        metadata = replace(metadata, codecs=tuple(_with_checks(metadata.codecs, shape, part)))
    return zarr.Array(zarr.AsyncArray(metadata, array.store_path))


def _with_checks(codecs: Iterable[Codec], shape: tuple[int, ...], part: str) -> Iterable[Codec]:
    """Codecs of version 3, each compression followed by a check: decoding goes from the last to the first."""
    for codec in codecs:
        if isinstance(codec, ShardingCodec):
            inner = tuple(map(int, codec.chunk_shape))
            count = math.prod(n // max(1, c) for n, c in zip(shape, inner, strict=True))
            if count > MAX_PARTS:
                raise CellsegError(
                    f"{part} of {by(shape)} voxels is said to be {count} parts of {by(inner)}.",
                    "It is damaged or forged, or cut too finely: write it again with larger chunks.",
                )
            codec = replace(codec, codecs=tuple(_with_checks(codec.codecs, inner, part)))
        yield codec
        if isinstance(codec, BytesBytesCodec) and (name := _plain(codec.to_dict()["name"])) in COMPRESSIONS:
            yield _Checked(name, part)


@dataclass(frozen=True)
class _Checked(BytesBytesCodec):
    """Passes bytes on to the decompression before it, or refuses them."""

    compression: str
    part: str
    is_fixed_size = False

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        size = math.prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        check_expansion(self.part, self.compression, chunk_bytes.as_numpy_array(), size)
        return chunk_bytes

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return chunk_bytes

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        return input_byte_length


def _plain(name: Any) -> str:
    """A compression's name without that of the library that has it."""
    return str(name).rsplit(".", 1)[-1]


def _v2(codec: Any, part: str, size: int) -> Any:
    """A compression or filter of version 2 with a check before it, where it can make few bytes many."""
    return _CheckedV2(codec, part, size) if codec and _plain(codec.codec_id) in COMPRESSIONS else codec


class _CheckedV2(Numcodec):  # type: ignore[misc]
    """A compression or filter of version 2, whose bytes are looked at first."""

    codec_id = "checked"

    def __init__(self, codec: Any, part: str, size: int) -> None:
        self._codec, self._part, self._size = codec, part, size

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Bytes as they were before they were compressed."""
        check_expansion(self._part, _plain(self._codec.codec_id), buf, self._size)
        return self._codec.decode(buf, out)

    def encode(self, buf: Any) -> Any:
        """Never asked for: what is read here is never written."""
        return self._codec.encode(buf)

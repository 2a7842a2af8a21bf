"""Kept probabilities decoded again: other thresholds at once, without the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from .._types import Span
from ..errors import CellsegError
from ..events import Decoded, Predicted, Stopped
from ..matching import join_planes
from ..parts import Parts, WorkStopped
from ..targets import BLOCK, Target, decode_into
from ._store import Blend, Readable

CONTEXT = 96
"""Pixels around the visible field that are decoded with it, so that objects on its border are whole."""
SMALLEST = 1 << 16
"""Blocks of so many voxels are not made smaller."""
DEPTH = 16
"""Slices above and below that are decoded with a field of a volume."""


def decode_again(
    path: Path,
    target: Target,
    name: str,
    field: Span = (),
    *,
    models: tuple[str, ...] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Decoded | Predicted | Stopped:
    """Labels of a box from kept probabilities (`Decoded`), or of all that was predicted (`Predicted`).

    Raises
    ------
    CellsegError
        When nothing was kept, or it is of another target or of other models.
    """
    try:
        return _decoded(path, target, name, field, models, stop)
    except WorkStopped:
        return Stopped("cancelled")
    except (RuntimeError, KeyError, OSError, ValueError) as error:  # what damaged files make zarr raise
        raise CellsegError("The kept probabilities cannot be read.", "Press Predict once more.") from error


def _decoded(
    path: Path, target: Target, name: str, field: Span, models: tuple[str, ...], stop: Callable[[], bool]
) -> Decoded | Predicted:
    start = time.monotonic()
    blend, attributes = _open(path, target)
    if models and tuple(attributes["models"]) != models:
        raise CellsegError(
            f"The kept probabilities are of {' and '.join(attributes['models'])}.", "Press Predict once more."
        )
    origin, flat = attributes["origin"], "Z" not in attributes["axes"]
    options: dict[str, Any] = {
        "spacing": tuple(attributes["spacing"]) or None, "planar": attributes["planar"], "radius": attributes["radius"],
        "ease": attributes.get("ease", 1.0), "way": Parts(stop),
    }  # fmt: skip
    if not field:
        labels = np.zeros(blend.shape, np.uint32)
        n = decode_joined(target, blend, labels, attributes["join_overlap"], **options)
        box = tuple((o, o + n) for o, n in zip(origin, blend.shape, strict=True))
        seconds = time.monotonic() - start
        together = "+".join(attributes["models"])
        return Predicted(name, together, labels[0] if flat else labels, seconds, box[1:] if flat else box, n, str(path))
    wanted = field if len(field) == 3 else ((0, 1), *field)
    inner = [(max(0, a - o), min(n, b - o)) for (a, b), o, n in zip(wanted, origin, blend.shape, strict=True)]
    reach = (0 if options["planar"] else DEPTH, CONTEXT, CONTEXT)
    wide = [(max(0, a - r), min(n, b + r)) for (a, b), r, n in zip(inner, reach, blend.shape, strict=True)]
    if any(a >= b for a, b in inner):
        raise CellsegError("The visible field was not predicted.", "Move to where masks are, or predict it.")
    z, y, x = (slice(a, b) for a, b in wide)
    probabilities = blend.read((z, y, x))
    labels = np.zeros(probabilities.shape[1:], np.uint32)
    shape: Any = probabilities.shape[1:]
    decode_into(target, lambda b: probabilities[(slice(None), *b)], shape, labels, **options)
    cut = tuple(slice(i[0] - w[0], i[1] - w[0]) for i, w in zip(inner, wide, strict=True))
    labels = np.ascontiguousarray(labels[cut])
    box = tuple((a + o, b + o) for (a, b), o in zip(inner, origin, strict=True))
    objects = len(np.unique(labels[labels > 0]))
    return Decoded(name, box[1:] if flat else box, labels[0] if flat else labels, objects, time.monotonic() - start)


def decode_joined(
    target: Target, blend: Readable, labels: Any, join_overlap: float, *, way: Parts | None = None, **options: Any
) -> int:
    """Decode a whole blend into `labels`, and join objects of neighbouring slices; `options` as of `decode_into`.

    Blocks that do not fit into memory are made smaller, which changes no label.

    Raises
    ------
    CellsegError
        When there is not even memory for small ones.
    """
    way = way or Parts()
    joins = options.get("planar", False) and blend.shape[0] > 1 and target.instances
    apart = way.sheet(labels) if joins else labels
    voxels = way.voxels or BLOCK
    while True:
        try:
            n = decode_into(target, blend.read, blend.shape, apart, voxels=voxels, way=way, **options)
            break
        except MemoryError as error:
            if voxels <= SMALLEST:
                raise CellsegError(
                    f"The network is done, but there is no memory left to find objects in {voxels:,} voxels at once.",
                    "Close other programs, or predict the visible field only.",
                ) from error
            voxels //= 4
    return join_planes(apart, n, join_overlap, out=labels, way=way) if joins else n


def _open(path: Path, target: Target) -> tuple[Blend, dict[str, Any]]:
    try:
        data = zarr.open_array(str(path), mode="r")
        attributes = dict(data.attrs)
    except (OSError, ValueError, KeyError) as error:
        raise CellsegError("No probabilities are kept for this image.", "Press Predict once more.") from error
    if attributes.get("target") != target.kind:
        raise CellsegError(
            f"The kept probabilities are of a {attributes.get('target')} target, not {target.kind}.",
            "Press Predict once more.",
        )
    return Blend(data), attributes

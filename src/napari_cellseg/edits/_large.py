"""Labels of a prediction that is larger than memory, numbered block by block as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np

from .._types import Box, Labels
from ..boxes import relative, size
from ..project import Edit, LabelStore, blocks_in, is_mapped
from ._states import predicted

MOST = 1 << 27
"""Voxels of a prediction that are numbered at once, with what was there before in view."""


def is_large(store: LabelStore, box: Box) -> bool:
    """Whether a prediction of a box is written block by block: its objects are new ones then, whatever was there."""
    return is_mapped(store.labels) and int(np.prod(size(box), dtype=np.int64)) > MOST


def large_prediction(
    box: Box, proposal: Any, first_id: int, *, instances: bool = True
) -> Iterator[tuple[Box, Callable[[LabelStore], Edit]]]:
    """Slices of the blocks of a box, each with what says its edit when its turn comes; user edits stay.

    Parameters
    ----------
    proposal
        Array-like of the box's shape, uint32, ids (or classes) from 1 on; read block by block.
    first_id
        The first id that its objects get.
    """
    shift = np.uint32(first_id - 1 if instances else 0)

    @lru_cache(maxsize=1)
    def read(number: int) -> Labels:
        found = np.asarray(proposal[relative(blocks[number], box)], np.uint32)
        return np.where(found > 0, found + shift, np.uint32(0))

    def edit(number: int, part: Box, store: LabelStore) -> Edit:
        return predicted(store.labels, store.state, part, read(number)[relative(part, blocks[number])])

    blocks = list(blocks_in(box))
    for number, block in enumerate(blocks):
        for part in _slices(block):
            yield part, partial(edit, number, part)


def _slices(block: Box) -> Iterator[Box]:
    """A block in pieces of one slice."""
    if len(block) == 2:
        yield block
        return
    for z in range(block[0].start, block[0].stop):
        yield (slice(z, z + 1), *block[1:])

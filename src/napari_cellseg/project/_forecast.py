"""What a training would learn from, told before it begins.

Data flow: known objects of every image, counted once and kept with the newest edit (table settings) -> `Forecast`. What
will be held out is an estimate: it is drawn when the training begins.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._folder import Project
from ._holdout import VAL_SHARE
from ._objects import known_ids
from ._records import COUNTED

_KEY = COUNTED[1]
Arrays = tuple[NDArray[np.uint32], NDArray[np.uint8]]


@dataclass(frozen=True)
class Forecast:
    """How many objects would be learnt from, in how many images, and about how many of all would judge."""

    objects: int = 0
    images: int = 0
    held: int = 0


def forecast(project: Project, image: str = "", arrays: Arrays | None = None) -> Forecast:
    """What the next training would learn from.

    Parameters
    ----------
    image, arrays
        An image whose labels and state are at hand, so that they need not be read.
    """
    kept, ends = project.db.settings(_KEY), project.db.log_ends()
    counts: dict[str, int] = {}
    fresh: dict[str, str] = {}
    records = [r for r in project.images() if r.split != "test" and r.id in ends]
    for record in records:
        n, count = _read(kept.get(record.id, ""))
        if arrays is not None and record.id == image:  # they may be an edit behind the log: not kept
            count = len(known_ids(*arrays))
        elif n != ends[record.id]:
            count = len(known_ids(*project.open_labels(record.id)))
            fresh[_KEY + record.id] = json.dumps([ends[record.id], count])
        counts[record.id] = count
    with contextlib.suppress(CellsegError):  # a full disk: it is counted again the next time
        project.db.put_settings(fresh)
    judged = {r.id for r in records if r.split == "val"}
    objects = sum(counts.values())
    held = sum(counts[id] for id in judged) or round(VAL_SHARE * objects)
    return Forecast(objects - held, sum(n > 0 for id, n in counts.items() if id not in judged), held)


def _read(text: str) -> tuple[int, int]:
    try:
        n, count = json.loads(text)
        return int(n), int(count)
    except (ValueError, TypeError):
        return -1, 0

"""Targets: how labels become what a network learns, and how its output becomes labels again.

`encode` turns labels (Z, Y, X) or (Y, X) into (C, ...) float32 in [0, 1]; `decode` turns probabilities of the
same shape back. For targets of objects ``decode(t, t.encode(labels))`` gives the labels back up to renumbering for
objects that are connected and larger than `min_size`; of rays, nearly, where objects are star-shaped.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..settings import members
from ._base import Read, TargetBase
from ._common import drop_small
from ._decode import decode, decode_into, part, typical_radius
from ._flows import Flows
from ._instances import Boundary, Distance
from ._rays import Rays
from ._semantic import ClassTarget, Foreground, Semantic
from ._watershed import BLOCK, Renumber, blocks

Target = Annotated[Distance | Boundary | Flows | Rays | Semantic | Foreground, Field(discriminator="kind")]
TARGETS: tuple[type[TargetBase], ...] = members(Target)


def tells_doubt(kind: str) -> bool:
    """Whether the entropy of what a target of this kind predicts is doubt."""
    return not any(t.doubt for t in TARGETS if t.model_fields["kind"].default == kind)


__all__ = [
    "BLOCK",
    "TARGETS",
    "Boundary",
    "ClassTarget",
    "Distance",
    "Flows",
    "Foreground",
    "Rays",
    "Read",
    "Renumber",
    "Semantic",
    "Target",
    "TargetBase",
    "blocks",
    "decode",
    "decode_into",
    "drop_small",
    "part",
    "tells_doubt",
    "typical_radius",
]

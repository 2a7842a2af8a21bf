"""What another program's network says, as channels of one of our targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .._types import Float
from ..errors import CellsegError
from ..targets import Boundary, Distance, Flows, Foreground, Semantic, Target

Kind = Literal["foreground", "boundary", "distance", "flows", "classes", "mask"]
Activation = Literal["", "sigmoid", "softmax"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NEEDS = {
    "foreground": ("foreground",),
    "boundary": ("foreground", "boundary"),
    "distance": ("foreground", "distance"),
    "flows": ("foreground", "flow along Y", "flow along X"),
    "classes": ("background", "class 1"),
    "mask": ("foreground",),
}
"""What the channels of each reading are, in order; of volumes flows have one along Z before the others."""
FLOW = 5.0
"""Length of flows as Cellpose's networks give them."""


@dataclass(frozen=True)
class Reading:
    """How channels are understood.

    Attributes
    ----------
    kind
        *foreground*: connected pieces are objects. *boundary*: a second channel parts them. *distance*: to the border,
        1 in the middle of an object. *flows*: as Cellpose's (of length 5). *classes*: one channel each, the background
        first. *mask*: one class.
    channels
        Which of the network's channels are those that the kind needs (see `NEEDS`), from 0.
    activation
        What makes probabilities of the network's numbers.
    """

    kind: Kind
    channels: tuple[int, ...]
    activation: Activation = ""

    @property
    def target(self) -> Target:
        """What decodes it."""
        if self.kind == "distance":
            return Distance()
        if self.kind == "flows":
            return Flows()
        return {"classes": Semantic, "mask": Foreground}.get(self.kind, Boundary)()  # type: ignore[no-any-return]

    @property
    def out_channels(self) -> int:
        """Of the target."""
        return 3 if self.kind in ("foreground", "boundary") else len(self.channels)

    def __call__(self, values: Float) -> Float:
        """(N, K, [Z], Y, X) numbers of the network -> (N, channels of the target, [Z], Y, X) float32 in [0, 1]."""
        flows = self.kind == "flows"
        chosen = _activated(values, "" if flows else self.activation)[:, list(self.channels)]
        if flows:
            first = _activated(chosen[:, :1], self.activation)
            chosen = np.concatenate([first, 0.5 + chosen[:, 1:] / (2 * FLOW)], axis=1)
        found = np.clip(chosen, 0, 1)
        if self.out_channels == 3 and not flows and self.kind != "classes":
            inside = found[:, :1]
            edge = found[:, 1:2] if self.kind == "boundary" else np.zeros_like(inside)
            found = np.concatenate([1 - inside, edge, inside * (1 - edge)], axis=1)
        return np.ascontiguousarray(found, np.float32)


def reading(kind: str, channels: tuple[int, ...], n_outputs: int, activation: Activation, dimensions: int) -> Reading:
    """A reading that fits a network with so many output channels.

    Raises
    ------
    CellsegError
        When there is no such reading, or it needs channels that the network does not have.
    """
    if kind not in KINDS:
        raise CellsegError(f"There is no reading {kind!r}.", f"Choose one of {', '.join(KINDS)}.")
    needs = list(NEEDS[kind])
    if kind == "flows" and dimensions == 3:
        needs.insert(1, "flow along Z")
    n = max(len(needs), n_outputs) if kind == "classes" and not channels else len(needs)
    chosen = channels or tuple(range(n))
    few = len(chosen) < len(needs) or (kind != "classes" and len(chosen) != len(needs))
    if few or len(set(chosen)) < len(chosen) or not all(0 <= c < n_outputs for c in chosen):
        raise CellsegError(
            f"Reading outputs as {kind} needs {len(needs)} channels ({', '.join(needs)}); the network has {n_outputs}"
            + (f", and {','.join(map(str, chosen))} were given." if channels else "."),
            "Say which they are, counted from 0: --channels 0,1; or choose another --read.",
        )
    return Reading(kind, tuple(chosen), activation)


def _activated(values: Float, activation: Activation) -> Float:
    if activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float32)
    if activation == "softmax":
        powers = np.exp(values - values.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)
    return values

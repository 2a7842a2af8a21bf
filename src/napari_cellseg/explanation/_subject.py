"""What is explained: a network, what it sees, and the pixels whose score is asked about. No torch when imported."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._types import Float, Span

if TYPE_CHECKING:
    import torch
    from torch import nn

Steps = tuple[int, int]
"""How many passes of a method are done, and of how many."""


@dataclass(frozen=True)
class What:
    """Whose prediction is explained; nothing given: everything that the model predicts.

    Attributes
    ----------
    object
        Id in the labels.
    point
        A voxel (Z, Y, X) or (Y, X).
    box
        (start, stop) in voxels for each spatial axis.
    channel
        Output channel of a class; None: foreground of any kind.
    channel_name
        The class, for people.
    """

    object: int | None = None
    point: tuple[int, ...] = ()
    box: Span = ()
    channel: int | None = None
    channel_name: str = ""

    def __str__(self) -> str:
        where = "everything predicted"
        if self.object is not None:
            where = f"object {self.object}"
        elif self.point:
            where = f"point {','.join(map(str, self.point))}"
        elif self.box:
            where = f"box {','.join(f'{a}:{b}' for a, b in self.box)}"
        return f"{where}, class {self.channel_name}" if self.channel_name else where


@dataclass(frozen=True)
class Output:
    """How logits (N, K, ...) are read.

    Attributes
    ----------
    exclusive
        Whether channels are classes of which a voxel has one, channel 0 being the background.
    channel
        Of the class that is asked about; None: the foreground.
    threshold
        Foreground probability from which a voxel is predicted to be foreground.
    """

    exclusive: bool
    channel: int | None = None
    threshold: float = 0.5

    def foreground(self, logits: torch.Tensor) -> torch.Tensor:
        """(N, K, ...) -> (N, ...): the logit of the class; of any foreground, that of the likeliest of its channels."""
        if self.channel is not None:
            return logits[:, self.channel]
        return logits[:, 1:].amax(1) if self.exclusive else logits[:, 0]

    def probability(self, logits: torch.Tensor) -> torch.Tensor:
        """(N, K, ...) -> (N, ...) in [0, 1]: the probability that goes with `foreground`."""
        if not self.exclusive:
            return logits[:, self.channel or 0].sigmoid()
        shares = logits.softmax(1)
        return shares[:, self.channel] if self.channel is not None else 1 - shares[:, 0]

    def predicted(self, logits: torch.Tensor) -> torch.Tensor:
        """(N, K, ...) -> (N, ...) bool: where the model says foreground, or the class."""
        if self.exclusive and self.channel is not None:
            return logits.argmax(1) == self.channel
        return self.probability(logits) > self.threshold


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, its input, and the pixels whose foreground logits are summed to a score.

    Attributes
    ----------
    network
        In evaluation mode; it is never changed.
    pixels
        (1, C, [Z], Y, X) float32, whose sides need no padding.
    chosen
        ([Z], Y, X) bool.
    """

    network: nn.Module
    pixels: torch.Tensor
    output: Output
    chosen: torch.Tensor

    def score(self, logits: torch.Tensor) -> torch.Tensor:
        """(N, K, ...) -> (N,): the sum of foreground logits over the chosen pixels."""
        return (self.output.foreground(logits) * self.chosen).flatten(1).sum(1)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a method found: relevance of every pixel of the input ([Z], Y, X) float32.

    Attributes
    ----------
    layer
        The layer that was looked at, "" where none is chosen.
    conservation
        Relevance at the input over relevance at the output; None where nothing is to be conserved.
    """

    map: Float
    layer: str = ""
    conservation: float | None = None


Looking = Generator[Steps, None, Seen]
"""A method at work: how far it is, and at the end what it found."""

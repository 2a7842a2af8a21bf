"""What networks have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from ..settings import Settings

if TYPE_CHECKING:
    from torch import nn


class ModelBase(Settings):
    """A network that can be built."""

    dimensions: ClassVar[int] = 2
    """2 or 3: what one patch of it is."""
    source: ClassVar[str] = ""
    """Where it was published."""

    @property
    @abstractmethod
    def stride(self) -> tuple[int, int, int]:
        """Tiles that begin at multiples of this along (Z, Y, X) see the grid that the whole image sees."""

    @abstractmethod
    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """The network: (N, in_channels, [Z], Y, X) float -> (N, out_channels, [Z], Y, X) logits, any size.

        Random weights: loading pretrained ones is `pretrain`.
        """

    def pretrain(self, network: nn.Module) -> str:
        """Load encoder weights where they are to be had; return a notice for the person ("" if all is well).

        Raises
        ------
        CellsegError
            When a weights file was named and does not fit.
        """
        return ""

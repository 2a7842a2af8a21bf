"""What a network and a draft method are, for us and for other packages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from .._types import Float, Labels, Spacing
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


class DraftMethod(Settings):
    """A way to first labels that needs no learning: its parameters, and one call."""

    instances: ClassVar[bool] = True
    """Whether it gives objects; else classes."""
    as_stored: ClassVar[bool] = False
    """Whether it wants the pixels of the file, not those after the project's recipe."""
    gives: ClassVar[tuple[str, ...]] = ()
    """Names of the classes 1, 2, ... that it gives, where it knows more than foreground."""
    min_size: int = Field(30, ge=0, le=1_000_000, description="Smaller objects are removed (voxels).")

    @abstractmethod
    def __call__(self, pixels: Float, spacing: Spacing = None) -> Labels:
        """Label one image.

        Parameters
        ----------
        pixels
            (C, Z, Y, X) or (C, Y, X) float32, after the recipe (or before it, see `as_stored`).
        spacing
            um per voxel, (Z, Y, X) or (Y, X); None where it is not known.

        Returns
        -------
        (Z, Y, X) or (Y, X) uint32: objects 1..n, or classes as `gives` numbers them.
        """

    def stoppable(self, pixels: Float, spacing: Spacing, stop: Callable[[], bool]) -> Labels:
        """The same where somebody may want to end it; a method that takes long asks `stop` again and again.

        Raises
        ------
        DraftStopped
            When `stop` answers True.
        """
        if stop():
            raise DraftStopped
        return self(pixels, spacing)


class DraftStopped(Exception):
    """The person does not want the draft any more."""

"""Networks of other programs, of which we have the file and not the architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ..errors import CellsegError
from ..extensions import ModelBase

if TYPE_CHECKING:
    from torch import nn


class Imported(ModelBase):
    """A network in a file (ONNX, TorchScript), which predicts and does not learn."""

    title: ClassVar[str] = "Imported network"
    kind: Literal["imported"] = "imported"
    step: int = Field(32, ge=1, le=8192, description="Sides of its input are multiples of this (pixels).")

    @property
    def stride(self) -> tuple[int, int, int]:
        """The step along each axis."""
        return (self.step,) * 3

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """Nothing: there is a file, and no architecture.

        Raises
        ------
        CellsegError
            Always.
        """
        raise CellsegError(
            "An imported network predicts as it is; it can neither learn nor be explained.",
            "Train a network of ours: model.kind=smp, train.from_scratch=true.",
        )


class Imported3D(Imported):
    """The same for volumes."""

    title: ClassVar[str] = "Imported network (3D)"
    dimensions: ClassVar[int] = 3
    kind: Literal["imported3d"] = "imported3d"  # type: ignore[assignment]

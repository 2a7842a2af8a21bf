"""What all targets have in common, and what is given to those that find objects in their own way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import Field

from .._types import Box3 as Box
from .._types import Float, Labels, Spacing
from .._types import Shape3 as Shape
from ..parts import Parts
from ..settings import Settings
from ._common import anisotropy

if TYPE_CHECKING:
    from torch import nn

    from ._watershed import Lookup

Read = Callable[[Box], Float]
"""Box inside the image -> (K, z, y, x) float32 probabilities."""
Self = TypeVar("Self", bound="TargetBase")


class TargetBase(Settings):
    """What targets have in common.

    Channels are in [0, 1]: probabilities, then, of some targets, directions or lengths that are coded so.
    """

    exclusive: ClassVar[bool] = True
    """Whether the channels of a voxel are probabilities that add up to one."""
    instances: ClassVar[bool] = True
    """Whether decoding numbers single objects; else it names classes."""
    one_class: ClassVar[bool] = False
    """Whether it knows a single class only."""
    by_patch: ClassVar[bool] = False
    """Whether channels hold directions or lengths: then a patch is encoded after it was turned and resized."""
    coding: ClassVar[tuple[str, ...]] = ()
    """Fields that decide what channels mean: a trained network keeps them."""
    doubt: ClassVar[str] = ""
    """Why the entropy of its probabilities is no doubt; empty where it is."""
    min_size: int = Field(30, ge=0, le=1_000_000, description="Smaller predicted objects are removed (voxels).")

    @abstractmethod
    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """How many channels a network of planes (2) or volumes (3) needs."""

    @abstractmethod
    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Labels (Z, Y, X) or (Y, X) -> (channels, ...) float32 in [0, 1]."""

    def probabilities(self, n_classes: int, dimensions: int = 2) -> int:
        """How many channels, the first ones, are probabilities, which the configured loss is for."""
        return self.channels(n_classes, dimensions)

    def loss(self, given: nn.Module) -> nn.Module:
        """The loss of all channels, from that of the probabilities (see `losses`)."""
        return given

    def eased(self: Self, share: float) -> Self:
        """The same with a lower threshold: for a mean of views that do not all see the same."""
        threshold = getattr(self, "threshold", None)
        return self if threshold is None or share == 1 else self.model_copy(update={"threshold": threshold * share})

    def obstacle(self, dimensions: int, *, flips: bool = False, axes: int = 1, doubt: bool = False) -> str:
        """Why it cannot be predicted mirrored (`flips`), along several axes or with its `doubt`; empty where it can."""
        return self.doubt if doubt else ""

    def mirrored(self, values: Float, axes: tuple[int, ...]) -> Float:
        """What is said of a mirrored picture, (N, K, [Z], Y, X), mirrored back along the same (negative) axes."""
        return values

    def resized(self, values: Float, factor: float) -> Float:
        """What is said of a picture, (N, K, Y, X), that a network saw `factor` times as large."""
        return values

    def in_volume(self, axis: int | None, channels: int) -> tuple[int, ...]:
        """Which channels of a volume those of planes along an axis are (None: of the volume itself)."""
        return tuple(range(channels))


@dataclass(frozen=True, eq=False)
class Reading:
    """Channels of an image that objects are to be found in.

    Attributes
    ----------
    spacing
        Voxel size, of which the ratios count.
    planar
        Every plane for itself.
    parts
        Boxes that cover the image, in raster order.
    """

    read: Read
    shape: Shape
    spacing: Spacing
    planar: bool
    parts: list[Box]

    @property
    def sides(self) -> tuple[float, float, float]:
        """Sides of a voxel relative to X."""
        z, y, x = (1.0,) * (3 - len(self.spacing or (1, 1, 1))) + anisotropy(self.spacing, len(self.spacing or "zyx"))
        return z, y, x


class Finding(TargetBase):
    """A target that finds objects in its own way."""

    @abstractmethod
    def find(self, image: Reading, out: Any, way: Parts) -> Lookup:
        """Write provisional numbers into a sheet like `out`, (Z, Y, X) uint32; return what turns them into labels.

        Raises
        ------
        WorkStopped
            When somebody wished to stop; the sheet, which may be `out`, is then unfinished.
        """

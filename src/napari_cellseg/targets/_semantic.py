"""The targets of classes, and the clean-up of class maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import cc3d
import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage as ndi

from .._types import Float, Labels, Spacing
from ._base import TargetBase

Classes = NDArray[np.uint8]


class ClassTarget(TargetBase):
    """A target whose voxels are classes; nothing is said about single objects.

    The clean-up is that of Karabag et al. 2023, plane by plane and in their order: holes, closing, small regions,
    shell. A class only ever takes background and regions that are too small anyway, never voxels of another class,
    except for the shell.
    """

    instances: ClassVar[bool] = False
    fill_holes: bool = Field(False, description="Fill what a class encloses in its plane: background, small regions.")
    closing: int = Field(0, ge=0, le=50, description="Close gaps of each class with a disk of this radius (pixels).")

    @abstractmethod
    def pick(self, probabilities: Float) -> Classes:
        """Probabilities (K, Y, X) -> class ids (Y, X) uint8."""

    def clean(self, classes: Classes) -> Classes:
        """The clean-up of one plane (Y, X) of class ids."""
        return self._without_small(self._closed(self._filled(classes)))

    @property
    def _spared(self) -> int:
        """A class that is neither filled nor removed for its size."""
        return 0

    def _filled(self, classes: Classes) -> Classes:
        """Holes, each given to the innermost class that encloses it: the one with the smallest hole there."""
        if not self.fill_holes:
            return classes.copy()
        out, smallest = classes.copy(), np.full(classes.shape, np.inf)
        free = (classes == 0) | self._small(classes)
        for c in np.unique(classes[(classes > 0) & (classes != self._spared)]):
            mask = classes == c
            holes = np.asarray(ndi.binary_fill_holes(mask)) & ~mask
            if holes.any():
                pieces, _ = ndi.label(holes)
                sizes = np.bincount(pieces.ravel())[pieces]
                taken = holes & free & (sizes < smallest)
                out[taken], smallest[taken] = c, sizes[taken]
        return out

    def _closed(self, classes: Classes) -> Classes:
        """Gaps of each class, as far as they are background."""
        out = classes.copy()
        if not self.closing:
            return out
        for c in np.unique(classes[classes > 0]):
            # a rim as wide as the disk, so that nothing closes against the border of the image
            wide = np.pad((classes == c).astype(np.uint8), self.closing)
            closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _disk(self.closing))
            inner = slice(self.closing, -self.closing)
            out[(closed[inner, inner] > 0) & (out == 0)] = c
        return out

    def _small(self, classes: Classes) -> NDArray[np.bool_]:
        """Where regions are below the size limit; the spared class is left out."""
        if self.min_size <= 1:
            return np.zeros(classes.shape, bool)
        return np.asarray(_below(classes, self.min_size) & (classes != self._spared))

    def _without_small(self, classes: Classes) -> Classes:
        classes[self._small(classes)] = 0
        return classes


class Semantic(ClassTarget):
    """One probability per class; nothing is said about single objects."""

    title: ClassVar[str] = "Classes (semantic)"
    exclusive: ClassVar[bool] = True
    kind: Literal["semantic"] = "semantic"
    shell: int = Field(0, ge=0, le=254, description="Class that is a thin shell between two others; 0 for none.")
    shell_inside: int = Field(0, ge=0, le=254, description="Class inside the shell.")
    shell_outside: int = Field(0, ge=0, le=254, description="Class outside the shell (0 is the background).")
    shell_reach: int = Field(
        3, ge=1, le=50, description="Both are dilated by a disk of this radius; the overlap joins the shell (pixels)."
    )
    shell_min_size: int = Field(
        0, ge=0, le=1_000_000, description="After that, smaller regions of the shell are removed (pixels)."
    )

    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """Background and one channel per class."""
        return n_classes + 1

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Class ids -> one-hot (n_classes + 1, ...). In a one-class project every id counts as the class."""
        ids = np.minimum(labels, 1) if n_classes == 1 else labels
        return np.stack([ids == c for c in range(n_classes + 1)]).astype(np.float32)

    def pick(self, probabilities: Float) -> Classes:
        """The most probable class."""
        return np.asarray(probabilities.argmax(0), np.uint8)

    def clean(self, classes: Classes) -> Classes:
        """Holes, closing, small regions of all but the shell; then the shell, and its small regions."""
        out = super().clean(classes)
        if self.shell:
            disk = _disk(self.shell_reach)
            inside, outside = (
                cv2.dilate((out == c).astype(np.uint8), disk) > 0 for c in (self.shell_inside, self.shell_outside)
            )
            out[inside & outside] = self.shell
            if self.shell_min_size > 1:
                out[_below(out, self.shell_min_size) & (out == self.shell)] = 0
        return out

    @property
    def _spared(self) -> int:
        """The shell has a limit of its own."""
        return self.shell


class Foreground(ClassTarget):
    """One class in one channel: the probability of being foreground (a sigmoid), nothing else."""

    title: ClassVar[str] = "Foreground (one channel)"
    exclusive: ClassVar[bool] = False
    one_class: ClassVar[bool] = True
    kind: Literal["foreground"] = "foreground"
    threshold: float = Field(0.5, gt=0, lt=1, description="Foreground probability above which a voxel is foreground.")

    def channels(self, n_classes: int, dimensions: int = 2) -> int:
        """One."""
        return 1

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Labels -> (1, ...): 1 wherever something is."""
        return (labels > 0)[None].astype(np.float32)

    def pick(self, probabilities: Float) -> Classes:
        """Class 1 above the threshold."""
        return np.asarray(probabilities[0] > self.threshold, np.uint8)


def _below(classes: Classes, size: int) -> NDArray[np.bool_]:
    """Where connected regions of one class have fewer pixels."""
    pieces = cc3d.connected_components(np.ascontiguousarray(classes))
    return (np.bincount(pieces.ravel())[pieces] < size) & (classes > 0)


def _disk(radius: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(y**2 + x**2 <= radius**2, np.uint8)

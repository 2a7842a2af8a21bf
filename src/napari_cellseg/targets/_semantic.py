"""The target of classes, and the clean-up of class maps."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import cc3d
import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage as ndi

from ._common import Float, Labels, Spacing
from ._instances import TargetBase


class Semantic(TargetBase):
    """One probability per class; nothing is said about single objects.

    The clean-up is that of Karabag et al. 2023 (holes, closing, small regions, shell), plane by plane; a class
    only ever takes background, never voxels of another class, except for the shell.
    """

    title: ClassVar[str] = "Classes (semantic)"
    exclusive: ClassVar[bool] = True
    instances: ClassVar[bool] = False
    kind: Literal["semantic"] = "semantic"
    fill_holes: bool = Field(False, description="Fill background that a class encloses in its plane.")
    closing: int = Field(0, ge=0, le=50, description="Close gaps of each class with a disk of this radius (pixels).")
    shell: int = Field(0, ge=0, le=254, description="Class that is a thin shell between two others; 0 for none.")
    shell_inside: int = Field(0, ge=0, le=254, description="Class inside the shell.")
    shell_outside: int = Field(0, ge=0, le=254, description="Class outside the shell (0 is the background).")
    shell_reach: int = Field(
        3, ge=1, le=50, description="Both are dilated by a disk of this radius; the overlap joins the shell (pixels)."
    )

    def channels(self, n_classes: int) -> int:
        """Background and one channel per class."""
        return n_classes + 1

    def encode(self, labels: Labels, n_classes: int = 1, spacing: Spacing = None) -> Float:
        """Class ids -> one-hot (n_classes + 1, ...). In a one-class project every id counts as the class."""
        ids = np.minimum(labels, 1) if n_classes == 1 else labels
        return np.stack([ids == c for c in range(n_classes + 1)]).astype(np.float32)

    def clean(self, classes: NDArray[Any]) -> NDArray[Any]:
        """The clean-up of one plane (Y, X) of class ids."""
        out = self._without_small(self._grown(classes))
        if self.fill_holes:
            out = self._grown(out)  # what small regions left behind
        if self.shell:
            disk = _disk(self.shell_reach)
            inside, outside = (
                cv2.dilate((out == c).astype(np.uint8), disk) > 0 for c in (self.shell_inside, self.shell_outside)
            )
            out[inside & outside] = self.shell
        return out

    def _grown(self, classes: NDArray[Any]) -> NDArray[Any]:
        """Holes and gaps of each class, as far as they are background."""
        out = classes.copy()
        if not (self.fill_holes or self.closing):
            return out
        for c in np.unique(classes[classes > 0]):
            mask = classes == c
            if self.fill_holes:
                mask = ndi.binary_fill_holes(mask)
            if self.closing:
                # a rim as wide as the disk, so that nothing closes against the border of the image
                wide = np.pad(mask.astype(np.uint8), self.closing)
                closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _disk(self.closing))
                inner = slice(self.closing, -self.closing)
                mask = mask | (closed[inner, inner] > 0)
            out[mask & (out == 0)] = c
        return out

    def _without_small(self, classes: NDArray[Any]) -> NDArray[Any]:
        if self.min_size <= 1:
            return classes
        pieces = cc3d.connected_components(np.ascontiguousarray(classes))
        classes[np.bincount(pieces.ravel())[pieces] < self.min_size] = 0
        return classes


def _disk(radius: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(y**2 + x**2 <= radius**2, np.uint8)

"""Clean-up of drafts: every object smoothed, thinned of spurs and filled out slice by slice, numbers kept.

Source: the preparation of first masks in Tiling 2024 (PAPERS.md, section 5); sizes that the paper leaves out are ours.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from pydantic import Field
from scipy import ndimage as ndi

from .._types import Labels, Mask
from ..extensions import DraftStopped
from ..settings import Settings


class CleanUp(Settings):
    """Smooth outlines, no spurs and no crumbs: the clean-up of first masks of Tiling 2024, slice by slice."""

    min_size: int = Field(20, ge=0, le=1_000_000, description="What is smaller in a slice (pixels) goes.")
    smoothing: int = Field(
        2,
        ge=0,
        le=25,
        description="Outlines are smoothed by the mean of a square that reaches so far (2: 5 x 5).",
    )
    opening: int = Field(2, ge=0, le=50, description="Spurs thinner than twice this radius (pixels) go; 0: none.")
    growth: int = Field(1, ge=0, le=50, description="Outlines move outward by so much afterwards (pixels).")

    def __call__(self, labels: Labels, free: Mask | None = None, stop: Callable[[], bool] = lambda: False) -> Labels:
        """Clean labels (Z, Y, X) or (Y, X) -> labels of the same shape, uint32, with the same ids.

        A pixel that two objects want stays with the one that had it, else with the nearer one.

        Parameters
        ----------
        free
            Bool, of the same shape: where labels may change; everywhere where not given. Objects that reach beyond it
            stay as they are, as a whole.
        stop
            Asked before every slice.

        Raises
        ------
        DraftStopped
            When `stop` says so.
        """
        planes = labels.reshape(-1, *labels.shape[-2:])
        kept = np.unique(labels[~free]) if free is not None else np.zeros(0, np.uint32)
        fixed = np.isin(planes, kept[kept > 0])
        if free is not None:
            fixed |= ~free.reshape(planes.shape)
        out = np.empty(planes.shape, np.uint32)
        for plane, still, new in zip(planes, fixed, out, strict=True):
            if stop():
                raise DraftStopped
            new[:] = self._plane(plane, still)
        return out.reshape(labels.shape)

    def _plane(self, labels: Labels, fixed: Mask) -> Labels:
        """One slice (Y, X); what is fixed keeps its label and is given to nobody."""
        out = np.where(fixed, labels, 0).astype(np.uint32)
        away = np.where(fixed, np.float32(-np.inf), np.float32(np.inf))
        reach = self.growth + self.smoothing + 1
        ids, numbers = np.unique(labels, return_inverse=True)
        numbers = numbers.reshape(labels.shape)
        for id, box in zip(ids.tolist(), ndi.find_objects(numbers + 1), strict=True):
            if id == 0 or box is None:
                continue
            wide = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in box)
            mask = (labels[wide] == id) & ~fixed[wide]
            core = self._core(mask)
            if not core.any():
                continue
            far = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            want = far <= self.growth if self.growth else core
            far[mask] = -1  # its own pixels
            better = want & (far < away[wide])
            out[wide][better], away[wide][better] = id, far[better]
        return out

    def _core(self, mask: Mask) -> Mask:
        """An object of a slice smoothed and without spurs; nothing where it is too small."""
        if int(mask.sum()) < self.min_size:
            return np.zeros_like(mask)
        if self.smoothing:
            side = 2 * self.smoothing + 1
            mask = cv2.blur(mask.astype(np.float32), (side, side), borderType=cv2.BORDER_REPLICATE) >= 0.5
        if self.opening:
            from skimage.morphology import disk

            # beyond the border of the image objects go on: it is no outline
            opened = cv2.morphologyEx(
                np.pad(mask, self.opening, mode="edge").astype(np.uint8), cv2.MORPH_OPEN, disk(self.opening)
            )
            mask = opened[self.opening : -self.opening, self.opening : -self.opening] > 0
        return mask

"""The parent as a teacher: what it says where there are no user edits is learnt along with the corrections.

Corrections are where the parent was wrong, so learning from them alone moves it away from what it did well: outlines
become tighter, other kinds of images are forgotten. The idea is that of Li & Hoiem 2016 ("Learning without forgetting",
ECCV), with the pixels of the same patches in the place of other tasks: no earlier image is needed.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..data import Batch
from ..nets.thin import ThinInFloat32

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Teacher:
    """A network that does not change.

    Parameters
    ----------
    network
        With the parent's weights.
    share
        What the parent says weighs so much of what is known, in every batch: where little is known, much of a patch is
        the parent's, and must not drown it. Above all in a new kind of image, where the parent may see nothing.
    """

    def __init__(self, network: nn.Module, exclusive: bool, share: float, fabric: Fabric) -> None:
        self._network = copy.deepcopy(network).requires_grad_(False).eval()
        self._exclusive, self._fabric, self._share = exclusive, fabric, share

    def taught(self, batch: Batch) -> Batch:
        """The batch with what the parent says where nothing is known."""
        known = batch.known > 0
        unknown = int((~known).sum())
        if not unknown:
            return batch
        weight = min(1.0, self._share * float(batch.known.sum()) / unknown)
        said = self._say(batch.pixels).to(batch.target.device)
        return Batch(batch.pixels, torch.where(known, batch.target, said), torch.where(known, batch.known, weight))

    def _say(self, pixels: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, K, [Z], Y, X) float32."""
        with torch.no_grad(), self._fabric.autocast(), ThinInFloat32():
            output: torch.Tensor = self._network(pixels.to(self._fabric.device)).float()
        return output.softmax(1) if self._exclusive else output.sigmoid()

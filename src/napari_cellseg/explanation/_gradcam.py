"""Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ._layers import calls, tapped
from ._subject import Seen, Subject


def gradcam(subject: Subject, layer: str) -> Seen:
    """ReLU(sum over k of a_k A_k), enlarged to the input; a_k is the mean over space of d score / d A_k.

    Raises
    ------
    CellsegError
        When there is no such layer.
    """
    with torch.enable_grad(), tapped(subject.network, layer, calls(subject.network, subject.pixels)) as (name, kept):
        pixels = subject.pixels.clone().requires_grad_()  # so that frozen layers have gradients, too
        score = subject.score(subject.network(pixels)).sum()
        maps = kept[-1]
        (gradient,) = torch.autograd.grad(score, maps, allow_unused=True)
    if gradient is None:  # the score does not depend on this layer
        gradient = torch.zeros_like(maps)
    space = tuple(range(2, maps.ndim))
    weighted = (gradient.mean(space, keepdim=True) * maps.detach()).sum(1, keepdim=True).relu()
    mode = "trilinear" if weighted.ndim == 5 else "bilinear"
    size = subject.pixels.shape[2:]
    if weighted.shape[2:] != size:
        weighted = F.interpolate(weighted, size, mode=mode, align_corners=False)
    return Seen(np.asarray(weighted[0, 0].cpu().numpy(), np.float32), name)

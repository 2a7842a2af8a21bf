"""Networks that halve their input need sides that can be halved; these take any size."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def padded(x: torch.Tensor, strides: tuple[int, ...]) -> torch.Tensor:
    """Mirror (N, C, ..., Y, X) at its far ends up to multiples of `strides`; repeat the edge where it is too short."""
    sizes = x.shape[2:]
    missing = [-n % s for n, s in zip(sizes, strides, strict=True)]
    if not any(missing):
        return x
    mode = "reflect" if all(m < n for m, n in zip(missing, sizes, strict=True)) else "replicate"
    pad = [k for m in reversed(missing) for k in (0, m)]
    return F.pad(x, pad, mode=mode)

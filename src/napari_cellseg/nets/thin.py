"""Volumes so thin that processors compute them wrongly in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class ThinInFloat32(TorchFunctionMode):
    """A context in which a volume thinner than the kernel is convolved in float32 by processors.

    Seen with torch 2.13 (oneDNN) on AVX-512: there the bfloat16 gradient of the weights is wrong, up to 1e31 and NaN,
    and with one channel and one plane so is the output. Every case found has a side shorter than the kernel. In a 3D
    network that is the deepest levels, where it costs little.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv3d and torch.is_autocast_enabled("cpu") and _thin(args[0], args[1]):
            with torch.autocast("cpu", enabled=False):
                return func(args[0].float(), *args[1:], **kwargs)
        return func(*args, **kwargs)


def _thin(volume: torch.Tensor, weight: torch.Tensor) -> bool:
    sides = zip(volume.shape[-3:], weight.shape[-3:], strict=True)
    return volume.device.type == "cpu" and any(side < kernel for side, kernel in sides)

"""The decoder of Das et al. 2025 over frozen encoders: MODEL-1, and the comparison of six encoders.

Data flow: x -> encoder -> features per level -> blocks (transposed convolution, norm, ReLU, dropout, resized to the
skip, joined, perhaps refined) -> transposed convolution to the full resolution -> 1 x 1 -> logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from .base import Network, resized

_LEAST = 96
"""Encoders that do not pad (Inception) need an image of at least this many pixels."""


@dataclass(frozen=True)
class Shape:
    """What the decoder is like.

    Attributes
    ----------
    levels
        Which of the encoder's features it takes, deepest first; the first is the bridge.
    features
        Channels of each block, deepest first; empty: as many as the skip has.
    last
        Channels at the full resolution.
    refine
        A 3 x 3 convolution after each join.
    dropout
        Rate of each block, deepest first; empty: none.
    """

    levels: tuple[int, ...]
    features: tuple[int, ...] = ()
    last: int = 64
    refine: bool = False
    dropout: tuple[float, ...] = ()


class TransposedUNet(Network):
    """A U-Net of transposed convolutions over a classification network.

    Parameters
    ----------
    encoder
        Gives features of halving size (any of segmentation-models-pytorch).
    channels
        Of these features, the first at full resolution.
    """

    def __init__(self, shape: Shape, encoder: nn.Module, channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.encoder, self.levels = encoder, shape.levels
        self.strides = (2 ** (len(channels) - 1),) * 2
        skips = [channels[k] for k in shape.levels[1:]]
        now = self._bridge_channels(channels[shape.levels[0]])
        up, refine = [], []
        for level, (n, skip) in enumerate(zip(shape.features or skips, skips, strict=True)):
            rate = shape.dropout[level] if shape.dropout else 0.0
            up.append(nn.Sequential(*_enlarge(now, n), *([nn.Dropout(rate)] if rate else [])))
            now = n + skip
            if shape.refine:
                refine.append(nn.Sequential(nn.Conv2d(now, n, 3, padding=1), nn.BatchNorm2d(n), nn.ReLU(inplace=True)))
                now = n
        self.up, self.refine = nn.ModuleList(up), nn.ModuleList(refine)
        self.last = nn.Sequential(*_enlarge(now, shape.last, 2 if shape.levels[-1] else 1))
        self.head = nn.Conv2d(shape.last, out_channels, 1)

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return self.encoder

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Encode, decode; sizes are made equal bilinearly before they are joined."""
        height, width = x.shape[-2:]
        wide = F.pad(x, (0, max(0, _LEAST - width), 0, max(0, _LEAST - height)), mode="replicate")
        found = self.encoder(wide)
        out = self._bridge(found[self.levels[0]])
        for level, up in enumerate(self.up):
            skip = found[self.levels[level + 1]]
            out = torch.cat([resized(up(out), skip), skip], 1)
            out = self.refine[level](out) if len(self.refine) else out
        out = self.head(resized(self.last(out), wide))
        cut: torch.Tensor = out[..., :height, :width]
        return cut

    def _bridge_channels(self, channels: int) -> int:
        head = getattr(self.encoder, "_conv_head", None)
        return channels if head is None else int(head.out_channels)

    def _bridge(self, x: torch.Tensor) -> torch.Tensor:
        """The deepest features; an EfficientNet's last convolution, which the library leaves out, belongs to them."""
        if getattr(self.encoder, "_conv_head", None) is None:
            return x
        x = self.encoder._bn1(self.encoder._conv_head(x))  # type: ignore[operator]
        return F.silu(x)


def _enlarge(in_channels: int, out_channels: int, step: int = 2) -> list[nn.Module]:
    up = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=step, padding=1, output_padding=step - 1)
    return [up, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]

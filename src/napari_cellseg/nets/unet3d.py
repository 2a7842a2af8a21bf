"""The 3D U-Net of Tiling 2024 (after Cicek et al. 2016), of any width, for anisotropic volumes too."""

from __future__ import annotations

import torch
from torch import nn

from .padding import padded


class UNet3D(nn.Module):
    """Double convolutions with batch norm, max pooling, transposed convolutions, concatenated skips.

    Parameters
    ----------
    width
        Features of the first level; each of the three levels below has twice as many.
    flat
        In the first `flat` levels only Y and X are halved, for volumes with few or thick slices.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 64, flat: int = 0) -> None:
        super().__init__()
        features = [width, 2 * width, 4 * width]
        steps = [(1, 2, 2) if level < flat else (2, 2, 2) for level in range(3)]
        self.strides = tuple(1 << sum(step[k] == 2 for step in steps) for k in range(3))
        down, channels = [], in_channels
        for n in features:
            down.append(_double(channels, n))
            channels = n
        self.down = nn.ModuleList(down)
        self.pool = nn.ModuleList(nn.MaxPool3d(step) for step in steps)
        self.bottom = _double(channels, 8 * width)
        up, merge, channels = [], [], 8 * width
        for n, step in zip(reversed(features), reversed(steps), strict=True):
            up.append(nn.ConvTranspose3d(channels, n, step, stride=step))
            merge.append(_double(2 * n, n))
            channels = n
        self.up, self.merge = nn.ModuleList(up), nn.ModuleList(merge)
        self.head = nn.Conv3d(width, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, Z, Y, X) -> (N, classes, Z, Y, X) logits, any size."""
        depth, height, width = x.shape[2:]
        x = padded(x, self.strides)
        skips = []
        for block, pool in zip(self.down, self.pool, strict=True):
            x = block(x)
            skips.append(x)
            x = pool(x)
        x = self.bottom(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        out: torch.Tensor = self.head(x)
        return out[..., :depth, :height, :width]


def _double(in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv3d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)

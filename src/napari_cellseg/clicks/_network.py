"""The small network that heeds a person."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..nets.features import Maps
from ._maps import MAPS

FEATURES = 35
"""Channels of `features_of`: picture, foreground and distance, sixteen of the decoder, sixteen at full resolution."""
WIDTH, FINE = 16, 8


def features_of(x: torch.Tensor, logits: torch.Tensor, maps: Maps) -> torch.Tensor:
    """What the base network tells of each pixel, (N, FEATURES, Y, X) float32.

    Parameters
    ----------
    x
        (N, 1, Y, X), the picture as the network sees it.
    logits, maps
        What `nets.features.Features` gave of it.
    """
    return torch.cat([x.float(), logits.float().sigmoid(), maps[-2].float(), maps[-1].float()], 1)


class ClickNetwork(nn.Module):
    """(N, FEATURES, Y, X) and prompts (N, MAPS, Y, X) -> logits (N, 1, Y, X) of one object; sides are multiples of 8.

    A U-Net over features at half the resolution, and one convolution at the full one.
    """

    def __init__(self) -> None:
        super().__init__()
        w = WIDTH
        self.mix = nn.Sequential(nn.Conv2d(FEATURES, w, 1), nn.ReLU(inplace=True))
        self.fine = nn.Sequential(nn.Conv2d(FEATURES + MAPS, FINE, 1), nn.ReLU(inplace=True))
        self.down1 = nn.Sequential(_convolution(w + MAPS, w), _convolution(w, w))
        self.down2 = nn.Sequential(_convolution(w, 2 * w), _convolution(2 * w, 2 * w))
        self.down3 = nn.Sequential(_convolution(2 * w, 4 * w), _convolution(4 * w, 4 * w), _convolution(4 * w, 4 * w))
        self.up2, self.up1 = _convolution(6 * w, 2 * w), _convolution(3 * w, w)
        self.coarse = nn.Conv2d(w, FINE, 1)
        self.out = nn.Sequential(_convolution(2 * FINE, 2 * FINE), nn.Conv2d(2 * FINE, 1, 1))

    def forward(self, features: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Logits."""
        first = self.down1(F.avg_pool2d(torch.cat([self.mix(features), prompts], 1), 2))
        second = self.down2(F.max_pool2d(first, 2))
        third = self.down3(F.max_pool2d(second, 2))
        second = self.up2(torch.cat([_larger(third), second], 1))
        first = self.up1(torch.cat([_larger(second), first], 1))
        fine = self.fine(torch.cat([features, prompts], 1))
        out: torch.Tensor = self.out(torch.cat([_larger(self.coarse(first)), fine], 1))
        return out


def _convolution(in_channels: int, out_channels: int) -> nn.Module:
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def _larger(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

"""U-Nets of any dimension from one builder: blocks, decoder, own or borrowed encoder.

Data flow: x -> encoder -> features per level -> decoder (enlarge, gate and join the skip, block) -> head -> logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from .base import Network, resized

Block = Literal["plain", "residual", "multiscale"]
Norm = Literal["batch", "instance", "none"]
Size = tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """What a U-Net is made of.

    Attributes
    ----------
    dimensions
        2 or 3.
    block
        plain: two 3 x 3 convolutions (Ronneberger et al. 2015). residual: the first convolution's output is added to
        the second's (He et al. 2016), which needs no parameters. multiscale: two streams of two convolutions, 3 x 3
        and 5 x 5, concatenated and fused by 1 x 1 (Shamhan et al. 2023).
    norm
        After every convolution; instance norm has learnt scales.
    bias
        Whether convolutions before a norm have one.
    dropout
        Rate per level from the full resolution down (the last one holds for all below). Empty: none.
    spatial
        Drop whole channels (Tompson et al. 2015).
    kernel
        Side of the transposed convolutions: 2, or 3 with overlap.
    gates
        Additive attention on the skips (Oktay et al. 2018).
    gate_share
        Channels inside a gate, as a share of the block's.
    activations
        A residual Instance Activation module after every decoder block (see `InstanceActivation`).
    drop_last
        Dropout ends a decoder block instead of standing between its convolutions.
    deep_dropout
        Rate at the end of the encoder's deepest level and of the bottom, nowhere else (MATLAB's U-Net).
    rectify
        ReLU after each transposed convolution (MATLAB's U-Net).
    """

    dimensions: int = 2
    block: Block = "plain"
    norm: Norm = "batch"
    bias: bool = False
    dropout: tuple[float, ...] = ()
    spatial: bool = False
    kernel: int = 2
    gates: bool = False
    gate_share: float = 0.5
    activations: bool = False
    drop_last: bool = False
    deep_dropout: float = 0.0
    rectify: bool = False

    def convolution(self, in_channels: int, out_channels: int, side: int = 3) -> list[nn.Module]:
        """Convolution, norm, ReLU."""
        kind = nn.Conv3d if self.dimensions == 3 else nn.Conv2d
        bias = self.bias or self.norm == "none"
        return [
            kind(in_channels, out_channels, side, padding=side // 2, bias=bias),
            *self.norms(out_channels),
            nn.ReLU(inplace=True),
        ]

    def norms(self, channels: int) -> list[nn.Module]:
        """The norm, if any."""
        three = self.dimensions == 3
        if self.norm == "batch":
            return [nn.BatchNorm3d(channels) if three else nn.BatchNorm2d(channels)]
        if self.norm == "instance":
            kind = nn.InstanceNorm3d if three else nn.InstanceNorm2d
            return [kind(channels, affine=True)]
        return []

    def drop(self, level: int) -> list[nn.Module]:
        """Dropout of a level, if any."""
        rate = self.dropout[min(level, len(self.dropout) - 1)] if self.dropout else 0.0
        if not rate:
            return []
        if not self.spatial:
            return [nn.Dropout(rate)]
        return [nn.Dropout3d(rate) if self.dimensions == 3 else nn.Dropout2d(rate)]

    def enlarge(self, in_channels: int, out_channels: int, step: Size) -> nn.Module:
        """A transposed convolution that multiplies the sides by `step`."""
        kind = nn.ConvTranspose3d if self.dimensions == 3 else nn.ConvTranspose2d
        if self.kernel == 2:
            return kind(in_channels, out_channels, step, stride=step)  # type: ignore[arg-type]
        one = tuple(s - 1 for s in step)
        return kind(in_channels, out_channels, 3, stride=step, padding=1, output_padding=one)  # type: ignore[arg-type]

    def block_of(self, in_channels: int, out_channels: int, level: int) -> nn.Module:
        """A block."""
        if self.block == "multiscale":
            return MultiScale(self, in_channels, out_channels, level)
        first, second = self.convolution(in_channels, out_channels), self.convolution(out_channels, out_channels)
        drop = [] if self.drop_last else self.drop(level)
        if self.block == "residual":
            return Residual(first, second, drop)
        return nn.Sequential(*first, *drop, *second)

    def deep(self, block: nn.Module) -> nn.Module:
        """A block of the deepest levels."""
        return nn.Sequential(block, nn.Dropout(self.deep_dropout)) if self.deep_dropout else block


class Residual(nn.Module):
    """Two convolutions; the second learns what the first lacks."""

    def __init__(self, first: list[nn.Module], second: list[nn.Module], drop: list[nn.Module]) -> None:
        super().__init__()
        self.first = nn.Sequential(*first, *drop)
        self.second = nn.Sequential(*second[:-1])  # the sum comes before the last ReLU

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> (N, out, ...)."""
        x = self.first(x)
        return F.relu(self.second(x) + x)


class MultiScale(nn.Module):
    """Parallel streams of 3 x 3 and 5 x 5 convolutions, dropout on each one's output, concatenated, fused by 1 x 1."""

    def __init__(self, parts: Parts, in_channels: int, out_channels: int, level: int) -> None:
        super().__init__()
        drop = parts.drop(level)
        self.streams = nn.ModuleList(
            nn.Sequential(
                *parts.convolution(in_channels, out_channels, side),
                *(nn.Identity() for _ in drop),  # where dropout once was: weights keep their names
                *parts.convolution(out_channels, out_channels, side),
                *parts.drop(level),
            )
            for side in (3, 5)
        )
        self.fuse = nn.Sequential(*parts.convolution(2 * out_channels, out_channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> (N, out, ...)."""
        fused: torch.Tensor = self.fuse(torch.cat([stream(x) for stream in self.streams], 1))
        return fused


class Gate(nn.Module):
    """Additive attention (Oktay et al. 2018): skip * sigmoid(conv(ReLU(conv skip + conv gate)))."""

    def __init__(self, parts: Parts, skip: int, gate: int, inner: int) -> None:
        super().__init__()
        kind = nn.Conv3d if parts.dimensions == 3 else nn.Conv2d
        self.skip = kind(skip, inner, 1, bias=False)
        self.gate = kind(gate, inner, 1)
        self.psi = kind(inner, 1, 1)

    def forward(self, skip: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        """Both of one size; the skip, weakened where the gate sees nothing."""
        return skip * torch.sigmoid(self.psi(F.relu(self.skip(skip) + self.gate(gate))))


class InstanceActivation(nn.Module):
    """x + ReLU(norm(1 x 1 convolution of x)): the residual module of Das et al. 2025."""

    def __init__(self, parts: Parts, channels: int) -> None:
        super().__init__()
        self.module = nn.Sequential(*parts.convolution(channels, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> the same shape."""
        out: torch.Tensor = x + self.module(x)
        return out


class Decoding(Network):
    """The half that enlarges: subclasses bring the features."""

    def make_decoder(
        self, parts: Parts, bottom: int, skips: Sequence[int], features: Sequence[int], steps: Sequence[Size], out: int
    ) -> None:
        """Make the layers.

        Parameters
        ----------
        bottom
            Channels of the deepest features.
        skips
            Channels of the skips, deepest first; 0 where a level has none.
        features
            Channels of each level's block, deepest first.
        steps
            By what each level enlarges ([Z], Y, X).
        out
            Classes.
        """
        up, merge, gates, channels = [], [], [], bottom
        for level, (n, skip, step) in enumerate(zip(features, skips, steps, strict=True)):
            up.append(parts.enlarge(channels, n, step))
            gates.append(
                Gate(parts, skip, n, max(int(n * parts.gate_share), 1)) if parts.gates and skip else nn.Identity()
            )
            depth = len(features) - 1 - level
            block = [parts.block_of(n + skip, n, depth), *([InstanceActivation(parts, n)] if parts.activations else [])]
            block += parts.drop(depth) if parts.drop_last else []
            merge.append(nn.Sequential(*block) if len(block) > 1 else block[0])
            channels = n
        self.up, self.merge = nn.ModuleList(up), nn.ModuleList(merge)
        if parts.gates:
            self.gates = nn.ModuleList(gates)
        self.gated, self.rectify = parts.gates, parts.rectify
        self.head = (nn.Conv3d if parts.dimensions == 3 else nn.Conv2d)(channels, out, 1)

    def decode(self, x: torch.Tensor, skips: Sequence[torch.Tensor | None]) -> torch.Tensor:
        """Features of the bottom and the skips (deepest first) -> logits."""
        for level, (up, merge, skip) in enumerate(zip(self.up, self.merge, skips, strict=True)):
            x = F.relu(up(x)) if self.rectify else up(x)
            if skip is not None:
                x = resized(x, skip)
                x = torch.cat([self.gates[level](skip, x) if self.gated else skip, x], 1)
            x = merge(x)
        out: torch.Tensor = self.head(x)
        return out


class UNet(Decoding):
    """A U-Net with an encoder of its own.

    Parameters
    ----------
    features
        Channels of each level from the full resolution down; the last is the bottom.
    flat
        In the first `flat` levels of a 3D network only Y and X are halved, for volumes with few or thick slices.
    """

    def __init__(
        self, parts: Parts, in_channels: int, out_channels: int, features: Sequence[int], flat: int = 0
    ) -> None:
        super().__init__()
        levels, bottom = list(features[:-1]), features[-1]
        two = (2,) * parts.dimensions
        steps = [(1, 2, 2) if level < flat and parts.dimensions == 3 else two for level in range(len(levels))]
        self.strides = tuple(1 << sum(step[k] == 2 for step in steps) for k in range(parts.dimensions))
        pool = nn.MaxPool3d if parts.dimensions == 3 else nn.MaxPool2d
        inputs = [in_channels, *levels]
        self.down = nn.ModuleList(parts.block_of(a, b, k) for k, (a, b) in enumerate(zip(inputs, levels, strict=False)))
        self.down[-1] = parts.deep(self.down[-1])
        self.pool = nn.ModuleList(pool(step) for step in steps)
        self.bottom = parts.deep(parts.block_of(levels[-1], bottom, len(levels)))
        self.make_decoder(parts, bottom, levels[::-1], levels[::-1], steps[::-1], out_channels)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Down, bottom, up."""
        skips: list[torch.Tensor] = []
        for block, pool in zip(self.down, self.pool, strict=True):
            x = block(x)
            skips.append(x)
            x = pool(x)
        return self.decode(self.bottom(x), skips[::-1])


class EncoderUNet(Decoding):
    """A U-Net whose encoder is a classification network (any of segmentation-models-pytorch), perhaps frozen.

    Parameters
    ----------
    encoder
        Gives features of halving size, the first at full resolution (perhaps the image itself).
    channels
        Of these features.
    features
        Channels of the decoder's blocks, deepest first.
    levels
        Which of the encoder's features the decoder takes, deepest first; the first is the bottom.
    pooled
        Take features after the pooling that follows them.
    """

    def __init__(
        self,
        parts: Parts,
        encoder: nn.Module,
        channels: Sequence[int],
        out_channels: int,
        features: Sequence[int],
        levels: Sequence[int],
        *,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.levels, self.pooled = tuple(levels), pooled
        self.strides = (2 ** (len(channels) - 1),) * 2
        channels = [0, *channels[:-1]] if pooled else channels
        # a level without features of its own (the image is none) is enlarged without a skip
        skips = [channels[k] if k in self.levels else 0 for k in range(self.levels[0] - 1, -1, -1)]
        steps = [(2, 2)] * len(skips)
        self.make_decoder(parts, channels[self.levels[0]], skips, list(features)[: len(skips)], steps, out_channels)

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return self.encoder

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Encode, decode."""
        found = self.encoder(x)
        if self.pooled:
            found = [x, *(F.max_pool2d(f, 2) for f in found[:-1])]
        bottom = self.levels[0]
        return self.decode(found[bottom], [found[k] if k in self.levels else None for k in range(bottom - 1, -1, -1)])

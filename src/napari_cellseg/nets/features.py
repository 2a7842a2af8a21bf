"""What a network knows of every pixel, and a head on it that is fitted in well under a second.

A head adds to the network's logits a linear function of its frozen features. Being linear, it is computed at the
features' own scales and enlarged afterwards: two channels are enlarged instead of hundreds.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .base import Network
from .smp import AnySize

STAGES = (1, 2, 3)
"""Stages of the encoder whose features are used: every second, fourth, eighth pixel."""
LEVELS = 4
"""Plain filters are computed at the full resolution and at halved ones."""
Maps = list[torch.Tensor]


class Features(nn.Module):
    """A network that also tells its features.

    Networks of segmentation-models-pytorch give features of encoder and decoder; others only filters of the image.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self._seen: dict[str, Any] = {}
        if isinstance(network, AnySize):
            taps = {"encoder": network.backbone, "decoder": network.network.decoder, "detail": network.detail}
            for name, part in taps.items():
                if isinstance(part, nn.Module):
                    part.register_forward_hook(self._keep(name))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Maps]:
        """(N, C, Y, X) -> logits (N, K, Y, X) and maps (N, F, y, x) whose sides are those of x over a power of two."""
        self._seen.clear()
        logits = self.network(x)
        maps = plain_filters(x)
        encoded = self._seen.get("encoder")
        if encoded is not None:
            maps += [encoded[n] for n in STAGES if n < len(encoded)]
        maps += [self._seen[name] for name in ("decoder", "detail") if name in self._seen]
        self._seen.clear()
        return logits, maps

    def _keep(self, name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            self._seen[name] = output

        return hook


class WithHead(Network):
    """A network with a fitted head: (N, C, Y, X) -> logits (N, K, Y, X).

    Parameters
    ----------
    weight
        (K, F), for all maps one after another.
    bias
        (K,).
    """

    def __init__(self, features: Features, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.features, self.strides = features, features.network.strides
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The network's logits and what the head adds."""
        logits, maps = self.features(x)
        return with_head(logits, maps, self.weight, self.bias)  # type: ignore[arg-type]


def with_head(logits: torch.Tensor, maps: Maps, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Logits (N, K, Y, X) of a network and a head's sum over its maps."""
    with torch.autocast(logits.device.type, enabled=False):
        sums: dict[tuple[int, ...], torch.Tensor] = {}  # enlarging costs most: maps of one size are added up before
        start = 0
        for values in maps:
            part = weight[:, start : start + values.shape[1]]
            start += values.shape[1]
            added = F.conv2d(values.float(), part[..., None, None])
            size = tuple(added.shape[2:])
            sums[size] = sums[size] + added if size in sums else added
        # channels last, two of them, are enlarged and added five times more slowly
        out = logits.float().contiguous() + bias.view(1, -1, 1, 1)
        for size, added in sums.items():
            if size != tuple(out.shape[2:]):
                added = F.interpolate(added.contiguous(), out.shape[2:], mode="bilinear", align_corners=False)
            out += added
    return out


def at_pixels(maps: Maps, places: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Features of single pixels, as `with_head` sees them.

    Parameters
    ----------
    maps
        Of one image, (1, F, y, x) each.
    places
        (M, 2) row and column.
    shape
        Sides of the image.

    Returns
    -------
    tensor
        (M, F) float32, all maps one after another.
    """
    out = []
    size = torch.tensor(shape, dtype=torch.float32, device=places.device)
    unit = (places.float() + 0.5) / size * 2 - 1
    grid = unit.flip(-1)[None, None]
    for values in maps:
        if values.shape[2:] == shape:
            out.append(values[0, :, places[:, 0], places[:, 1]].float().T)
            continue
        found = F.grid_sample(values.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
        out.append(found[0, :, 0].T)
    return torch.cat(out, 1)


def plain_filters(x: torch.Tensor) -> Maps:
    """Smoothed intensity, size of the gradient and Laplacian at four scales, one map a scale: (N, 3 C, y, x)."""
    maps: Maps = []
    small = x.float()
    for level in range(LEVELS):
        if level:
            if min(small.shape[-2:]) < 2:
                break
            small = F.avg_pool2d(small, 2)
        padded = F.pad(small, (1, 1, 1, 1), mode="replicate")
        smooth = F.avg_pool2d(padded, 3, stride=1)
        dy = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
        dx = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
        maps.append(torch.cat([smooth, (dy * dy + dx * dx + 1e-8).sqrt(), smooth - small], 1))
    return maps

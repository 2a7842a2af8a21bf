"""Layer-wise relevance propagation with zennit's rules for layers and ours for what lies between them."""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import CellsegError
from ..nets.smp import library
from ._layers import CONVOLUTIONS, Call, calls
from ._rules import Rules, stabilised
from ._subject import Seen, Subject


def propagate(subject: Subject, epsilon: float, gamma: float) -> Seen:
    """Relevance of every pixel, summed over channels, and how much of the score's relevance arrived.

    Raises
    ------
    CellsegError
        When zennit is not installed, or the network computes something without a rule.
    """
    zennit = _zennit()
    network = merged(subject.network, subject.pixels)
    template = _rules_by_layer(zennit, network, subject.pixels, (epsilon, gamma))
    composite = zennit.core.Composite(module_map=lambda _, name, __: template.get(name))
    pixels = subject.pixels.clone().requires_grad_()
    with torch.enable_grad(), composite.context(network):
        with Rules():
            logits = network(pixels)
        leaf = logits.detach().requires_grad_()
        (chosen,) = torch.autograd.grad(subject.score(leaf).sum(), leaf)
        start = leaf.detach() * chosen
        (relevance,) = torch.autograd.grad(logits, pixels, start)
    total = float(start.double().sum())
    share = float(relevance.double().sum()) / total if total else 0.0
    return Seen(np.asarray(relevance[0].sum(0).cpu().numpy(), np.float32), "", share)


def merged(network: nn.Module, pixels: torch.Tensor) -> nn.Module:
    """A copy whose batch norms right after a convolution, plain or transposed, are part of it."""
    merge = _zennit().canonizers.MergeBatchNorm.merge_batch_norm
    network = copy.deepcopy(network).eval()
    made_by: dict[int, Call] = {}
    for call in calls(network, pixels):
        if isinstance(call.layer, _NORMS):
            before = made_by.get(id(call.input))
            if before is not None and isinstance(before.layer, CONVOLUTIONS):
                with torch.no_grad():
                    merge([before.layer], _with_scale(call.layer))
                call.layer.eps = 0.0
        elif isinstance(call.layer, CONVOLUTIONS) or not list(call.layer.children()):
            made_by[id(call.output)] = call  # an activation in place gives the same tensor again
    return network


_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def _with_scale(norm: Any) -> Any:
    """The same norm; one without learnt scales gets scales of one."""
    if norm.weight is None:
        norm.weight = nn.Parameter(torch.ones_like(norm.running_mean))
        norm.bias = nn.Parameter(torch.zeros_like(norm.running_mean))
    return norm


def _rules_by_layer(
    zennit: ModuleType, network: nn.Module, pixels: torch.Tensor, strength: tuple[float, float]
) -> dict[str, Any]:
    """The rule of every convolution and fully connected layer, by name."""
    epsilon, gamma = strength
    rules = zennit.rules

    def stabiliser(z: torch.Tensor) -> torch.Tensor:
        return stabilised(z, epsilon)

    low, high = (pixels.amin(_space(pixels), keepdim=True), pixels.amax(_space(pixels), keepdim=True))
    first = rules.ZBox(low.expand_as(pixels), high.expand_as(pixels), stabilizer=stabiliser)
    encoder = _encoder(network)
    found: dict[str, Any] = {}
    for call in calls(network, pixels):
        if isinstance(call.layer, nn.Linear):
            found[call.name] = rules.Epsilon(stabiliser)
        elif isinstance(call.layer, CONVOLUTIONS):
            sees_image = call.input.shape == pixels.shape and torch.equal(call.input, pixels)
            inner = rules.Gamma(gamma, stabiliser) if id(call.layer) in encoder else rules.Epsilon(stabiliser)
            found[call.name] = first if sees_image else inner
    return found


def _encoder(network: nn.Module) -> set[int]:
    """Layers of the half that reduces: the borrowed encoder, or a U-Net's own."""
    backbone = getattr(network, "backbone", None)
    parts = [backbone] if backbone is not None else [getattr(network, n, None) for n in ("down", "bottom")]
    return {id(m) for part in parts if isinstance(part, nn.Module) for m in part.modules()}


def _space(pixels: torch.Tensor) -> tuple[int, ...]:
    return tuple(range(2, pixels.ndim))


def _zennit() -> ModuleType:
    library()  # zennit imports torchvision, which does not load beside every torch: see there
    try:
        import zennit
        import zennit.canonizers
        import zennit.core
        import zennit.rules
    except ImportError as error:
        raise CellsegError(
            "LRP needs zennit, which is not installed.",
            'Install it: pip install "napari-cellseg[explain]" (or: pip install zennit); gradcam and occlusion need '
            "nothing more.",
        ) from error
    module: ModuleType = zennit
    return module

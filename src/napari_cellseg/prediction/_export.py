"""From torch to OpenVINO, and whether both say the same."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from .._types import Float
from ..config import Config
from ..nets.base import Probabilities
from ..nets.place import Device, out_of_memory
from ..project import ModelCard
from ._model import bytes_per_voxel, reach, run
from ._runtime import Facts, Runtime, _openvino
from ._trial import TRIALS, differing, trial

TOLERANCE = 1e-3
"""Share of voxels that may get other labels than torch gives them in float32..."""
SLACK = 1.5
"""...or, where that is more, so many times as many as torch itself labels differently in bfloat16."""
MORE = 1.5
"""OpenVINO was seen to need up to so many times the memory of torch (EfficientNet-Lite0 in bfloat16)."""


def export(
    network: nn.Module, card: ModelCard, config: Config, device: Device, precision: str
) -> tuple[Runtime | None, Facts, Any]:
    """OpenVINO's form of a fused network, what is known of it, and the model to keep; None and the reason if it fails.

    Whatever goes wrong in there, torch can predict, so nothing is raised.
    """
    dimensions = config.model.dimensions
    try:
        model = convert(network, card, config)
        strides = tuple(getattr(network, "strides", (1,) * dimensions))
        runtime = Runtime(model, Facts(strides=strides), precision)
        differs, allowed = compare(runtime, network, card, config, device)
    except Exception as error:  # noqa: BLE001 - a converter of every layer there is may fail in any way
        if isinstance(error, MemoryError | OSError) or (isinstance(error, RuntimeError) and out_of_memory(error)):
            return None, Facts(), None  # may go well the next time
        words = str(error).strip().splitlines()
        return None, Facts(reason=f"its network cannot be converted ({words[-1][:200] if words else error!r})"), None
    if differs > allowed:
        return None, Facts(reason=f"{differs:.2%} of a trial would get other labels", differs=differs), None

    def forward(stack: Float) -> Float:
        return run(network, device, stack, config.target.exclusive)

    needs = MORE * bytes_per_voxel(forward, card.in_channels, dimensions)
    runtime.facts = Facts("", strides, reach(network, device, card.in_channels, dimensions), needs, differs)
    return runtime, runtime.facts, model


def convert(network: nn.Module, card: ModelCard, config: Config) -> Any:
    """OpenVINO's model: one tile of any size that is a multiple of the strides -> probabilities."""
    dimensions = config.model.dimensions
    example = torch.rand(1, card.in_channels, *((16, 64, 64) if dimensions == 3 else (128, 128)))
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # tracing warns of every size that becomes a constant; two sizes are compared
        whole = Probabilities(network, config.target.exclusive).eval()
        traced = torch.jit.trace(whole, example, check_trace=False, strict=False)
        model = _openvino().convert_model(traced)
    model.reshape([1, card.in_channels, *[-1] * dimensions])
    return model


def compare(
    runtime: Runtime, network: nn.Module, card: ModelCard, config: Config, device: Device
) -> tuple[float, float]:
    """Share of voxels that get other labels than in torch's float32, and how large it may be."""
    exclusive, coded, worst, allowed = config.target.exclusive, config.target.by_patch, 0.0, TOLERANCE
    for shape in TRIALS[config.model.dimensions]:
        pixels = trial(card.in_channels, shape)
        exact = run(network, Device(device.where, False), pixels, exclusive)
        worst = max(worst, differing(runtime(pixels), exact, exclusive, coded))
        if device.bfloat16:
            own = run(network, device, pixels, exclusive)
            allowed = max(allowed, SLACK * differing(own, exact, exclusive, coded))
    return worst, allowed

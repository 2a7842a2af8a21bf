"""Where and in which precision networks run, chosen at run time."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from ..kernels.threads import NETWORKS
from ..processes import cores
from .place import Device, gpus_wanted, out_of_memory

__all__ = ["Device", "choose", "fused", "out_of_memory"]


def choose(precision: str = "auto") -> Device:
    """The best device there is; ``precision`` is auto, fp32, bf16 or fp16.

    The environment variable ``CELLSEG_DEVICE=cpu`` leaves GPUs alone.

    GPUs that only emulate bfloat16 get float16, which they compute fast, and whose gradients need a scaled loss.
    """
    gpus = gpus_wanted()
    if gpus and torch.cuda.is_available():
        kind, native = "cuda", _gpu_has_bfloat16()
        half = precision == "fp16" or (precision == "auto" and not native)
        return Device(kind, not half and (native if precision == "auto" else precision == "bf16"), half)
    if gpus and torch.backends.mps.is_available():
        kind, native = "mps", False
    else:
        kind, native = "cpu", _cpu_has_bfloat16()
        torch.set_num_threads(max(1, cores()))
    return Device(kind, native if precision in ("auto", "fp16") else precision == "bf16")


def fused(network: nn.Module) -> nn.Module:
    """The network in evaluation mode with every batch norm folded into the convolution before it.

    The result is the same up to rounding; a quarter of the time on processors goes with the norms. Parts that
    torch.fx cannot follow stay as they are, and so do those with optional arguments: tracing would freeze the answer to
    "is it there?" (decoder blocks without a skip connection). Other threads that run networks hold `NETWORKS`.
    """
    with NETWORKS:
        return _fused(network)


def _fused(network: nn.Module) -> nn.Module:
    from torch.fx.experimental.optimization import fuse
    from torch.fx.proxy import TraceError

    for name, child in network.named_children():
        try:
            if _optional(child):
                raise TypeError
            setattr(network, name, _with_facts(fuse(child), child))
        except (TraceError, TypeError, AttributeError, NotImplementedError, RuntimeError, ValueError):
            _fused(child)
    return network


def _with_facts(traced: nn.Module, original: nn.Module) -> nn.Module:
    """Plain values of a module that others ask it for (an encoder's output stride): tracing loses them."""
    for name in dir(original):
        if not name.startswith("_") and not hasattr(traced, name):
            value = getattr(original, name, None)
            if isinstance(value, bool | int | float | str | tuple | list):
                setattr(traced, name, value)
    return traced


def _optional(module: nn.Module) -> bool:
    parameters = inspect.signature(module.forward).parameters.values()
    return any(p.default is not inspect.Parameter.empty for p in parameters)


def _gpu_has_bfloat16() -> bool:
    """Whether the GPU multiplies bfloat16 itself: torch also counts those that emulate it (before Ampere)."""
    if torch.version.hip is not None:
        return bool(torch.cuda.is_bf16_supported())
    return torch.cuda.get_device_capability()[0] >= 8


def _cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; emulated it is slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)

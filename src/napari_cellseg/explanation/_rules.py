"""Rules of relevance propagation for what a network does between its layers: sums, products, resizing, activations.

zennit sets rules for layers (modules). Whatever else is computed would hand relevance back as a gradient: a sum gives
all of it to both sides, a product multiplies it. This follows every function of a pass and gives each its rule, so that
relevance is conserved in skips, attention gates and resized features as well; a function without a rule is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..errors import CellsegError

Run = Callable[..., torch.Tensor]

PASSED = {
    "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "hardtanh",
    "hardsigmoid", "sigmoid", "tanh", "softplus", "clamp", "clamp_min", "dropout", "dropout2d", "dropout3d",
    "feature_dropout", "group_norm", "layer_norm",
}  # fmt: skip
"""Relevance passes as it is: activations, and norms over channels."""
SHARED = {
    "add", "iadd", "radd", "sub", "isub", "div", "truediv", "idiv", "itruediv", "mean", "avg_pool2d", "avg_pool3d",
    "sum", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "interpolate", "upsample", "batch_norm",
}  # fmt: skip
"""Linear: relevance is divided in proportion to what each input contributes.

A norm of every channel counts as part of the convolution before it: its shift takes relevance as a bias does. Were
relevance to pass it, it would be divided by sums before the norm, which may be near 0 where those after it are not.
"""
PRODUCTS = {"mul", "imul", "rmul", "multiply"}
ROUTED = {
    "cat", "concat", "stack", "pad", "narrow", "getitem", "view", "reshape", "permute", "transpose", "swapaxes",
    "movedim", "contiguous", "clone", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "expand_as", "chunk",
    "split", "max_pool2d", "max_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "amax", "float", "to", "type", "roll", "pixel_shuffle", "unbind", "repeat", "detach",
}  # fmt: skip
"""What only moves values: the gradient takes relevance where it came from (of a maximum, to the winner)."""
LAYERS = {
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear",
}  # fmt: skip
"""zennit has rules for them."""


class Rules(TorchFunctionMode):
    """A context in which passes are made that relevance shall be handed back through."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = [t for t in _tensors((args, kwargs)) if t.requires_grad and not isinstance(t, torch.nn.Parameter)]
        if not inputs or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        name = str(getattr(func, "__name__", "")).strip("_")
        run = _of_inputs(func, args, kwargs, inputs)
        if name == "instance_norm":
            return _Shared.apply(_frozen_norm(run, inputs[0]), inputs[0])  # type: ignore[no-untyped-call]
        if name in PASSED:
            return _Passed.apply(run, inputs[0])  # type: ignore[no-untyped-call]
        if name in PRODUCTS and len(inputs) == 2:
            return _Gated.apply(run, *inputs)  # type: ignore[no-untyped-call]
        if name in SHARED or name in PRODUCTS:
            return _Shared.apply(run, *inputs)  # type: ignore[no-untyped-call]
        out = func(*args, **kwargs)
        if name in ROUTED or name in LAYERS or not any(t.requires_grad for t in _tensors(out)):
            return out
        raise CellsegError(
            f"LRP has no rule for {name!r}, which this network computes (attention between pixels, for example).",
            "Use --method gradcam or occlusion, which work with any network.",
        )


def stabilised(z: torch.Tensor, epsilon: float = 1e-6) -> torch.Tensor:
    """Away from zero by a share of the greatest value, and by a little where all are zero."""
    tiny = epsilon * z.abs().max() + torch.finfo(z.dtype).tiny
    return z + torch.where(z >= 0, tiny, -tiny)


def _frozen_norm(run: Run, x: torch.Tensor) -> Run:
    """An instance norm whose mean and deviation are those of `x`, whatever it is given: a linear function."""
    space = tuple(range(2, x.ndim))
    with torch.no_grad():
        given = x.detach()
        y = run(given)
        spread, mean = torch.std_mean(given, space, keepdim=True)
        spread_out, mean_out = torch.std_mean(y, space, keepdim=True)
        # a negative scale turns the sign: what lies above the mean is then below it
        sign = ((given - mean) * (y - mean_out)).sum(space, keepdim=True).sign()
        scale = sign * spread_out / spread.clamp_min(torch.finfo(x.dtype).tiny)
    return lambda z: (z - mean) * scale + mean_out


class _Passed(torch.autograd.Function):
    """y = f(x), R_x = R_y."""

    @staticmethod
    def forward(ctx: Any, run: Run, x: torch.Tensor) -> torch.Tensor:
        return run(x)

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, relevance


class _Shared(torch.autograd.Function):
    """y = f(x1, x2, ...) linear, R_xi = xi * f's transpose of (R_y / y) (rule LRP-0 with a stabiliser)."""

    @staticmethod
    def forward(ctx: Any, run: Run, *inputs: torch.Tensor) -> torch.Tensor:
        ctx.run = run
        ctx.save_for_backward(*inputs)
        return run(*inputs)

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs = [t.detach().requires_grad_() for t in ctx.saved_tensors]
        with torch.enable_grad():
            y = ctx.run(*inputs)
            gradients = torch.autograd.grad(y, inputs, relevance / stabilised(y.detach()))
        return None, *(x.detach() * g for x, g in zip(inputs, gradients, strict=True))


class _Gated(torch.autograd.Function):
    """y = signal * gate: the signal takes all (Arras et al. 2019). The gate is the smaller one, else the second."""

    @staticmethod
    def forward(ctx: Any, run: Run, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        ctx.shapes, ctx.signal = (first.shape, second.shape), 1 if second.numel() > first.numel() else 0
        return run(first, second)

    @staticmethod
    def backward(ctx: Any, relevance: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        shares: list[torch.Tensor | None] = [None, None]
        shares[ctx.signal] = relevance.sum_to_size(ctx.shapes[ctx.signal])
        return None, *shares


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


def _of_inputs(func: Any, args: Any, kwargs: Any, inputs: list[torch.Tensor]) -> Run:
    """The function of these inputs alone, which it may not change in place; all else is kept as it is."""
    places = {id(t): k for k, t in enumerate(inputs)}

    def put(values: Any, given: tuple[torch.Tensor, ...]) -> Any:
        if isinstance(values, torch.Tensor):
            return given[places[id(values)]].clone() if id(values) in places else values
        if isinstance(values, list | tuple):
            return type(values)(put(v, given) for v in values)
        if isinstance(values, dict):
            return {k: put(v, given) for k, v in values.items()}
        return values

    return lambda *given: func(*put(args, given), **put(kwargs, given))

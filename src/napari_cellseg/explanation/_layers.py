"""Layers of any network by what happens in a pass, since their order is not that of their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import CellsegError

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, eq=False)
class Call:
    """A layer that was run: its first input, and its output where that is one tensor."""

    name: str
    layer: nn.Module
    input: torch.Tensor
    output: torch.Tensor


def calls(network: nn.Module, pixels: torch.Tensor) -> list[Call]:
    """Every layer, and every part made of layers, that takes and gives a tensor, in the order of their ends."""
    found: list[Call] = []

    def note(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            if given and isinstance(given[0], torch.Tensor) and isinstance(output, torch.Tensor):
                found.append(Call(name, layer, given[0], output))

        return hook

    handles = [layer.register_forward_hook(note(name)) for name, layer in network.named_modules() if name]
    try:
        with torch.no_grad():
            network(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return found


def convolutions(run: list[Call]) -> list[Call]:
    """The convolutions among them."""
    return [c for c in run if isinstance(c.layer, CONVOLUTIONS)]


def last_features(run: list[Call]) -> tuple[str, nn.Module | None]:
    """The part whose output the last convolution takes; where no part made it, that convolution and None.

    Of several with the same output the last: an activation may have changed in place what a norm gave.
    """
    last = convolutions(run)[-1]
    where = last.input.data_ptr()
    for call in reversed(run[: run.index(last)]):
        if call.output.data_ptr() == where and call.output.shape == last.input.shape:
            return call.name, call.layer
    return last.name, None


@contextmanager
def tapped(network: nn.Module, layer: str, run: list[Call]) -> Iterator[tuple[str, list[torch.Tensor]]]:
    """While it lasts, passes leave what a layer gives (empty: the features before the last convolution).

    Raises
    ------
    CellsegError
        When there is no such layer, or it gives no maps.
    """
    name, chosen = (layer, _named(network, layer, run)) if layer else last_features(run)
    kept: list[torch.Tensor] = []

    def output_of(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append(output)
        return output.clone()  # what follows may change it in place

    def input_of(_: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        kept.append(given[0])
        return given

    if chosen is None:
        handle = dict(network.named_modules())[name].register_forward_pre_hook(input_of)
        name = f"what {name} takes"
    else:
        handle = chosen.register_forward_hook(output_of)
    try:
        yield name, kept
    finally:
        handle.remove()


def _named(network: nn.Module, layer: str, run: list[Call]) -> nn.Module:
    found = {c.name: c for c in run}
    spatial = 5 if any(isinstance(c.layer, nn.Conv3d) for c in run) else 4
    if layer in found and found[layer].output.ndim == spatial:
        return found[layer].layer
    last = [c.name for c in convolutions(run)]
    raise CellsegError(
        f"The network has no layer {layer!r} that gives maps.",
        f"Convolutions of it, from the image to the end: {', '.join(last if len(last) < 9 else _some(last))}.",
    )


def _some(names: list[str]) -> list[str]:
    return [*names[:3], "...", *names[-5:]]

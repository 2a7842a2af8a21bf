"""A model folder's network in torch, ONNX, quantised ONNX and TorchScript."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .._types import Float
from ..config import Config
from ..errors import CellsegError
from ..models import load_weights
from ..nets.base import Probabilities
from ..nets.device import fused
from ..project import ModelCard, read_card, read_model_config
from ._need import need

OPSET = 17
"""Of ONNX: what deepImageJ, ilastik and QuPath read."""
INPUT, OUTPUT = "input", "output"
_LEAST = {2: (128, 128), 3: (16, 64, 64)}


@dataclass(frozen=True, eq=False)
class Source:
    """A model of ours, ready to be converted.

    Attributes
    ----------
    whole
        With its last function, in float32 on the processor; `separate`: the same with its batch norms, as it learns.
    """

    path: Path
    card: ModelCard
    config: Config
    whole: nn.Module
    separate: nn.Module

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return self.config.model.dimensions

    @property
    def strides(self) -> tuple[int, ...]:
        """Sides of its input ([Z], Y, X) are multiples of these."""
        network: Any = self.separate.network
        return tuple(getattr(network, "strides", (1,) * self.dimensions))

    @property
    def encoder(self) -> str:
        """The name of the encoder in the network; "" where there is no such part."""
        network: Any = self.whole.network
        backbone = getattr(network, "backbone", None)
        found = (name for name, part in network.named_modules() if backbone is not None and part is backbone)
        return next(found, "").split(".")[-1]

    @torch.inference_mode()
    def __call__(self, tile: Float) -> Float:
        """Probabilities (1, K, [Z], Y, X) float32 of a tile, in torch and float32."""
        return np.asarray(self.whole(torch.from_numpy(np.ascontiguousarray(tile))).numpy())


def source(path: Path) -> Source:
    """A single model's folder, read and built.

    Raises
    ------
    CellsegError
        When it is an ensemble, its network is a file already, or its weights do not fit.
    """
    card, config = read_card(path), read_model_config(path)
    if card.members:
        raise CellsegError(
            f"{card.id} is an ensemble of {', '.join(card.members)}; one network is exported at a time.",
            f"Export its members, which lie in {path / 'members'}.",
        )
    whole, separate = (_built(path, card, config, fuse) for fuse in (True, False))
    return Source(path, card, config, whole, separate)


def _built(path: Path, card: ModelCard, config: Config, fuse: bool) -> nn.Module:
    network = config.model.build(card.in_channels, card.out_channels)
    load_weights(path / "weights.safetensors", network)
    network = network.float().eval()
    return Probabilities(fused(network) if fuse else network, config.target.exclusive).eval()


def to_onnx(model: Source, path: Path) -> None:
    """Write float32 ONNX for one tile of any size that is a multiple of the strides.

    Raises
    ------
    CellsegError
        When onnx is not installed, or the network has a layer that ONNX does not know.
    """
    need("onnx")
    axes = dict(enumerate("zyx"[-model.dimensions :], 2))
    with _quiet(), _words("ONNX"):
        torch.onnx.export(
            model.whole, (_example(model),), str(path), dynamo=False, opset_version=OPSET, input_names=[INPUT],
            output_names=[OUTPUT], dynamic_axes={INPUT: axes, OUTPUT: axes},
        )  # fmt: skip


def to_torchscript(model: Source, path: Path) -> None:
    """Write TorchScript; sizes as for ONNX."""
    with _quiet(), _words("TorchScript"):
        traced = torch.jit.trace(model.whole, _example(model), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), str(path))


def to_int8(onnx: Path, path: Path, pieces: Sequence[Float], spared: str = "") -> None:
    """Write the same network with 8-bit weights and activations, whose ranges come from what it sees (`pieces`).

    The last convolution stays in float32: it decides on which side of the threshold a voxel lies. So does the part of
    the network whose name in torch is `spared`, where one is given.

    Raises
    ------
    CellsegError
        When onnxruntime cannot quantise it.
    """
    need("onnx", "onnxruntime")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = path.with_suffix(".prepared.onnx")
    try:
        with _quiet(), _words("8-bit ONNX"):
            quant_pre_process(str(onnx), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared), str(path), _Pieces(pieces), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=_exact(prepared, spared), calibrate_method=quantization.CalibrationMethod.MinMax,
            )  # fmt: skip
    finally:
        prepared.unlink(missing_ok=True)


class _Pieces:
    """Calibration data as onnxruntime asks for it."""

    def __init__(self, pieces: Sequence[Float]) -> None:
        self._left = iter(pieces)

    def get_next(self) -> dict[str, Float] | None:
        """One piece, None after the last."""
        piece = next(self._left, None)
        return None if piece is None else {INPUT: piece}


def _exact(path: Path, spared: str) -> list[str]:
    """Names of what stays in float32: the last convolution and what follows it, and a part by its name."""
    import onnx

    nodes = onnx.load(str(path), load_external_data=False).graph.node
    convolutions = [k for k, node in enumerate(nodes) if node.op_type in ("Conv", "ConvTranspose")]
    last = nodes[convolutions[-1] if convolutions else 0 :]
    inside = [node for node in nodes if spared and f"/{spared}/" in node.name]
    return sorted({node.name for node in [*last, *inside]})


def _example(model: Source) -> torch.Tensor:
    """An input of a size that no network forgets: twice its strides at least."""
    sides = [max(n, 2 * s) // s * s for n, s in zip(_LEAST[model.dimensions], model.strides, strict=True)]
    generator = torch.Generator().manual_seed(0)
    return torch.rand((1, model.card.in_channels, *sides), generator=generator)


@contextmanager
def _words(what: str) -> Iterator[None]:
    """Whatever a converter of every layer there is raises, in one sentence."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise CellsegError(
            f"The network cannot be written as {what}: {lines[0][:200] if lines else type(error).__name__}.",
            "Another form may do: onnx, torchscript.",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what converters tell each other: of sizes that become constants (two are compared), of their future."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)

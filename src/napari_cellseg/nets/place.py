"""A place to compute, described without torch: what only asks about it need not wait for torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch as _torch
    from torch import nn

_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""What Linux has where there is a GPU of NVIDIA or AMD, or one that Windows lends."""
_NATIVE = {"avx512_bf16", "amx_tile"}
"""Processors with one of these multiply bfloat16 themselves; emulated it is slower than float32."""

_NO_MEMORY = (
    "allocate memory",
    "can't alloc",
    "out of memory",
    "could not create a",
    "failed to allocate",
    "bad_alloc",
)


@dataclass(frozen=True)
class Device:
    """A place to compute: CUDA, Apple's MPS or the CPU, and float32, bfloat16 or float16 (GPUs only)."""

    where: _torch.device | str
    bfloat16: bool
    float16: bool = False

    @property
    def torch(self) -> _torch.device:
        """For torch."""
        import torch

        return torch.device(self.where)

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return str(self.where).split(":")[0]

    @property
    def name(self) -> str:
        """For people: ``NVIDIA H200`` or ``CPU``."""
        if self.kind != "cuda":
            return self.kind.upper()
        import torch

        return torch.cuda.get_device_name()

    @property
    def precision(self) -> str:
        """``bf16``, ``fp16`` or ``fp32``."""
        return "bf16" if self.bfloat16 else "fp16" if self.float16 else "fp32"

    def place(self, network: nn.Module) -> nn.Module:
        """The network on this device, in the memory format that convolutions like."""
        import torch
        from torch import nn

        network.to(self.torch)
        volume = any(isinstance(m, nn.Conv3d) for m in network.modules())
        memory = torch.channels_last_3d if volume else torch.channels_last
        return network.to(memory_format=memory)  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """A context in which convolutions run in the chosen precision, where that gives right answers."""
        import torch

        from .thin import ThinInFloat32

        half = torch.bfloat16 if self.bfloat16 else torch.float16 if self.float16 else None
        with torch.autocast(self.kind, half) if half else nullcontext(), ThinInFloat32():
            yield


def gpus_wanted() -> bool:
    """Whether networks may run on a GPU: the environment variable ``CELLSEG_DEVICE`` is not ``cpu``."""
    return os.environ.get("CELLSEG_DEVICE", "auto") != "cpu"


def processor(precision: str = "auto") -> Device | None:
    """The processor, found without torch; None where only torch can tell: there may be a GPU, or this is no Linux."""
    if sys.platform != "linux" or (gpus_wanted() and any(Path(gpu).exists() for gpu in _GPUS)):
        return None
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return None
    return Device("cpu", bool(words & _NATIVE) if precision in ("auto", "fp16") else precision == "bf16")


def out_of_memory(error: BaseException) -> bool:
    """Libraries say it in several ways: torch on GPUs, its CPU allocator, oneDNN, OpenVINO, C++."""
    text = str(error).lower()
    return not isinstance(error, RuntimeError) or any(words in text for words in _NO_MEMORY)

"""Networks in files that run as they are: ONNX in onnxruntime or OpenVINO, without torch; TorchScript with it.

Data flow: a model folder with ``network.json`` -> the file that it names, which must be the one it was written for ->
a session -> tiles of probabilities. Such a model predicts and does not learn: it has no weights that we could change.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from .._types import Float
from ..errors import CellsegError
from ..files import write_text
from ..models import NETWORK
from ..processes import cores
from ._readings import Reading
from ._runtime import Facts, Runtime, core, padded, sha256

Form = Literal["onnx", "onnx-int8", "torchscript"]
REACH, BYTES = 48, 2000.0
"""Of networks of which nobody knows better: pixels that an output depends on, memory per voxel of a tile."""


class Session(Protocol):
    """What computes tiles: (N, C, [Z], Y, X) float32 -> (N, K, [Z], Y, X) float32 in [0, 1]."""

    @property
    def facts(self) -> Facts:
        """What a plan asks for."""

    def __call__(self, stack: Float) -> Float:
        """Compute."""

    def rest(self) -> None:
        """Give memory back."""


@dataclass(frozen=True)
class FileNetwork:
    """What is known of a network in a file.

    Attributes
    ----------
    strides
        Sides of its input must be multiples of these, ([Z], Y, X).
    side
        The only side along Y and X that it takes; 0: any.
    gain, offset
        Of what the recipe gives: the network gets ``gain * value + offset``.
    reading
        How its channels are understood, where it is not ours; ours say what their target says.
    check
        How far it agrees with the network in torch from which it was made, and on what that was tried.
    """

    file: str
    form: Form
    checksum: str
    strides: tuple[int, ...]
    reach: int = REACH
    bytes_per_voxel: float = BYTES
    side: int = 0
    gain: float = 1.0
    offset: float = 0.0
    reading: Reading | None = None
    check: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``network.json``."""
        write_text(folder / NETWORK, json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> FileNetwork:
        """Read ``network.json``.

        Raises
        ------
        CellsegError
            When it is damaged, or the file that it names is not the one it was written for.
        """
        try:
            values = json.loads((folder / NETWORK).read_text(encoding="utf-8"))
            said = values.pop("reading")
            reading = Reading(said["kind"], tuple(said["channels"]), said["activation"]) if said else None
            found = cls(**values | {"reading": reading, "strides": tuple(values["strides"])})
            same = sha256(folder / Path(found.file).name) == found.checksum
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CellsegError(
                f"{folder / NETWORK} is damaged: {error}.", "Export or import the model anew."
            ) from error
        if not same:
            raise CellsegError(
                f"{folder / found.file} is not the file that was exported: its checksum differs.",
                "Export or import the model anew.",
            )
        return found

    @property
    def facts(self) -> Facts:
        """What a plan asks for."""
        return Facts("", self.strides, self.reach, self.bytes_per_voxel, float(self.check.get("differs", 0.0)))

    def session(self, folder: Path) -> Session:
        """Ready to compute.

        Raises
        ------
        CellsegError
            When nothing that could run it is installed, or the file is damaged.
        """
        path = folder / Path(self.file).name
        try:
            if self.form == "torchscript":
                session: Session = ScriptSession(path, self.facts)
            elif find_spec("onnxruntime"):
                session = OnnxSession(path, self.facts)
            elif find_spec("openvino"):
                session = Runtime(core().read_model(path), self.facts, "f32")
            else:
                raise CellsegError(
                    f"{path.name} cannot be run: neither onnxruntime nor OpenVINO is installed.",
                    "pip install onnxruntime",
                )
        except ImportError as error:
            raise CellsegError(
                f"{path.name} is TorchScript, which needs torch, and torch is not installed.",
                "Export the model as onnx, or install torch.",
            ) from error
        except (RuntimeError, ValueError) as error:
            raise CellsegError(f"{path.name} cannot be read: {error}.", "Export or import it anew.") from error
        plain = (self.gain, self.offset) == (1.0, 0.0) and self.reading is None
        return session if plain else Understood(session, self)


class _OneByOne:
    """A session that takes one tile at a time, so that its answer depends on nothing but the tile."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def __call__(self, stack: Float) -> Float:
        """Compute."""
        return np.concatenate([self._one(stack[k : k + 1]) for k in range(len(stack))])

    def rest(self) -> None:
        """Nothing is kept between tiles."""

    def _one(self, tile: Float) -> Float:
        out = self._forward(padded(tile, self.facts.strides))
        inside = tuple(slice(n) for n in tile.shape[2:])
        return np.ascontiguousarray(out[(slice(None), slice(None), *inside)], np.float32)

    def _forward(self, tile: Float) -> Float:
        raise NotImplementedError


class OnnxSession(_OneByOne):
    """A network in onnxruntime, in float32 (or as it was quantised)."""

    def __init__(self, path: Path, facts: Facts) -> None:
        super().__init__(facts)
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = cores(), 3
        options.enable_cpu_mem_arena = False  # which would keep the memory of the largest tile
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base but this
            raise RuntimeError(str(error)) from error
        self._name = self._session.get_inputs()[0].name

    def _forward(self, tile: Float) -> Float:
        try:
            return np.asarray(self._session.run(None, {self._name: tile})[0])
        except Exception as error:
            raise RuntimeError(str(error)) from error  # what is said of memory is understood above


class ScriptSession(_OneByOne):
    """A network in TorchScript."""

    def __init__(self, path: Path, facts: Facts) -> None:
        super().__init__(facts)
        import torch

        self._network = torch.jit.load(str(path), map_location="cpu").eval()

    def _forward(self, tile: Float) -> Float:
        import torch

        with torch.inference_mode():
            out = self._network(torch.from_numpy(np.ascontiguousarray(tile)))
        return np.asarray((out[0] if isinstance(out, tuple | list) else out).numpy())


@dataclass(frozen=True)
class Understood:
    """A session of another program's network: gets the numbers it wants, and its answer is read as a person said."""

    inner: Session
    network: FileNetwork

    @property
    def facts(self) -> Facts:
        """Of the network."""
        return self.inner.facts

    def __call__(self, stack: Float) -> Float:
        """Compute."""
        given = np.asarray(stack * np.float32(self.network.gain) + np.float32(self.network.offset), np.float32)
        out = self.inner(given)
        return out if self.network.reading is None else self.network.reading(out)

    def rest(self) -> None:
        """Give memory back."""
        self.inner.rest()


@dataclass
class FileExport:
    """In the place of an OpenVINO export (`_runtime.Export`): what computes is the file itself."""

    folder: Path
    network: FileNetwork
    reason: str = ""

    @cached_property
    def runtime(self) -> Session:
        """Ready to compute."""
        return self.network.session(self.folder)

"""Networks in OpenVINO, which processors run faster than torch: kept beside the model, read without torch.

Data flow: model folder -> digest -> ``cache/runtime/<id>-<digest>.json`` says that an export is good -> ``.xml`` and
``.bin`` -> compiled -> probabilities. Where there is none, `_export` makes it from the network in torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .._types import Float
from ..config import Config
from ..nets.place import Device
from ..processes import cores
from ..project import ModelCard

FORMAT = 1
"""Of an export; a new number makes all exports again."""
_IMPORTING = threading.Lock()
KEPT = 12
"""Exports in a folder; older ones go."""


@dataclass(frozen=True)
class Facts:
    """What is known of an export, kept beside it so that nobody needs torch to ask.

    Attributes
    ----------
    reason
        Why torch predicts instead; empty where the export is good.
    strides
        Sides of its input must be multiples of these, ([Z], Y, X).
    differs
        Share of voxels of a trial with other labels than torch gives them in float32.
    """

    reason: str = ""
    strides: tuple[int, ...] = ()
    reach: int = 0
    bytes_per_voxel: float = 0.0
    differs: float = 0.0


class Runtime:
    """A compiled network. A tile's answer depends on nothing but the tile: stacks are taken apart.

    Parameters
    ----------
    model
        OpenVINO's model, (1, C, [Z], Y, X) float32 of any size -> (1, K, [Z], Y, X) float32 probabilities.
    """

    def __init__(self, model: Any, facts: Facts, precision: str) -> None:
        self.facts, self._model, self._precision = facts, model, precision
        self._compiled: Any = None
        self._turn = threading.Lock()
        self._ready()

    def __call__(self, stack: Float) -> Float:
        """(N, C, [Z], Y, X) float32 -> (N, K, [Z], Y, X) float32 in [0, 1].

        Raises
        ------
        RuntimeError
            When a tile does not fit into memory, among others.
        """
        with self._turn:
            parts = [self._one(stack[k : k + 1]) for k in range(len(stack))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def rest(self) -> None:
        """Give back the memory of the last tile, which would otherwise wait for the next."""
        with self._turn:
            if self._compiled is not None:
                self._compiled.release_memory()

    def _one(self, tile: Float) -> Float:
        compiled, inside = self._ready(), tuple(slice(n) for n in tile.shape[2:])
        given = padded(tile, self.facts.strides)
        try:
            out = compiled([given], share_outputs=True)[0]
        except RuntimeError:
            self._compiled = None  # after a failed allocation it would ask for as much again for any tile
            raise
        if out.shape[2:] != given.shape[2:]:  # seen with one thread: no memory, no error, an old answer
            compiled.release_memory()
            raise RuntimeError("OpenVINO failed to allocate memory for a tile, and said nothing.")
        return np.array(out[(..., *inside)])  # the next tile is written to the same place

    def _ready(self) -> Any:
        if self._compiled is None:
            options = {
                "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self._precision,
                "INFERENCE_NUM_THREADS": cores(), "ENABLE_HYPER_THREADING": True, "ENABLE_CPU_PINNING": False,
            }  # fmt: skip
            self._compiled = core().compile_model(self._model, "CPU", options)
        return self._compiled


class Export:
    """A model folder's network in OpenVINO: read from the cache, or made when it is first asked for.

    Attributes
    ----------
    runtime
        The network, once it was read or made; None where torch predicts.
    reason
        Why torch predicts, once that is known; else empty.
    """

    def __init__(self, path: Path, card: ModelCard, config: Config, device: Device) -> None:
        self._precision = "bf16" if device.bfloat16 else "f32"
        name = f"{card.id}-{_digest(path, card, config, self._precision)}"
        self._base, self._shared = cache_for(path) / name, persons_cache() / name
        self.runtime: Runtime | None = None
        self.reason = ""

    def read(self) -> bool:
        """Take what is in the cache, if it is there and undamaged; returns whether `runtime` is ready.

        A project's copy of a model that ships with the package finds what was made of that one for all projects.
        """
        for base in dict.fromkeys((self._base, self._shared)):
            try:
                said = json.loads(_file(base, "json").read_text(encoding="utf-8"))
                facts = Facts(**said["facts"] | {"strides": tuple(said["facts"]["strides"])})
                self.reason = facts.reason
                if not facts.reason and all(sha256(_file(base, end)) == said[end] for end in ("xml", "bin")):
                    self.runtime = _compiled(base, facts, self._precision)
            except (OSError, ValueError, KeyError, TypeError, RuntimeError):
                continue  # absent or damaged: it is made again
            break
        return self.runtime is not None

    def make(self, export: Callable[[str], tuple[Runtime | None, Facts, Any]]) -> Runtime | None:
        """Make it unless that is known to fail, and keep it, or the reason why there is none."""
        if self.runtime is None and not self.reason:
            self.runtime, facts, model = export(self._precision)
            self.reason = facts.reason
            if model is not None or facts.reason:
                self._write(facts, model)
        return self.runtime

    def _write(self, facts: Facts, model: Any) -> None:
        """Files under temporary names, renamed; the one that vouches for the others comes last."""
        part = self._base.with_name(f"{self._base.name}.{os.getpid()}.part")
        parts = {end: part.with_name(f"{part.name}.{end}") for end in ("bin", "xml", "json")}
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            said: dict[str, Any] = {"facts": asdict(facts)}
            if model is not None:
                _openvino().save_model(model, parts["xml"], compress_to_fp16=False)
                said |= {end: sha256(parts[end]) for end in ("xml", "bin")}
            parts["json"].write_text(json.dumps(said, indent=2), encoding="utf-8")
            for end in parts if model is not None else ("json",):
                os.replace(parts[end], _file(self._base, end))
            _tidy(part.parent)
        except (OSError, RuntimeError):  # a full or a read-only disk: this process has it in memory
            with suppress(OSError):
                for left in parts.values():
                    left.unlink(missing_ok=True)


_COMPILED: WeakValueDictionary[str, Runtime] = WeakValueDictionary()
_COMPILING = threading.Lock()


def _compiled(base: Path, facts: Facts, precision: str) -> Runtime:
    """The network in these files, compiled once a process for all who use it at a time: names tell exports apart."""
    with _COMPILING:
        runtime = _COMPILED.get(base.name)
        if runtime is None:
            model = core().read_model(_file(base, "xml"), _file(base, "bin"))
            runtime = _COMPILED[base.name] = Runtime(model, facts, precision)
        return runtime


def obstacle(device: Device) -> str:
    """Why OpenVINO cannot predict here at all; empty where it can."""
    if device.kind != "cpu":
        return f"OpenVINO predicts on processors, not on {device.name}"
    return "" if version() else "OpenVINO is not installed (pip install openvino)"


def version() -> str:
    """Of OpenVINO, found without importing it; empty where it is not installed."""
    try:
        return metadata.version("openvino")
    except metadata.PackageNotFoundError:
        return ""


def cache_for(path: Path) -> Path:
    """Where exports of a model folder are kept: in its project's cache, or in the person's. Safe to delete."""
    for folder in path.resolve().parents:
        if folder.name == "models" and (folder.parent / "project.toml").is_file():
            return folder.parent / "cache" / "runtime"
    return persons_cache()


def persons_cache() -> Path:
    """Where exports of models are kept that belong to no project, such as those that ship with the package."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "napari-cellseg" / "runtime"


def padded(stack: Float, strides: tuple[int, ...]) -> Float:
    """Mirror the far ends up to multiples of `strides`, as `nets.base.padded` does it in torch."""
    sizes = stack.shape[2:]
    missing = [-n % s for n, s in zip(sizes, strides, strict=True)]
    if not any(missing):
        return np.ascontiguousarray(stack)
    mirror = all(m < n for m, n in zip(missing, sizes, strict=True))
    pad = [(0, 0), (0, 0), *((0, m) for m in missing)]
    return np.pad(stack, pad, mode="reflect" if mirror else "edge")


def _file(base: Path, ending: str) -> Path:
    return base.with_name(f"{base.name}.{ending}")


def _digest(path: Path, card: ModelCard, config: Config, precision: str) -> str:
    """Of everything that decides what an export is."""
    channels = (card.in_channels, card.out_channels, config.target.exclusive)
    parts = (sha256(path / "weights.safetensors"), config.model.model_dump_json(), channels, precision)
    return hashlib.sha256(repr((FORMAT, version(), *parts)).encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tidy(folder: Path) -> None:
    found = sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime)
    for old in found[:-KEPT]:
        for end in (".json", ".xml", ".bin"):
            old.with_suffix(end).unlink(missing_ok=True)


@cache
def core() -> Any:
    """OpenVINO's, one for the process."""
    return _openvino().Core()


def _openvino() -> Any:
    """The library, without what it tells its makers.

    Its import reports to Google Analytics unless the package ``openvino_telemetry`` is missing; nobody here was asked.
    One thread imports it at a time: another one would find it half made.
    """
    name = "openvino_telemetry"
    with _IMPORTING:
        if "openvino" in sys.modules:
            return sys.modules["openvino"]
        before = sys.modules.get(name)
        sys.modules[name] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            if before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = before
    return openvino

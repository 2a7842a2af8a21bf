"""A bioimage.io package in: as the model of ours that it was, or as another program's network that predicts here.

Data flow: folder or zip -> description, read by bioimageio.spec without the network -> ours? its model folder comes out
again -> else one input, one output, a recipe, a file that runs (ONNX, TorchScript), and how a person reads its channels
-> a model folder.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Config
from ..errors import CellsegError
from ..models import Imported, Imported3D
from ..prediction import Activation, FileNetwork, Form, Reading, reading, sha256
from ..project import ModelCard, read_card, read_model_config, safe_name, write_model
from ._need import need
from ._said_recipe import Understood, in_our_words

Sizes = tuple[int, int, tuple[int, ...]]
"""2 or 3 dimensions, the only side along Y and X (0: any), and what sides are multiples of ([Z], Y, X)."""
DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
OURS = ("weights.safetensors", "config.toml", "card.json")
MOST = 4_000_000_000
"""Bytes that a package may have, unpacked."""


@dataclass(frozen=True)
class Asked:
    """How a person wants a package to be read; `read` is one of `prediction.KINDS`, "" where it is ours."""

    read: str = ""
    channels: tuple[int, ...] = ()
    object_size: float = 0.0


def import_package(package: Path, out: Path, asked: Asked) -> Path:
    """Make a model folder of a package, a folder or a zip file; returns it.

    Raises
    ------
    CellsegError
        When it cannot be read, with what it is that we have no words for; nothing is written.
    """
    if out.exists():
        raise CellsegError(f"{out} is there already.", "Name a folder that is not there yet.")
    need("bioimageio.spec")
    with _opened(package) as description:
        ours = {name: description.parent / name for name in OURS}
        if all(path.is_file() for path in ours.values()):
            return _own(description.parent, out, asked)
        return _foreign(_read(description), description.parent, out, asked)


# --- inside ---------------------------------------------------------------------------------------


@contextmanager
def _opened(package: Path) -> Iterator[Path]:
    """The description of a package, unpacked where it is a zip file."""
    if package.is_dir() or package.name in DESCRIPTIONS:
        yield _description_in(package if package.is_dir() else package.parent, package)
        return
    try:
        with tempfile.TemporaryDirectory(prefix="cellseg-") as scratch, zipfile.ZipFile(package) as file:
            if sum(item.file_size for item in file.infolist()) > MOST:
                raise CellsegError(f"{package.name} unpacks to more than {MOST / 1e9:.0f} GB.", "Unpack it yourself.")
            file.extractall(scratch)  # which keeps every name inside
            yield _description_in(Path(scratch), package)
    except (OSError, zipfile.BadZipFile) as error:
        raise CellsegError(
            f"{package} is not a bioimage.io package: {error}.", "Give a folder with bioimageio.yaml, or its zip file."
        ) from error


def _description_in(folder: Path, package: Path) -> Path:
    places = [*(folder / name for name in DESCRIPTIONS), *(p for n in DESCRIPTIONS for p in folder.glob(f"*/{n}"))]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise CellsegError(
            f"{package} holds no {DESCRIPTIONS[0]}, so it is not a bioimage.io package.",
            "Give a folder with bioimageio.yaml, or its zip file.",
        )
    return found


def _read(description: Path) -> Any:
    """The description as of format 0.5, whatever it was written in."""
    from bioimageio.spec import InvalidDescr, load_description

    read = load_description(description, format_version="latest", perform_io_checks=False)
    if isinstance(read, InvalidDescr) or read.type != "model":
        errors = [e.msg for d in read.validation_summary.details for e in d.errors] or [f"it is a {read.type}"]
        raise CellsegError(
            f"{description.name} is not the description of a model: {'; '.join(errors)[:300]}.",
            "Have it checked where it comes from: bioimageio test.",
        )
    return read


def _own(folder: Path, out: Path, asked: Asked) -> Path:
    """The model folder that a package was made from."""
    if asked.read or asked.channels:
        raise CellsegError(
            "This package is a model of napari-cellseg, which knows how its outputs are read.", "Leave --read out."
        )
    card, config = read_card(folder), read_model_config(folder)

    def fill(part: Path) -> None:
        shutil.copyfile(folder / "weights.safetensors", part / "weights.safetensors")

    with _named(out) as part:
        made = write_model(part, card, config, fill)
        for name in OURS:  # as they were, to the byte
            shutil.copyfile(folder / name, made / name)
        made.rename(out)
    return out


def _foreign(read: Any, folder: Path, out: Path, asked: Asked) -> Path:
    """A model folder round the network of another program."""
    given, answer = _only(read.inputs, "inputs"), _only(read.outputs, "outputs")
    dimensions, side, strides = _sizes(given, answer)
    n_inputs, n_outputs = _channels(given), _channels(answer)
    file, form = _weights(read, folder)
    activation = _activation(answer)
    if not asked.read:
        raise CellsegError(
            f"{read.name} gives {n_outputs} channel{'s' * (n_outputs != 1)} ({', '.join(_names(answer))}); how they "
            "are read is for you to say.",
            "--read foreground, boundary (foreground and boundary), distance, flows, classes or mask; "
            "--channels 0,1 says which channels are meant.",
        )
    how = reading(asked.read, asked.channels, n_outputs, activation, dimensions)
    understood = in_our_words([_plain(step) for step in given.preprocessing], n_inputs)
    config, card = _declared(read, how, understood, (n_inputs, n_outputs), (dimensions, side, strides), asked)
    name = "network.pt" if form == "torchscript" else "network.onnx"
    network = FileNetwork(
        name, form, sha256(file), strides, side=side, gain=understood.gain, offset=understood.offset, reading=how
    )
    with _named(out) as part:

        def fill(inside: Path) -> None:
            shutil.copyfile(file, inside / name)
            network.write(inside)

        made = write_model(part, card, config, fill)
        _try(network, made, n_inputs, dimensions)
        made.rename(out)
    return out


def _declared(
    read: Any, how: Reading, understood: Understood, channels: tuple[int, int], sizes: Sizes, asked: Asked
) -> tuple[Config, ModelCard]:
    """Configuration and card of another program's network."""
    dimensions, side, strides = sizes
    step = math.gcd(side // 4, 32) if side else max(strides)  # tiles of one size only must overlap a little
    model = (Imported if dimensions == 2 else Imported3D)(step=step)
    size = asked.object_size if dimensions == 2 else 0.0
    config = Config(recipe=understood.recipe, target=how.target, model=model, object_size=size)
    if side and side % 32 == 0:
        config = config.with_values({"predict.tile": side})
    card = ModelCard(
        id=safe_name(str(read.name)), parent=None, created=time.time(), in_channels=channels[0],
        out_channels=how.out_channels, n_classes=len(how.channels) - 1 if how.kind == "classes" else 1, edits_until=0,
        metrics=_origin(read, channels[1]), versions={"napari-cellseg": version("napari-cellseg")},
    )  # fmt: skip
    return config, card


def _try(network: FileNetwork, folder: Path, n_inputs: int, dimensions: int) -> None:
    """One small tile, since a description may say what a network does not do."""
    least = 64 if dimensions == 2 else 16
    sides = [network.side or -(-least // s) * s for s in network.strides]
    session = network.session(folder)
    shape: tuple[int, ...] = ()
    try:
        found = session(np.random.default_rng(0).random((1, n_inputs, *sides), dtype=np.float32))
        shape = found.shape[2:]
        reason = "" if shape == tuple(sides) else f"it gives {shape} of {tuple(sides)}"
    except (RuntimeError, IndexError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
    if reason:
        raise CellsegError(
            f"The network of the package cannot be used: {reason}.", "Have the package checked: bioimageio test."
        )


def _only(tensors: Any, what: str) -> Any:
    if len(tensors) != 1:
        names = ", ".join(str(t.id) for t in tensors)
        raise CellsegError(
            f"The package has {len(tensors)} {what} ({names}); a model here has one.",
            "Models with one picture in and one out can be read.",
        )
    return tensors[0]


def _sizes(given: Any, answer: Any) -> Sizes:
    """What sizes a network takes."""
    _check_order(given, "input")
    _check_order(answer, "output")
    space = [axis for axis in given.axes if axis.type == "space"]
    for axis in (a for a in answer.axes if a.type == "space"):
        offset = getattr(axis.size, "offset", 0)
        if offset or float(getattr(axis, "scale", 1)) != float(next(a.scale for a in space if a.id == axis.id)):
            raise CellsegError(
                "The output of the package has another size than its input.",
                "Networks that answer pixel by pixel can be read.",
            )
    fixed = {axis.size for axis in space if isinstance(axis.size, int)}
    strides, side = [], 0
    for axis in space:
        if isinstance(axis.size, int):
            strides.append(axis.size)
            side = axis.size
        else:
            step = int(getattr(axis.size, "step", 1))
            low = int(getattr(axis.size, "min", step))
            strides.append(step if low % step == 0 else low)
    if fixed and (len(fixed) > 1 or len(space) == 3 or any(not isinstance(a.size, int) for a in space)):
        raise CellsegError(
            f"The package takes inputs of {' x '.join(str(a.size) for a in space)} only.",
            "Planes with sides of one fixed length, or of any, can be read.",
        )
    return len(space), side, tuple(strides)


def _check_order(tensor: Any, what: str) -> None:
    letters = "".join({"batch": "b", "channel": "c", "space": str(a.id)}.get(a.type, "?") for a in tensor.axes)
    if letters not in ("bcyx", "bczyx"):
        raise CellsegError(
            f"The {what} of the package has the axes {', '.join(str(a.id) for a in tensor.axes)}.",
            "Read are batch, channel, (z,) y, x in this order.",
        )


def _channels(tensor: Any) -> int:
    return len(_names(tensor))


def _names(tensor: Any) -> list[str]:
    return [str(name) for axis in tensor.axes if axis.type == "channel" for name in axis.channel_names]


def _activation(answer: Any) -> Activation:
    """What the package's postprocessing says of probabilities."""
    found: Activation = ""
    for step in (_plain(s) for s in answer.postprocessing):
        if step["id"] in ("sigmoid", "softmax") and not found:
            found = step["id"]
        elif step["id"] != "ensure_dtype" or "int" in str((step.get("kwargs") or {}).get("dtype")):
            raise CellsegError(
                f"The package makes something else of its output afterwards ({step['id']}), which cannot be done here.",
                "Packages whose output is probabilities, distances or flows can be read; sigmoid and softmax are done.",
            )
    return found


def _weights(read: Any, folder: Path) -> tuple[Path, Form]:
    """The file that runs here: ONNX rather than TorchScript."""
    for name in ("onnx", "torchscript"):
        entry = getattr(read.weights, name)
        if entry is None:
            continue
        if getattr(entry, "external_data", None) is not None:
            raise CellsegError("The ONNX weights of the package are in two files.", "Ask for one file.")
        path = folder / Path(str(getattr(entry.source, "path", entry.source))).name
        for candidate in (folder / str(getattr(entry.source, "path", entry.source)), path):
            if candidate.is_file():
                if entry.sha256 and sha256(candidate) != str(entry.sha256):
                    raise CellsegError(f"{candidate.name} is damaged: its checksum differs.", "Download it again.")
                return candidate, "onnx" if name == "onnx" else "torchscript"
        raise CellsegError(
            f"The weights {path.name} are not inside the package.", "Download the whole package (a zip file)."
        )
    has = [name for name, entry in read.weights if entry is not None]
    raise CellsegError(
        f"The package has weights as {', '.join(has)} only.", "Packages with ONNX or TorchScript weights can be read."
    )


def _plain(step: Any) -> dict[str, Any]:
    values: dict[str, Any] = step.model_dump(mode="json")
    return values


def _origin(read: Any, n_outputs: int) -> dict[str, Any]:
    """What the package says of itself."""
    return {
        "from": f"bioimage.io package {read.name}", "description": str(read.description),
        "authors": [str(a.name) for a in read.authors], "licence": str(read.license or ""),
        "cite": [f"{c.text} {c.doi or c.url or ''}".strip() for c in read.cite], "outputs": n_outputs,
    }  # fmt: skip


@contextmanager
def _named(out: Path) -> Iterator[Path]:
    """A folder beside the target in which its model folder is made; nothing of it stays."""
    part = out.with_name(f".part-{out.name}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)

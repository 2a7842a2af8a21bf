"""A model as a bioimage.io package (format 0.5), which QuPath, ilastik, deepImageJ and bioimageio.core read.

Data flow: network -> state dict, TorchScript, ONNX -> compared with torch -> test tensors, cover, README ->
description -> checked by bioimageio.spec. Beside what the format asks for lie the three files of our own model folder,
so that the package comes back as the model that it was.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .._types import Float
from ..base import FOLDER
from ..errors import CellsegError
from ..prediction import FileNetwork, padded, sha256, trial
from ..samples import synthetic_cells
from ..targets import decode
from ._agreement import Agreement, agreement
from ._convert import INPUT, OPSET, OUTPUT, Source, to_onnx, to_torchscript
from ._pieces import Pieces, described
from ._readme import readme
from ._said_recipe import in_their_words
from ._wanted import Statement, Wanted, judged

DESCRIPTION = "bioimageio.yaml"
OURS = ("weights.safetensors", "config.toml", "card.json")
"""Attached: what a model folder of ours is made of."""
ONNX, SCRIPT, STATE, ENVIRONMENT = "weights.onnx", "weights.torchscript.pt", "weights.state_dict.pt", "environment.yaml"
_HALO = 64
_SIDES = {2: (256, 256), 3: (16, 96, 96)}
_BRIGHT = 1000.0
"""Of the test picture, where the package says how to normalise it."""
BASE = Statement(
    authors=("The napari-cellseg developers",),
    licence="BSD-3-Clause",
    cite=(
        ("Caicedo et al. 2019, Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl",
         "10.1038/s41592-019-0612-7"),
        ("Ronneberger et al. 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation",
         "10.1007/978-3-319-24574-4_28"),
    ),
)  # fmt: skip
"""Of the models that ship with the package; what they learnt from is in their cards."""


def check_statement(model: Source, given: Statement) -> Statement:
    """What is said of a model, with what its card says where a person said nothing.

    Raises
    ------
    CellsegError
        When nobody is named as author, or no licence.
    """
    base = model.path.resolve().parent == FOLDER.resolve()
    known = BASE if base else Statement()
    data = given.data or str(model.card.metrics.get("data", "")) or _corrections(model)
    said = Statement(
        given.authors or known.authors, given.licence or known.licence, given.cite or known.cite, data,
        given.name or f"napari-cellseg {model.card.id}",
    )  # fmt: skip
    if not said.authors:
        raise CellsegError(
            "A bioimage.io package names the authors of the model.", 'Give --authors "A. Name, B. Name".'
        )
    if not said.licence:
        raise CellsegError(
            "A bioimage.io package says what may be done with the model.",
            "Give a licence by its SPDX name: --licence CC-BY-4.0",
        )
    return said


def export_package(model: Source, part: Path, given: Pieces, wanted: Wanted, said: Statement) -> tuple[Agreement, str]:
    """Write the package into `part`, under the target's name."""
    folder = part / "package"
    folder.mkdir()
    torch.save(model.separate.state_dict(), folder / STATE)
    to_torchscript(model, folder / SCRIPT)
    to_onnx(model, folder / ONNX)
    found, warning, network = _worse(model, folder, given, wanted.force)
    for name in OURS:
        shutil.copyfile(model.path / name, folder / name)
    tensors = _tensors(model, given)
    np.save(folder / "test_input.npy", tensors.given)
    np.save(folder / "test_output.npy", tensors.answer)
    cv2.imwrite(str(folder / "cover.png"), _cover(model, tensors))
    (folder / ENVIRONMENT).write_text(_environment(), encoding="utf-8")
    (folder / "README.md").write_text(readme(model, said, found, tensors.operations is not None), encoding="utf-8")
    description = _description(model, folder, tensors, said, network, found)
    import yaml

    (folder / DESCRIPTION).write_text(
        yaml.safe_dump(description, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    validate(folder / DESCRIPTION)
    if wanted.out.suffix == ".zip":
        _zip(folder, part / wanted.out.name)
    else:
        os.replace(folder, part / wanted.out.name)
    return found, warning


def validate(description: Path) -> None:
    """Have bioimageio.spec check a description and the files it names.

    Raises
    ------
    CellsegError
        When it does not pass.
    """
    from bioimageio.spec import InvalidDescr, load_description

    read = load_description(description, perform_io_checks=True)
    if isinstance(read, InvalidDescr):
        errors = [f"{'.'.join(map(str, e.loc))}: {e.msg}" for d in read.validation_summary.details for e in d.errors]
        raise CellsegError(
            f"bioimageio.spec {version('bioimageio.spec')} refuses the package: {'; '.join(errors)[:500]}.",
            "Check name, authors, licence (an SPDX name) and citations (text=DOI).",
        )


# --- inside ---------------------------------------------------------------------------------------


def _corrections(model: Source) -> str:
    """What is known of the data of a model that was trained in a project."""
    n = len(model.card.images)
    images = f"{n} image{'s' * (n != 1)} of a napari-cellseg project" if n else "images of a napari-cellseg project"
    return f"{images}, whose labels a person corrected or approved; they are not part of this package"


@dataclass(frozen=True, eq=False)
class _Tensors:
    """What the package is tested with; `operations` as `in_their_words`, of which `seen` is the result."""

    given: Float
    seen: Float
    answer: Float
    operations: list[dict[str, Any]] | None


def _tensors(model: Source, given: Pieces) -> _Tensors:
    """A test picture, as it comes from a microscope where the package says how to normalise it, else normalised."""
    sides = _SIDES[model.dimensions]
    least = tuple(max(n, low) for n, low in zip(sides, _least(model), strict=True))
    first = given.tried[0] if given.calibrating else _picture(model, least)
    piece = padded(np.ascontiguousarray(_filled(first, least)), model.strides)
    operations = in_their_words(model.config.recipe, model.dimensions)
    if operations is None:
        return _Tensors(piece, piece, model(piece), None)
    raw = np.asarray(np.clip(piece, 0, None) * _BRIGHT, np.float32)
    seen = model.config.recipe(raw[0])[None]
    return _Tensors(raw, seen, model(seen), operations)


def _picture(model: Source, sides: tuple[int, ...]) -> Float:
    """Synthetic cells after the recipe, where nobody gave pictures."""
    radius = (model.config.object_size or 28.0) / 2
    if model.dimensions == 3:
        return trial(model.card.in_channels, sides)
    image, _ = synthetic_cells(sides, int(np.prod(sides) / (16 * radius**2)), radius=radius)
    seen = model.config.recipe(np.repeat(image[None], model.card.in_channels, 0))
    return seen[None] if len(seen) == model.card.in_channels else trial(model.card.in_channels, sides)


def _filled(piece: Float, least: tuple[int, ...]) -> Float:
    """At least so large, mirrored."""
    missing = [(0, max(0, low - n)) for n, low in zip(piece.shape[2:], least, strict=True)]
    return np.pad(piece, [(0, 0), (0, 0), *missing], mode="symmetric")


def _least(model: Source) -> tuple[int, ...]:
    """The smallest input ([Z], Y, X): it must hold what is cut off on both sides."""
    halos = (0, _halo(model), _halo(model))[-model.dimensions :]
    return tuple((2 * h // s + 1) * s if h else s for h, s in zip(halos, model.strides, strict=True))


def _halo(model: Source) -> int:
    return _HALO if model.dimensions == 2 else _HALO // 4


def _worse(model: Source, folder: Path, given: Pieces, force: bool) -> tuple[Agreement, str, FileNetwork]:
    """How far ONNX and TorchScript agree with torch: the worse of both, and what is known of the network."""
    found = []
    network = described(model, folder, ONNX, "onnx")
    for file, form in ((ONNX, "onnx"), (SCRIPT, "torchscript")):
        there = replace(network, file=file, form=form).session(folder)  # type: ignore[arg-type]
        one = agreement(model, there, given.tried, model.config.target, given.words)
        found.append((one.differs, one.largest, form, one))
    worst = max(found, key=lambda f: f[:2])
    return worst[3], judged(worst[2], worst[3], force=force), network


def _cover(model: Source, tensors: _Tensors) -> NDArray[np.uint8]:
    """Twice as wide as high: the test picture, and what is found in it in colours (BGR)."""
    labels = decode(model.config.target, tensors.answer[0])
    picture, middle = tensors.seen[0, 0], tensors.seen.shape[2] // 2
    if model.dimensions == 3:
        picture, labels = picture[middle], labels[middle]
    low, high = np.percentile(picture, (1, 99.8))
    grey = np.clip((picture - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    colours = np.random.default_rng(0).integers(60, 255, (int(labels.max()) + 1, 3), dtype=np.uint8)
    colours[0] = 0
    left = np.repeat(grey[..., None], 3, 2)
    right = (left // 2 + colours[labels] // 2).astype(np.uint8)
    side = min(left.shape[:2])
    return np.concatenate([left[:side, :side], right[:side, :side]], axis=1)


def _environment() -> str:
    """Of the state dict, whose network is built by us."""
    ours, theirs = version("napari-cellseg"), version("torch").split("+")[0]
    lines = ["channels:", "  - conda-forge", "dependencies:", "  - python>=3.11", f"  - pytorch>={theirs}", "  - pip"]
    return "\n".join([*lines, "  - pip:", f"      - napari-cellseg>={ours}", ""])


def _zip(folder: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, path.name)


def _description(
    model: Source, folder: Path, tensors: _Tensors, said: Statement, network: FileNetwork, found: Agreement
) -> dict[str, Any]:
    """The whole of ``bioimageio.yaml``."""
    from bioimageio.spec.model.v0_5 import ModelDescr

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": sha256(folder / name)}

    objects = "objects" if model.config.target.instances else "classes"
    steps = model.config.target.label()
    return {
        "type": "model",
        "format_version": ModelDescr.implemented_format_version,
        "name": _plain(said.name),
        "description": f"Finds {objects} in {model.dimensions}D images; its channels are: {steps}. README.md says "
        "how to "
        "prepare images and how labels are made of what it gives.",
        "authors": [{"name": name} for name in said.authors],
        "license": said.licence,
        "cite": [{"text": text, "doi": doi} for text, doi in said.cite],
        "covers": [file("cover.png")],
        "documentation": file("README.md"),
        "tags": ["segmentation", f"{model.dimensions}d", "napari", "napari-cellseg", "pytorch", objects],
        "attachments": [file(name) for name in OURS],
        "inputs": [_input(model, tensors, file("test_input.npy"))],
        "outputs": [_output(model, file("test_output.npy"))],
        "weights": _weights(model, file),
        "config": {
            "bioimageio": {
                "architecture_type": type(model.config.model).__name__[:32],
                "bias_risks_limitations": {"limitations": str(model.card.metrics.get("limits", "")) or "Not measured."},
            },
            "napari-cellseg": {
                "version": version("napari-cellseg"), "id": model.card.id, "object_size": model.config.object_size,
                "recipe": model.config.recipe.model_dump(mode="json"), "data": said.data,
                "target": model.config.target.model_dump(mode="json"),
                "agreement": found.values() | {"said": str(found)},
                "reach": network.reach,
            },
        },
    }  # fmt: skip


def _plain(name: str) -> str:
    """Letters, digits and what else bioimage.io takes in a name."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_+- ()") else "-" for c in name)
    return kept.ljust(5, "-")[:128]


def _input(model: Source, tensors: _Tensors, test: dict[str, str]) -> dict[str, Any]:
    letters = "zyx"[-model.dimensions :]
    sizes = zip(letters, _least(model), model.strides, strict=True)
    space = [{"type": "space", "id": axis, "size": {"min": low, "step": step}} for axis, low, step in sizes]
    names = [f"channel{k}" for k in range(model.card.in_channels)]
    kind = "raw intensities" if tensors.operations is not None else "intensities after the recipe that README.md tells"
    return {
        "id": INPUT,
        "description": kind,
        "axes": [{"type": "batch", "size": 1}, {"type": "channel", "channel_names": names}, *space],
        "data": {"type": "float32"},
        "test_tensor": test,
        "preprocessing": tensors.operations or [],
    }


def _output(model: Source, test: dict[str, str]) -> dict[str, Any]:
    space: list[dict[str, Any]] = []
    for axis in "zyx"[-model.dimensions :]:
        size = {"size": {"tensor_id": INPUT, "axis_id": axis}}
        space.append({"type": "space", "id": axis} | size | ({} if axis == "z" else {"halo": _halo(model)}))
    names = _channel_names(model)
    return {
        "id": OUTPUT,
        "description": ", ".join(names)[:128],
        "axes": [{"type": "batch", "size": 1}, {"type": "channel", "channel_names": names}, *space],
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "test_tensor": test,
    }


def _channel_names(model: Source) -> list[str]:
    """What the target's channels are."""
    known = {
        "distance": ["foreground", "distance"], "boundary": ["background", "edge", "interior"],
        "flows": ["foreground", *(f"flow_{axis}" for axis in "zyx"[-model.dimensions :])], "foreground": ["foreground"],
        "semantic": ["background", *(f"class{k}" for k in range(1, model.card.out_channels))],
    }  # fmt: skip
    names = known.get(model.config.target.kind, [])
    n = model.card.out_channels
    return names if len(names) == n else [f"channel{k}" for k in range(n)]


def _weights(model: Source, file: Any) -> dict[str, Any]:
    torch_version = version("torch").split("+")[0]
    build = {
        "model": json.loads(model.config.model.model_dump_json()), "exclusive": model.config.target.exclusive,
        "in_channels": model.card.in_channels, "out_channels": model.card.out_channels,
    }  # fmt: skip
    state = {
        "architecture": {"callable": "build_network", "import_from": "napari_cellseg.exchange", "kwargs": build},
        "pytorch_version": torch_version, "dependencies": file(ENVIRONMENT),
        "comment": "The network is built by napari-cellseg, whose blocks, encoders and padding it is made of.",
    }  # fmt: skip
    return {
        "pytorch_state_dict": file(STATE) | state,
        "torchscript": file(SCRIPT) | {"pytorch_version": torch_version, "parent": "pytorch_state_dict"},
        "onnx": file(ONNX) | {"opset_version": OPSET, "parent": "pytorch_state_dict"},
    }

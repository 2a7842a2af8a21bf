"""A model out: as a folder that predicts without torch, as TorchScript, or as a bioimage.io package.

Data flow: model folder -> network in torch -> converted into a folder beside the target -> compared with torch on
pieces of pictures -> refused, or renamed to the target, with what was found written into it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import CellsegError
from ..prediction import FileNetwork
from ..prediction import Form as FileForm
from ..project import write_model
from ._agreement import Agreement, agreement
from ._convert import Source, source, to_int8, to_onnx, to_torchscript
from ._need import need
from ._package import check_statement, export_package
from ._pieces import Pieces, described, pieces
from ._wanted import FORMS, ExportedModel, Wanted, doubtful, judged


def export_folder(path: Path, wanted: Wanted) -> ExportedModel:
    """Export a model folder.

    Raises
    ------
    CellsegError
        When the target is there already, a package is missing, the model cannot be converted, or what came out says
        something else than the network in torch; nothing is left behind.
    """
    _check(wanted)
    model = source(path)
    if wanted.form == "bioimageio":
        statement = check_statement(model, wanted.statement)
        return _guarded(wanted, lambda part: export_package(model, part, pieces(model, wanted), wanted, statement))
    return _guarded(wanted, lambda part: _file_model(model, part, wanted))


# --- inside ---------------------------------------------------------------------------------------


def _check(wanted: Wanted) -> None:
    if wanted.form not in FORMS:
        raise CellsegError(f"There is no form {wanted.form!r}.", f"Choose one of {', '.join(FORMS)}.")
    if wanted.out.exists():
        raise CellsegError(f"{wanted.out} is there already.", "Name a folder that is not there yet.")
    if wanted.form == "onnx-int8" and not wanted.pictures:
        raise CellsegError(
            "8-bit numbers need pictures, which say how large the numbers inside the network become.",
            "Give some of the kind the model is for, five or more: --pictures FILE... (a project's own are taken).",
        )
    if wanted.form != "torchscript":
        need("onnx", "onnxruntime")
    if wanted.form == "bioimageio":
        need("bioimageio.spec")


def _guarded(wanted: Wanted, make: Callable[[Path], tuple[Agreement, str]]) -> ExportedModel:
    """Make it in a folder beside the target and give it its name, or leave nothing."""
    part = wanted.out.with_name(f".part-{wanted.out.name}")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        found, warning = make(part)
        ready = part / wanted.out.name
        os.replace(ready, wanted.out)
    except OSError as error:
        raise CellsegError(f"The model could not be exported to {wanted.out}: {error}.", "Free some space.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return ExportedModel(wanted.out, wanted.form, found, warning)


def _file_model(model: Source, part: Path, wanted: Wanted) -> tuple[Agreement, str]:
    """A model folder with a network in a file."""
    given, file = pieces(model, wanted), "network.pt" if wanted.form == "torchscript" else "network.onnx"
    if wanted.form == "onnx-int8":
        network, found = _in_8_bit(model, part, file, given)
    else:
        (to_torchscript if wanted.form == "torchscript" else to_onnx)(model, part / file)
        network, found = _compared(model, part, file, wanted.form, given)  # type: ignore[arg-type]
    warning = judged(wanted.form, found, force=wanted.force)
    network = replace(network, check=found.values() | {"said": str(found), "warning": warning})

    def fill(folder: Path) -> None:
        os.replace(part / file, folder / file)
        network.write(folder)

    made = write_model(part, model.card, model.config, fill)
    if made.name != wanted.out.name:
        os.replace(made, part / wanted.out.name)
    return found, warning


def _in_8_bit(model: Source, part: Path, file: str, given: Pieces) -> tuple[FileNetwork, Agreement]:
    """All of the network in 8 bit; where that changes too much, all but its encoder, if that changes less.

    Of the base model on 29 pieces of 5 kinds of pictures: all of it 97.8 % of the voxels and 211 of 392 objects the
    same, all but the encoder 99.9 % and 385, at the same speed: what is wide is the decoder.
    """
    to_onnx(model, part / "float.onnx")
    tried = []
    for spared in dict.fromkeys(("", model.encoder)):
        name = f"{spared or 'all'}.onnx"
        to_int8(part / "float.onnx", part / name, given.calibrating, spared)
        tried.append((*_compared(model, part, name, "onnx-int8", given), spared))
        if not doubtful(tried[-1][1]):
            break
    network, found, spared = min(tried, key=lambda t: (t[1].lost, t[1].differs))
    os.replace(part / network.file, part / file)
    return replace(network, file=file), replace(found, spared=spared)


def _compared(model: Source, part: Path, file: str, form: FileForm, given: Pieces) -> tuple[FileNetwork, Agreement]:
    network = described(model, part, file, form)
    return network, agreement(model, network.session(part), given.tried, model.config.target, given.words)

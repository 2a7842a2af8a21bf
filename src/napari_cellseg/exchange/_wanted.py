"""What is exported, what is said of it, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ..errors import CellsegError
from ..images import Image
from ._agreement import Agreement

Form = Literal["onnx", "onnx-int8", "torchscript", "bioimageio"]
FORMS: tuple[Form, ...] = get_args(Form)
TOLERANCE = 1e-3
"""Share of voxels that may get other labels than torch gives them, in float32."""
DOUBTFUL, WORST = 0.01, 0.05
"""Of 8 bit: from the first share on it is said with a warning, from the second on it is refused."""
MISSED = 0.2
"""Of 8 bit: so large a share of objects that are not the same is refused, too."""


@dataclass(frozen=True)
class Statement:
    """What a package says of a model that its card does not: who made it, what may be done with it, what it saw."""

    authors: tuple[str, ...] = ()
    licence: str = ""
    cite: tuple[tuple[str, str], ...] = ()
    """(text, DOI) of papers."""
    data: str = ""
    """What it was trained on, and whether others may have that."""
    name: str = ""
    """Of the model, instead of its id."""


@dataclass(frozen=True)
class ExportedModel:
    """A model that was exported.

    Attributes
    ----------
    path
        The folder, or the zip file of a bioimage.io package.
    form
        ``onnx``, ``onnx-int8``, ``torchscript`` or ``bioimageio``.
    agreement
        How far it agrees with the network in torch; of a package the worse of ONNX and TorchScript.
    warning
        What a person should know; "" where all is well.
    """

    path: Path
    form: Form
    agreement: Agreement
    warning: str = ""


@dataclass(frozen=True)
class Wanted:
    """What to export, and on which pictures to try it; `force` exports what differs too much, with a warning."""

    form: Form
    out: Path
    pictures: Sequence[Image] = ()
    tried_on: str = ""
    force: bool = False
    statement: Statement = field(default_factory=Statement)


def doubtful(found: Agreement) -> bool:
    """Whether 8 bit changes so much that a person should know."""
    return found.differs > DOUBTFUL or found.lost > MISSED / 2


def judged(form: str, found: Agreement, *, force: bool) -> str:
    """A warning in words, "" where all is well.

    Raises
    ------
    CellsegError
        When what was converted says something else, and `force` does not take it all the same.
    """
    eight = form == "onnx-int8"
    if found.differs > (WORST if eight else TOLERANCE) or (eight and found.lost > MISSED):
        if not force:
            raise CellsegError(
                f"The model as {form} differs too much from the network in torch, so it was not exported: {found}.",
                "Export it as onnx, give more --pictures of the kind it is for, or take it all the same with --force."
                if eight
                else "Another form may do; or take it all the same with --force.",
            )
        return f"It differs much: {found}."
    if eight and doubtful(found):
        return f"8 bits change what is found: {found}. Compare on your own pictures before you rely on it."
    return ""

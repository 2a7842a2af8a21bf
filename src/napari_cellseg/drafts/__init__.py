"""First labels without a trained network: classical methods, which also are the baselines a network must beat.

Data flow: pixels after the recipe -> a method (Otsu's threshold, or a random forest that has learnt from what a person
has said) -> a mask and a height -> objects (`_parting`) -> how they look (`_looks`), which chooses between bright and
dark objects and tells the person where a draft is no help. `hela` gives named classes instead, which `draft` numbers as
the project does. Other packages add methods: see `extensions`. Drafts of any tool may be cleaned up (`CleanUp`).
"""

from __future__ import annotations

from ..extensions import DraftMethod, DraftStopped, declarations, kind_of
from ._blobs import Blobs
from ._clean import CleanUp
from ._draft import Drafted, Method, check_task, draft
from ._forest import Example, FittedClassifier, PixelClassifier
from ._known import learn
from ._looks import ADVICE, Looks, looks_of
from ._otsu import OtsuWatershed
from .hela import Hela
from .others import OTHERS, OtherProgram

Unlearnt = DraftMethod | PixelClassifier
"""A method as it is declared; the random forest must `learn` before it drafts."""
_CLASSES: list[type[Unlearnt]] = [
    *declarations("drafts", (OtsuWatershed, Blobs, Hela, *OTHERS), DraftMethod),
    PixelClassifier,
]
DRAFTS = {kind_of(cls): cls for cls in _CLASSES}
"""Every method by the name that `draft --method` takes."""

__all__ = [
    "ADVICE",
    "DRAFTS",
    "Blobs",
    "CleanUp",
    "DraftMethod",
    "DraftStopped",
    "Drafted",
    "Example",
    "FittedClassifier",
    "Hela",
    "Looks",
    "Method",
    "OtherProgram",
    "OtsuWatershed",
    "PixelClassifier",
    "Unlearnt",
    "check_task",
    "draft",
    "learn",
    "looks_of",
]

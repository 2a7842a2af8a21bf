"""First labels without a trained network: classical methods, which also are the baselines a network must beat.

Data flow: pixels after the recipe -> a method (Otsu's threshold, or a random forest that has learnt from what a person
has said) -> a mask and a height -> objects (`_parting`) -> how they look (`_looks`), which chooses between bright and
dark objects and tells the person where a draft is no help.
"""

from __future__ import annotations

from ..settings import Settings
from ._draft import Drafted, Method, draft
from ._forest import Example, FittedClassifier, PixelClassifier
from ._known import learn
from ._looks import ADVICE, Looks, looks_of
from ._otsu import OtsuWatershed

DRAFTS: tuple[type[Settings], ...] = (OtsuWatershed, PixelClassifier)

__all__ = [
    "ADVICE",
    "DRAFTS",
    "Drafted",
    "Example",
    "FittedClassifier",
    "Looks",
    "Method",
    "OtsuWatershed",
    "PixelClassifier",
    "draft",
    "learn",
    "looks_of",
]

"""Why a model says what it says: Grad-CAM, layer-wise relevance, occlusion, and the filters of a network.

Data flow: image, model and what is asked about -> `Window` (recipe, zoom) -> `Subject` -> a method -> `Explanation`.
`why` tells of a place why something was found or missed. torch is imported by what computes, not by the declarations.
"""

from __future__ import annotations

from ._explain import Explanation, Learnt, explain, learnt, subject_of
from ._filters import FilterGrid, filters
from ._methods import METHODS, GradCam, Lrp, Method, MethodBase, Occlusion
from ._picture import overlay
from ._reasons import Likeness, Reasons
from ._subject import Output, Seen, Subject, What
from ._why import Known, why
from ._window import Window, ready, window_for

__all__ = [
    "METHODS",
    "Explanation",
    "FilterGrid",
    "GradCam",
    "Known",
    "Learnt",
    "Likeness",
    "Lrp",
    "Method",
    "MethodBase",
    "Occlusion",
    "Output",
    "Reasons",
    "Seen",
    "Subject",
    "What",
    "Window",
    "explain",
    "filters",
    "learnt",
    "overlay",
    "ready",
    "subject_of",
    "why",
    "window_for",
]

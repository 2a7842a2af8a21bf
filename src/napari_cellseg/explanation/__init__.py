"""Why a model says what it says: Grad-CAM, layer-wise relevance, occlusion, and the filters of a network.

Data flow: image, model and what is asked about -> `Window` (recipe, zoom) -> `Subject` -> a method -> `Explanation`.
torch is imported by what computes, not by the declarations.
"""

from __future__ import annotations

from ._explain import Explanation, Learnt, explain, learnt, subject_of
from ._filters import FilterGrid, filters
from ._methods import METHODS, GradCam, Lrp, Method, MethodBase, Occlusion
from ._picture import overlay
from ._subject import Output, Seen, Subject, What
from ._window import Window, ready, window_for

__all__ = [
    "METHODS",
    "Explanation",
    "FilterGrid",
    "GradCam",
    "Learnt",
    "Lrp",
    "Method",
    "MethodBase",
    "Occlusion",
    "Output",
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
    "window_for",
]

"""What a Workbench knows of an explanation, and what it says of it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .items import Control

Of = Literal["everything", "object", "class", "point", "view"]
METHODS = {"gradcam": "Grad-CAM", "lrp": "LRP", "occlusion": "Occlusion"}
"""Methods by their names in `explanation`, which needs more than a window should load."""
TIPS = {
    "gradcam": "Where the feature maps of the last layer speak for it. Seconds.",
    "lrp": "How much of it comes from each pixel, for and against. Seconds; needs zennit.",
    "occlusion": "How much is lost when a window is covered. A pass for every window: it takes longest.",
}


@dataclass(frozen=True)
class MapWanted:
    """Which map a person wants.

    Attributes
    ----------
    method
        One of `METHODS`.
    layer
        That Grad-CAM looks at; "": the last before the 1 x 1 convolution.
    filters
        Number of the convolution whose filters are shown, too; 0: none.
    """

    method: str = "gradcam"
    of: Of = "everything"
    layer: str = ""
    filters: int = 0


@dataclass(frozen=True)
class Near:
    """An object that a place is like: where it is, and how like it (cosine)."""

    image: str
    object: int
    centre: tuple[int, ...]
    similarity: float


@dataclass(frozen=True, eq=False)
class ExplainState:
    """What was found last.

    Attributes
    ----------
    title
        What was asked; "" where nothing was.
    lines
        The answer in sentences.
    mapped
        Whether a map lies over the image.
    profile, here, threshold
        Foreground probability along X through the place that was asked about, its index there, and where objects begin.
    near
        Objects that the place is like.
    grids
        Pictures of filters, (Y, X) uint8, with what they show.
    """

    title: str = ""
    lines: tuple[str, ...] = ()
    mapped: bool = False
    profile: tuple[float, ...] = ()
    here: int = 0
    threshold: float = 0.5
    near: tuple[Near, ...] = ()
    grids: tuple[tuple[str, NDArray[np.uint8]], ...] = ()


@dataclass(frozen=True)
class ExplainView:
    """What the dock *Explain* shows."""

    state: ExplainState
    explain: Control
    of: dict[Of, Control]
    """Whether the map of each can be asked for."""
    pointing: bool
    """Whether a click asks why."""
    colours: tuple[str, str] = ("", "")
    """For and against."""


def grids_told(grids: dict[str, NDArray[np.uint8]]) -> tuple[tuple[str, NDArray[np.uint8]], ...]:
    """What grids of filters show, in words."""
    words = {"filters": "Filters", "maps": "Feature maps"}
    told = []
    for name, pixels in grids.items():
        kind = name.rstrip("0123456789")
        told.append((f"{words[kind]} of convolution {name.removeprefix(kind)}", pixels))
    return tuple(told)


def map_lines(numbers: dict[str, Any]) -> tuple[str, ...]:
    """What is said of a map."""
    lines = [
        f"Mean relevance {numbers['mean_inside']:.3f} inside objects, {numbers['mean_outside']:.3f} outside "
        "(of its greatest).",
        f"Mean probability over what is predicted: {numbers['confidence']:.2f}.",
    ]
    if numbers["conservation"] is not None:
        lines.append(
            f"{numbers['conservation']:.0%} of the relevance arrived at the image; the rest was taken by biases."
        )
    if numbers["layer"]:
        lines.append(f"Layer: {numbers['layer']}.")
    return tuple(lines)

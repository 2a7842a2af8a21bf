"""Images that were chosen, side by side, so that a person sees what the figures do not say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._select import Decision

SIDE = 320
"""Pixels of a picture's longer side."""
ACROSS = 5


def contact_sheet(shown: Sequence[tuple[Decision, Any]]) -> Any:
    """Draw pictures with their names, confluency, sharpness and debris.

    Parameters
    ----------
    shown
        Decisions with pictures, (C, Z, Y, X) or (C, Y, X); of volumes the middle plane is drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    across = min(ACROSS, max(1, len(shown)))
    down = -(-max(1, len(shown)) // across)
    figure = Figure(figsize=(2.6 * across, 2.9 * down), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(h_pad=0.16)  # else the first line of the titles is cut off
    axes = np.atleast_1d(figure.subplots(down, across)).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (decision, image) in zip(axes, shown, strict=False):
        c = decision.candidate
        axis.imshow(_small(image), cmap="gray", interpolation="nearest")
        axis.set_title(f"{c.name}\n{c.confluency:.0f} % covered, debris {c.debris:.2f} %", fontsize=7, loc="left")
    return figure


def _small(image: Any) -> NDArray[np.float64]:
    """A grey plane of few pixels, its 1st to 99.8th percentile between 0 and 1."""
    plane = (slice(None), image.shape[1] // 2) if len(image.shape) == 4 else (slice(None),)
    every = max(1, max(image.shape[-2:]) // SIDE)
    grey = np.asarray(image[(*plane, slice(None, None, every), slice(None, None, every))], np.float64).mean(axis=0)
    low, high = np.nanpercentile(grey, (1, 99.8))
    return np.asarray(np.clip((grey - low) / ((high - low) or 1.0), 0, 1))

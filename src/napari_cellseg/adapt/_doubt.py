"""Whether what was learnt in seconds may be believed: an answer that turns the field over must agree better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..matching import overlaps

PLAUSIBLE = 0.15
"""So far may predicted objects move without further reason: 1 - the mean of their best IoUs. On five kinds of images
answers to true outlines moved the field by 0 to 0.13 (twice more: 0.20, and 0.30 where two objects were left), answers
to background painted as objects by 0.08 to 1."""
GAIN = 0.05
"""An answer that moves all of the field must agree better by so much (mean IoU), one that moves less by its share."""


def field_change(labels: NDArray[np.uint32], state: NDArray[np.uint8], new: NDArray[np.uint32]) -> float:
    """How far other labels move the objects that nobody has dealt with: 1 - the mean of their best IoUs, 0 without any.

    Parameters
    ----------
    labels, state
        What is on the screen, of one shape: uint32 and uint8.
    new
        What would take the place of what is only predicted, of the same shape.
    """
    found = overlaps(labels, new)
    mine = ~np.isin(found.left_ids, np.unique(labels[state > 0]))
    best, _ = found.of_left
    return 1.0 - float(best[mine].mean()) if mine.any() else 0.0


def doubtful(change: float, before: float, after: float) -> bool:
    """Whether an answer moves the field further than is plausible and agrees hardly better with what a person said."""
    return change > PLAUSIBLE and after <= before + GAIN * change

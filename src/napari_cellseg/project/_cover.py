"""How far models are off in the area that they cover, by what was held out when they were judged."""

from __future__ import annotations

from typing import Any

from ._folder import Project
from ._status import last_predictions

COVER = "cover"
"""In the metrics of a round: (true, predicted) voxels of each held-out image."""


def cover_ratios(project: Project, model: str) -> tuple[float, ...]:
    """True / predicted area of each image that was held out from a model, as it was judged last.

    () where it was not judged, or before 0.4.0. Images in which it found nothing give no ratio.
    """
    for round_ in reversed(project.db.rounds()):
        for side, metrics in ((round_.child, round_.after), (round_.parent, round_.before)):
            if side == model and metrics.get(COVER):
                return _ratios(metrics[COVER])
    return ()


def image_cover_ratios(project: Project, image: str) -> tuple[float, ...]:
    """The same of the model that predicted an image last, as a whole; () where none did, or several together."""
    note = last_predictions(project).get(image)
    return cover_ratios(project, note.models) if note is not None else ()


def _ratios(pairs: Any) -> tuple[float, ...]:
    return tuple(float(true) / float(found) for true, found in pairs if found)

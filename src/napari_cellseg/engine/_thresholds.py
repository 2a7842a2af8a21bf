"""Thresholds fitted to the corrections of an image, from the probabilities that were kept of it."""

from __future__ import annotations

import numpy as np

from ..errors import CellsegError
from ..events import Fitted
from ..probabilities import kept_path, open_kept
from ..project import Project, holdout_mask, known_mask
from ..targets import Distance, Target

SLICES = 8
"""Of a volume, the slices of which most is known."""
SIDE = 1536
"""Of a large plane, the middle of what is known (pixels)."""


def fit_thresholds(project: Project, image: str, models: tuple[str, ...], target: Target) -> Fitted:
    """The thresholds that agree best with what a person said of an image.

    Raises
    ------
    CellsegError
        When they cannot be fitted, or too little is known.
    """
    from ..adapt import Evidence, Plane, fit_decoding

    if not isinstance(target, Distance):
        raise CellsegError(
            "Thresholds are fitted for objects and the distance target.", "Move them by hand and watch the outlines."
        )
    kept = open_kept(kept_path(project.path, image))
    if kept.models != models or kept.target != target.kind:
        raise CellsegError(f"The kept probabilities are of {' and '.join(kept.models)}.", "Press Predict once more.")
    labels, state = project.load_labels(image)
    held = holdout_mask(project.image(image), project.db.holdouts().get(image))
    known = known_mask(labels, state, project.model_config(models[0]).train.margin) & ~held
    planes = labels.reshape(-1, *labels.shape[-2:]), known.reshape(-1, *known.shape[-2:])
    evidence = []
    for z in np.argsort(-planes[1].sum((1, 2)), kind="stable")[:SLICES].tolist():
        if planes[1][z].any():
            box = _around(planes[1][z])
            where = box if labels.ndim == 2 else (slice(z, z + 1), *box)
            sides = tuple(s.stop - s.start for s in box)
            p = np.stack([kept.box(where, channel).reshape(sides) for channel in range(kept.shape[0])])
            whole = slice(0, sides[0]), slice(0, sides[1])
            evidence.append(Evidence(Plane(p, kept.ease), whole, planes[0][z][box], planes[1][z][box]))
    found = fit_decoding(target, evidence)
    if found is None:
        raise CellsegError("Too few objects are corrected or approved here.", "Correct five, then fit again.")
    return Fitted(image, found.target, found.objects, found.before, found.after)


def _around(known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[slice, slice]:
    """What is known of a plane and a little around it, at most `SIDE` wide."""
    out = []
    for axis, n in zip((1, 0), known.shape, strict=True):
        at = np.flatnonzero(known.any(axis))
        start, stop = max(0, int(at[0]) - 48), min(n, int(at[-1]) + 49)
        middle = (start + stop) // 2
        out.append(slice(max(start, middle - SIDE // 2), min(stop, middle + SIDE // 2)))
    return out[0], out[1]

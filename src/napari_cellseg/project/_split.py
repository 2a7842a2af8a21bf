"""Dividing images into train, val and test: by source image, before any patch is cut."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

from ..errors import CellsegError
from ._folder import Project
from ._records import ImageRecord
from ._time_series import time_series_in

By = Literal["density", "confluency", "name"]
GROUPS = 3
"""Images are ranked by density or confluency and cut into so many groups of equal size."""


def stratified_split(project: Project, by: By, val: float, test: float, seed: int) -> dict[str, list[str]]:
    """Give every image a split, so that each group (density, confluency, name) is divided alike.

    Frames of one file stay together. The seed is kept in the project's settings. Returns ids per split.

    Raises
    ------
    CellsegError
        When the shares are impossible, there are too few images, or a model has learnt already.
    """
    sources = _sources(project, val, test)
    rng = np.random.default_rng(seed)
    out: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    carry = np.zeros(2)
    for group in _groups(project, sources, by):
        order = [group[i] for i in rng.permutation(len(group))]
        wanted = carry + np.array([test, val]) * len(order)  # what rounding took from one group the next one gets
        n_test, n_val = (int(n) for n in np.floor(wanted + 1e-9))
        carry = wanted - (n_test, n_val)
        for n, source in enumerate(order):
            name = "test" if n < n_test else "val" if n < n_test + n_val else "train"
            out[name] += [r.id for r in sources[source]]
    return _kept(project, out, f"by {by}, val {val}, test {test}, seed {seed}")


def random_split(project: Project, val: float, test: float, seed: int) -> dict[str, list[str]]:
    """Give every image a split by scikit-learn's ``train_test_split``, in the order in which images were added.

    With `test` 0 the images of *val* are those of ``train_test_split(sources, test_size=val, random_state=seed)``
    (Aziz et al. 2026: 0.2, seed 42), and the other way round. With both, *test* is taken off first, and *val* from the
    rest with the same seed. Frames of one file stay together. The seed is kept in the project's settings. Returns ids
    per split.

    Raises
    ------
    CellsegError
        When the shares are impossible, there are too few images, or a model has learnt already.
    """
    from sklearn.model_selection import train_test_split

    sources = _sources(project, val, test)
    parts: dict[str, list[str]] = {"train": list(sources), "val": [], "test": []}
    for name, share in (("test", test), ("val", val / (1 - test))):
        if share:
            try:
                parts["train"], parts[name] = train_test_split(parts["train"], test_size=share, random_state=seed)
            except ValueError as error:
                raise CellsegError(
                    f"{len(sources)} source images cannot be divided with {val:g} for val and {test:g} for test.",
                    "Add images, or give smaller shares.",
                ) from error
    out = {name: [r.id for source in part for r in sources[source]] for name, part in parts.items()}
    return _kept(project, out, f"by random (train_test_split), val {val}, test {test}, seed {seed}")


def _sources(project: Project, val: float, test: float) -> dict[str, list[ImageRecord]]:
    """The images of every source file, in the order in which they were added; checks that they may be divided."""
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise CellsegError(f"Shares of {val} and {test} leave nothing to learn from.", "Give shares below 1 in all.")
    if project.models():
        raise CellsegError(
            f"{project.name} has models that learnt from its images, so its split is fixed.",
            "Divide the images before the first training.",
        )
    sources: dict[str, list[ImageRecord]] = {}
    series = {id: s.name for s in time_series_in(project.images()).values() for id in s.ids}
    for record in project.images():
        sources.setdefault(series.get(record.id) or record.source, []).append(record)
    if len(sources) < 2:
        raise CellsegError(f"{project.name} has {len(sources)} source images.", "A split needs at least two.")
    return sources


def _kept(project: Project, out: dict[str, list[str]], how: str) -> dict[str, list[str]]:
    project.db.set_splits({id: name for name, ids in out.items() for id in ids}, how)
    return out


def _groups(project: Project, sources: dict[str, list[ImageRecord]], by: By) -> list[list[str]]:
    if by == "name":
        named: dict[str, list[str]] = {}
        for source, records in sources.items():
            named.setdefault(re.sub(r"[\d_\-. ]+$", "", records[0].id), []).append(source)
        return list(named.values())
    values = {source: np.mean([_value(project, r, by) for r in records]) for source, records in sources.items()}
    ranked = sorted(values, key=lambda source: (values[source], source))
    return [list(part) for part in np.array_split(np.array(ranked, dtype=object), min(GROUPS, len(ranked)))]


def _value(project: Project, record: ImageRecord, by: By) -> float:
    labels = project.load_labels(record.id)[0]
    if by == "confluency":
        return float((labels > 0).mean())
    return len(np.unique(labels[labels > 0])) / labels.size

"""A classifier of objects that learns from a few that a person classed; and which ones to class next.

Data flow: tables of the images in which anything was said -> `Scale` -> features of what was said -> the classifier ->
a probability per class for any object, an accuracy by leaving objects out, the least sure objects.
Which classifier: ``benchmarks/object_classes.py``.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._features import Scale

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST = 3
"""Less is not learnt from."""
ENOUGH = 5
"""So many of every class tell how good the classifier is."""
FOLDS = 5
TREES = 100
NEAR = 60
"""So many of the least sure objects are looked at for one that is unlike those before."""


@dataclass(frozen=True)
class Accuracy:
    """How often the class of an object that was left out was right.

    Attributes
    ----------
    value
        The mean over the classes of the share that was right; None where there is too little to tell.
    low, high
        95 % interval of the share of all objects (Wilson), 0 and 1 where nothing is known.
    text
        The same in words.
    """

    value: float | None
    low: float
    high: float
    text: str


@dataclass(frozen=True, eq=False)
class Classifier:
    """What was learnt from the objects that persons classed.

    Attributes
    ----------
    classes
        Names, sorted; the columns of probabilities.
    said
        How many objects of each were learnt from.
    """

    classes: tuple[str, ...]
    said: Mapping[str, int]
    _scale: Scale
    _model: Any
    _features: NDArray[np.float64]
    _words: NDArray[np.object_]

    def __call__(self, table: DataFrame) -> NDArray[np.float64]:
        """Probability of every class for every object of a table, (N, K)."""
        if not len(table):
            return np.zeros((0, len(self.classes)))
        return np.asarray(self._model.predict_proba(self._scale(table)))

    def features(self, table: DataFrame) -> NDArray[np.float64]:
        """What it sees of the objects of a table, (N, F)."""
        return self._scale(table)

    def accuracy(self) -> Accuracy:
        """Leave objects out, a fifth at a time, and see whether their class is found.

        Objects of one image are alike, and the least sure ones are clicked first: it may be better or worse elsewhere.
        """
        fewest = min(self.said.values())
        if fewest < ENOUGH:
            text = f"Too few to tell how good it is: {ENOUGH} of every class would tell."
            return Accuracy(None, 0.0, 1.0, text)
        found = _left_out(self._features, self._words, min(FOLDS, fewest))
        right = found == self._words
        value = float(np.mean([right[self._words == name].mean() for name in self.classes]))
        low, high = _wilson(int(right.sum()), right.size)
        text = f"{100 * value:.0f} % right when left out ({right.size} objects; {100 * low:.0f} to {100 * high:.0f} %)."
        return Accuracy(value, low, high, text)


def learn_classes(table: DataFrame, words: NDArray[np.object_]) -> tuple[Classifier | None, str]:
    """Learn from the objects that persons classed.

    Parameters
    ----------
    table
        All objects of the images in which anything was said.
    words
        The class of each, "" where nobody said, (N,).

    Returns
    -------
    Classifier or None, str
        None where there is too little to learn from, and why.
    """
    said = np.flatnonzero(words != "")
    counted = dict(sorted(Counter(map(str, words[said])).items()))
    if len(counted) < 2 or said.size < FEWEST:
        there = ", ".join(f"{k} of {name}" for name, k in counted.items()) or "none"
        return None, f"A classifier needs {FEWEST} objects of at least two classes; there are {there}."
    scale = Scale.of(table)
    if not scale.names:
        return None, "All objects measure the same: there is nothing to learn from."
    features, told = scale(table.iloc[said]), words[said]
    model = _fitted(features, told)
    return Classifier(tuple(counted), counted, scale, model, features, told), ""


def least_sure(
    features: NDArray[np.float64], probabilities: NDArray[np.float64] | None, open_to: NDArray[np.bool_], n: int = 20
) -> NDArray[np.int64]:
    """Objects that are worth a word, the most worth it first, each unlike those before.

    Parameters
    ----------
    features, probabilities
        (N, F) and (N, K) of the objects; without probabilities objects are spread over all that there are.
    open_to
        Which may be asked for, (N,): those that neither a person nor a rule decided.
    n
        How many at most.

    Returns
    -------
    (up to n,) numbers of rows
    """
    places = np.flatnonzero(open_to)
    if not places.size or not n:
        return np.zeros(0, np.int64)
    if probabilities is not None and probabilities.shape[1] > 1:
        two = np.sort(probabilities[places], axis=1)[:, -2:]
        order = np.argsort(two[:, 1] - two[:, 0], kind="stable")
        places = places[order][: max(NEAR, 3 * n)]
        first = 0
    else:
        middle = np.median(features[places], axis=0)
        first = int(np.argmin(((features[places] - middle) ** 2).sum(1)))
    chosen = [first]
    away = ((features[places] - features[places[first]]) ** 2).sum(1)
    away[first] = -1.0
    while len(chosen) < min(n, len(places)):
        best = int(np.argmax(away))
        chosen.append(best)
        away = np.minimum(away, ((features[places] - features[places[best]]) ** 2).sum(1))
        away[chosen] = -1.0
    return places[chosen]


# --- inside ---------------------------------------------------------------------------------------


def _fitted(features: NDArray[np.float64], words: NDArray[np.object_]) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(TREES, class_weight="balanced", random_state=0)
    return model.fit(features, words.astype(str))


def _left_out(features: NDArray[np.float64], words: NDArray[np.object_], folds: int) -> NDArray[np.object_]:
    """The class that each object is given by a classifier that did not see it."""
    from sklearn.model_selection import StratifiedKFold

    found = np.full(len(words), "", object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        parts = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(features, words.astype(str)))
    for learnt, rest in parts:
        found[rest] = _fitted(features[learnt], words[learnt]).predict(features[rest])
    return found


def _wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    z = 1.959964
    share, spread = right / n, z * np.sqrt(right * (n - right) / n**3 + z * z / (4 * n * n))
    middle, width = share + z * z / (2 * n), 1 + z * z / n
    return float((middle - spread) / width), float((middle + spread) / width)

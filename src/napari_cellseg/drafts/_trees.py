"""A random forest of regression trees, grown and asked on all cores.

The trees are scikit-learn's, its forests are not used: their threads change the warning filters of the process (1.9),
and where two of them meet, all filters are lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._types import Float
from ..kernels.threads import strips

_ROWS = 20_000


class Forest:
    """Mean of trees, each grown on a bootstrap sample and some of the features at a time (Breiman 2001).

    Of one column of zeros and ones per class, the mean is the probability of the class, and what the trees minimise
    (the sum of the variances) is proportional to the Gini impurity.
    """

    def __init__(self, trees: int, depth: int, seed: int) -> None:
        self._depth = depth
        self._seeds = np.random.default_rng(seed).integers(2**31 - 1, size=trees)
        self._trees: list[Any] = []

    def fit(self, features: Float, values: Float) -> Forest:
        """Learn values (N, K) of features (N, F); the result depends on the seed alone."""
        from sklearn.tree import DecisionTreeRegressor

        features, targets = np.ascontiguousarray(features, np.float32), np.ascontiguousarray(values, np.float64)
        n, grown = len(features), [None] * len(self._seeds)

        def grow(start: int, stop: int) -> None:
            for i in range(start, stop):
                seed = int(self._seeds[i])
                weights = np.bincount(np.random.default_rng(seed).integers(n, size=n), minlength=n)
                tree = DecisionTreeRegressor(max_depth=self._depth, max_features="sqrt", random_state=seed)
                grown[i] = tree.fit(features, targets, sample_weight=weights.astype(np.float64), check_input=False)

        strips(grow, len(grown), 1)
        self._trees = grown
        return self

    def predict(self, features: Float) -> Float:
        """(N, F) -> (N, K) float32."""
        features = np.ascontiguousarray(features, np.float32)
        first = self._trees[0].predict(features[:1], check_input=False)
        out = np.zeros((len(features), first.size), np.float32)

        def ask(start: int, stop: int) -> None:
            rows = features[start:stop]
            total = sum(tree.predict(rows, check_input=False).reshape(len(rows), -1) for tree in self._trees)
            out[start:stop] = total / len(self._trees)

        strips(ask, len(features), _ROWS)
        return out

"""A linear head by penalised logistic regression, round what the network says already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._types import Float
from ._samples import Samples

PENALTIES = (100.0, 1000.0, 10_000.0)
"""Candidates for the ridge penalty, per standard deviation of a feature; none of them may be better than no head."""
FOLDS = 2
ANCHORED, LEAST_ANCHORED, ANCHORED_HINTS = 10, 0.3, 0.2
"""Pixels without user edits hold the head to the network. Together they weigh as much as the corrected
objects where these are ten or fewer, and 10 / n of n objects, but never below 0.3: what is known lies near objects, and
a head fitted to that alone may call everything else object. Of hints, which are painted where the network is wrong,
they weigh a fifth."""
STEPS, QUICK_STEPS = 5, 3
"""Newton's steps for the head, and for judging a penalty."""
GAIN = 0.95
"""A head must lower the loss on what it has not seen below this share of the network's own..."""
LEAST = 0.005
"""...and by so much: where the network is nearly right, there is nothing to learn."""


@dataclass(frozen=True, eq=False)
class Head:
    """Weights (K, F) on features and bias (K,), added to the network's logits.

    Attributes
    ----------
    objects
        How many objects it was fitted to.
    before, after
        Mean loss of the network alone and with a head, on objects that the head had not seen.
    """

    weight: Float
    bias: Float
    objects: int
    before: float
    after: float

    def same(self, other: Head) -> bool:
        """Whether another head gives the same logits."""
        return np.array_equal(self.weight, other.weight) and np.array_equal(self.bias, other.bias)


def fit_head(samples: Samples) -> Head | None:
    """The head that explains the samples best, or None where the network alone is as good on what was left out.

    Logistic regression with the network's logits as offset and soft targets, by Newton's method; a Gaussian prior round
    zero keeps it near the network where little is known. For every channel the penalty is chosen by leaving out half of
    the objects (of the squares, for background), then the other half; a channel may also stay the network's own.
    """
    mean, scale = samples.features.mean(0), samples.features.std(0) + np.float32(1e-3)
    x = np.ones((len(samples.features), len(mean) + 1), np.float32)
    x[:, :-1] = (samples.features - mean) / scale
    folds = _folds(samples.groups)
    if folds.max() < FOLDS - 1 or samples.lacking:
        return None
    weights = _weights(samples)
    weight, bias, before, after = [], [], [], []
    for logits, target in zip(samples.logits.T, samples.target.T, strict=True):
        told = np.isfinite(target)
        data = Data(x[told], logits[told], target[told], weights[told])
        fold = folds[told]
        known = fold >= 0
        own = _loss(data.offset[known], data.wanted[known])
        losses = [_loss(logits[known], data.wanted[known]) for logits in _left_out(data, fold)]
        best = int(np.argmin(losses))
        used = losses[best] < min(GAIN * own, own - LEAST)
        w = _newton(data, PENALTIES[best], STEPS) if used else np.zeros(x.shape[1], np.float32)
        weight.append(w[:-1] / scale)
        bias.append(w[-1] - weight[-1] @ mean)
        before.append(own)
        after.append(losses[best] if used else own)
    if before == after:
        return None
    arrays = np.asarray(weight, np.float32), np.asarray(bias, np.float32)
    return Head(*arrays, samples.objects, float(np.mean(before)), float(np.mean(after)))


class Data(NamedTuple):
    """What one channel is fitted to: x (M, F + 1), offset (M,), wanted (M,), weight (M,)."""

    x: Float
    offset: Float
    wanted: Float
    weight: Float

    def of(self, chosen: NDArray[np.bool_]) -> Data:
        """Some of them."""
        return Data(self.x[chosen], self.offset[chosen], self.wanted[chosen], self.weight[chosen])


def _weights(samples: Samples) -> Float:
    """(M,): 1 for what was said; all anchors together a share of it."""
    anchors, hints = samples.anchors, samples.hints
    share = max(LEAST_ANCHORED, min(1.0, ANCHORED / max(1, samples.objects)))
    whole = ANCHORED_HINTS * int(hints.sum()) + share * int((~anchors & ~hints).sum())
    return np.where(anchors, np.float32(whole / max(1, int(anchors.sum()))), np.float32(1))


def _left_out(data: Data, fold: NDArray[np.int64]) -> list[Float]:
    """For every penalty, logits of every sample by a head that has not seen its fold.

    The head of the middle penalty is fitted; those of the others are one more step from there, which costs a solution
    of the equations and no new ones.
    """
    out = [np.array(data.offset, np.float32) for _ in PENALTIES]
    middle = PENALTIES[len(PENALTIES) // 2]
    for k in range(FOLDS):
        hidden = fold == k
        seen, unseen = data.of(~hidden), data.x[hidden]
        w = _newton(seen, middle, QUICK_STEPS - 1)
        slope, curvature = _equations(seen, w)
        for logits, penalty in zip(out, PENALTIES, strict=True):
            logits[hidden] += unseen @ (w - _step(w, slope, curvature, penalty))
    return out


def _newton(data: Data, penalty: float, steps: int) -> Float:
    """Weights of logistic regression with offset; the last one, of the constant, is hardly penalised."""
    w = np.zeros(data.x.shape[1], np.float32)
    for _ in range(steps):
        step = _step(w, *_equations(data, w), penalty)
        w -= step
        if np.abs(step).max() < 1e-3:
            break
    return w


def _equations(data: Data, w: Float) -> tuple[Float, Float]:
    """Gradient (F + 1,) and curvature (F + 1, F + 1) of the loss without a penalty."""
    x, offset, wanted, weight = data
    p = _sigmoid(offset + x @ w).astype(np.float32)
    rows = x * np.sqrt(weight * (p * (1 - p) + np.float32(0.01)))[:, None]
    return x.T @ (weight * (p - wanted)), rows.T @ rows  # a matrix with itself takes half of the work


def _step(w: Float, slope: Float, curvature: Float, penalty: float) -> Float:
    """Newton's step with a penalty, to be subtracted."""
    ridge = np.full(len(w), penalty, np.float32)
    ridge[-1] = 0.1
    return np.asarray(np.linalg.solve(curvature + np.diag(ridge), slope + ridge * w), np.float32)


def _folds(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """A fold for every sample; an object (or a square) is in one fold as a whole, and every fold has of both sides.

    Anchors are in none (-1): they are never left out.
    """
    ids, index = np.unique(groups, return_inverse=True)
    order, rng = np.zeros(len(ids), np.int64), np.random.default_rng(0)
    for side in (np.flatnonzero(ids > 0), np.flatnonzero(ids < 0)):
        order[side] = rng.permutation(len(side))
    return np.where(groups == 0, -1, order[index] % FOLDS)


def _loss(logits: NDArray[np.floating], target: Float) -> float:
    """Mean cross entropy."""
    p = np.clip(_sigmoid(np.asarray(logits, np.float64)), 1e-4, 1 - 1e-4)
    return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean())


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))

"""A linear head by penalised logistic regression, round what the network says already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._samples import Samples

Float = NDArray[np.float32]
PENALTIES = (10.0, 100.0, 1000.0)
"""Candidates for the ridge penalty, per standard deviation of a feature; none of them may be better than no head."""
FOLDS = 2
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
    if len(np.unique(folds)) < FOLDS or samples.lacking:
        return None
    weight, bias, before, after = [], [], [], []
    for logits, target in zip(samples.logits.T, samples.target.T, strict=True):
        told = np.isfinite(target)
        seen, offset, wanted, fold = x[told], logits[told], target[told], folds[told]
        own = _loss(offset, wanted)
        losses = [_loss(_left_out(seen, offset, wanted, fold, penalty), wanted) for penalty in PENALTIES]
        best = int(np.argmin(losses))
        used = losses[best] < min(GAIN * own, own - LEAST)
        w = _newton(seen, offset, wanted, PENALTIES[best], STEPS) if used else np.zeros(x.shape[1], np.float32)
        weight.append(w[:-1] / scale)
        bias.append(w[-1] - weight[-1] @ mean)
        before.append(own)
        after.append(losses[best] if used else own)
    if before == after:
        return None
    objects = samples.objects
    arrays = np.asarray(weight, np.float32), np.asarray(bias, np.float32)
    return Head(*arrays, objects, float(np.mean(before)), float(np.mean(after)))


def _left_out(x: Float, offset: Float, wanted: Float, fold: NDArray[np.int64], penalty: float) -> Float:
    """Logits of every sample by a head that has not seen its fold."""
    out = np.array(offset, np.float32)
    for k in range(FOLDS):
        seen = fold != k
        out[~seen] += x[~seen] @ _newton(x[seen], offset[seen], wanted[seen], penalty, QUICK_STEPS)
    return out


def _newton(x: Float, offset: Float, wanted: Float, penalty: float, steps: int) -> Float:
    """Weights of logistic regression with offset; the last one, of the constant, is hardly penalised."""
    ridge = np.full(x.shape[1], penalty, np.float32)
    ridge[-1] = 0.1
    w = np.zeros(x.shape[1], np.float32)
    for _ in range(steps):
        p = _sigmoid(offset + x @ w).astype(np.float32)
        gradient = x.T @ (p - wanted) + ridge * w
        curvature = (x.T * (p * (1 - p) + np.float32(0.01))) @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        w -= step
        if np.abs(step).max() < 1e-3:
            break
    return w


def _folds(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """A fold for every sample; an object (or a square) is in one fold as a whole, and every fold has of both sides."""
    ids, index = np.unique(groups, return_inverse=True)
    order, rng = np.zeros(len(ids), np.int64), np.random.default_rng(0)
    for side in (np.flatnonzero(ids > 0), np.flatnonzero(ids <= 0)):
        order[side] = rng.permutation(len(side))
    return np.asarray(order[index] % FOLDS, np.int64)


def _loss(logits: NDArray[np.floating], target: Float) -> float:
    """Mean cross entropy."""
    p = np.clip(_sigmoid(np.asarray(logits, np.float64)), 1e-4, 1 - 1e-4)
    return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean())


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))

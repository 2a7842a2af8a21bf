"""Figures of a network on patches, pixel by pixel: what the curves of a training are made of."""

from __future__ import annotations

import torch

FIGURES = ("loss", "accuracy", "iou", "f1", "precision", "recall")
"""In this order in tables; all but the loss are of the foreground, over known voxels, 0 to 1."""


class Sums:
    """Sums over batches: loss times known voxels, and TP, FP, FN, TN of the foreground in them."""

    def __init__(self) -> None:
        self.loss = self.known = self.tp = self.fp = self.fn = 0.0

    def add(self, loss: float, found: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> None:
        """Count one batch; all but the loss are bool, (N, [Z], Y, X)."""
        n = float(known.sum())
        self.loss += loss * n
        self.known += n
        found, truth = found & known, truth & known
        both = float((found & truth).sum())
        self.tp += both
        self.fp += float(found.sum()) - both
        self.fn += float(truth.sum()) - both

    @property
    def mean_loss(self) -> float:
        """Over known voxels; 0 of none."""
        return self.loss / self.known if self.known else 0.0

    @property
    def dice(self) -> float:
        """Of the foreground; 0 where there is none in truth and prediction."""
        either = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / either if either else 0.0

    def figures(self) -> dict[str, float]:
        """All of `FIGURES`; {} of no voxel. A ratio of nothing is 1 where nothing was to be found, and nothing was."""
        if not self.known:
            return {}
        tp, fp, fn = self.tp, self.fp, self.fn
        nothing = 1.0 if tp + fp + fn == 0 else 0.0

        def share(part: float, of: float) -> float:
            return part / of if of else nothing

        values = (self.mean_loss, 1 - (fp + fn) / self.known, share(tp, tp + fp + fn), share(2 * tp, 2 * tp + fp + fn),
                  share(tp, tp + fp), share(tp, tp + fn))  # fmt: skip
        return dict(zip(FIGURES, values, strict=True))

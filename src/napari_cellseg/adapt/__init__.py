"""What learns in seconds: a head on a network's frozen features and thresholds, fitted to the corrections at once.

Data flow: corrections -> samples (features, logits, target of single pixels) -> `fit_head` -> `Head` -> a predictor
whose logits it changes. Corrections and probabilities -> `fit_decoding` -> thresholds. The deep network itself learns
in `train`.
"""

from __future__ import annotations

from ._decoding import Evidence, Fitted, Plane, agreement, fit_decoding
from ._doubt import doubtful, field_change
from ._fit import Head, fit_head
from ._samples import Samples, read_samples
from ._store import load_head, save_head

__all__ = [
    "Evidence",
    "Fitted",
    "Head",
    "Plane",
    "Samples",
    "agreement",
    "doubtful",
    "field_change",
    "fit_decoding",
    "fit_head",
    "load_head",
    "read_samples",
    "save_head",
]

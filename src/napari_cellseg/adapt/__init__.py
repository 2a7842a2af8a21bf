"""What learns in seconds: a head on a network's frozen features, fitted to the corrections at once.

Data flow: corrections -> samples (features, logits, target of single pixels) -> `fit_head` -> `Head` -> a predictor
whose logits it changes. The deep network itself learns in `train`.
"""

from __future__ import annotations

from ._fit import Head, fit_head
from ._samples import Samples, read_samples
from ._store import load_head, save_head

__all__ = ["Head", "Samples", "fit_head", "load_head", "read_samples", "save_head"]

"""Prediction: any image, in any order, at the speed of the network, in as little memory as asked for."""

from __future__ import annotations

from ._decode_kept import decode_again
from ._elsewhere import Elsewhere, ModelsAt, PictureAt, predict_elsewhere, relayed
from ._plan import Plan, make_plan
from ._predictor import Predictor, is_exported, load_model, make_exports
from ._run import Request, plan_for, predict
from ._store import Blend, fits
from ._tiles import Queue, Span, Tile, spans, tiles

__all__ = [
    "Blend",
    "Elsewhere",
    "ModelsAt",
    "PictureAt",
    "Plan",
    "Predictor",
    "Queue",
    "Request",
    "Span",
    "Tile",
    "decode_again",
    "fits",
    "is_exported",
    "load_model",
    "make_exports",
    "make_plan",
    "plan_for",
    "predict",
    "predict_elsewhere",
    "relayed",
    "spans",
    "tiles",
]

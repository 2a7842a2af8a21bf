"""Prediction: any image, in any order, at the speed of the network, in as little memory as asked for."""

from __future__ import annotations

from ._decode_kept import decode_again
from ._elsewhere import Elsewhere, ModelsAt, PictureAt, predict_elsewhere, relayed
from ._file_network import FileNetwork, Form
from ._plan import Plan, make_plan
from ._predictor import Predictor, is_exported, load_model, make_exports, read_export
from ._readings import KINDS, NEEDS, Activation, Reading, reading
from ._run import Request, plan_for, predict
from ._runtime import Export, padded, sha256
from ._seen import seen
from ._store import Blend, fits
from ._tiles import Queue, Span, Tile, spans, tiles
from ._trial import TRIALS, differing, trial

__all__ = [
    "KINDS",
    "NEEDS",
    "TRIALS",
    "Activation",
    "Blend",
    "Elsewhere",
    "Export",
    "FileNetwork",
    "Form",
    "ModelsAt",
    "PictureAt",
    "Plan",
    "Predictor",
    "Queue",
    "Reading",
    "Request",
    "Span",
    "Tile",
    "decode_again",
    "differing",
    "fits",
    "is_exported",
    "load_model",
    "make_exports",
    "make_plan",
    "padded",
    "plan_for",
    "predict",
    "predict_elsewhere",
    "read_export",
    "reading",
    "relayed",
    "seen",
    "sha256",
    "spans",
    "tiles",
    "trial",
]

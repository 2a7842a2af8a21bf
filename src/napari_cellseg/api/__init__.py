"""The Python face: every verb once, for scripts, the command line and the docks.

Data flow: arguments -> checked, before anything is written -> a job of the engine, or a function of the project ->
events while it works -> a frozen result. Nothing here prints, asks or draws.
"""

from __future__ import annotations

from ._evaluate import compare_systems, evaluate, metrics
from ._explain import Explained
from ._loose import LoadedModel, explain, load_model, predict, predict_files
from ._measure import measure, measure_files
from ._models import model_table
from ._open import OpenProject, new, open, recover
from ._results import (
    AddedPicture,
    Additions,
    Agreement,
    Drafts,
    Evaluation,
    Experiment,
    Exports,
    Measurements,
    Predictions,
    Reported,
    SystemsCompared,
    Training,
)
from ._training_places import places_of, ranked
from ._work import Run, Verb

__all__ = [
    "AddedPicture",
    "Additions",
    "Agreement",
    "Drafts",
    "Evaluation",
    "Experiment",
    "Explained",
    "Exports",
    "LoadedModel",
    "Measurements",
    "OpenProject",
    "Predictions",
    "Reported",
    "Run",
    "SystemsCompared",
    "Training",
    "Verb",
    "compare_systems",
    "evaluate",
    "explain",
    "load_model",
    "measure",
    "measure_files",
    "metrics",
    "model_table",
    "new",
    "open",
    "places_of",
    "predict",
    "predict_files",
    "ranked",
    "recover",
]

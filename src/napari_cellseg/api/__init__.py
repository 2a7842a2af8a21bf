"""The Python face: every verb once, for scripts, the command line and the docks.

Data flow: arguments -> checked, before anything is written -> a job of the engine, or a function of the project ->
events while it works -> a frozen result. Nothing here prints, asks or draws.
"""

from __future__ import annotations

from ..tracks import Tracks
from ._augment import Augmented, augment
from ._cells import CellsFound, cell_roles
from ._describe import Description, describe
from ._evaluate import compare_systems, evaluate, metrics
from ._explain import Explained
from ._fucci import FucciResult, fucci, fucci_files
from ._loose import LoadedModel, explain, load_model, predict, predict_files
from ._measure import measure, measure_files
from ._models import model_table
from ._open import OpenProject, new, open, recover
from ._plates import Plating
from ._report import Worst, WorstWanted, worst_in, worst_wanted, write_report
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
from ._select import Selection, select
from ._tracking import Tracked
from ._training_places import places_of, ranked
from ._work import Run, Verb

__all__ = [
    "AddedPicture",
    "Additions",
    "Agreement",
    "Augmented",
    "CellsFound",
    "Description",
    "Drafts",
    "Evaluation",
    "Experiment",
    "Explained",
    "Exports",
    "FucciResult",
    "LoadedModel",
    "Measurements",
    "OpenProject",
    "Plating",
    "Predictions",
    "Reported",
    "Run",
    "Selection",
    "SystemsCompared",
    "Tracked",
    "Tracks",
    "Training",
    "Verb",
    "Worst",
    "WorstWanted",
    "augment",
    "cell_roles",
    "compare_systems",
    "describe",
    "evaluate",
    "explain",
    "fucci",
    "fucci_files",
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
    "select",
    "worst_in",
    "worst_wanted",
    "write_report",
]

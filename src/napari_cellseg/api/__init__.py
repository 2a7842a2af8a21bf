"""The Python face: every verb once, for scripts, the command line and the docks.

Data flow: arguments -> checked, before anything is written -> a job of the engine, or a function of the project ->
events while it works -> a frozen result. Nothing here prints, asks or draws.
"""

from __future__ import annotations

from ..tracks import Tracks
from ._augment import Augmented, augment
from ._cell_objects import cell_roles
from ._cells import CellsFound
from ._class_teller import ClassTeller
from ._classify import Classified, classify, classify_files, read_rules
from ._click import Clicked
from ._describe import Description, describe
from ._evaluate import compare_systems, evaluate, metrics
from ._exchange import export_model, import_model
from ._explain import Explained
from ._export import Exporting
from ._files import predict_files, watch
from ._fucci import FucciResult, fucci, fucci_files
from ._ledger import is_batch
from ._loose import LoadedModel, explain, load_model, predict
from ._measure import measure, measure_files
from ._models import model_table
from ._object_classes import (
    KINDLY,
    ObjectsSaid,
    has_classes,
    keep_rules,
    kinds_for_export,
    kinds_of_objects,
    learnt_images,
    objects_said,
    points_of_kinds,
    put_kinds,
    rules_of,
    tell,
    told_classes,
)
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
from ._serving import EngineServer, new_token
from ._tracking import Tracked
from ._training_places import places_of, ranked
from ._work import Run, Verb

__all__ = [
    "KINDLY",
    "AddedPicture",
    "Additions",
    "Agreement",
    "Augmented",
    "CellsFound",
    "ClassTeller",
    "Classified",
    "Clicked",
    "Description",
    "Drafts",
    "EngineServer",
    "Evaluation",
    "Experiment",
    "Explained",
    "Exporting",
    "Exports",
    "FucciResult",
    "LoadedModel",
    "Measurements",
    "ObjectsSaid",
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
    "classify",
    "classify_files",
    "compare_systems",
    "describe",
    "evaluate",
    "explain",
    "export_model",
    "fucci",
    "fucci_files",
    "has_classes",
    "import_model",
    "is_batch",
    "keep_rules",
    "kinds_for_export",
    "kinds_of_objects",
    "learnt_images",
    "load_model",
    "measure",
    "measure_files",
    "metrics",
    "model_table",
    "new",
    "new_token",
    "objects_said",
    "open",
    "places_of",
    "points_of_kinds",
    "predict",
    "predict_files",
    "put_kinds",
    "ranked",
    "read_rules",
    "recover",
    "rules_of",
    "select",
    "tell",
    "told_classes",
    "watch",
    "worst_in",
    "worst_wanted",
    "write_report",
]

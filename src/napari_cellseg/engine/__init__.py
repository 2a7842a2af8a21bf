"""Runs predictions and trainings in one warm child process that holds torch and the networks.

Data flow: a frozen `Job` (paths and a configuration, never live objects) goes down the pipe; events come back
up. The child survives any job's error, the parent survives any child's death.
"""

from __future__ import annotations

from ._click import ClickJob
from ._client import Engine
from ._explain import (
    Asking,
    ExplainJob,
    WhyJob,
    asked_of,
    method_of,
    reasons_in,
    stoppable,
    what_of,
    zoom_of_picture,
)
from ._explain_files import filter_grids, write_explanation
from ._jobs import (
    DecodeJob,
    EvaluateJob,
    FitJob,
    Job,
    JudgeJob,
    PlanJob,
    PredictJob,
    ShowTrainingJob,
    Stop,
    TrainJob,
    decoded_with,
    held_out,
    load_folder,
    loaded_models,
    options_of,
    run,
)
from ._live import LiveJob, live_reason
from ._messages import Reply
from ._rounds import Keep, decide, judged_better, open_round, record_round, settle_round, unjudged_models
from ._written import note_predicted, target_of, unpredicted, write_prediction

__all__ = [
    "Asking",
    "ClickJob",
    "DecodeJob",
    "Engine",
    "EvaluateJob",
    "ExplainJob",
    "FitJob",
    "Job",
    "JudgeJob",
    "Keep",
    "LiveJob",
    "PlanJob",
    "PredictJob",
    "Reply",
    "ShowTrainingJob",
    "Stop",
    "TrainJob",
    "WhyJob",
    "asked_of",
    "decide",
    "decoded_with",
    "filter_grids",
    "held_out",
    "judged_better",
    "live_reason",
    "load_folder",
    "loaded_models",
    "method_of",
    "note_predicted",
    "open_round",
    "options_of",
    "reasons_in",
    "record_round",
    "run",
    "settle_round",
    "stoppable",
    "target_of",
    "unjudged_models",
    "unpredicted",
    "what_of",
    "write_explanation",
    "write_prediction",
    "zoom_of_picture",
]

"""Runs predictions and trainings in one warm child process that holds torch and the networks.

Data flow: a frozen `Job` (paths and a configuration, never live objects) goes down the pipe; events come back
up. The child survives any job's error, the parent survives any child's death.
"""

from __future__ import annotations

from ._client import Engine, Reply
from ._jobs import DecodeJob, EvaluateJob, Job, PlanJob, PredictJob, ShowTrainingJob, TrainJob, run
from ._rounds import decide, judged_better, open_round, record_round
from ._simulate import Simulation, simulate
from ._study import Study, study, study_table

__all__ = [
    "DecodeJob",
    "Engine",
    "EvaluateJob",
    "Job",
    "PlanJob",
    "PredictJob",
    "Reply",
    "ShowTrainingJob",
    "Simulation",
    "Study",
    "TrainJob",
    "decide",
    "judged_better",
    "open_round",
    "record_round",
    "run",
    "simulate",
    "study",
    "study_table",
]

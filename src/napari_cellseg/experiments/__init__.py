"""Experiments without a person: a perfect annotator works through the loop; factors of a training are compared.

Data flow: a project of approved truth -> a scratch project -> jobs of the engine, one after another -> events with
figures. The project itself is never changed.
"""

from __future__ import annotations

from ._factors import FACTORS
from ._scratch import approved_truth
from ._simulate import Simulation, simulate
from ._study import Study, study, study_table

__all__ = ["FACTORS", "Simulation", "Study", "approved_truth", "simulate", "study", "study_table"]

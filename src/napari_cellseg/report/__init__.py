"""What others are shown: the report of a project, curves, labels before and after, strips of errors, tables as files.

Data flow of the report: project folder -> `tell` -> `Story`, plain values -> curves, methods in words, one HTML page.
"""

from __future__ import annotations

from ._batch import write_batch
from ._cycles import CYCLE_COLUMNS, CycleTold, cycle_rows, sentence, told_cycles
from ._dynamics import ModelRow, folders_of, model_row, model_rows, models_markdown, shown, write_model_rows
from ._effort import Action, Effort, actions, summed
from ._figures import plot_before_after, plot_curve, plot_slices, plot_strips, strips_png
from ._methods import methods
from ._page import Case, page, place_in_words, write_page
from ._story import MEASURED, OWN, Story, Stretch, as_json, measured_against, tell
from ._tables import markdown, write_csv

__all__ = [
    "CYCLE_COLUMNS",
    "MEASURED",
    "OWN",
    "Action",
    "Case",
    "CycleTold",
    "Effort",
    "ModelRow",
    "Story",
    "Stretch",
    "actions",
    "as_json",
    "cycle_rows",
    "folders_of",
    "markdown",
    "measured_against",
    "methods",
    "model_row",
    "model_rows",
    "models_markdown",
    "page",
    "place_in_words",
    "plot_before_after",
    "plot_curve",
    "plot_slices",
    "plot_strips",
    "sentence",
    "shown",
    "strips_png",
    "summed",
    "tell",
    "told_cycles",
    "write_batch",
    "write_csv",
    "write_model_rows",
    "write_page",
]

"""Trust of what nobody looked at: a spot check of random untouched objects and fields, and what it says of the rest.

Data flow: labels and state of all images -> `draw` -> places in ``project.db`` -> a person's answers, or a table of
them -> `result_of`: precision and recall with intervals that hold whatever the images look like.
"""

from __future__ import annotations

from ._draw import FIELDS, LEAST, OBJECTS, Drawing, draw
from ._intervals import Share, recall_in_fields, share_of_set
from ._own_truth import OwnTruth, own_truth
from ._result import SpotResult, as_row, result_of, results, said
from ._table import COLUMNS, answer_from_table, answer_places, write_sample

__all__ = [
    "COLUMNS",
    "FIELDS",
    "LEAST",
    "OBJECTS",
    "Drawing",
    "OwnTruth",
    "Share",
    "SpotResult",
    "answer_from_table",
    "answer_places",
    "as_row",
    "draw",
    "own_truth",
    "recall_in_fields",
    "result_of",
    "results",
    "said",
    "share_of_set",
    "write_sample",
]

"""What objects measure: labels and intensities to a table, and tables to a summary. No torch, no viewer.

Data flow: labels in blocks -> boxes, moments, rows and boundaries of all objects (compiled loops of `kernels`) ->
columns, each declared once -> one table per image -> counts, densities and sizes per image and group.
"""

from __future__ import annotations

from ._columns import COLUMNS, GROUPS, Column, chosen
from ._files import check_table_path, write_table
from ._objects import Measured, Objects, components, measure_objects
from ._summary import FIGURES, groups_of, summarise

__all__ = [
    "COLUMNS",
    "FIGURES",
    "GROUPS",
    "Column",
    "Measured",
    "Objects",
    "check_table_path",
    "chosen",
    "components",
    "groups_of",
    "measure_objects",
    "summarise",
    "write_table",
]

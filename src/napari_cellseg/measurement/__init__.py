"""What objects measure: labels and intensities to a table, and tables to a summary. No torch, no viewer.

Data flow: labels in blocks -> boxes, moments, rows and boundaries of all objects (compiled loops of `kernels`) ->
columns, each declared once -> one table per image -> counts, densities and sizes per image and group.
"""

from __future__ import annotations

from ._columns import COLUMNS, GROUPS, Column, chosen
from ._files import check_table_path, write_table
from ._objects import Measured, Objects, components, measure_objects
from ._sources import NO_PIXELS, array_channels, channels_of, image_of_project, tables
from ._summary import FIGURES, groups_of, summarise

__all__ = [
    "COLUMNS",
    "FIGURES",
    "GROUPS",
    "NO_PIXELS",
    "Column",
    "Measured",
    "Objects",
    "array_channels",
    "channels_of",
    "check_table_path",
    "chosen",
    "components",
    "groups_of",
    "image_of_project",
    "measure_objects",
    "summarise",
    "tables",
    "write_table",
]

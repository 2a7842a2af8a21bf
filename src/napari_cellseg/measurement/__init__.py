"""What objects measure: labels and intensities to a table, and tables to a summary. No torch, no viewer.

Data flow: labels in blocks -> boxes, moments, rows and boundaries of all objects (compiled loops of `kernels`) ->
columns, each declared once -> one table per image -> counts, densities and sizes per image and group.
"""

from __future__ import annotations

from ._boxes import box_figure
from ._cells import CellRules, Cells, Roles, cells_of_classes
from ._classifier import Accuracy, Classifier, least_sure
from ._columns import COLUMNS, GROUPS, Column, chosen
from ._contact_sheet import contact_sheet
from ._cover import Cover, cover_words
from ._describe import (
    FACTS,
    STATISTICS,
    Described,
    describe_cells,
    describe_image,
    describe_markdown,
    description,
)
from ._figures import check_picture_path, figure_png, write_figure
from ._files import check_table_path, write_table
from ._fucci import (
    FUCCI_FIGURES,
    FUCCI_STATES,
    MARKERS,
    STATE_NAMES,
    UNKNOWN_STATE,
    Threshold,
    count_states,
    fucci_states,
    fucci_tables,
    propose_threshold,
    state_name,
    with_states,
)
from ._fucci_figure import fucci_figure
from ._growth import GROWTH_COLUMNS, OF, Interval, growth_figure, growth_table, growth_words, interval_of
from ._nuclei import channel_number, nuclei_of, usual_channels
from ._object_classes import (
    CLASS_COLUMNS,
    CLASS_FIGURES,
    ClassesTold,
    check_rules,
    class_figures,
    class_tables,
    count_classes,
    rows_to_say,
    tell_classes,
    with_classes,
)
from ._objects import Measured, Objects, components, measure_objects, only_columns
from ._packed import packed, unpacked
from ._plate import PLATES, VALUES, Well, plate_figure, plate_size, plate_table, wells_of
from ._points import Spoken, inner_point, inner_points, labels_at, points_to_say, words_by_label
from ._rules import Rule, read_rule
from ._select import CHOICE_COLUMNS, Candidate, Choosing, Decision, choice_table, choose, looked_at
from ._sources import NO_PIXELS, array_channels, channels_of, image_of_project, tables
from ._summary import FIGURES, groups_of, summarise
from ._times import USUAL_TIMES, known_times, series_of, times_of
from ._warm_up import PATIENCE_S, compiled_apart, note_compiled, warm_up

__all__ = [
    "CHOICE_COLUMNS",
    "CLASS_COLUMNS",
    "CLASS_FIGURES",
    "COLUMNS",
    "FACTS",
    "FIGURES",
    "FUCCI_FIGURES",
    "FUCCI_STATES",
    "GROUPS",
    "GROWTH_COLUMNS",
    "MARKERS",
    "NO_PIXELS",
    "OF",
    "PATIENCE_S",
    "PLATES",
    "STATE_NAMES",
    "STATISTICS",
    "UNKNOWN_STATE",
    "USUAL_TIMES",
    "VALUES",
    "Accuracy",
    "Candidate",
    "CellRules",
    "Cells",
    "Choosing",
    "ClassesTold",
    "Classifier",
    "Column",
    "Cover",
    "Decision",
    "Described",
    "Interval",
    "Measured",
    "Objects",
    "Roles",
    "Rule",
    "Spoken",
    "Threshold",
    "Well",
    "array_channels",
    "box_figure",
    "cells_of_classes",
    "channel_number",
    "channels_of",
    "check_picture_path",
    "check_rules",
    "check_table_path",
    "choice_table",
    "choose",
    "chosen",
    "class_figures",
    "class_tables",
    "compiled_apart",
    "components",
    "contact_sheet",
    "count_classes",
    "count_states",
    "cover_words",
    "describe_cells",
    "describe_image",
    "describe_markdown",
    "description",
    "figure_png",
    "fucci_figure",
    "fucci_states",
    "fucci_tables",
    "groups_of",
    "growth_figure",
    "growth_table",
    "growth_words",
    "image_of_project",
    "inner_point",
    "inner_points",
    "interval_of",
    "known_times",
    "labels_at",
    "least_sure",
    "looked_at",
    "measure_objects",
    "note_compiled",
    "nuclei_of",
    "only_columns",
    "packed",
    "plate_figure",
    "plate_size",
    "plate_table",
    "points_to_say",
    "propose_threshold",
    "read_rule",
    "rows_to_say",
    "series_of",
    "state_name",
    "summarise",
    "tables",
    "tell_classes",
    "times_of",
    "unpacked",
    "usual_channels",
    "warm_up",
    "wells_of",
    "with_classes",
    "with_states",
    "words_by_label",
    "write_figure",
    "write_table",
]

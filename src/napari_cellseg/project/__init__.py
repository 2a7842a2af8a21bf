"""The project folder ``NAME.cellseg``: the only truth.

Data: images are records that refer to files; labels and state are arrays that equal the newest snapshot plus
every edit logged after it; models are folders that appear whole. All changes of pixels flow one way:
`Edit` -> row in ``project.db`` -> arrays in memory -> snapshot from time to time.
"""

from __future__ import annotations

from ._acts import Act, Verb
from ._adopt import adopt_model, begin_with, find_model, new_project
from ._compact import Compacted, LogSize, compact, log_size
from ._cycles import (
    CycleMark,
    ReviewCycle,
    labels_at_marks,
    labels_of_cycle,
    open_cycle,
    put_closed,
    review_cycle,
    review_cycles,
    reviewer_of,
)
from ._edit import Edit, decode_edit, difference, encode_edit
from ._ensemble import best_epochs, member_paths, save_ensemble
from ._export import Frames, export_labels, export_units, write_labels_of
from ._fitted import fitted_target, head_path, put_fitted_target
from ._folder import Project
from ._forecast import Forecast, forecast
from ._fucci import FucciSetup, SaidState, fucci_setup, put_fucci_setup, said_states, say_states
from ._hints import BACKGROUND, Hints
from ._holdout import assign_holdouts, change_holdout, holdout_mask
from ._import import Added, Addition
from ._joining import check_whole, images_named, join_time_series, named_series, set_interval
from ._kinds import kinds_of_images
from ._known import APPROVED, CORRECTED, PREDICTED, known_mask
from ._label_sources import SOURCES, LabelSource, automatic_truth, label_sources, undone_edits
from ._label_store import LabelStore
from ._models import CHECKPOINT, EPOCHS, LeftOut, read_card, read_model_config, unfinished_runs, write_model
from ._names import free_name, names_for, safe_name
from ._objects import Objects
from ._opening import SUFFIX
from ._others import labels_before, labels_of_others, masks_for_image
from ._reading import check_unread, reading
from ._records import (
    ANSWER,
    EditRow,
    Entry,
    Holdout,
    ImageRecord,
    ModelCard,
    ReviewRecord,
    RoundRecord,
    entries,
    write_history,
)
from ._removal import Removed, remove_image, removed_images, restore_image, what_goes
from ._rename import Split, change_split, learnt_from, rename_image
from ._rescue import save_elsewhere
from ._sizes import (
    LARGEST,
    given_size,
    given_sizes,
    known_size,
    known_sizes,
    measure_sizes,
    note_size,
    object_size,
    put_size,
    said_size,
    zoom_of,
)
from ._split import random_split, stratified_split
from ._spot_checks import (
    COUNTED,
    COUNTING,
    GONE,
    RIGHT,
    UNSURE,
    WRONG,
    SpotAnswer,
    SpotCheck,
    SpotPlace,
    add_spot_answers,
    add_spot_check,
    is_as_drawn,
    is_outdated,
    mark_of,
    spot_checks,
)
from ._status import ImageStatus, Prediction, image_status, image_statuses, last_predictions, note_prediction
from ._time_series import TimeSeries, frames_beside, series_with, time_series_in
from ._training_places import (
    Sees,
    TrainingPlace,
    TrainingPlaces,
    images_learnt,
    keep_training_places,
    learnt_mask,
    training_places,
)

__all__ = [
    "ANSWER",
    "APPROVED",
    "BACKGROUND",
    "CHECKPOINT",
    "CORRECTED",
    "COUNTED",
    "COUNTING",
    "EPOCHS",
    "GONE",
    "LARGEST",
    "PREDICTED",
    "RIGHT",
    "SOURCES",
    "SUFFIX",
    "UNSURE",
    "WRONG",
    "Act",
    "Added",
    "Addition",
    "Compacted",
    "CycleMark",
    "Edit",
    "EditRow",
    "Entry",
    "Forecast",
    "Frames",
    "FucciSetup",
    "Hints",
    "Holdout",
    "ImageRecord",
    "ImageStatus",
    "LabelSource",
    "LabelStore",
    "LeftOut",
    "LogSize",
    "ModelCard",
    "Objects",
    "Prediction",
    "Project",
    "Removed",
    "ReviewCycle",
    "ReviewRecord",
    "RoundRecord",
    "SaidState",
    "Sees",
    "Split",
    "SpotAnswer",
    "SpotCheck",
    "SpotPlace",
    "TimeSeries",
    "TrainingPlace",
    "TrainingPlaces",
    "Verb",
    "add_spot_answers",
    "add_spot_check",
    "adopt_model",
    "assign_holdouts",
    "automatic_truth",
    "begin_with",
    "best_epochs",
    "change_holdout",
    "change_split",
    "check_unread",
    "check_whole",
    "compact",
    "decode_edit",
    "difference",
    "encode_edit",
    "entries",
    "export_labels",
    "export_units",
    "find_model",
    "fitted_target",
    "forecast",
    "frames_beside",
    "free_name",
    "fucci_setup",
    "given_size",
    "given_sizes",
    "head_path",
    "holdout_mask",
    "image_status",
    "image_statuses",
    "images_learnt",
    "images_named",
    "is_as_drawn",
    "is_outdated",
    "join_time_series",
    "keep_training_places",
    "kinds_of_images",
    "known_mask",
    "known_size",
    "known_sizes",
    "label_sources",
    "labels_at_marks",
    "labels_before",
    "labels_of_cycle",
    "labels_of_others",
    "last_predictions",
    "learnt_from",
    "learnt_mask",
    "log_size",
    "mark_of",
    "masks_for_image",
    "measure_sizes",
    "member_paths",
    "named_series",
    "names_for",
    "new_project",
    "note_prediction",
    "note_size",
    "object_size",
    "open_cycle",
    "put_closed",
    "put_fitted_target",
    "put_fucci_setup",
    "put_size",
    "random_split",
    "read_card",
    "read_model_config",
    "reading",
    "remove_image",
    "removed_images",
    "rename_image",
    "restore_image",
    "review_cycle",
    "review_cycles",
    "reviewer_of",
    "safe_name",
    "said_size",
    "said_states",
    "save_elsewhere",
    "save_ensemble",
    "say_states",
    "series_with",
    "set_interval",
    "spot_checks",
    "stratified_split",
    "time_series_in",
    "training_places",
    "undone_edits",
    "unfinished_runs",
    "what_goes",
    "write_history",
    "write_labels_of",
    "write_model",
    "zoom_of",
]

"""Pictures and masks in and out of files: TIFF, OME-TIFF, ImageJ, OME-Zarr, PNG, JPEG, NPY.

The data are an `Image`: a lazy array with named axes and a voxel size. Reading never loads more than the
format forces; writing goes to a temporary name first and is renamed.
"""

from __future__ import annotations

from ._fingerprint import fingerprint, glance, is_unchanged
from ._guard import reading
from ._image import AXES, Image, canonical
from ._labels import components, merge_masks, pictures_in, read_labels, read_masks
from ._limits import by, check_labels_fit, in_words, memory_left
from ._masks import is_for_many
from ._outlines import Masks, MasksFor, Place
from ._pairing import count_of_masks, holds_several, is_picture, masks_by_name, picture_stem, place_in_file
from ._read import check_content, endings, from_array, read, series_in
from ._remote import absolute, address, is_remote
from ._series import Series
from ._thumbnail import write_thumbnail
from ._write import (
    FOR_NUMBERS,
    LABEL_FORMATS,
    label_file,
    put_in_place,
    write_label_series,
    write_labels,
    write_labels_inside,
    write_map,
    write_probabilities,
)
from ._write_zarr import Halve, label_levels
from ._zarr import labels_inside

__all__ = [
    "AXES",
    "FOR_NUMBERS",
    "LABEL_FORMATS",
    "Halve",
    "Image",
    "Masks",
    "MasksFor",
    "Place",
    "Series",
    "absolute",
    "address",
    "by",
    "canonical",
    "check_content",
    "check_labels_fit",
    "components",
    "count_of_masks",
    "endings",
    "fingerprint",
    "from_array",
    "glance",
    "holds_several",
    "in_words",
    "is_for_many",
    "is_picture",
    "is_remote",
    "is_unchanged",
    "label_file",
    "label_levels",
    "labels_inside",
    "masks_by_name",
    "memory_left",
    "merge_masks",
    "picture_stem",
    "pictures_in",
    "place_in_file",
    "put_in_place",
    "read",
    "read_labels",
    "read_masks",
    "reading",
    "series_in",
    "write_label_series",
    "write_labels",
    "write_labels_inside",
    "write_map",
    "write_probabilities",
    "write_thumbnail",
]

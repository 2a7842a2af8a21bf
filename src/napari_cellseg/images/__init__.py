"""Pictures and masks in and out of files: TIFF, OME-TIFF, ImageJ, OME-Zarr, PNG, JPEG, NPY.

The data are an `Image`: a lazy array with named axes and a voxel size. Reading never loads more than the
format forces; writing goes to a temporary name first and is renamed.
"""

from __future__ import annotations

from ._image import AXES, Image, canonical
from ._labels import components, merge_masks, pictures_in, read_labels, read_masks
from ._masks import is_for_many, is_foreign
from ._outlines import Masks, MasksFor
from ._read import check_content, fingerprint, read
from ._write import LABEL_FORMATS, write_labels, write_probabilities

__all__ = [
    "AXES",
    "LABEL_FORMATS",
    "Image",
    "Masks",
    "MasksFor",
    "canonical",
    "check_content",
    "components",
    "fingerprint",
    "is_for_many",
    "is_foreign",
    "merge_masks",
    "pictures_in",
    "read",
    "read_labels",
    "read_masks",
    "write_labels",
    "write_probabilities",
]

"""Pictures and masks in and out of files: TIFF, OME-TIFF, ImageJ, OME-Zarr, PNG, JPEG, NPY.

The data are an `Image`: a lazy array with named axes and a voxel size. Reading never loads more than the
format forces; writing goes to a temporary name first and is renamed.
"""

from __future__ import annotations

from ._image import AXES, Image, canonical
from ._labels import components, merge_masks, read_labels
from ._masks import is_foreign
from ._read import check_content, fingerprint, read
from ._write import LABEL_FORMATS, write_labels, write_probabilities

__all__ = [
    "AXES",
    "LABEL_FORMATS",
    "Image",
    "canonical",
    "check_content",
    "components",
    "fingerprint",
    "is_foreign",
    "merge_masks",
    "read",
    "read_labels",
    "write_labels",
    "write_probabilities",
]

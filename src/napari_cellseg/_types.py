"""Names for arrays, boxes and the like that every room uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint32]
"""Ids of objects or classes, (Z, Y, X) or (Y, X); 0 is background."""
State = NDArray[np.uint8]
"""0 predicted, 1 corrected, 2 approved; as labels."""
Mask = NDArray[np.bool_]
Float = NDArray[np.float32]
Box = tuple[slice, ...]
"""A part of an image, one slice per spatial axis."""
Box3 = tuple[slice, slice, slice]
"""A part of a volume (Z, Y, X)."""
Shape3 = tuple[int, int, int]
Span = tuple[tuple[int, int], ...]
"""A box as plain numbers, (start, stop) per axis: what goes through pipes and into files."""
Spacing = tuple[float, ...] | None
"""Voxel size along each axis (um); None where it is not known."""

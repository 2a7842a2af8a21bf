"""Cellpose's ``_seg.npy``: a pickled dictionary, read without running any code that a pickle may name."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

_REBUILDS_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
}  # fmt: skip
"""What an honest file needs; none of it can do more than make arrays."""


class _Placeholder:
    """Stands for any other class: it keeps nothing and does nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _REBUILDS_ARRAYS:
            return super().find_class(module, name)
        return _Placeholder  # paths, sets and whatever else Cellpose puts beside the masks


def read_seg(path: Path) -> NDArray[np.uint32]:
    """The masks of a Cellpose file, (Z, Y, X) or (Y, X) uint32.

    Raises
    ------
    CellsegError
        When it holds no masks.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file)
            content = file.read()
        if shape != () or dtype != np.dtype(object):
            raise ValueError("it is a plain array")
        found = _ArraysOnly(io.BytesIO(content)).load()
        data = found.reshape(-1)[0] if isinstance(found, np.ndarray) else found
        masks = np.asarray(data["masks"])
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        EOFError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        raise CellsegError(
            f"{path.name} is no Cellpose segmentation: {error}.", "Save the masks as PNG or TIFF in Cellpose."
        ) from error
    if masks.ndim not in (2, 3) or masks.dtype.kind not in "iu" or masks.min(initial=0) < 0:
        raise CellsegError(f"{path.name} holds no label image.", "Save the masks as PNG or TIFF in Cellpose.")
    return masks.astype(np.uint32)

"""Cellpose's ``_seg.npy``: a pickled dictionary, read without running any code that a pickle may name."""

from __future__ import annotations

import io
import pickle
import struct
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from .._types import Labels
from ..errors import CellsegError

_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError, MemoryError, OverflowError,
    RecursionError, ImportError, SyntaxError, struct.error, tokenize.TokenError, pickle.UnpicklingError,
)  # fmt: skip
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")


class _Placeholder:
    """Stands for any other class: it keeps nothing and does nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _plain_dtype
        if name == "_reconstruct" and module in _MULTIARRAY:
            return _reconstruct
        if name == "_frombuffer" and module in _NUMERIC:
            return _frombuffer
        return _Placeholder  # numpy's own classes, paths, and whatever else Cellpose puts beside the masks


class _PlainDtype:
    """A dtype of numbers, texts or objects that ignores what a pickle wants to set in it.

    A forged state can make numpy take bytes of the file for addresses of objects; so only the specification counts.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")


def _plain_dtype(spec: Any, *flags: Any) -> _PlainDtype:
    dtype = np.dtype(spec) if isinstance(spec, str) and spec[:1] in "biufcOSU" else None
    if dtype is None or dtype.kind not in "biufcOSU":
        raise pickle.UnpicklingError("an array of unknown kind")
    return _PlainDtype(dtype)


class _PlainArray:
    """An array in the making: filled from bytes of the file only where these are numbers."""

    def __init__(self) -> None:
        self.values: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if dtype.dtype.kind == "O":
            self.values = content  # a list; its members were made by this reader, too
        elif dtype.dtype.kind in "biufc":
            flat = np.frombuffer(content, dtype.dtype)
            self.values = flat.reshape(shape, order="F" if fortran else "C")


def _reconstruct(*arguments: Any) -> _PlainArray:
    return _PlainArray()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any, *rest: Any) -> _PlainArray:
    made = _PlainArray()
    if isinstance(dtype, _PlainDtype) and dtype.dtype.kind in "biufc":
        made.values = np.frombuffer(bytes(content), dtype.dtype).reshape(shape, order=order)
    return made


def write_seg(path: Path, labels: Labels, source: Path | None) -> None:
    """Write masks so that Cellpose's window opens them, over the picture that they are of.

    Keys as Cellpose's ``masks_flows_to_seg`` has them (Cellpose 3 and 4): masks and their inner outlines, uint16 where
    the ids fit and uint32 otherwise, which of the objects were drawn by hand (none), and the picture's path. Its window
    numbers objects anew when it opens them; in the file they keep their numbers.
    """
    planes = labels.reshape(-1, *labels.shape[-2:])
    edges = [np.where(find_boundaries(plane, mode="inner"), plane, 0) for plane in planes]
    outlines = np.stack(edges).reshape(labels.shape)
    dtype = np.uint16 if labels.max(initial=0) < 65535 else np.uint32
    content = {
        "masks": labels.astype(dtype), "outlines": outlines.astype(dtype), "chan_choose": [0, 0],
        "ismanual": np.zeros(np.count_nonzero(np.unique(labels)), bool),
        "filename": str(source.resolve()) if source else "", "flows": [],
    }  # fmt: skip
    with path.open("wb") as file:  # np.save would add an ending to a temporary name
        np.save(file, content, allow_pickle=True)  # type: ignore[arg-type]


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
        data = found.values[0] if isinstance(found, _PlainArray) else found
        masks = np.asarray(data["masks"].values)
    except _UNREADABLE as error:
        raise CellsegError(
            f"{path.name} is no Cellpose segmentation: {error}.", "Save the masks as PNG or TIFF in Cellpose."
        ) from error
    if (
        masks.ndim not in (2, 3)
        or masks.dtype.kind not in "iu"
        or masks.min(initial=0) < 0
        or masks.max(initial=0) >= 2**32
    ):
        raise CellsegError(f"{path.name} holds no label image.", "Save the masks as PNG or TIFF in Cellpose.")
    return masks.astype(np.uint32)

"""The one place where what libraries raise for damaged files becomes words for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CellsegError

DAMAGED = "The file may be truncated or not what its name says. Open it in Fiji to check, or copy it again."


@contextmanager
def reading(what: str, hint: str = DAMAGED, verb: str = "cannot be read") -> Iterator[None]:
    """Around the decoding of a file that somebody else wrote, and around nothing else.

    Parameters
    ----------
    what
        Subject of the message: ``a.tif`` or ``The pixels of a.tif``.
    hint, verb
        The rest of the message.

    Raises
    ------
    CellsegError
        For whatever the decoder raised.
    """
    try:
        yield
    except CellsegError:
        raise
    except MemoryError as error:
        raise CellsegError(
            f"{what} {verb}: the memory is full.", "Close other programs, or crop the picture into parts."
        ) from error
    # Decoders of damaged files raise anything: errors of their own that derive from Exception alone (OpenCV, Pillow,
    # imagecodecs, tifffile, zarr, roifile), and AttributeError, ZeroDivisionError, AssertionError, RecursionError...
    # 2,600 mutated files showed 14 kinds; no list would be whole.
    except Exception as error:
        said = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise CellsegError(f"{what} {verb}: {said}.", hint) from error

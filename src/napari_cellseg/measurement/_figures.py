"""What figures share: where they may be written, and axes that read like intensities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CellsegError
from ..files import whole

PICTURES = ".png", ".svg", ".pdf"
NARROW = 12.0
"""Where the largest value is less than so many times the smallest, marks between powers of ten have numbers, too."""


def check_picture_path(path: str | Path) -> Path:
    """A path that a figure can be written to, so far as its name goes.

    Raises
    ------
    CellsegError
        When the ending is none of `PICTURES`.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise CellsegError(f"{path.name} is no name of a picture.", f"End it with {', '.join(PICTURES)}.")
    return path


def write_figure(figure: Any, path: str | Path) -> Path:
    """Write a matplotlib figure, whole or not at all.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    path = check_picture_path(path)
    with whole(path) as part:
        figure.savefig(part, dpi=150)
    return path


def figure_png(figure: Any) -> bytes:
    """A matplotlib figure as a PNG."""
    import io

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=140)
    return file.getvalue()


def plain_numbers(axis: Any, values: Any) -> None:
    """Write the numbers of a logarithmic axis without powers of ten."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    given = np.asarray(values, np.float64)
    positive = given[given > 0]
    narrow = bool(positive.size) and positive.max() < NARROW * positive.min()
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(StrMethodFormatter("{x:g}") if narrow else NullFormatter())

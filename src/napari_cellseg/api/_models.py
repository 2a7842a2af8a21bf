"""The table over models, of projects and of model folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..report import ModelRow, folders_of, model_row, write_model_rows


def model_table(paths: str | Path | Sequence[str | Path], *, csv: str | Path | None = None) -> tuple[ModelRow, ...]:
    """How models learnt, a row each: losses, gaps, epochs, stability, parameters (Das et al. 2025).

    Parameters
    ----------
    paths : str or Path, or a list of them
        Projects (all of their models) and model folders.
    csv : str or Path
        A table to write.

    Returns
    -------
    tuple of ModelRow
        Plain values; None where a training noted nothing to tell it from.

    Raises
    ------
    CellsegError
        When a path is neither, or the table cannot be written.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    rows = tuple(model_row(folder) for path in given for folder in folders_of(Path(path)))
    if csv is not None:
        write_model_rows(rows, csv)
    return rows

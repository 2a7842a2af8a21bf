"""Tables in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CellsegError
from ..files import whole

if TYPE_CHECKING:
    from pandas import DataFrame

ENDINGS = ".csv", ".parquet"


def check_table_path(path: str | Path) -> Path:
    """A path that `write_table` can write to, so far as its name and what is installed go.

    Raises
    ------
    CellsegError
        When the ending is none of `ENDINGS`, or what writes Parquet is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise CellsegError(f"{path.name} is no name of a table.", f"End it with {' or '.join(ENDINGS)}.")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise CellsegError(
                "Parquet is written by pyarrow, which is not installed.", "Install it: pip install pyarrow"
            ) from error
    return path


def write_table(table: DataFrame, path: str | Path) -> Path:
    """Write a table as CSV (every digit, UTF-8) or Parquet, by the ending; whole or not at all.

    Raises
    ------
    CellsegError
        See `check_table_path`; or when it cannot be written.
    """
    path = check_table_path(path)
    with whole(path) as part:
        if path.suffix.lower() == ".parquet":
            table.to_parquet(part, index=False)
        else:
            table.to_csv(part, index=False)
    return path

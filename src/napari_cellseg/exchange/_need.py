"""Packages that are asked for when they are used."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import CellsegError


def need(*names: str) -> None:
    """Check that packages are installed, by the names under which they are imported.

    Raises
    ------
    CellsegError
        Where one is not, with the command that installs it.
    """
    extra = "bioimageio" if any(n.startswith("bioimageio") for n in names) else "onnx"
    missing = [n for n in names if not _found(n)]
    if missing:
        raise CellsegError(
            f"This needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            f"pip install 'napari-cellseg[{extra}]'",
        )


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package it would be in
        return False

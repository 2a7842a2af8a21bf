"""The subcommands model export and model import."""

from __future__ import annotations

import sys
from argparse import Namespace

from .. import api
from ..errors import CellsegError
from ._opened import DONE, write_json


def export(options: Namespace) -> int:
    """Export a model, and say how far it agrees with torch."""
    done = api.export_model(
        options.model, options.out, options.format, pictures=options.pictures, force=options.force,
        authors=options.authors, licence=options.licence, cite=[_citation(text) for text in options.cite],
        data=options.data, name=options.name,
    )  # fmt: skip
    print(done.path)
    print(f"Compared with torch: {done.agreement}.")
    if done.warning:
        print(f"napari-cellseg: {done.warning}", file=sys.stderr)
    write_json(options.json, done.agreement.values() | {"path": str(done.path), "warning": done.warning})
    return DONE


def import_(options: Namespace) -> int:
    """Make a model folder of a package."""
    made = api.import_model(
        options.package, options.out, read=options.read, channels=options.channels,
        object_size=options.object_size or 0.0,
    )  # fmt: skip
    print(made)
    return DONE


def _citation(text: str) -> tuple[str, str]:
    words, separator, doi = text.rpartition("=")
    if not (separator and words and doi):
        raise CellsegError(f"{text!r} is no citation.", 'Write TEXT=DOI: --cite "Smith et al. 2024=10.1000/xyz"')
    return words.strip(), doi.strip()

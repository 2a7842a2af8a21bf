"""The command line: one subcommand per public verb, the same jobs as the docks.

Exit status: 0 done, 2 the person's mistake (message and hint on stderr), 1 a bug (traceback), 130 cancelled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import CellsegError
from ..files import full_disk
from ..processes import OURS, compute_here
from ._parser import parser

CANCELLED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    try:
        options = parser().parse_args(arguments)
        compute_here()
        status: int = options.verb(options)
    except CellsegError as error:
        print(f"napari-cellseg: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 2
    except OSError as error:
        if (full := full_disk(error)) is None:
            raise
        print(f"napari-cellseg: {full.message}\n  {full.hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("napari-cellseg: cancelled.", file=sys.stderr)
        return CANCELLED
    return status


def script() -> None:
    """Entry point of ``napari-cellseg``."""
    os.environ.update(OURS | os.environ)
    sys.exit(main())

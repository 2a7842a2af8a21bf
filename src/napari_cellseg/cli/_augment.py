"""The subcommand augment."""

from __future__ import annotations

from argparse import Namespace

from .. import api
from ..events import Event
from ._opened import status, tell_left_out
from ._progress import Printer


def augment(options: Namespace) -> int:
    """Write variants of pictures and masks."""
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            printer.show(event)

        done = api.augment(
            options.images, options.labels, out=options.out, variants=options.variants, patch=options.patch,
            scheme=options.scheme, settings=options.values, binary=options.binary, seed=options.seed,
            on_event=show, stop=printer.stopped,
        )  # fmt: skip
    if not options.events:
        print(f"{done.variants:,} variants of {done.images:,} images in {done.folder}.")
    return status(done.left_out, stopped=done.stopped)

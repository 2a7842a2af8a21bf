"""The subcommand click."""

from __future__ import annotations

from argparse import Namespace

from ._opened import DONE, opened


def click(options: Namespace) -> int:
    """Find an object and draw it."""
    with opened(options.project) as project:
        found = project.click(
            options.image, options.at, but_not=options.but_not, box=options.box, through=options.through,
            class_=options.class_,
        )  # fmt: skip
    where = ",".join(f"{a}:{b}" for a, b in found.box)
    print(f"{options.image}: object {found.id} at {where}, {int(found.mask.sum()):,} voxels.")
    return DONE

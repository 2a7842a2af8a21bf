"""The subcommand spot-check."""

from __future__ import annotations

import time
from argparse import Namespace

from .. import api
from ..errors import CellsegError
from ..trust import FIELDS, OBJECTS, SpotResult, as_row, said
from ._opened import DONE, opened, write_json


def spot_check(options: Namespace) -> int:
    """Draw a sample, take answers, say what the checks come to."""
    _refuse_misplaced(options)
    with opened(options.project) as project:
        if options.draw:
            _draw(project, options)
        if options.answers:
            project.answer_spot_check(options.answers, options.check)
        if options.sample:
            print(project.write_spot_check(options.sample, options.check))
        found = project.spot_checks
    if not found:
        raise CellsegError("No spot check has been drawn yet.", "Draw one: --draw.")
    _tell([r for r in found if options.check in (None, r.check.n)])
    write_json(options.json, {"spot_checks": [as_row(r) for r in found]})
    return DONE


def _refuse_misplaced(options: Namespace) -> None:
    given = {"--objects": options.objects, "--fields": options.fields, "--seed": options.seed, "--image": options.image}
    for flag, value in given.items():
        if value not in (None, []) and not options.draw:
            raise CellsegError(f"{flag} says what to draw.", "Give --draw, too.")
    if options.draw and (options.check or options.answers):
        raise CellsegError("A new sample has no answers yet.", "Draw first, then give --answers.")


def _draw(project: api.OpenProject, options: Namespace) -> None:
    drawn = project.draw_spot_check(
        OBJECTS if options.objects is None else options.objects, FIELDS if options.fields is None else options.fields,
        seed=options.seed or 0, images=options.image,
    )  # fmt: skip
    check = drawn.check
    print(
        f"Spot check {check.n}: {len(check.of('object'))} of {check.objects:,} untouched objects, "
        f"{len(check.of('field'))} of {check.fields:,} fields."
    )


def _tell(found: list[SpotResult]) -> None:
    for result in found:
        check = result.check
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(check.time))
        by = f", labels by {check.models}" if check.models else ""
        print(f"Spot check {check.n} ({when}, {check.author}{by}):")
        for line in said(result):
            print(f"  {line}")

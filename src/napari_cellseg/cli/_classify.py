"""The subcommand classify."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event
from ._opened import opened, status, tell_left_out
from ._progress import Printer


def classify(options: Namespace) -> int:
    """Classes of a project's objects, or of those in loose label files with their pictures."""
    first = Path(options.paths[0])
    loose = not (first / "project.toml").is_file()
    _check(options, loose)
    how: dict[str, Any] = {name: getattr(options, name) for name in ("said", "learn", "group_by", "csv", "summary")}
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            printer.show(event)

        how |= {"on_event": show, "stop": printer.stopped}
        if loose:
            pictures = options.intensity or ()
            rules = options.rule or ()
            done = api.classify_files(options.paths, pictures, rules=rules, spacing_um=options.spacing, **how)
        else:
            with opened(first) as project:
                _change(project, options)
                rules = [] if options.no_rules else options.rule
                done = project.classify(options.image, classes=options.classes, rules=rules, **how)
    if not (options.events or done.stopped):
        _tell(done)
    return status(done.left_out, stopped=done.stopped)


def _check(options: Namespace, loose: bool) -> None:
    first = options.paths[0]
    if loose and (options.image or options.rename or options.remove or options.classes or options.no_rules):
        raise CellsegError(
            f"{first} is not a project.", "--image, --classes, --rename, --remove and --no-rules are for projects."
        )
    if not loose and len(options.paths) > 1:
        raise CellsegError("One project is looked at at a time.", "Name one, or files of labels.")
    if not loose and (options.intensity or options.spacing):
        raise CellsegError(
            "A project knows its pictures and their pixel size.", "--intensity and --spacing are for loose label files."
        )
    if options.no_rules and options.rule:
        raise CellsegError("--no-rules and --rule cannot both be given.", "Give the rules that should count.")
    for pair in options.rename:
        if "=" not in pair:
            raise CellsegError(f"{pair!r} says no old and new name.", "Write --rename OLD=NEW.")


def _change(project: api.OpenProject, options: Namespace) -> None:
    api.read_rules(options.rule or ())  # before anything is written
    for pair in options.rename:
        old, _, new = pair.partition("=")
        project.rename_object_class(old, new)
    for name in options.remove:
        project.remove_object_class(name)


def _tell(done: api.Classified) -> None:
    """What was learnt, a line per group, and what was written."""
    rows = done.summary
    if done.learnt:
        print(f"Learnt from {', '.join(f'{n} of {name}' for name, n in done.learnt.items())}.")
    if done.accuracy is not None:
        print(done.accuracy.text)
    elif done.note and rows["by_hand"].sum():
        print(done.note)
    for row in rows[rows["level"] == "group"].to_dict("records"):
        counts = [f"{row[f'n_{name}']} {name}" for name in done.classes]
        counts += [f"{row['n_no_class']} of no class"] if row["n_no_class"] else []
        said = f"; {row['by_hand']} by hand" if row["by_hand"] else ""
        print(f"[{row['name']}] {row['objects']} objects: {', '.join(counts)}{said}")
    for path in done.files:
        print(path)

"""The subcommand evaluate."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import api
from ..errors import CellsegError
from ..events import Event, Exported
from ..files import write_text
from ..report import place_in_words
from ._opened import CANCELLED, DONE, opened, status, tell_left_out, write_json
from ._progress import Printer

_HOW = (
    "classes",
    "metrics",
    "threshold",
    "tolerance",
    "empty",
    "slices",
    "connectivity",
    "against",
    "seed",
    "group_by",
)
_SHOWN = (
    "dice", "iou", "precision", "recall", "ssim", "hd95", "boundary_f1", "ap50", "ap", "pq", "score", "loss", "seconds",
)  # fmt: skip
"""Printed where no metrics are asked for; all of them go to files."""


def evaluate(options: Namespace) -> int:
    """Measure models or masks, and write what was measured."""
    if options.training_places:
        return _training_places(options)
    loose = bool(options.truth)
    if loose == bool(options.project):
        raise CellsegError(
            "There is nothing to measure." if not loose else "Both a project and --truth were given.",
            "Give a project, or --truth DIR --predictions NAME=DIR.",
        )
    how = {name: getattr(options, name) for name in _HOW if getattr(options, name) is not None}
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            tell_left_out(event)
            if not isinstance(event, Exported):
                printer.show(event)

        common = {
            "exclude": _excluded(options.exclude), "figures": options.figures, "settings": how, "on_event": show,
            "stop": printer.stopped,
        }  # fmt: skip
        facts, done = _loose(options, common) if loose else _of_project(options, common)
    tables = done.tables.to_dict()
    _show(tables["summary"], options.metrics)
    write_json(options.json, {**facts, "tables": tables})
    _write(options, tables)
    return CANCELLED if done.stopped else status(done.left_out) if loose else DONE


def _training_places(options: Namespace) -> int:
    """Where the model disagrees most with what it learnt."""
    if options.truth or not options.project or options.predictions or options.exclude:
        raise CellsegError(
            "Places of training are of a project and its model.",
            "Give PROJECT, --model, --csv, --json and --figures only.",
        )
    with Printer(options.events) as printer, opened(options.project) as project:
        done = project.training_places(
            options.model, csv=options.csv, figures=options.figures, strips=options.training_places,
            on_event=printer.show, stop=printer.stopped,
        )  # fmt: skip
    print(f"{done.model} disagrees with {len(done.places)} places that it learnt from.")
    for n, place in enumerate(done.places[: options.training_places], 1):
        print(f"{n:4d}  {place.score:.2f}  {place_in_words(place)}")
    write_json(options.json, {"model": done.model, "places": [asdict(p) for p in done.places]})
    return CANCELLED if printer.stopped() else DONE


def _loose(options: Namespace, common: dict[str, Any]) -> tuple[dict[str, Any], api.SystemsCompared]:
    named = [_named(paths) for paths in options.truth]
    if len(named) > 1 and not all(name for name, _ in named):
        raise CellsegError("Several truths need names.", "Write --truth one=DIR --truth other=DIR.")
    if len({name for name, _ in named}) < len(named):
        raise CellsegError("Two truths have the same name.", "Give each its own.")
    truth = dict(named) if named[0][0] else named[0][1]
    done = api.compare_systems(
        truth, _systems(options.predictions), pictures=options.pictures or None, spacing_um=options.spacing, **common
    )
    return {}, done


def _of_project(options: Namespace, common: dict[str, Any]) -> tuple[dict[str, Any], api.Evaluation]:
    given = {"--pictures": options.pictures, "--spacing": options.spacing, "--classes": options.classes}
    for flag, value in given.items():
        if value:
            raise CellsegError(f"{flag} is for masks without a project.", "The project knows it itself.")
    systems = _systems(options.predictions)
    with opened(options.project) as project:
        done = project.evaluate(options.split, options.model, systems=systems, **common)
    for name, value in done.mean.items():
        print(f"  {name:<16} {value:.4g}")
    return {"model": done.model, "split": done.split, "mean": done.mean, "images": done.images}, done


def _named(paths: Sequence[str]) -> tuple[str, list[str]]:
    """The name before the first path, "" where there is none, and the paths."""
    name, separator, first = paths[0].partition("=")
    if not separator or Path(paths[0]).exists():
        return "", list(paths)
    return name, [first, *paths[1:]]


def _systems(given: Sequence[str]) -> dict[str, str]:
    """Folders (or ids of models) by the names of their systems; without a name, that of the folder."""
    found: dict[str, str] = {}
    for text in given:
        name, (path,) = _named([text])
        name = name or Path(path).name
        if name in found:
            raise CellsegError(f"Two predictions are called {name}.", "Name them: NAME=DIR.")
        found[name] = path
    return found


def _excluded(path: str | None) -> list[str]:
    """Names of a file, one a line; what follows a # is a remark."""
    if path is None:
        return []
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CellsegError(f"{path} cannot be read: {error}.", "Give a text file with one name a line.") from error
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def _show(summary: list[dict[str, Any]], wanted: Sequence[str] | None) -> None:
    """Mean and spread over images, a column for every system."""
    rows = [r for r in summary if r["over"] == "images" and r["group"] == "all" and r["class"] in ("", "all")]
    for truth in dict.fromkeys(r["truth"] for r in rows):
        own = {(r["metric"], r["system"]): r for r in rows if r["truth"] == truth}
        systems = list(dict.fromkeys(system for _, system in own))
        names = [n for n in dict.fromkeys(n for n, _ in own) if wanted or n in _SHOWN]
        print(f"  {truth:<18} " + " ".join(f"{system:>18}" for system in systems))
        for name in names:
            cells = [_cell(own.get((name, s))) for s in systems]
            if wanted or set(cells) != {"-"}:  # masks of a file have no loss and took no time here
                print(f"  {name:<18} " + " ".join(f"{cell:>18}" for cell in cells))


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "-"
    return f"{row['mean']:.4g}" + ("" if row["sd"] is None else f" ± {row['sd']:.3g}")


def _write(options: Namespace, tables: dict[str, Any]) -> None:
    from ..report import markdown, write_csv

    if options.csv:
        write_csv(tables, Path(options.csv))
    if options.markdown:
        write_text(options.markdown, markdown(tables, {m["name"]: m["title"] for m in api.metrics()}))

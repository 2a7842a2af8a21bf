"""A spot check without the viewer: its sample as a table to fill in, and the answers of one."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import CellsegError
from ..files import whole
from ..project import (
    COUNTED,
    GONE,
    RIGHT,
    UNSURE,
    WRONG,
    Objects,
    Project,
    SpotAnswer,
    SpotCheck,
    SpotPlace,
    add_spot_answers,
    is_as_drawn,
)

COLUMNS = ("check", "place", "kind", "image", "object", "box", "found", "answer", "missed")
"""``answer`` is right, wrong or unsure; ``missed`` is a number, of a field. Both are empty where nobody answered."""


def write_sample(check: SpotCheck, path: str | Path) -> Path:
    """Write the places of a check, with the answers so far, as CSV.

    Raises
    ------
    CellsegError
        When it cannot be written.
    """
    with whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for p in check.places:
            a = check.answers.get(p.number)
            box = " ".join(f"{low}:{high}" for low, high in p.box)
            missed = a.missed if a is not None and a.answer == COUNTED else ""
            word = a.answer if a is not None and a.answer in (RIGHT, WRONG, UNSURE) else ""
            found = p.found if p.kind == "field" else ""
            table.writerow([check.n, p.number, p.kind, p.image, p.object or "", box, found, word, missed])
    return Path(path)


def answer_from_table(project: Project, check: SpotCheck, path: str | Path) -> tuple[SpotCheck, tuple[int, ...]]:
    """Take the answers of a filled table, all or none; empty lines stay open.

    Returns
    -------
    tuple
        The check with them, and the numbers of objects that have changed since it was drawn, whose answers are not
        taken.

    Raises
    ------
    CellsegError
        When the table cannot be read, or is of another check, or an answer is none; nothing is kept then.
    """
    places = {p.number: p for p in check.places}
    found = []
    for row in _rows(Path(path)):
        place = _place(row, check, places)
        word, missed = ((row.get(name) or "").strip().lower() for name in ("answer", "missed"))
        if word or missed:
            found.append(_answer(place, word, missed))
    if not found:
        raise CellsegError(f"{Path(path).name} answers nothing.", "Fill in the columns answer (or missed, of fields).")
    return _keep(project, check, found)


def answer_places(
    project: Project, check: SpotCheck, answers: Mapping[int, str | int]
) -> tuple[SpotCheck, tuple[int, ...]]:
    """The same from values: by the number of the place, right, wrong or unsure, or of a field how many were missed.

    Raises
    ------
    CellsegError
        When there is no such place, or an answer is none; nothing is kept then.
    """
    places = {p.number: p for p in check.places}
    found = []
    for number, value in answers.items():
        if number not in places:
            raise CellsegError(f"Spot check {check.n} has no place {number}.", f"Places are 1 to {len(places)}.")
        counted = isinstance(value, int)
        found.append(_answer(places[number], "" if counted else str(value), str(value) if counted else ""))
    return _keep(project, check, found)


def _keep(project: Project, check: SpotCheck, found: Iterable[SpotAnswer]) -> tuple[SpotCheck, tuple[int, ...]]:
    """Put answers on disk; those to objects that have changed are not taken."""
    places, found = {p.number: p for p in check.places}, list(found)
    gone = _gone(project, [places[a.place] for a in found])
    kept = [SpotAnswer(a.place, GONE) if a.place in gone else a for a in found]
    return add_spot_answers(project.db, check, [replace(a, author=project.author) for a in kept]), tuple(sorted(gone))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CellsegError(f"{path} cannot be read: {error}.", "Give the table that --sample wrote.") from error
    head = text.partition("\n")[0]
    rows = list(csv.DictReader(text.splitlines(), delimiter=";" if head.count(";") > head.count(",") else ","))
    lacking = [name for name in ("check", "place") if not rows or name not in rows[0]]
    if lacking:
        what = f"{path.name} has no column {lacking[0]!r}, or no rows."
        raise CellsegError(what, "Give the table that --sample wrote.")
    return rows


def _place(row: Mapping[str, str | None], check: SpotCheck, places: Mapping[int, SpotPlace]) -> SpotPlace:
    """Which place a row is of."""
    numbers = [(row.get(name) or "").strip() for name in ("check", "place")]
    if numbers[0] != str(check.n) or not numbers[1].isdigit() or int(numbers[1]) not in places:
        raise CellsegError(
            f"The table has a place {numbers[1]!r} of spot check {numbers[0]!r}, which spot check {check.n} has not.",
            "Give the table that --sample wrote of it, or say --check.",
        )
    return places[int(numbers[1])]


def _answer(place: SpotPlace, word: str, missed: str) -> SpotAnswer:
    """What was said of a place, in words or as a number."""
    if place.kind == "object":
        if word not in (RIGHT, WRONG, UNSURE):
            raise CellsegError(
                f"{word or missed!r} answers no object (place {place.number}).", "Write right, wrong or unsure."
            )
        return SpotAnswer(place.number, word)
    if word == UNSURE:
        return SpotAnswer(place.number, UNSURE)
    if not missed.isdigit():
        raise CellsegError(
            f"{missed or word!r} is no number of missed objects (place {place.number}).",
            "Write 0 or more; or unsure as the answer, to leave the field out.",
        )
    return SpotAnswer(place.number, COUNTED, int(missed))


def _gone(project: Project, places: list[SpotPlace]) -> set[int]:
    """Numbers of objects that are not what they were when they were drawn."""
    gone: set[int] = set()
    for image in dict.fromkeys(p.image for p in places if p.kind == "object"):
        labels, state = project.load_labels(image)
        objects = Objects(labels, state)
        gone |= {p.number for p in places if p.image == image and not is_as_drawn(p, labels, state, objects)}
    return gone

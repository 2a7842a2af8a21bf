"""The spot check of a project: drawn, answered from a table or from values, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import CellsegError
from ..project import Project, SpotCheck, is_outdated, spot_checks
from ..trust import SpotResult, answer_from_table, answer_places, own_truth, result_of

Answers = str | Path | Mapping[int, str | int]
"""A filled table, or by the number of the place: right, wrong or unsure, or how many were missed in a field."""


def chosen_check(project: Project, n: int | None) -> SpotCheck:
    """A spot check by its number, the newest where none is given.

    Raises
    ------
    CellsegError
        When there is no such check.
    """
    found = {check.n: check for check in spot_checks(project.db)}
    if not found:
        raise CellsegError(
            f"No spot check of {project.name} has been drawn yet.",
            f"Draw one: napari-cellseg spot-check {project.path.name} --draw; or in the step Rounds.",
        )
    if n is not None and n not in found:
        raise CellsegError(f"There is no spot check {n}.", f"There are: {', '.join(map(str, found))}.")
    return found[n if n is not None else max(found)]


def answer(project: Project, answers: Answers, n: int | None) -> SpotResult:
    """Keep answers and say what the check comes to; see `OpenProject.answer_spot_check`."""
    check = chosen_check(project, n)
    if isinstance(answers, Mapping):
        check, _ = answer_places(project, check, answers)
    else:
        check, _ = answer_from_table(project, check, answers)
    return result_of(check, outdated=is_outdated(project.db, check), own=own_truth(project))

"""What the session knows of a project's folder, read when it is opened or refreshed, so that no view reads the disk."""

from __future__ import annotations

from typing import Any

from ...engine import unjudged_models
from ...errors import CellsegError
from ...project import Project, removed_images, time_series_in, unfinished_runs
from .items import Item


def taken(notices: list[str]) -> list[str]:
    """What was noted, once."""
    found = list(notices)
    notices.clear()
    return found


def interrupted_in(project: Project) -> str:
    """The training of a project that was interrupted last, "" where a later one has ended."""
    runs = unfinished_runs(project.runs_folder)
    trained = [m.id.lstrip("v") for m in project.models() if not m.members]
    numbers = [int(n) for n in trained if n.isdigit()]
    return runs[-1] if runs and int(runs[-1].lstrip("v")) >= max(numbers, default=0) else ""


def lists(project: Project) -> dict[str, Any]:
    """What the session knows of a project: read here, so that no view needs to read the disk."""
    current = project.current_model
    images = tuple(project.images())
    return {
        "images": images,
        "time_series": tuple(time_series_in(images).values()),
        "removed": tuple(Item(one.key, one.id, one.text) for one in removed_images(project)),
        "models": tuple(project.models()),
        "left_out": tuple(project.left_out()),
        "current_model": current,
        "own": project.model_config(current).target if current else None,
        "rounds": tuple(project.db.rounds()),
        "unfinished": interrupted_in(project),
        "unjudged": tuple(unjudged_models(project)),
        "user_edits": project.db.has_user_edits(),
        "holdouts": project.db.holdouts(),
        "guidelines": _guidelines(project)[0],
    }


def unusual(project: Project, found: dict[str, Any]) -> str:
    """What a person should know who opens a project with these lists: what is left out of it."""
    lines = [f"{one.name} cannot be used: {one.reason}." for one in found["left_out"]]
    lines += taken(project.notices)
    set_model = project.db.setting("current_model")
    if set_model and found["current_model"] is None:
        lines.append(f"The model in use was {set_model}. Choose another one below, or mend its folder.")
    lines += [f"{id} was trained, but not judged before the window closed: see Rounds." for id in found["unjudged"]]
    return "\n".join([*lines, *filter(None, [_guidelines(project)[1]])])


def _guidelines(project: Project) -> tuple[str, str]:
    """The project's annotation rules, or why they cannot be read."""
    try:
        return project.guidelines(), ""
    except CellsegError as error:
        return "", f"{error.message} {error.hint}"

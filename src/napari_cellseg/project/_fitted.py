"""What was fitted to corrections in seconds and is kept in the cache, since it can be fitted again."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from ..errors import CellsegError
from ..files import write_text
from ..settings import validated
from ..targets import Target
from ._folder import Project

_NAMES = ("threshold", "prominence", "finer")


def head_path(project: Path, model: str) -> Path:
    """Where a model's head is kept (see `adapt`), in a project's folder."""
    return project / "cache" / "heads" / f"{model}.safetensors"


def fitted_target(project: Project, model: str) -> Target | None:
    """A model's target with the thresholds that were fitted to corrections; None where its own are as good."""
    own = project.model_config(model).target
    try:
        said = json.loads(_path(project.path, model).read_text(encoding="utf-8"))
        values = own.model_dump()
        untouched = said["prominence"] == values["prominence"]
        said = {"finer": values["finer"] if untouched else 0.0} | said  # which earlier versions do not say
        values |= {name: float(said[name]) for name in _NAMES}
        target = validated(type(own), values)
    except (OSError, ValueError, KeyError, TypeError, CellsegError):
        return None
    return None if target == own else target


def put_fitted_target(project: Project, model: str, target: Target) -> None:
    """Keep thresholds that were fitted; a cache that cannot be written keeps nothing."""
    path = _path(project.path, model)
    with suppress(CellsegError):
        write_text(path, json.dumps({name: getattr(target, name) for name in _NAMES}))


def _path(project: Path, model: str) -> Path:
    return head_path(project, model).with_suffix(".json")

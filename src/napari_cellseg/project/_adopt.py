"""Starting from any model: a base model, a model folder, another project's current model.

Data flow: a name or a path -> the folder of a model -> checked against the project -> copied to ``models/<id>`` ->
current model. A copy, since a project must stay whole wherever it is taken.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

from ..base import base_models
from ..errors import CellsegError
from ._ensemble import member_paths
from ._folder import Project
from ._models import network_files, read_card, read_model_config, write_model
from ._opening import SUFFIX, Task


def find_model(name: str | Path) -> Path:
    """The folder of a base model, a model folder, or the current model of another project.

    Raises
    ------
    CellsegError
        When there is no such model.
    """
    bases, path = base_models(), Path(name)
    if str(name) in bases:
        return bases[str(name)]
    if (path / "card.json").is_file():
        return path
    if path.suffix == SUFFIX and path.is_dir():
        with Project.open(path) as other:
            if other.current_model is None:
                raise CellsegError(f"{other.name} has no model yet.", "Train one there, or start from another.")
            return other.model_path(other.current_model)
    raise CellsegError(
        f"There is no model {str(name)!r}.",
        f"Give a base model ({', '.join(bases) or 'none is installed'}), a model folder or another project.",
    )


def new_project(
    path: str | Path, task: Task = "instance", classes: tuple[str, ...] = (), model: str | Path = "base"
) -> Project:
    """Make a project that begins with a model: the base model, any other, or "none".

    A project of classes has no base model; its first training begins with the base model's features all the same.

    Raises
    ------
    CellsegError
        When the folder or the model cannot be used; no folder stays behind.
    """
    if str(model) not in ("base", "none"):
        find_model(model)
    project = Project.create(path, task, classes)
    try:
        begin_with(project, model)
    except CellsegError:
        project.close()
        shutil.rmtree(project.path)
        raise
    return project


def begin_with(project: Project, model: str | Path) -> None:
    """Let a project begin with a model: "base" (the base model for objects, none for classes), any other, or "none"."""
    if str(model) == "base":
        model = next(iter(base_models()), "none") if project.task == "instance" else "none"
    if str(model) != "none":
        adopt_model(project, model)


def adopt_model(project: Project, name: str | Path) -> str:
    """Copy a model into a project and make it the current one; returns its id there.

    A base model keeps its name and is copied once; others get the next number. What a model learnt from elsewhere is
    forgotten here, since those images are not this project's.

    Raises
    ------
    CellsegError
        When there is no such model, or it is made for another task or other classes.
    """
    source = find_model(name)
    card, config = read_card(source), read_model_config(source)
    _check(project, source, config.target.instances, card.n_classes)
    is_base = source in base_models().values()
    if is_base and (project.models_folder / source.name / "card.json").is_file():
        project.db.put_setting("current_model", source.name)
        return source.name
    id = source.name if is_base else project.db.new_model_id(None)
    origin = card.metrics | {"from": source.name if is_base else str(source)}
    new = replace(card, id=id, parent=None, created=time.time(), images=(), edits_until=0, metrics=origin)

    def fill(part: Path) -> None:
        for member in member_paths(source, card.members):
            inside = part / member.relative_to(source)
            inside.mkdir(parents=True, exist_ok=True)
            said = [member / "card.json", member / "config.toml"] if card.members else []
            for file in [*network_files(member), *said]:
                shutil.copyfile(file, inside / file.name)

    write_model(project.models_folder, new, config, fill)
    project.db.put_setting("current_model", id)
    return id


def _check(project: Project, source: Path, instances: bool, n_classes: int) -> None:
    wanted = project.task == "instance"
    if instances != wanted:
        kinds = {True: "objects", False: "classes"}
        raise CellsegError(
            f"The model {source.name} finds {kinds[instances]}, but {project.name} has {kinds[wanted]}.",
            "Choose a model of the same task.",
        )
    if n_classes != len(project.classes):
        raise CellsegError(
            f"The model {source.name} knows {n_classes} classes, but {project.name} has {len(project.classes)}.",
            "Choose a model of the same classes.",
        )

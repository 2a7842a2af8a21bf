"""Classes of a project's objects: their names and colours, the rules that tell them, and what persons said.

Setting ``object_classes`` holds names and colours in their order, ``object_rules`` the rules. What
persons said stands in table ``object_said`` (`_said.py`): a class that is removed and comes back has its objects again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ..errors import CellsegError
from ._folder import Project
from ._said import Point, Said, change_word, count_said, said, said_everywhere, say

KIND = "class"
PALETTE = (
    "#e8554d", "#3f9bff", "#f2c744", "#3fbf7f", "#b57aff", "#ff9a3c", "#4dd0e1", "#f06fb0", "#a3c644", "#9a8478",
)  # fmt: skip
"""Colours of new classes, in this order."""
LONGEST = 60
"""Characters of a name."""
_CLASSES, _RULES = "object_classes", "object_rules"


@dataclass(frozen=True)
class ObjectClass:
    """A class of objects.

    Attributes
    ----------
    name
        As people call it.
    colour
        ``#rrggbb``.
    former
        Names that it had: images that were removed meanwhile still know these.
    """

    name: str
    colour: str
    former: tuple[str, ...] = ()


def object_classes(project: Project) -> tuple[ObjectClass, ...]:
    """The classes in their order; what cannot be read counts as none."""
    try:
        rows = json.loads(project.db.setting(_CLASSES) or "[]")
        return tuple(ObjectClass(str(r["name"]), str(r["colour"]), tuple(map(str, r["former"]))) for r in rows)
    except (ValueError, KeyError, TypeError):
        return ()


def object_class(project: Project, name: str) -> ObjectClass:
    """The class of a name, whatever its capitals.

    Raises
    ------
    CellsegError
        When there is none.
    """
    there = object_classes(project)
    found = next((c for c in there if c.name.casefold() == name.strip().casefold()), None)
    if found is None:
        names = ", ".join(c.name for c in there) or "none yet"
        raise CellsegError(f"There is no class of objects called {name!r}.", f"Classes: {names}.")
    return found


def add_object_classes(project: Project, names: Sequence[str]) -> tuple[ObjectClass, ...]:
    """Add classes behind those that there are; of a name that is there already nothing changes.

    Raises
    ------
    CellsegError
        When a name cannot be one.
    """
    there = list(object_classes(project))
    for name in map(checked_name, names):
        if name.casefold() not in {c.name.casefold() for c in there}:
            used = {c.colour for c in there}
            free = next((c for c in PALETTE if c not in used), PALETTE[len(there) % len(PALETTE)])
            there.append(ObjectClass(name, free))
    return _put(project, there)


def rename_object_class(project: Project, old: str, new: str) -> tuple[ObjectClass, ...]:
    """Give a class another name; its objects and rules go with it.

    Raises
    ------
    CellsegError
        When there is no such class, or the name cannot be one or is taken.
    """
    found, name = object_class(project, old), checked_name(new)
    there = object_classes(project)
    if any(c.name.casefold() == name.casefold() for c in there if c != found):
        raise CellsegError(f"There is a class {name} already.", "Choose another name.")
    if name == found.name:
        return there
    change_word(project, KIND, found.name, name)
    put_object_rules(project, [(name if n == found.name else n, text) for n, text in object_rules(project)])
    renamed = replace(found, name=name, former=(*found.former, found.name))
    return _put(project, [renamed if c == found else c for c in there])


def recolour_object_class(project: Project, name: str, colour: str) -> tuple[ObjectClass, ...]:
    """Give a class another colour, ``#rrggbb``.

    Raises
    ------
    CellsegError
        When there is no such class, or it is no colour.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise CellsegError(f"{colour!r} is no colour.", "Write it like #e8554d: red, green, blue.")
    found = object_class(project, name)
    return _put(project, [replace(c, colour=colour.lower()) if c == found else c for c in object_classes(project)])


def remove_object_class(project: Project, name: str) -> tuple[ObjectClass, ...]:
    """Remove a class and its rules. What was said stays and counts again when a class of this name is added.

    Raises
    ------
    CellsegError
        When there is no such class.
    """
    found = object_class(project, name)
    put_object_rules(project, [(n, text) for n, text in object_rules(project) if n != found.name])
    return _put(project, [c for c in object_classes(project) if c != found])


def order_object_classes(project: Project, names: Sequence[str]) -> tuple[ObjectClass, ...]:
    """Put classes into another order; those that are not named come last, as they were.

    Raises
    ------
    CellsegError
        When there is no such class.
    """
    first = list(dict.fromkeys(object_class(project, name) for name in names))
    return _put(project, [*first, *(c for c in object_classes(project) if c not in first)])


def object_rules(project: Project) -> tuple[tuple[str, str], ...]:
    """Rules as (class, expression), the first that holds counts."""
    try:
        return tuple((str(n), str(text)) for n, text in json.loads(project.db.setting(_RULES) or "[]"))
    except (ValueError, TypeError):
        return ()


def put_object_rules(project: Project, rules: Sequence[tuple[str, str]]) -> None:
    """Keep rules in the place of those that there were."""
    if tuple(rules) != object_rules(project):
        project.db.put_setting(_RULES, json.dumps([list(rule) for rule in rules]))


def said_classes(project: Project, image: str) -> tuple[Said, ...]:
    """What persons said of an image's objects, of classes that there are, by their names of now; the newest last."""
    return _now(project, said(project, KIND, image))


def all_said_classes(project: Project) -> dict[str, tuple[Said, ...]]:
    """The same of all images of which anything was said."""
    return {image: now for image, words in said_everywhere(project, KIND).items() if (now := _now(project, words))}


def say_classes(project: Project, image: str, classes: Mapping[Point, str], instead: Collection[Point] = ()) -> None:
    """Keep what a person says of objects of an image; see `say`.

    Raises
    ------
    CellsegError
        When there is no such image or class; nothing is kept then.
    """
    words = {point: object_class(project, name).name if name else "" for point, name in classes.items()}
    say(project, KIND, image, words, instead)


def count_said_classes(project: Project) -> int:
    """How many objects of the project a person said the class of, whether there still is such a class or not."""
    return sum(count_said(project.db, KIND).values())


def checked_name(name: str) -> str:
    """The name of a class without spaces round it.

    Raises
    ------
    CellsegError
        When it cannot be one.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST or not name.isprintable():
        raise CellsegError(f"A class cannot be called {name[:LONGEST]!r}.", f"Use 1 to {LONGEST} characters.")
    return name


# --- inside ---------------------------------------------------------------------------------------


def _put(project: Project, classes: Sequence[ObjectClass]) -> tuple[ObjectClass, ...]:
    if tuple(classes) != object_classes(project):
        project.db.put_setting(_CLASSES, json.dumps([asdict(c) for c in classes]))
    return tuple(classes)


def _now(project: Project, words: Sequence[Said]) -> tuple[Said, ...]:
    there = object_classes(project)
    names = {old: c.name for c in there for old in c.former} | {c.name: c.name for c in there}
    return tuple(replace(s, word=names[s.word]) for s in words if s.word in names)

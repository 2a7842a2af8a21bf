"""Loads what other packages announce.

Data flow: metadata of the installed packages -> loaded once, each on its own -> checked -> beside our own. What cannot
be used is left out and never breaks us; `problems` says why, where somebody asks for what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, get_args

from ..settings import Settings

Group = Literal["networks", "drafts", "readers"]


@dataclass(frozen=True)
class Problem:
    """What is left out: who announced it, and why it cannot be used."""

    group: Group
    name: str
    package: str
    reason: str

    def __str__(self) -> str:
        return f"{self.package} announces {self.name!r}, which cannot be used: {self.reason}"


_problems: list[Problem] = []


def problems(group: Group) -> str:
    """What is left out of a group, in words; "" where nothing is. Ask after the group has been loaded."""
    return " ".join(f"{p}." for p in _problems if p.group == group)


def declarations(group: Group, own: tuple[type[Any], ...], base: Any) -> tuple[type[Any], ...]:
    """Our own declarations of a group, and after them those that other packages announce.

    Parameters
    ----------
    base
        What a class must derive from. Its field ``kind`` is a ``Literal`` of one name that nobody else has.
    """
    found = {kind_of(cls): cls for cls in own}

    def check(cls: Any) -> None:
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise TypeError(f"it is no class derived from {base.__name__}")
        if not (kind := kind_of(cls)):
            raise TypeError("its field 'kind' is no Literal of one name with that name as default")
        if kind in found:
            raise TypeError(f"the kind {kind!r} is taken by {found[kind].__name__}")
        found[kind] = cls

    _load(group, check)
    return tuple(found.values())


@cache
def functions(group: Group) -> dict[str, Callable[..., Any]]:
    """The functions that other packages announce in a group, by name."""

    def check(value: Any) -> None:
        if not callable(value):
            raise TypeError("it cannot be called")

    return {point.name.lower(): value for point, value in _load(group, check)}


def kind_of(cls: type[Settings]) -> str:
    """The name by which a declaration is told from others of its union; "" where it has none."""
    field = cls.model_fields.get("kind")
    names = get_args(field.annotation) if field is not None else ()
    return str(names[0]) if len(names) == 1 and field is not None and field.default == names[0] else ""


def _load(group: Group, check: Callable[[Any], None]) -> list[tuple[EntryPoint, Any]]:
    """Every entry point that can be loaded and passes."""
    found = []
    for point in sorted(entry_points(group=f"napari_cellseg.{group}"), key=lambda p: (_package(p), p.name)):
        try:
            value = point.load()
            check(value)
        except Exception as error:  # noqa: BLE001 - other code may raise anything, and must not take ours with it
            _problems.append(Problem(group, point.name, _package(point), f"{type(error).__name__}: {error}"))
            continue
        found.append((point, value))
    return found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "a package"

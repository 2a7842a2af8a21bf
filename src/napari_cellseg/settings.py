"""The base of everything that is declared once and derived everywhere else.

A preprocessing step, network, target, loss, draft method or configuration is one frozen pydantic class.
Validation, TOML, command-line options, dock forms, the docs table and the contract tests all read its
fields, so a parameter is written down exactly once.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import CellsegError


class Settings(BaseModel):
    """Frozen, strict about unknown names, described by its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())
    title: ClassVar[str] = ""
    """The name a person sees in a form; the class name where it is empty."""

    @classmethod
    def label(cls) -> str:
        """The name a person sees for this class."""
        return cls.title or cls.__name__

    @classmethod
    def summary(cls) -> str:
        """The first line of what is said of this class."""
        return (cls.__doc__ or "").strip().split("\n")[0]


S = TypeVar("S", bound=Settings)


def members(union: Any) -> tuple[type[Any], ...]:
    """The classes of a (discriminated) union, in its order: what is in the union is all that there is to declare."""
    if get_origin(union) is Annotated:
        return members(get_args(union)[0])
    if args := get_args(union):
        return tuple(kind for arg in args for kind in members(arg))
    return (union,)


def explain_invalid(error: ValidationError) -> str:
    """Say in one line per field what is wrong with given settings."""
    lines = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"]) or "settings"
        given = item.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        lines.append(f"{where}: {item['msg']}{shown}")
    return "; ".join(lines)


def validated(cls: type[S], values: dict[str, Any]) -> S:
    """Build settings from plain values.

    Raises
    ------
    CellsegError
        When a name is unknown or a value lies outside its range; the message names the field.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise CellsegError(
            f"These settings cannot be used: {explain_invalid(error)}.",
            f"Fields of {cls.label()}: {', '.join(cls.model_fields)}.",
        ) from error

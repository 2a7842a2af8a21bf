"""Keys that a person chose for tools, as text in napari's preferences: ``Merge=Control-M, Split=Shift-X``. No Qt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from napari.utils.key_bindings import coerce_keybinding

from ...errors import CellsegError
from ..layers import _napari


def read_keys(text: str, defaults: Mapping[str, tuple[str, str]], taken: Sequence[str]) -> dict[str, str]:
    """Keys by the name of the tool; only those that differ.

    Parameters
    ----------
    text
        Pairs ``tool=key`` with commas or lines between; a tool by its name or title, in any case.
    defaults
        (title, key) by the name of the tool.
    taken
        Keys of ours that are no tool's.

    Raises
    ------
    CellsegError
        When a tool is unknown, a key cannot be read or is napari's own, or two would do the same. Then none counts.
    """
    names = {label.lower(): name for name, (title, _) in defaults.items() for label in (name, title)}
    chosen: dict[str, str] = {}
    for pair in filter(str.strip, re.split(r"[,\n;]", text)):
        label, _, key = (part.strip() for part in pair.partition("="))
        if label.lower() not in names:
            known = ", ".join(title for title, _ in defaults.values())
            raise CellsegError(f"The preferences name a tool {label!r}, which there is not.", f"Tools: {known}.")
        chosen[names[label.lower()]] = _checked(key, label)
    used = {_same(key): "another of our keys" for key in taken}
    for name, (title, key) in defaults.items():
        own = _same(chosen.get(name, key))
        if own in used:
            hint = f"Both {title} and {used[own]} would have it; give one of them another in napari's preferences."
            raise CellsegError(f"The key {chosen.get(name, key)} would do two things.", hint)
        used[own] = title
    return {name: key for name, key in chosen.items() if _same(key) != _same(defaults[name][1])}


def _checked(key: str, tool: str) -> str:
    bound = coerce_keybinding(key)
    if not bound.parts or any(part.key.name == "UNKNOWN" for part in bound.parts):
        raise CellsegError(
            f"{key!r} is no key that napari knows, so {tool} cannot have it.", "Write J, Shift-K or Control-M."
        )
    if str(bound) in _napari.own_keys():
        raise CellsegError(f"The key {key} is napari's own, so {tool} cannot have it.", "Choose another one.")
    return key


def _same(key: str) -> str:
    """One spelling of a key."""
    return str(coerce_keybinding(key))

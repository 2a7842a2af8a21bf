"""Events, jobs and what is said around them, to frames and back: one mechanism, derived from the dataclasses.

Whatever is no plain JSON value says what it is: ``{"$": "PredictJob", "project": {"$": "Path", ...}, ...}``. Back from
a frame only classes that were declared to the `Codec` are made, with exactly their fields, and only where every value
is of the type that its field declares; so what arrives is a value of ours, or refused.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import CellsegError
from ..probabilities import OnlyPlane, open_stored, stored_at
from ..settings import Settings, validated
from ._frames import LIMITS, Array, BadFrame, Limits, Read, packed, read_frame

KIND = "$"
"""The key that says what a value is."""
Stored = Callable[[str], Any]
"""Opens an array that was left in a folder, by the path that the other side has told."""


class Codec:
    """Puts values of declared classes into frames, and takes them out.

    Parameters
    ----------
    kinds
        Dataclasses and `Settings` that may come; names must differ.
    stored
        See `Stored`.
    """

    def __init__(self, kinds: Iterable[type[Any]], stored: Stored = open_stored) -> None:
        self._stored = stored
        self.kinds = {kind.__name__: kind for kind in kinds}
        self._hints = {
            name: {f.name: hints[f.name] for f in fields(kind)}
            for name, kind in self.kinds.items()
            if is_dataclass(kind) and (hints := get_type_hints(kind)) is not None
        }

    def encode(self, value: Any) -> list[memoryview]:
        """A value as buffers, to be written one after another.

        Raises
        ------
        BadFrame
            When it holds something of which the other side knows nothing.
        """
        arrays: list[Array] = []
        return packed(self._plain(value, arrays), arrays)

    def read(self, read: Read, limits: Limits = LIMITS) -> Any:
        """The next value of a stream.

        Raises
        ------
        EOFError
            When the stream ends.
        BadFrame
            When what comes is none of the declared values.
        """
        message, arrays = read_frame(read, limits)
        try:
            value = self._value(message, arrays)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            raise BadFrame(f"{type(error).__name__} in a message") from error
        except BadFrame:
            raise
        except CellsegError as error:
            raise BadFrame(error.message.rstrip(".")) from error
        if type(value) not in self.kinds.values():
            raise BadFrame(f"a message that is only a {type(value).__name__}")
        return value

    # --- into plain values --------------------------------------------------------------------------

    def _plain(self, value: Any, arrays: list[Array]) -> Any:
        """A value as JSON has them; arrays are put beside it."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            arrays.append(value)
            return {KIND: "array", "n": len(arrays) - 1}
        if isinstance(value, list):
            return [self._plain(item, arrays) for item in value]
        if isinstance(value, tuple):
            return {KIND: "tuple", "of": [self._plain(item, arrays) for item in value]}
        if isinstance(value, Path):
            return {KIND: "Path", "path": str(value)}
        if isinstance(value, Mapping):
            return {KIND: "dict", "of": [[self._plain(k, arrays), self._plain(v, arrays)] for k, v in value.items()]}
        return self._declared(value, arrays)

    def _declared(self, value: Any, arrays: list[Array]) -> Any:
        name = type(value).__name__
        if self.kinds.get(name) is type(value):
            if isinstance(value, Settings):
                return {KIND: name, "values": value.model_dump(mode="json")}
            return {KIND: name} | {f.name: self._plain(getattr(value, f.name), arrays) for f in fields(value)}
        if (path := stored_at(value)) is not None:
            return {KIND: "stored", "path": path, "plane": isinstance(value, OnlyPlane)}
        raise BadFrame(f"{name} has no place in a message")

    # --- and back -------------------------------------------------------------------------------------

    def _value(self, plain: Any, arrays: list[Array]) -> Any:
        if isinstance(plain, list):
            return [self._value(item, arrays) for item in plain]
        if not isinstance(plain, dict):
            return plain
        given = dict(plain)
        kind = given.pop(KIND)
        if kind in self.kinds:
            return self._made(kind, given, arrays)
        match kind, given:
            case "array", {"n": int(n), **rest} if not rest and n >= 0:
                return arrays[n]
            case "tuple", {"of": list(of), **rest} if not rest:
                return tuple(self._value(item, arrays) for item in of)
            case "dict", {"of": list(of), **rest} if not rest:
                return {self._value(key, arrays): self._value(value, arrays) for key, value in of}
            case "Path", {"path": str(path), **rest} if not rest:
                return Path(path)
            case "stored", {"path": str(path), "plane": bool(plane), **rest} if not rest:
                found = self._stored(path)
                return OnlyPlane(found) if plane else found
        raise BadFrame(f"{str(kind)[:40]!r} is nothing that this version knows")

    def _made(self, name: str, given: dict[str, Any], arrays: list[Array]) -> Any:
        """A declared value of its fields, each of the type that it is declared with."""
        kind = self.kinds[name]
        if issubclass(kind, Settings):
            if set(given) != {"values"} or not isinstance(given["values"], dict):
                raise BadFrame(f"{name} without its values")
            return validated(kind, given["values"])
        hints = self._hints[name]
        if set(given) != set(hints):
            odd = ", ".join(sorted(set(given) ^ set(hints)))
            raise BadFrame(f"{name} with other fields than this version knows ({odd[:80]})")
        values = {key: self._value(value, arrays) for key, value in given.items()}
        for key, value in values.items():
            if not fits(hints[key], value):
                raise BadFrame(f"{name}.{key} cannot be {type(value).__name__}")
        return kind(**values)


def fits(hint: Any, value: Any) -> bool:
    """Whether a value is of a type as dataclasses declare it; a whole number may stand for a float."""
    if hint is Any:
        return True
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(arg, value) for arg in args)
    if origin is None:
        return _is(type(None) if hint is None else hint, value)
    return _fits_parts(origin, args, value)


def _fits_parts(origin: Any, args: tuple[Any, ...], value: Any) -> bool:
    if origin is Literal:
        return value in args
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype == np.dtype(get_args(args[1])[0])
    if not isinstance(value, origin) or isinstance(value, str):
        return False
    if origin is tuple and args[-1] is not Ellipsis:
        return len(value) == len(args) and all(fits(arg, item) for arg, item in zip(args, value, strict=True))
    if issubclass(origin, Mapping):
        return all(fits(args[0], key) and fits(args[1], item) for key, item in value.items())
    return issubclass(origin, Sequence) and all(fits(args[0], item) for item in value)


def _is(cls: type[Any], value: Any) -> bool:
    if isinstance(value, bool):
        return cls is bool
    return isinstance(value, (int, float) if cls is float else cls)

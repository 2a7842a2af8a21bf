"""Expressions over the columns of a table, like ``intensity_mean_1 > 200 and area < 80``: read by us, never evaluated.

Grammar, from what binds least: ``or``, ``and``, ``not``, comparisons (also chained: ``20 < area < 80``), ``+ -``,
``* /``, a minus sign, brackets, numbers and columns; a column whose name is no word stands in `` ` ``. A comparison
with a missing value does not hold.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError

if TYPE_CHECKING:
    from pandas import DataFrame

FLAGS = ("touches_border", "at_border", "no_nucleus")
"""Columns that are true or false: they are conditions by themselves."""
LONGEST, DEEPEST = 2000, 40
"""Characters of an expression, and how deep brackets, ``not`` and signs may stand in each other."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|(?P<word>[^\W\d]\w*)|`(?P<quoted>[^`]+)`"
    r"|(?P<sign><=|>=|==|!=|[-+*/()<>]))"
)
_COMPARING: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SUMS: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub}
_PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {"*": operator.mul, "/": operator.truediv}
_Part = Callable[[Any], NDArray[Any]]


@dataclass(frozen=True)
class _Node:
    """A part of an expression: what it gives of a table, and whether that may be a condition, a number, or either."""

    value: _Part
    condition: bool
    number: bool = True


@dataclass(frozen=True)
class Expression:
    """An expression that was read and can be asked of tables.

    Attributes
    ----------
    text
        As it was written.
    columns
        The columns that it needs.
    """

    text: str
    columns: tuple[str, ...]
    _node: _Node

    def __call__(self, table: DataFrame) -> NDArray[np.bool_]:
        """Of which rows it holds, (N,).

        Raises
        ------
        CellsegError
            When a column is missing or holds no numbers.
        """
        for name in self.columns:
            if name not in table.columns:
                raise unknown_column(name, list(map(str, table.columns)))
            if table[name].dtype.kind not in "biuf":
                raise CellsegError(f"Column {name} holds no numbers.", f"Use others in {self.text!r}.")
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self._node.value(table), bool), (len(table),)).copy()


def read_expression(text: str, columns: Sequence[str] | None = None) -> Expression:
    """Read an expression.

    Parameters
    ----------
    columns
        Those that there are; None: any will do until it is asked of a table.

    Raises
    ------
    CellsegError
        When it cannot be understood, says no condition, or needs a column that there is not.
    """
    reader = _Reader(text)
    node = reader.whole()
    found = Expression(text.strip(), tuple(dict.fromkeys(reader.columns)), node)
    if columns is not None:
        for name in found.columns:
            if name not in columns:
                raise unknown_column(name, columns)
    return found


class _Reader:
    """Recursive descent, a method for each level of the grammar."""

    def __init__(self, text: str) -> None:
        self.text, self.columns = text, list[str]()
        if len(text) > LONGEST:
            raise CellsegError(f"A rule of {len(text)} characters is too long.", f"Use up to {LONGEST}.")
        self._tokens = _tokens(text)
        self._at = self._depth = 0

    def whole(self) -> _Node:
        node = self._either()
        if self._at < len(self._tokens):
            raise self._wrong(f"{self._tokens[self._at][1]!r} is not expected there")
        return self._condition(node)

    def _either(self) -> _Node:
        node = self._both()
        while self._take("or"):
            left, right = self._condition(node).value, self._condition(self._both()).value
            node = _Node(_joined(np.logical_or, left, right), True, False)
        return node

    def _both(self) -> _Node:
        node = self._denied()
        while self._take("and"):
            left, right = self._condition(node).value, self._condition(self._denied()).value
            node = _Node(_joined(np.logical_and, left, right), True, False)
        return node

    def _denied(self) -> _Node:
        if not self._take("not"):
            return self._compared()
        with self._deeper():
            inner = self._condition(self._denied()).value
        return _Node(lambda table: np.logical_not(np.asarray(inner(table), bool)), True, False)

    def _compared(self) -> _Node:
        first = left = self._sum()
        parts: list[_Part] = []
        while sign := self._take(*_COMPARING):
            right = self._sum()
            parts.append(_comparison(_COMPARING[sign], self._number(left).value, self._number(right).value))
            left = right
        if not parts:
            return first
        return _Node(lambda table: np.logical_and.reduce([part(table) for part in parts]), True, False)

    def _sum(self) -> _Node:
        return self._chain(_SUMS, self._product)

    def _product(self) -> _Node:
        return self._chain(_PRODUCTS, self._signed)

    def _chain(self, signs: dict[str, Callable[[Any, Any], Any]], operand: Callable[[], _Node]) -> _Node:
        node = operand()
        while sign := self._take(*signs):
            left, right = self._number(node).value, self._number(operand()).value
            node = _Node(_joined(signs[sign], left, right), False)
        return node

    def _signed(self) -> _Node:
        if not self._take("-"):
            return self._atom()
        with self._deeper():
            inner = self._number(self._signed()).value
        return _Node(lambda table: -inner(table), False)

    def _atom(self) -> _Node:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        self._at += 1
        if kind == "number":
            value = float(text)
            return _Node(lambda table: np.array(value), False)
        if kind in ("word", "quoted") and (kind == "quoted" or text not in ("and", "or", "not")):
            self.columns.append(text)
            return _Node(lambda table: np.asarray(table[text], np.float64), text in FLAGS)
        if text == "(" and kind == "sign":
            with self._deeper():
                node = self._either()
            if not self._take(")"):
                raise self._wrong("a bracket is not closed")
            return node
        raise self._wrong(f"{text!r} is not expected there" if text else "something is missing at the end")

    def _take(self, *signs: str) -> str:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind in ("sign", "word") and text in signs:
                self._at += 1
                return text
        return ""

    def _condition(self, node: _Node) -> _Node:
        if not node.condition:
            raise self._wrong("a number or column alone is no condition")
        return node

    def _number(self, node: _Node) -> _Node:
        if not node.number:
            raise self._wrong("conditions cannot be compared or added")
        return node

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        """Count how deep an expression goes, so that none uses up Python's stack."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"it is more than {DEEPEST} brackets deep")
        yield
        self._depth -= 1

    def _wrong(self, why: str) -> CellsegError:
        example = "For example: area < 80 and solidity > 0.9"
        return CellsegError(f"The rule {self.text!r} cannot be read: {why}.", example)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = list[tuple[str, str]](), 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].strip()
            raise CellsegError(
                f"The rule {text!r} cannot be read at {rest[:12]!r}.",
                "Use columns, numbers, < <= > >= == != + - * / ( ), and, or, not; odd names in `back quotes`.",
            )
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        at = match.end()
    return found


def _joined(how: Callable[[Any, Any], Any], left: _Part, right: _Part) -> _Part:
    return lambda table: how(left(table), right(table))


def _comparison(how: Callable[[Any, Any], Any], left: _Part, right: _Part) -> _Part:
    """A comparison that does not hold where either side is missing, also ``!=``."""

    def compared(table: Any) -> NDArray[Any]:
        a, b = left(table), right(table)
        return np.asarray(how(a, b) & ~(np.isnan(a) | np.isnan(b)))

    return compared


def unknown_column(name: str, columns: Sequence[str]) -> CellsegError:
    """What to say of a column that there is not, with those that are meant perhaps."""
    words = set(re.findall(r"[a-z0-9]+", name.casefold()))
    alike = [c for c in columns if words and words <= set(re.findall(r"[a-z0-9]+", c.casefold()))]
    near = (alike + difflib.get_close_matches(name, columns, 3, 0.5))[:3]
    meant = f"Did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    return CellsegError(f"There is no column {name!r}.", f"{meant}Columns: {', '.join(columns)}.")

"""Rules that tell classes of objects, ``dead: intensity_mean_1 > 200 and area < 80``: the first that holds counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._expression import Expression, read_expression

if TYPE_CHECKING:
    from pandas import DataFrame

_PARTS = re.compile(r"(.*):((?:[^:`]|`[^`]*`)*)", re.DOTALL)


@dataclass(frozen=True)
class Rule:
    """Objects of which an expression holds are of a class."""

    name: str
    expression: Expression

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{self.name}: {self.expression.text}"


def read_rule(text: str) -> Rule:
    """Read ``name: expression``.

    Raises
    ------
    CellsegError
        When there is no name or the expression cannot be read.
    """
    parts = _PARTS.fullmatch(text)
    name = " ".join(parts.group(1).split()) if parts else ""
    if parts is None or not name or not parts.group(2).strip():
        example = 'Write "name: condition", for example "small: area < 80".'
        raise CellsegError(f"The rule {text!r} says no class and condition.", example)
    return Rule(name, read_expression(parts.group(2)))


def by_rules(table: DataFrame, rules: Sequence[Rule]) -> NDArray[np.object_]:
    """The class of every row by the first rule that holds, "" where none does; a column that is missing holds nothing.

    Raises
    ------
    CellsegError
        When a rule asks for a column that holds no numbers.
    """
    found = np.full(len(table), "", object)
    for rule in reversed(rules):
        lacking = [c for c in rule.expression.columns if c not in table.columns]
        asked = table.assign(**dict.fromkeys(lacking, np.nan)) if lacking else table
        found[rule.expression(asked)] = rule.name
    return found

"""The class of every object: what a person said, else the first rule that holds, else what a classifier learnt.

Data flow: tables of some images, and of all images in which anything was said -> rules -> a classifier from what was
said -> ``class``, ``decided_by``, ``class_probability`` for every object -> counts per image and group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._classifier import Accuracy, Classifier, learn_classes, least_sure
from ._expression import unknown_column
from ._features import Scale
from ._objects import Objects
from ._rules import Rule, by_rules
from ._sources import tables
from ._summary import groups_of

if TYPE_CHECKING:
    from pandas import DataFrame

HAND, RULE, CLASSIFIER, NOBODY = "hand", "rule", "classifier", ""
CLASS_COLUMNS = (
    ("class", "The class of the object; empty where nothing decided it."),
    ("decided_by", "What decided it: hand (a person said so), rule, classifier; empty for nothing."),
    ("class_probability", "How sure the classifier is, 0 to 1; empty where it did not decide."),
)
"""What `tell_classes` gives of every object, with its meaning."""
CLASS_FIGURES = (
    ("n_CLASS", "Objects of the class, for every class."),
    ("n_no_class", "Objects of no class."),
    ("share_CLASS", "Share of the class among the objects that have one, in %."),
    ("by_hand", "Objects whose class a person said."),
)
"""What a summary has of classes, with its meaning."""
Words = Mapping[str, Mapping[int, str]]
"""What persons said: class by image and label."""


@dataclass(frozen=True, eq=False)
class ClassesTold:
    """Classes of the objects of some images.

    Attributes
    ----------
    columns
        By image: a table with `CLASS_COLUMNS`, a row per object in the order of the image's table.
    classifier
        What was learnt; None where it was not asked for or there is too little.
    note
        Why there is no classifier, "" where there is one or none was asked for.
    """

    columns: dict[str, DataFrame]
    classifier: Classifier | None
    note: str = ""

    @property
    def accuracy(self) -> Accuracy | None:
        """How good the classifier is; worked out when it is asked for."""
        return self.classifier.accuracy() if self.classifier is not None else None


def tell_classes(
    tables: Mapping[str, DataFrame], said: Words, rules: Sequence[Rule], *, learn: bool = True
) -> ClassesTold:
    """Tell the class of every object.

    Parameters
    ----------
    tables
        By image, as `measure_objects` gives them: those whose classes are wanted, and all in which anything was said.
    said
        What persons said.
    rules
        The first that holds counts.
    learn
        Whether a classifier decides what neither persons nor rules did.

    Raises
    ------
    CellsegError
        When a rule asks for a column that no image has.
    """
    check_rules(rules, tables.values())
    words = {image: _words(table, said.get(image, {})) for image, table in tables.items()}
    classifier, note = learned(tables, words) if learn else (None, "")
    columns = {
        image: _columns(words[image], by_rules(table, rules), classifier(table) if classifier else None, classifier)
        for image, table in tables.items()
    }
    return ClassesTold(columns, classifier, note)


def learned(tables: Mapping[str, DataFrame], words: Mapping[str, NDArray[np.object_]]) -> tuple[Classifier | None, str]:
    """A classifier from all images in which anything was said, in the order of their names."""
    import pandas as pd

    mine = sorted(image for image in tables if (words[image] != "").any())
    if not mine:
        return learn_classes(pd.DataFrame(), np.zeros(0, object))
    everything = pd.concat([tables[image] for image in mine], ignore_index=True)
    return learn_classes(everything, np.concatenate([words[image] for image in mine]))


def check_rules(rules: Sequence[Rule], tables: Iterable[DataFrame]) -> None:
    """Raise where a rule asks for a column that none of the tables has."""
    columns = list(dict.fromkeys(str(c) for table in tables for c in table.columns))
    for rule in rules if columns else ():
        for name in rule.expression.columns:
            if name not in columns:
                raise unknown_column(name, columns)


def rows_to_say(told: ClassesTold, table: DataFrame, open_to: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """Rows of a table that are worth a word: the least sure ones, or unlike ones while nothing is learnt."""
    if told.classifier is not None:
        return least_sure(told.classifier.features(table), told.classifier(table), open_to, n)
    return least_sure(Scale.of(table)(table), None, open_to, n)


def with_classes(table: DataFrame, columns: DataFrame) -> DataFrame:
    """A table of objects with its classes, behind what says which object a row is of."""
    found = table.copy()
    at = 1 + max((list(found.columns).index(c) for c in ("image", "label", "cell", "unit") if c in found), default=-1)
    for name, _ in reversed(CLASS_COLUMNS):
        found.insert(at, name, columns[name].to_numpy())
    return found


def count_classes(
    summary: DataFrame, columns: Mapping[str, DataFrame], names: Sequence[str], groups: Mapping[str, str]
) -> DataFrame:
    """A summary with how many objects of every class there are in its images and groups; see `CLASS_FIGURES`."""
    found = summary.copy()
    members = [
        [image for image in columns if (image if level == "image" else groups[image]) == name]
        for level, name in zip(summary["level"], summary["name"], strict=True)
    ]
    counts = [_counts([columns[image] for image in images], names) for images in members]
    for figure in class_figures(names):
        found[figure] = [row[figure] for row in counts]
    return found


def class_tables(
    objects: Mapping[str, Objects], told: ClassesTold, names: Sequence[str], group_by: str = ""
) -> tuple[DataFrame, DataFrame]:
    """The objects of all images with their classes, and the summary with counts."""
    import pandas as pd

    table, summary = tables(objects, group_by)
    if not objects:
        return table, summary
    columns = pd.concat([told.columns[name] for name in objects], ignore_index=True)
    groups = groups_of(list(objects), group_by)
    mine = {name: told.columns[name] for name in objects}
    return with_classes(table, columns), count_classes(summary, mine, names, groups)


def class_figures(names: Sequence[str]) -> list[str]:
    """The columns of `count_classes`."""
    return [*(f"n_{n}" for n in names), "n_no_class", *(f"share_{n}" for n in names), "by_hand"]


def check_named(names: Collection[str], classes: Sequence[str]) -> None:
    """Raise where a name is none of the classes."""
    for name in names:
        if name not in classes:
            raise CellsegError(f"There is no class {name!r}.", f"Classes: {', '.join(classes) or 'none yet'}.")


# --- inside ---------------------------------------------------------------------------------------


def _words(table: DataFrame, said: Mapping[int, str]) -> NDArray[np.object_]:
    return np.array([said.get(int(label), "") for label in table["label"]], object)


def _columns(
    words: NDArray[np.object_],
    ruled: NDArray[np.object_],
    probabilities: NDArray[np.float64] | None,
    classifier: Classifier | None,
) -> DataFrame:
    import pandas as pd

    names, by, sure = np.full(len(words), "", object), np.full(len(words), NOBODY, object), np.full(len(words), np.nan)
    if classifier is not None and probabilities is not None and len(words):
        best = probabilities.argmax(axis=1)
        names, by = np.array(classifier.classes, object)[best], np.full(len(words), CLASSIFIER, object)
        sure = probabilities[np.arange(len(words)), best]
    for found, how in ((ruled, RULE), (words, HAND)):
        told = found != ""
        names, by, sure = np.where(told, found, names), np.where(told, how, by), np.where(told, np.nan, sure)
    return pd.DataFrame({"class": names, "decided_by": by, "class_probability": sure})


def _counts(parts: Sequence[DataFrame], names: Sequence[str]) -> dict[str, Any]:
    classes = np.concatenate([p["class"].to_numpy(object) for p in parts]) if parts else np.zeros(0, object)
    hand = sum(int((p["decided_by"] == HAND).sum()) for p in parts)
    counts = {n: int((classes == n).sum()) for n in names}
    known = sum(counts.values())
    shares = {f"share_{n}": 100 * k / known if known else float("nan") for n, k in counts.items()}
    return {**{f"n_{n}": k for n, k in counts.items()}, "n_no_class": len(classes) - known, **shares, "by_hand": hand}

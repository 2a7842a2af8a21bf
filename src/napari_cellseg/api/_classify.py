"""Classes of the objects of an array, of files or of a project: by hand, by rules, by what is learnt from a few.

Data flow: one image after another -> table of its objects, what was said of them -> `tell_classes` over all -> tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._types import Spacing
from ..errors import CellsegError
from ..events import Notice, Skipped
from ..measurement import (
    Accuracy,
    Measured,
    Rule,
    check_table_path,
    class_tables,
    groups_of,
    measure_objects,
    read_rule,
    tables,
    write_table,
)
from ..project import Project, add_object_classes, checked_name
from ._each_image import each_image
from ._label_files import file_readers, measured_array
from ._object_classes import (
    ObjectsSaid,
    keep_rules,
    learnt_images,
    lost_classes,
    objects_said,
    read_classes,
    rules_of,
    say_all,
    tell,
)
from ._work import OnEvent, Run, Stop, Work, never, verb

if TYPE_CHECKING:
    from pandas import DataFrame

Source = str | Path
Said = Mapping[int, str]
Read = Callable[[], dict[str, ObjectsSaid]]


@dataclass(frozen=True, eq=False)
class Classified:
    """Classes of objects.

    Attributes
    ----------
    table
        A row per object: all columns of a measurement, with ``class``, ``decided_by`` and ``class_probability``.
    summary
        A row per image and group, with how many objects of every class there are.
    classes
        Their names, in order.
    learnt
        How many objects of every class the classifier learnt from; {} where there is none.
    accuracy
        How good it is, by leaving objects out; None where there is none.
    note
        Why there is no classifier, "" where there is one or none was asked for.
    left_out
        Images that could not be used, with message and hint.
    files
        What was written.
    stopped
        Whether it ended early at somebody's wish; nothing is written then.
    """

    table: DataFrame
    summary: DataFrame
    classes: tuple[str, ...]
    learnt: dict[str, int]
    accuracy: Accuracy | None = None
    note: str = ""
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Classifying:
    """What is decided by what, and what is written: see `OpenProject.classify`."""

    rules: tuple[Rule, ...] = ()
    learn: bool = True
    group_by: str = ""
    csv: Source | None = None
    summary: Source | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raise where an expression or a path cannot be used."""
        groups_of(names, self.group_by)
        for path in (self.csv, self.summary):
            if path:
                check_table_path(path)


def classify(
    labels: Any,
    image: Any = None,
    *,
    said: Said | None = None,
    rules: str | Sequence[str] = (),
    learn: bool = True,
    spacing_um: Spacing = None,
) -> Classified:
    """Tell the class of every object of a label image.

    Parameters
    ----------
    labels : array, str or Path
        Ids of objects, (Z, Y, X) or (Y, X), or a file of masks of any tool.
    image : array, str or Path
        Intensities, with an axis of channels where there are several, or a picture; none: sizes and shapes decide.
    said : dict
        Classes that are known, by label: ``{12: "dead"}``. They stand, and the classifier learns from them.
    rules : str or list of str
        ``"name: condition"`` over columns of a measurement; the first that holds counts.
    learn : bool
        Whether a classifier decides what neither words nor rules did.
    spacing_um : tuple of float
        Size of a pixel (Y, X) or voxel (Z, Y, X); what the files tell where not given.

    Returns
    -------
    Classified

    Raises
    ------
    CellsegError
        When labels, image, rules or names cannot be used, or there is no such object.
    """
    how = Classifying(read_rules(rules), learn)
    part = measured_array(labels, image, spacing_um)
    words = {int(id): checked_name(name) for id, name in (said or {}).items() if name}
    work: dict[str, Read] = {"image": lambda: {"image": _measured(part, words, "image", never)}}
    return Run(_classified(work, ["image"], how, never)).result


@verb
def classify_files(
    labels: Source | Sequence[Source],
    images: Source | Sequence[Source] = (),
    *,
    said: Source | None = None,
    rules: str | Sequence[str] = (),
    learn: bool = True,
    spacing_um: Spacing = None,
    group_by: str = "",
    csv: Source | None = None,
    summary: Source | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Classified]:
    """Tell the classes of the objects in files of labels; a file that cannot be used is left out.

    Parameters
    ----------
    labels, images : str or Path, or lists of them
        Files of masks of any tool, and the pictures that they were made on, in the same order; none: no intensities.
    said : str or Path
        A table (``.csv``) with ``image``, ``label``, ``class``: what is known of single objects. A table that was
        written here can be edited and given: of one with ``decided_by`` the rows with ``hand`` count.
    rules, learn, spacing_um
        As for `classify`.
    group_by, csv, summary, on_event, stop
        As for `OpenProject.classify`.

    Returns
    -------
    Classified

    Raises
    ------
    CellsegError
        When something given does not fit; of a single file, also when it cannot be read.
    """
    how = Classifying(read_rules(rules), learn, group_by, csv, summary)
    known = read_classes(said, checked_name) if said else {}
    files = file_readers(labels, images, spacing_um)

    def objects(read: Callable[[], dict[str, Measured]]) -> dict[str, ObjectsSaid]:
        return {name: _measured(part, known.get(name, {}), name, stop) for name, part in read().items()}

    return (yield from _classified({n: partial(objects, read) for n, read in files.items()}, list(files), how, stop))


def classify_project(
    project: Project,
    ids: Sequence[str],
    how: Classifying,
    said: Source | None,
    rules: Sequence[Rule] | None,
    stop: Stop,
    added: Sequence[str] = (),
) -> Work[Classified]:
    """Tell the classes of the objects of a project's images.

    Parameters
    ----------
    said
        A table of classes that a person says; they are kept.
    rules
        Kept in the place of those that the project has; None: those that it has.
    added
        Names of classes to add.
    """
    asked = [project.image(id).id for id in ids] or [r.id for r in project.images()]
    how.check(asked)
    if said is not None:
        say_all(project, read_classes(said, checked_name))
    there = [c.name for c in add_object_classes(project, added)]
    used = rules_of(project) if rules is None else tuple(_as_there(rule, there) for rule in rules)
    more = [id for id in learnt_images(project) if id not in asked] if how.learn else []
    work: dict[str, Read] = {id: partial(_of_project, project, id, stop) for id in (*asked, *more)}
    done = yield from _classified(work, asked, replace(how, rules=used), stop, there)
    if rules is not None and not done.stopped:
        keep_rules(project, used)
    for id in asked:
        if n := lost_classes(project, id):
            yield Notice(f"{id}: {n} of the classes that were said lie where no object is any more; they are kept.")
    return done


def _as_there(rule: Rule, names: Sequence[str]) -> Rule:
    """The rule with the name that its class has already, whatever its capitals."""
    return replace(rule, name=next((n for n in names if n.casefold() == rule.name.casefold()), rule.name))


def read_rules(rules: str | Sequence[str]) -> tuple[Rule, ...]:
    """Rules as they are written: one, or several."""
    return tuple(read_rule(text) for text in ([rules] if isinstance(rules, str) else rules) if text.strip())


# --- inside ---------------------------------------------------------------------------------------


def _classified(
    work: Mapping[str, Read], wanted: Sequence[str], how: Classifying, stop: Stop, classes: Sequence[str] = ()
) -> Work[Classified]:
    """Measure what is read piece by piece, tell the classes, write; only those of `wanted` are in the tables."""
    how.check(wanted)
    done = yield from each_image(work, lambda o: len(o.table), stop)
    if done.stopped:
        nothing, summary = tables({})
        return Classified(nothing, summary, tuple(classes), {}, left_out=done.left_out, stopped=True)
    known = done.parts
    mine = [name for image in wanted for name in done.by_image.get(image, ())]
    told = tell(known, how.rules, learn=how.learn)
    names = _names(classes, how.rules, known)
    table, summary = class_tables({n: known[n].objects for n in mine}, told, names, how.group_by)
    files = [write_table(t, p) for t, p in ((table, how.csv), (summary, how.summary)) if p]
    learnt = dict(told.classifier.said) if told.classifier is not None else {}
    return Classified(table, summary, names, learnt, told.accuracy, told.note, done.left_out, tuple(files))


def _names(classes: Sequence[str], rules: Sequence[Rule], known: Mapping[str, ObjectsSaid]) -> tuple[str, ...]:
    said = sorted({word for objects in known.values() for word in objects.words.values()})
    return tuple(dict.fromkeys([*classes, *(rule.name for rule in rules), *said]))


def _measured(part: Measured, words: Said, name: str, stop: Stop) -> ObjectsSaid:
    found = measure_objects(part, stop=stop)
    there = set(found.table["label"].tolist())
    for label in words:
        if label not in there:
            raise CellsegError(f"There is no object {label} in {name}.", "Look it up in the table of objects.")
    return ObjectsSaid(found, dict(words))


def _of_project(project: Project, id: str, stop: Stop) -> dict[str, ObjectsSaid]:
    return {id: objects_said(project, id, stop)}

"""Classes of a project's objects: what persons said, and what is told of all objects from it.

Data flow: labels and picture of an image -> its table of all columns, and what was said by label -> those of all images
that are wanted and of all in which anything was said -> `tell_classes`. Verbs, docks and exports ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import CellsegError
from ..measurement import (
    NO_PIXELS,
    CellRules,
    Cells,
    ClassesTold,
    Measured,
    Objects,
    Rule,
    channels_of,
    class_tables,
    inner_points,
    labels_at,
    measure_objects,
    only_columns,
    points_to_say,
    read_rule,
    tell_classes,
    words_by_label,
)
from ..project import (
    Project,
    add_object_classes,
    all_said_classes,
    object_class,
    object_classes,
    object_rules,
    put_object_rules,
    said_classes,
    say_classes,
)
from ._cell_objects import cell_roles, cells_of_image
from ._objects_said import Source, lost, read_said
from ._work import Stop, never

if TYPE_CHECKING:
    from pandas import DataFrame

Words = Mapping[int, str]
Point = tuple[int, ...]
KINDLY = ("coco.json", "geojson", "ome.zarr", "v0.4.ome.zarr")
"""Formats that hold a class of each object."""


@dataclass(frozen=True, eq=False)
class ObjectsSaid:
    """The objects of one image: their table, and what persons said of them by label."""

    objects: Objects
    words: dict[int, str]

    @property
    def table(self) -> DataFrame:
        """A row per object."""
        return self.objects.table


def objects_said(project: Project, id: str, stop: Stop = never) -> ObjectsSaid:
    """Measure all columns of an image's objects; in a project of classes, of its cells.

    A picture that cannot be read gives no intensities.

    Raises
    ------
    CellsegError
        When labels cannot be measured, there are no cells, or it was stopped.
    """
    if project.task != "instance":
        return cells_said(project, id, cells_of_image(project, id, cell_roles(project), CellRules()), stop)
    labels, state = project.load_labels(id)
    return _said(project, id, labels, state, stop)


def cells_said(project: Project, id: str, cells: Cells, stop: Stop = never) -> ObjectsSaid:
    """The same of cells that were made out of classes: their nuclei and envelopes join the columns."""
    found = _said(project, id, cells.cells, None, stop)
    for name in cells.table.columns.drop("cell"):
        found.table[name] = cells.table[name].to_numpy()
    return found


def _said(project: Project, id: str, labels: Any, state: Any, stop: Stop) -> ObjectsSaid:
    try:
        pixels = channels_of(project.read_image(id))
    except CellsegError:
        pixels = NO_PIXELS
    objects = measure_objects(Measured(labels, project.image(id).spacing_um, *pixels, state), stop=stop)
    return ObjectsSaid(objects, words_by_label(labels, said_classes(project, id)))


def rules_of(project: Project) -> tuple[Rule, ...]:
    """The rules that a project keeps."""
    return tuple(read_rule(f"{name}: {text}") for name, text in object_rules(project))


def told_classes(
    project: Project,
    ids: Sequence[str],
    measured: Mapping[str, ObjectsSaid] | None = None,
    rules: Sequence[Rule] | None = None,
    *,
    learn: bool = True,
    stop: Stop = never,
    objects: Callable[[str], ObjectsSaid] | None = None,
) -> ClassesTold:
    """The class of every object of some images.

    Parameters
    ----------
    measured
        Images that were measured already; the others are measured here, also those in which anything was said.
    objects
        What measures them; `objects_said` where not given.
    rules
        Those that the project keeps where not given.

    Raises
    ------
    CellsegError
        When an image cannot be measured, a rule asks for a column that there is not, or it was stopped.
    """
    known = dict(measured or {})
    for id in (*ids, *(learnt_images(project) if learn else ())):
        if id not in known:
            known[id] = objects(id) if objects is not None else objects_said(project, id, stop)
    return tell(known, rules_of(project) if rules is None else rules, learn=learn)


def tell(known: Mapping[str, ObjectsSaid], rules: Sequence[Rule], *, learn: bool = True) -> ClassesTold:
    """Tell the classes of objects that are measured."""
    tables, words = {id: o.table for id, o in known.items()}, {id: o.words for id, o in known.items()}
    return tell_classes(tables, words, rules, learn=learn)


def learnt_images(project: Project) -> tuple[str, ...]:
    """The images of whose objects a person said anything."""
    return tuple(all_said_classes(project))


def has_classes(project: Project) -> bool:
    """Whether objects have classes at all."""
    return bool(object_classes(project)) and project.task == "instance"


def classes_measured(
    project: Project, found: Mapping[str, Objects], columns: Sequence[str], group_by: str, stop: Stop
) -> tuple[DataFrame, DataFrame, dict[str, Objects]]:
    """The table and summary of what was measured (all columns), with classes; and the objects with some columns."""
    said = set(learnt_images(project))
    known = {id: ObjectsSaid(o, _words(project, id) if id in said else {}) for id, o in found.items()}
    told = told_classes(project, list(found), known, stop=stop)
    only = {id: only_columns(objects, columns) for id, objects in found.items()}
    table, summary = class_tables(only, told, [c.name for c in object_classes(project)], group_by)
    return table, summary, only


def kinds_of_objects(project: Project, id: str) -> dict[int, str]:
    """The class of every object of an image that has one, by label; {} in a project without classes of objects."""
    if not has_classes(project):
        return {}
    known = objects_said(project, id)
    told = told_classes(project, [id], {id: known}).columns[id]
    return {int(n): str(c) for n, c in zip(known.table["label"], told["class"], strict=True) if c}


def kinds_for_export(project: Project, name: str, format: str) -> dict[int, str]:
    """The same for a format that holds classes of objects; {} for others, and for a time series."""
    one = format in KINDLY and any(r.id == name for r in project.images())
    return kinds_of_objects(project, name) if one else {}


def say(project: Project, image: str, classes: Words) -> None:
    """Say the classes of objects of an image by their labels, "" to take back.

    Raises
    ------
    CellsegError
        When there is no such image, object or class; nothing is kept then.
    """
    named = {int(label): object_class(project, name).name if name else "" for label, name in classes.items()}
    points, instead = points_to_say(_labels(project, image), named, said_classes(project, image), image)
    say_classes(project, image, points, instead)


def say_all(project: Project, said: Mapping[str, Words]) -> None:
    """Say classes by image and label; names that are new become classes. Nothing is kept where anything is wrong."""
    for image, words in said.items():
        points_to_say(_labels(project, image), words, (), image)
    add_object_classes(project, list(dict.fromkeys(name for words in said.values() for name in words.values() if name)))
    for image, words in said.items():
        say(project, image, words)


def keep_kinds(project: Project, id: str, kinds: Words, labels: Any = None) -> None:
    """Keep the classes that objects had in a file of masks as said; what a person said before stands.

    Parameters
    ----------
    kinds
        By label of `labels`, those of the file; the project's labels where these are not given.
    """
    if not kinds or project.task != "instance":
        return
    labels = project.load_labels(id)[0] if labels is None else labels
    put_kinds(project, id, points_of_kinds(labels, kinds))


def points_of_kinds(labels: Any, kinds: Words) -> dict[Point, str]:
    """A pixel inside each object that has a class, and the class."""
    return {point: kinds[label] for label, point in inner_points(labels, list(kinds)).items()}


def put_kinds(project: Project, id: str, points: Mapping[Point, str]) -> None:
    """Keep classes that came out of a file by pixels in their objects; what a person said before stands."""
    labels = project.load_labels(id)[0]
    spoken = words_by_label(labels, said_classes(project, id))
    at = labels_at(labels, list(points))
    new = {p: name for (p, name), label in zip(points.items(), at, strict=True) if label and int(label) not in spoken}
    if new:
        add_object_classes(project, sorted(set(new.values())))
        say_classes(project, id, new)


def read_classes(path: Source, checked: Callable[[str], str]) -> dict[str, dict[int, str]]:
    """Classes by image and label, out of a table; see `read_said`."""
    return read_said(path, "class", checked)


def keep_rules(project: Project, rules: Iterable[Rule]) -> None:
    """Keep rules in the project, in the place of those it had; names that are new become classes."""
    kept = list(rules)
    add_object_classes(project, [rule.name for rule in kept])
    put_object_rules(project, [(object_class(project, r.name).name, r.expression.text) for r in kept])


def lost_classes(project: Project, id: str) -> int:
    """How many classes that were said lie in no object now."""
    return lost(lambda: _labels(project, id), said_classes(project, id))


def _words(project: Project, id: str) -> dict[int, str]:
    return words_by_label(_labels(project, id), said_classes(project, id))


def _labels(project: Project, id: str) -> Any:
    if project.task == "instance":
        return project.load_labels(id)[0]
    return cells_of_image(project, id, cell_roles(project), CellRules()).cells

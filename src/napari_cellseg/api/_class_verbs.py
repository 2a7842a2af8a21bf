"""The verbs of a project that give its objects classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..project import (
    ObjectClass,
    add_object_classes,
    checked_name,
    object_classes,
    object_rules,
    order_object_classes,
    recolour_object_class,
    remove_object_class,
    rename_object_class,
)
from ._classify import Classified, Classifying, classify_project, read_rules
from ._object_classes import keep_rules, say
from ._time_verbs import TimeVerbs
from ._work import OnEvent, Stop, Work, method, never

Several = str | Sequence[str] | None


class ClassVerbs(TimeVerbs):
    """Classes of objects: of a project of objects, or of the cells of a project of classes."""

    @method
    def classify(
        self,
        images: Several = None,
        *,
        classes: Several = None,
        said: str | Path | None = None,
        rules: Several = None,
        learn: bool = True,
        group_by: str = "",
        csv: str | Path | None = None,
        summary: str | Path | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Classified]:
        """Tell the class of every object: what a person said, else the first rule that holds, else a classifier.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given. The classifier learns from all images in which anything was said.
        classes : str or list of str
            Names of classes to add to the project.
        said : str or Path
            A table with ``image``, ``label`` and ``class``: what a person says of objects, kept from now on.
        rules : str or list of str
            ``"name: condition"`` over columns of a measurement, kept in the place of those that the project has; [] for
            none.
        learn : bool
            Whether a classifier decides what neither words nor rules did.
        group_by : str
            A regular expression: its first bracket (or all that matches) in the name of an image is its group.
        csv, summary : str or Path
            Files to write, ``.csv`` or ``.parquet``: the objects; images and groups.
        on_event, stop : callable
            Called with every event; asked again and again whether to end.

        Returns
        -------
        Classified

        Raises
        ------
        CellsegError
            When names, rules or the table cannot be used, or there are no objects.
        """
        named = [classes] if isinstance(classes, str) else list(classes or ())
        given = None if rules is None else read_rules(rules)
        how = Classifying((), learn, group_by, csv, summary)
        return classify_project(self.project, self._named(images), how, said, given, stop, [*map(checked_name, named)])

    @property
    def object_classes(self) -> tuple[ObjectClass, ...]:
        """Classes of objects in their order: name and colour."""
        return object_classes(self.project)

    @property
    def object_rules(self) -> tuple[str, ...]:
        """The rules that the project keeps, ``"name: condition"``; the first that holds counts."""
        return tuple(f"{name}: {text}" for name, text in object_rules(self.project))

    def set_object_classes(self, image: str, classes: Mapping[int, str]) -> None:
        """Say the classes of objects by their labels; they stand over rules and classifier, "" takes back.

        An object is remembered by a pixel inside it, so what is said outlives new numbers of objects.

        Raises
        ------
        CellsegError
            When there is no such image, object or class; nothing is kept then.
        """
        say(self.project, image, classes)

    def set_object_rules(self, rules: str | Sequence[str]) -> None:
        """Keep rules in the place of those that there were; names that are new become classes.

        Raises
        ------
        CellsegError
            When one cannot be read; nothing is kept then.
        """
        keep_rules(self.project, read_rules(rules))

    def add_object_classes(self, names: str | Sequence[str]) -> None:
        """Add classes of objects behind those that there are."""
        add_object_classes(self.project, [names] if isinstance(names, str) else names)

    def rename_object_class(self, old: str, new: str) -> None:
        """Give a class of objects another name; its objects and rules go with it."""
        rename_object_class(self.project, old, new)

    def recolour_object_class(self, name: str, colour: str) -> None:
        """Give a class of objects another colour, ``#rrggbb``."""
        recolour_object_class(self.project, name, colour)

    def remove_object_class(self, name: str) -> None:
        """Remove a class of objects; what was said counts again when a class of this name is added."""
        remove_object_class(self.project, name)

    def order_object_classes(self, names: Sequence[str]) -> None:
        """Put classes of objects into another order; those that are not named come last."""
        order_object_classes(self.project, names)

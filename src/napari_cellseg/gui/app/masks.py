"""Masks of other tools in, and the open image's labels out. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from psygnal import Signal

from ... import images
from ...api import KINDLY, has_classes, kinds_for_export, points_of_kinds, put_kinds
from ...errors import CellsegError
from ...project import APPROVED, LabelStore, Project, masks_for_image, parts, write_labels_of
from .label_writer import LabelWriter
from .report_errors import after_settling, report_errors
from .workspace import Workspace

Kinds = Mapping[tuple[int, ...], str]


class Masks:
    """Files of labels for the open image."""

    classed = Signal()
    """Masks came with classes of objects."""

    def __init__(self, workspace: Workspace, writer: LabelWriter) -> None:
        self._ws, self._writer = workspace, writer

    @report_errors
    def take(self, path: str | Path, *, approved: bool = False, threshold: float | None = None) -> None:
        """Take masks of another tool: as a draft, or as approved truth. They are read in the helper thread.

        Values above `threshold` are the class, where there is one, or objects, piece by piece. Of masks of a series
        those of the open image are taken.
        """
        ws = self._ws
        store, folder, image = ws.store(), ws.project().path, ws.session.image

        def read() -> tuple[images.Masks, Kinds]:
            with Project.open(folder) as own:  # this thread's own connection
                masks = masks_for_image(own, image, path, threshold=threshold)
                return masks, points_of_kinds(masks.labels, masks.kinds) if masks.kinds else {}

        def take(found: tuple[images.Masks, Kinds]) -> None:
            if store is ws.session.store:
                self._take(*found, Path(path).name, approved)

        ws.session.update(status=f"Reading {Path(path).name}...")
        ws.helper.later(read, take)

    @after_settling
    def _take(self, masks: images.Masks, kinds: Kinds, name: str, approved: bool) -> None:
        """Let labels be what was read, as one edit."""
        ws = self._ws
        project, session, store = ws.project(), ws.session, ws.store()
        self._refuse_approved(approved)
        if approved:
            ws.show(project.approve_labels(session.image, masks.labels))
        else:
            ws.show(project.draft_labels(session.image, masks.labels, first_id=self._writer.fresh_id()))
        self._writer.reserve_again()
        if kinds and ws.instances:
            put_kinds(project, session.image, kinds)
            self.classed.emit()
        notice = " ".join(masks.notes) or session.notice
        session.update(status=f"Took {len(store.objects)} objects from {name}.", notice=notice)

    def _refuse_approved(self, approved: bool) -> None:
        """Approved objects are protected while they are locked: a draft leaves them as they are, truth would not."""
        store, locked = self._ws.store(), self._ws.session.choices.locked
        there = (((store.state[box] == APPROVED) & (store.labels[box] > 0)).any() for box in parts(store.labels))
        if approved and locked and any(there):
            raise CellsegError(
                "Some objects of this image are approved, so they are protected.",
                "Unlock them (Shift-A) to replace all.",
            )

    @report_errors
    def write(self, path: str | Path) -> None:
        """Write the labels in the format of the name's ending; classes of objects go with them where it holds any."""
        ws, path = self._ws, Path(path)
        store = ws.store()
        format = next((f for f in KINDLY if path.name.lower().endswith(f".{f.split('.')[-1]}")), "")
        if not (format and has_classes(ws.project())):
            self._write(path, store, {})
            return
        ws.settle()
        folder, image = ws.project().path, ws.session.image

        def tell() -> dict[int, str]:
            with Project.open(folder) as own:  # this thread's own connection
                return kinds_for_export(own, image, format)

        ws.helper.later(tell, lambda kinds: self._write(path, store, kinds))

    def _write(self, path: Path, store: LabelStore, kinds: Mapping[int, str]) -> None:
        path = write_labels_of(self._ws.project(), store.record, store.labels, path, kinds)
        self._ws.session.update(status=f"Wrote {path.name}.")

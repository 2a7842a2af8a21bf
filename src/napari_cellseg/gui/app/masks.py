"""Masks of other tools in, and the open image's labels out. No Qt."""

from __future__ import annotations

from pathlib import Path

from ... import images
from ...errors import CellsegError
from ...project import APPROVED
from .label_writer import LabelWriter
from .report_errors import after_settling, report_errors
from .workspace import Workspace


class Masks:
    """Files of labels for the open image."""

    def __init__(self, workspace: Workspace, writer: LabelWriter) -> None:
        self._ws, self._writer = workspace, writer

    @after_settling
    def take(self, path: str | Path, *, approved: bool = False, threshold: float | None = None) -> None:
        """Take masks of another tool: as a draft, or as approved truth.

        Values above `threshold` are the class, where there is one, or objects, piece by piece.
        """
        ws = self._ws
        project, store, session = ws.project(), ws.store(), ws.session
        name = Path(store.record.source).name
        wanted = images.MasksFor(store.labels.shape, name=name, classes=project.meanings, threshold=threshold)
        masks = images.read_masks(path, wanted)
        if approved and session.choices.locked and bool(((store.state == APPROVED) & (store.labels > 0)).any()):
            raise CellsegError(
                "Some objects of this image are approved, so they are protected.",
                "Unlock them (Shift-A) to replace all.",
            )
        if approved:
            ws.show(project.approve_labels(session.image, masks.labels))
        else:
            ws.show(project.draft_labels(session.image, masks.labels, first_id=self._writer.fresh_id()))
        self._writer.reserve_again()
        notice = " ".join(masks.notes) or session.notice
        session.update(status=f"Took {len(store.objects)} objects from {Path(path).name}.", notice=notice)

    @report_errors
    def write(self, path: str | Path) -> None:
        """Write the labels in the format of the name's ending."""
        store, project = self._ws.store(), self._ws.project()
        record = store.record
        path = images.write_labels(path, store.labels, record.spacing_um, project.meanings, project.source(record))
        self._ws.session.update(status=f"Wrote {path.name}.")

"""Cells out of the open image's classes, as labels layers of their own. No Qt.

Data flow: a copy of the labels -> `cells_of_classes` in the helper thread -> two layers, cells and nuclei by one
number, with the table as their features. They are ordinary layers, to be measured, saved or removed like any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels

from ...api import cell_roles
from ...measurement import CellRules, Cells, cells_of_classes
from ...project import copied
from ..layers.overlays import bare_geometry
from .measured import as_features
from .report_errors import report_errors
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace


class CellLayers:
    """Shows the cells of the open image."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace

    @report_errors
    def show(self) -> None:
        """Make them, and put them into the viewer; those of before are replaced."""
        ws = self._ws
        ws.check_idle()
        project, store = ws.project(), ws.store()
        roles, record, labels = cell_roles(project), store.record, copied(store.labels, store.record.id)
        stop = ws.new_stop()

        def take(found: Cells) -> None:
            ws.session.update(progress=None)
            if stop.is_set():
                ws.session.update(status="No cells were made.")
                return
            self._put(f"{record.id} nuclei", found.nuclei, found)
            self._put(f"{record.id} cells", found.cells, found)
            bare = int(found.table["no_nucleus"].sum())
            without = f", {bare} of them without a nucleus" if bare else ""
            many = "1 cell" if len(found.table) == 1 else f"{len(found.table):,} cells"
            ws.session.update(status=f"{many}{without}. Choose their layer above to measure them.")

        ws.session.update(progress=Progress("cells", f"Making cells of {record.id}"))
        ws.helper.later(lambda: cells_of_classes(labels, roles, CellRules(), spacing=record.spacing_um), take)

    def _put(self, name: str, labels: object, found: Cells) -> None:
        layers = self._ws.viewer.layers
        if name in layers:
            layers.remove(name)
        features = as_features(found.table.rename(columns={"cell": "label"}))
        layers.append(Labels(labels, name=name, features=features, **bare_geometry(self._ws.store().record)))
        if self._ws.family is not None:  # corrections go on where they were
            layers.selection.active = self._ws.family.labels

"""Clean-up of all objects of the open image that nobody has touched. No Qt.

Data flow: labels and state -> `drafts.CleanUp` in the helper thread -> pieces that the writer writes in the ticks of
the clock -> one undo. It says what `OpenProject.clean` says of an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._types import Labels, State
from ...drafts import CleanUp, DraftStopped
from ...errors import CellsegError
from ...project import check_in_memory
from ...settings import Settings, validated
from .act_words import CLEANED
from .report_errors import report_errors

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .workspace import Workspace


class Cleaning:
    """Cleans up the open image."""

    def __init__(self, workspace: Workspace, writer: LabelWriter) -> None:
        self._ws, self._writer = workspace, writer

    @report_errors
    def clean(self, how: Settings) -> None:
        """Clean every object that nobody has touched; `how` is a `CleanUp`."""
        ws, clean = self._ws, validated(CleanUp, how.model_dump())
        if not ws.instances:
            raise CellsegError("Only objects are cleaned up.", "Here are classes: use Debris and Smooth.")
        ws.check_idle()
        ws.settle()
        store, stop = ws.store(), ws.new_stop()
        untouched = len(store.objects.untouched())
        if not untouched:
            raise CellsegError("No object here is untouched.", "What you corrected or approved stays as it is.")
        check_in_memory(ws.session.image, store.labels.shape)
        box = tuple(slice(0, n) for n in store.labels.shape)

        def make(labels: Labels, state: State) -> Labels | None:
            try:
                return clean(labels, state == 0, stop.is_set)
            except DraftStopped:
                return None

        def written() -> None:
            left = len(store.objects.untouched())
            gone = f"; {_objects(untouched - left)} too small went" if left < untouched else ""
            ws.session.update(status=f"Cleaned up {_objects(untouched)}{gone}. Undo takes all of it back.")

        ws.session.update(problem=None, status=f"Cleaning up {_objects(untouched)}...")
        self._writer.changed(
            ws.session.image, box, box, make, ws.new_group(CLEANED), written, doing="Cleaning up objects"
        )


def _objects(n: int) -> str:
    return "1 object" if n == 1 else f"{n:,} objects"

"""Mouse and key tools on the labels layer: click to merge, delete or approve, draw a line to split. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CellsegError

if TYPE_CHECKING:
    from .controller import Controller
    from .layers import LayerFamily


@dataclass(frozen=True)
class Tool:
    """A tool as people see it."""

    name: str
    title: str
    key: str
    tip: str


TOOLS = (
    Tool("merge", "Merge", "G", "Click one object, then the others that belong to it."),
    Tool("split", "Split", "S", "Draw a line across an object; it is parted along the line."),
    Tool("delete", "Delete", "D", "Click an object to delete it. The key deletes the object under the cursor."),
    Tool("approve", "Approve object", "A", "Click an object to approve it. The key approves the one under the cursor."),
)
KEYS = {
    "H": "Hold: the original instead of the preview",
    "N": "Next free label",
    "Y": "Approve the visible field",
    **{t.key: t.title for t in TOOLS},
}
"""Our keys (H everywhere, the others on the labels layer); none is napari's own."""


class Tools:
    """Attaches tools to the labels layer of the open image and follows which one is chosen."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.family: LayerFamily | None = None
        self._merging: list[int] = []
        self._choosing = False

    def attach(self, family: LayerFamily) -> None:
        """Bind keys and mouse of a new image."""
        self.family = family
        labels = family.labels
        labels.mouse_drag_callbacks.append(self._drag)
        labels.events.mode.connect(self._left)
        bindings: dict[str, Callable[[], None]] = {
            "N": self.controller.new_label,
            "Y": self.controller.approve_field,
            "G": lambda: self.choose("merge"),
            "S": lambda: self.choose("split"),
            "D": lambda: self._under_cursor(self.controller.delete_object),
            "A": lambda: self._under_cursor(self.controller.approve_object),
        }
        for key, action in bindings.items():
            labels.bind_key(key, lambda layer, do=action: do(), overwrite=True)

    def detach(self) -> None:
        """Forget the layer."""
        if self.family is not None:
            self.family.labels.events.mode.disconnect(self._left)
            self.family = None
        self._merging.clear()

    def choose(self, name: str) -> None:
        """Start a tool ("" ends it)."""
        if self.family is None:
            return
        self._merging.clear()
        self.controller.viewer.layers.selection.active = self.family.labels
        self._choosing = True
        self.family.labels.mode = "pan_zoom"
        self._choosing = False
        self.family.labels.mouse_pan = not name
        self.family.labels.cursor = "cross" if name else "standard"
        self.family.line.visible = name == "split"
        tip = next((t.tip for t in TOOLS if t.name == name), "")
        self.controller.session.update(tool=name, status=tip)

    # --- inside ---------------------------------------------------------------------------------

    def _left(self, event: Any = None) -> None:
        """The person chose one of napari's own modes."""
        if self.family is not None and not self._choosing:
            self._merging.clear()
            self.family.line.visible = False
            self.controller.session.update(tool="")

    def _under_cursor(self, action: Callable[[tuple[int, ...]], None]) -> None:
        if self.family is not None:
            action(self.family.voxel(self.controller.viewer.cursor.position[-len(self.family.record.shape) :]))

    def _drag(self, layer: Any, event: Any) -> Generator[None, None, None]:
        tool = self.controller.session.tool
        if not tool or self.family is None or event.button != 1:
            return
        points = [np.asarray(layer.world_to_data(event.position), float)]
        yield
        while event.type == "mouse_move":
            points.append(np.asarray(layer.world_to_data(event.position), float))
            if tool == "split":
                self.family.show_line(np.array(points))
            yield
        if tool == "split":
            self.family.show_line(None)
            points.append(np.asarray(layer.world_to_data(event.position), float))
            self.controller.split_along(_flatten(np.array(points)))
        else:
            self._click(tool, tuple(int(round(v)) for v in points[0]))

    def _click(self, tool: str, point: tuple[int, ...]) -> None:
        if tool == "delete":
            self.controller.delete_object(point)
        elif tool == "approve":
            self.controller.approve_object(point)
        elif tool == "merge":
            self._merge(point)

    def _merge(self, point: tuple[int, ...]) -> None:
        from ..edits import object_at

        canvas = self.controller.session.canvas
        try:
            id = object_at(canvas.labels, point) if canvas is not None else 0
        except CellsegError as error:
            self.controller.fail(error)
            return
        if id in self._merging:
            return
        self._merging.append(id)
        if len(self._merging) == 1:
            self.controller.session.update(status=f"Merge into object {id}: click the others.")
        else:
            self.controller.merge_objects([self._merging[0], id])


def _flatten(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """All points in the plane of the first, without repeats."""
    points[:, :-2] = points[0, :-2]
    keep = np.r_[True, np.abs(np.diff(points, axis=0)).sum(1) > 0]
    return points[keep]

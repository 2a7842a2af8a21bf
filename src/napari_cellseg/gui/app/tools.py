"""Mouse and key tools on the labels layer, declared once: buttons, keys and the page of shortcuts follow. No Qt.

Data flow: a click, a drawn line, loop or box, or a key becomes voxel coordinates here; `Correcting` makes an edit of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...errors import CellsegError
from ..layers import _napari

if TYPE_CHECKING:
    from ..layers.image_layers import LayerFamily
    from .controller import Controller

IN_SLICES = "Switch to the 2D view (Ctrl+Y). Merge, Delete, Approve and the like on whole objects work in 3D, too."
Gesture = Literal["object", "click or line", "line", "loop", "box", "now"]


@dataclass(frozen=True)
class Tool:
    """A tool as people see it.

    Attributes
    ----------
    gesture
        What the hand does on the image. A key of an "object" tool acts at once on the object under the cursor; the
        button lets the person click objects. "now" needs no place.
    only
        "volume", "classes" or "objects" where a tool is for those alone.
    """

    name: str
    title: str
    key: str
    gesture: Gesture
    tip: str
    group: str
    only: str = ""


TOOLS = (
    Tool("merge", "Merge", "G", "click or line", "Click objects, or draw a line over them.", "Fix", "objects"),
    Tool("split", "Split", "S", "click or line", "Draw a line across, or click a seed in each part.", "Fix", "objects"),
    Tool("delete", "Delete", "D", "object", "Remove the object.", "Fix"),
    Tool("relabel", "Relabel", "Shift-G", "object", "Give the object the number of the brush.", "Fix", "objects"),
    Tool("approve", "Approve", "A", "object", "Say that the object is right.", "Fix"),
    Tool("assign class", "Class", "Shift-S", "object", "Give the region the brush's class.", "Fix", "classes"),
    Tool("fill holes", "Fill holes", "J", "object", "Close what the object encloses.", "Shape"),
    Tool("smooth", "Smooth", "O", "object", "Smooth the outline.", "Shape"),
    Tool("grow", "Grow", "W", "object", "Move the outline outward by a pixel.", "Shape"),
    Tool("shrink", "Shrink", "Shift-W", "object", "Move the outline inward by a pixel.", "Shape"),
    Tool("keep largest", "Largest", "K", "object", "Of an object in pieces keep the largest.", "Shape"),
    Tool("remove small", "Debris", "Shift-K", "now", "Remove what is small, in view.", "Shape"),
    Tool("scribble", "Scribble", "T", "line", "Draw a line inside a missed object; it snaps to the edges.", "Draw"),
    Tool("polygon", "Polygon", "U", "loop", "Draw round an object.", "Draw"),
    Tool("convex polygon", "Convex", "Shift-U", "loop", "Draw roughly round an object.", "Draw"),
    Tool("predict box", "Box", "Q", "box", "Draw a box; it is labelled anew.", "Draw"),
    Tool("copy up", "Copy on", "C", "object", "Copy it to the next slice.", "Slices", "volume"),
    Tool("copy down", "Copy back", "Shift-C", "object", "Copy it to the slice before.", "Slices", "volume"),
    Tool("interpolate", "Interpolate", "I", "object", "Fill the slices between drawn ones.", "Slices", "volume"),
)  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}
OTHER_KEYS = {
    "H": "Hold: the original instead of the preview",
    "N": "Next free label and the brush",
    "Y": "Approve the visible field",
    "Shift-A": "Lock or unlock approved objects",
    "9": "Review: skip to the next place",
    "8": "Review: back to the one before",
    "0": "Review: approve this one and go on",
    "R": "Review: fix this one with the brush",
}
KEYS = {**OTHER_KEYS, **{t.key: f"{t.title}: {t.tip}" for t in TOOLS}}
"""Our keys (H everywhere, the others on the labels layer); none is napari's own."""


class Tools:
    """Attaches tools to the labels layer of the open image and follows which one is chosen."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.family: LayerFamily | None = None
        self._choosing = False

    def attach(self, family: LayerFamily) -> None:
        """Bind keys and mouse of a new image."""
        self.family = family
        labels, c = family.labels, self.controller
        labels.mouse_drag_callbacks.append(self._drag)
        labels.events.mode.connect(self._left)
        c.viewer.dims.events.ndisplay.connect(self._turned)
        bindings: dict[str, Callable[[], object]] = {
            "N": c.new_label,
            "Y": c.approve_field,
            "Shift-A": c.toggle_lock,
            "9": c.reviewing.skip,
            "8": c.reviewing.back,
            "0": c.reviewing.approve,
            "R": c.reviewing.fix,
            **{tool.key: partial(self._pressed, tool) for tool in TOOLS},
        }
        for key, action in bindings.items():
            labels.bind_key(key, lambda layer, do=action: _drop(do()), overwrite=True)

    def detach(self) -> None:
        """Forget the layer."""
        if self.family is not None:
            self.family.labels.events.mode.disconnect(self._left)
            self.controller.viewer.dims.events.ndisplay.disconnect(self._turned)
            self.family = None
        self.controller.correcting.forget()

    def _turned(self, event: Any = None) -> None:
        """A tool's drag draws in a plane; it turns a 3D view."""
        if self.family is not None and self.controller.session.tool:
            self.family.labels.mouse_pan = not self.family.in_slices

    def choose(self, name: str) -> None:
        """Start a tool ("" ends it); one that needs no place acts at once."""
        if self.family is None:
            return
        tool = BY_NAME.get(name)
        if tool is not None and tool.gesture == "now":
            self.controller.correct_now(name)
            return
        self.controller.correcting.forget()
        self.controller.viewer.layers.selection.active = self.family.labels
        self._choosing = True
        self.family.labels.mode = "pan_zoom"
        self._choosing = False
        self.family.labels.cursor = "cross" if name else "standard"
        self.family.line.visible = tool is not None and tool.gesture != "object"
        self.family.labels.mouse_pan = not name
        self.controller.session.update(tool=name, status=f"{tool.title}: {tool.tip}" if tool else "")
        self._turned()

    # --- inside ---------------------------------------------------------------------------------

    def _left(self, event: Any = None) -> None:
        """The person chose one of napari's own modes."""
        if self.family is not None and not self._choosing:
            self.controller.correcting.forget()
            self.family.line.visible = False
            self.controller.session.update(tool="")

    def _pressed(self, tool: Tool) -> None:
        """The tool's key: an object tool acts on what is under the cursor, the others are chosen."""
        if self.family is None:
            return
        if tool.gesture == "object":
            if (point := self._point(tool, *_napari.pointed(self.controller.viewer))) is not None:
                self.controller.correct_at(tool.name, point)
        else:
            self.choose(tool.name)

    def _point(self, tool: Tool, position: Any, direction: Any) -> tuple[int, ...] | None:
        """The voxel that is pointed at; in a 3D view one of the object that is seen there."""
        family, through = self.family, self.controller.session.choices.through
        assert family is not None
        if family.in_slices:
            return family.voxel(position[-len(family.record.shape) :])
        by_object = tool.name == "merge" or (tool.gesture == "object" and tool.only != "volume")
        if not by_object or not through:
            self.controller.fail(CellsegError(f"{tool.title} needs a slice: this view is 3D.", IN_SLICES))
            return None
        point = family.voxel_in_view(position, direction)
        if point is None:
            self.controller.fail(CellsegError("There is no object.", "Point at one."))
        return point

    def _drag(self, layer: Any, event: Any) -> Generator[None, None, None]:
        tool = BY_NAME.get(self.controller.session.tool)
        if tool is None or self.family is None or event.button != 1:
            return
        if not self.family.in_slices:
            yield from self._click(tool, event)
            return
        points = [np.asarray(layer.world_to_data(event.position), float)]
        yield
        while event.type == "mouse_move":
            points.append(np.asarray(layer.world_to_data(event.position), float))
            if tool.gesture != "object":
                self.family.show_line(_outline(np.array(points), tool.gesture))
            yield
        points.append(np.asarray(layer.world_to_data(event.position), float))
        self.family.show_line(None)
        line = _flatten(np.array(points))
        moved = np.abs(line - line[0]).max() >= 1.5
        if tool.gesture == "object" or (tool.gesture == "click or line" and not moved):
            self.controller.correct_at(tool.name, tuple(int(round(v)) for v in points[0]))
        elif tool.gesture == "box":
            self.controller.correct_inside(tool.name, _box(line))
        else:
            self.controller.correct_along(tool.name, line)

    def _click(self, tool: Tool, event: Any) -> Generator[None, None, None]:
        """A click in a 3D view; a drag turns the view."""
        yield
        if event.type == "mouse_move":
            return
        if (point := self._point(tool, event.position, event.view_direction)) is not None:
            self.controller.correct_at(tool.name, point)


def shortcuts() -> str:
    """The page of keys as Markdown."""
    lines = ["| Key | Tool | What it does |", "|---|---|---|"]
    lines += [f"| {t.key} | {t.title} | {t.tip} |" for t in TOOLS]
    for key, text in OTHER_KEYS.items():
        head, _, tail = text.partition(": ")
        lines.append(f"| {key} | {head if tail else ''} | {tail or head} |")
    return "\n".join(lines) + "\n"


def _drop(result: object) -> None:
    """Napari takes what a key binding returns for a generator."""


def _outline(points: np.ndarray[Any, Any], gesture: Gesture) -> np.ndarray[Any, Any]:
    """What is drawn while the button is down."""
    if gesture == "loop":
        return np.concatenate([points, points[:1]])
    if gesture == "box":
        a, b = points[0].copy(), points[-1].copy()
        corners = np.repeat(a[None], 5, axis=0)
        corners[1:3, -1] = b[-1]
        corners[2:4, -2] = b[-2]
        return corners
    return points


def _box(line: np.ndarray[Any, Any]) -> tuple[slice, ...]:
    """The box between the first and the last point, in the plane of the first."""
    low, high = np.minimum(line[0], line[-1]), np.maximum(line[0], line[-1])
    return tuple(slice(int(round(a)), int(round(b)) + 1) for a, b in zip(low, high, strict=True))


def _flatten(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """All points in the plane of the first, without repeats."""
    points[:, :-2] = points[0, :-2]
    keep = np.r_[True, np.abs(np.diff(points, axis=0)).sum(1) > 0]
    return points[keep]

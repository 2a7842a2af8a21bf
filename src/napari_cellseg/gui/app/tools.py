"""Mouse and key tools on the labels layer, declared once: buttons, keys and the page of shortcuts follow. No Qt.

Data flow: a click, a drawn line, loop or box, or a key becomes voxel coordinates here; `ToolActions` makes an edit of
them. A new tool is one entry of `TOOLS`: how it is named, its gesture and its function.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import edits
from ...errors import CellsegError, NothingThere
from ..layers import _napari
from ..layers.image_layers import ImageLayers
from .own_keys import read_keys
from .report_errors import report_errors
from .tool import Gesture, Tool
from .tool_actions import IN_SLICES, ToolActions, on_piece
from .tool_keys import ToolKeys

if TYPE_CHECKING:
    from .workspace import Workspace

_A = ToolActions
TOOLS = (
    Tool("merge", "Merge", "G", "click or line", "Click objects, or draw a line over them.", "Fix",
         _A.merge_at, _A.merge_along, only=("objects",), main=True, takes_first=True),
    Tool("split", "Split", "S", "click or line", "Draw a line across, or click a seed in each part.", "Fix",
         _A.seed, _A.split_along, only=("objects",), main=True),
    Tool("delete", "Delete", "D", "object", "Remove the object.", "Fix", on_piece(edits.delete, "Deleted"), main=True),
    Tool("delete box", "Delete box", "Shift-D", "box", "Remove all objects in a box.", "Fix",
         inside=_A.delete_inside, only=("objects",)),
    Tool("relabel", "Relabel", "Shift-G", "object", "Give the object the number of the brush.", "Fix",
         _A.relabel, only=("objects",)),
    Tool("approve", "Approve", "A", "object", "Say that the object is right.", "Fix",
         on_piece(edits.approve_object, "Approved"), main=True),
    Tool("assign class", "Class", "Shift-S", "object", "Give the region the brush's class.", "Fix",
         _A.assign_class, only=("classes",)),
    Tool("fill holes", "Fill holes", "J", "object", "Close what the object encloses.", "Shape",
         on_piece(edits.fill_holes, "Filled")),
    Tool("smooth", "Smooth", "O", "object", "Smooth the outline.", "Shape", on_piece(edits.smooth, "Smoothed")),
    Tool("grow", "Grow", "W", "object", "Move the outline outward by a pixel.", "Shape", on_piece(edits.grow, "Grew")),
    Tool("shrink", "Shrink", "Shift-W", "object", "Move the outline inward by a pixel.", "Shape",
         on_piece(edits.shrink, "Shrank")),
    Tool("keep largest", "Largest", "K", "object", "Of an object in pieces keep the largest.", "Shape",
         on_piece(edits.keep_largest, "Kept the largest piece of")),
    Tool("remove small", "Debris", "Shift-K", "now", "Remove what is small, in view.", "Shape", inside=_A.remove_small),
    Tool("scribble", "Scribble", "T", "line", "Draw a line inside a missed object; it snaps to the edges.", "Draw",
         along=_A.scribble, main=True),
    Tool("click", "Click", "Shift-T", "click or box",
         "Click an object, or drag a box round it; Shift-click what is missing, Ctrl-click what is too much.", "Draw",
         _A.click_at, inside=_A.click_inside, more=_A.click_more, less=_A.click_less, main=True),
    Tool("polygon", "Polygon", "U", "loop", "Draw round an object.", "Draw", along=_A.polygon),
    Tool("convex polygon", "Convex", "Shift-U", "loop", "Draw roughly round an object.", "Draw",
         along=_A.convex_polygon),
    Tool("predict box", "Box", "Q", "box", "Draw a box; it is labelled again.", "Draw", inside=_A.predict_inside),
    Tool("why", "Why?", "Shift-Q", "object", "Ask why the model found, or missed, what is here.", "Look", _A.why),
    Tool("copy up", "Copy on", "C", "object", "Copy it to the next slice.", "Slices", _A.copy_up, only=("volume",)),
    Tool("copy down", "Copy back", "Shift-C", "object", "Copy it to the slice before.", "Slices",
         _A.copy_down, only=("volume",)),
    Tool("interpolate", "Interpolate", "I", "object", "Fill the slices between drawn ones.", "Slices",
         _A.interpolate, only=("volume", "objects")),
)  # fmt: skip
CLICKS = ("click or line", "click or box")
BOXES = ("box", "click or box")
BY_NAME = {tool.name: tool for tool in TOOLS}
OTHER_KEYS = {
    "H": "Hold: the original instead of the preview",
    "N": "Next free label and the brush",
    "Shift-N": "Brush with the label of the object under the cursor",
    "Y": "Approve the visible field",
    "Shift-A": "Lock or unlock approved objects",
    "Shift-O": "View of a volume: the next of XY, XZ, YZ",
    ",": "Time: the frame before",
    ".": "Time: the next frame",
    "9": "Review: skip to the next place; spot check: unsure",
    "8": "Review: back to the one before; spot check, too",
    "0": "Review: approve this one and go on; spot check: right, or the field is done",
    "R": "Review: fix this one with the brush; spot check: wrong, or the last click was",
    "Control-1": "Classes: the brush with the first class; of objects: the chosen ones are of it; so on to Control-9",
    "Control-0": "Classes of objects: take back what you said of the chosen ones",
    "Control-L": "Classes of objects: the next object that is worth a word",
}
KEYS = {**OTHER_KEYS, **{t.key: f"{t.title}: {t.tip}" for t in TOOLS}}
"""Our keys (H everywhere, the others while layers of the open image are selected); none is napari's own."""


class Tools:
    """Attaches tools to the labels layer of the open image and follows which one is chosen.

    Parameters
    ----------
    keys
        What the keys in `OTHER_KEYS` do while layers of the open image are selected.
    """

    def __init__(self, workspace: Workspace, actions: ToolActions, keys: Mapping[str, Callable[[], object]]) -> None:
        self._ws, self._actions = workspace, actions
        self._others = {**keys, "Shift-N": self.take_for_brush}
        self.keys = ToolKeys(workspace, self._bound({}))
        self.family: ImageLayers | None = None
        self._choosing = False

    def take_keys(self, text: str) -> None:
        """Bind other keys to tools, as a person's preferences say; before an image is open."""
        tools = {t.name: (t.title, t.key) for t in TOOLS}
        try:
            chosen = read_keys(text, tools, [*OTHER_KEYS])
        except CellsegError as error:
            self._ws.fail(error)
            return
        self.keys = ToolKeys(self._ws, self._bound(chosen))
        self._ws.session.update(keys=chosen)

    def attach(self) -> None:
        """Bind keys and mouse of a new image."""
        self.family = self._ws.layers()
        labels = self.family.labels
        labels.mouse_drag_callbacks.append(self._drag)
        labels.events.mode.connect(self._left)
        for event in (self._ws.viewer.dims.events.ndisplay, self._ws.viewer.dims.events.order):
            event.connect(self._turned)
        self.keys.attach()

    def detach(self) -> None:
        """Forget the layer."""
        if self.family is not None:
            self.family.labels.events.mode.disconnect(self._left)
            for event in (self._ws.viewer.dims.events.ndisplay, self._ws.viewer.dims.events.order):
                event.disconnect(self._turned)
            self._listen_for_escape(False)
            self.keys.detach()
            self.family = None
        self._actions.forget()

    def _turned(self, event: Any = None) -> None:
        """A tool's drag draws in a plane; it turns a 3D view. In another plane, clicks of a tool begin again."""
        self._actions.forget()
        if self.family is not None and self._ws.session.tool:
            self.family.labels.mouse_pan = not self.family.in_slices

    def leave(self) -> None:
        """End the chosen tool."""
        self.choose("")

    def choose(self, name: str) -> None:
        """Start a tool ("" ends it); one that needs no place acts at once."""
        if self.family is None:
            return
        tool = BY_NAME.get(name)
        if tool is not None and tool.gesture == "now":
            self._actions.now(tool)
            return
        self._actions.forget()
        self._ws.viewer.layers.selection.active = self.family.labels
        self._listen_for_escape(bool(name))
        self._choosing = True
        self.family.labels.mode = "pan_zoom"
        self._choosing = False
        self.family.labels.cursor = "cross" if name else "standard"
        self.family.line.visible = tool is not None and tool.gesture != "object"
        self.family.labels.mouse_pan = not name
        self._ws.session.update(tool=name, status=f"{tool.title}: {tool.tip}" if tool else "")
        self._turned()

    @report_errors
    def take_for_brush(self) -> None:
        """Brush with the label of the object under the cursor."""
        if self.family is None:
            return
        id = self._actions.id_at(self.family.voxel(self._cursor()))
        self.family.labels.selected_label = id
        self.family.labels.mode = "paint"
        self._ws.session.update(tool="", status=f"Paint more of object {id}." if self._ws.instances else "")

    # --- inside ---------------------------------------------------------------------------------

    def _bound(self, chosen: Mapping[str, str]) -> dict[str, Callable[[], object]]:
        """What every key does, with the keys that a person has chosen for some tools."""
        return {**self._others, **{chosen.get(t.name, t.key): partial(self._pressed, t) for t in TOOLS}}

    def _cursor(self) -> Any:
        """Where the mouse is, in world coordinates of the image's axes."""
        assert self.family is not None
        position, _ = _napari.pointed(self._ws.viewer)
        return position[-len(self.family.record.shape) :]

    def _listen_for_escape(self, on: bool) -> None:
        """Esc leaves a tool; without one it is napari's own key."""
        assert self.family is not None
        self.keys.listen_for_escape(self.leave if on else None, self.family.labels)

    def _left(self, event: Any = None) -> None:
        """The person chose one of napari's own modes."""
        if self.family is not None and not self._choosing:
            self._actions.forget()
            self._listen_for_escape(False)
            self.family.line.visible = False
            self._ws.session.update(tool="")

    def _pressed(self, tool: Tool) -> None:
        """The tool's key: an object tool acts on what is under the cursor, the others are chosen."""
        if self.family is None:
            return
        if tool.gesture == "object":
            if (point := self._point(tool, *_napari.pointed(self._ws.viewer))) is not None:
                self._actions.at(tool, point)
        else:
            self.choose(tool.name)
            self._first_click(tool)

    def _first_click(self, tool: Tool) -> None:
        """The object under the cursor is the first one, if the tool takes it so and one is there."""
        family = self.family
        if tool.takes_first and family is not None and family.in_slices:
            point = family.voxel(self._cursor())
            if family.id_at(point):
                self._actions.at(tool, point)

    def _point(self, tool: Tool, position: Any, direction: Any) -> tuple[int, ...] | None:
        """The voxel that is pointed at; in a 3D view one of the object that is seen there."""
        family, through = self.family, self._ws.session.choices.through
        assert family is not None
        if family.in_slices:
            return family.voxel(position[-len(family.record.shape) :])
        by_object = tool.name == "merge" or (tool.gesture == "object" and "volume" not in tool.only)
        if not by_object or not through:
            self._ws.fail(CellsegError(f"{tool.title} needs a slice: this view is 3D.", IN_SLICES))
            return None
        point = family.voxel_in_view(position, direction)
        if point is None:
            self._ws.fail(NothingThere("There is no object here.", "Point at one."))
        return point

    def _drag(self, layer: Any, event: Any) -> Generator[None, None, None]:
        tool = BY_NAME.get(self._ws.session.tool)
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
                self.family.show_line(_outline(np.array(points), tool.gesture, self.family.turn.order[-2:]))
            yield
        points.append(np.asarray(layer.world_to_data(event.position), float))
        self.family.show_line(None)
        line = _flatten(np.array(points), self.family.turn.order[:-2])
        moved = np.abs(line - line[0]).max() >= 1.5
        if tool.gesture == "object" or (tool.gesture in CLICKS and not moved):
            self._actions.at(tool, tuple(int(round(v)) for v in points[0]), event.modifiers)
        elif not moved:
            self._ws.fail(NothingThere(f"{tool.title} needs more than a click.", tool.tip))
        elif tool.gesture in BOXES:
            self._actions.inside(tool, _box(line))
        else:
            self._actions.along(tool, line)

    def _click(self, tool: Tool, event: Any) -> Generator[None, None, None]:
        """A click in a 3D view; a drag turns the view."""
        yield
        if event.type == "mouse_move":
            return
        if (point := self._point(tool, event.position, event.view_direction)) is not None:
            self._actions.at(tool, point)


def shortcuts() -> str:
    """The page of keys as Markdown."""
    lines = ["| Key | Tool | What it does |", "|---|---|---|"]
    lines += [f"| {t.key} | {t.title} | {t.tip} |" for t in TOOLS]
    for key, text in OTHER_KEYS.items():
        head, _, tail = text.partition(": ")
        lines.append(f"| {key} | {head if tail else ''} | {tail or head} |")
    return "\n".join(lines) + "\n"


def _outline(points: np.ndarray[Any, Any], gesture: Gesture, plane: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """What is drawn while the button is down, in the plane of two axes."""
    if gesture == "loop":
        return np.concatenate([points, points[:1]])
    if gesture in BOXES:
        a, b = points[0].copy(), points[-1].copy()
        corners = np.repeat(a[None], 5, axis=0)
        corners[1:3, plane[1]] = b[plane[1]]
        corners[2:4, plane[0]] = b[plane[0]]
        return corners
    return points


def _box(line: np.ndarray[Any, Any]) -> tuple[slice, ...]:
    """The box between the first and the last point, in the plane of the first."""
    low, high = np.minimum(line[0], line[-1]), np.maximum(line[0], line[-1])
    return tuple(slice(int(round(a)), int(round(b)) + 1) for a, b in zip(low, high, strict=True))


def _flatten(points: np.ndarray[Any, Any], across: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """All points in the plane of the first, without repeats; `across` is the axis that stands across it, if any."""
    points[:, across] = points[0, across]
    keep = np.r_[True, np.abs(np.diff(points, axis=0)).sum(1) > 0]
    return points[keep]

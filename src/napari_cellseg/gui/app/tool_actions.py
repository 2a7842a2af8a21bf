"""The hands of the step Correct: gestures become edits of the open image. No Qt.

Data flow: a `Tool` and voxels -> `EditContext` (labels and state, what is locked, which slice) -> the tool's function
-> a pure function of `edits` -> `Workspace.apply` -> repaint of the changed box.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ... import edits
from ..._types import Box
from ...edits import EditContext, Piece, Turn
from ...errors import CellsegError
from ...probabilities import kept_path, open_kept
from ...project import Edit
from ..layers.image_layers import ImageLayers
from ..layers.plane import SLAB
from .report_errors import after_settling

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .prediction import Prediction
    from .tool import Tool
    from .workspace import Workspace

Point = tuple[int, ...]
Guide = Callable[[Box], NDArray[Any]]
Line = NDArray[np.floating]
"""(N, ndim) voxel coordinates in one plane."""
IN_SLICES = "Switch to the 2D view (Ctrl+Y). Merge, Delete, Approve and the like on whole objects work in 3D, too."


class ToolActions:
    """What tools do to the open image; `at`, `along`, `inside` and `now` are the gestures that call the others."""

    asked = Signal(tuple)
    """Somebody wants to know why the model says what it says at a voxel."""
    pointed = Signal(str, tuple)
    """Somebody points at an object that is to be found: what is said (see `clicks.Said`), and a voxel or a box."""
    forgot = Signal()
    """Another tool was chosen, or the view turned: what was begun ends."""

    def __init__(self, workspace: Workspace, writer: LabelWriter, prediction: Prediction) -> None:
        self._ws, self._writer, self._prediction = workspace, writer, prediction
        self._merging = 0
        self._seeds: list[Point] = []
        self._seeded: Edit | None = None

    def forget(self) -> None:
        """Another tool was chosen: begin again."""
        if self._merging and self._ws.family is not None:
            self._ws.family.show_line(None)
        self._merging, self._seeds, self._seeded = 0, [], None
        self.forgot.emit()

    def id_at(self, point: Point) -> int:
        """The object (or class) at a voxel.

        Raises
        ------
        NothingThere
            When there is none.
        """
        return self._writer.context().id_at(point)

    # --- gestures -------------------------------------------------------------------------------

    @after_settling
    def at(self, tool: Tool, point: Point, modifiers: Collection[str] = ()) -> None:
        """A click, perhaps with keys held down, or a key over a voxel."""
        self._refuse_classes(tool)
        seen = self._turn().there(point)
        tool.clicked(modifiers)(self, self._context(seen[0]), seen)

    @after_settling
    def along(self, tool: Tool, line: Line) -> None:
        """A drawn line or loop, (N, ndim) voxel coordinates in one plane."""
        self._refuse_classes(tool)
        seen = self._turn().line(line)
        tool.along(self, self._context(int(round(seen[0, 0]))), seen)

    @after_settling
    def inside(self, tool: Tool, box: Box) -> None:
        """A drawn box."""
        tool.inside(self, self._turn().there(box))

    @after_settling
    def now(self, tool: Tool) -> None:
        """A tool that needs no place acts on what is in view."""
        tool.inside(self, self._turn().there(self.in_slices().visible_box()))

    def click_at(self, context: EditContext, point: Point) -> None:
        """The object at a voxel of the picture is to be found."""
        self.pointed.emit("new", self._turn().back(point))

    def click_more(self, context: EditContext, point: Point) -> None:
        """A voxel that belongs to the object that was found last, too."""
        self.pointed.emit("more", self._turn().back(point))

    def click_less(self, context: EditContext, point: Point) -> None:
        """A voxel that does not belong to the object that was found last."""
        self.pointed.emit("less", self._turn().back(point))

    def click_inside(self, box: Box) -> None:
        """The object in a box is to be found."""
        self.pointed.emit("box", self._turn().back(box))

    def why(self, context: EditContext, point: Point) -> None:
        """Ask why; nothing is changed."""
        self.asked.emit(self._turn().back(point))

    # --- approving ------------------------------------------------------------------------------

    @after_settling
    def approve_field(self) -> None:
        """Approve what is visible: its background, and objects that lie in it for at least half."""
        self._approve(self.in_slices().visible_box(), "field")

    @after_settling
    def approve_slice(self) -> None:
        """Approve the whole current slice."""
        self._approve(self.in_slices().slice_box(), "slice")

    @after_settling
    def approve_image(self) -> None:
        """Approve the whole image."""
        self._approve(tuple(slice(0, n) for n in self._ws.store().labels.shape), "image")

    @after_settling
    def approve_objects(self, ids: Sequence[int]) -> None:
        """Approve several objects as they are."""
        self._writer.approve(*edits.approval_of(self._writer.context(), ids), _many(len(ids)))

    @after_settling
    def delete_objects(self, ids: Sequence[int]) -> None:
        """Delete several objects; approved ones stay while they are protected."""
        store = self._ws.store()
        self._do(edits.delete_objects(self._writer.context(), ids), "")
        gone = sum(id not in store.objects for id in ids)
        stay = f"; {_many(len(ids) - gone)} stayed, being approved" if gone < len(ids) else ""
        self._ws.session.update(status=f"Deleted {_many(gone)}{stay}.")

    def _approve(self, box: Box, what: str) -> None:
        turn = self._turn()
        outer, mask = edits.approval(self._context(), turn.there(box))
        self._writer.approve(turn.back(outer), turn.array_back(mask), what)

    # --- how tools act --------------------------------------------------------------------------

    def choose(self, **choices: Any) -> None:
        """Change how the tools act (fields of `Choices`)."""
        session = self._ws.session
        session.update(choices=replace(session.choices, **choices))
        if self._ws.family is not None:
            self._ws.family.labels.preserve_labels = session.choices.over == "background"

    def toggle_lock(self) -> None:
        """Protect approved objects, or not."""
        locked = not self._ws.session.choices.locked
        self.choose(locked=locked)
        status = "Approved objects are protected." if locked else "Approved objects may be changed."
        self._ws.session.update(status=status)

    # --- what tools do: at a voxel ----------------------------------------------------------------

    def merge_at(self, context: EditContext, point: Point) -> None:
        """The first click says into which object, the others which are merged into it."""
        id = context.id_at(point)
        if not self._merging or self._merging not in context.objects:
            self._merging = id
            self._ws.layers().outline(id)
            self._ws.session.update(status=f"Merge into object {id}: click the others.")
        elif id != self._merging:
            self._do(edits.merge(context, [self._merging, id]), f"Merged object {id} into {self._merging}.")
            self._ws.layers().outline(self._merging)

    def seed(self, context: EditContext, point: Point) -> None:
        """Every click is one seed more; from the second on the object is parted, always from its whole."""
        context.id_at(point)
        if self._seeded is not None:
            if self._inside(self._seeded, point):
                self._ws.show_all(self._ws.store().undo())
                context = self._context(point[0])
            else:
                self.forget()
        if self._seeds and int(context.labels[self._seeds[0]]) != int(context.labels[point]):
            self._seeds = []
        self._seeds.append(point)
        if len(self._seeds) < 2:
            self._ws.session.update(status=f"Split {self._name(context.id_at(point))}: click the other part.")
            return
        pixels = self._seen(self._pixels) if self._ws.session.choices.split_on == "image" else None
        try:
            edit = edits.split_seeds(context, self._seeds, pixels)
        except CellsegError:
            self.forget()
            raise
        self._seeded = self._do(edit, f"Split into {len(self._seeds)} parts; click once more for another part.")

    def relabel(self, context: EditContext, point: Point) -> None:
        """Give an object the brush's number."""
        piece, value = context.pick(point), self._brush()
        self._do(edits.relabel(context, piece, value), f"Object {piece.id} is {value} now.")

    def assign_class(self, context: EditContext, point: Point) -> None:
        """Give a region the brush's class."""
        classes, value = self._ws.project().classes, self._brush()
        edit = edits.assign_class(context, context.pick(point), value, len(classes))
        self._do(edit, f"The region is {classes[value - 1]} now.")

    def copy_up(self, context: EditContext, point: Point) -> None:
        """Copy an object to the next slice, and show that."""
        self._copy(context, point, 1)

    def copy_down(self, context: EditContext, point: Point) -> None:
        """Copy an object to the slice before, and show that."""
        self._copy(context, point, -1)

    def interpolate(self, context: EditContext, point: Point) -> None:
        """Fill the slices between drawn ones."""
        id = context.id_at(point)
        self._do(edits.interpolate(context, id), f"Filled the missing slices of {self._name(id)}.")

    # --- along a line, inside a box ---------------------------------------------------------------

    def merge_along(self, context: EditContext, line: Line) -> None:
        """Merge what a line crosses."""
        ids = edits.ids_along(context, line)
        self._do(edits.merge(context, ids), f"Merged {len(ids)} objects into {ids[0] if ids else 0}.")

    def split_along(self, context: EditContext, line: Line) -> None:
        """Part an object where a line crosses it."""
        self.forget()
        self._do(edits.split(context, line), "Split along the line.")

    def scribble(self, context: EditContext, line: Line) -> None:
        """Draw an object that was missed from a line inside it."""
        kind = self._ws.session.choices.snap_to
        guide = self._pixels if kind == "image" else self._probability
        self._do(
            edits.scribble(context, line, self._seen(guide), kind=kind, id=self._ws.drawn_class()), self._drew(context)
        )

    def polygon(self, context: EditContext, line: Line) -> None:
        """Draw an object by its outline."""
        self._do(edits.polygon(context, line, convex=False, id=self._ws.drawn_class()), self._drew(context))

    def convex_polygon(self, context: EditContext, line: Line) -> None:
        """Draw an object as the convex hull of a loop."""
        self._do(edits.polygon(context, line, convex=True, id=self._ws.drawn_class()), self._drew(context))

    def predict_inside(self, box: Box) -> None:
        """Predict a box again; only what is predicted changes."""
        ws, turn = self._ws, self._turn()
        shape = turn.there(ws.store().labels.shape)
        region = tuple((max(0, s.start), min(n, s.stop)) for s, n in zip(box, shape, strict=True))
        if any(b - a < 1 for a, b in region) or min(b - a for a, b in region[-2:]) < 8:
            raise CellsegError(
                "The box is too small.", "Draw it around what should be predicted, at least 8 pixels wide."
            )
        if ws.session.current_model is None:
            raise CellsegError("There is no model yet.", "Correct a field and fine-tune first.")
        if ws.session.choices.through and len(region) == 3:
            region = ((0, shape[0]), *region[1:])
        elif turn.across:
            region = ((max(0, region[0][0] - SLAB), min(shape[0], region[0][1] + SLAB)), *region[1:])
        self._prediction.predict_region(turn.back(region))

    def delete_inside(self, box: Box) -> None:
        """Remove the objects in a box."""
        context = self._context(box[0].start)
        edit = edits.delete_inside(context, box)
        count = len(np.unique(edit.old_labels))
        self._do(edit, "Deleted an object." if count == 1 else f"Deleted {count} objects.")

    def remove_small(self, box: Box) -> None:
        """Remove objects in a box that are smaller than the person has set."""
        smallest = self._ws.session.choices.smallest
        context = self._context(box[0].start)
        if len(box) == 3 and context.z is None:
            box = (slice(0, context.labels.shape[0]), *box[1:])
        edit = edits.remove_small(context, box, smallest)
        count = len(np.unique(edit.old_labels[edit.new_labels == 0]))
        self._do(edit, f"Removed {count} objects smaller than {smallest}.")

    # --- inside ---------------------------------------------------------------------------------

    def in_slices(self) -> ImageLayers:
        """The layers, where what is visible is a field in a plane.

        Raises
        ------
        CellsegError
            When no image is open, or the view is 3D.
        """
        layers = self._ws.layers()
        if not layers.in_slices:
            raise CellsegError("What is visible here is the whole volume: this view is 3D.", IN_SLICES)
        return layers

    def _turn(self) -> Turn:
        """How the axes of the open image lie in the view: the tools' own methods get everything turned so."""
        return self._ws.layers().turn

    def _context(self, z: int | None = None) -> EditContext:
        """The open image as it is seen; `z` is the slice that was pointed at, which means nothing in 2D."""
        context, turn = self._writer.context(z), self._turn()
        return context.turned(turn, context.z) if turn.across else context

    def _seen(self, guide: Guide) -> Guide:
        """Pixels of a box of the image, asked for with a turned box."""
        turn = self._turn()
        return lambda box: turn.array(guide(turn.back(box)))

    def _refuse_classes(self, tool: Tool) -> None:
        """Some tools would give a region a number that is no class, or change all of a class."""
        if not self._ws.instances and "objects" in tool.only:
            raise CellsegError(f"{tool.title} is for objects; here are classes.", "Paint, or use Class (⇧S).")

    def _do(self, edit: Edit, status: str) -> Edit:
        written = self._ws.apply(edit)
        self._ws.session.update(status=status if not written.empty else "That is so already: nothing was changed.")
        self._ws.user_edited.emit()
        return written

    def _name(self, id: int) -> str:
        return f"object {id}" if self._ws.instances else f"a region of {self._ws.project().classes[id - 1]}"

    def _drew(self, context: EditContext) -> str:
        return f"Drew object {context.first_id}." if context.instances else "Drew a region."

    def _inside(self, edit: Edit, point: Point) -> bool:
        """Whether a voxel belongs to what the last split parted, and nothing was done since."""
        act = self._ws.store().act("undo")
        at = np.ravel_multi_index(self._turn().back(point), edit.shape)
        k = int(np.searchsorted(edit.index, at))
        last = act.meant[0].tool if act is not None else ""
        return last == edit.tool and k < edit.index.size and int(edit.index[k]) == at

    def _copy(self, context: EditContext, point: Point, by: int) -> None:
        if context.labels.ndim == 2:
            raise CellsegError("There is no other slice.", "Copying needs a volume.")
        piece, to = context.at(point[0]).pick(point), point[0] + by
        self._do(edits.copy_to_slice(context, piece, to), f"Copied {self._name(piece.id)} to slice {to}.")
        self._ws.layers().go_to_slice(to)

    def _brush(self) -> int:
        """The number that the brush paints."""
        return int(self._ws.layers().labels.selected_label)

    def _pixels(self, box: tuple[slice, ...]) -> NDArray[Any]:
        ws = self._ws
        source = ws.layers().source()
        return np.asarray(source[(min(ws.session.channel, source.shape[0] - 1), *box)])

    def _probability(self, box: tuple[slice, ...]) -> NDArray[Any]:
        ws = self._ws
        return open_kept(kept_path(ws.project().path, ws.session.image)).box(box)


def on_piece(
    function: Callable[[EditContext, Piece], Edit], done: str
) -> Callable[[ToolActions, EditContext, Point], None]:
    """What a tool does at a voxel whose object (or its part in the slice) a function of `edits` changes."""

    def act(actions: ToolActions, context: EditContext, point: Point) -> None:
        piece = context.pick(point)
        actions._do(function(context, piece), f"{done} {actions._name(piece.id)}.")

    return act


def _many(n: int) -> str:
    return "1 object" if n == 1 else f"{n:,} objects"

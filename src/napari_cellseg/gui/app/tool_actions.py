"""The hands of the step Correct: gestures become edits of the open image. No Qt.

Data flow: tool name and voxels -> `Scene` (the canvas, what is locked, which slice) -> a pure function of `edits` ->
`Canvas.apply` -> repaint of the changed box.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ... import edits
from ...edits import Piece, Scene
from ...errors import CellsegError
from ...probabilities import kept_path, open_kept
from ...project import Edit
from .tools import BY_NAME

if TYPE_CHECKING:
    from .controller import Controller

Point = tuple[int, ...]
_ON_PIECES: dict[str, Callable[[Scene, Piece], Edit]] = {
    "delete": edits.delete,
    "fill holes": edits.fill_holes,
    "smooth": edits.smooth,
    "grow": edits.grow,
    "shrink": edits.shrink,
    "keep largest": edits.keep_largest,
    "approve": edits.approve_object,
}
_DONE = {
    "delete": "Deleted", "fill holes": "Filled", "smooth": "Smoothed", "grow": "Grew", "shrink": "Shrank",
    "keep largest": "Kept the largest piece of", "approve": "Approved",
}  # fmt: skip


class Correcting:
    """Tools of the open image."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._merging = 0
        self._seeds: list[Point] = []
        self._seeded: Edit | None = None

    def forget(self) -> None:
        """Another tool was chosen: begin anew."""
        self._merging, self._seeds, self._seeded = 0, [], None

    def scene(self, z: int | None = None) -> Scene:
        """The open image as the tools see it; `z` is the slice that was pointed at."""
        c = self._c
        canvas, choices = c.canvas(), c.session.choices
        return Scene.on(
            canvas,
            first_id=c.writer.fresh_id(),
            z=None if choices.through or canvas.labels.ndim == 2 else z,
            instances=c.instances(),
            locked=choices.locked,
            over=choices.over,
            spacing=canvas.record.spacing_um,
        )

    # --- gestures -------------------------------------------------------------------------------

    def at(self, tool: str, point: Point) -> None:
        """A click, or a key over a voxel."""
        self._refuse_classes(tool)
        scene = self.scene(point[0] if len(point) == 3 else None)
        if tool == "merge":
            self._merge(scene, point)
        elif tool == "split":
            self._seed(scene, point)
        elif tool in ("copy up", "copy down"):
            self._copy(scene, point, 1 if tool == "copy up" else -1)
        elif tool in ("relabel", "assign class"):
            self._number(tool, scene, point)
        elif tool == "interpolate":
            id = scene.id_at(point)
            self._do(edits.interpolate(scene, id), f"Filled the missing slices of {self._name(id)}.")
        else:
            piece = scene.pick(point)
            self._do(_ON_PIECES[tool](scene, piece), f"{_DONE[tool]} {self._name(piece.id)}.")

    def along(self, tool: str, line: NDArray[np.floating]) -> None:
        """A drawn line or loop, (N, ndim) voxel coordinates in one plane."""
        self._refuse_classes(tool)
        scene = self.scene(int(round(line[0, 0])) if line.shape[1] == 3 else None)
        if tool == "merge":
            ids = edits.ids_along(scene, line)
            self._do(edits.merge(scene, ids), f"Merged {len(ids)} objects into {ids[0] if ids else 0}.")
        elif tool == "split":
            self.forget()
            self._do(edits.split(scene, line), "Split along the line.")
        elif tool == "scribble":
            kind = self._c.session.choices.snap_to
            guide = self._pixels if kind == "image" else self._probability
            id = self._class()
            self._do(edits.scribble(scene, line, guide, kind=kind, id=id), self._drew(scene))
        else:
            edit = edits.polygon(scene, line, convex=tool == "convex polygon", id=self._class())
            self._do(edit, self._drew(scene))

    def inside(self, tool: str, box: tuple[slice, ...]) -> None:
        """A drawn box: the network labels it anew, where nobody has spoken."""
        c = self._c
        shape = c.canvas().labels.shape
        region = tuple((max(0, s.start), min(n, s.stop)) for s, n in zip(box, shape, strict=True))
        if any(b - a < 1 for a, b in region) or min(b - a for a, b in region[-2:]) < 8:
            raise CellsegError("The box is too small.", "Draw it round what shall be predicted, 8 pixels at least.")
        if c.session.current_model is None:
            raise CellsegError("There is no model yet.", "Correct a field and fine-tune first.")
        if c.session.choices.through and len(region) == 3:
            region = ((0, shape[0]), *region[1:])
        c.predicting.predict_region(region)

    def now(self, tool: str) -> None:
        """A tool that needs no place: remove what is small in view."""
        c = self._c
        if c.family is None:
            raise CellsegError("No image is open.", "Add one in the step Image.")
        box = c.family.visible_box()
        scene = self.scene(box[0].start if len(box) == 3 else None)
        if len(box) == 3 and scene.z is None:
            box = (slice(0, scene.labels.shape[0]), *box[1:])
        edit = edits.remove_small(scene, box, c.session.choices.smallest)
        count = len(np.unique(edit.old_labels[edit.new_labels == 0]))
        self._do(edit, f"Removed {count} objects smaller than {c.session.choices.smallest}.")

    # --- inside ---------------------------------------------------------------------------------

    def _refuse_classes(self, tool: str) -> None:
        """Some tools would give a region a number that is no class, or change all of a class."""
        if not self._c.instances() and (BY_NAME[tool].only == "objects" or tool == "interpolate"):
            raise CellsegError(f"{BY_NAME[tool].title} is for objects; here are classes.", "Paint, or use Class (⇧S).")

    def _do(self, edit: Edit, status: str) -> Edit:
        written = self._c.apply(edit)
        self._c.session.update(status=status if not written.empty else "That is so already: nothing was changed.")
        self._c.reviewing.touched()
        return written

    def _name(self, id: int) -> str:
        return f"object {id}" if self._c.instances() else f"a region of {self._c.project().classes[id - 1]}"

    def _class(self) -> int:
        """What drawing draws: the brush's class, or (0) a new object."""
        if self._c.instances() or self._c.family is None:
            return 0
        value, n = int(self._c.family.labels.selected_label), len(self._c.project().classes)
        if not 1 <= value <= n:
            raise CellsegError(f"There is no class {value}.", f"Choose 1 to {n} as the brush's label (key N).")
        return value

    def _drew(self, scene: Scene) -> str:
        return f"Drew object {scene.first_id}." if scene.instances else "Drew a region."

    def _merge(self, scene: Scene, point: Point) -> None:
        id = scene.id_at(point)
        if not self._merging or self._merging not in scene.objects:
            self._merging = id
            self._c.session.update(status=f"Merge into object {id}: click the others.")
        elif id != self._merging:
            self._do(edits.merge(scene, [self._merging, id]), f"Merged object {id} into {self._merging}.")

    def _seed(self, scene: Scene, point: Point) -> None:
        """Every click is one seed more; from the second on the object is parted, always from its whole."""
        scene.id_at(point)
        if self._seeded is not None:
            if self._inside(self._seeded, point):
                self._c.show_all(self._c.canvas().undo())
                scene = self.scene(point[0] if len(point) == 3 else None)
            else:
                self.forget()
        if self._seeds and int(scene.labels[self._seeds[0]]) != int(scene.labels[point]):
            self._seeds = []
        self._seeds.append(point)
        if len(self._seeds) < 2:
            self._c.session.update(status=f"Split {self._name(scene.id_at(point))}: click the other part.")
            return
        pixels = self._pixels if self._c.session.choices.split_on == "image" else None
        try:
            edit = edits.split_seeds(scene, self._seeds, pixels)
        except CellsegError:
            self.forget()
            raise
        self._seeded = self._do(edit, f"Split into {len(self._seeds)} parts; click once more for another part.")

    def _inside(self, edit: Edit, point: Point) -> bool:
        """Whether a voxel belongs to what the last split parted, and nothing was done since."""
        rows = self._c.canvas().last_row()
        at = np.ravel_multi_index(point, edit.shape)
        k = int(np.searchsorted(edit.index, at))
        return rows is not None and rows.tool == edit.tool and k < edit.index.size and int(edit.index[k]) == at

    def _copy(self, scene: Scene, point: Point, by: int) -> None:
        c = self._c
        if scene.labels.ndim == 2:
            raise CellsegError("There is no other slice.", "Copying needs a volume.")
        piece, to = scene.at(point[0]).pick(point), point[0] + by
        self._do(edits.copy_to_slice(scene, piece, to), f"Copied {self._name(piece.id)} to slice {to}.")
        c.go_to_slice(to)

    def _number(self, tool: str, scene: Scene, point: Point) -> None:
        c = self._c
        value = int(c.family.labels.selected_label) if c.family is not None else 0
        piece = scene.pick(point)
        if tool == "assign class":
            n = len(c.project().classes)
            self._do(edits.assign_class(scene, piece, value, n), f"The region is {c.project().classes[value - 1]} now.")
        else:
            self._do(edits.relabel(scene, piece, value), f"Object {piece.id} is {value} now.")

    def _pixels(self, box: tuple[slice, ...]) -> NDArray[Any]:
        c = self._c
        assert c.family is not None
        source = c.family.source()
        return np.asarray(source[(min(c.session.channel, source.shape[0] - 1), *box)])

    def _probability(self, box: tuple[slice, ...]) -> NDArray[Any]:
        c = self._c
        return open_kept(kept_path(c.project().path, c.session.image)).box(box)

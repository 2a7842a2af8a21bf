"""The controller's side of the step Correct: one method for every button. No Qt."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from ... import images
from ...errors import CellsegError
from ...evaluate import Order
from ...project import APPROVED, Canvas, Edit, Entry, Project
from .report_errors import changing, shown
from .session import Session
from .tools import IN_SLICES

if TYPE_CHECKING:
    from ..layers.image_layers import LayerFamily
    from .comparison import Comparing
    from .hint_strokes import Hinting
    from .label_writer import PieceWriter
    from .review import Reviewing
    from .strokes import Strokes
    from .tool_actions import Correcting


class Corrections:
    """Undo, approve, tools, review, comparison, masks, guidelines, history; the controller is one of these."""

    session: Session
    family: LayerFamily | None
    strokes: Strokes
    correcting: Correcting
    reviewing: Reviewing
    comparing: Comparing
    hinting: Hinting
    writer: PieceWriter
    project: Callable[[], Project]
    canvas: Callable[[], Canvas]
    instances: Callable[[], bool]
    settle: Callable[[], None]
    show: Callable[[Edit], None]
    fail: Callable[[CellsegError], None]
    _approve: Callable[[tuple[slice, ...], str], None]

    @shown
    def undo(self) -> None:
        """Take back the last edit of the open image; ignored while a stroke is open."""
        self.strokes.step("undo")

    @shown
    def redo(self) -> None:
        """Do again what was undone."""
        self.strokes.step("redo")

    @shown
    def hint(self, value: int) -> None:
        """Paint hints: 1 background, 2 cells (1 + n: class n); 0 goes back to the labels."""
        self.hinting.choose(value)

    @shown
    def clear_hints(self) -> None:
        """Take all hints of the open image away."""
        self.hinting.clear()

    @shown
    def undo_hint(self) -> None:
        """Take back the last stroke of hints."""
        self.hinting.step(redo=False)

    @shown
    def redo_hint(self) -> None:
        """Paint it again."""
        self.hinting.step(redo=True)

    def hint_name(self, value: int) -> str:
        """What a hint says, in words."""
        return "cells" if self.instances() else self.project().classes[value - 2]

    @changing
    def approve_field(self) -> None:
        """Approve what is visible: its background, and objects that lie in it for at least half."""
        if (family := self._sliced()) is not None:
            self._approve(family.visible_box(), "field")

    @changing
    def approve_slice(self) -> None:
        """Approve the whole current slice."""
        if (family := self._sliced()) is not None:
            self._approve(family.slice_box(), "slice")

    @changing
    def approve_image(self) -> None:
        """Approve the whole image."""
        self._approve(tuple(slice(0, n) for n in self.canvas().labels.shape), "image")

    @changing
    def correct_at(self, tool: str, point: tuple[int, ...]) -> None:
        """Use a tool on a voxel."""
        self.correcting.at(tool, point)

    @changing
    def correct_along(self, tool: str, line: NDArray[Any]) -> None:
        """Use a tool along a drawn line or loop."""
        self.correcting.along(tool, line)

    @changing
    def correct_inside(self, tool: str, box: tuple[slice, ...]) -> None:
        """Use a tool inside a drawn box."""
        self.correcting.inside(tool, box)

    @changing
    def correct_now(self, tool: str) -> None:
        """Use a tool that needs no place."""
        self._sliced()
        self.correcting.now(tool)

    def _sliced(self) -> LayerFamily | None:
        """The layers, where what is visible is a field in a plane.

        Raises
        ------
        CellsegError
            When the view is 3D.
        """
        if self.family is not None and not self.family.in_slices:
            raise CellsegError("What is visible here is the whole volume: this view is 3D.", IN_SLICES)
        return self.family

    @shown
    def review(self, order: Order) -> None:
        """Walk through what nobody has spoken about, in an order."""
        self.reviewing.start(order)

    @changing
    def approve_place(self) -> None:
        """Approve the place of the review that is shown, and go on."""
        self.reviewing.approve_current()

    @shown
    def compare(self, *paths: str | Path) -> None:
        """Compare the labels with mask files or copies of the project (several: their consensus), or with the model."""
        if paths:
            self.comparing.with_files([Path(path) for path in paths])
        else:
            self.comparing.with_model()

    @changing
    def accept(self, side: Literal["mine", "theirs"]) -> None:
        """Whose outline counts at the difference that is shown."""
        self.comparing.mine() if side == "mine" else self.comparing.theirs()

    @changing
    def take_masks(self, path: str | Path, approved: bool = False, threshold: float | None = None) -> None:
        """Masks of another tool for the open image: as a draft, or as approved truth.

        Values above `threshold` are the class, where there is one, or objects, piece by piece.
        """
        project, canvas = self.project(), self.canvas()
        name = Path(canvas.record.source).name
        wanted = images.MasksFor(canvas.labels.shape, name=name, classes=project.meanings, threshold=threshold)
        masks = images.read_masks(path, wanted)
        labels = masks.labels
        if approved and self.session.choices.locked and bool(((canvas.state == APPROVED) & (canvas.labels > 0)).any()):
            raise CellsegError(
                "Some objects of this image are approved, so they are protected.",
                "Unlock them (Shift-A) to replace all.",
            )
        if approved:
            self.show(project.approve_labels(self.session.image, labels))
        else:
            self.show(project.draft_labels(self.session.image, labels, first_id=self.writer.fresh_id()))
        self.writer.promise_again()
        notice = " ".join(masks.notes) or self.session.notice
        self.session.update(status=f"Took {len(canvas.objects)} objects from {Path(path).name}.", notice=notice)

    @shown
    def write_masks(self, path: str | Path) -> None:
        """Write the open image's labels in the format of the name's ending."""
        canvas = self.canvas()
        project, record = self.project(), canvas.record
        path = images.write_labels(path, canvas.labels, record.spacing_um, project.meanings, project.source(record))
        self.session.update(status=f"Wrote {path.name}.")

    @shown
    def save_guidelines(self, text: str, folder: Path) -> bool:
        """Keep the annotation rules of the project in `folder`; None where that is not open or cannot be written."""
        project = self.project()
        if project.path != folder:
            raise CellsegError("These guidelines are of another project.", "Open that project to save them.")
        project.save_guidelines(text)
        self.session.update(guidelines=text, status="Saved the guidelines.")
        return True

    def guidelines(self) -> str:
        """The project's annotation rules, "" where there are none or they cannot be read (which is then shown)."""
        try:
            return self.project().guidelines()
        except CellsegError as error:
            self.fail(error)
            return ""

    @shown
    def add_reference(self, picture: str | Path) -> None:
        """Copy a reference picture into the project and show it at the end of the rules."""
        project = self.project()
        text = f"{project.guidelines().rstrip()}\n\n{project.add_reference(picture)}\n"
        project.save_guidelines(text)
        self.session.update(guidelines=text)

    @shown
    def history(self, most: int) -> list[Entry]:
        """What was done to the open image, the newest first."""
        return list(itertools.islice(self.canvas().history(), most))

    @shown
    def restore(self, n: int) -> None:
        """Bring the labels back as they were after edit `n` (a new edit: it can be undone)."""
        if self.family is not None and not self.family.stroke_open() and not self.writer.pieces:
            self.show(self.canvas().restore(n))
            self.session.update(status="Restored an earlier state; Undo takes that back.")

    def choose(self, **choices: Any) -> None:
        """Change how the tools act."""
        self.session.update(choices=replace(self.session.choices, **choices))
        if self.family is not None:
            self.family.labels.preserve_labels = self.session.choices.over == "background"

    def toggle_lock(self) -> None:
        """Protect approved objects, or not."""
        self.choose(locked=not self.session.choices.locked)
        locked = self.session.choices.locked
        self.session.update(status="Approved objects are protected." if locked else "Approved objects may be changed.")

    def new_label(self) -> None:
        """Select the next free id for the brush."""
        if self.family is None or self.session.project is None:
            return
        labels, classes = self.family.labels, self.session.project.classes
        if self.instances():
            labels.selected_label = self.writer.promise()
            status = f"Paint object {labels.selected_label}."
        else:
            labels.selected_label = labels.selected_label % len(classes) + 1
            status = f"Paint class {labels.selected_label}: {classes[labels.selected_label - 1]}."
        labels.mode = "paint"
        self.session.update(tool="", status=status)

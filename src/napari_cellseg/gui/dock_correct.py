"""Step 4: the expert's hands."""

from __future__ import annotations

from qtpy.QtWidgets import QButtonGroup, QGridLayout, QPushButton, QWidget

from .pages import Page
from .resolve import View
from .tools import TOOLS
from .widgets import ActionButton, heading, hint, row


class CorrectPage(Page):
    """Brush and tools, approve, undo."""

    title = "Correct"
    about = "Paint, fill and erase with napari's own tools on the labels layer; every stroke is saved at once."

    def build(self) -> None:
        """Make the controls."""
        c = self.controller
        self.new = ActionButton("New label  (N)", "Select the next free id and the brush.", c.new_label)
        self.undo = ActionButton("Undo", "Take back the last edit (Ctrl+Z), also of earlier sessions.", c.undo)
        self.redo = ActionButton("Redo", "Do it again (Ctrl+Shift+Z).", c.redo)
        self.form.addWidget(row(self.new, self.undo, self.redo))
        self.form.addWidget(heading("Tools"))
        self.form.addWidget(self._tools())
        self.form.addWidget(heading("Approve what is right"))
        self.field = ActionButton(
            "Approve field  (Y)", "Approve what is visible: objects and background.", c.approve_field, primary=True
        )
        self.slice = ActionButton("Slice", "Approve the whole current slice.", c.approve_slice)
        self.image = ActionButton("Image", "Approve the whole image.", c.approve_image)
        self.form.addWidget(self.field)
        self.form.addWidget(row(self.slice, self.image))
        self.counts = hint()
        self.form.addWidget(self.counts)
        self.form.addWidget(
            hint(
                "<span style='color:#3b8ee0'>■</span> corrected &nbsp; <span style='color:#35b779'>■</span> approved "
                "&nbsp; <span style='color:#9ecae1'>■</span> margin that a correction vouches for"
            )
        )

    def show_view(self, view: View) -> None:
        """Show the state."""
        for button in (self.new, self.undo, self.redo, self.field, self.slice, self.image):
            button.show_control(view.correct)
        for name, choice in self._buttons.items():
            choice.setEnabled(view.correct.enabled)
            choice.setChecked(view.tool == name)
        self.counts.setText(view.counts or view.correct.reason)

    def _tools(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        group = QButtonGroup(box)
        group.setExclusive(False)
        self._buttons: dict[str, QPushButton] = {}
        for n, tool in enumerate(TOOLS):
            button = QPushButton(f"{tool.title}  ({tool.key})")
            button.setObjectName(tool.title)
            button.setCheckable(True)
            button.setToolTip(tool.tip)
            button.clicked.connect(lambda on, name=tool.name: self.controller.tools.choose(name if on else ""))
            self._buttons[tool.name] = button
            group.addButton(button)
            grid.addWidget(button, n // 2, n % 2)
        return box

"""Part of the step Rounds: what was found, false and missed in the open image, over it and one by one. Qt only."""

from __future__ import annotations

import html

from qtpy.QtWidgets import QComboBox, QFileDialog, QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from ..app.controller import Controller
from ..app.errors_shown import Against
from ..app.items import Item
from ..app.view import View
from .widgets import READ_MASKS, ActionButton, hint, row

_AGAINST: dict[str, Against | None] = {
    "The model against what is approved": "approved",
    "The model against what is held out": "held out",
    "These labels against a file of masks...": None,
}


class ErrorsPanel(QWidget):
    """Colours over the image, and a list; a click on a line shows the place."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # else texts are cut
        self._verbs = controller.errors
        self._view: View | None = None
        self._lines: tuple[Item, ...] = ()
        self.against = QComboBox()
        self.against.addItems(list(_AGAINST))
        self.against.setToolTip("Whose labels are looked at, and what counts as right.")
        self.against.currentIndexChanged.connect(self._show_controls)
        self.look = ActionButton("Show errors", "Colour what was found, what is false and what was missed.", self._find)
        self.hide_errors = ActionButton("Hide", "Take the colours away.", self._verbs.hide)
        self.errors, self.list = hint(), QListWidget()
        self.list.setFixedHeight(120)
        self.list.setToolTip("The worst first; choose one to look at it.")
        self.list.currentRowChanged.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.against, row(self.look, self.hide_errors), self.errors, self.list):
            layout.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Show the figures, and the errors one by one."""
        self._view = view
        self._show_controls()
        self.hide_errors.setVisible(bool(view.errors))
        names = zip(("found", "false", "missed"), view.error_colours, strict=True)
        legend = " ".join(f"<span style='color:{c}'>■</span> {name}" for name, c in names)
        self.errors.setText(f"{html.escape(view.errors)}<br>{legend}" if view.errors else "")
        self.errors.setVisible(bool(view.errors))
        self.list.setVisible(bool(view.error_lines))
        if view.error_lines is self._lines:
            return
        self._lines = view.error_lines
        with signals_blocked(self.list):
            self.list.clear()
            for line in view.error_lines:
                item = QListWidgetItem(line.text)
                item.setToolTip(line.tip)
                self.list.addItem(item)
            self.list.setCurrentRow(-1)

    def _show_controls(self) -> None:
        if self._view is not None:
            file = _AGAINST[self.against.currentText()] is None
            self.look.show_control(self._view.errors_against_file if file else self._view.errors_of_model)

    def _find(self) -> None:
        against = _AGAINST[self.against.currentText()]
        if against is not None:
            self._verbs.of_model(against)
            return
        path, _ = QFileDialog.getOpenFileName(self, "Masks that are right, of this image", "", READ_MASKS)
        if path:
            self._verbs.against_file(path)

    def _choose(self, line: int) -> None:
        if line >= 0:
            self._verbs.go(line)

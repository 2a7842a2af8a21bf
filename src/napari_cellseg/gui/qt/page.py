"""The frame of a step: its form, its primary button, and `show_view`, called whenever something changed."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QHBoxLayout, QMenu, QToolButton, QToolTip, QVBoxLayout, QWidget
from superqt import QCollapsible

from ..app.controller import Controller
from ..app.copy_text import Call
from ..app.view import View
from .widgets import hint


class Page(QWidget):
    """One step of the Workbench.

    Subclasses fill `self.form` in `build` and follow `show_view`.
    """

    title = ""
    about = ""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.form = QVBoxLayout(self)
        self.form.setContentsMargins(2, 6, 2, 2)
        self.form.setSpacing(6)
        self.copy = CopyButton(self)
        self.form.addLayout(_beside(hint(self.about), self.copy))
        self.build()
        self.form.addStretch(1)

    @property
    def view(self) -> View:
        """What is shown now."""
        return self.controller.views.newest

    def build(self) -> None:
        """Make the controls."""
        raise NotImplementedError

    def show_view(self, view: View) -> None:
        """Show what a view says."""
        raise NotImplementedError

    def opened(self) -> None:
        """The page came to the front."""

    def showEvent(self, event: QShowEvent | None) -> None:
        """It is seen, in the Workbench or in a dock of its own."""
        super().showEvent(event)
        self.opened()


class CopyButton(QToolButton):
    """Copies what a step does, as a command to type or as lines of Python."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page, menu = page, QMenu(self)
        self.setText("Copy")
        self.setAutoRaise(True)
        self.setToolTip("Copy what this step does, to do it again elsewhere.")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet("QToolButton { color: #9aa4af; } QToolButton::menu-indicator { image: none; }")
        self.command = menu.addAction("Copy as command", lambda: self._copy(self._call.command if self._call else ""))
        self.python = menu.addAction("Copy as Python", lambda: self._copy(self._call.python if self._call else ""))
        menu.aboutToShow.connect(self._look)
        self.setMenu(menu)

    @property
    def _call(self) -> Call | None:
        return self._page.view.calls.get(self._page.title)

    def _look(self) -> None:
        """Before the menu opens, see whether there is anything to copy."""
        for action in (self.command, self.python):
            if action is not None:
                action.setEnabled(self._call is not None)

    def _copy(self, text: str) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None and text:
            clipboard.setText(text)
            QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), f"Copied:\n{text}", self)


def _beside(text: QWidget, button: QWidget) -> QHBoxLayout:
    """A text with a small button at its right."""
    line = QHBoxLayout()
    line.addWidget(text, 1)
    line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
    return line


def more(title: str, *widgets: QWidget) -> QCollapsible:
    """Controls that most people do not need, folded away."""
    box = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    box.setDuration(0)
    if (layout := box.layout()) is not None:  # in line with what is not folded
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
    for widget in widgets:
        box.addWidget(widget)
    return box

"""The frame of a step: its form, its primary button, and `show_view`, called whenever something changed."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QCollapsible

from ..app.controller import Controller
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
        self.form.addWidget(hint(self.about))
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

"""The projects that were open last, on the start page."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..app.controller import Controller
from ..app.items import Item
from ..app.view import View
from .widgets import heading

SIDE = 36
"""Of a thumbnail (pixels)."""


class RecentList(QWidget):
    """A line for each: its first image, name, how many images, when; ✕ takes it off the list."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self._shown: tuple[Item, ...] = ()
        self._lines: list[QWidget] = []
        self._form = QVBoxLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setSpacing(2)
        self._form.addWidget(heading("Recent projects"))

    def show_view(self, view: View) -> None:
        """There while no project is open."""
        self.setVisible(view.folder is None and bool(view.recent))
        if view.recent == self._shown:
            return
        self._shown = view.recent
        for line in self._lines:
            self._form.removeWidget(line)
            line.deleteLater()
        self._lines = [self._line(item) for item in view.recent]
        for line in self._lines:
            self._form.addWidget(line)

    def _line(self, item: Item) -> QWidget:
        line, opener, forget = QWidget(), QToolButton(), QToolButton()
        opener.setText(f"  {item.text}\n  {'not found' if item.off else item.detail}")  # Qt leaves no room there
        opener.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        opener.setIconSize(QSize(SIDE, SIDE))
        opener.setIcon(_picture(item.mark))
        opener.setToolTip(f"{item.off} ✕ takes it off the list." if item.off else f"Open {item.tip}")
        opener.setEnabled(not item.off)
        opener.setStyleSheet("QToolButton { text-align: left; } QToolButton:disabled { color: #7d8792; }")
        opener.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        opener.clicked.connect(partial(self._open, item.key))
        forget.setText("✕")
        forget.setAutoRaise(True)
        forget.setToolTip("Take it off this list; the project itself is left alone.")
        forget.clicked.connect(partial(self._forget, item.key))
        layout = QHBoxLayout(line)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(opener, 1)
        layout.addWidget(forget)
        return line

    def _open(self, path: str, _: bool = False) -> None:
        self.controller.open_project(path)

    def _forget(self, path: str, _: bool = False) -> None:
        self.controller.recent.forget(path)


def _picture(path: str) -> QIcon:
    """The thumbnail, or an empty square of the same size, so that names stand below each other."""
    found = QPixmap(path) if path else QPixmap()
    if not found.isNull():
        mode = Qt.AspectRatioMode.KeepAspectRatioByExpanding
        found = found.scaled(SIDE, SIDE, mode, Qt.TransformationMode.SmoothTransformation).copy(0, 0, SIDE, SIDE)
    else:
        found = QPixmap(SIDE, SIDE)
        found.fill(Qt.GlobalColor.transparent)
    return QIcon(found)

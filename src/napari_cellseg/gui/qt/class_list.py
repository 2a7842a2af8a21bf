"""The classes of a project: colour, name and key; one click takes the brush with one."""

from __future__ import annotations

from functools import partial

from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from ..app.controller import Controller
from ..app.view import View

COLUMNS = 2
KEYED = 9
"""So many classes have a key."""


class ClassList(QWidget):
    """A button for each class, that of the brush pressed."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.buttons: list[QPushButton] = []
        self._names: tuple[str, ...] = ()
        self._colours: tuple[str, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)

    def show_view(self, view: View) -> None:
        """Show the classes, where labels are classes."""
        self.setVisible(view.semantic)
        if not view.semantic:
            return
        if view.classes != self._names:
            self._make(view.classes)
        if view.class_colours != self._colours:
            self._colours = view.class_colours
            for button, colour in zip(self.buttons, view.class_colours, strict=False):
                button.setIcon(_square(colour))
        for n, button in enumerate(self.buttons):
            button.setChecked(view.brush_class == n + 1)
            button.setEnabled(view.correct.enabled)

    def _make(self, names: tuple[str, ...]) -> None:
        for button in self.buttons:
            self._grid.removeWidget(button)
            button.deleteLater()
        self._names, self._colours, self.buttons = names, (), []
        for n, name in enumerate(names):
            button = QPushButton(f"{n + 1}  {name}")
            button.setCheckable(True)
            key = f" (Ctrl+{n + 1})" if n < KEYED else ""
            button.setToolTip(f"Paint {name}{key}.")
            button.setStyleSheet("QPushButton { text-align: left; padding: 3px 6px; }")
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.clicked.connect(partial(self._choose, n + 1))
            self._grid.addWidget(button, n // COLUMNS, n % COLUMNS)
            self.buttons.append(button)

    def _choose(self, value: int, _: bool = False) -> None:
        self.controller.strokes.choose_class(value)


def _square(colour: str) -> QIcon:
    picture = QPixmap(14, 14)
    picture.fill(QColor(colour))
    return QIcon(picture)

"""From which side the open volume is seen."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from ..app.controller import Controller
from ..app.view import View
from ..layers.plane import PLANES

_TIPS = {
    "XY": "The slices of the file.",
    "XZ": "From the side, along Y.",
    "YZ": "From the side, along X.",
}


class PlaneButtons(QWidget):
    """XY, XZ, YZ; not there where the open image is no volume."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(QLabel("View  "))
        self.buttons = {name: self._button(controller, name) for name in PLANES}
        for button in self.buttons.values():
            layout.addWidget(button)
        layout.addStretch(1)
        self.hide()

    def show_view(self, view: View) -> None:
        """Show which side is seen."""
        for name, button in self.buttons.items():
            button.setChecked(name == view.plane)
        self.setVisible(bool(view.plane))

    def _button(self, controller: Controller, name: str) -> QPushButton:
        button = QPushButton()
        button.setText(name)
        button.setObjectName(name)
        button.setCheckable(True)
        button.setStyleSheet("QPushButton { padding: 2px 12px; }")
        button.setToolTip(
            f"{_TIPS[name]} Brush and tools work there, too; voxels keep their proportions.\nKey: Shift-O goes through "
            "the three."
        )
        button.clicked.connect(partial(self._pressed, controller, name))
        return button

    def _pressed(self, controller: Controller, name: str) -> None:
        controller.plane.look_in(name)
        self.show_view(controller.views.newest)  # pressed again, it would not be checked any more

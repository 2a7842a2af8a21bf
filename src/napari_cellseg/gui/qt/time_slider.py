"""The slider of time: which frame of a time series is open, and another one."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QWidget
from superqt.utils import signals_blocked

from ..app.controller import Controller
from ..app.view import View


class TimeSlider(QWidget):
    """Frames of the open series, one after another; not there where the open image is of none."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Time: another frame of this series. Keys: , and .")
        self.slider.setPageStep(1)
        self.slider.valueChanged.connect(controller.time.go)
        self.text = QLabel()
        self.back, self.forward = self._arrow("◂", -1), self._arrow("▸", 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Time"))
        for widget in (self.back, self.slider, self.forward, self.text):
            layout.addWidget(widget, 1 if widget is self.slider else 0)

    def show_view(self, view: View) -> None:
        """Show where the open frame is; while another one is being opened, the slider stays where it was put."""
        time = view.time
        if time.series:
            with signals_blocked(self.slider):
                self.slider.setRange(0, time.frames - 1)
                if not self.slider.isSliderDown():
                    self.slider.setValue(time.frame)
            self.text.setText(time.text)
            self.back.setEnabled(time.frame > 0)
            self.forward.setEnabled(time.frame < time.frames - 1)
        self.setVisible(bool(time.series) or (self.isVisible() and not view.image and bool(view.images)))

    def _arrow(self, text: str, by: int) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setAutoRaise(True)
        button.setToolTip("The frame before (,)" if by < 0 else "The next frame (.)")
        button.clicked.connect(lambda: self.controller.time.step(by))
        return button

"""The slider of time: which frame of a time series is open, and another one."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QSlider, QToolButton, QWidget
from superqt.utils import signals_blocked

from ..app.controller import Controller
from ..app.time_line import TimeView
from ..app.view import View

_INTERVAL = (
    "From one frame of this series to the next: 15 (minutes), 90 s, 0.5 h, 1 d; empty where nobody knows. Tracks, "
    "growth and exported files follow it."
)


class TimeSlider(QWidget):
    """Frames of the open series, one after another; not there where the open image is of none."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self._series = ""
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Time: another frame of this series. Keys: , and .")
        self.slider.setPageStep(1)
        self.slider.valueChanged.connect(controller.time.go)
        self.text, self.interval = QLabel(), QLineEdit()
        self.interval.setFixedWidth(64)
        self.interval.setPlaceholderText("interval")
        self.interval.editingFinished.connect(self._said)
        self.back, self.forward = self._arrow("◂", -1), self._arrow("▸", 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Time"))
        for widget in (self.back, self.slider, self.forward, self.text, QLabel("every"), self.interval):
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
            self._show_interval(time)
            self.back.setEnabled(time.frame > 0)
            self.forward.setEnabled(time.frame < time.frames - 1)
        self.setVisible(bool(time.series) or (self.isVisible() and not view.image and bool(view.images)))

    def _show_interval(self, time: TimeView) -> None:
        if self.interval.hasFocus() and self.interval.isModified() and time.series == self._series:
            return  # it is being written
        self._series = time.series
        self.interval.setText(time.interval)
        self.interval.setEnabled(time.change.enabled)
        reason = "" if time.change.enabled else f"\n\nOff: {time.change.reason}"
        self.interval.setToolTip(f"{_INTERVAL}{reason}")

    def _said(self) -> None:
        """Enter, or another widget: what is written counts; what is no time is said and stays as it was."""
        if self.interval.isModified():
            self.interval.setModified(False)
            self.controller.time.set_interval(self.interval.text())
            self._show_interval(self.controller.views.newest.time)

    def _arrow(self, text: str, by: int) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setAutoRaise(True)
        button.setToolTip("The frame before (,)" if by < 0 else "The next frame (.)")
        button.clicked.connect(lambda: self.controller.time.step(by))
        return button

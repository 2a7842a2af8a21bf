"""The part of the step Measure that tells the cell cycle. Qt only."""

from __future__ import annotations

from functools import partial

import numpy as np
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from ...measurement import FUCCI_STATES
from ..app.controller import Controller
from ..app.fucci import Role
from ..app.fucci_state import FucciView
from ..app.measured import MeasureView
from .fucci_plot import FucciPlot
from .widgets import ActionButton, hint, row

ROLES: tuple[tuple[Role, str, str], ...] = (
    ("red", "Red", "The channel of Cdt1: on in G1."),
    ("green", "Green", "The channel of Geminin: on in S, G2 and M."),
    ("nuclear", "Nuclear", "A stain of all nuclei, where there is one: it only joins the table."),
)


class FucciPanel(QWidget):
    """Channels, the scatter with its two lines, counts, the state of the chosen nucleus."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.fucci = controller.measuring.fucci
        self._make_channels()
        self.tell = ActionButton(
            "Tell states", "Measure the nuclei of all images and tell the state of each.", self.fucci.tell
        )
        self.propose = ActionButton(
            "Propose", "Put both lines where two populations of nuclei part.", self.fucci.propose
        )
        self.colour = ActionButton("Colour nuclei", "Nuclei have the colour of their state; press again for their own.",
                                   self._colour)  # fmt: skip
        self.colour.setCheckable(True)
        self.doubt = QLabel()
        self.doubt.setWordWrap(True)
        self.doubt.setStyleSheet("color: #f2b134;")
        self.plot = FucciPlot()
        self.plot.moved.connect(partial(self.fucci.set_threshold, keep=False))
        self.plot.released.connect(self.fucci.set_threshold)
        self.plot.chosen.connect(lambda label: controller.measuring.choose_object(label, look=True))
        self.above = {marker: self._spin(marker) for marker in ("red", "green")}
        self.counts, self.object = QLabel(), hint()
        self.states = {s.name: self._state(s.name, s.colour) for s in FUCCI_STATES}
        self.back = ActionButton("By thresholds", "Take back what was said of this nucleus.", lambda: self._say(""))
        self.save = ActionButton(
            "Save states...", "Write all nuclei with their states, and the counts beside them.", self._save
        )
        self._assemble()

    def _make_channels(self) -> None:
        self.channels: dict[str, QComboBox] = {}
        self.choices = QWidget()
        form = QFormLayout(self.choices)
        form.setContentsMargins(0, 0, 0, 0)
        for role, title, tip in ROLES:
            box = QComboBox()
            box.setToolTip(tip)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.activated.connect(partial(self._channel_chosen, role, box))
            form.addRow(title, box)
            self.channels[role] = box

    def _spin(self, marker: str) -> QDoubleSpinBox:
        spin = QDoubleSpinBox()
        spin.setRange(1e-6, 1e9)
        spin.setDecimals(3)
        spin.setKeyboardTracking(False)
        spin.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        spin.setToolTip(f"Nuclei are {marker} above this mean intensity.")
        spin.setPrefix(f"{marker} > ")
        spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        spin.valueChanged.connect(partial(self.fucci.set_threshold, marker))
        return spin

    def _state(self, name: str, colour: str) -> ActionButton:
        button = ActionButton(name, f"Say that the chosen nucleus is in {name}; this is kept.", lambda: self._say(name))
        button.setStyleSheet(f"QPushButton:enabled {{ border-bottom: 3px solid {colour}; }}")
        return button

    def _assemble(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        self.results = (
            self.plot,
            row(self.above["red"], self.above["green"]),
            self.counts,
            row(self.colour, self.propose),
            self.object,
            row(*self.states.values()),
            row(self.back, self.save),
        )
        for widget in (self.choices, self.tell, self.doubt, *self.results):
            layout.addWidget(widget)

    def show_view(self, measure: MeasureView) -> None:
        """Show what is told."""
        shown, state = measure.fucci, measure.fucci.state
        for role, _, _ in ROLES:
            self._show_channel(role, getattr(state, role), state.channels)
        self.tell.show_control(shown.tell)
        self.doubt.setText(shown.doubt)
        self.doubt.setVisible(bool(shown.doubt))
        for widget in self.results:
            widget.setVisible(state.points is not None)
        if state.points is None:
            return
        self.plot.show_points(state.points, state.values, measure.state.object)
        for marker, value in zip(("red", "green"), state.values, strict=True):
            with signals_blocked(self.above[marker]):
                self.above[marker].setDecimals(max(0, 3 - int(np.floor(np.log10(value)))))
                self.above[marker].setValue(value)
        self.colour.setChecked(state.coloured)
        self.counts.setText(_table(shown))
        self.object.setText(shown.object or "Click on a nucleus, in the image or in the plot, to say its state.")
        for button in (*self.states.values(), self.back):
            button.show_control(shown.say)
        self.save.show_control(shown.use)

    def _show_channel(self, role: str, chosen: str, channels: tuple[str, ...]) -> None:
        box = self.channels[role]
        none = "(none)" if role == "nuclear" else "(choose)"
        items = [(none, ""), *((f"channel {c}" if c.isdigit() else c, c) for c in channels)]
        with signals_blocked(box):
            if [(box.itemText(n), box.itemData(n)) for n in range(box.count())] != items:
                box.clear()
                for text, data in items:
                    box.addItem(text, data)
            box.setCurrentIndex(max(0, box.findData(chosen)))

    def _channel_chosen(self, role: Role, box: QComboBox, index: int) -> None:
        self.fucci.choose_channel(role, str(box.itemData(index)))

    def _colour(self) -> None:
        self.fucci.colour(self.colour.isChecked())

    def _say(self, state: str) -> None:
        self.fucci.say(self.controller.measuring.state.object, state)

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save states as", "states.csv", "Table (*.csv *.parquet)")
        if path:
            self.fucci.save(path)


def _table(shown: FucciView) -> str:
    """Counts as a small table."""
    head = (
        "<tr><td></td><td></td><td align=right><i>this image&nbsp;&nbsp;</i></td><td align=right><i>all</i></td></tr>"
    )
    rows = "".join(
        f"<tr><td width=14 style='color:{colour}'>&#9632;</td><td>{name}&nbsp;&nbsp;</td>"
        f"<td align=right>{here}&nbsp;&nbsp;</td><td align=right>{everywhere}</td></tr>"
        for colour, name, here, everywhere in shown.counts
    )
    return f"<table width='100%' cellspacing=1>{head}{rows}</table>"

"""Part of the step Rounds: how good is what nobody looked at."""

from __future__ import annotations

import html

from qtpy.QtWidgets import QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from ...trust import FIELDS, LEAST, OBJECTS
from ..app.controller import Controller
from ..app.spot_view import SpotView
from ..app.view import View
from .widgets import ActionButton, hint, row

_ABOUT = (
    "Random objects that nobody has touched, and fields in which you click what was missed: precision and recall of "
    "these images in about four minutes. Labels stay as they are."
)
_OBJECT = (
    ("Right  0", "Wrong  R", "Unsure  9"),
    (
        "As you would leave it if you corrected this image.", "No cell, a part of one, more than one, or badly drawn.",
        "Nobody could tell: it is left out, and that is said.",
    ),
)  # fmt: skip
_FIELD = (
    ("Done  0", "Take back  R", "Cannot tell  9"),
    ("All cells without a good outline are clicked.", "Take the last click back.", "Leave this field out."),
)
"""What the three keys say of an object, and of a field."""


class SpotCheckPanel(QWidget):
    """Draw, answer with one key each, and what it comes to."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        c = controller.spot
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # else texts are cut
        self.about = hint(_ABOUT)
        self.objects, self.fields = _spin(LEAST, 500, OBJECTS), _spin(0, 100, FIELDS)
        self.start = ActionButton(
            "Start", "Draw at random and go from one to the next.", lambda: c.begin(*self._wanted())
        )
        self.resume = ActionButton("Go on", "Go on with the spot check where it was left.", c.go_on)
        self.numbers = row(QLabel("Objects"), self.objects, QLabel("Fields"), self.fields)
        self.buttons = row(self.start, self.resume)
        self.question = hint()
        self.question.setStyleSheet("")
        self.right = ActionButton(_OBJECT[0][0], _OBJECT[1][0], c.right)
        self.wrong = ActionButton(_OBJECT[0][1], _OBJECT[1][1], c.wrong)
        self.unsure = ActionButton(_OBJECT[0][2], _OBJECT[1][2], c.unsure)
        self.answers = row(self.right, self.wrong, self.unsure)
        self.back = ActionButton("Back  8", "To the one before; the newest answer counts.", c.back)
        self.end = ActionButton("End", "Stop here and go on later; every answer is kept.", c.stop)
        self.leaving = row(self.back, self.end)
        self.said = hint()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.about, self.numbers, self.buttons, self.question, self.answers, self.leaving, self.said):
            layout.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Show what is asked, or what the newest check says."""
        spot = view.spot
        for widget in (self.about, self.numbers, self.buttons):
            widget.setVisible(not spot.running)
        for widget in (self.question, self.answers, self.leaving):
            widget.setVisible(spot.running)
        self.start.show_control(spot.begin)
        self.resume.show_control(spot.go_on)
        self.resume.setVisible(spot.going_on)
        self.resume.set_primary(spot.going_on and spot.go_on.enabled)
        self.question.setText(spot.question)
        self._name(spot)
        self.back.show_control(spot.back)
        self.said.setText("<br>".join(html.escape(line) for line in spot.said))
        self.said.setVisible(bool(spot.said) and not spot.running)

    def _name(self, spot: SpotView) -> None:
        """The same keys, for an object and for a field."""
        texts, tips = _FIELD if spot.in_field else _OBJECT
        for button, text, tip in zip((self.right, self.wrong, self.unsure), texts, tips, strict=True):
            button.setText(text)
            button.setToolTip(tip)

    def _wanted(self) -> tuple[int, int]:
        return self.objects.value(), self.fields.value()


def _spin(low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    return box

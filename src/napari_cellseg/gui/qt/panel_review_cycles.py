"""Part of the step Rounds: passes of a reviewer over all images."""

from __future__ import annotations

import html

from qtpy.QtWidgets import QLabel, QLineEdit, QSizePolicy, QVBoxLayout, QWidget

from ..app.controller import Controller
from ..app.view import View
from .widgets import ActionButton, hint, row

_ABOUT = (
    "A pass of a reviewer over all images. When it is closed, labels are kept as they are then, and compared with "
    "those of the cycle before: what changed, Dice, IoU, kappa."
)


class ReviewCyclesPanel(QWidget):
    """Open one, close it, and what each was."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._cycles = controller.cycles
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # else texts are cut
        self.reviewer = QLineEdit()
        self.reviewer.setToolTip("Whose name stands beside the cycle; the project remembers it.")
        self.reviewer.setPlaceholderText("Name")
        self.begin = ActionButton(
            "Open cycle", "From now on everything that is done belongs to this cycle.", self._begin
        )
        self.who = row(QLabel("Reviewer"), self.reviewer, self.begin, first=1)
        self.close_cycle = ActionButton(
            "Close cycle", "Keep labels as they are now, and measure what the cycle changed.", self._cycles.close
        )
        self.told = hint()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (hint(_ABOUT), self.who, self.close_cycle, self.told):
            layout.addWidget(widget)
        self._proposed = ""

    def show_view(self, view: View) -> None:
        """One button at a time, and a paragraph for every cycle."""
        cycles = view.cycles
        self.who.setVisible(not cycles.open)
        self.close_cycle.setVisible(bool(cycles.open))
        self.begin.show_control(cycles.begin)
        self.close_cycle.show_control(cycles.close)
        self.close_cycle.setText(f"Close cycle {cycles.open}" if cycles.open else "Close cycle")
        if cycles.reviewer != self._proposed:  # what a person has typed stays
            self._proposed = cycles.reviewer
            self.reviewer.setText(cycles.reviewer)
        told = (f"<b>{html.escape(head)}</b><br>{html.escape(text)}" for head, text in cycles.lines)
        self.told.setText("".join(f"<p style='margin: 6px 0 0 0'>{one}</p>" for one in told))
        self.told.setVisible(bool(cycles.lines))

    def _begin(self) -> None:
        self._cycles.begin(self.reviewer.text())

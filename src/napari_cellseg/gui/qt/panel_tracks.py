"""Part of the step Measure: objects through time."""

from __future__ import annotations

from qtpy.QtWidgets import QFileDialog, QLabel, QSizePolicy, QVBoxLayout, QWidget

from ..app.controller import Controller
from ..app.view import View
from .widgets import ActionButton, hint, row

_ABOUT = (
    "Which objects of different frames are one, and which divide. Labels keep their numbers; what you link or cut "
    "holds when it is tracked again."
)


class TracksPanel(QWidget):
    """Track, look at tracks, mend them, carry objects on, write them."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # else texts are cut
        self.controller = controller
        tracking = controller.tracking
        self.track = ActionButton("Track", "Follow the objects of this series through time.", tracking.track)
        self.paths = ActionButton(
            "Paths", "Draw where objects come from.", lambda: tracking.show(self.paths.isChecked())
        )
        self.colours = ActionButton(
            "Colours", "One colour for an object in all frames.", lambda: tracking.colour(self.colours.isChecked())
        )
        for button in (self.paths, self.colours):
            button.setCheckable(True)
        self.summary, self.object, self.marked = QLabel(), QLabel(), QLabel()
        self.mark = ActionButton("Mark", "Remember the chosen object, to link a later one with it.", tracking.mark)
        self.same = ActionButton(
            "Same object", "The chosen object is the marked one, or a daughter of it.", tracking.same
        )
        self.cut = ActionButton("Not the same", "The chosen object is not the one that it follows.", tracking.cut)
        self.carry = ActionButton(
            "Carry on", "Copy the chosen object into the next frame, where nobody has edited.", tracking.carry_on
        )
        self.carry_all = ActionButton(
            "Carry on approved", "Copy all approved objects into the next frame, where nobody has edited.",
            lambda: tracking.carry_on(True),
        )  # fmt: skip
        self.csv = ActionButton("Save table...", "Write all tracks as a table (tracks.csv).", lambda: self._save("csv"))
        self.ctc = ActionButton(
            "Save for CTC...",
            "Write a folder as results of the Cell Tracking Challenge are.",
            lambda: self._save("ctc"),
        )
        self._assemble()

    def _assemble(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for label in (self.summary, self.object, self.marked):
            label.setWordWrap(True)
        for widget in (
            hint(_ABOUT), row(self.track, self.paths, self.colours), self.summary, self.object,
            row(self.mark, self.same, self.cut), self.marked, row(self.carry, self.carry_all),
            row(self.csv, self.ctc),
        ):  # fmt: skip
            layout.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Show the open series."""
        shown = view.tracks
        for label, text in ((self.summary, shown.summary), (self.object, shown.object), (self.marked, shown.marked)):
            label.setText(text)
            label.setVisible(bool(text))
        self.track.show_control(shown.track)
        for button in (self.paths, self.colours, self.csv, self.ctc):
            button.show_control(shown.use)
        self.paths.setChecked(shown.state.shown and shown.state.tracks is not None)
        self.colours.setChecked(shown.state.coloured and shown.state.tracks is not None)
        self.mark.show_control(shown.mark)
        self.same.show_control(shown.same)
        self.cut.show_control(shown.cut)
        self.carry.show_control(shown.carry if not shown.carry.enabled else shown.mark)
        self.carry_all.show_control(shown.carry)

    def _save(self, format: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where should the tracks go?")
        if folder:
            self.controller.tracking.write(folder, format)

"""Step 6: is the new model better, and the history of rounds."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QCheckBox,
    QHeaderView,
    QLabel,
    QListWidget,
    QTableWidget,
    QTableWidgetItem,
)
from superqt.utils import signals_blocked

from ..app.items import Item
from ..app.old_and_new import Side
from ..app.view import View
from .page import Page
from .panel_errors import ErrorsPanel
from .panel_report import ReportPanel
from .panel_review_cycles import ReviewCyclesPanel
from .panel_spot_check import SpotCheckPanel
from .panel_training_places import TrainingPlacesPanel
from .widgets import ActionButton, heading, hint, row


class RoundsPage(Page):
    """Before and after on the same held-out corrections; keep or roll back."""

    title = "Rounds"
    about = "Old and new are measured on corrections that neither has learnt from. The better one is in use."

    def build(self) -> None:
        """Make the controls."""
        self.verdict = hint()
        self._make_table()
        self._make_decision()
        self._make_held()
        self._make_history()
        self.form.addWidget(self.judge)
        self.form.addWidget(self.verdict)
        self.form.addWidget(self.table)
        self.form.addWidget(row(QLabel("Look at"), self.old, self.new))
        self.form.addWidget(self.side)
        self.form.addWidget(self.held)
        self.form.addWidget(self.changing)
        self.form.addWidget(row(self.keep, self.back))
        c = self.controller
        self.panels = ErrorsPanel(c), SpotCheckPanel(c), TrainingPlacesPanel(c), ReviewCyclesPanel(c)
        titles = "Errors in the open image", "What nobody looked at", "Label errors", "Review cycles"
        for title, panel in zip(titles, self.panels, strict=True):
            self.form.addWidget(heading(title))
            self.form.addWidget(panel)
        self.form.addWidget(heading("All rounds"))
        self.form.addWidget(self.list)
        self.form.addWidget(self.report)

    @property
    def wrong(self) -> ErrorsPanel:
        """What was found, false and missed in the open image."""
        return self.panels[0]

    @property
    def spot(self) -> SpotCheckPanel:
        """How good is what nobody looked at."""
        return self.panels[1]

    @property
    def places(self) -> TrainingPlacesPanel:
        """Where the model denies what it learnt."""
        return self.panels[2]

    @property
    def cycles(self) -> ReviewCyclesPanel:
        """Passes of a reviewer over all images."""
        return self.panels[3]

    def _make_table(self) -> None:
        """Metrics before and after."""
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["", "before", "after"])
        for header, shown in ((self.table.verticalHeader(), False), (self.table.horizontalHeader(), True)):
            if header is not None:
                header.setVisible(shown)
                header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.setMinimumHeight(190)

    def _make_decision(self) -> None:
        """Keep or go back, after a look at both; or judge first."""
        self.keep = ActionButton("Keep", "Go on with the new model.", self.controller.training.keep, primary=True)
        self.back = ActionButton(
            "Roll back", "Go back to the parent; the new model stays on disk.", self.controller.training.roll_back
        )
        self.back.setMinimumHeight(self.keep.minimumHeight())  # either may be the one that is advised
        self.old, self.new = self._looker("old"), self._looker("new")
        for button in (self.old, self.new):
            button.setCheckable(True)
        self.side = hint()
        self._side = ""
        self.judge = ActionButton(
            "Judge", "Measure a model that was trained before the window closed, against its parent.", self._judge
        )
        self._unjudged = ""

    def _make_history(self) -> None:
        """All rounds, and their report."""
        self.list = QListWidget()
        self.list.setMinimumHeight(90)
        self.list.currentRowChanged.connect(self._choose)
        self._rounds: tuple[Item, ...] = ()
        self.report = ReportPanel(self.controller)

    def _make_held(self) -> None:
        """What judges in the open image, and what may judge."""
        self.held = QCheckBox("Show what is held out")
        self.held.setToolTip("Boxes round what judges in the open image and is never learnt from.")
        self.held.clicked.connect(self.controller.training.show_held_out)
        give = self.controller.training.hold_out_field
        tips = (
            "What is known in view judges from the next training on.",
            "What judges in view is learnt from by the next.",
        )
        self.hold = ActionButton("Let it judge", tips[0], lambda: give(True))
        self.learn = ActionButton("Let it be learnt", tips[1], lambda: give(False))
        self.changing = row(QLabel("In view"), self.hold, self.learn)

    def show_view(self, view: View) -> None:
        """Show the rounds."""
        for panel in self.panels:
            panel.show_view(view)
        self.report.show_view(view)
        self.verdict.setText(view.verdict or ("" if view.rounds else "No round yet. Correct a field, then fine-tune."))
        self.verdict.setVisible(bool(self.verdict.text()))
        self.table.setVisible(bool(view.rounds))
        self._unjudged = view.unjudged
        self.judge.setText(f"Judge {view.unjudged}")
        self.judge.setVisible(bool(view.unjudged))
        self.judge.show_control(view.judge)
        for button, primary in ((self.keep, view.better), (self.back, not view.better)):
            button.show_control(view.decide)
            button.set_primary(primary and view.decide.enabled)
        self._side = view.side
        self.held.setEnabled(view.held.enabled)
        self.held.setToolTip(view.held.reason or "Boxes round what judges in the open image and is never learnt from.")
        self.held.setChecked(view.held_shown)
        self.changing.setVisible(view.held_shown)
        for button in (self.hold, self.learn):
            button.show_control(view.change_held)
        for button, side, control in ((self.old, "old", view.look_old), (self.new, "new", view.look_new)):
            button.show_control(control)
            button.setChecked(view.side == side)
        self.side.setText(view.side_text)
        self.side.setVisible(bool(view.side_text))
        if self._rounds != view.rounds:
            self._rounds = view.rounds
            with signals_blocked(self.list):
                self.list.clear()
                self.list.addItems([item.text for item in view.rounds])
                self.list.setCurrentRow(len(view.rounds) - 1)
            self._choose(len(view.rounds) - 1)

    def _looker(self, side: Side) -> ActionButton:
        tip = f"Outlines of what the {side} model finds in view. Press again to hide them."
        return ActionButton(side.capitalize(), tip, lambda: self.controller.look_with(self._other(side)))

    def _judge(self) -> None:
        self.controller.training.judge(self._unjudged)

    def _other(self, side: Side) -> Side:
        """A side, or neither where it is shown already."""
        return "" if self._side == side else side

    def _choose(self, index: int) -> None:
        lines = self._rounds[index].detail.splitlines() if 0 <= index < len(self._rounds) else []
        self.table.setRowCount(len(lines))
        for n, line in enumerate(lines):
            for column, text in enumerate(line.split("|")):
                self.table.setItem(n, column, QTableWidgetItem(text))

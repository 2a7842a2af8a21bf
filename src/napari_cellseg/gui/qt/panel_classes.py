"""The part of the step Measure that gives objects classes. Qt only."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..app.class_state import ClassesView, ClassRow
from ..app.controller import Controller
from ..app.measured import MeasureView
from .page import more
from .widgets import ActionButton, hint, row

KEYED = 9
"""So many classes have a key."""
_EXAMPLE = "dead: intensity_mean_1 > 200 and area < 80"


class ClassesPanel(QWidget):
    """The list of classes, what is said of the chosen objects, the next one to ask for, rules."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.controller = controller
        self.classes = controller.measuring.classes
        self.list = _List(self)
        self.name = QLineEdit()
        self.name.setPlaceholderText("name of a class")
        self.name.returnPressed.connect(self._add)
        self.add = ActionButton("Add class", "Add a class of objects.", self._add)
        self.object = hint()
        self.back = ActionButton("Take back", "Take back what you said of the chosen objects (Ctrl+0).", self._back)
        self.next = ActionButton(
            "Least sure", "Show the next object that is worth a word (Ctrl+L).", self.classes.go_to_unsure
        )
        self.tell = ActionButton("Class all", "Class all objects of this image by your words and rules.",
                                 self.classes.tell)  # fmt: skip
        self.count = ActionButton("Count in all images", "Class and count the objects of all images.",
                                  self.classes.tell_all)  # fmt: skip
        self.colour = ActionButton(
            "Colour objects", "Objects have the colour of their class; press again for their own.", self._colour
        )
        self.colour.setCheckable(True)
        self.colour.setObjectName("Colour classes")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self._make_rules()
        self._assemble()
        self.folded = more("More: classes of objects", self)

    def _make_rules(self) -> None:
        self.rules = QPlainTextEdit()
        self.rules.setPlaceholderText(_EXAMPLE)
        self.rules.setMaximumHeight(92)
        self.rules.setToolTip(
            "One rule a line, name: condition over columns of the table; the first that holds counts."
        )
        self.use_rules = ActionButton("Use rules", "Keep these rules and class objects by them.", self._use_rules)
        self.ruled = more(
            "More: rules", hint("One a line, name: condition. The first that holds counts; your words stand over it."),
            self.rules, self.use_rules,
        )  # fmt: skip
        self._shown_rules: tuple[str, ...] = ()

    def _assemble(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        self.rest = (
            self.object, row(self.back, self.next), row(self.tell, self.colour), self.count, self.words, self.ruled,
        )  # fmt: skip
        for widget in (self.list, row(self.name, self.add), *self.rest):
            layout.addWidget(widget)

    def show_view(self, measure: MeasureView) -> None:
        """Show classes and what is known of the chosen objects."""
        shown, state = measure.classes, measure.classes.state
        self.list.show_rows(shown)
        self.add.show_control(shown.change)
        for widget in self.rest:
            widget.setVisible(bool(state.classes) or widget is self.ruled)
        self.object.setText(shown.chosen or "Click an object in the image, then press its class.")
        for button, control in (
            (self.back, shown.say), (self.next, shown.next), (self.tell, shown.tell), (self.count, shown.tell),
            (self.colour, shown.use), (self.use_rules, shown.change),
        ):  # fmt: skip
            button.show_control(control)
        self.colour.setChecked(state.coloured)
        self.words.setText(shown.words)
        self.words.setVisible(bool(shown.words))
        if state.rules != self._shown_rules and not self.rules.hasFocus():
            self._shown_rules = state.rules
            self.rules.setPlainText("\n".join(state.rules))

    def _add(self) -> None:
        self.classes.add(self.name.text())
        self.name.clear()

    def _back(self) -> None:
        self.classes.say(self.controller.measuring.to_class, "")

    def _colour(self) -> None:
        self.classes.colour(self.colour.isChecked())

    def _use_rules(self) -> None:
        self._shown_rules = ()
        self.rules.clearFocus()
        self.classes.set_rules(self.rules.toPlainText())


class _List(QWidget):
    """A line for each class: its colour, its button, how many there are, and what can be changed."""

    def __init__(self, panel: ClassesPanel) -> None:
        super().__init__()
        self._panel = panel
        self._rows: tuple[ClassRow, ...] | None = None
        self.lines: dict[str, _Line] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(1, 1)

    def show_rows(self, shown: ClassesView) -> None:
        """Show the classes; lines are made anew only where there are others."""
        if self._rows is None or [r.name for r in shown.rows] != list(self.lines):
            self._make(shown.rows)
        for line in shown.rows:
            self.lines[line.name].show_row(line, shown)
        self._rows = shown.rows

    def _make(self, rows: tuple[ClassRow, ...]) -> None:
        for line in self.lines.values():
            for widget in line.widgets:
                self._grid.removeWidget(widget)
                widget.setParent(None)
                widget.deleteLater()
        self.lines = {each.name: _Line(self._panel, each.name, n) for n, each in enumerate(rows)}
        for n, line in enumerate(self.lines.values()):
            for k, part in enumerate(line.widgets):
                self._grid.addWidget(part, n, k)


class _Line:
    """One class."""

    def __init__(self, panel: ClassesPanel, name: str, number: int) -> None:
        self._panel, self._name = panel, name
        key = f" (Ctrl+{number + 1})" if number < KEYED else ""
        self.colour = _small("", f"Another colour for {name}.", self._recolour)
        self.button = ActionButton(
            name, f"Say that the chosen objects are {name}{key}; this is kept.",
            lambda: panel.classes.say(panel.controller.measuring.to_class, name),
        )  # fmt: skip
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.here, self.everywhere = QLabel(), QLabel()
        for label, tip in ((self.here, "In this image."), (self.everywhere, "In all images.")):
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            label.setToolTip(tip)
        self.up = _small("▴", f"Move {name} up.", partial(panel.classes.move, name, -1))
        self.rename = _small("✎", f"Give {name} the name that is written below.", self._rename)
        self.remove = _small("✕", f"Remove {name}; what you said of its objects comes back with it.",
                             partial(panel.classes.remove, name))  # fmt: skip
        self.widgets: tuple[QWidget, ...] = (
            self.colour, self.button, self.here, self.everywhere, self.up, self.rename, self.remove,
        )  # fmt: skip

    def show_row(self, line: ClassRow, shown: ClassesView) -> None:
        """Show counts and colour."""
        self.colour.setStyleSheet(f"QToolButton {{ background: {line.colour}; border: none; border-radius: 3px; }}")
        self.here.setText(line.here)
        self.everywhere.setText(f"/ {line.everywhere}" if line.everywhere else "")
        self.button.show_control(shown.say)
        for small in (self.colour, self.up, self.rename, self.remove):
            small.setEnabled(shown.change.enabled)

    def _recolour(self) -> None:
        chosen = QColorDialog.getColor(QColor("white"), self._panel, f"Colour of {self._name}")
        if chosen.isValid():
            self._panel.classes.recolour(self._name, chosen.name())

    def _rename(self) -> None:
        new = self._panel.name.text()
        if new.strip():
            self._panel.classes.rename(self._name, new)
            self._panel.name.clear()
        else:
            self._panel.name.setFocus()


def _small(text: str, tip: str, action: object) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setFixedSize(22, 22)
    button.clicked.connect(lambda: action())  # type: ignore[operator]
    return button

"""Step 4: the expert's hands."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QWidget,
)
from superqt.utils import signals_blocked

from ...project import BACKGROUND
from ..app.controller import Controller
from ..app.tool import Tool
from ..app.tools import TOOLS
from ..app.view import View
from .class_list import ClassList
from .page import Page, more
from .panels_correct import CleanUpPanel, ComparePanel, HistoryPanel, LivePanel, MasksPanel, ReviewPanel
from .widgets import ActionButton, WordyButton, heading, hint, row

_OVER = {"all": "Paint over everything", "background": "Paint over background", "object": "Paint over one object"}


_LEGEND = (
    "{}: <span style='color:#ffffff'>■</span> predicted &nbsp; <span style='color:#3b8ee0'>■</span> corrected &nbsp; "
    "<span style='color:#35b779'>■</span> approved<br>"
    "<span style='color:#9ecae1'>■</span> background that a correction vouches for"
)


class CorrectPage(Page):
    """Brush and tools, review, approve, undo."""

    title = "Correct"
    about = "Paint, fill and erase with napari's own tools on the labels layer; every stroke is saved at once."

    def build(self) -> None:
        """Make the controls."""
        c = self.controller
        self.new = ActionButton("New label  (N)", "Select the next free id and the brush.", c.strokes.new_label)
        self.undo = WordyButton("Undo", "Take back what you did last (Ctrl+Z).", c.strokes.undo)
        self.redo = WordyButton("Redo", "Do it again (Ctrl+Shift+Z).", c.strokes.redo)
        self.classes = ClassList(c)
        self.form.addWidget(self.classes)
        self.form.addWidget(row(self.undo, self.redo, first=2))
        self.form.addWidget(self.new)
        self.live = LivePanel(c)
        self.form.addWidget(self.live)
        self.hints = HintRow(c)
        self.form.addWidget(self.hints)
        self.choices = ChoicesRow(c)
        self.form.addWidget(self.choices)
        self._buttons: dict[str, QPushButton] = {}
        large = [tool for tool in TOOLS if tool.main]
        for line in (large[:3], large[3:]):  # six beside each other would not show their names
            self.form.addWidget(row(*(self._button(tool, large=True) for tool in line)))
        self.form.addWidget(more("More tools", self._other_tools()))
        self.review = ReviewPanel(c)
        self.form.addWidget(heading("Review"))
        self.form.addWidget(self.review)
        self._make_approval()
        self._make_more()

    def _make_approval(self) -> None:
        """Whole areas that are right, and how far the image is."""
        c = self.controller
        self.form.addWidget(heading("Approve what is right"))
        self.field = ActionButton(
            "Approve field  (Y)",
            "Approve what is visible: objects and background.",
            c.actions.approve_field,
        )
        self.slice = ActionButton("Slice", "Approve the whole current slice.", c.actions.approve_slice)
        self.image = ActionButton("Image", "Approve the whole image.", c.actions.approve_image)
        self.form.addWidget(row(self.field, self.slice, self.image, first=2))
        self.counts = hint()
        self.form.addWidget(self.counts)
        self.by_state = QCheckBox("Colour by state")
        self.by_state.setToolTip("Objects in the colours of the list below instead of their own; nothing is changed.")
        self.by_state.toggled.connect(c.state_view.colour_by_state)
        self.form.addWidget(self.by_state)
        self.legend = hint()
        self.form.addWidget(self.legend)

    def _make_more(self) -> None:
        """What is needed now and then, folded away."""
        c = self.controller
        details = (self.choices.split_on, self.choices.snap_to, self.choices.smallest)
        self.form.addWidget(more("More: how tools act", *details))
        self.guidelines = ActionButton(
            "Guidelines", "The project's annotation rules and reference pictures, in a dock of their own.", self._guide
        )
        self.form.addWidget(self.guidelines)
        self.cleaning = CleanUpPanel(c)
        self.clean_fold = more("More: clean up all objects", self.cleaning)
        self.form.addWidget(self.clean_fold)
        self.panels = (self.cleaning, ComparePanel(c), HistoryPanel(c), MasksPanel(c))
        for title, panel in zip(("compare", "history", "masks in and out"), self.panels[1:], strict=True):
            self.form.addWidget(more(f"More: {title}", panel))

    def _show_undo(self, view: View) -> None:
        """What Undo takes back is said before it is pressed, above all where that is all there is."""
        also = "The labels of the whole image go, except what you corrected. Redo brings them back.\n\n"
        also = also if view.undo_takes_all else ""
        name = f"{view.undo}. " if view.undo else "nothing yet. "
        tip = f"{also}Takes back: {name}(Ctrl+Z; also what earlier sessions did.)"
        self.undo.show_words(f"Undo: {view.undo}" if view.undo else "Undo", tip)
        name = f"Does again: {view.redo}. " if view.redo else "Nothing was undone. "
        self.redo.show_words(f"Redo: {view.redo}" if view.redo else "Redo", f"{name}(Ctrl+Shift+Z)")

    def show_view(self, view: View) -> None:
        """Show the state."""
        self._show_undo(view)
        self.classes.show_view(view)
        for button in (self.new, self.undo, self.redo, self.field, self.slice, self.image):
            button.show_control(view.correct)
        self.live.show_view(view)
        self.hints.show_view(view)
        self.guidelines.show_control(view.needs_project)
        self.slice.setVisible(view.volume)
        self.clean_fold.setVisible(not view.semantic)
        for tool in TOOLS:
            choice = self._buttons[tool.name]
            choice.setEnabled(view.correct.enabled)
            self._name(choice, tool, view.keys.get(tool.name, tool.key))
            choice.setChecked(view.tool == tool.name)
            there = {"volume": view.volume, "classes": view.semantic, "objects": not view.semantic}
            choice.setVisible(all(there[only] for only in tool.only))
        self._titles["Slices"].setVisible(view.volume)
        self.choices.show_view(view)
        self.review.show_view(view)
        for panel in self.panels:
            panel.show_view(view)
        with signals_blocked(self.by_state):
            self.by_state.setChecked(view.by_state)
        self.by_state.setEnabled(view.needs_image.enabled)
        self.legend.setText(_LEGEND.format("Objects" if view.by_state else "Outlines"))
        self.counts.setText(view.counts or view.correct.reason)

    def _guide(self) -> None:
        window = getattr(self.controller.viewer, "window", None)
        if window is not None:
            window.add_plugin_dock_widget("napari-cellseg", "Guidelines")

    def _other_tools(self) -> QWidget:
        """A line of buttons per group, folded away."""
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.setColumnMinimumWidth(0, 40)
        for column in (1, 2, 3):
            grid.setColumnStretch(column, 1)
        self._titles: dict[str, QLabel] = {}
        line = -1
        for tool in (t for t in TOOLS if not t.main):
            if tool.group not in self._titles:
                line, column = line + 1, 1
                self._titles[tool.group] = hint(tool.group)
                grid.addWidget(self._titles[tool.group], line, 0)
            elif column == 4:
                line, column = line + 1, 1
            grid.addWidget(self._button(tool), line, column)
            column += 1
        return box

    @staticmethod
    def _name(button: QPushButton, tool: Tool, key: str) -> None:
        """Say what a tool is and which key it has; a person may have chosen another."""
        if button.text() != (label := _label(tool, key)):
            button.setText(label)
            button.setToolTip(f"{tool.tip} {_DOES.get(tool.gesture, '')}\nKey: {key}; Esc leaves the tool.")

    def _button(self, tool: Tool, *, large: bool = False) -> QPushButton:
        button = self._buttons[tool.name] = QPushButton()
        self._name(button, tool, tool.key)
        button.setObjectName(tool.title)
        button.setCheckable(tool.gesture != "now")
        button.setStyleSheet(f"QPushButton {{ padding: {'7px 2px; font-weight: 600' if large else '3px 2px'}; }}")
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        button.clicked.connect(
            lambda on: self.controller.tools.choose(tool.name if on or tool.gesture == "now" else "")
        )
        return button


_DOES = {"object": "Click objects; the key acts on the one under the cursor.", "now": "Acts at once."}


def _label(tool: Tool, key: str) -> str:
    """``Merge  G``."""
    return f"{tool.title}  {key.replace('Shift-', '⇧').replace('Control-', '^')}"


class HintRow(QWidget):
    """Brushes that say what pixels are, without an outline."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.classes = QComboBox()
        self.classes.setToolTip("Which class the brush hints at.")
        self.classes.activated.connect(self._choose)
        tip = "A stroke inside a few of them is enough, no outline. Live learns from it, and so does the random forest."
        self.cells = self._brush("Hint: cells", "Say where cells are. " + tip)
        self.cells.clicked.connect(self._choose)
        self.background = self._brush("Hint: background", "Say where none are. " + tip)
        self.background.clicked.connect(lambda on: controller.hints.choose(BACKGROUND if on else 0))
        undone = "Take all hints away; Ctrl+Z on their layer brings them back."
        self.clear = ActionButton("Clear", undone, controller.hints.clear)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        for widget, share in ((self.classes, 4), (self.cells, 4), (self.background, 5), (self.clear, 2)):
            line.addWidget(widget, share)
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_view(self, view: View) -> None:
        """Show which brush is in use."""
        self.classes.setVisible(view.semantic)
        if view.semantic and [self.classes.itemText(n) for n in range(self.classes.count())] != list(view.classes):
            self.classes.clear()
            self.classes.addItems(list(view.classes))
        if view.semantic and view.hint > BACKGROUND:
            self.classes.setCurrentIndex(view.hint - BACKGROUND - 1)
        self.cells.setText("Hint: this class" if view.semantic else "Hint: cells")
        for button in (self.cells, self.background):
            button.setEnabled(view.correct.enabled)
        self.cells.setChecked(view.hint > BACKGROUND)
        self.background.setChecked(view.hint == BACKGROUND)
        self.clear.setVisible(view.hinted)
        self.clear.show_control(view.correct)

    def _choose(self, _: object = None) -> None:
        self.controller.hints.choose(
            BACKGROUND + 1 + max(0, self.classes.currentIndex()) if self.cells.isChecked() else 0
        )

    def _brush(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(text)
        button.setCheckable(True)
        button.setToolTip(tip)
        button.setStyleSheet("QPushButton { padding: 3px 2px; }")
        return button


class ChoicesRow(QWidget):
    """How the tools act: over what, on the slice or through, locked or not."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        self.over = self._combo(list(_OVER.values()), "What the brush, polygons and scribbles may replace.")
        self.over.activated.connect(lambda i: controller.actions.choose(over=list(_OVER)[i]))
        self.locked = QCheckBox("Lock approved")
        self.locked.setToolTip("Approved objects cannot be changed by any tool (Shift-A).")
        self.locked.toggled.connect(lambda on: controller.actions.choose(locked=on))
        self.through = self._combo(["Tools act on whole objects", "Tools act on this slice"], "For volumes.")
        self.through.activated.connect(lambda i: controller.actions.choose(through=i == 0))
        self.split_on = self._combo(["Seeds split by shape", "Seeds split by the image"], "How Split parts an object.")
        self.split_on.activated.connect(lambda i: controller.actions.choose(split_on=("distance", "image")[i]))
        self.snap_to = self._combo(["Scribble: image edges", "Scribble: probability"], "What a scribble snaps to.")
        self.snap_to.activated.connect(lambda i: controller.actions.choose(snap_to=("image", "probability")[i]))
        self.smallest = QSpinBox()
        self.smallest.setRange(2, 10_000_000)
        self.smallest.setPrefix("Small: < ")
        self.smallest.setToolTip("Objects below this size (voxels; pixels in a slice) are debris.")
        self.smallest.valueChanged.connect(lambda n: controller.actions.choose(smallest=n))
        grid.addWidget(self.over, 0, 0)
        grid.addWidget(self.locked, 0, 1)
        grid.addWidget(self.through, 1, 0, 1, 2)

    def show_view(self, view: View) -> None:
        """Show the choices."""
        c = view.choices
        widgets = (self.over, self.locked, self.through, self.split_on, self.snap_to, self.smallest)
        for widget in widgets:
            widget.setEnabled(view.correct.enabled)
        with signals_blocked(self.over), signals_blocked(self.through), signals_blocked(self.split_on):
            self.over.setCurrentIndex(list(_OVER).index(c.over))
            self.through.setCurrentIndex(0 if c.through else 1)
            self.split_on.setCurrentIndex(int(c.split_on == "image"))
        with signals_blocked(self.snap_to), signals_blocked(self.locked), signals_blocked(self.smallest):
            self.snap_to.setCurrentIndex(int(c.snap_to == "probability"))
            self.locked.setChecked(c.locked)
            self.smallest.setValue(c.smallest)
        self.through.setVisible(view.volume)

    def _combo(self, texts: list[str], tip: str) -> QComboBox:
        combo = QComboBox()
        combo.addItems(texts)
        combo.setToolTip(tip)
        return combo

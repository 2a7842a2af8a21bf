"""Parts of the steps Image and Measure: what the data set is like, which images to label, box plots, plates, growth."""

from __future__ import annotations

import html
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from ..app.controller import Controller
from ..app.survey_view import Kind, Survey
from ..app.view import View
from .widgets import ActionButton, hint, row

WIDTH = 330
"""Of pictures in the dock; files have them larger."""
QUIET = "#7d8792"


class SurveyPanel(QWidget):
    """A button with what it needs, and below it what was found, to be saved."""

    kind: Kind
    about = ""
    name = ""
    """Proposed for the files."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.surveys = controller.surveys
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # else texts are cut
        self.said, self.table, self.picture, self.list = hint(), QLabel(), QLabel(), QListWidget()
        self.table.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)  # makes no dock wider
        self.picture.setToolTip("Save it to see it larger.")
        self.list.setWordWrap(True)
        self.list.setFixedHeight(150)
        self.list.setToolTip("Click an image to open it.")
        self.list.itemClicked.connect(lambda item: self.surveys.go(str(item.data(Qt.ItemDataRole.UserRole))))
        self.save = ActionButton("Save...", "Write the tables and pictures.", self._save)
        self._found: Survey | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        for widget in (hint(self.about), *self.controls(), self.said, self.picture, self.table, self.list, self.save):
            layout.addWidget(widget)
        self._show(None)

    def controls(self) -> tuple[QWidget, ...]:
        """What is asked with."""
        raise NotImplementedError

    def show_view(self, view: View) -> None:
        """Show what was found."""
        found = view.surveys.found.get(self.kind)
        if found is not self._found:
            self._show(found)

    def _show(self, found: Survey | None) -> None:
        self._found = found
        shown = found or Survey()
        self.said.setText(shown.title)
        self.table.setText(_as_html(shown.rows))
        self._show_picture(shown.picture)
        with signals_blocked(self.list):
            self.list.clear()
            for image in shown.images:
                item = QListWidgetItem(image.text)
                item.setData(Qt.ItemDataRole.UserRole, image.key)
                if image.mark:
                    item.setForeground(QColor(QUIET))
                self.list.addItem(item)
        there = (self.said, shown.title), (self.table, shown.rows), (self.list, shown.images), (self.save, found)
        for widget, what in there:
            widget.setVisible(bool(what))

    def _show_picture(self, path: Path | None) -> None:
        pixmap = QPixmap(str(path)) if path is not None else QPixmap()
        self.picture.setVisible(not pixmap.isNull())
        if not pixmap.isNull():
            self.picture.setPixmap(pixmap.scaledToWidth(WIDTH, Qt.TransformationMode.SmoothTransformation))

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save tables and pictures as", f"{self.name}.csv", "Tables (*.csv)")
        if path:
            self.surveys.save(self.kind, path)


class DescribePanel(SurveyPanel):
    """What the data set is like."""

    kind: Kind = "describe"
    about = "Sizes, contrast and intensities of the images; objects as they are labelled now."
    name = "data_set"

    def controls(self) -> tuple[QWidget, ...]:
        """One button."""
        self.button = ActionButton(
            "Describe", "Measure what all images of the project are like.", self.surveys.describe
        )
        return (self.button,)

    def show_view(self, view: View) -> None:
        """Show what was found."""
        super().show_view(view)
        self.button.show_control(view.surveys.ask)


class SelectPanel(SurveyPanel):
    """Which images to label."""

    kind: Kind = "select"
    about = "Images at equal steps of confluency, sharp, without debris, each with the reason. Nothing is changed."
    name = "to_label"

    def controls(self) -> tuple[QWidget, ...]:
        """How many, and the button."""
        self.n = QSpinBox()
        self.n.setRange(1, 1000)
        self.n.setValue(10)
        self.button = ActionButton(
            "Choose images",
            "Labels tell how full an image is; where it has none, a quick draft (Otsu's threshold) does.",
            lambda: self.surveys.select(self.n.value()),
        )
        return (row(QLabel("Images"), self.n, self.button),)

    def show_view(self, view: View) -> None:
        """Show what was found."""
        super().show_view(view)
        self.button.show_control(view.surveys.ask)


class PlatePanel(SurveyPanel):
    """The map of a plate, and growth."""

    kind: Kind = "plate"
    about = "Wells and time points are told by names of images: B03 or r02c03, t005 or day3."
    name = "plate"

    def controls(self) -> tuple[QWidget, ...]:
        """What the map shows, how long from one time point to the next, and groups."""
        self.value, self.interval, self.groups = QComboBox(), QLineEdit(), QLineEdit()
        self.value.setToolTip("What colours the wells.")
        self.value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.interval.setPlaceholderText("15min, 0.5h, 1d")
        self.interval.setToolTip("From one time point to the next; empty: rates are per time point.")
        self.groups.setPlaceholderText("all images; or ^[A-P][0-9]+")
        self.groups.setToolTip("A regular expression: what it matches in names is the group whose growth is told.")
        self.button = ActionButton(
            "Plate and growth", "Measure all images: a map of the wells, and growth rates with intervals.", self._ask
        )
        self.coloured = row(QLabel("Colour"), self.value)
        return self.coloured, row(QLabel("Interval"), self.interval), row(QLabel("Groups"), self.groups), self.button

    def show_view(self, view: View) -> None:
        """Show what was found."""
        super().show_view(view)
        values = [self.value.itemData(n) for n in range(self.value.count())]
        if values != list(view.surveys.values):
            before = self.value.currentData()
            self.value.clear()
            for value in view.surveys.values:
                self.value.addItem(value.replace("_", " "), value)
            chosen = before if before in view.surveys.values else "confluency"
            self.value.setCurrentIndex(max(0, self.value.findData(chosen)))
        self.coloured.setVisible(bool(view.surveys.values))
        self.button.show_control(view.surveys.plate)

    def _ask(self) -> None:
        self.surveys.plate(str(self.value.currentData() or ""), self.interval.text(), self.groups.text())


class BoxesPanel(SurveyPanel):
    """Box plots of groups of images."""

    kind: Kind = "boxes"
    about = "A box for each group: median, quartiles, whiskers to 1.5 times their distance."
    name = "groups"

    def controls(self) -> tuple[QWidget, ...]:
        """What is drawn, and groups."""
        self.column, self.groups = QComboBox(), QLineEdit()
        self.column.setToolTip("A column of the table of objects, one panel for each channel of intensities.")
        self.column.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.groups.setPlaceholderText("every image; or ^[A-P][0-9]+")
        self.groups.setToolTip("A regular expression: what it matches in names of images is their group.")
        self.button = ActionButton("Draw box plots", "Measure all images, and draw their groups.", self._ask)
        return row(QLabel("Column"), self.column), row(QLabel("Groups"), self.groups), self.button

    def show_view(self, view: View) -> None:
        """Show what was found."""
        super().show_view(view)
        columns = ("", *view.surveys.columns)
        if tuple(self.column.itemData(n) for n in range(self.column.count())) != columns:
            before = self.column.currentData()
            self.column.clear()
            for name in columns:
                self.column.addItem(name.replace("_", " ") or "the usual ones", name)
            self.column.setCurrentIndex(max(0, self.column.findData(before)))
        self.button.show_control(view.surveys.ask)

    def _ask(self) -> None:
        self.surveys.boxes(str(self.column.currentData() or ""), self.groups.text().strip())


def _as_html(rows: tuple[tuple[str, ...], ...]) -> str:
    """A table of cells, its head in bold."""
    if not rows:
        return ""
    head, *rest = rows
    lines = ["".join(f"<td><b>{html.escape(c)}</b></td>" for c in head)]
    lines += ["".join(f"<td>{html.escape(c)}</td>" for c in cells) for cells in rest]
    return f"<table cellspacing='0' cellpadding='2'>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

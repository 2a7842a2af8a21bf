"""Step 7: the table of objects, linked with the picture."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QLabel, QSizePolicy, QWidget
from superqt.utils import signals_blocked

from ..app.measured import MeasureState, MeasureView
from ..app.view import View
from .object_table import ObjectTable, ValuePlot
from .page import Page, more
from .panel_classes import ClassesPanel
from .panel_fucci import FucciPanel
from .panel_survey import BoxesPanel, PlatePanel
from .panel_tracks import TracksPanel
from .scatter_plot import ScatterPlot
from .widgets import ActionButton, hint, row

OWN = "Open image"
FILES = "Table (*.csv *.parquet)"


class MeasurePage(Page):
    """Measure every object, look at the numbers in the picture, save them."""

    title = "Measure"
    about = "Sizes, shapes, neighbours and intensities of every object. Nothing is changed by measuring or colouring."

    def build(self) -> None:
        """Make the controls."""
        measuring = self.controller.measuring
        self.labels, self.pixels = QComboBox(), QComboBox()
        self.labels.setToolTip("Whose objects: those of the open image, or of any labels layer.")
        self.pixels.setToolTip("The image layer whose intensities are measured under them.")
        self.labels.activated.connect(lambda n: measuring.choose_labels(str(self.labels.itemData(n))))
        self.pixels.activated.connect(lambda n: measuring.choose_pixels(str(self.pixels.itemData(n))))
        self.button = ActionButton("Measure", "Measure every object of these labels.", measuring.measure, primary=True)
        self.button.setObjectName("Measure")
        self.summary, self.outdated = QLabel(), QLabel()
        self.summary.setWordWrap(True)
        self.outdated.setWordWrap(True)
        self.outdated.setStyleSheet("color: #f2b134; font-weight: 600;")
        self.column = QComboBox()
        self.column.setToolTip("The column of the histogram, and of the colours.")
        for box in (self.labels, self.pixels, self.column):  # they share what there is; none makes the dock wider
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.column.activated.connect(lambda n: measuring.choose_column(self.column.itemText(n)))
        self.colour = ActionButton(
            "Colour objects", "Colour every object by this column; press again for their own colours.", self._colour
        )
        self.colour.setCheckable(True)
        self.plot, self.what, self.table = ValuePlot(), hint(), ObjectTable()
        self._make_scatter()
        self.table.chosen.connect(lambda label: measuring.choose_object(label, look=True))
        self.table.column_chosen.connect(measuring.choose_column)
        self._assemble()

    def _make_scatter(self) -> None:
        """The chosen column against another one."""
        measuring = self.controller.measuring
        self.against, self.scatter = QComboBox(), ScatterPlot()
        self.against.setToolTip("The column that goes upwards; the chosen one goes to the right.")
        self.against.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.against.activated.connect(lambda _: self._show_scatter(self.view.measure.state))
        self.scatter.chosen.connect(measuring.choose_rows)
        self.several = QLabel()
        self.everyone = ActionButton(
            "Choose all", "All objects have rows and colours again.", lambda: measuring.choose_rows(None)
        )
        actions = self.controller.actions
        self.approve = ActionButton(
            "Approve", "Approve the chosen objects as they are.",
            lambda: actions.approve_objects(measuring.chosen_labels),
        )  # fmt: skip
        self.delete = ActionButton(
            "Delete", "Delete the chosen objects; undo brings them back.",
            lambda: actions.delete_objects(measuring.chosen_labels),
        )  # fmt: skip
        self.some = row(self.everyone, self.approve, self.delete)

    def _assemble(self) -> None:
        self.save = ActionButton("Save table...", "Write this table (.csv, .parquet).", self._save)
        self.everything = ActionButton(
            "All images...", "Measure all images of the project into one table, with a summary beside it.", self._all
        )
        self.others = QWidget()
        choices = QFormLayout(self.others)
        choices.setContentsMargins(0, 0, 0, 0)
        choices.addRow("Labels", self.labels)
        choices.addRow("Intensities", self.pixels)
        self.results = (
            row(self.column, self.colour),
            self.plot,
            self.what,
            more("More: two columns, and a loop round objects", self.against, self.scatter),
            self.several,
            self.some,
            self.table,
        )
        for widget in (self.others, self.button, self.summary, self.outdated, *self.results):
            self.form.addWidget(widget)
        self.form.addWidget(row(self.save, self.everything))
        self._add_panels()

    def _add_panels(self) -> None:
        """What some projects have besides."""
        self.fucci = FucciPanel(self.controller)
        self.cells = ActionButton(
            "Cells out of classes",
            "Connected nuclei count the cells, every pixel of a cell goes to one of them: two new layers, cells and "
            "nuclei by one number.",
            self.controller.cell_layers.show,
        )
        self.form.addWidget(self.cells)
        self.classes = ClassesPanel(self.controller)
        self.form.addWidget(self.classes.folded)
        self.cycle = more("More: FUCCI, states of the cell cycle", self.fucci)
        self.form.addWidget(self.cycle)
        self.surveys = BoxesPanel(self.controller), PlatePanel(self.controller)
        titles = "More: box plots of groups", "More: plates and growth"
        self.of_all = tuple(more(title, panel) for title, panel in zip(titles, self.surveys, strict=True))
        for folded in self.of_all:
            self.form.addWidget(folded)
        self.tracks = TracksPanel(self.controller)
        self.time = more("More: time, tracks of objects", self.tracks)
        self.form.addWidget(self.time)

    @property
    def boxes(self) -> BoxesPanel:
        """Box plots of groups."""
        return self.surveys[0]

    @property
    def plate(self) -> PlatePanel:
        """The map of a plate, and growth."""
        return self.surveys[1]

    def opened(self) -> None:
        """What the first measurement needs is prepared meanwhile."""
        self.controller.measuring.ready.prepare()

    def show_view(self, view: View) -> None:
        """Show what was measured."""
        shown, state = view.measure, view.measure.state
        self._show_choices(shown)
        self.button.show_control(shown.measure)
        self.save.show_control(shown.use)
        self.colour.show_control(shown.use)
        self.everything.show_control(shown.everything)
        for label, text in ((self.summary, shown.summary), (self.outdated, shown.outdated)):
            label.setText(text)
            label.setVisible(bool(text))
        for widget in self.results:
            widget.setVisible(state.table is not None)
        self.colour.setChecked(state.coloured)
        self.plot.show_bins(state.bins, state.coloured)
        self.table.show_table(state.table)
        self.table.show_only(state.chosen.marked if state.chosen is not None else None)
        self.table.show_object(state.object)
        self.table.show_column(state.column)
        columns = list(state.table.columns) if state.table is not None else []
        for box in (self.column, self.against):
            _fill(box, [(name, name) for name in columns], state.column if box is self.column else box.currentText())
        self._show_scatter(state)
        self.several.setText(shown.several)
        for widget in (self.several, self.some):
            widget.setVisible(bool(shown.several))
        for button in (self.approve, self.delete):
            button.show_control(shown.change)
        self.cells.setVisible(view.semantic)
        self.cells.show_control(shown.cells)
        self.classes.folded.setVisible(shown.classes.there)
        self.classes.show_view(shown)
        self.cycle.setVisible(shown.fucci.there)
        self.fucci.show_view(shown)
        for panel, folded in zip(self.surveys, self.of_all, strict=True):
            panel.show_view(view)
            folded.setVisible(view.folder is not None)
        self.time.setVisible(view.tracks.there)
        self.tracks.show_view(view)
        self.what.setText(state.table.meaning(state.column) if state.table is not None else "")

    def _show_scatter(self, state: MeasureState) -> None:
        against = self.against.currentText()
        if state.table is not None and state.column and against:
            marked = state.chosen.marked if state.chosen is not None else None
            values = [state.table.values(name) for name in (state.column, against)]
            self.scatter.show_values(values[0], values[1], (state.column, against), marked)

    def _show_choices(self, shown: MeasureView) -> None:
        """Which labels and intensities there are; nothing to choose where there is only the open image."""
        state = shown.state
        own = [(f"{OWN}: {shown.own}", "")] if shown.own else [("(choose a layer)", "")]
        _fill(self.labels, [*own, *((n, n) for n in state.labels_there)], state.labels)
        its = [("of the image", "")] if not state.labels else [("none", ""), *((n, n) for n in state.pixels_there)]
        _fill(self.pixels, its, state.pixels if state.labels else "")
        self.pixels.setEnabled(bool(state.labels))
        self.others.setVisible(bool(state.labels_there))

    def _colour(self) -> None:
        self.controller.measuring.colour(self.colour.isChecked())

    def _save(self) -> None:
        self._ask("Save the table as", "objects.csv", self.controller.measuring.save)

    def _all(self) -> None:
        self._ask("Measure all images into", "all_objects.csv", self.controller.measuring.measure_all)

    def _ask(self, question: str, name: str, then: Callable[[str], object]) -> None:
        path, _ = QFileDialog.getSaveFileName(self, question, name, FILES)
        if path:
            then(path)


def _fill(box: QComboBox, items: list[tuple[str, str]], chosen: str) -> None:
    with signals_blocked(box):
        if [(box.itemText(n), box.itemData(n)) for n in range(box.count())] != items:
            box.clear()
            for text, data in items:
                box.addItem(text, data)
        box.setCurrentIndex(max(0, box.findData(chosen)))

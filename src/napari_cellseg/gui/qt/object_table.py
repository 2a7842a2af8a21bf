"""A table of objects that can be sorted, and the histogram of one of its columns. Qt only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QHeaderView, QTableView, QWidget
from superqt.utils import signals_blocked

from ..app.measured import Bins, Table
from ..layers.objects import Levels, level_colours
from .widgets import ACCENT

SAMPLE = 20
"""So many rows decide how wide columns are; Qt would else ask for every cell of a thousand."""
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_NOTHING = QModelIndex()


class _Model(QAbstractTableModel):
    """Rows of a data frame in an order."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[NDArray[Any]] = []
        self._names: list[str] = []
        self._table: Table | None = None
        self._sorted = (0, Qt.SortOrder.AscendingOrder)
        self._marked: NDArray[np.bool_] | None = None
        self.labels: NDArray[np.int64] = np.zeros(0, np.int64)
        self.order: NDArray[np.int64] = np.zeros(0, np.int64)

    def load(self, table: Table | None) -> None:
        """Show another table."""
        self.beginResetModel()
        self._table = table
        self._names = [] if table is None else list(table.frame.columns)
        self._values = [] if table is None else [table.frame[name].to_numpy() for name in self._names]
        self.labels = np.zeros(0, np.int64) if table is None else table.labels
        self.order, self._marked = np.arange(len(self.labels)), None
        self.endResetModel()

    def show_only(self, marked: NDArray[np.bool_] | None) -> None:
        """Show only some of the rows; None shows all."""
        if marked is not self._marked:
            self.beginResetModel()
            self._marked = marked
            self.order = self._ordered()
            self.endResetModel()

    def names(self) -> list[str]:
        """Of the columns."""
        return self._names

    def rowCount(self, parent: QModelIndex = _NOTHING) -> int:
        """How many objects."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex = _NOTHING) -> int:
        """How many columns."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return _text(self._values[index.column()][self.order[index.row()]])

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name of a column, and what it is."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._table.meaning(self._names[section]) if self._table is not None else ""
        return self._names[section] if role == Qt.ItemDataRole.DisplayRole else None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order rows by a column; those without a value come last either way."""
        if not 0 <= column < len(self._values):
            return
        self._sorted = column, order
        self.layoutAboutToBeChanged.emit()
        self._follow(self._ordered())
        self.layoutChanged.emit()

    def _ordered(self) -> NDArray[np.int64]:
        column, order = self._sorted
        if not 0 <= column < len(self._values):
            return np.zeros(0, np.int64)
        values = self._values[column]
        found = np.argsort(values.astype(str) if values.dtype == object else values, kind="stable")
        if order == Qt.SortOrder.DescendingOrder:
            missing = values[found] != values[found]
            found = np.concatenate([found[~missing][::-1], found[missing]])
        return found if self._marked is None else found[self._marked[found]]

    def _follow(self, order: NDArray[np.int64]) -> None:
        """Use another order; what is marked goes with its object."""
        marked = self.persistentIndexList()
        place = np.empty(len(self.labels), np.int64)
        place[order] = np.arange(len(order))
        moved = [self.index(int(place[self.order[index.row()]]), index.column()) for index in marked]
        self.order = order
        self.changePersistentIndexList(marked, moved)


class ObjectTable(QTableView):
    """`chosen` tells the label of the row that a person chooses, `column_chosen` the column that is clicked on."""

    chosen = Signal(int)
    column_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._model = _Model()
        self._table: Table | None = None
        self._column = ""
        self.setModel(self._model)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setEditTriggers(QTableView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(220)
        self.setToolTip("Click on a row to see its object, on a head to sort. A click on an object finds its row.")
        if (rows := self.verticalHeader()) is not None:
            rows.setVisible(False)
            rows.setDefaultSectionSize(20)
        if (heads := self.horizontalHeader()) is not None:
            heads.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            heads.setResizeContentsPrecision(SAMPLE)
            heads.sectionClicked.connect(lambda n: self.column_chosen.emit(self._model.names()[n]))
        if (selection := self.selectionModel()) is not None:
            selection.currentRowChanged.connect(self._moved)

    def show_table(self, table: Table | None) -> None:
        """Show another table: in the order of the one before where it has the same columns, else of its labels."""
        if table is self._table:
            return
        self._table, before, heads = table, self._model.names(), self.horizontalHeader()
        self._model.load(table)
        if heads is not None and before and before == self._model.names():
            self.sortByColumn(heads.sortIndicatorSection(), heads.sortIndicatorOrder())
            return
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.resizeColumnsToContents()

    def show_only(self, marked: NDArray[np.bool_] | None) -> None:
        """Show only the marked objects; None shows all."""
        self._model.show_only(marked)

    def show_object(self, label: int) -> None:
        """Mark the row of an object and bring it into view; 0 marks none."""
        selection = self.selectionModel()
        if label == self.label or selection is None:
            return
        with signals_blocked(selection):
            if not label:
                self.setCurrentIndex(_NOTHING)
                self.clearSelection()
            else:
                place = np.flatnonzero(self._model.labels[self._model.order] == label)
                if place.size:
                    self.selectRow(int(place[0]))
                    self.scrollTo(self._model.index(int(place[0]), max(0, self.columnAt(self.width() // 2))))
        if (port := self.viewport()) is not None:
            port.update()

    def show_column(self, name: str) -> None:
        """Bring a column into view, when another one is chosen."""
        if name != self._column and name in self._model.names():
            self.scrollTo(self._model.index(max(0, self.rowAt(0)), self._model.names().index(name)))
        self._column = name

    @property
    def label(self) -> int:
        """Of the row that is marked, 0 where none is."""
        row = self.currentIndex().row()
        return int(self._model.labels[self._model.order[row]]) if 0 <= row < len(self._model.order) else 0

    def _moved(self, now: QModelIndex, before: QModelIndex) -> None:
        if now.isValid():
            self.chosen.emit(self.label)


class ValuePlot(QWidget):
    """How often the values of a column occur; in the colours of the objects, where these are coloured."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(104)
        self._shown: tuple[Bins, bool] = (Bins(), False)
        self.setToolTip("How often each value occurs; the line is the median.")

    def show_bins(self, bins: Bins, coloured: bool) -> None:
        """Draw another histogram."""
        if (bins, coloured) != self._shown:
            self._shown = bins, coloured
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt asks for the picture."""
        bins, coloured = self._shown
        if not bins.counts:
            return
        painter = QPainter(self)
        width, base = self.width() - 2, 84
        edges = np.linspace(bins.low, bins.high, len(bins.counts) + 1)
        colours = _colours((edges[:-1] + edges[1:]) / 2, bins.span) if coloured else [QColor(ACCENT)] * len(bins.counts)
        painter.setPen(Qt.PenStyle.NoPen)
        for n, (count, colour) in enumerate(zip(bins.counts, colours, strict=True)):
            left, right = 1 + n * width // len(bins.counts), 1 + (n + 1) * width // len(bins.counts)
            height = max(int(count > 0), round(76 * count / max(bins.counts)))
            painter.setBrush(colour)
            painter.drawRect(left, base - height, max(1, right - left - 1), height)
        painter.setPen(QPen(QColor("#5a6472")))
        painter.drawLine(1, base, width, base)
        self._write(painter, bins, width, base)

    def _write(self, painter: QPainter, bins: Bins, width: int, base: int) -> None:
        painter.setPen(QPen(QColor("#d7dde4")))
        share = (bins.median - bins.low) / ((bins.high - bins.low) or 1.0)
        x = 1 + int(share * width)
        painter.drawLine(x, 6, x, base)
        painter.setPen(QPen(QColor("#9aa4af")))
        left, right, middle = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignHCenter)
        for place, text in (
            (left, f"{bins.low:.4g}"),
            (middle, f"median {bins.median:.4g}"),
            (right, f"{bins.high:.4g}"),
        ):
            painter.drawText(1, base + 3, width, 16, int(place), text)


def _colours(values: NDArray[np.float64], span: tuple[float, float]) -> list[QColor]:
    """The colours that objects with these values have."""
    palette, levels = level_colours(), Levels.by("", np.arange(len(values)), values, span).levels
    return [QColor.fromRgbF(*(float(v) for v in palette[level])) for level in levels]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    return "" if value != value else f"{value:.5g}"

"""Red against green of all nuclei, with a threshold of each as a line that can be dragged. Qt only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QWidget

from ...measurement import FUCCI_STATES
from ..app.fucci_state import Points

LEFT, TOP, RIGHT, BOTTOM = 22, 8, 8, 24
REACH = 6
"""So near to a line or a point (pixels) the mouse takes it."""
_GREY = "#7d8792"


class FucciPlot(QWidget):
    """Both axes are logarithmic; nuclei of other images than the open one are small and dim.

    `moved` tells the colour ("red" or "green") and the value of a line while it is dragged, `released` the same when it
    is let go, `chosen` the label of a nucleus of the open image that is clicked on.
    """

    moved = Signal(str, float)
    released = Signal(str, float)
    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(240)
        self.setMinimumWidth(120)
        self.setMouseTracking(True)
        self.setToolTip("Drag a line to move a threshold. Click on a point to see its nucleus.")
        self._points: Points | None = None
        self._values = (1.0, 1.0)
        self._object = 0
        self._dragged = ""
        self._range = np.array([[0.0, 1.0], [0.0, 1.0]])

    def show_points(self, points: Points, values: tuple[float, float], chosen: int) -> None:
        """Draw other points, thresholds, or another chosen nucleus (its label, 0 for none)."""
        if points is self._points and (values, chosen) == (self._values, self._object):
            return
        if not self._dragged:  # else the plot would run away under the mouse
            self._range = _range(points, values)
        self._points, self._values, self._object = points, values, chosen
        self.update()

    def place(self, marker: str) -> float:
        """Where a line lies in the widget: x of red, y of green."""
        axis = 0 if marker == "red" else 1
        return float(self._placed(axis, np.array([self._values[axis]]))[0])

    # --- the mouse --------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """A line is taken, or a point clicked on."""
        if event is None or event.button() != Qt.MouseButton.LeftButton or self._points is None:
            return
        self._dragged = self._line_at(event.position())
        if not self._dragged and (label := self._nucleus_at(event.position())):
            self.chosen.emit(label)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """The line goes with the mouse."""
        if event is None or self._points is None:
            return
        if self._dragged:
            self.moved.emit(self._dragged, self._value(event.position()))
            return
        shapes = {"red": Qt.CursorShape.SplitHCursor, "green": Qt.CursorShape.SplitVCursor}
        self.setCursor(shapes.get(self._line_at(event.position()), Qt.CursorShape.ArrowCursor))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """It stays where it is let go."""
        dragged, value = self._dragged, self._value(event.position()) if event is not None and self._dragged else 0.0
        self._dragged = ""
        if dragged:
            self.released.emit(dragged, value)

    def _line_at(self, at: QPointF) -> str:
        off = {"red": abs(at.x() - self.place("red")), "green": abs(at.y() - self.place("green"))}
        nearest = min(off, key=lambda marker: off[marker])
        return nearest if off[nearest] <= REACH else ""

    def _nucleus_at(self, at: QPointF) -> int:
        assert self._points is not None
        mine = np.flatnonzero(self._points.mine)
        off = np.hypot(*(self._places()[mine] - (at.x(), at.y())).T)
        off[~np.isfinite(off)] = np.inf
        near = off.size and off.min() <= REACH
        return int(self._points.labels[mine[int(off.argmin())]]) if near else 0

    def _value(self, at: QPointF) -> float:
        """The intensity at a place, of the line that is dragged; inside the plot."""
        axis = 0 if self._dragged == "red" else 1
        first, last = self._span(axis)
        share = np.clip(((at.x() if axis == 0 else at.y()) - first) / (last - first), 0.01, 0.99)
        low, high = self._range[axis]
        return float(10 ** (low + share * (high - low)))

    # --- the picture --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt asks for the picture."""
        points = self._points
        if points is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawImage(0, 0, self._drawn(points))
        painter.setPen(QPen(QColor("#5a6472")))
        area = QRectF(LEFT, TOP, self.width() - LEFT - RIGHT, self.height() - TOP - BOTTOM)
        painter.drawRect(area)
        self._ring(painter, points)
        self._lines(painter, area)
        painter.setPen(QPen(QColor("#9aa4af")))
        below = QRectF(LEFT, self.height() - BOTTOM + 4, area.width(), 18)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), "red (log)")
        for side, value in zip((Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), self._range[0], strict=True):
            painter.drawText(below, int(side), _number(10**value))
        painter.rotate(-90)
        beside = QRectF(TOP + BOTTOM - self.height() - TOP, 2, area.height(), 18)
        painter.drawText(beside, int(Qt.AlignmentFlag.AlignCenter), "green (log)")
        for side, value in zip((Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), self._range[1], strict=True):
            painter.drawText(beside, int(side), _number(10**value))

    def _lines(self, painter: QPainter, area: QRectF) -> None:
        x, y = self.place("red"), self.place("green")
        for marker, colour, ends in (
            ("red", "#ff8f88", (QPointF(x, area.top()), QPointF(x, area.bottom()))),
            ("green", "#7be0a8", (QPointF(area.left(), y), QPointF(area.right(), y))),
        ):
            painter.setPen(QPen(QColor(colour), 2.6 if self._dragged == marker else 1.6))
            painter.drawLine(*ends)
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, at in (("#ff8f88", QPointF(x, area.bottom())), ("#7be0a8", QPointF(area.left(), y))):
            painter.setBrush(QColor(colour))  # a handle says that it can be taken
            painter.drawEllipse(at, 4.5, 4.5)

    def _ring(self, painter: QPainter, points: Points) -> None:
        """Rings round nuclei that a person spoke of, and a larger one round the chosen one."""
        places = self._places()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor("#ffffff"), 1.0))
        for row in np.flatnonzero(points.said & np.isfinite(places).all(axis=1)):
            painter.drawEllipse(QPointF(*places[row]), 4.0, 4.0)
        for row in np.flatnonzero(points.mine & (points.labels == self._object) & np.isfinite(places).all(axis=1)):
            painter.setPen(QPen(QColor("#ffd23f"), 2.0))
            painter.drawEllipse(QPointF(*places[row]), 7.0, 7.0)

    def _drawn(self, points: Points) -> QImage:
        """Points as squares; written into an array, since there may be a hundred thousand."""
        height, width = self.height(), self.width()
        pixels = np.zeros((height, width, 4), np.uint8)
        places = self._places()
        finite = np.isfinite(places).all(axis=1)
        for mine, reach, alpha in ((False, (0, 1), 110), (True, (-1, 0, 1), 255)):
            for number, colour in ((-1, _GREY), *((n, s.colour) for n, s in enumerate(FUCCI_STATES))):
                some = finite & (points.mine == mine) & (points.states == number)
                x, y = np.rint(places[some]).astype(np.int64).T
                shade = QColor(colour)
                for dy in reach:
                    for dx in reach:
                        rows, columns = np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)
                        pixels[rows, columns] = (shade.red(), shade.green(), shade.blue(), alpha)
        return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()

    def _places(self) -> NDArray[np.float64]:
        """Where every nucleus lies in the widget, (N, 2) of x and y; NaN where it has no logarithm."""
        assert self._points is not None
        return np.stack([self._placed(0, self._points.red), self._placed(1, self._points.green)], axis=1)

    def _placed(self, axis: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        first, last = self._span(axis)
        low, high = self._range[axis]
        return np.asarray(first + (_logs(values) - low) / (high - low) * (last - first))

    def _span(self, axis: int) -> tuple[float, float]:
        """The first and last place of an axis."""
        return (LEFT, self.width() - RIGHT) if axis == 0 else (self.height() - BOTTOM, TOP)


def _number(value: float) -> str:
    """As people write intensities: no powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _logs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log10(values, out=np.full(values.shape, np.nan), where=values > 0)


def _range(points: Points, values: tuple[float, float]) -> NDArray[np.float64]:
    """Logarithms at both ends of both axes: all nuclei and thresholds, with some room."""
    ends = []
    for some, threshold in zip((points.red, points.green), values, strict=True):
        logs = _logs(np.append(some, threshold))
        low, high = float(np.nanmin(logs)), float(np.nanmax(logs))
        room = max(0.06 * (high - low), 0.02)
        ends.append((low - room, high + room))
    return np.array(ends)

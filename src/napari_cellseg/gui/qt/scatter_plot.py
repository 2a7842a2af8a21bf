"""Two columns against each other; a loop drawn round points chooses their objects. Qt only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from .widgets import ACCENT

LEFT, TOP, RIGHT, BOTTOM = 8, 8, 8, 22
NONE = np.zeros(0)


class ScatterPlot(QWidget):
    """`chosen` tells the rows inside a loop that the person drew, (N,) rising; all of them after a click."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(190)
        self.setMinimumWidth(120)
        self.setToolTip("Draw a loop round points to choose their objects; a click chooses all again.")
        self._x, self._y, self._names = NONE, NONE, ("", "")
        self._marked: NDArray[np.bool_] | None = None
        self._loop: list[QPointF] = []

    def show_values(
        self, x: NDArray[np.float64], y: NDArray[np.float64], names: tuple[str, str], marked: NDArray[np.bool_] | None
    ) -> None:
        """Draw other points; those that are not `marked` are grey."""
        if x is not self._x or y is not self._y or names != self._names or marked is not self._marked:
            self._x, self._y, self._names, self._marked = x, y, names, marked
            self.update()

    def inside(self, loop: NDArray[np.float64]) -> NDArray[np.int64]:
        """Rows whose points lie in a loop of places in this widget, (N, 2) of x and y."""
        from matplotlib.path import Path

        places = self._places()
        return np.flatnonzero(np.isfinite(places).all(axis=1) & Path(loop).contains_points(places))

    def _places(self) -> NDArray[np.float64]:
        """Where every point lies in the widget, (N, 2) of x and y; NaN where there is a value missing."""
        spans = ((LEFT, self.width() - RIGHT), (self.height() - BOTTOM, TOP))
        return np.stack(
            [_placed(v, first, last) for v, (first, last) in zip((self._x, self._y), spans, strict=True)], axis=1
        )

    # --- the mouse and the picture ------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """A loop begins."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._loop = [event.position()]

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """It goes on."""
        if event is not None and self._loop:
            self._loop.append(event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """It is closed."""
        loop, self._loop = self._loop, []
        self.update()
        if len(loop) > 2:
            self.chosen.emit(self.inside(np.array([(p.x(), p.y()) for p in loop])))
        elif loop:
            self.chosen.emit(np.arange(len(self._x)))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt asks for the picture."""
        painter = QPainter(self)
        painter.drawImage(0, 0, self._drawn())
        painter.setPen(QPen(QColor("#5a6472")))
        painter.drawRect(LEFT - 3, TOP - 3, self.width() - LEFT - RIGHT + 6, self.height() - TOP - BOTTOM + 6)
        painter.setPen(QPen(QColor("#9aa4af")))
        painter.drawText(LEFT + 2, TOP + 10, self._names[1])
        foot = int(Qt.AlignmentFlag.AlignRight)
        painter.drawText(LEFT, self.height() - BOTTOM + 6, self.width() - LEFT - RIGHT, 16, foot, self._names[0])
        if self._loop:
            painter.setPen(QPen(QColor("#ffd23f"), 1.2))
            painter.drawPolygon(QPolygonF(self._loop))

    def _drawn(self) -> QImage:
        """Points as squares of 3 pixels; written into an array, since there may be a hundred thousand."""
        height, width = self.height(), self.width()
        pixels = np.zeros((height, width, 4), np.uint8)
        places = self._places()
        finite = np.isfinite(places).all(axis=1)
        marked = np.ones(len(places), np.bool_) if self._marked is None else self._marked
        for some, colour in ((finite & ~marked, "#5a6472"), (finite & marked, ACCENT)):
            x, y = np.rint(places[some]).astype(np.int64).T
            shade = QColor(colour)
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    rows, columns = np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)
                    pixels[rows, columns] = (shade.red(), shade.green(), shade.blue(), 255)
        return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).copy()


def _placed(values: NDArray[np.float64], first: float, last: float) -> NDArray[np.float64]:
    """Values between two places of the widget."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return np.asarray(first + (values - low) / ((high - low) or 1.0) * (last - first))

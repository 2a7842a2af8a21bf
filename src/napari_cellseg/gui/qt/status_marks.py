"""Small marks for how far an image is: an empty ring, a half-filled one, a disc, a disc with a tick."""

from __future__ import annotations

import re
from functools import cache

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

SIDE = 16
SCALE = 3
"""Pixmaps are drawn this much larger, for screens with small pixels."""
COLOURS = {"not begun": "#7d8792", "predicted": "#f2b134", "corrected": "#3b8ee0", "approved": "#35b779"}
"""Corrected and approved as in the layer of states; the shapes tell them apart without colours, too."""


GLYPHS = {"not begun": "○", "predicted": "◐", "corrected": "●", "approved": "●"}


def legend(summary: str) -> str:
    """Counts of images with the colour of their marks before them, as rich text that breaks between them only."""

    def marked(found: re.Match[str]) -> str:
        n, word = found.groups()
        words = word.replace(" ", "&nbsp;")
        return f"<span style='color: {COLOURS[word]}'>{GLYPHS[word]}</span>&nbsp;{n}&nbsp;{words}"

    return re.sub(rf"(\d+) ({'|'.join(COLOURS)})", marked, summary)


@cache
def mark(word: str) -> QIcon:
    """The mark of a status; an empty icon where it is not known yet."""
    pixmap = QPixmap(SIDE * SCALE, SIDE * SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    if word in COLOURS:
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(SCALE, SCALE)
        _draw(painter, word, QColor(COLOURS[word]))
        painter.end()
    return QIcon(pixmap)


def _draw(painter: QPainter, word: str, colour: QColor) -> None:
    disc = QRectF(3, 3, SIDE - 6, SIDE - 6)
    painter.setPen(QPen(colour, 1.6))
    painter.setBrush(colour if word in ("corrected", "approved") else Qt.BrushStyle.NoBrush)
    painter.drawEllipse(disc)
    if word == "predicted":
        painter.setBrush(colour)
        painter.drawPie(disc, 90 * 16, 180 * 16)
    if word == "approved":
        painter.setPen(QPen(QColor("white"), 1.8))
        painter.drawPolyline(QPolygonF([QPointF(5.2, 8.2), QPointF(7.2, 10.2), QPointF(10.8, 6.0)]))

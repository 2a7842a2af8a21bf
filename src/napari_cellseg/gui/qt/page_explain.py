"""The dock Explain: where a prediction comes from, and why something was found or missed."""

from __future__ import annotations

import html
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QSizePolicy,
    QSpinBox,
    QWidget,
)
from superqt.utils import signals_blocked

from ..app.explained import METHODS, TIPS, ExplainState, MapWanted, Near, Of
from ..app.view import View
from .page import Page, more
from .widgets import ActionButton, heading, hint, row

_OF: dict[str, Of] = {
    "Everything it predicts": "everything",
    "The object of the brush": "object",
    "The class of the brush": "class",
    "The place pointed at last": "point",
    "What is in view": "view",
}


GRID_WIDTH = 330
"""Of pictures of filters: they fit into the narrowest dock."""


class ExplainPage(Page):
    """Maps over the image, and reasons at a place."""

    title = "Explain"
    about = "Why the current model says what it says. No label is changed."

    def build(self) -> None:
        """Make the controls."""
        self.point = ActionButton(
            "Point at a place", "Then click it in the image: why was it found, or missed? Esc ends it.", self._point,
            primary=True,
        )  # fmt: skip
        self.point.setCheckable(True)
        self.answer, self.profile, self.near = QLabel(), ProfilePlot(), QListWidget()
        self.answer.setWordWrap(True)
        self.answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.near.setMaximumHeight(84)
        self.near.setToolTip("Click one to look at it.")
        self.near.itemClicked.connect(lambda _: self._go(self.near.currentRow()))
        self._make_maps()
        self._assemble()
        self._shown: ExplainState | None = None

    def _make_maps(self) -> None:
        """Which map of what, and what goes with it."""
        explaining = self.controller.explaining
        self.method, self.of = QComboBox(), QComboBox()
        for name, text in METHODS.items():
            self.method.addItem(text, name)
            self.method.setItemData(self.method.count() - 1, TIPS[name], Qt.ItemDataRole.ToolTipRole)
        self.of.addItems(list(_OF))
        self.of.setToolTip("Whose answer is explained.")
        self.of.currentIndexChanged.connect(lambda _: self._show_controls())
        self.map = ActionButton("Show map", "Where in the image this prediction comes from.", self._map)
        self.save = ActionButton(
            "Save...", "Write the map, the map over the picture, numbers and filters into a folder.", self._save
        )
        self._make_more()
        self.hide_map = ActionButton("Hide", "Take the map and the words away.", explaining.hide)
        self.legend = hint()

    def _assemble(self) -> None:
        form = QFormLayout()
        form.addRow("Method", self.method)
        form.addRow("Of", self.of)
        self.form.addWidget(heading("Why was this found, or missed?"))
        self.form.addWidget(self.point)
        self.form.addWidget(heading("Where does it come from?"))
        self.form.addLayout(form)
        self.form.addWidget(self.more)
        self.form.addWidget(row(self.map, self.save, self.hide_map))
        self.form.addWidget(self.answer)
        self.form.addWidget(self.legend)
        self.form.addWidget(self.profile)
        for picture in self.grids:
            self.form.addWidget(picture)
        self.like = hint("Most like it; click one to look at it:")
        self.form.addWidget(self.like)
        self.form.addWidget(self.near)

    def _make_more(self) -> None:
        """What most people leave as it is, and what is shown of it."""
        self.layer, self.filters = QLineEdit(), QSpinBox()
        self.layer.setPlaceholderText("last before the 1 x 1")
        self.layer.setToolTip("The layer that Grad-CAM looks at; a wrong name lists some.")
        self.filters.setRange(0, 999)
        self.filters.setSpecialValueText("none")
        self.filters.setToolTip("Also show the filters of this convolution, counted as they are computed.")
        box = QWidget()
        form = QFormLayout(box)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Layer", self.layer)
        form.addRow("Filters of convolution", self.filters)
        self.more = more("More: layer, filters", box)
        self.grids = QLabel(), QLabel()

    def show_view(self, view: View) -> None:
        """Show what was found."""
        shown = view.explain
        self.point.show_control(shown.explain)
        self.point.setChecked(shown.pointing)
        self._show_controls()
        self.hide_map.setVisible(bool(shown.state.title))
        if shown.state is self._shown:
            return
        self._shown = state = shown.state
        text = "".join(f"<p style='margin: 3px 0'>{html.escape(line)}</p>" for line in state.lines)
        self.answer.setText(f"<b>{html.escape(state.title)}</b>{text}" if state.title else "")
        self.answer.setVisible(bool(state.title))
        on, against = shown.colours
        marks = ((on, "for it"), (against, "against it"))
        self.legend.setText(" ".join(f"<span style='color:{c}'>■</span> {text}" for c, text in marks))
        self.legend.setVisible(state.mapped)
        self.profile.show_profile(state)
        self.profile.setVisible(bool(state.profile))
        self._show_grids(state)
        for widget in (self.like, self.near):
            widget.setVisible(bool(state.near))
        with signals_blocked(self.near):
            self.near.clear()
            self.near.addItems([f"object {n.object} of {n.image} ({n.similarity:.2f})" for n in state.near])

    def _point(self) -> None:
        self.controller.tools.choose("" if self.view.explain.pointing else "why")

    def _show_controls(self) -> None:
        """Whether the map of what is chosen can be had."""
        control = self.view.explain.of[_OF[self.of.currentText()]]
        self.map.show_control(control)
        self.save.show_control(control)

    def _show_grids(self, state: ExplainState) -> None:
        for picture, shown in zip_longest(self.grids, state.grids):
            picture.setVisible(shown is not None)
            if shown is not None:
                picture.setToolTip(f"{shown[0]}.")
                picture.setPixmap(_pixmap(shown[1]))

    def _wanted(self) -> MapWanted:
        of = _OF[self.of.currentText()]
        return MapWanted(str(self.method.currentData()), of, self.layer.text(), self.filters.value())

    def _map(self) -> None:
        self.controller.explaining.explain(self._wanted())

    def _save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Write the explanation into")
        if folder:
            self.controller.explaining.explain(self._wanted(), folder)

    def _go(self, line: int) -> None:
        near: tuple[Near, ...] = self.view.explain.state.near
        if 0 <= line < len(near):
            self.controller.explaining.go_to(near[line].image, near[line].centre)


def _pixmap(pixels: NDArray[np.uint8]) -> QPixmap:
    height, width = pixels.shape
    image = QImage(pixels.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(image.copy()).scaledToWidth(GRID_WIDTH, Qt.TransformationMode.SmoothTransformation)


class ProfilePlot(QWidget):
    """Foreground probability along a line through a place."""

    def __init__(self) -> None:
        super().__init__()
        self._values: tuple[float, ...] = ()
        self._here, self._threshold = 0, 0.5
        self.setMinimumHeight(90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Probability from left to right through the place (dashed: from here on it is an object).")

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(300, 90)

    def show_profile(self, state: ExplainState) -> None:
        """Draw another one."""
        self._values, self._here, self._threshold = state.profile, state.here, state.threshold
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw it."""
        if not self._values:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, top, width, height = 24, 6, self.width() - 30, self.height() - 22

        def place(share: float, value: float) -> QPointF:
            return QPointF(left + share * width, top + (1 - value) * height)

        painter.setPen(QPen(QColor("#5b6570")))
        painter.drawLine(place(0, 0), place(1, 0))
        painter.drawText(QPointF(2, top + 8), "1")
        painter.drawText(QPointF(2, top + height), "0")
        last = max(len(self._values) - 1, 1)
        here = place(self._here / last, 0)
        painter.drawText(QPointF(min(max(here.x() - 12, left), left + width - 26), top + height + 14), "here")
        painter.drawLine(here, place(self._here / last, 1))
        painter.setPen(QPen(QColor("#e6c229"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(place(0, self._threshold), place(1, self._threshold))
        painter.setPen(QPen(QColor("#7fd6a8"), 2))
        painter.drawPolyline(QPolygonF([place(n / last, v) for n, v in enumerate(self._values)]))
        painter.end()

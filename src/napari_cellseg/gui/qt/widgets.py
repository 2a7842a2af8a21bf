"""Small parts that every dock shares: buttons that say why they are off, status, error and progress. Qt only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QPointF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...images import is_remote
from ..app.items import Control
from ..app.session import Curve, Histogram, Offer, Way
from ..app.view import View

ACCENT = "#3b8ee0"
READ_MASKS = "Masks (*.tif *.tiff *.png *.zip *.roi *.json *.geojson *.xml *_seg.npy *.npy);;All files (*)"
"""What a dialog offers that opens masks of any tool."""


PRIMARY = (
    f"QPushButton:enabled {{ background: {ACCENT}; color: white; font-weight: 600; }}"
    "QPushButton:enabled:hover { background: #57a2ea; }"
)


_PROBLEM, _NOTICE = (f"#message {{ background: {c}; border-radius: 4px; }}" for c in ("#7a2f2f", "#5c5122"))


WAYS: dict[Way, tuple[str, str]] = {
    "locate": ("Locate...", "Say where the picture is now."),
    "save": ("Save elsewhere...", "Go on in another folder; nothing is lost."),
    "recover": ("Recover", "Put the project together from all that is left; the damaged file is kept."),
    "folder": ("Choose a folder...", "Make the project there; the pictures stay where they are."),
    "own project": ("Make a project of its own...", "Choose its folder; the open project is closed."),
    "add anyway": ("Add anyway", "Add it to the open project."),
    "here": ("Use this computer", "Let this computer compute, and not the engine on the other one."),
}
"""What the button of a way out says, and what it does."""


def restyle(widget: QWidget, sheet: str) -> None:
    """Set a style sheet where it is another one: Qt works it out again for all inside, even where it is the same."""
    if widget.styleSheet() != sheet:
        widget.setStyleSheet(sheet)


class ActionButton(QPushButton):
    """A button whose tooltip says what it does, or why it cannot do it now."""

    def __init__(self, text: str, tip: str, action: Callable[[], None], *, primary: bool = False) -> None:
        super().__init__(text)
        self._tip = tip
        self.setToolTip(tip)
        self.clicked.connect(lambda: action())
        self.setObjectName(text)
        self._primary = False
        if primary:
            self.setMinimumHeight(34)
            self.set_primary(True)

    def set_primary(self, primary: bool) -> None:
        """Whether this is what a person will most likely want to press."""
        if primary != self._primary:
            self._primary = primary
            self.setStyleSheet(PRIMARY if primary else "")

    def setToolTip(self, text: str | None) -> None:
        """Say what it does, where that is not said already: napari looks at every change of a tooltip in Python."""
        if text != self.toolTip():
            super().setToolTip(text)

    def show_control(self, control: Control) -> None:
        """Switch on or off, with the reason."""
        self.setEnabled(control.enabled)
        self.setToolTip(self._tip if control.enabled else f"{self._tip}\n\nOff: {control.reason}")


class WordyButton(ActionButton):
    """A button whose words change; what does not fit is cut at the end, and told by the tooltip."""

    def show_words(self, words: str, tip: str) -> None:
        """Say something else."""
        self._words, self._tip = words, tip
        self._fit()

    def _fit(self) -> None:
        words = getattr(self, "_words", self.text())
        self.setText(self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, self.width() - 14))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """There is more or less room."""
        super().resizeEvent(event)
        self._fit()


class DropArea(QLabel):
    """A place that files, folders and addresses are dropped on; `dropped` tells their paths."""

    dropped = Signal(list)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setAcceptDrops(True)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumHeight(72)
        self._mark(over=False)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Something is dragged over it."""
        if event is not None and _files(event):
            self._mark(over=True)
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """It was dragged on."""
        self._mark(over=False)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """It was dropped."""
        self._mark(over=False)
        if event is not None and (paths := _files(event)):
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def _mark(self, *, over: bool) -> None:
        colour = ACCENT if over else "#5a6472"
        restyle(self, f"QLabel {{ border: 2px dashed {colour}; border-radius: 6px; color: #9aa4af; }}")


def _files(event: QDropEvent) -> list[str]:
    """The local files of a drag, and addresses of pictures as a browser has them."""
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    local = [url.toLocalFile() for url in urls if url.isLocalFile()]
    return local + [url.toString() for url in urls if is_remote(url.toString())]


def hint(text: str = "") -> QLabel:
    """A wrapping line of quiet text."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setStyleSheet("color: #9aa4af;")
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label


def heading(text: str) -> QLabel:
    """The title of a group of controls."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: 600; padding-top: 4px;")
    return label


def row(*widgets: QWidget, first: int = 1) -> QWidget:
    """Widgets side by side, sharing the width; the first may have several shares."""
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget, first if widget is widgets[0] else 1)
        if isinstance(widget, QPushButton):  # they share what there is; none makes the dock wider
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box


def items(widget: QListWidget) -> list[Any]:
    """All items of a list."""
    return [widget.item(n) for n in range(widget.count())]


class StatusBar(QWidget):
    """What happens now: status, progress with the time left, Cancel; errors and notices stay until read."""

    cancelled = Signal()
    dismissed = Signal()
    restart = Signal()
    taken = Signal(object)
    """An `Offer` that the person takes."""

    def __init__(self) -> None:
        super().__init__()
        self.status = hint()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.remaining = hint()
        self.cancel = ActionButton("Cancel", "End the running job; what is finished stays.", self.cancelled.emit)
        self._job = row(self.bar, self.remaining, self.cancel)
        self._again = ActionButton("Restart engine", "End it and start a new one.", self.restart.emit)
        self._offers: dict[Way, Offer] = {}
        self._ways = {way: ActionButton(*text, partial(self._take, way)) for way, text in WAYS.items()}
        self._frame, self._message = self._make_frame()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self._frame, self.status, self._job):
            layout.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Show what a view says."""
        self.status.setText(view.progress.text if view.progress else view.status)
        self._job.setVisible(view.progress is not None)
        if view.progress is not None:
            known = view.progress.done > 0
            self.bar.setUpdatesEnabled(False)  # else Qt paints the whole window at once, not with the next picture
            self.bar.setRange(0, 1000 if known else 0)
            self.bar.setValue(int(view.progress.done * 1000))
            self.bar.setUpdatesEnabled(True)
            self.remaining.setText(view.remaining)
        self.cancel.show_control(view.cancel)
        self._show_frame(view)

    def _show_frame(self, view: View) -> None:
        problem = view.problem
        self._frame.setVisible(problem is not None or bool(view.notice or view.silent))
        if problem is not None:
            self._message.setText(f"<b>{problem.message}</b><br>{problem.hint}")
            self._message.setToolTip(problem.details)
        else:
            self._message.setText(view.silent or view.notice)
        self._again.setVisible(problem is None and bool(view.silent))
        restyle(self._frame, _PROBLEM if problem is not None else _NOTICE)
        self._offers = {offer.way: offer for offer in (problem.offers if problem else ())}
        for way, button in self._ways.items():
            button.setVisible(way in self._offers)

    def _take(self, way: Way) -> None:
        self.taken.emit(self._offers[way])

    def _make_frame(self) -> tuple[QFrame, QLabel]:
        frame, message, close = QFrame(), QLabel(), QToolButton()
        frame.setObjectName("message")
        message.setWordWrap(True)
        message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close.setText("✕")
        close.setToolTip("I have read this.")
        close.clicked.connect(lambda: self.dismissed.emit())
        inner = QVBoxLayout()
        for widget in (message, self._again, *self._ways.values()):
            inner.addWidget(widget)
        layout = QHBoxLayout(frame)
        layout.addLayout(inner, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        return frame, message


FIGURES = {
    "loss": "Loss", "accuracy": "Accuracy", "iou": "IoU", "f1": "F1 (Dice)", "precision": "Precision",
    "recall": "Recall",
}  # fmt: skip
"""What can be plotted of a training, as people call it."""
_LEARNT, _HELD = ACCENT, "#f2b134"


class CurvePlot(QWidget):
    """A figure of a training against seconds: held out as dots, learnt from as a line; of the loss every step."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(120)
        self._curve, self._figure = Curve(), "loss"
        self._tell()

    def show_curve(self, curve: Curve) -> None:
        """Draw another curve."""
        if curve != self._curve:
            self._curve = curve
            self.update()

    def show_figure(self, name: str) -> None:
        """Draw another figure, a key of `FIGURES`."""
        self._figure = name
        self._tell()
        self.update()

    def _tell(self) -> None:
        loss = self._figure == "loss"
        better = "lower is better" if loss else "of the foreground, pixel by pixel; higher is better"
        what = "the patches of every step" if loss else "patches that are learnt from"
        self.setToolTip(f"{FIGURES[self._figure]} on {what} (line) and on held-out corrections (dots); {better}.")

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt asks for the picture."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.rect().adjusted(0, 6, -1, -20)  # in line with what is above and below
        painter.setPen(QPen(QColor("#5a6472")))
        painter.drawRect(area)
        learnt, held = self._curve.points(self._figure)
        line = list(self._curve.training) if self._figure == "loss" else learnt
        name = FIGURES[self._figure]
        if not (line or held):
            text = f"The {name.split(' ')[0].lower() if self._figure != 'iou' else name} appears here while training."
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, text)
            return
        right = max(p[0] for p in line + held) or 1.0
        top = (max(p[1] for p in line + held) or 1.0) if self._figure == "loss" else 1.0

        def place(point: tuple[float, float]) -> QPointF:
            return QPointF(
                area.left() + point[0] / right * area.width(), area.bottom() - point[1] / top * area.height()
            )

        self._write_below(painter, f"{name}, 0 to {top:.2f}", f"{right:.0f} s")
        every = max(1, len(line) // max(1, area.width()))  # no more points than pixels
        painter.setPen(QPen(QColor(_LEARNT), 1.2))
        painter.drawPolyline(QPolygonF([place(p) for p in line[::every]]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_HELD))
        for point in held:
            painter.drawEllipse(place(point), 3, 3)

    def _write_below(self, painter: QPainter, left: str, right: str) -> None:
        below = self.rect().adjusted(0, self.height() - 18, -1, 0)
        painter.setPen(QPen(QColor("#9aa4af")))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, left)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, right)


class HistogramPlot(QWidget):
    """Intensities of the visible field before (grey) and after (blue) preprocessing, each over its own range."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(96)
        self._histogram = Histogram()
        self.setToolTip("How often each intensity occurs in the visible field: before in grey, after in blue.")

    def show_histogram(self, histogram: Histogram) -> None:
        """Draw another histogram."""
        if histogram != self._histogram:
            self._histogram = histogram
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt asks for the picture."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        h, half = self._histogram, (self.width() - 10) // 2
        for x, shares, span, name, colour in (
            (0, h.before, h.before_range, "before", "#9aa4af"),
            (half + 10, h.after, h.after_range, "after", ACCENT),
        ):
            painter.setPen(QPen(QColor("#5a6472")))
            painter.drawLine(x, 74, x + half, 74)
            painter.setPen(QPen(QColor("#9aa4af")))
            painter.drawText(x, 90, f"{span[0]:.3g}" if shares else "")
            painter.drawText(x, 78, half, 16, int(Qt.AlignmentFlag.AlignRight), f"{span[1]:.3g}" if shares else "")
            painter.drawText(x, 78, half, 16, int(Qt.AlignmentFlag.AlignHCenter), name)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            for n, share in enumerate(shares):
                left, right = x + n * half // len(shares), x + (n + 1) * half // len(shares)
                height = int(70 * share**0.5)  # the root, so that rare intensities are seen
                painter.drawRect(left, 74 - height, max(1, right - left - 1), height)

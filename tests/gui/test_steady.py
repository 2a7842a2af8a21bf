"""What must not move while somebody looks at it."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from napari_cellseg.gui.app.session import Curve
from napari_cellseg.gui.qt.widgets import FIGURES, CurvePlot
from napari_cellseg.gui.qt.workbench import _scrolling


@pytest.fixture
def page(qtbot) -> tuple[QWidget, QLabel]:
    inner, label = QWidget(), QLabel("a long text that wraps " * 6)
    label.setWordWrap(True)
    QVBoxLayout(inner).addWidget(label)
    area = _scrolling(inner)
    qtbot.addWidget(area)
    area.resize(300, 200)
    area.show()
    return area, label


def test_a_page_is_as_wide_with_something_to_scroll_as_without(page, qtbot):
    area, label = page
    qtbot.waitExposed(area)
    QApplication.processEvents()
    width = label.width()
    assert area.verticalScrollBar().maximum() == 0
    label.setMinimumHeight(900)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 0, timeout=600_000)
    assert label.width() == width


def test_the_frame_of_the_loss_is_in_line_with_what_is_around_it(qtbot):
    plot = CurvePlot()
    qtbot.addWidget(plot)
    plot.resize(300, 120)
    for curve in (Curve(), Curve(((1.0, 2.0), (2.0, 1.0)))):
        plot.show_curve(curve)
        image = plot.grab().toImage()
        empty, frame = image.pixelColor(150, 2), image.pixelColor(0, 50)
        assert frame != empty  # the left edge of the frame is the edge of the widget


def test_any_figure_of_a_training_can_be_plotted(qtbot):
    plot = CurvePlot()
    qtbot.addWidget(plot)
    plot.resize(300, 140)
    held = tuple((float(n), {"loss": 1.0 - n / 10, "f1": n / 10}) for n in range(1, 9))
    plot.show_curve(Curve(((1.0, 2.0), (8.0, 1.0)), held, held))
    seen = []
    for name in FIGURES:
        plot.show_figure(name)
        image = plot.grab().toImage()
        colours = (image.pixelColor(x, y) for x in range(300) for y in range(140))
        seen.append(sum(c.red() > 230 and c.blue() < 70 for c in colours))  # dots; a screen may have few colours
        assert FIGURES[name] in plot.toolTip()
    assert seen[0] > 50
    assert seen[list(FIGURES).index("f1")] > 50
    assert seen[list(FIGURES).index("recall")] == 0  # not noted, so nothing is drawn

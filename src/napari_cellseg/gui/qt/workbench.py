"""The Workbench: all steps in one dock, and every step as a dock of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QSize
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from ..app.controller import Controller
from ..app.preferences import preferences
from ..app.session import Offer
from ..app.view import View
from ..app.view_updates import Part
from .page import Page
from .page_correct import CorrectPage
from .page_explain import ExplainPage
from .page_finetune import FineTunePage
from .page_guidelines import GuidelinesPage
from .page_image import ImagePage
from .page_measure import MeasurePage
from .page_predict import PredictPage
from .page_preprocess import PreprocessPage
from .page_rounds import RoundsPage
from .plane_buttons import PlaneButtons
from .task_status import TaskStatus
from .ticker import Ticker
from .time_slider import TimeSlider
from .widgets import StatusBar, hint, restyle

if TYPE_CHECKING:
    import napari

PAGES: tuple[type[Page], ...] = (
    ImagePage, PreprocessPage, PredictPage, CorrectPage, FineTunePage, RoundsPage, MeasurePage,
)  # fmt: skip
_controllers: WeakKeyDictionary[object, Controller] = WeakKeyDictionary()
_tasks: WeakKeyDictionary[object, TaskStatus] = WeakKeyDictionary()


def controller_of(viewer: napari.Viewer) -> Controller:
    """The one controller of a viewer: docks opened separately share it."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins get a proxy, a new one each time
    if viewer not in _controllers:
        controller = Controller(viewer)
        _controllers[viewer] = controller
        controller.start(preferences())
        ticker = Ticker(controller, QApplication.instance())
        _tasks[viewer] = TaskStatus(viewer, controller)

        def close() -> None:
            ticker.stop()
            if _controllers.pop(viewer, None) is not None:
                controller.close(window_gone=True)

        viewer.window._qt_window.destroyed.connect(close)
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(close)
    return _controllers[viewer]


_QUIET_BAR = (
    "QScrollBar:vertical:disabled { background: transparent; border: none; }"
    "QScrollBar::handle:vertical:disabled, QScrollBar::add-line:vertical:disabled, "
    "QScrollBar::sub-line:vertical:disabled, QScrollBar::up-arrow:vertical:disabled, "
    "QScrollBar::down-arrow:vertical:disabled "
    "{ background: transparent; border: none; image: none; }"
)
"""A scroll bar that has nothing to scroll is not seen."""
_STEP_COLOURS = {"done": "#7fd6a8", "locked": "#7d8792"}


class Dock(QWidget):
    """A dock that follows the session: pages above, status below."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.status = StatusBar()
        self.status.cancelled.connect(controller.cancel)
        self.status.dismissed.connect(controller.dismiss)
        self.status.restart.connect(controller.restart_engine)
        self.status.taken.connect(self._take)
        self.setMinimumWidth(330)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        views = controller.views
        views.changed.connect(self.show_view)
        self.destroyed.connect(lambda: views.changed.disconnect(self.show_view, missing_ok=True))
        self._parts = [Part(self.status.show_view)]

    def sizeHint(self) -> QSize:
        """The width the design asks for."""
        return QSize(380, 640)

    def show_view(self, view: View) -> None:
        """Show a view."""
        for part in self._parts:
            part(view)

    def _take(self, offer: Offer) -> None:
        """Do what was offered beside an error."""
        match offer.way:
            case "locate":
                path, _ = QFileDialog.getOpenFileName(self, f"Where is the picture of {offer.of[0]}?")
                if path:
                    self.controller.relocate(offer.of[0], path)
            case "save":
                path, _ = QFileDialog.getSaveFileName(self, "Save the project as", "", "Project (*.cellseg)")
                if path:
                    self.controller.save_elsewhere(path)
            case "recover":
                self.controller.recover_project(offer.of[0])
            case "here":
                self.controller.compute_on("")
            case "folder" | "own project":
                folder = QFileDialog.getExistingDirectory(self, "Where should the project folder go?")
                if folder:
                    self.controller.dismiss()
                    self.controller.open_images(offer.of, folder)
            case "add anyway":
                self.controller.dismiss()
                self.controller.open_images(offer.of, anyway=True)


class StepDock(Dock):
    """One step as a dock of its own."""

    page_type: type[Page]

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(controller_of(napari_viewer))
        self.page = self.page_type(self.controller)
        layout = QVBoxLayout(self)
        layout.addWidget(_scrolling(self.page), 1)
        layout.addWidget(self.status)
        self._parts.append(Part(self.page.show_view))
        self.show_view(self.controller.views.newest)


class Workbench(Dock):
    """All steps in order; the next sensible one is marked."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(controller_of(napari_viewer))
        self.project = QLabel()
        self.project.setStyleSheet("font-weight: 600;")
        self.saved = QLabel()
        self.saved.setToolTip("Every stroke is on disk as soon as it is drawn.")
        self.position = QLabel()
        self.back, self.forward = self._arrow("◀", -1), self._arrow("▶", 1)
        self.channel = QComboBox()
        self.channel.setToolTip(
            "The channels that are shown: all in colour, or one in grey, which the preview and tools look at. Colours "
            "and contrast: select the channel's layer. The network sees all channels, or one: step Pick a channel."
        )
        self.channel.activated.connect(self._channel_chosen)
        self.time, self.plane = TimeSlider(self.controller), PlaneButtons(self.controller)
        self.tabs, self.stack = QTabBar(), QStackedWidget()
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(False)
        self.tabs.setElideMode(self.tabs.elideMode().ElideNone)
        self.tabs.setStyleSheet("QTabBar::tab { padding: 5px 3px; min-width: 0; }")
        self.pages = [page(self.controller) for page in PAGES]
        for page in self.pages:
            self.tabs.addTab(page.title)
            self.stack.addWidget(_scrolling(page))
        self.tabs.currentChanged.connect(self.stack.setCurrentIndex)
        self.tabs.currentChanged.connect(lambda _: self._show_steps(self.controller.views.newest))
        self.model = QComboBox()
        self.model.setToolTip("The model that predicts, and that the next fine-tuning starts from.")
        self.model.activated.connect(self._model_chosen)
        self.engine = hint()
        self._assemble()
        shown = (self._show_frame, self.time.show_view, self.plane.show_view, *(page.show_view for page in self.pages))
        self._parts += [Part(show) for show in shown]
        self.show_view(self.controller.views.newest)

    def _show_frame(self, view: View) -> None:
        """What stands above and below the pages."""
        self.project.setText(view.project)
        self.saved.setText(view.saved)
        restyle(self.saved, "color: #e5534b; font-weight: 600;" if view.gone else "color: #35b779;")
        self.position.setText(view.image_position)
        for arrow in (self.back, self.forward):
            arrow.setVisible(len(view.images) > 1)
        self._show_channels(view)
        self._show_models(view)
        self.engine.setText(view.engine)
        self._show_steps(view)

    def _show_steps(self, view: View) -> None:
        """Steps that are done are green, the next sensible one has a dot; what must wait is grey and says why."""
        for n, page in enumerate(self.pages):
            step = view.steps[page.title]
            title = f"{page.title} •" if step.state == "next" else page.title
            if self.tabs.tabText(n) != title:  # else Qt lays all tabs out again
                self.tabs.setTabText(n, title)
            self.tabs.setTabToolTip(n, {"done": "Done.", "next": "This comes next."}.get(step.state, step.reason))
            chosen = n == self.tabs.currentIndex()  # white on blue; other colours could not be read there
            colour = QColor("" if chosen else _STEP_COLOURS.get(step.state, ""))
            if self.tabs.tabTextColor(n) != colour:
                self.tabs.setTabTextColor(n, colour)

    def open_step(self, title: str) -> None:
        """Bring a step to the front."""
        self.tabs.setCurrentIndex([p.title for p in self.pages].index(title))

    def page(self, title: str) -> Page:
        """A step's page."""
        return next(p for p in self.pages if p.title == title)

    def _show_channels(self, view: View) -> None:
        self.channel.setVisible(bool(view.channels))
        with signals_blocked(self.channel):
            if [self.channel.itemText(n) for n in range(self.channel.count())] != [c.text for c in view.channels]:
                self.channel.clear()
                for item in view.channels:
                    self.channel.addItem(item.text, item.key)
            self.channel.setCurrentIndex(self.channel.findData(view.channel))

    def _channel_chosen(self, index: int) -> None:
        self.controller.projects.select_channel(int(self.channel.itemData(index)))

    def _show_models(self, view: View) -> None:
        model: Any = self.model.model()
        with signals_blocked(self.model):
            self.model.clear()
            if not view.current_model:
                self.model.addItem("no model yet", "")
            for item in view.models:
                self.model.addItem(f"model {item.text}", item.key)
                entry = model.item(self.model.count() - 1)
                if item.off and entry is not None:
                    entry.setEnabled(False)
                    entry.setToolTip(item.off)
            self.model.setCurrentIndex(max(0, self.model.findData(view.current_model)))
        self.model.setEnabled(bool(view.models) and not view.cancel.enabled)

    def _model_chosen(self, index: int) -> None:
        if id := self.model.itemData(index):
            self.controller.use_model(str(id))

    def _arrow(self, text: str, by: int) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setAutoRaise(True)
        button.setToolTip("Previous image" if by < 0 else "Next image")
        button.clicked.connect(lambda: self.controller.step_image(by))
        return button

    def _assemble(self) -> None:
        top, foot = QHBoxLayout(), QHBoxLayout()
        left: tuple[QWidget, ...] = (self.project, self.saved)
        right: tuple[QWidget, ...] = (self.back, self.position, self.forward, self.channel)
        for widget in left:
            top.addWidget(widget)
        top.addStretch(1)
        for widget in right:
            top.addWidget(widget)
        self.model.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.model.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.engine.setWordWrap(False)
        foot.addWidget(self.model)
        foot.addStretch(1)
        foot.addWidget(self.engine)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self.plane)
        layout.addWidget(self.time)
        layout.addWidget(self.tabs)
        layout.addWidget(self.stack, 1)
        layout.addWidget(_rule())
        layout.addWidget(self.status)
        layout.addLayout(foot)


class ImageDock(StepDock):
    """Project and images."""

    page_type = ImagePage


class PreprocessDock(StepDock):
    """What the network sees."""

    page_type = PreprocessPage


class PredictDock(StepDock):
    """Masks from the current model."""

    page_type = PredictPage


class CorrectDock(StepDock):
    """Brush, tools, approval."""

    page_type = CorrectPage


class FineTuneDock(StepDock):
    """One click to learn."""

    page_type = FineTunePage


class RoundsDock(StepDock):
    """Keep or roll back."""

    page_type = RoundsPage


class MeasureDock(StepDock):
    """The table of objects."""

    page_type = MeasurePage


class ExplainDock(StepDock):
    """Why the model says what it says."""

    page_type = ExplainPage


class GuidelinesDock(StepDock):
    """The project's annotation rules beside the image."""

    page_type = GuidelinesPage


def _scrolling(page: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(area.horizontalScrollBarPolicy().ScrollBarAlwaysOff)
    # its place is kept: where it came and went, texts would wrap otherwise and the page jump, and with it the bar
    area.setVerticalScrollBarPolicy(area.verticalScrollBarPolicy().ScrollBarAlwaysOn)
    area.setStyleSheet(_QUIET_BAR)
    area.setWidget(page)
    return area


def _rule() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setStyleSheet("color: #4a5260;")
    return line

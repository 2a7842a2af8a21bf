"""Part of the step Rounds: labels that the model denies after it has learnt them."""

from __future__ import annotations

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from ..app.controller import Controller
from ..app.items import Item
from ..app.view import View
from .widgets import ActionButton, hint

_ABOUT = (
    "Where the model in use disagrees most with the labels it learnt from: some are hard to see, some are slips. "
    "Choose one to see it, and mend it in the step Correct."
)


class TrainingPlacesPanel(QWidget):
    """Find them, and go from one to the next."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # else texts are cut
        self._go = controller.places.go
        self._shown: tuple[Item, ...] = ()
        self.search = ActionButton(
            "Find label errors", "Predict the images that the model learnt from, and compare.", controller.places.find
        )
        self.list = QListWidget()
        self.list.setFixedHeight(120)
        self.list.currentRowChanged.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (hint(_ABOUT), self.search, self.list):
            layout.addWidget(widget)

    def show_view(self, view: View) -> None:
        """List the places, the worst first; what was edited since is quiet."""
        self.search.show_control(view.find_places)
        self.list.setVisible(bool(view.places))
        if view.places == self._shown:
            return
        row = self.list.currentRow() if len(view.places) == len(self._shown) else -1
        self._shown = view.places
        with signals_blocked(self.list):
            self.list.clear()
            for n, place in enumerate(view.places, 1):
                line = QListWidgetItem(f"{n}. {place.text}" + (f" ({place.mark})" if place.mark else ""))
                line.setToolTip(place.tip)
                if place.mark:
                    line.setForeground(QColor("#7d8792"))
                self.list.addItem(line)
            self.list.setCurrentRow(row)

    def _choose(self, row: int) -> None:
        if row >= 0:
            self._go(row)

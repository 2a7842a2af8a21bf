"""What can be done to an image of the project: rename, what it is for, remove, restore."""

from __future__ import annotations

from functools import partial
from typing import get_args

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLineEdit, QListWidget, QMenu, QToolButton, QToolTip

from ...project import Split
from ..app.controller import Controller
from ..app.view import View

SPLITS: dict[Split, str] = {
    "train": "Learn from it",
    "val": "Let it judge (never learnt from)",
    "test": "Only measure with it (test)",
}
"""What an image is for, as a person says it."""


class ImageMenu(QToolButton):
    """A button whose menu changes the open image, or the one of a list that is clicked with the right button."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.setText("This image ▾")
        self.setToolTip("Rename or remove it, say what it is for, or restore one that was removed.")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self._menu.aboutToShow.connect(lambda: self.fill(self._menu, self._view.entry))
        self.setMenu(self._menu)
        self.name = QLineEdit()
        self.name.setVisible(False)
        self.name.setPlaceholderText("new name, then Enter; Esc leaves it")
        self.name.returnPressed.connect(self._rename)
        self.name.editingFinished.connect(lambda: self.name.setVisible(False))
        self._renaming = ""

    @property
    def _view(self) -> View:
        return self.controller.views.newest

    def follow(self, listed: QListWidget) -> None:
        """Open with the right button on a list, too."""
        listed.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        listed.customContextMenuRequested.connect(partial(self._asked, listed))

    def show_view(self, view: View) -> None:
        """It is there as long as there is something to change."""
        self.setVisible(bool(view.images or view.removed))
        self.setEnabled(view.change_images.enabled)
        reason = "" if view.change_images.enabled else f"\n\nOff: {view.change_images.reason}"
        self.setToolTip(f"Rename or remove it, say what it is for, or restore one that was removed.{reason}")

    def fill(self, menu: QMenu, id: str) -> None:
        """The entries for an image ("": none) and what can be restored."""
        menu.clear()
        changes, view = self.controller.images, self._view
        if id in view.splits:
            menu.addAction(f"Rename {id}...", lambda: self._ask_name(id))
            for split in get_args(Split):
                entry = menu.addAction(SPLITS[split], partial(changes.move, id, split))
                if entry is not None:
                    entry.setCheckable(True)
                    entry.setChecked(view.splits[id] == split)
            if (found := changes.joinable(id)) is not None:
                name, ids = found
                menu.addAction(f"Make one time series: {name} ({len(ids)} frames)", partial(changes.join, name, ids))
            menu.addSeparator()
            goes = changes.what_goes(id) or "it cannot be read"
            gone = menu.addAction(f"Remove {id} ({goes})", partial(changes.remove, id))
            if gone is not None:
                gone.setToolTip("What was made of it is kept in the project and can be restored; its picture stays.")
        for item in view.removed:
            menu.addAction(f"Restore {item.text} ({item.detail})", partial(changes.restore, item.key))
        for entry in menu.actions():
            entry.setEnabled(view.change_images.enabled)

    def _asked(self, listed: QListWidget, place: QPoint) -> None:
        item = listed.itemAt(place)
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.fill(menu, str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else "")
        menu.popup(listed.mapToGlobal(place))

    def _ask_name(self, id: str) -> None:
        self._renaming = id
        self.name.setText(id)
        self.name.setVisible(True)
        self.name.selectAll()
        self.name.setFocus()
        QToolTip.showText(self.name.mapToGlobal(self.name.rect().bottomLeft()), f"Another name for {id}", self.name)

    def _rename(self) -> None:
        self.name.setVisible(False)
        if self._renaming and self.name.text().strip() != self._renaming:
            self.controller.images.rename(self._renaming, self.name.text())
        self._renaming = ""

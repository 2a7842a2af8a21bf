"""Step 1: a project and its images."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QComboBox, QFileDialog, QListWidget, QListWidgetItem
from superqt.utils import signals_blocked

from .pages import Page
from .resolve import Item, View
from .widgets import ActionButton, heading, hint, row

_PICTURES = "Pictures (*.tif *.tiff *.png *.jpg *.jpeg *.bmp *.npy);;All files (*)"


class ImagePage(Page):
    """Open or make a project, add images, choose one."""

    title = "Image"
    about = "A project is a folder that keeps every correction and model. Pictures stay where they are."

    def build(self) -> None:
        """Make the controls."""
        self.layers = QComboBox()
        self.layers.setToolTip("Images that are open in napari and not in the project yet.")
        self.use = ActionButton(
            "Use this image", "Work on this image; a project is made beside its file.", self._use, primary=True
        )
        self.none = hint("Open an image in napari (File > Open, or drop it on the window), or:")
        self.new = ActionButton("New project...", "Make an empty project folder.", self._new)
        self.open = ActionButton("Open project...", "Open a folder NAME.cellseg.", self._open)
        self.add = ActionButton("Add images...", "Refer to more pictures; they are not copied.", self._add)
        self.list = QListWidget()
        self.list.setMinimumHeight(120)
        self.list.setToolTip("Images of the project; click one to open it.")
        self.list.currentItemChanged.connect(self._chosen)
        self._shown: tuple[Item, ...] = ()
        for widget in (self.none, self.layers, self.use, row(self.new, self.open), heading("Images of the project")):
            self.form.addWidget(widget)
        self.form.addWidget(self.list)
        self.form.addWidget(self.add)

    def show_view(self, view: View) -> None:
        """Show the images."""
        names = [self.layers.itemText(i) for i in range(self.layers.count())]
        if names != list(view.open_images):
            self.layers.clear()
            self.layers.addItems(list(view.open_images))
        for widget in (self.layers, self.use):
            widget.setVisible(bool(view.open_images))
        self.none.setVisible(not view.open_images and view.project == "No project")
        self.add.show_control(view.needs_project)
        with signals_blocked(self.list):
            if self._shown != view.images:
                self._shown = view.images
                self.list.clear()
                for item in view.images:
                    entry = QListWidgetItem(f"{item.text}   ({item.detail})")
                    entry.setData(256, item.key)
                    self.list.addItem(entry)
            keys = [i.key for i in view.images]
            self.list.setCurrentRow(keys.index(view.image) if view.image in keys else -1)

    def _use(self) -> None:
        name = self.layers.currentText()
        folder = None
        layer = self.controller.viewer.layers[name]
        if not layer.source.path and self.controller.session.project is None:
            folder = QFileDialog.getExistingDirectory(self, "Where shall the project folder be made?")
            if not folder:
                return
        self.controller.use_layer(name, folder)

    def _new(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "New project", "cells.cellseg")
        if path:
            self.controller.new_project(path)

    def _open(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder NAME.cellseg")
        if path:
            self.controller.open_project(path)

    def _add(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add images", "", _PICTURES)
        if paths:
            self.controller.add_images([Path(p) for p in paths])

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.controller.select_image(str(item.data(256)))

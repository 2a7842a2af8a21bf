"""Step 1: a project and its images."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from ...images import LABEL_FORMATS, endings
from ..app.items import Item
from ..app.view import View
from .image_menu import ImageMenu
from .page import Page, more
from .panel_survey import DescribePanel, SelectPanel
from .recent_list import RecentList
from .status_marks import legend, mark
from .widgets import ActionButton, DropArea, heading, hint, items, row

_INSIDE = "inside"
"""Of the formats of Export all: no file, but labels/ of the images themselves."""


class ImagePage(Page):
    """Open or make a project, add images, choose one."""

    title = "Image"
    about = "A project is a folder that keeps every correction and model. Pictures stay where they are."

    def build(self) -> None:
        """Make the controls."""
        self._with_project: list[QWidget] = []
        self.layers = QComboBox()
        self.layers.setToolTip("Images that are open in napari and not in the project yet.")
        self.use = ActionButton(
            "Use this image", "Work on this image; a project is made beside its file.", self._use, primary=True
        )
        self.begin = ActionButton(
            "Open images...", "Choose pictures; a project folder is made beside them.", self._begin, primary=True
        )
        self.drop = DropArea("or drop pictures, their addresses, or a project folder, here")
        self.drop.dropped.connect(self.controller.open_images)
        self.new = ActionButton("New project...", "Make an empty project folder.", self._new)
        self.open = ActionButton("Open project...", "Open a folder NAME.cellseg.", self._open)
        self.add = ActionButton("Add images...", "Refer to more pictures; they are not copied.", self._add)
        self.list = QListWidget()
        self.list.setMinimumHeight(120)
        self.list.setToolTip("Images and time series of the project; click one to open it. The right button has more.")
        self.list.currentItemChanged.connect(self._chosen)
        self.change = ImageMenu(self.controller)
        self.change.follow(self.list)
        self._shown: tuple[Item, ...] = ()
        self.summary = hint()
        projects, kinds = row(self.new, self.open), more("More: a project of objects or classes", self._kinds())
        self.recent = RecentList(self.controller)
        for widget in (self.layers, self.use, self.begin, self.drop, self.recent, projects, kinds):
            self.form.addWidget(widget)
        self.form.addWidget(self._of_project(row(heading("Images of the project"), self.change, first=2)))
        self.form.addWidget(self.change.name)
        self.form.addWidget(self.summary)
        self.form.addWidget(self._of_project(self.list), 100)  # as high as its images, where there is room
        self.form.addWidget(self._of_project(self.add))
        self.form.addWidget(self._of_project(heading("All images")))
        self._make_all()
        self._make_surveys()
        self._make_log()

    def _of_project(self, widget: QWidget) -> QWidget:
        """A widget that is there only while a project is open."""
        self._with_project.append(widget)
        return widget

    def _kinds(self) -> QWidget:
        """Objects or classes, for a new project."""
        self.task, self.classes = QComboBox(), QLineEdit()
        self.task.addItem("Single objects: nuclei, cells", "instance")
        self.task.addItem("Classes: tissue, membranes", "semantic")
        self.task.setToolTip("What labels of a new project are.")
        self.task.currentIndexChanged.connect(lambda i: self.classes.setVisible(i == 1))
        self.classes.setPlaceholderText("names of the classes, with commas between")
        self.classes.setVisible(False)
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.task)
        layout.addWidget(self.classes)
        return box

    def _make_all(self) -> None:
        """What is done to all images."""
        self.predict_all = ActionButton(
            "Predict all images",
            "Label every image that the current model has not labelled yet, one after another. What you corrected or "
            "approved is never changed, and you can go on working meanwhile.",
            lambda: self.controller.predict_all(self.again.isChecked()),
        )
        self.again = QCheckBox("Again where done")
        self.again.setToolTip("Also predict images that this model has predicted already with these settings.")
        self.export_all = ActionButton(
            "Export all...", "Write the labels of every image into a folder, one file for each.", self._export
        )
        self.exports = _Exports()
        self.again.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.form.addWidget(self._of_project(row(self.predict_all, self.export_all)))
        self.form.addWidget(self._of_project(row(self.again, self.exports)))

    def _make_surveys(self) -> None:
        """What the images are like, and which to label."""
        self.describe, self.select = DescribePanel(self.controller), SelectPanel(self.controller)
        self.form.addWidget(self._of_project(more("More: which images to label", self.select)))
        self.form.addWidget(self._of_project(more("More: what the images are like", self.describe)))

    def _make_log(self) -> None:
        """How long the log is, and how it becomes shorter."""
        self.log = hint()
        self.shorten = ActionButton(
            "Shorten the log",
            "Let old edits of every image become one, which frees room on the disk.",
            self.controller.log.shorten,
        )
        self.log_box = more("More: the log of edits", self.log, self.shorten)
        self.log_box.toggled.connect(lambda on: self.controller.log.look() if on else None)
        self.form.addWidget(self._of_project(self.log_box))

    def show_view(self, view: View) -> None:
        """Show the images."""
        names = [self.layers.itemText(i) for i in range(self.layers.count())]
        if names != list(view.open_images):
            self.layers.clear()
            self.layers.addItems(list(view.open_images))
            self.layers.setCurrentIndex(len(view.open_images) - 1)  # the one that was opened last
        for widget in (self.layers, self.use):
            widget.setVisible(bool(view.open_images))
        for part in self._with_project:
            part.setVisible(view.folder is not None)
        self.begin.setVisible(view.folder is None)
        self.recent.show_view(view)
        self.begin.set_primary(not view.open_images)
        self.add.show_control(view.needs_project)
        self.summary.setText(legend(view.summary))
        self.summary.setVisible(bool(view.summary))
        self.predict_all.show_control(view.predict_all)
        self.export_all.show_control(view.export_all)
        self.log.setText(view.log.text)
        self.shorten.show_control(view.log.shorten)
        self.describe.show_view(view)
        self.select.show_view(view)
        self._show_images(view)
        self.change.show_view(view)

    def _show_images(self, view: View) -> None:
        keys = [i.key for i in view.images]
        with signals_blocked(self.list):
            if self._shown != view.images:
                if keys != [i.key for i in self._shown]:
                    self.list.clear()
                    self.list.addItems(keys)
                self._shown = view.images
                for entry, item in zip(items(self.list), view.images, strict=True):
                    entry.setText(f"{item.text}   ({item.detail})")
                    entry.setData(Qt.ItemDataRole.UserRole, item.key)
                    entry.setIcon(mark(item.mark))
                    entry.setToolTip(item.tip)
            self.list.setCurrentRow(keys.index(view.entry) if view.entry in keys else -1)
        rows = self.list.sizeHintForRow(0) * len(keys) + 2 * self.list.frameWidth() if keys else 0
        self.list.setMaximumHeight(max(self.list.minimumHeight(), rows))

    def _use(self) -> None:
        name = self.layers.currentText()
        folder = None
        layer = self.controller.viewer.layers[name]
        if not layer.source.path and self.view.folder is None:
            folder = QFileDialog.getExistingDirectory(self, "Where should the project folder go?")
            if not folder:
                return
        self.controller.use_layer(name, folder, wait=False)

    def _new(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "New project", "cells.cellseg")
        if path:
            names = tuple(name.strip() for name in self.classes.text().split(",") if name.strip())
            task = str(self.task.currentData())
            self.controller.new_project(path, task, names if task == "semantic" else ())  # type: ignore[arg-type]

    def _begin(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open images", "", _pictures())
        if paths:
            self.controller.open_images(paths)

    def _open(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder NAME.cellseg")
        if path:
            self.controller.open_project(path)

    def _add(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add images", "", _pictures())
        if paths:
            self.controller.open_images(paths)

    def _export(self) -> None:
        if self.exports.format.currentData() == _INSIDE:
            self.controller.export_inside(self.exports.name.text(), self.exports.replace.isChecked())
            return
        folder = QFileDialog.getExistingDirectory(self, "Where should the labels of all images go?")
        if folder:
            self.controller.export_all(folder, str(self.exports.format.currentData()))

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.controller.select_image(str(item.data(Qt.ItemDataRole.UserRole)))


class _Exports(QWidget):
    """As what Export all writes labels: files of a format, or labels of a name inside of the images."""

    def __init__(self) -> None:
        super().__init__()
        self.format, self.name, self.replace = QComboBox(), QLineEdit("cellseg"), QCheckBox("Replace")
        for ending, name in LABEL_FORMATS.items():
            self.format.addItem(name, ending)
        self.format.addItem("In OME-Zarr images", _INSIDE)
        self.format.setToolTip("The files that Export all writes, or labels/ of the images themselves.")
        self.name.setToolTip("What the labels are called: labels/NAME of every image that is an OME-Zarr folder.")
        self.replace.setToolTip("Write over labels of this name; else they are left as they are.")
        for widget in (self.format, self.name, self.replace):
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.format.currentIndexChanged.connect(self._chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.format)
        layout.addWidget(self.name)
        layout.addWidget(self.replace)
        self._chosen()

    def _chosen(self) -> None:
        """A name is asked for where there are no files."""
        for widget in (self.name, self.replace):
            widget.setVisible(self.format.currentData() == _INSIDE)


def _pictures() -> str:
    """What a dialog offers to open."""
    return f"Pictures ({' '.join(f'*{ending}' for ending in endings())});;All files (*)"

"""Parts of the step Correct: the review queue, comparison, history, masks of other tools."""

from __future__ import annotations

import html
import time
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from ...drafts import CleanUp
from ...images import LABEL_FORMATS, label_file
from ..app.controller import Controller
from ..app.view import View
from .settings_form import SettingsForm
from .widgets import READ_MASKS, ActionButton, hint, row

_ORDERS = {"worth": "Most worth a look first", "random": "In random order", "reading": "In reading order"}
_WRITE = {f"{name} (*{ending})": ending for ending, name in ((label_file("", e), n) for e, n in LABEL_FORMATS.items())}
_COMPARE = "Compare these labels with other annotators' or the model's, and take either side."
SHOWN = 300
"""Entries of the history that are listed at once."""
_ENTRY = Qt.ItemDataRole.UserRole


class _Panel(QWidget):
    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self.form = QVBoxLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setSpacing(6)
        self.build()

    def build(self) -> None:
        raise NotImplementedError


class LivePanel(_Panel):
    """Whether the view is labelled again after every correction, and what was learnt."""

    def build(self) -> None:
        """Make the controls."""
        c = self.controller
        self.on = QCheckBox("Live: label the view again after every correction")
        self.on.toggled.connect(lambda on: c.want(live=on))
        self.learnt = hint()
        self.unanswer = ActionButton(
            "Take back", "Take Live's answer back and leave your correction. Undo takes both.", c.strokes.undo_answer
        )
        self.form.addWidget(self.on)
        self.form.addWidget(row(self.learnt, self.unanswer, first=3))

    def show_view(self, view: View) -> None:
        """Show what was learnt last, or why nothing can be."""
        with signals_blocked(self.on):
            self.on.setChecked(view.live)
        self.on.setEnabled(view.live_control.enabled)
        tip = (
            "In about a second, by a small addition to the model. What you made is never changed; Undo takes the "
            "answer back together with the correction, Take back the answer alone."
        )
        self.on.setToolTip(tip if view.live_control.enabled else view.live_control.reason)
        self.learnt.setText(view.live_learnt)
        self.learnt.setVisible(bool(view.live_learnt))
        self.unanswer.setVisible(view.answered)
        self.unanswer.show_control(view.correct)


class ReviewPanel(_Panel):
    """Which place is next, and what to say about it."""

    def build(self) -> None:
        """Make the controls."""
        c = self.controller
        self.order = QComboBox()
        self.order.addItems(list(_ORDERS.values()))
        self.order.setToolTip(
            "What has no user edits yet: by doubt, odd size or shape, contact and jumps; random; or row by row."
        )
        self.comparing = hint("The differences, the largest first.")
        self.start = ActionButton("Start review", "Go from place to place.", self._start)
        self.end = ActionButton("End", "Close the queue.", c.review.stop)
        self.place = hint()
        self.back = ActionButton("Back  8", "To the place before.", c.review.back)
        self.skip = ActionButton("Skip  9", "Go to the next place and change nothing.", c.review.skip)
        self.fix = ActionButton("Fix  R", "Take the brush with this object's label.", c.review.fix)
        self.approve = ActionButton("Approve  0", "It is right (now): approve it and go on.", c.review.approve)
        self.mine = ActionButton("Mine", "My outline is right: approve it.", lambda: c.accept("mine"))
        self.theirs = ActionButton("Theirs", "Take their outline in this place.", lambda: c.accept("theirs"))
        top = QWidget()
        line = QHBoxLayout(top)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        line.addWidget(self.order, 1)
        line.addWidget(self.comparing, 1)
        line.addWidget(self.start)
        line.addWidget(self.end)
        self.steps = row(self.back, self.skip, self.fix, self.approve, self.mine, self.theirs)
        for widget in (top, self.place, self.steps):
            self.form.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Show the place."""
        running, comparing = view.reviewing.enabled, bool(view.compared)
        self.start.show_control(view.correct)
        self.order.setEnabled(view.correct.enabled)
        self.order.setVisible(not comparing)
        self.comparing.setVisible(comparing)
        self.end.setVisible(running)
        self.start.setVisible(not running)
        self.steps.setVisible(running)
        self.place.setVisible(running)
        self.place.setText(view.place)
        for widget in (self.fix, self.approve):
            widget.setVisible(not comparing)
        for widget in (self.mine, self.theirs):
            widget.setVisible(comparing)
        if view.order in _ORDERS:
            with signals_blocked(self.order):
                if running:
                    self.order.setCurrentIndex(list(_ORDERS).index(view.order))

    def _start(self) -> None:
        self.controller.start_review(list(_ORDERS)[self.order.currentIndex()])  # type: ignore[arg-type]


class ComparePanel(_Panel):
    """Other labels of the same image."""

    def build(self) -> None:
        """Make the controls."""
        c = self.controller
        self.text = hint(_COMPARE)
        self.file = ActionButton(
            "Masks...",
            "Mask files in any format that can be read; with several, these labels are compared with what most say.",
            self._file,
        )
        self.copy = ActionButton("Project...", "Another annotator's copy of this project.", self._copy)
        self.model = ActionButton("Model", "What the current model says, as it was predicted last.", c.compare)
        self.form.addWidget(self.text)
        self.form.addWidget(row(self.file, self.copy, self.model))

    def show_view(self, view: View) -> None:
        """Show with what the labels are compared."""
        for button in (self.file, self.copy):
            button.show_control(view.correct)
        self.model.show_control(view.compare_model if view.correct.enabled else view.correct)
        if view.compared:
            colours = "grey: both; <span style='color:#3b8ee0'>mine</span>; <span style='color:#d1495b'>theirs</span>"
            said = html.escape(view.compared).replace("\n", "<br>")
            self.text.setText(f"{said}<br>{colours}; <span style='color:#e6c229'>other objects</span>.")
        else:
            self.text.setText(_COMPARE)

    def _file(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Labels to compare with (one annotator's or several)", "", READ_MASKS
        )
        if paths:
            self.controller.compare(*paths)

    def _copy(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Another copy of this project (NAME.cellseg)")
        if path:
            self.controller.compare(path)


class CleanUpPanel(_Panel):
    """Clean-up of all objects that nobody has touched."""

    def build(self) -> None:
        """Make the controls."""
        self.text = hint("Smooths all objects that nobody has touched, slice by slice; spurs and crumbs go.")
        self.settings = SettingsForm(CleanUp())
        self.clean = ActionButton(
            "Clean up all objects",
            "What you corrected or approved stays as it is; one Undo takes all of it back.",
            lambda: self.controller.cleaning.clean(self.settings.value()),
        )
        for widget in (self.text, self.settings, self.clean):
            self.form.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Objects only."""
        self.clean.show_control(view.correct)


class HistoryPanel(_Panel):
    """Every edit with time, tool and author."""

    def build(self) -> None:
        """Make the controls."""
        self.list = QListWidget()
        self.list.setMinimumHeight(140)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip("The newest first. Choose one to see where it was.")
        self.list.currentItemChanged.connect(self._look)
        self.restore = ActionButton("Restore", "Bring back the labels as they were after this edit.", self._restore)
        self.older = ActionButton("Older", "List more of what was done before.", self._older)
        self.export = ActionButton("Export...", "Write the whole log as a table (CSV).", self._export)
        self.form.addWidget(self.list)
        self.form.addWidget(row(self.restore, self.older, self.export))
        self._shown: tuple[str, int] = ("", -1)
        self._many = SHOWN

    def show_view(self, view: View) -> None:
        """List the newest edits."""
        self.restore.show_control(view.correct)
        self.export.show_control(view.needs_image)
        if self._shown != (view.image, view.edits) and self.isVisible():
            if self._shown[0] != view.image:
                self._many = SHOWN
            self._shown = (view.image, view.edits)
            self._fill()

    def _fill(self) -> None:
        there = self.controller.views.newest.needs_image.enabled
        found = (self.controller.strokes.history(self._many + 1) or []) if there else []
        with signals_blocked(self.list):
            self.list.clear()
            for e in found[: self._many]:
                pieces = f" in {e.pieces:,} pieces" if e.pieces > 1 else ""
                text = f"{e.tool}{pieces}   {e.voxels:,} voxels   {e.author}"
                entry = QListWidgetItem(f"{_when(e.time)}   {text}")
                entry.setToolTip(f"{time.strftime('%d %B %Y %H:%M:%S', time.localtime(e.time))}\n{text}")
                entry.setData(_ENTRY, e)
                self.list.addItem(entry)
        self.older.setEnabled(len(found) > self._many)

    def _older(self) -> None:
        self._many += SHOWN
        self._fill()

    def showEvent(self, event: object) -> None:
        """The fold was opened."""
        self._fill()

    def _look(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(_ENTRY).voxels:
            self.controller.look_at(item.data(_ENTRY).box)

    def _restore(self) -> None:
        if (item := self.list.currentItem()) is not None:
            self.controller.strokes.restore(item.data(_ENTRY).n)

    def _export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Write the log", "history.csv", "Table (*.csv)")
        if path:
            self.controller.strokes.export_history(Path(path))


def _when(moment: float) -> str:
    """The time of day, or the day of what is not of today."""
    then, now = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%d %b %H:%M", then)


class MasksPanel(_Panel):
    """Masks of other tools."""

    def build(self) -> None:
        """Make the controls."""
        self.draft = ActionButton("Take as draft...", "Masks of any tool, where there are no user edits.", self._draft)
        self.truth = ActionButton("Take as truth...", "Masks that are right: they become approved.", self._truth)
        formats = "Label TIFF, OME-Zarr, PNG, NumPy, Cellpose, ImageJ ROIs, COCO or GeoJSON."
        self.write = ActionButton("Write...", formats, self._write)
        self.above = QDoubleSpinBox()
        self.above.setRange(0, 2**32)
        self.above.setDecimals(2)
        self.above.setSpecialValueText("0")
        self.above.setToolTip(
            "Of masks with one class, or probabilities: what is above this value is mask. In a project of objects, "
            "pieces that do not touch then become objects of their own. 0: numbers of objects are kept."
        )
        self.form.addWidget(hint("TIFF, PNG, OME-Zarr, ImageJ ROIs, COCO, CVAT, QuPath GeoJSON, Cellpose _seg.npy."))
        self.form.addWidget(row(QLabel("Mask is above"), self.above))
        self.form.addWidget(row(self.draft, self.truth, self.write))

    def show_view(self, view: View) -> None:
        """Switch on or off."""
        for button in (self.draft, self.truth):
            button.show_control(view.correct)
        self.write.show_control(view.needs_image)

    def _draft(self) -> None:
        self._take(approved=False)

    def _truth(self) -> None:
        self._take(approved=True)

    def _take(self, *, approved: bool) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Masks of this image", "", READ_MASKS)
        if path:
            self.controller.masks.take(path, approved=approved, threshold=self.above.value() or None)

    def _write(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(self, "Write the labels", "labels.tif", ";;".join(_WRITE))
        if path:
            known = path.lower().endswith((*_WRITE.values(), ".tiff", ".zarr", ".zip", ".json"))
            self.controller.masks.write(path if known else path + _WRITE.get(chosen, ".tif"))

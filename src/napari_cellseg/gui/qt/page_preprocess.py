"""Step 2: what the network sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ...config import read_config
from ...errors import CellsegError
from ...preprocess import PRESETS, STEPS, Recipe
from ..app.view import View
from .page import Page
from .settings_form import SettingsForm
from .widgets import ActionButton, HistogramPlot, heading, hint, items, row

_ROW = 24
"""Height of a line of the list (pixels)."""


class PreprocessPage(Page):
    """An ordered list of steps with a live preview."""

    title = "Preprocess"
    about = "These steps run from top to bottom, with the same result in preview, training and prediction."

    def build(self) -> None:
        """Make the list, the form of the chosen step, the preview's controls."""
        self._quiet = False
        self._form: SettingsForm | None = None
        self.form.addWidget(
            row(
                self._make_presets(), self._file_button("Load...", self._load), self._file_button("Save...", self._save)
            )
        )
        self.source = hint()
        self.form.addWidget(self.source)
        self.form.addWidget(heading("Steps"))
        self.form.addWidget(self._make_list())
        self.form.addWidget(row(self._make_add(), self._make_remove()))
        self._place = QWidget()
        self._box = QVBoxLayout(self._place)
        self._box.setContentsMargins(0, 0, 0, 0)
        self.form.addWidget(self._place)
        self._make_preview()
        self.fixed = hint(
            "The current model keeps the steps it was trained with. What you set here is for a model trained from "
            "scratch (Fine-tune, More)."
        )
        self.form.addWidget(self.fixed)

    def show_view(self, view: View) -> None:
        """Show the recipe and the preview."""
        self._quiet = True
        self.preview.setEnabled(view.needs_image.enabled)
        self.preview.setToolTip(view.needs_image.reason or "What the network would see of the visible field, live.")
        self.preview.setChecked(view.preview)
        for widget in (self.split, self.ends, self.plot):
            widget.setVisible(view.preview)
        if not self.split.isSliderDown():
            self.split.setValue(round(view.split * 100))
        self.source.setVisible(bool(self.source.text()))
        self.plot.show_histogram(view.histogram)
        self.timing.setText(view.histogram.text if view.preview else "")
        self.timing.setVisible(view.preview)
        self.fixed.setVisible(bool(view.current_model))
        self._show_recipe(view.recipe)
        self._quiet = False

    # --- parts --------------------------------------------------------------------------------------

    def _make_presets(self) -> QComboBox:
        self.presets = QComboBox()
        self.presets.addItem("Presets...")
        for preset in PRESETS:
            self.presets.addItem(preset.name)
            self.presets.setItemData(self.presets.count() - 1, preset.source, Qt.ItemDataRole.ToolTipRole)
        self.presets.setToolTip("Published recipes to begin with.")
        self.presets.activated.connect(self._preset)
        return self.presets

    def _file_button(self, text: str, action: Any) -> ActionButton:
        return ActionButton(text, f"{text[:4]} the list of steps as a TOML file.", action)

    def _make_list(self) -> QListWidget:
        self.steps = QListWidget()
        self.steps.setObjectName("Steps")
        self.steps.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.steps.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.steps.setToolTip("Drag to change the order; the tick switches a step off without losing its settings.")
        self.steps.itemChanged.connect(lambda _: self._edited())
        self.steps.currentRowChanged.connect(self._choose)
        moves: Any = self.steps.model()
        moves.rowsMoved.connect(lambda *_: self._edited())
        return self.steps

    def _make_add(self) -> QPushButton:
        self.add = QPushButton("Add step")
        self.add.setObjectName("Add step")
        self.add.setToolTip("Put another step behind the last one.")
        menu = QMenu(self.add)
        menu.setToolTipsVisible(True)
        for cls in STEPS:
            action: Any = menu.addAction(cls.label())
            action.setToolTip(cls.summary())
            action.triggered.connect(lambda _=False, c=cls: self.add_step(c()))
        self.add.setMenu(menu)
        return self.add

    def _make_remove(self) -> ActionButton:
        self.remove = ActionButton("Remove step", "Take the chosen step out of the list.", self._remove)
        return self.remove

    def _make_preview(self) -> None:
        self.form.addWidget(heading("Preview"))
        self.preview = QCheckBox("Live preview of the visible field")
        self.preview.toggled.connect(lambda on: None if self._quiet else self.controller.show_preview(on))
        self.split = QSlider(Qt.Orientation.Horizontal)
        self.split.setRange(0, 95)
        self.split.setToolTip("Left of this line the image stays as it is.")
        self.split.valueChanged.connect(self._slide)
        self.ends = hint("Slide to compare side by side; hold H to see the original.")
        self.plot, self.timing = HistogramPlot(), hint()
        for widget in (self.preview, self.split, self.ends, self.plot, self.timing):
            self.form.addWidget(widget)

    # --- what happens -------------------------------------------------------------------------------

    def _slide(self, value: int) -> None:
        if not self._quiet:
            self.controller.want(split=value / 100)

    def add_step(self, step: Any) -> None:
        """Put a step behind the last one and choose it."""
        recipe = self.view.config.recipe
        self._use(Recipe(steps=(*recipe.steps, step)))
        self.steps.setCurrentRow(self.steps.count() - 1)

    def _remove(self) -> None:
        here = self.steps.currentRow()
        if here >= 0:
            steps = self.view.config.recipe.steps
            self._use(Recipe(steps=steps[:here] + steps[here + 1 :]))

    def _preset(self, index: int) -> None:
        if index > 0:
            self.source.setText(PRESETS[index - 1].source)
            self._use(PRESETS[index - 1].recipe)

    def _choose(self, index: int) -> None:
        """Show the form of a step."""
        if self._form is not None:
            self._form.setParent(None)
            self._form.deleteLater()
            self._form = None
        item = self.steps.item(index)
        self.remove.setEnabled(item is not None)
        if item is None:
            return
        step = item.data(Qt.ItemDataRole.UserRole)
        names = tuple(n for n in type(step).model_fields if n not in ("kind", "on"))
        if names:
            self._form = SettingsForm(step, names)
            self._form.valueChanged.connect(self._changed)
            self._box.addWidget(self._form)

    def _changed(self, step: Any) -> None:
        item = self.steps.currentItem()
        if item is not None:
            item.setData(Qt.ItemDataRole.UserRole, step)  # tells through itemChanged

    def _edited(self) -> None:
        if self._quiet:
            return
        steps = []
        for item in items(self.steps):
            on = item.checkState() == Qt.CheckState.Checked
            steps.append(item.data(Qt.ItemDataRole.UserRole).model_copy(update={"on": on}))
        self._use(Recipe(steps=tuple(steps)))

    def _use(self, recipe: Recipe) -> None:
        config = self.view.config
        self.controller.configure(config.model_copy(update={"recipe": recipe}))

    def _show_recipe(self, recipe: Recipe) -> None:
        shown = [item.data(Qt.ItemDataRole.UserRole) for item in items(self.steps)]
        if [type(s) for s in shown] != [type(s) for s in recipe.steps]:
            self._refill(recipe)
        for item, step in zip(items(self.steps), recipe.steps, strict=True):
            item.setData(Qt.ItemDataRole.UserRole, step)
            item.setCheckState(Qt.CheckState.Checked if step.on else Qt.CheckState.Unchecked)
        here = self.steps.currentRow()
        if self._form is not None and 0 <= here < len(recipe.steps):
            self._form.setValue(recipe.steps[here])

    def _refill(self, recipe: Recipe) -> None:
        here = self.steps.currentRow()
        self.steps.clear()
        for step in recipe.steps:
            item = QListWidgetItem(type(step).label())
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setToolTip(step.summary())
            item.setSizeHint(QSize(0, _ROW))
            item.setData(Qt.ItemDataRole.UserRole, step)
            self.steps.addItem(item)
        self.steps.setFixedHeight(8 + _ROW * max(3, min(7, len(recipe.steps))))
        self.steps.setCurrentRow(min(max(here, 0), len(recipe.steps) - 1))
        self._choose(self.steps.currentRow())

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load steps", filter="TOML (*.toml)")
        if path:
            self.load(Path(path))

    def load(self, path: Path) -> None:
        """Take the steps of a configuration file."""
        try:
            self._use(read_config(path).recipe)
        except CellsegError as error:
            self.controller.fail(error)

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save steps", "recipe.toml", "TOML (*.toml)")
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Write the steps as a configuration file that `train --config` takes too."""
        self.controller.projects.save_recipe(path)

"""Step 3: masks from the current model."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...base import base_models
from ...config import Predict
from ...project import LARGEST
from ..app.view import View
from .page import Page, more
from .panel_drafts import DraftPanel
from .panel_engine import EnginePanel
from .panel_models import ModelsPanel
from .settings_form import SettingsForm
from .widgets import ActionButton, heading, hint, items, row

_THRESHOLDS = ("threshold", "prominence", "finer", "smooth", "error", "overlap", "min_size", "fill_holes", "closing")
_OPTIONS = ("mode", "flips", "memory", "tile", "overlap", "batch", "ease", "join_overlap")


class PredictPage(Page):
    """Predict the open image, then set thresholds live."""

    title = "Predict"
    about = "Labels the open image, beginning where you look. What you corrected or approved is never changed."

    def build(self) -> None:
        """Make the controls."""
        self._quiet = False
        self.predict = ActionButton("Predict", "Label the open image.", self.controller.predict, primary=True)
        self.predict.setObjectName("Predict")
        self.model, self.plan = hint(), hint()
        self.where = QComboBox()
        self.where.addItems(["Whole image", "Visible field only"])
        self.where.setToolTip("Predict everything, or only what is in view.")
        self.where.activated.connect(lambda i: self.controller.want(field_only=i == 1))
        self.doubt = QCheckBox("Show uncertainty")
        self.doubt.setToolTip("Adds a layer that is bright where the next prediction is in doubt (entropy).")
        self.doubt.toggled.connect(lambda on: self._option("uncertainty", on))
        self.draft = ActionButton(
            "Draft instead", "Classical masks: Otsu's threshold and watershed.", self.controller.draft
        )
        about = (self.model, row(self.where, self.doubt), self._make_size(), self.plan)
        for widget in (*about, row(self.predict, self.draft, first=3)):
            self.form.addWidget(widget)
        self._make_thresholds()
        self._make_more()

    def _make_size(self) -> QWidget:
        """How large objects are; shown where the model wants to know."""
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(0, LARGEST)
        self.diameter.setDecimals(0)
        self.diameter.setSuffix(" px")
        self.diameter.setKeyboardTracking(False)
        self.diameter.setToolTip(
            "Diameter of a typical object. The network sees the image enlarged or reduced accordingly. At 0 it is "
            "estimated from the picture. What you say holds for images of the same kind, too."
        )
        self.diameter.valueChanged.connect(self._resized)
        self.sizes = row(QLabel("Object size"), self.diameter)
        return self.sizes

    def _make_thresholds(self) -> None:
        self.thresholds = QWidget()
        box = QVBoxLayout(self.thresholds)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(heading("Thresholds"))
        self.live = hint()
        self.apply = ActionButton(
            "Apply to the image", "Replace predicted labels by those of these thresholds.", self.controller.apply_target
        )
        self.reset = ActionButton("Reset", "Back to the model's own thresholds.", self.controller.prediction.reset)
        self.fit = ActionButton(
            "Fit thresholds", "Find those that agree best with what you corrected here.", self.controller.fit_thresholds
        )
        self._target: SettingsForm | None = None
        self._targets = QVBoxLayout()
        box.addLayout(self._targets)
        box.addWidget(self.live)
        box.addWidget(row(self.apply, self.reset))
        box.addWidget(self.fit)
        self.form.addWidget(self.thresholds)

    def _make_more(self) -> None:
        self.options = SettingsForm(Predict(), _OPTIONS)
        self.options.valueChanged.connect(self._edited)
        self.together = QListWidget()
        self.together.setFixedHeight(80)
        self.together.setToolTip("Ticked models predict together with the current one.")
        self.together.itemChanged.connect(lambda _: self._ticked())
        self.combine = SettingsForm(Predict(), ("combine",))
        self.combine.valueChanged.connect(lambda v: self._option("combine", v.combine))
        self.ensemble = more("More: several models together", self.together, self.combine)
        self.form.addWidget(more("More: tiles, memory, volumes", self.options))
        self.form.addWidget(self.ensemble)
        self.start = self._make_start()
        self.panels = DraftPanel(self.controller), EnginePanel(self.controller), ModelsPanel(self.controller)
        self.form.addWidget(more("More: other ways to begin", self.start, self.panels[0]))
        self.form.addWidget(more("More: models out and in", self.panels[2]))
        self.form.addWidget(more("More: where it runs", self.panels[1]))

    def _make_start(self) -> QWidget:
        """A menu of what a project can start from."""
        button, menu = QPushButton("Start from another model..."), QMenu(self)
        button.setToolTip("Copy a base model, a model folder or another project's model into this project and use it.")
        for name in base_models():
            menu.addAction(f"Base model: {name}", lambda name=name: self.controller.start_from(name))
        menu.addAction("A model folder...", lambda: self._start_from("Which model folder?"))
        menu.addAction("Another project's model...", lambda: self._start_from("Which project (NAME.cellseg)?"))
        button.setMenu(menu)
        return button

    def _start_from(self, question: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, question)
        if folder:
            self.controller.start_from(folder)

    def show_view(self, view: View) -> None:
        """Show which model predicts, what it takes, and what thresholds there are."""
        self._quiet = True
        options = view.config.predict
        self.predict.setText(view.predict_text)
        self.predict.show_control(view.predict)
        self.draft.show_control(view.predict)
        for panel in self.panels:
            panel.show_view(view)
        self.draft.setVisible(bool(view.current_model))
        self.start.setEnabled(view.needs_project.enabled and not view.cancel.enabled)
        self.model.setText(
            f"Model {view.current_model}. Press Predict again after every round."
            if view.current_model
            else "There is no model yet: a classical method (Otsu + watershed) makes a first draft to correct."
        )
        self.plan.setText(view.plan)
        self.sizes.setVisible(bool(view.current_model) and view.object_size > 0)
        self.diameter.setSpecialValueText(f"{view.object_size:.0f} px (estimated)")
        self.diameter.setValue(view.given_size)
        self.plan.setVisible(bool(view.plan))
        self.where.setVisible(bool(view.current_model))
        self.where.setCurrentIndex(int(view.field_only))
        self.doubt.setVisible(bool(view.current_model))
        self.doubt.setChecked(options.uncertainty)
        self.options.setValue(options)
        self.combine.setValue(options)
        self._show_thresholds(view)
        self._show_models(view)
        self._quiet = False

    def _show_thresholds(self, view: View) -> None:
        target = view.decoding
        self.thresholds.setVisible(target is not None)
        if target is None:
            return
        if self._target is None or type(self._target.value()) is not type(target):
            if self._target is not None:
                self._target.deleteLater()
            names = tuple(n for n in _THRESHOLDS if n in type(target).model_fields)
            self._target = SettingsForm(target, names)
            self._target.valueChanged.connect(self._retarget)
            self._targets.addWidget(self._target)
        self._target.setValue(target)
        self._target.setEnabled(view.thresholds.enabled)
        self._target.setToolTip(view.thresholds.reason)
        said = "Fitted live to your corrections. " if view.fitted else ""
        self.live.setText(
            view.decoded or view.thresholds.reason or f"{said}Change one to see its effect on the visible field."
        )
        self.apply.show_control(view.apply)
        self.reset.show_control(view.reset)
        self.fit.show_control(view.fit)

    def _show_models(self, view: View) -> None:
        others = [m for m in view.models if m.key != view.current_model and not m.off]
        self.ensemble.setVisible(bool(view.current_model) and bool(others))
        if [i.data(Qt.ItemDataRole.UserRole) for i in items(self.together)] != [m.key for m in others]:
            self.together.clear()
            for model in others:
                item = QListWidgetItem(model.text)
                item.setData(Qt.ItemDataRole.UserRole, model.key)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                self.together.addItem(item)
        for item in items(self.together):
            chosen = item.data(Qt.ItemDataRole.UserRole) in view.together
            item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)

    def _resized(self, size: float) -> None:
        if not self._quiet:
            self.controller.set_object_size(size)

    def _ticked(self) -> None:
        if self._quiet:
            return
        ticked = [i for i in items(self.together) if i.checkState() == Qt.CheckState.Checked]
        chosen = tuple(str(i.data(Qt.ItemDataRole.UserRole)) for i in ticked)
        self.controller.want(together=chosen)

    def _option(self, name: str, value: Any) -> None:
        if not self._quiet:
            self._edited(self.view.config.predict.model_copy(update={name: value}))

    def _edited(self, value: Predict) -> None:
        config = self.view.config
        names = (*_OPTIONS, "uncertainty", "combine")
        merged = config.predict.model_copy(update={n: getattr(value, n) for n in names})
        self.controller.configure(config.model_copy(update={"predict": merged}))

    def _retarget(self, target: Any) -> None:
        if not self._quiet:
            self.controller.retarget(target)

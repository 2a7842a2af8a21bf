"""Step 5: one click to learn from the corrections."""

from __future__ import annotations

from typing import Any

from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QComboBox, QLabel

from ...augmentation import AUGMENTATIONS
from ...events import TrainingShown
from ...presets import TRAININGS
from ..app.view import View
from .page import Page, more
from .pair_view import PairView
from .settings_form import SettingsForm
from .widgets import FIGURES, ActionButton, CurvePlot, heading, hint

SIMPLE = ("seconds", "margin")
REST = ("patch", "batch", "learning_rate", "replay", "seed", "from_scratch", "trial", "tensorboard")
OPTIMISER = ("schedule", "patience", "freeze", "unfreeze")
SAMPLING = ("places", "overlap", "empty", "rare", "hard")


class FineTunePage(Page):
    """Train a child of the current model; the curve is live."""

    title = "Fine-tune"
    about = (
        "Learns from what you corrected and approved, starting from the current model. It goes on while held-out "
        "corrections get better; the better of old and new is used afterwards."
    )

    def build(self) -> None:
        """Make the controls."""
        c, config = self.controller, self.view.config
        self.forms = {
            "simple": ("train", SettingsForm(config.train, SIMPLE)),
            "rest": ("train", SettingsForm(config.train, REST)),
            "optimiser": ("optimiser", SettingsForm(config.optimiser, OPTIMISER)),
            "sampling": ("sampling", SettingsForm(config.sampling, SAMPLING)),
        }
        for part, form in self.forms.values():
            form.valueChanged.connect(lambda value, part=part, form=form: self._edited(part, form, value))
        self.button = ActionButton(
            "Fine-tune", "Train a new model on the corrections and judge it.", c.training.fine_tune, primary=True
        )
        self.resume = ActionButton("Go on", "Go on with the training that was interrupted.", c.training.resume)
        self.plot, self.figure, self.pair = CurvePlot(), QComboBox(), PairView()
        for name, title in FIGURES.items():
            self.figure.addItem(title, name)
        self.figure.setToolTip("What the curve shows; all of it is kept with the model, in curves.csv.")
        self.figure.currentIndexChanged.connect(lambda n: self.plot.show_figure(self.figure.itemData(n)))
        self.reason: QLabel = hint()
        self.forecast: QLabel = hint()
        settings, learning = self.forms["simple"][1], (self.button, self.resume, self.reason)
        for widget in (settings, self.forecast, *learning, self.plot, self.figure, self.pair):
            self.form.addWidget(widget)
        self.form.addWidget(more("More: patches and network", *self._looking()))
        self.form.addWidget(
            more(
                "More: how it learns", self.forms["rest"][1], heading("Learning rate"), self.forms["optimiser"][1],
                heading("Where patches are taken"), self.forms["sampling"][1],
            )
        )  # fmt: skip

    def _looking(self) -> tuple[Any, ...]:
        """Preset, augmentation, and what they look like."""
        c = self.controller
        self.preset = QComboBox()
        self.preset.addItem("Train as published...", "")
        for found in TRAININGS:
            self.preset.addItem(found.title, found.name)
            self.preset.setItemData(self.preset.count() - 1, found.source, 3)  # Qt.ToolTipRole
        self.preset.setMinimumContentsLength(12)
        self.preset.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.preset.activated.connect(self._chosen)
        self.augmentation = QComboBox()
        for cls in AUGMENTATIONS:
            self.augmentation.addItem(f"Augmentation: {cls.label().lower()}", cls.model_fields["kind"].default)
        self.augmentation.activated.connect(self._augmented)
        self.look = ActionButton(
            "Show patches", "Cut patches as they would be learnt from, and count the network.", c.training.show
        )
        self.sheet, self.network = QLabel(), hint()
        self._shown: TrainingShown | None = None
        return self.preset, self.augmentation, self.look, self.sheet, self.network

    def show_view(self, view: View) -> None:
        """Show settings, curve, patches."""
        config = view.config
        for part, form in self.forms.values():
            form.setValue(getattr(config, part))
        self.augmentation.setCurrentIndex(self.augmentation.findData(config.augmentation.kind))
        self.button.show_control(view.fine_tune)
        self.look.show_control(view.fine_tune)
        self.resume.show_control(view.resume)
        self.resume.setText(f"Go on with {view.unfinished}")
        self.resume.setVisible(bool(view.unfinished))
        self.reason.setText("" if view.fine_tune.enabled or view.cancel.enabled else view.fine_tune.reason)
        self.reason.setVisible(bool(self.reason.text()))
        self.forecast.setText(view.forecast)
        self.forecast.setVisible(bool(view.forecast))
        self.plot.show_curve(view.curve)
        self.pair.show_pair(view.before_after)
        self._show_sheet(view)

    def _show_sheet(self, view: View) -> None:
        self.network.setText(view.network)
        self.network.setVisible(bool(view.network))
        self.sheet.setVisible(view.training is not None)
        if view.training is None or view.training is self._shown:
            return
        self._shown = view.training
        pixels = view.training.sheet
        height, width = pixels.shape[:2]
        picture = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self.sheet.setPixmap(QPixmap.fromImage(picture.copy()))
        self.sheet.setToolTip("A place per row: first as it is, then as it is learnt from. Dark: nothing is known.")

    def _chosen(self, index: int) -> None:
        name = self.preset.itemData(index)
        self.preset.setCurrentIndex(0)
        if name:
            self.controller.training.choose_preset(name)

    def _augmented(self, index: int) -> None:
        config = self.view.config
        kind = self.augmentation.itemData(index)
        if kind != config.augmentation.kind:
            self.controller.configure(config.with_values([f"augmentation.kind={kind}"]))

    def _edited(self, part: str, form: SettingsForm, value: Any) -> None:
        config = self.view.config
        shown = {n: getattr(value, n) for n in form.names()}
        self.controller.configure(config.model_copy(update={part: getattr(config, part).model_copy(update=shown)}))

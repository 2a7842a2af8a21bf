"""Step 5: one click to learn from the corrections."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QLabel

from .forms import SettingsForm
from .pages import Page, more
from .resolve import View
from .widgets import ActionButton, CurvePlot, hint


class FineTunePage(Page):
    """Train a child of the current model; the curve is live."""

    title = "Fine-tune"
    about = "Learns from corrected and approved voxels only, starting from the current model."

    def build(self) -> None:
        """Make the controls."""
        train = self.controller.session.config.train
        self.simple = SettingsForm(train, ("seconds", "margin"))
        self.rest = SettingsForm(train, ("patch", "batch", "learning_rate", "replay", "scale", "seed", "from_scratch"))
        self.simple.valueChanged.connect(lambda v: self._edited(v, ("seconds", "margin")))
        self.rest.valueChanged.connect(
            lambda v: self._edited(v, ("patch", "batch", "learning_rate", "replay", "scale", "seed", "from_scratch"))
        )
        self.button = ActionButton(
            "Fine-tune", "Train a new model on the corrections and judge it.", self.controller.fine_tune, primary=True
        )
        self.plot = CurvePlot()
        self.reason: QLabel = hint()
        for widget in (self.simple, self.button, self.reason, self.plot, more("More", self.rest)):
            self.form.addWidget(widget)

    def show_view(self, view: View) -> None:
        """Show settings and curve."""
        train = self.controller.session.config.train
        self.simple.setValue(train)
        self.rest.setValue(train)
        self.button.show_control(view.fine_tune)
        self.reason.setText("" if view.fine_tune.enabled or view.progress else view.fine_tune.reason)
        self.reason.setVisible(bool(self.reason.text()))
        self.plot.show_curve(view.curve)

    def _edited(self, value: Any, names: tuple[str, ...]) -> None:
        config = self.controller.session.config
        train = config.train.model_copy(update={n: getattr(value, n) for n in names})
        self.controller.configure(config.model_copy(update={"train": train}))

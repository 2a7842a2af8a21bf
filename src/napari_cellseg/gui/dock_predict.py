"""Step 3: masks from the current model."""

from __future__ import annotations

from ..config import Predict
from .forms import SettingsForm
from .pages import Page, more
from .resolve import View
from .widgets import ActionButton, hint


class PredictPage(Page):
    """Predict the open image."""

    title = "Predict"
    about = "Labels the open image, beginning where you look. What you corrected or approved is never changed."

    def build(self) -> None:
        """Make the controls."""
        self.predict = ActionButton("Predict", "Label the open image.", self.controller.predict, primary=True)
        self.predict.setObjectName("Predict")
        self.model = hint()
        self.tiles = SettingsForm(Predict())
        self.tiles.valueChanged.connect(self._edited)
        self.form.addWidget(self.model)
        self.form.addWidget(self.predict)
        self.form.addWidget(more("More: tiles for models trained from now on", self.tiles))

    def show_view(self, view: View) -> None:
        """Show which model predicts."""
        self.predict.setText(view.predict_text)
        self.predict.show_control(view.predict)
        self.model.setText(
            f"Model {view.current_model}. Press Predict again after every round."
            if view.current_model
            else "There is no model yet: a classical method (Otsu + watershed) makes a first draft to correct."
        )
        self.tiles.setValue(self.controller.session.config.predict)

    def _edited(self, value: Predict) -> None:
        self.controller.configure(self.controller.session.config.model_copy(update={"predict": value}))

"""Step 2: what the network sees."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox

from ..preprocess import STEPS, Recipe
from .forms import SettingsForm
from .pages import Page, more
from .resolve import View
from .widgets import hint


class PreprocessPage(Page):
    """Switch preprocessing steps on and off, set them, look at the result."""

    title = "Preprocess"
    about = "The same steps are applied in the preview, in training and in prediction, from top to bottom."

    def build(self) -> None:
        """Make one box per step, from the union."""
        self.preview = QCheckBox("Show the preview on the image")
        self.preview.setToolTip("Shows the preprocessed image as a layer; switch it off to compare.")
        self.preview.toggled.connect(lambda on: self.controller.show_preview(on))
        self.form.addWidget(self.preview)
        self._boxes: dict[str, tuple[QCheckBox, SettingsForm]] = {}
        for cls in STEPS:
            step = cls()
            box, form = QCheckBox(cls.label()), SettingsForm(step)
            box.setToolTip((cls.__doc__ or "").split("\n")[0])
            box.toggled.connect(lambda _: self._edited())
            form.valueChanged.connect(lambda _: self._edited())
            self._boxes[step.kind] = (box, form)  # type: ignore[attr-defined]
            self.form.addWidget(box)
            self.form.addWidget(more("Settings", form))
        self.fixed = hint("Once a model exists, its own steps are used for prediction and further training.")
        self.form.addWidget(self.fixed)
        self._quiet = False

    def show_view(self, view: View) -> None:
        """Show the recipe."""
        self.preview.setEnabled(view.needs_image.enabled)
        self.preview.setToolTip(view.needs_image.reason or "Shows the preprocessed image as a layer.")
        self.fixed.setVisible(bool(view.current_model))
        self._quiet = True
        self.preview.setChecked(view.preview)
        steps: dict[str, Any] = {s.kind: s for s in self.controller.session.config.recipe.steps}
        for kind, (box, form) in self._boxes.items():
            box.setChecked(kind in steps)
            form.setEnabled(kind in steps)
            if kind in steps:
                form.setValue(steps[kind])
        self._quiet = False

    def _edited(self) -> None:
        if not self._quiet:
            steps = tuple(form.value() for box, form in self._boxes.values() if box.isChecked())
            config = self.controller.session.config
            self.controller.configure(config.model_copy(update={"recipe": Recipe(steps=steps)}))

"""Other ways to begin: every draft method with its settings."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QFileDialog, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from ...drafts import DRAFTS, DraftMethod, OtherProgram
from ..app.controller import Controller
from ..app.view import View
from .page import more
from .settings_form import SettingsForm
from .widgets import ActionButton, hint, row

OF_CLASSES = {kind for kind, cls in DRAFTS.items() if issubclass(cls, DraftMethod) and cls.gives}
"""Of no use in a project of objects."""


class DraftPanel(QWidget):
    """A list of methods, what the chosen one does, its settings, and one button."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller
        self._forms: dict[str, SettingsForm] = {}
        self._offered: tuple[str, ...] = ()
        self._view: View | None = None
        self.method = QComboBox()
        self.method.setToolTip("Classical methods, and programs of others where they are installed.")
        self.method.currentIndexChanged.connect(lambda _: self._show_form())
        self.about = hint()
        self.place = row(
            ActionButton("Its Python...", "Of the environment in which the program is installed.", self._find_python),
            ActionButton("A model...", "A file that it can read; for a folder, write its path.", self._find_model),
        )
        self.forms = QWidget()
        QVBoxLayout(self.forms).setContentsMargins(0, 0, 0, 0)
        self.draft = ActionButton("Draft", "Label this image, only where there are no user edits.", self._draft)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.method, self.about, self.place, more("Settings", self.forms), self.draft):
            layout.addWidget(widget)

    @property
    def kind(self) -> str:
        """The chosen method, by the name that the command line takes."""
        return str(self.method.currentData() or "")

    @property
    def form(self) -> SettingsForm:
        """The settings of the chosen method, kept while others are looked at."""
        if self.kind not in self._forms:
            self._forms[self.kind] = SettingsForm(DRAFTS[self.kind]())
            found = self.forms.layout()
            assert found is not None
            found.addWidget(self._forms[self.kind])
        return self._forms[self.kind]

    def show_view(self, view: View) -> None:
        """Offer what gives objects, or classes."""
        self._view = view
        offered = tuple(kind for kind in DRAFTS if view.semantic or kind not in OF_CLASSES)
        if offered != self._offered:
            self._offered, chosen = offered, self.kind
            with signals_blocked(self.method):
                self.method.clear()
                for kind in offered:
                    self.method.addItem(DRAFTS[kind].label(), kind)
                self.method.setCurrentIndex(max(0, self.method.findData(chosen)))
            self._show_form()
        self._show_button()

    def _show_form(self) -> None:
        shown = self.form
        for form in self._forms.values():
            form.setVisible(form is shown)
        cls = DRAFTS[self.kind]
        self.about.setText(cls.summary())
        self.place.setVisible(issubclass(cls, OtherProgram))
        self._show_button()

    def _show_button(self) -> None:
        if self._view is not None:
            self.draft.show_control(self._view.forest if self.kind == "forest" else self._view.predict)

    def _draft(self) -> None:
        self.controller.draft(self.form.value())

    def _find_python(self) -> None:
        self._take("python", "The Python of that environment (bin/python, or python.exe)")

    def _find_model(self) -> None:
        self._take("model", "A model's file")

    def _take(self, name: str, question: str) -> None:
        path, _ = QFileDialog.getOpenFileName(self, question)
        if path:
            changed: dict[str, Any] = {name: path}
            self.form.setValue(self.form.value().model_copy(update=changed))

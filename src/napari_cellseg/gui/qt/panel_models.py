"""Models out and in: export the current one, import a bioimage.io package. Qt only."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QVBoxLayout, QWidget

from ..app.controller import Controller
from ..app.view import View
from .widgets import ActionButton, hint, row

FORMS = {
    "onnx": ("ONNX folder", "A model folder that predicts without torch: napari-cellseg predict --model FOLDER."),
    "onnx-int8": (
        "ONNX folder, 8 bit",
        "Smaller and faster, and not quite the same: calibrated and compared on the project's images.",
    ),
    "torchscript": ("TorchScript folder", "For programs that read TorchScript."),
    "bioimageio": ("bioimage.io package", "For QuPath, ilastik, deepImageJ; needs authors and a licence."),
}
READINGS = {
    "": "napari-cellseg's own",
    "foreground": "foreground",
    "boundary": "foreground, boundary",
    "distance": "foreground, distance",
    "flows": "foreground, flows (Y, X)",
    "classes": "background, classes",
    "mask": "one class",
}


class ModelsPanel(QWidget):
    """A form and a button for the way out, a reading and a button for the way in."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.form, self.reading = QComboBox(), QComboBox()
        for key, (name, _) in FORMS.items():
            self.form.addItem(name, key)
        for key, name in READINGS.items():
            self.reading.addItem(name, key)
        self.about = hint()
        self.authors, self.licence, self.channels = (self._line(*words) for words in _LINES)
        self.export = ActionButton(
            "Export...", "Write the current model; what is written is compared with torch.", self._export
        )
        self.bring_in = ActionButton(
            "Import a bioimage.io package...",
            "A bioimageio.yaml or a zip file becomes the model.",
            self._import,
        )
        self.reading.setToolTip("How the outputs of another program's network are understood.")
        self.form.currentIndexChanged.connect(lambda _: self._show_form())
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        for widget in (
            row(self.form, self.export), self.about, row(self.authors, self.licence), self.bring_in,
            row(self.reading, self.channels),
        ):  # fmt: skip
            box.addWidget(widget)
        self._show_form()

    def show_view(self, view: View) -> None:
        """Whether there is a project."""
        for button in (self.export, self.bring_in):
            button.show_control(view.needs_project)

    def _line(self, shown: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText(shown)
        line.setToolTip(tip)
        return line

    def _show_form(self) -> None:
        form = str(self.form.currentData())
        self.about.setText(FORMS[form][1])
        for line in (self.authors, self.licence):
            line.setVisible(form == "bioimageio")

    def _export(self) -> None:
        form = str(self.form.currentData())
        title, name = f"{FORMS[form][0]}: its name", "model.zip" if form == "bioimageio" else "model"
        path, _ = QFileDialog.getSaveFileName(self, title, name)
        if path:
            authors, licence = self.authors.text().strip(), self.licence.text().strip()
            self._controller.models.export(form, path, authors, licence)

    def _import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Which package?", "", "bioimage.io packages (*.zip bioimageio.yaml rdf.yaml)"
        )
        if path:
            read = str(self.reading.currentData())
            self._controller.models.bring_in(path, read, self.channels.text().strip() if read else "")


_LINES = (
    ("authors: A. Name, B. Name", "Of the model, as the package names them."),
    ("licence: CC-BY-4.0", "By its SPDX name: CC-BY-4.0, MIT, BSD-3-Clause."),
    ("channels: 0,1", "Which outputs of the network these are, counted from 0; empty: the first."),
)

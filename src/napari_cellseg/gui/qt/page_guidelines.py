"""The project's own annotation rules and reference pictures, beside the image."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtWidgets import QFileDialog, QPlainTextEdit, QStackedWidget, QTextBrowser

from ..app.view import View
from .page import Page
from .widgets import ActionButton, row

_EMPTY = """*No rules yet.* Press **Edit** and write down what everybody who corrects should do alike, for example:

- What counts as an object? What about cells cut by the border, debris, dividing cells?
- Where does the outline run: at the outer edge, or where the signal ends?
- Which doubtful cases go which way? Add a picture of each.
"""


class GuidelinesPage(Page):
    """Read the rules; edit them in place."""

    title = "Guidelines"
    about = "The rules of this project, kept in its folder (guidelines.md)."

    def build(self) -> None:
        """Make the controls."""
        self.browser, self.editor, self.stack = QTextBrowser(), QPlainTextEdit(), QStackedWidget()
        self.browser.setOpenExternalLinks(True)
        self.editor.setToolTip("Markdown: # title, **bold**, - list.")
        self.stack.addWidget(self.browser)
        self.stack.addWidget(self.editor)
        self.stack.setMinimumHeight(320)
        self.edit = ActionButton("Edit", "Write or change the rules.", self._edit)
        self.save = ActionButton("Save", "Keep the text in the project.", self._save)
        self.picture = ActionButton("Add picture...", "Copy a reference picture into the project.", self._add)
        self.form.addWidget(self.stack, 1)
        self.form.addWidget(row(self.edit, self.save, self.picture))
        self._shown: tuple[str, str] = ("", "")
        self._editing: Path | None = None

    def show_view(self, view: View) -> None:
        """Show the rules of the open project."""
        writable = view.correct if view.saved == "read only" else view.needs_project
        self.edit.show_control(writable)
        self.save.show_control(writable)
        self.picture.show_control(writable)
        if self._editing is not None and self._editing != view.folder:
            self._leave()  # another project was opened: its rules are not these; the text stays in the editor's history
        editing = self.stack.currentWidget() is self.editor
        self.edit.setVisible(not editing)
        self.save.setVisible(editing)
        text, key = view.guidelines, (view.project, view.guidelines)
        if key != self._shown and not editing:
            self._shown = key
            document = self.browser.document()
            if view.folder is not None and document is not None:
                document.setBaseUrl(QUrl.fromLocalFile(f"{view.folder}/"))
                self.browser.setSearchPaths([str(view.folder)])
            self.browser.setMarkdown(text or _EMPTY)

    def _edit(self) -> None:
        if self.view.folder is not None:
            self.editor.setPlainText(self.controller.guidelines.text())
            self._editing = self.view.folder
            self.stack.setCurrentWidget(self.editor)
            self.edit.setVisible(False)
            self.save.setVisible(True)

    def _save(self) -> None:
        if self._editing is not None and self.controller.guidelines.save(self.editor.toPlainText(), self._editing):
            self._leave()
            self._refresh()

    def _leave(self) -> None:
        self._editing = None
        self.stack.setCurrentWidget(self.browser)
        self._shown = ("", "")

    def _add(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "A reference picture", "", "Pictures (*.png *.jpg *.jpeg)")
        if path:
            self.add_picture(path)

    def add_picture(self, path: str) -> None:
        """Put a reference picture at the end of the rules."""
        self.controller.guidelines.add_reference(path)
        if self.view.folder is not None and self.stack.currentWidget() is self.editor:
            self.editor.appendPlainText("\n" + self.controller.guidelines.text().splitlines()[-1])
        self._refresh()

    def _refresh(self) -> None:
        self.show_view(self.view)

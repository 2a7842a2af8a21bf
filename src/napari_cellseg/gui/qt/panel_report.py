"""Part of the step Rounds: the report is written, and looked at in a window of its own. Qt only."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QImage, QTextOption
from qtpy.QtWidgets import QFileDialog, QSizePolicy, QTextBrowser, QVBoxLayout, QWidget

from ..app.controller import Controller
from ..app.view import View
from .widgets import ActionButton, row

SIZE = QSize(1060, 820)
"""Of the window at first: the widest table fits."""
WIDTH = 700
"""Of pictures in the window; wider ones are made as narrow."""
_PICTURE = re.compile(r'src="data:image/png;base64,([^"]+)"')


class ReportPanel(QWidget):
    """Two buttons: write it, and look at what was written last."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self._report = controller.report
        self._written: Path | None = None
        self.window_: ReportWindow | None = None
        self.write = ActionButton(
            "Write report...",
            "One file for a browser: rounds, the worst cases, work by tool and person, images, a paragraph of methods, "
            "models. Held-out images are predicted for it.",
            self._write,
        )
        self.look = ActionButton("Look at it", "Show the report that was written last, here.", self._look)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.write, self.look))

    def show_view(self, view: View) -> None:
        """Whether there is something to write, and something to look at."""
        self.write.show_control(view.needs_project)
        self._written = view.report_written
        self.look.setVisible(self._written is not None)

    def _write(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Report of this project", "report.html", "Web pages (*.html)")
        if path:
            self._report.write(path)

    def _look(self) -> None:
        text = self._report.text()
        if text is not None:
            self.window_ = ReportWindow(text, self)
            self.window_.show()


class ReportWindow(QTextBrowser):
    """A report beside the Workbench: the page as it is in the file, without a browser."""

    def __init__(self, page: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowFlags(Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Report")
        self.setStyleSheet("QTextBrowser { background: white; color: #1a202c; }")
        self.setWordWrapMode(QTextOption.WrapMode.WordWrap)
        self.resize(SIZE)
        self._pictures: list[QImage] = []
        self.setHtml(_PICTURE.sub(self._kept, page))

    def loadResource(self, kind: int, name: QUrl) -> Any:
        """Qt asks for a picture; nothing is fetched from anywhere."""
        place = name.toString().removeprefix("picture:")
        return self._pictures[int(place)] if place.isdigit() else None

    def _kept(self, found: re.Match[str]) -> str:
        """A picture in the page, kept here and named by its place: Qt takes no addresses that hold their data."""
        picture = QImage.fromData(base64.b64decode(found.group(1)))
        self._pictures.append(picture)
        return f'src="picture:{len(self._pictures) - 1}" width="{min(WIDTH, picture.width())}"'

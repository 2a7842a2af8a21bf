"""Where networks run: this computer, or an engine on another one."""

from __future__ import annotations

from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from ..app.controller import Controller
from ..app.view import View
from .widgets import ActionButton, hint, row


class EnginePanel(QWidget):
    """An address, a token for the first time, and a way back."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.where = hint()
        self.address, self.secret = QLineEdit(), QLineEdit()
        self.address.setPlaceholderText("localhost:7700")
        self.address.setToolTip(
            "HOST:PORT of a `napari-cellseg engine` on another machine; of an SSH tunnel to it, localhost and its port."
        )
        self.secret.setPlaceholderText("token (the first time)")
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        self.secret.setToolTip(
            "What the engine has shown when it was started. It is kept in a file that only you can read."
        )
        self.there = ActionButton("Compute there", "Connect and let that machine compute.", self._move)
        self.here = ActionButton("This computer", "Let this computer compute.", lambda: controller.compute_on(""))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        for widget in (self.where, row(self.address, self.secret), row(self.there, self.here)):
            box.addWidget(widget)

    def _move(self) -> None:
        text = self.address.text().strip() or self.address.placeholderText()
        self._controller.compute_on(text, secret=self.secret.text().strip())
        self.secret.clear()

    def show_view(self, view: View) -> None:
        """Show where it runs."""
        said = f"Networks run on {view.server}; project and models stay here." if view.server else "Networks run here."
        self.where.setText(f"{said} {view.engine[0].upper()}{view.engine[1:]}.")
        self.here.setEnabled(bool(view.server))

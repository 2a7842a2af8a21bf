"""Two pictures of the same field side by side, with a line of text under each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ..app.crops import Crop, Pair
from .widgets import hint

WIDTH = 176
"""Of each picture: two fit into the narrowest dock."""


class PairView(QWidget):
    """Is there as long as there is a pair to show."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Pair | None = None
        self.pictures, self.texts = (QLabel(), QLabel()), (hint(), hint())
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for column, (picture, text) in enumerate(zip(self.pictures, self.texts, strict=True)):
            layout.addWidget(picture, 0, column, Qt.AlignmentFlag.AlignLeft)
            layout.addWidget(text, 1, column)
        self.setVisible(False)

    def show_pair(self, pair: Pair | None) -> None:
        """Show another pair, or none."""
        if pair is self._shown:
            return
        self._shown = pair
        self.setVisible(pair is not None)
        if pair is None:
            return
        where = "Nothing was learnt from this place." if pair.held_out else "The middle of the view."
        for crop, word, picture, text in zip(
            (pair.before, pair.after), ("Before", "After"), self.pictures, self.texts, strict=True
        ):
            picture.setPixmap(_pixmap(crop.picture))
            picture.setToolTip(f"{where} Rounds compares both models in the whole view, and in figures.")
            text.setText(_line(word, crop))


def _line(word: str, crop: Crop) -> str:
    return f"{word} ({crop.model}): {crop.objects} object{'' if crop.objects == 1 else 's'}"


def _pixmap(pixels: NDArray[np.uint8]) -> QPixmap:
    height, width = pixels.shape[:2]
    image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy()).scaledToWidth(WIDTH, Qt.TransformationMode.SmoothTransformation)

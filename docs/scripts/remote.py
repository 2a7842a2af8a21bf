"""Make docs/images/remote.png: the step Predict while an engine behind another port computes, on real nuclei.

usage: python docs/scripts/remote.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import csv
import tempfile
import threading
from pathlib import Path

import numpy as np
from screen import on_screen
from tools import DATA, IMAGES, Studio

from napari_cellseg.engine.remote.server import Server
from napari_cellseg.engine.remote.tokens import add_token, keep_token, read_tokens
from napari_cellseg.images import read_labels


def main() -> None:
    """Serve, connect, predict, and show where it runs."""
    folder = DATA / "dsb2018"
    row = next(r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == "fluo_small")
    shape = read_labels(folder / "labels" / f"{row['name']}.tif").shape
    with tempfile.TemporaryDirectory() as home:
        keep_token(Path(home) / "token", add_token(Path(home) / "tokens", "anna"))
        server = Server(read_tokens(Path(home) / "tokens"), Path(home) / "scratch")
        server.bind("127.0.0.1", 7700)
        threading.Thread(target=server.serve, daemon=True).start()
        studio = Studio(Path(home), folder / "images" / f"{row['name']}.tif", np.zeros(shape, np.uint32))
        control = studio.control
        control.start_from("cells")
        control.compute_on("localhost:7700", Path(home) / "token")
        studio.spin(1200, lambda: control.engine.ready is not None)
        control.predict()
        studio.spin(1200, lambda: not control.busy)
        studio.dock.open_step("Predict")
        show_fold(studio)
        studio.viewer.reset_view()
        studio.spin(1)
        studio.viewer.window.screenshot(str(IMAGES / "remote.png"), canvas_only=False, flash=False)
        studio.viewer.close()
        server.close()


def show_fold(studio: Studio) -> None:
    """Open the fold that says where it runs, and show it."""
    from qtpy.QtWidgets import QScrollArea
    from superqt import QCollapsible

    page = studio.dock.page("Predict")
    fold = next(f for f in page.findChildren(QCollapsible) if "where it runs" in f.text())
    fold.expand()
    studio.spin(0.5)
    area = next(a for a in studio.dock.findChildren(QScrollArea) if a.isAncestorOf(page))
    area.ensureWidgetVisible(fold, 0, 0)
    studio.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()

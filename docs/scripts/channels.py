"""Make docs/images/channels.png: three channels of one picture, together.

usage: python docs/scripts/channels.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import tifffile
from screen import on_screen
from tools import DATA, Studio

from napari_cellseg.images import read_labels

NAMES = ("red", "green", "phase contrast")
NUMBERS = [0, 1, 3]


def main() -> None:
    """Name the channels, open the picture and look at the step Preprocess."""
    name = "hacat_fucci_t100.tif"
    with tempfile.TemporaryDirectory() as home:
        picture = Path(home) / "fucci.ome.tif"
        pixels = tifffile.imread(DATA / "fucci" / "images" / name)[NUMBERS]
        named = {"axes": "CYX", "Channel": {"Name": list(NAMES)}}
        tifffile.imwrite(picture, pixels, ome=True, photometric="minisblack", metadata=named)
        studio = Studio(Path(home), picture, read_labels(DATA / "fucci" / "labels" / name))
        studio.dock.open_step("Preprocess")
        studio.control.family.labels.visible = studio.control.family.state.visible = False
        studio.viewer.reset_view()
        studio.spin(1)
        studio.window("channels")
        studio.viewer.close()
        studio.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()

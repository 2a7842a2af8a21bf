"""Make docs/images/clean_up.png: a draft before and after *Clean up all objects*, on real nuclei.

usage: python docs/scripts/clean_up.py       (starts Xvfb where there is no display; needs ../shared/data)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tifffile
from screen import on_screen
from tools import DATA, IMAGES, Studio

from napari_cellseg.drafts import CleanUp, OtsuWatershed, draft

NAME = "dsb_150b0ffa318c"
PLACE = (180.0, 235.0)


def main() -> None:
    """Draft by a threshold on unsmoothed pixels, open it, clean it up."""
    with tempfile.TemporaryDirectory() as home:
        picture = Path(home) / "nuclei.tif"
        pixels = tifffile.imread(DATA / "dsb2018" / "images" / f"{NAME}.tif")
        tifffile.imwrite(picture, pixels)
        noisy = pixels + np.random.default_rng(0).normal(0, 0.35 * pixels.std(), pixels.shape)
        rough = draft(OtsuWatershed(sigma=0, min_size=4), noisy[None].astype(np.float32)).labels
        studio = Studio(Path(home), picture, rough)
        studio.look(PLACE)
        before = studio.panel()
        studio.control.cleaning.clean(CleanUp())
        studio.spin(20, lambda: not studio.control.busy)
        studio.spin(1)
        after = studio.panel()
        gap = np.full((before.shape[0], 12, 3), 255, np.uint8)
        imageio.imwrite(IMAGES / "clean_up.png", np.concatenate([before, gap, after], axis=1))
        print(IMAGES / "clean_up.png")
        studio.viewer.close()
        studio.spin(0.5)


if __name__ == "__main__":
    on_screen()
    main()

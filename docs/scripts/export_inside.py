"""Make docs/images/export-inside.png: labels written into OME-Zarr images from the step Image, on real nuclei.

usage: python docs/scripts/export_inside.py       (needs ../shared/data; starts Xvfb where there is no display)
"""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import zarr
from screen import on_screen
from tools import DATA, Studio

from napari_cellseg.images import read, read_labels


def main() -> None:
    """Take a picture that is an OME-Zarr image, export its labels into it, and show what is said."""
    folder = DATA / "dsb2018"
    row = next(r for r in csv.DictReader((folder / "index.csv").open()) if r["modality"] == "fluo_small")
    truth = read_labels(folder / "labels" / f"{row['name']}.tif")
    with tempfile.TemporaryDirectory() as home:
        os.environ["CELLSEG_CONFIG"] = home
        picture = Path(home) / "nuclei.ome.zarr"
        as_ome_zarr(folder / "images" / f"{row['name']}.tif", picture)
        studio = Studio(Path(home), picture, truth)
        page = studio.dock.page("Image")
        page.exports.format.setCurrentIndex(page.exports.format.count() - 1)
        page.exports.name.setText("nuclei")
        studio.dock.open_step("Image")
        page.export_all.click()
        studio.spin(30, lambda: studio.control.session.status.startswith("Exported"))
        studio.spin(1)
        studio.window("export-inside")
        os._exit(0)


def as_ome_zarr(source: Path, path: Path) -> None:
    """A picture as OME-Zarr 0.5 with a single level."""
    pixels = read(source).load()[0]
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    group.create_array("0", shape=pixels.shape, dtype=pixels.dtype, dimension_names=["y", "x"])[:] = pixels
    axes = [{"name": a, "type": "space"} for a in "yx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}


if __name__ == "__main__":
    on_screen()
    main()

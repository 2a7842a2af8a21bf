"""Write the table of metrics into docs/evaluating.md from their declarations, and make its pictures.

usage: python docs/scripts/evaluating.py [--check | --table | --pictures]       (starts Xvfb where there is no display)
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from screen import live, on_screen

import napari_cellseg as cs
from napari_cellseg.evaluation import GROUPS, METRICS

PAGE = Path(__file__).parents[1] / "evaluating.md"
IMAGES = PAGE.with_name("images")
DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dsb2018"
BEGIN, END = "<!-- made by docs/scripts/evaluating.py -->", "<!-- end -->"


def table() -> str:
    """All metrics by their groups."""
    lines = []
    for group, title in GROUPS.items():
        lines += [
            f"### {title} (`{group}`)",
            "",
            "| column | metric | range or unit | better | what it means | source |",
        ]
        lines += ["|---" * 6 + "|"]
        for m in (m for m in METRICS if m.group == group):
            lines.append(f"| `{m.name}` | {m.title} | {m.unit} | {m.better} | {m.meaning} | {m.source} |")
        lines.append("")
    return "\n".join(lines)


def page() -> str:
    """The page with its table as it should be."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.split(END)[1]}"


def fluorescence() -> tuple[Path, np.ndarray]:
    """A test image that no shipped weights have learnt from, with its true labels."""
    best: tuple[Path, np.ndarray] | None = None
    for row in csv.DictReader((DATA / "index.csv").open()):
        if row["modality"] != "fluo_small" or row["split"] != "test" or int(row["n_nuclei"]) < 30:
            continue
        found = DATA / "images" / f"{row['name']}.tif", cs.read_labels(DATA / "labels" / f"{row['name']}.tif")
        if best is None or (found[1] > 0).mean() > (best[1] > 0).mean():  # large and touching
            best = found
    if best is None:
        raise SystemExit(f"no pictures at {DATA}")
    return best


def strip(folder: Path) -> None:
    """The base model and Otsu's threshold on one picture."""
    source, truth = fluorescence()
    picture = shutil.copy(source, folder / "nuclei.tif")
    with cs.new(folder / "strip") as project:
        project.add(picture)
        project.draft()
        otsu = project.labels("nuclei")
    systems = {"Otsu + watershed": {"nuclei": otsu}, "base model": {"nuclei": cs.predict(picture)}}
    done = cs.compare_systems({"nuclei": truth}, systems, pictures=[picture], figures=folder)
    shutil.copy(done.files[0], IMAGES / "evaluate_strip.png")


def window(folder: Path) -> None:
    """The errors of the base model in the step Rounds."""
    import napari

    source, truth = fluorescence()
    picture = shutil.copy(source, folder / "nuclei_01.tif")
    with cs.new(folder / "window") as project:
        project.add(picture, labels=truth)
        path = project.path
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control = dock.controller

    def spin(until: Callable[[], bool], seconds: float = 600.0) -> None:
        live(seconds, until, lambda: f"{control.session.status} {control.session.problem}")

    control.open_project(path)
    spin(lambda: not control.busy)
    control.want(live=False)
    control.predict()
    spin(lambda: not control.busy and control.session.kept)
    dock.open_step("Rounds")
    control.errors.of_model()
    spin(lambda: bool(control.session.errors) or control.session.problem is not None)
    still = time.monotonic() + 2
    spin(lambda: time.monotonic() > still)
    viewer.window.screenshot(str(IMAGES / "evaluate_window.png"), canvas_only=False)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(None if PAGE.read_text(encoding="utf-8") == page() else "docs/evaluating.md is out of date")
    if "--pictures" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    if "--table" not in sys.argv:
        on_screen()
        with tempfile.TemporaryDirectory() as name:
            strip(Path(name))
            window(Path(name))
            os._exit(0)

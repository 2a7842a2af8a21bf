"""Every paper's pipeline in minutes, by the commands of docs/papers.md, on ../shared/data: their figures beside ours.

usage: python benchmarks/papers.py [--seconds 60] [--only aziz|das|gautam|karabag|tiling]

None of the papers' own images can be had here, except the 2018 Data Science Bowl and pieces of Karabag's cell: every
row says on which images and after what training ours was measured, so that nobody takes the two columns for a
comparison of methods.
Networks begin with random weights (no model hub is reachable where this was written) and learn for so many seconds
where the papers took hours. Writes benchmarks/results/papers.json and prints a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from presets import CASES, DATA, recipe_of, rows

RESULTS = Path(__file__).parent / "results" / "papers.json"
Row = dict[str, str]


def cellseg(*words: object) -> str:
    """A command, as a person types it; its output."""
    command = [sys.executable, "-m", "napari_cellseg.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def project_of(name: str, folder: Path) -> Path:
    """The data that stand for a paper's own, as a project with its recipe."""
    case = CASES[name]
    with case.make(folder) as project:
        project.save_config(project.config.model_copy(update={"recipe": recipe_of(case)}))
        return project.path


def learnt(path: Path, preset: str, seconds: float, *values: str) -> str:
    """Train with a preset; the training in words."""
    settings = [*values, "train.epochs=0", f"train.seconds={seconds}", "train.checks=4"]
    sets = [word for value in settings for word in ("--set", value)]
    cellseg("train", path, "--preset", preset, "--keep", "yes", *sets)
    return f"{preset}, {seconds:.0f} s from random weights"


def judged(path: Path, metrics: str, *more: object) -> list[dict[str, Any]]:
    """`evaluate`: figures of every test image."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "e.json"
        cellseg("evaluate", path, "--metrics", metrics, "--json", out, *more)
        tables: dict[str, list[dict[str, Any]]] = json.loads(out.read_text())["tables"]
    return tables["images"]


def mean(found: Iterable[dict[str, Any]], metric: str) -> str:
    """Mean over images, three digits."""
    values = [row[metric] for row in found if row.get(metric) is not None]
    return f"{np.mean(values):.3f}" if values else "none"


def row(figure: str, theirs: str, ours: str, images: str, training: str) -> Row:
    """A line of the table."""
    return {"figure": figure, "paper": theirs, "ours": ours, "images": images, "training": training}


def aziz(folder: Path, seconds: float) -> list[Row]:
    """Confluency in phase contrast."""
    path = project_of("aziz-2026", folder)
    training = learnt(path, "aziz-2026", seconds)
    found = judged(path, "accuracy,iou,dice,confluency,confluency_error")
    images = f"{len(found)} of phase contrast (Usiigaci), for 40 of HEK293T"
    error = f"{np.mean([abs(r['confluency_error']) for r in found]):.3f}"
    return [
        row("IoU, labels corrected", "0.898 (0.891 by its counts)", mean(found, "iou"), images, training),
        row("Dice", "0.946 (0.942)", mean(found, "dice"), images, training),
        row("accuracy", "0.967 (0.970)", mean(found, "accuracy"), images, training),
        row("confluency, mean error", "0.20 between operators", error, images, training),
    ]


def das(folder: Path, seconds: float) -> list[Row]:
    """Unstained cells, an ensemble."""
    path = project_of("das-2025", folder)
    images = "upper left quarters of colour bright field, for LIVECell and ten own images"
    found = []
    for name in ("das-2025-model-1-focal", "das-2025-model-3-focal"):
        training = learnt(path, name, seconds / 2, "train.batch=2", "train.patch=128")
        found.append(row(f"Dice, {name}", "0.89 (LIVECell)", mean(judged(path, "dice"), "dice"), images, training))
    cellseg("ensemble", path, "--model", "v1", "--model", "v2")
    together = judged(path, "dice,iou,accuracy")
    what = "both together, mean"
    return [
        *found,
        row("Dice, ensemble", "0.89 (LIVECell); 0.703 to 0.827", mean(together, "dice"), images, what),
        row("IoU, ensemble", "0.81", mean(together, "iou"), images, what),
        row("accuracy, ensemble", "0.93", mean(together, "accuracy"), images, what),
    ]


def gautam(folder: Path, seconds: float) -> list[Row]:
    """Nuclei of the Data Science Bowl, explained."""
    path = project_of("gautam-2025", folder)
    training = learnt(path, "gautam-2025", seconds, "train.batch=4")
    found = judged(path, "iou,precision,recall")
    images = f"{len(found)} of the Data Science Bowl, small fluorescent nuclei; theirs: 60 of all kinds"
    maps = folder / "maps"
    first = str(found[0]["image"])
    cellseg("explain", path, "--image", first, "--method", "gradcam", "--out", maps)
    numbers = json.loads(next(maps.rglob("*.json")).read_text())
    told = numbers[0] if isinstance(numbers, list) else numbers
    return [
        row("IoU", "0.882 (0.901 by its P and R)", mean(found, "iou"), images, training),
        row("precision", "0.945", mean(found, "precision"), images, training),
        row("recall", "0.951", mean(found, "recall"), images, training),
        row("Grad-CAM: mean relevance", "0.45", f"{float(told['mean']):.2f}", first, training),
        row("confidence", "0.902", f"{float(told['confidence']):.3f}", first, training),
    ]


def karabag(folder: Path, seconds: float) -> list[Row]:
    """The nuclear envelope in electron microscopy."""
    path = project_of("karabag-2023", folder)
    training = learnt(path, "karabag-2023", seconds, "train.patch=64", "train.batch=16", "sampling.slices=[]")
    with tempfile.TemporaryDirectory() as out:
        cellseg("evaluate", path, "--metrics", "iou,accuracy", "--csv", Path(out) / "e.csv")
        table = list(csv.DictReader((Path(out) / "e_classes.csv").open()))
    nucleus = [r for r in table if r.get("class") == "nucleus"]
    images = f"{len(nucleus)} patches of 64 x 64 round the envelope of slices >= 144, for 300 whole slices"

    def of(metric: str) -> str:
        return mean(({metric: float(r[metric])} for r in nucleus if r[metric]), metric)

    return [
        row("nucleus, Jaccard", "0.938", of("iou"), images, training),
        row("nucleus, accuracy", "0.992", of("accuracy"), images, training),
    ]


def tiling(folder: Path, seconds: float) -> list[Row]:
    """Nuclei in volumes, and the cell cycle."""
    source = DATA / "nuclei3d_embryo"
    names = [r["name"] for r in rows("nuclei3d_embryo") if r["split"] == "test"]
    pictures = [source / "images" / f"{name}.tif" for name in names]
    masks = [source / "labels" / f"{name}.tif" for name in names]
    images = f"{len(names)} embryo volumes (BBBC050), for spheroids"
    theirs = "0.778 (Labkit), 0.771 (their best U-Net)"
    truth, out = folder / "truth", []
    truth.mkdir()
    for name, mask in zip(names, masks, strict=True):
        (truth / f"{name}.tif").symlink_to(mask.resolve())
    for title, how in (("draft: one threshold for a volume", ("draft",)), ("base model, three axes", ("predict",))):
        path = folder / f"{how[0]}.cellseg"
        cellseg("new", path)
        cellseg("add", path, *pictures, "--axes", "ZYX", "--spacing", "1.75,0.8,0.8")
        for step, clean in ((how, ""), (("clean",), ", cleaned up")):
            cellseg(step[0], path)
            found = folder / f"{how[0]}{len(clean)}"
            cellseg("export", path, "--out", found)
            score = scored(truth, found, title)
            out.append(row(f"Evaluation Score, {title}{clean}", theirs, score, images, "no training here"))
    return [*out, *cell_cycle(folder)]


def scored(truth: Path, found: Path, name: str) -> str:
    """The Evaluation Score, mean over volumes; exported labels are called like their images."""
    masks = folder_of(found)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "e.json"
        cellseg("evaluate", "--truth", truth, "--predictions", f"ours={masks}", "--metrics", "score", "--json", out)
        return mean(json.loads(out.read_text())["tables"]["images"], "score")


def folder_of(found: Path) -> Path:
    """Exported labels under the names of their pictures, without what an export adds to a name."""
    plain = found / "plain"
    plain.mkdir()
    for path in found.glob("*.tif"):
        (plain / path.name.replace("_labels", "")).symlink_to(path.resolve())
    return plain


def cell_cycle(folder: Path) -> list[Row]:
    """States of the shared frames, thresholds proposed; nobody knows the truth of them."""
    images, labels = DATA / "fucci" / "images", DATA / "fucci" / "labels"
    table = folder / "states.csv"
    masks, pictures = sorted(labels.glob("*.tif")), sorted(images.glob("*.tif"))
    cellseg("fucci", *masks, "--intensity", *pictures, "--red", 1, "--green", 2, "--csv", table)
    states = [r["state"] for r in csv.DictReader(table.open())]
    shares = ", ".join(f"{s} {states.count(s) / len(states):.0%}" for s in dict.fromkeys(states))
    return [row("FUCCI, shares of states", "no table", shares, f"{len(masks)} frames of HaCaT, {len(states)} nuclei",
                "thresholds proposed")]  # fmt: skip


PAPERS: dict[str, Callable[[Path, float], list[Row]]] = {
    "aziz": aziz, "das": das, "gautam": gautam, "karabag": karabag, "tiling": tiling,
}  # fmt: skip


def table(name: str, found: list[Row]) -> str:
    """As Markdown."""
    lines = [f"| {name} | paper | ours | on | after |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(r.values()) + " |" for r in found)])


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", choices=tuple(PAPERS))
    options = parser.parse_args()
    kept: dict[str, list[Row]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in [options.only] if options.only else list(PAPERS):
        with tempfile.TemporaryDirectory() as folder:
            kept[name] = PAPERS[name](Path(folder), options.seconds)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        print(table(name, kept[name]), "\n", flush=True)


if __name__ == "__main__":
    main()

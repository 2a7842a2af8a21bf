"""Whether a spot check tells the truth: the base model on real nuclei, a perfect annotator, many draws.

usage: python benchmarks/spot_check.py [--images 16] [--draws 100] [--modality fluo_small]
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import napari_cellseg as cs
from napari_cellseg.evaluation import rates
from napari_cellseg.images import read_labels
from napari_cellseg.matching import matched, overlaps
from napari_cellseg.project import COUNTED, RIGHT, WRONG, SpotAnswer, SpotCheck
from napari_cellseg.trust import Drawing, draw, result_of

DATA = Path(os.environ.get("CELLSEG_DATA", Path(__file__).parents[2] / "shared" / "data")) / "dsb2018"


class Known:
    """What a perfect annotator knows of one image: which objects are right, and where cells were missed."""

    def __init__(self, truth: np.ndarray, found: np.ndarray) -> None:
        both = overlaps(truth, found)
        left, right, _ = matched(both, 0.5)
        self.right = set(both.right_ids[right].tolist())
        missed = np.setdiff1d(both.left_ids, both.left_ids[left])
        self.middles = [np.argwhere(truth == i).mean(0) for i in missed.tolist()]
        self.counts = {"tp": len(left), "fp": both.right_ids.size - len(left), "fn": missed.size}


def answers(check: SpotCheck, known: dict[str, Known]) -> dict[int, SpotAnswer]:
    """All answers of a perfect annotator."""
    out = {}
    for p in check.places:
        if p.kind == "object":
            out[p.number] = SpotAnswer(p.number, RIGHT if p.object in known[p.image].right else WRONG)
        else:
            inside = [all(a <= v < b for v, (a, b) in zip(m, p.box, strict=True)) for m in known[p.image].middles]
            out[p.number] = SpotAnswer(p.number, COUNTED, sum(inside))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--modality", default="fluo_small")
    options = parser.parse_args()
    rows = [r for r in csv.DictReader((DATA / "index.csv").open()) if r["modality"] == options.modality]
    with tempfile.TemporaryDirectory() as folder, cs.new(Path(folder) / "p") as project:
        truth = {}
        for n, row in enumerate(rows[: options.images]):
            picture = Path(folder) / f"n{n:02d}.tif"
            shutil.copy(DATA / "images" / f"{row['name']}.tif", picture)
            project.add(picture)
            truth[f"n{n:02d}"] = read_labels(DATA / "labels" / f"{row['name']}.tif")
        project.predict()
        known = {id: Known(t, project.labels(id)) for id, t in truth.items()}
        sums = {k: sum(v.counts[k] for v in known.values()) for k in ("tp", "fp", "fn")}
        real = rates({k: float(v) for k, v in sums.items()})
        tell(project, known, real, options.draws)


def tell(project: cs.OpenProject, known: dict[str, Known], real: dict[str, float], draws: int) -> None:
    held = {"precision": 0, "recall": 0}
    width: dict[str, list[float]] = {"precision": [], "recall": []}
    middle: dict[str, list[float]] = {"precision": [], "recall": []}
    start = time.perf_counter()
    for seed in range(draws):
        check = draw(project.project, Drawing(seed=seed))
        result = result_of(SpotCheck(**vars(check) | {"answers": answers(check, known)}))
        for name in held:
            share = getattr(result, name)
            held[name] += share.low <= real[name] <= share.high
            width[name].append(share.high - share.low)
            middle[name].append(share.value)
    each = (time.perf_counter() - start) / draws
    print(f"{len(known)} images, {check.objects} objects, {check.fields} fields; {each:.2f} s a draw")
    for name in held:
        print(
            f"{name}: true {real[name]:.3f}, mean of {draws} checks {np.mean(middle[name]):.3f}, in the interval in "
            f"{held[name] / draws:.0%}, mean width {np.mean(width[name]):.2f}"
        )


if __name__ == "__main__":
    main()

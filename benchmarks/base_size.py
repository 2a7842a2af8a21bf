"""Grow the trees that estimate object sizes (`napari_cellseg.base.estimate_size`): part of ``make base``.

Data flow: pictures that may be learnt from, at several magnifications, some inverted -> features -> extremely
randomised trees (Geurts et al. 2006) -> ``src/napari_cellseg/base/size.npz``. Then the error on the val and test splits
of dsb2018 and phase_contrast, which are not learnt from.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from base import DATA, pool

from napari_cellseg import images
from napari_cellseg.augmentation import Standard
from napari_cellseg.base import FOLDER, estimate_size, median_diameter
from napari_cellseg.base._size import WINDOW, features, grey
from napari_cellseg.samples import synthetic_cells

TREES, LEAF, COPIES, SYNTHETIC = 60, 4, 5, 80
ZOOM = (0.4, 2.0)
TONE = Standard(strength=1.6, invert=0.25)
"""How copies change: contrast, blur, noise, polarity."""


def learn() -> None:
    """Grow and write the trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    rng = np.random.default_rng(0)
    rows, sizes, kinds = [], [], []
    for plane, size, kind in pictures(rng):
        for zoom in (1.0, *np.exp(rng.uniform(*np.log(ZOOM), COPIES))):
            how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
            near = _middle(cv2.resize(plane, None, fx=zoom, fy=zoom, interpolation=how))
            if zoom != 1:
                near, _ = grey(TONE.tone(near[None, None], rng)[0])
            rows.append(features(near))
            sizes.append(np.log(size * zoom))
            kinds.append(kind)
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, random_state=0, n_jobs=1)
    many = Counter(kinds)
    forest.fit(np.stack(rows), np.array(sizes), sample_weight=[many[kind] ** -0.5 for kind in kinds])
    np.savez_compressed(FOLDER / "size.npz", **_arrays(forest))


def pictures(rng: np.random.Generator) -> Iterator[tuple[Any, float, str]]:
    """Normalised pictures, the size of their objects, their kind: real ones, and synthetic ones of any size."""
    for image, labels, kind in pool():
        size = median_diameter(images.read_labels(labels))
        yield grey(np.asarray(images.read(image).channels_first()))[0], size, kind
    for seed in range(SYNTHETIC):
        radius = float(np.exp(rng.uniform(np.log(5), np.log(40))))
        crowd = max(3, round(rng.uniform(0.1, 0.5) * 512 * 512 / (np.pi * radius**2)))
        near = rng.uniform(0, 0.5)
        image, labels = synthetic_cells((512, 512), crowd, radius=radius, touching=near, seed=1000 + seed)
        yield grey(image[None])[0], median_diameter(labels), "synthetic"


def measure() -> None:
    """Print the ratio of the estimated to the true size by modality: 10 %, half, 90 %."""
    ratios: dict[str, list[float]] = {}
    for folder in (DATA / "dsb2018", DATA / "phase_contrast"):
        for row in csv.DictReader((folder / "index.csv").open()):
            if row["split"] != "train":
                name = f"{row['name']}.tif"
                size = estimate_size(images.read(folder / "images" / name).channels_first())
                true = median_diameter(images.read_labels(folder / "labels" / name))
                ratios.setdefault(row.get("modality", "phase_contrast"), []).append(size / true)
    for kind, found in ratios.items():
        print(f"{kind:22} {len(found):3} images:", np.percentile(found, (10, 50, 90)).round(2))
    every = np.abs(np.log(np.concatenate([np.array(r) for r in ratios.values()])))
    print(f"mean error {np.expm1(every.mean()):.0%}, within a third {np.mean(every < np.log(4 / 3)):.0%}")


def _middle(plane: Any) -> Any:
    y, x = (max(0, (n - WINDOW) // 2) for n in plane.shape)
    return np.ascontiguousarray(plane[y : y + WINDOW, x : x + WINDOW])


def _arrays(forest: Any) -> dict[str, Any]:
    parts: dict[str, list[Any]] = {name: [] for name in ("roots", "feature", "threshold", "left", "right", "value")}
    start = 0
    for tree in (e.tree_ for e in forest.estimators_):
        own, leaf = np.arange(tree.node_count), tree.children_left < 0
        parts["roots"].append(np.array([start], np.int32))
        parts["feature"].append(np.where(leaf, 0, tree.feature).astype(np.int16))
        parts["threshold"].append(np.where(leaf, 0, tree.threshold).astype(np.float32))
        for side, children in (("left", tree.children_left), ("right", tree.children_right)):
            parts[side].append((np.where(leaf, own, children) + start).astype(np.int32))
        parts["value"].append(tree.value[:, 0, 0].astype(np.float32))
        start += tree.node_count
    return {name: np.concatenate(values) for name, values in parts.items()}


if __name__ == "__main__":
    if not Path(DATA).is_dir():
        raise SystemExit("needs ../shared/data")
    learn()
    measure()

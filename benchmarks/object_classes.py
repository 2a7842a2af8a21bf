"""Which classifier learns the class of objects from a few clicks: figures of docs/benchmarks.md.

    python benchmarks/object_classes.py DATA [--seeds 10] [--json FILE]

Three questions on real objects whose answer is known: FUCCI states of nuclei (two thresholds of HaCaT nuclei), the
kind of picture that a nucleus is of (2018 Data Science Bowl), and whether an object is one nucleus, two that were
merged, or half of one (made of the true nuclei of fluorescence pictures). Objects to learn from and objects to
judge come from different pictures.
"""

from __future__ import annotations

import argparse
import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import napari_cellseg as cs
from napari_cellseg.measurement._classifier import TREES
from napari_cellseg.measurement._features import GROUPS_SEEN, Scale

CLICKS = 3, 5, 10, 20, 50
LEARNERS = {
    "logistic regression": lambda n: LogisticRegression(C=1.0, class_weight="balanced", max_iter=500),
    "shrinkage LDA": lambda n: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "random forest": lambda n: RandomForestClassifier(200, class_weight="balanced", random_state=0),
    "kNN": lambda n: KNeighborsClassifier(min(5, n), weights="distance"),
    "extra trees": lambda n: ExtraTreesClassifier(TREES, class_weight="balanced", random_state=0),
}
LEARNERS["LDA + random forest"] = lambda n: VotingClassifier(
    [(name, LEARNERS[name](n)) for name in ("shrinkage LDA", "random forest")], voting="soft"
)
LEARNERS["logistic + random forest"] = lambda n: VotingClassifier(
    [(name, LEARNERS[name](n)) for name in ("logistic regression", "random forest")], voting="soft"
)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read(folder: Path, name: str) -> np.ndarray:
    return tifffile.imread(next(folder.glob(f"{name}.*")))


def fucci(data: Path) -> pd.DataFrame:
    """Nuclei with their state; the means of red and green say it, and the classifier has all columns of 4 channels."""
    folder = data / "fucci"
    names = [row["name"] for row in rows(folder)]
    labels = [folder / "labels" / f"{n}.tif" for n in names]
    images = [folder / "images" / f"{n}.tif" for n in names]
    states = cs.fucci_files(labels, images, red="1", green="2").table
    table = cs.measure_files(labels, images).table
    return table.assign(truth=states["state"].to_numpy())


def kinds(data: Path) -> pd.DataFrame:
    """Nuclei with the kind of picture that they are of; intensities of the mean of all channels."""
    folder, parts = data / "dsb2018", []
    for row in rows(folder):
        image, labels = read(folder / "images", row["name"]), read(folder / "labels", row["name"])
        grey = image.astype(np.float32).mean(axis=-1) if image.ndim == 3 else image.astype(np.float32)
        table = cs.measure(labels, grey)
        parts.append(table.assign(image=row["name"], truth=row["modality"]))
    table = pd.concat(parts, ignore_index=True)
    counts = table.groupby("truth")["image"].nunique()
    return table[table["truth"].isin(counts[counts >= 4].index)]


def slips(data: Path) -> pd.DataFrame:
    """One nucleus, two merged, half of one: made of the true nuclei of fluorescence pictures."""
    folder, parts, random = data / "dsb2018", [], np.random.default_rng(0)
    for row in rows(folder):
        if not row["modality"].startswith("fluo"):
            continue
        labels = read(folder / "labels", row["name"]).astype(np.uint32)
        image = read(folder / "images", row["name"]).astype(np.float32)
        image = image.mean(axis=-1) if image.ndim == 3 else image
        truth = _spoil(labels, random)
        table = cs.measure(labels, image)
        parts.append(table.assign(image=row["name"], truth=[truth.get(i, "one") for i in table["label"]]))
    return pd.concat(parts, ignore_index=True)


def _spoil(labels: np.ndarray, random: np.random.Generator) -> dict[int, str]:
    """Merge touching nuclei and cut others through their middle, in place; what became of which label."""
    pairs = {tuple(sorted(p)) for a in (0, 1) for p in _touching(labels, a)}
    truth: dict[int, str] = {}
    for a, b in sorted(pairs):
        if a not in truth and b not in truth and random.random() < 0.5:
            labels[labels == b] = a
            truth |= {a: "merged", b: "gone"}
    top = int(labels.max(initial=0))
    for id in np.unique(labels)[1:]:
        if int(id) not in truth and random.random() < 0.15:
            places = np.argwhere(labels == id)
            angle = random.random() * np.pi
            side = (places - places.mean(0)) @ [np.sin(angle), np.cos(angle)] > 0
            top += 1
            labels[tuple(places[side].T)] = top
            truth |= {int(id): "half", top: "half"}
    return truth


def _touching(labels: np.ndarray, axis: int) -> set[tuple[int, int]]:
    a, b = (np.take(labels, range(k, labels.shape[axis] - 1 + k), axis).ravel() for k in (0, 1))
    both = (a != b) & (a > 0) & (b > 0)
    return set(zip(a[both].tolist(), b[both].tolist(), strict=True))


def accuracy(table: pd.DataFrame, learner: str, clicks: int, seed: int, groups: tuple[str, ...]) -> float:
    """Balanced accuracy on the pictures that were kept back; `clicks` objects of each class are learnt from."""
    random = np.random.default_rng(seed)
    images = table["image"].unique()
    learnt = set(random.choice(images, max(1, len(images) // 2), replace=False))
    mine = table["image"].isin(learnt).to_numpy()
    pool, rest = table[mine], table[~mine]
    chosen = np.concatenate([
        random.choice(where, min(clicks, len(where)), replace=False)
        for name in sorted(table["truth"].unique())
        if len(where := np.flatnonzero(pool["truth"].to_numpy() == name))
    ])  # fmt: skip
    scale = Scale.of(pool, groups)
    model = LEARNERS[learner](clicks).fit(scale(pool.iloc[chosen]), pool["truth"].iloc[chosen])
    found, truth = model.predict(scale(rest)), rest["truth"].to_numpy()
    return float(np.mean([(found[truth == name] == name).mean() for name in np.unique(truth)]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    out: dict[str, dict[str, list[float]]] = {}
    for question, make in (("FUCCI state", fucci), ("kind of picture", kinds), ("one, merged, half", slips)):
        table = make(options.data)
        print(f"\n{question}: {len(table)} objects, {table['truth'].value_counts().to_dict()}")
        runs = [(learner, GROUPS_SEEN) for learner in LEARNERS]
        runs += [("logistic regression", (g,)) for g in GROUPS_SEEN]
        for learner, groups in runs:
            name = learner if groups == GROUPS_SEEN else f"{learner}, {groups[0]} only"
            scores = [
                [accuracy(table, learner, k, seed, groups) for seed in range(options.seeds)] for k in CLICKS
            ]  # fmt: skip
            out.setdefault(question, {})[name] = [round(float(np.mean(s)), 3) for s in scores]
            cells = " | ".join(f"{np.mean(s):.3f} ± {np.std(s):.3f}" for s in scores)
            print(f"| {name} | {cells} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(out, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()

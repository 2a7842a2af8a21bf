"""First masks: the base model without any correction, beside Otsu and a random forest; then ten corrections.

``python benchmarks/first_masks.py`` measures on the test splits (images that no shipped weights have learnt from) and
writes ``results/first_masks.json``. The forest has seen every label of the train and val images of its modality; Otsu
chooses its polarity. ``--after GROUP`` corrects objects of train images and measures on the test images; for a fair
picture of something new, give it a base model trained ``--without`` the group (``benchmarks/base.py``).
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from skimage.measure import label
from skimage.morphology import remove_small_objects

from napari_cellseg import images
from napari_cellseg.base import DEFAULT, base_models
from napari_cellseg.config import Config
from napari_cellseg.drafts import Example, OtsuWatershed, PixelClassifier, learn
from napari_cellseg.engine import LiveJob, PredictJob, TrainJob, open_round, run
from napari_cellseg.evaluation import evaluation_score, mean_scores, score_image
from napari_cellseg.events import Predicted, Saved
from napari_cellseg.prediction import Request, load_model, predict
from napari_cellseg.project import Project, adopt_model, difference

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
STRANGE = ("transmitted light", "neurites")
"""Of these there are foregrounds only, so objects are their connected parts."""
SMALLEST = 50
"""Smaller parts of a foreground (pixels) are left out."""
GROUPS = {"fluo": "fluorescence", "he": "stained tissue", "brightfield": "grey bright field", "phase": "phase contrast"}


def items(splits: tuple[str, ...]) -> dict[str, list[tuple[Path, Path]]]:
    """(image, labels) by group."""
    found = defaultdict(list)
    for folder in (DATA / "dsb2018", DATA / "phase_contrast"):
        for row in csv.DictReader((folder / "index.csv").open()):
            if row["split"] in splits:
                group = GROUPS[row.get("modality", "phase").split("_")[0]]
                name = f"{row['name']}.tif"
                found[group].append((folder / "images" / name, folder / "labels" / name))
    return dict(found)


def strange(splits: tuple[str, ...], folder: Path) -> dict[str, list[tuple[Path, Path]]]:
    """(image, labels) of the kinds that no base model knows, written into a folder."""
    found: dict[str, list[tuple[Path, Path]]] = {name: [] for name in STRANGE}
    pairs = []
    for row in csv.DictReader((DATA / "bright_field" / "index.csv").open()):
        if row["split"] in splits and row["modality"].startswith("grey"):
            picture, mask = (tifffile.imread(DATA / "bright_field" / row[k]) for k in ("image", "mask"))
            pairs.append((STRANGE[0], row["name"], picture, mask > 0))
    stacks = [tifffile.imread(DATA / "isbi2012" / f"{n}.tif") for n in ("images", "labels_membrane")]
    for row in csv.DictReader((DATA / "isbi2012" / "index.csv").open()):
        if row["split"] in splits:
            picture, membrane = (stack[int(row["index"])] for stack in stacks)
            pairs.append((STRANGE[1], f"slice_{row['index']}", picture, membrane == 0))
    for group, name, picture, inside in pairs:
        labels = remove_small_objects(label(inside, connectivity=1), max_size=SMALLEST)
        paths = folder / f"{name}.tif", folder / f"{name}_labels.tif"
        tifffile.imwrite(paths[0], picture)
        tifffile.imwrite(paths[1], labels.astype(np.uint16))
        found[group].append(paths)
    return found


def without_corrections() -> dict[str, Any]:
    """Base model, Otsu, forest on the test images of every group."""
    model, recipe = load_model(base_models()[DEFAULT]), Config().recipe
    table: dict[str, Any] = {}
    tests, pool = items(("test",)), items(("train", "val"))
    for group, pairs in tests.items():
        examples = []
        for image, labels in pool[group][:30]:
            pixels, truth = recipe(images.read(image).load()), images.read_labels(labels)
            examples.append(Example(pixels.mean(0, keepdims=True), truth, np.ones(truth.shape, bool)))
        forest = PixelClassifier().fit(examples)
        methods: dict[str, Any] = {
            "base model": lambda picture, pixels: _predicted(picture, model),
            "Otsu + watershed": lambda picture, pixels: OtsuWatershed()(pixels),
            "random forest": lambda picture, pixels, forest=forest: forest(pixels),
        }
        table[group] = {name: _measured(method, pairs, recipe) for name, method in methods.items()}
        print(group, json.dumps(table[group]), flush=True)
    return table


def volumes() -> dict[str, Any]:
    """The base model on the embryo volumes of the test split, in every mode, beside Otsu with one threshold."""
    model = load_model(base_models()[DEFAULT])[0]
    table: dict[str, Any] = {}
    folder = DATA / "nuclei3d_embryo"
    rows = [r for r in csv.DictReader((folder / "index.csv").open()) if r["split"] == "test"]
    for mode in ("Otsu + watershed", "slices", "three axes", "auto"):
        scores, counts, seconds = [], np.zeros(3), 0.0
        for row in rows:
            path = folder / "images" / f"{row['name']}.tif"
            picture = images.read(path, axes="ZYX", spacing_um=(1.75, 0.8, 0.8))
            truth, start = images.read_labels(folder / "labels" / path.name), time.perf_counter()
            if mode == "Otsu + watershed":
                found = OtsuWatershed()(Config().recipe(picture.load()), picture.spacing_um)
            else:
                options = model.config.predict.model_copy(update={"mode": mode})
                events = predict(picture, model, "x", request=Request(options, show=False))
                found = next(np.asarray(e.labels) for e in events if isinstance(e, Predicted))
            seconds += time.perf_counter() - start
            scores.append(evaluation_score(truth, found)["score"])
            metrics = score_image(truth, found)
            counts += [metrics[f"objects_{k}"] for k in ("tp", "fp", "fn")]
        tp, fp, fn = counts
        table[mode] = {
            "volumes": len(rows), "f1": round(float(2 * tp / (2 * tp + fp + fn)), 3),
            "ap50": round(float(tp / (tp + fp + fn)), 3),
            "evaluation_score": round(float(np.mean(scores)), 3), "seconds": round(seconds / len(rows), 2),
        }  # fmt: skip
        print("embryo", mode, table[mode], flush=True)
    return table


def after_corrections(group: str, counts: tuple[int, ...], seconds: float, model: str, seed: int) -> list[Any]:
    """Correct objects of train images, measure on the test images of the group.

    After every count: a forest, what is learnt live, and so many seconds of training from the model and from random
    weights. Objects are corrected field by field, the nearest to the middle first.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "p") as project:
        both = (strange((s,), Path(folder)) if group in STRANGE else items((s,)) for s in ("train", "test"))
        learnt, tests = (found[group] for found in both)
        order = np.random.default_rng(seed).permutation(len(learnt))
        ids = [project.add_image(image, split="test")[0] for image, _ in tests]
        truths = {id: images.read_labels(labels) for id, (_, labels) in zip(ids, tests, strict=True)}
        base = adopt_model(project, model)
        recipe = project.model_config(base).recipe
        fields = Fields(project, [learnt[k] for k in order])

        def note(what: str, n: int, took: float, found: Callable[[str], Any]) -> None:
            scores = [score_image(truths[id], np.asarray(found(id))) for id in ids]
            rows.append({"what": what, "objects": n, "seconds": round(took, 2), **short(mean_scores(scores))})
            print(json.dumps(rows[-1]), flush=True)

        def predicted(model: str, *, live: bool = False) -> Callable[[str], Any]:
            events = run(PredictJob(project.path, tuple(ids), (model,), live=live))
            labels = {e.image: np.asarray(e.labels) for e in events if isinstance(e, Predicted)}
            return lambda id: labels[id]

        def pixels(id: str) -> Any:
            return recipe(project.read_image(id).load()).mean(0, keepdims=True)

        note("Otsu + watershed", 0, 0, lambda id: OtsuWatershed()(pixels(id)))
        note("our model", 0, 0, predicted(base))
        for n in counts:
            fields.correct(n)
            start = time.perf_counter()
            forest = learn(project, PixelClassifier(), project.model_config(base))
            note("forest", fields.n, time.perf_counter() - start, lambda id, forest=forest: forest(pixels(id)))
            start = time.perf_counter()
            for job in fields.live_jobs(base):
                list(run(job))
            note("ours, live", fields.n, time.perf_counter() - start, predicted(base, live=True))
            for what, values in (
                ("ours, a minute", []),
                ("random weights, a minute", ["train.from_scratch=true", "model.weights=none"]),
            ):
                project.db.put_setting("current_model", base)
                open_round(project)
                config = project.model_config(base).with_values([f"train.seconds={seconds}", *values])
                saved = next(e for e in run(TrainJob(project.path, config)) if isinstance(e, Saved))
                note(what, fields.n, saved.seconds, predicted(saved.model))
    return rows


class Fields:
    """Train images in which objects are corrected, one image after another."""

    def __init__(self, project: Project, pairs: list[tuple[Path, Path]]) -> None:
        self._project, self._pairs = project, pairs
        self._waiting: list[tuple[str, int]] = []
        self._truths: dict[str, Any] = {}
        self.n = 0

    def correct(self, n: int) -> None:
        """Until so many objects are corrected in all, at most 30 in an image."""
        while self.n < n and (self._waiting or self._pairs):
            if not self._waiting:
                image, labels = self._pairs.pop(0)
                id = self._project.add_image(image)[0]
                truth = self._truths[id] = images.read_labels(labels)
                self._waiting = [(id, value) for value in _nearest(truth)[:30]]
            id, value = self._waiting.pop(0)
            _correct(self._project, id, self._truths[id], [value])
            self.n += 1

    def live_jobs(self, model: str) -> list[LiveJob]:
        """One for every image, round its corrections."""
        jobs = []
        for id in self._truths:
            labels, state = self._project.load_labels(id)
            spans = []
            for axis, n in zip((1, 0), labels.shape, strict=True):
                at = np.flatnonzero((state > 0).any(axis))
                middle = int(at[0] + at[-1]) // 2
                start = max(0, min(middle - 512, n - 1024))
                spans.append((start, min(n, start + 1024)))
            cut = tuple(slice(a, b) for a, b in spans)
            jobs.append(LiveJob(self._project.path, id, model, tuple(spans), labels[cut].copy(), state[cut].copy()))
        return jobs


def _measured(method: Any, pairs: list[tuple[Path, Path]], recipe: Any) -> dict[str, Any]:
    scores, seconds = [], 0.0
    for image, labels in pairs:
        picture, truth = images.read(image), images.read_labels(labels)
        pixels, start = recipe(picture.load()).mean(0, keepdims=True), time.perf_counter()
        scores.append(score_image(truth, np.asarray(method(picture, pixels))))
        seconds += time.perf_counter() - start
    return short(mean_scores(scores)) | {"seconds": round(seconds / len(scores), 2)}


def _predicted(picture: images.Image, model: Any) -> Any:
    events = predict(picture, model, "x", request=Request(show=False))
    return next(e.labels for e in events if isinstance(e, Predicted))


def _correct(project: Project, id: str, truth: Any, ids: list[int]) -> None:
    store = project.store(id)
    for value in ids:
        new = np.where(truth == value, store.next_id(), store.labels).astype(np.uint32)
        state = np.where(truth == value, 1, store.state).astype(np.uint8)
        box = tuple(slice(0, n) for n in truth.shape)
        store.apply(difference("mend", store.labels, store.state, box, new, state))
    store.snapshot()


def _nearest(truth: Any) -> list[int]:
    """Objects, the nearest to one in the middle first."""
    ids = [int(i) for i in np.unique(truth) if i]
    centres = {i: np.argwhere(truth == i).mean(0) for i in ids}
    middle = np.array(truth.shape) / 2
    return sorted(ids, key=lambda i: float(np.abs(centres[i] - middle).max()))


def short(scores: dict[str, Any]) -> dict[str, Any]:
    return {"images": scores["images"], "iou": round(scores["iou"], 3), "ap50": round(scores["ap50"], 3)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--after", choices=(*GROUPS.values(), *STRANGE), help="correct objects of this group instead")
    parser.add_argument("--volumes", action="store_true", help="measure the embryo volumes instead")
    parser.add_argument("--objects", type=int, nargs="+", default=[3, 10, 30])
    parser.add_argument("--model", default=DEFAULT, help="with --after: a model that has not seen the group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "first_masks.json")
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.is_file() else {}
    if options.volumes:
        found["volumes"] = volumes()
    elif options.after:
        rows = after_corrections(
            options.after, tuple(options.objects), options.seconds, options.model, options.seed
        )  # fmt: skip
        found.setdefault("after corrections", {}).setdefault(options.after, {})[str(options.seed)] = rows
    else:
        found["without corrections"] = without_corrections()
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

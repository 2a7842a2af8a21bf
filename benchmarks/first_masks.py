"""First masks: the base model without any correction, beside Otsu and a random forest; then ten corrections.

``python benchmarks/first_masks.py`` measures on the test splits (images that no shipped weights have learnt from) and
writes ``results/first_masks.json``. The forest has seen every label of the train and val images of its modality; Otsu
chooses its polarity. ``--after`` corrects objects of one test image and measures on the others: the base model, what is
learnt live, a minute of fine-tuning from the base model, and as long from random weights.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg import images
from napari_cellseg.base import DEFAULT, base_models
from napari_cellseg.config import Config
from napari_cellseg.drafts import Example, OtsuWatershed, PixelClassifier
from napari_cellseg.engine import LiveJob, PredictJob, TrainJob, open_round, run
from napari_cellseg.evaluate import mean_scores, score_image
from napari_cellseg.events import Predicted, Refined, Saved
from napari_cellseg.predict import Request, load_model, predict
from napari_cellseg.project import Project, adopt_model, difference

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
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


def after_corrections(group: str, counts: tuple[int, ...], seconds: float) -> list[dict[str, Any]]:
    """Correct objects of one test image, measure on the other test images of the group."""
    pairs = items(("test",))[group]
    rows = []
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "p") as project:
        ids = [project.add_image(image)[0] for image, _ in pairs]
        truths = {id: images.read_labels(labels) for id, (_, labels) in zip(ids, pairs, strict=True)}
        model = adopt_model(project, DEFAULT)

        def measure(name: str, model: str, n: int, took: float, *, live: bool = False) -> None:
            events = run(PredictJob(project.path, tuple(ids[1:]), (model,), live=live))
            found = [score_image(truths[e.image], np.asarray(e.labels)) for e in events if isinstance(e, Predicted)]
            rows.append({"what": name, "objects": n, "seconds": round(took, 2), **_short(mean_scores(found))})
            print(json.dumps(rows[-1]), flush=True)

        measure("base model", model, 0, 0.0)
        truth, done = truths[ids[0]], 0
        order = _nearest(truth)
        for n in counts:
            _correct(project, ids[0], truth, order[done:n])
            done = min(n, len(order))
            canvas, field = project.canvas(ids[0]), tuple((0, k) for k in truth.shape)
            for _ in range(2):  # the second one has the features of the field, as while a person stays there
                job = LiveJob(project.path, ids[0], model, field, canvas.labels.copy(), canvas.state.copy())
                took = next(e.seconds for e in run(job) if isinstance(e, Refined))
            measure("live", model, done, took, live=True)
        open_round(project)
        for name, values in (
            ("a minute from the base model", []),
            ("a minute from random weights", ["train.from_scratch=true", "model.weights=none"]),
        ):
            config = project.model_config(model).with_values([f"train.seconds={seconds}", *values])
            saved = next(e for e in run(TrainJob(project.path, config)) if isinstance(e, Saved))
            measure(name, saved.model, done, saved.seconds)
    return rows


def _measured(method: Any, pairs: list[tuple[Path, Path]], recipe: Any) -> dict[str, Any]:
    scores, seconds = [], 0.0
    for image, labels in pairs:
        picture, truth = images.read(image), images.read_labels(labels)
        pixels, start = recipe(picture.load()).mean(0, keepdims=True), time.perf_counter()
        scores.append(score_image(truth, np.asarray(method(picture, pixels))))
        seconds += time.perf_counter() - start
    return _short(mean_scores(scores)) | {"seconds": round(seconds / len(scores), 2)}


def _predicted(picture: images.Image, model: Any) -> Any:
    events = predict(picture, model, "x", request=Request(show=False))
    return next(e.labels for e in events if isinstance(e, Predicted))


def _correct(project: Project, id: str, truth: Any, ids: list[int]) -> None:
    canvas = project.canvas(id)
    for value in ids:
        new = np.where(truth == value, canvas.next_id(), canvas.labels).astype(np.uint32)
        state = np.where(truth == value, 1, canvas.state).astype(np.uint8)
        box = tuple(slice(0, n) for n in truth.shape)
        canvas.apply(difference("mend", canvas.labels, canvas.state, box, new, state))
    canvas.snapshot()


def _nearest(truth: Any) -> list[int]:
    """Objects, the nearest to one in the middle first."""
    ids = [int(i) for i in np.unique(truth) if i]
    centres = {i: np.argwhere(truth == i).mean(0) for i in ids}
    middle = np.array(truth.shape) / 2
    return sorted(ids, key=lambda i: float(np.abs(centres[i] - middle).max()))


def _short(scores: dict[str, Any]) -> dict[str, Any]:
    return {"images": scores["images"], "iou": round(scores["iou"], 3), "ap50": round(scores["ap50"], 3)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--after", choices=tuple(GROUPS.values()), help="correct objects of this group instead")
    parser.add_argument("--objects", type=int, nargs="+", default=[3, 10, 27])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "first_masks.json")
    options = parser.parse_args()
    found = json.loads(options.out.read_text()) if options.out.is_file() else {}
    if options.after:
        rows = after_corrections(options.after, tuple(options.objects), options.seconds)
        found.setdefault("after corrections", {})[options.after] = rows
    else:
        found["without corrections"] = without_corrections()
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

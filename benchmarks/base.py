"""Train the base model that ships with the package: ``make base``.

Data flow: images of ``../shared/data/base`` and of the *train* splits of dsb2018 and phase_contrast (nothing else may
be learnt from) -> a project whose labels are approved -> the ordinary training, with stronger augmentation -> the
model's folder, weights as float16 -> ``src/napari_cellseg/base/NAME``.

Every picture is seen at the size that its own labels tell (``base_size.py`` learns to estimate it, too). An interrupted
run goes on where it was (``--resume``). Seeded. The weights that ship are not of one such run: they began with those of
the version before, which saw pictures as they are, so this gives a like model, not the same numbers.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

from napari_cellseg import images
from napari_cellseg.base import median_diameter
from napari_cellseg.config import Config
from napari_cellseg.events import Notice, Saved, StepDone, Validated
from napari_cellseg.project import Project, put_size

HERE = Path(__file__).resolve().parents[1]
DATA = HERE.parent / "shared" / "data"
EVERY = 16
"""One image in so many of each modality chooses the best step and is never learnt from."""

CONFIG = (
    'recipe.steps=[{kind="grey"}, {kind="percentile"}]',
    "model.encoder=tu-tf_efficientnet_lite0", "model.weights=imagenet", "model.width=16", "model.detail=16",
    "object_size=30", "target.prominence=0.2",
    "augmentation.scale=1.5", "augmentation.strength=1.6", "augmentation.invert=0.25",
    "train.learning_rate=2e-3", "train.averaging=0.998", "train.checks=16", "train.checkpoint=120",
    "train.extend=0", "train.least=1", "train.seconds=600000", "train.steps=8000",
    "sampling.kinds=0.6", "train.patch=160", "train.batch=8",
)  # fmt: skip
CARD = {
    "data": "2018 Data Science Bowl, stage 1 train, corrected (BBBC038): 380 images; Usiigaci, phase contrast: 35",
    "licence": "weights BSD-3-Clause; images CC0 (BBBC038) and MIT (Usiigaci); encoder began with ImageNet weights of "
    "EfficientNet-Lite0 (Apache-2.0)",
    "limits": "Two dimensions. Saw little stained tissue and hardly any bright field. Pictures are enlarged by 1.5 at "
    "most, so objects of fewer than 8 pixels are hard; estimates of the size may be wrong on kinds it has not seen.",
}
RESULTS = Path(__file__).parent / "results" / "first_masks.json"


def pool(without: str = "") -> list[tuple[Path, Path, str]]:
    """(image, labels, modality) of everything that may be learnt from, without one modality (a part of its name)."""
    found = []
    for folder in (
        DATA / "base" / "dsb2018",
        DATA / "base" / "phase_contrast",
        DATA / "dsb2018",
        DATA / "phase_contrast",
    ):
        for row in csv.DictReader((folder / "index.csv").open()):
            if row.get("split", "train") != "train":
                continue
            modality = row.get("modality", "phase_contrast")
            name = f"{row['name']}.tif"
            if not without or without not in modality:
                found.append((folder / "images" / name, folder / "labels" / name, modality))
    return found


def make_project(path: Path, items: list[tuple[Path, Path, str]]) -> Project:
    """A project of approved images; of each modality, one in `EVERY` only judges."""
    project = Project.create(path)
    seen: dict[str, int] = {}
    for image, labels, modality in items:
        n = seen[modality] = seen.get(modality, 0) + 1
        split = "val" if n % EVERY == EVERY // 2 else "train"
        truth = images.read_labels(labels)
        for id in project.add_image(image, labels=truth, split=split):
            put_size(project, id, median_diameter(truth))
    return project


def train_base(project: Project, config: Config, resume: bool) -> str:
    """Train and say how it goes; returns the id of the model."""
    from napari_cellseg.engine import open_round
    from napari_cellseg.train import train

    open_round(project)
    model, start, losses = "", time.monotonic(), []
    for event in train(project, config, resume="" if resume else None):
        if isinstance(event, StepDone):
            losses.append(event.loss)
        elif isinstance(event, Validated):
            mean = sum(losses) / max(len(losses), 1)
            print(
                f"{time.monotonic() - start:6.0f} s  step {event.step}: loss {mean:.4f}, held out {event.loss:.4f}"
                f"{' *' if event.best else ''}", flush=True,
            )  # fmt: skip
            losses = []
        elif isinstance(event, Notice):
            print(event.text, flush=True)
        elif isinstance(event, Saved):
            model = event.model
    return model


def ship(source: Path, out: Path) -> None:
    """Write a model folder with float16 weights, and what a person should know of it."""
    import torch

    from napari_cellseg.models import read_weights, write_tensors
    from napari_cellseg.project import read_card, read_model_config, write_model

    weights = {
        name: value.half() if value.dtype == torch.float32 and value.ndim > 1 else value  # variances exceed float16
        for name, value in read_weights(source / "weights.safetensors").items()
    }
    config = read_model_config(source)
    fresh = Config()  # a child learns with the ordinary augmentation and schedule, not with the base's
    plain = {name: getattr(fresh, name) for name in ("train", "augmentation", "sampling")}
    config = config.model_copy(update=plain)
    known = read_card(source)
    new = replace(known, id=out.name, parent=None, images=(), edits_until=0, metrics=described())
    shutil.rmtree(out, ignore_errors=True)
    write_model(out.parent, new, config, lambda path: write_tensors(path / "weights.safetensors", weights))
    (out / "weights.safetensors").chmod(0o644)
    print(json.dumps(asdict(new), indent=1))


def described() -> dict[str, object]:
    """What stands on the card: data, licence, limits, and what `first_masks.py` measured last."""
    found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    table = found.get("without corrections", {})
    return CARD | {"measured": {group: rows["base model"] for group, rows in table.items()}}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("base-training"), help="folder of the training project")
    parser.add_argument("--without", default="", help="leave a modality out, for experiments")
    parser.add_argument("--resume", action="store_true", help="go on with a training that was interrupted")
    parser.add_argument("--out", type=Path, default=None, help="where the model goes; not shipped if not given")
    parser.add_argument("--set", action="append", default=[], dest="values")
    parser.add_argument("--only-card", action="store_true", help="renew the card in --out after first_masks.py")
    options = parser.parse_args()
    if options.only_card:
        card = options.out / "card.json"
        card.write_text(json.dumps(json.loads(card.read_text()) | {"metrics": described()}, indent=2))
        return
    path = options.work / "base.cellseg"
    if path.exists():
        project = Project.open(path)
    else:
        options.work.mkdir(parents=True, exist_ok=True)
        project = make_project(path, pool(options.without))
    with project:
        config = Config().with_values([*CONFIG, *options.values])
        model = train_base(project, config, options.resume)
        if options.out is not None:
            ship(project.model_path(model), options.out)


if __name__ == "__main__":
    main()

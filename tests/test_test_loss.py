"""The loss of a model on a split: the training's own loss, counted so that it can be pooled."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.engine import TrainJob, open_round, run
from napari_cellseg.events import Saved, Validated
from napari_cellseg.models import load_weights
from napari_cellseg.project import Project, save_ensemble
from napari_cellseg.samples import synthetic_cells

from .conftest import SMALL

VALUES = [*SMALL, "model.kind=unet", "model.width=4", "model.levels=2", "train.steps=30", "train.seconds=1000",
          "train.checks=1", "object_size=0", "precision=fp32"]  # fmt: skip


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Validated]]:
    """A model that was validated on one image of the split val; an image of four patches and a smaller one to test."""
    folder = tmp_path_factory.mktemp("loss")
    with Project.create(folder / "p") as project:
        images = [((96, 96), "train"), ((128, 64), "val"), ((128, 128), "test"), ((40, 50), "test")]
        for n, (shape, split) in enumerate(images):
            image, labels = synthetic_cells(shape, 6, radius=8, seed=n)
            np.save(folder / f"c{n}.npy", image)
            project.add_image(folder / f"c{n}.npy", labels=labels, split=split)
        open_round(project)
        events = list(run(TrainJob(project.path, Config().with_values(VALUES))))
        assert any(isinstance(e, Saved) for e in events)
        project.db.put_setting("current_model", "v1")
        return project.path, [e for e in events if isinstance(e, Validated)]


def by_hand(path: Path, image: str) -> tuple[float, int]:
    """The loss of an image patch by patch, in plain torch."""
    with Project.open(path) as project:
        config = project.model_config("v1")
        network = config.model.build(1, config.target.channels(1))
        load_weights(project.model_path("v1") / "weights.safetensors", network.eval())
        labels, _ = project.load_labels(image)
        pixels, target = config.recipe(project.read_image(image).load()), config.target.encode(labels, 1)
    loss, total, count, side = config.loss.build(exclusive=config.target.exclusive), 0.0, 0, config.train.patch
    for y in range(0, labels.shape[0], side):
        for x in range(0, labels.shape[1], side):
            p, t = pixels[:, y : y + side, x : x + side], target[:, y : y + side, x : x + side]
            h, w = p.shape[1:]
            pad = [(0, 0), (0, side - h), (0, side - w)]
            known = np.pad(np.ones((1, h, w), np.float32), pad)
            given = (np.pad(p, pad, mode="reflect"), np.pad(t, pad, mode="edge"), known)
            with torch.inference_mode():
                p, t, k = (torch.from_numpy(np.ascontiguousarray(a))[None] for a in given)
                total += float(loss(network(p), t, k)) * h * w
            count += h * w
    return total / count, count


@pytest.mark.parametrize("image", ["c2", "c3"], ids=["four patches", "smaller than a patch"])
def test_it_is_that_of_plain_torch(learnt, image):
    with cs.open(learnt[0]) as project:
        done = project.evaluate(settings={"metrics": ["loss", "seconds", "iou"]})
    row = next(r for r in done.tables.images if r["image"] == image)
    assert row["loss"] == pytest.approx(by_hand(learnt[0], image)[0], rel=1e-4)
    assert row["seconds"] > 0


def test_over_a_split_every_voxel_counts_the_same(learnt):
    with cs.open(learnt[0]) as project:
        done = project.evaluate()
    found = [by_hand(learnt[0], image) for image in ("c2", "c3")]
    mean = sum(loss * n for loss, n in found) / sum(n for _, n in found)
    assert done.tables.pooled[0]["loss"] == pytest.approx(mean, rel=1e-4)
    (summary,) = [r for r in done.tables.summary if r["metric"] == "loss"]
    assert summary["mean"] == pytest.approx(np.mean([loss for loss, _ in found]), rel=1e-4)


def test_on_what_was_held_out_it_is_what_the_training_said(learnt):
    best = [e for e in learnt[1] if e.best][-1]
    with cs.open(learnt[0]) as project:
        done = project.evaluate("val")
    assert done.tables.images[0]["loss"] == pytest.approx(best.loss, rel=1e-3)


def test_classes_have_a_loss_of_their_own_kind(tmp_path):
    with Project.create(tmp_path / "s", "semantic", ("rim", "core")) as project:
        for n, split in enumerate(("train", "test")):
            labels = np.zeros((64, 64), np.uint32)
            labels[10:40, 10:50], labels[20:30, 20:40] = 1, 2
            np.save(
                tmp_path / f"s{n}.npy",
                (labels * 90 + np.random.default_rng(n).integers(0, 20, (64, 64))).astype(np.uint8),
            )
            project.add_image(tmp_path / f"s{n}.npy", labels=labels, split=split)
        config = Config().with_values([*VALUES, "target.kind=semantic", "loss.kind=cross_entropy"])
        assert any(isinstance(e, Saved) for e in run(TrainJob(project.path, config)))
        project.db.put_setting("current_model", "v1")
        path = project.path
    with cs.open(path) as project:
        tables = project.evaluate().tables
        probabilities = tables.pooled[0]
        labels, _ = project.project.load_labels("s1")
        own = project.project.model_config("v1")
        network = own.model.build(1, 3)
        load_weights(project.project.model_path("v1") / "weights.safetensors", network.eval())
        with torch.inference_mode():
            logits = network(torch.from_numpy(own.recipe(project.project.read_image("s1").load()))[None])
    by_hand = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels.astype(np.int64))[None])
    assert probabilities["loss"] == pytest.approx(float(by_hand), rel=1e-3)
    assert {r["class"]: r["loss"] for r in tables.pooled}["rim"] == probabilities["loss"]


def test_only_known_voxels_count(learnt, tmp_path):
    import shutil

    folder = Path(shutil.copytree(learnt[0].parent, tmp_path / "work")) / learnt[0].name
    with cs.open(folder) as project:
        image, labels = synthetic_cells((64, 64), 5, radius=7, seed=8)
        np.save(tmp_path / "half.npy", image)
        (id,) = project.add(tmp_path / "half.npy", split="test").ids
        project.put_labels(id, labels, draft=True)
        store = project.project.store(id)
        store.apply(edits.approve_box(edits.EditContext.on(store), (slice(0, 32), slice(0, 64))))
        project.project.release(id)
        before = next(r for r in project.evaluate().tables.images if r["image"] == id)["loss"]
        store = project.project.store(id)
        wrong = np.where(store.state > 0, store.labels, 0).astype(np.uint32)  # elsewhere labels say something else
        project.put_labels(id, wrong, draft=True)
        after = next(r for r in project.evaluate().tables.images if r["image"] == id)["loss"]
    assert math.isfinite(before)
    assert after == pytest.approx(before, rel=1e-6)


def test_masks_and_ensembles_have_none_and_it_costs_nothing_where_nobody_asks(learnt, tmp_path):
    import shutil

    folder = Path(shutil.copytree(learnt[0].parent, tmp_path / "work")) / learnt[0].name
    with cs.open(folder) as project:
        for id in ("c2", "c3"):
            (tmp_path / "masks").mkdir(exist_ok=True)
            np.save(tmp_path / "masks" / f"{id}.npy", project.labels(id))
        shutil.copytree(folder / "models" / "v1", folder / "models" / "v7")
        card = json.loads((folder / "models" / "v7" / "card.json").read_text()) | {"id": "v7"}
        (folder / "models" / "v7" / "card.json").write_text(json.dumps(card))
        both = save_ensemble(project.project, ["v1", "v7"], "mean", ())
        done = project.evaluate(systems={"masks": tmp_path / "masks", "both": both})
        assert all(math.isnan(r["loss"]) for r in done.tables.images)
        events = list(project.evaluate.events(model="v1", settings={"metrics": ["iou"]}))
        assert all(getattr(e, "loss", None) is None for e in events)
        assert "loss" not in project.evaluate(settings={"metrics": ["iou"]}).tables.images[0]


def test_the_command_line_writes_and_says_it(learnt, tmp_path, capsys):
    assert main(["evaluate", str(learnt[0]), "--json", str(tmp_path / "e.json")]) == 0
    tables = json.loads((tmp_path / "e.json").read_text())["tables"]
    said = capsys.readouterr().out
    with cs.open(learnt[0]) as project:
        found = project.evaluate().tables
    assert tables["pooled"][0]["loss"] == found.pooled[0]["loss"]
    (mean,) = [r["mean"] for r in found.summary if r["metric"] == "loss"]
    (line,) = [line for line in said.splitlines() if line.split()[:1] == ["loss"]]
    assert line.split()[1] == f"{mean:.4g}"
    assert any(line.split()[:1] == ["seconds"] for line in said.splitlines())

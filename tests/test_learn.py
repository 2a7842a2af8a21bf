"""Around training: presets, ensembles, splits, studies; through the verbs that people type."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg import cli, edits
from napari_cellseg.config import Config, default_config, parse_config
from napari_cellseg.engine import EvaluateJob, PredictJob, TrainJob, open_round, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Evaluated, Predicted, StudyScored
from napari_cellseg.experiments import Study, approved_truth, study, study_table
from napari_cellseg.experiments._scratch import scratch_project
from napari_cellseg.models import write_tensors
from napari_cellseg.preprocess import recipe
from napari_cellseg.presets import TRAININGS, preset
from napari_cellseg.project import Project, best_epochs, labels_before, random_split, save_ensemble, stratified_split
from napari_cellseg.samples import synthetic_cells

from .conftest import SMALL, train_once

TINY = [*SMALL, "model.kind=unet", "model.width=4", "model.levels=2", "train.steps=12", "train.seconds=1000"]


def classes_of(given):
    """How many classes the project of a preset has."""
    return 3 if given.name.startswith("karabag") else 1


@pytest.mark.parametrize("given", TRAININGS, ids=lambda p: p.name)
@pytest.mark.parametrize("task", ["instance", "semantic"])
def test_presets_are_whole_whatever_was_set_before(given, task):
    config = given.apply(default_config(task))
    assert given.apply(config) == config
    config.loss.check(config.target.channels(classes_of(given)))
    assert config.model.source
    assert parse_config(config.to_toml()) == config


@pytest.mark.parametrize("before", TRAININGS[::3], ids=lambda p: p.name)
@pytest.mark.parametrize("given", TRAININGS, ids=lambda p: p.name)
def test_a_preset_keeps_nothing_of_another_one(before, given):
    """But what is the project's where the paper is silent: recipe, time and seed."""
    config = default_config("instance").with_values(["train.seconds=7", "train.seed=3"])
    changed, fresh = given.apply(before.apply(config)), given.apply(config)
    kept = {"recipe": fresh.recipe, "train": changed.train.model_copy(update={"seed": fresh.train.seed})}
    assert changed.model_copy(update=kept) == fresh
    assert changed.train.seconds == 7
    if given.recipe:
        assert changed.recipe == fresh.recipe


def test_an_unknown_preset_says_what_there_is():
    with pytest.raises(CellsegError, match="no preset") as caught:
        preset("yolo")
    assert "das-2025-model-1-focal" in caught.value.hint
    with pytest.raises(CellsegError, match="12 trainings") as caught:
        preset("das-2025")
    assert "das-2025-resnet50" in caught.value.hint
    with pytest.raises(CellsegError, match="no recipe") as caught:
        recipe("yolo")
    assert "karabag-2023" in caught.value.hint


def test_a_preset_and_a_recipe_can_be_typed(tmp_path, capsys):
    """From new weights, with the paper's target and recipe, every epoch judged once; --recipe overrules."""
    with small_study(tmp_path) as project:
        path = project.path
    small = ["train.epochs=2", "train.patch=32", "train.batch=4", "model.width=2", "model.levels=2"]
    options = [x for v in small for x in ("--set", v)]
    assert cli.main(["train", str(path), "--preset", "gautam-2025", *options, "--recipe", "aziz-2026"]) == 2
    assert "need a project of classes" in capsys.readouterr().err
    with Project.create(tmp_path / "c", "semantic", ("cell",)) as project:
        for seed, split in ((1, "train"), (2, "val")):
            picture, labels = field(10, seed, tmp_path)
            project.add_image(picture, labels=np.minimum(labels, 1), split=split)
        path = project.path
    kept = ["--set", "train.keep_epochs=true"]
    assert cli.main(["train", str(path), "--preset", "gautam-2025", *options, *kept, "--recipe", "aziz-2026"]) == 0
    with Project.open(path) as again:
        config = again.model_config("v1")
        assert (config.model.kind, config.target.kind) == ("unet", "foreground")
        assert [t.kind for t in config.loss.terms] == ["cross_entropy", "dice"]
        assert [s.kind for s in config.recipe.steps] == ["clahe", "tv"]
        events = [json.loads(line) for line in (again.model_path("v1") / "events.jsonl").read_text().splitlines()]
        judged = [e["step"] for e in events if e["event"] == "Validated"]
        assert judged == [3, 6]  # 9 patches of 32 in 96 x 96, 4 a step
        assert again.model_card("v1").out_channels == 1
        epochs = sorted(p.name for p in (again.model_path("v1") / "epochs").iterdir())
        assert epochs == ["0001.safetensors", "0002.safetensors"]
    assert cli.main(["ensemble", str(path), "--epochs", "v1", "--best", "3"]) == 2
    assert "fewer than 3" in capsys.readouterr().err
    assert cli.main(["ensemble", str(path), "--epochs", "v1", "--best", "2"]) == 0
    with Project.open(path) as again:
        assert set(again.model_card("v2").members) == {"v1-e0001", "v1-e0002"}
    assert cli.main(["predict", str(path), "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_the_best_epochs_are_good_and_steady(project, monkeypatch):
    for n, dice in enumerate((0.5, 0.9, 0.2, 0.8, 0.8, 0.8), 1):
        folder = project.models_folder / "v7" / "epochs"
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / f"{n:04d}.safetensors", {}, {"epoch": str(n), "loss": "0.1", "dice": repr(dice)})
    monkeypatch.setattr(Project, "model_path", lambda self, id: self.models_folder / id)
    assert [e.epoch for e in best_epochs(project, ["v7"], 2)] == [5, 6]
    with pytest.raises(CellsegError, match="no epochs"):
        best_epochs(project, ["v8"], 1)


@pytest.fixture(scope="module")
def trained_twice(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two models of one kind; read only."""
    folder = tmp_path_factory.mktemp("twice")
    shutil.copytree(trained, folder / "pair.cellseg")
    for picture in trained.parent.glob("cells*.npy"):
        shutil.copy(picture, folder)
    with Project.open(folder / "pair.cellseg") as project:
        train_once(project, Config().with_values([*SMALL, "train.steps=20", "train.seed=3", "train.from_scratch=true"]))
    return folder


@pytest.fixture
def pair(trained_twice: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it."""
    shutil.copytree(trained_twice, tmp_path, dirs_exist_ok=True)
    with Project.open(tmp_path / "pair.cellseg") as project:
        yield project


@pytest.mark.parametrize("combine", ["mean", "vote"])
def test_an_ensemble_predicts_as_its_members_together(pair, combine):
    id = save_ensemble(pair, ["v1", "v2"], combine)
    assert pair.model_card(id).members == ("v1", "v2")
    options = pair.model_config("v1").predict.model_copy(update={"combine": combine})
    both = [e for e in run(PredictJob(pair.path, ("cells1",), ("v1", "v2"), options)) if isinstance(e, Predicted)]
    one = [e for e in run(PredictJob(pair.path, ("cells1",), (id,))) if isinstance(e, Predicted)]
    np.testing.assert_array_equal(both[0].labels, one[0].labels)
    scores = [e for e in run(EvaluateJob(pair.path, ("cells1",), id)) if isinstance(e, Evaluated)]
    assert 0 < scores[0].metrics["iou"] <= 1


def test_an_ensemble_can_be_taken_elsewhere(pair, tmp_path, capsys):
    id = save_ensemble(pair, ["v1", "v2"])
    shutil.copytree(pair.model_path(id), tmp_path / "elsewhere" / "model")
    shutil.rmtree(pair.model_path("v1"))
    picture = next(tmp_path.glob("cells*.npy"))
    out = tmp_path / "out"
    assert cli.main(["predict", str(picture), "--model", str(tmp_path / "elsewhere" / "model"), "--out", str(out)]) == 0
    assert len(list(out.iterdir())) == 1


def test_an_ensemble_of_ensembles_counts_every_model_once(pair):
    first = save_ensemble(pair, ["v1", "v2"])
    again = save_ensemble(pair, [first, "v2"])
    assert pair.model_card(again).members == ("v1", "v2")


def test_what_makes_no_ensemble(pair):
    before = sorted(p.name for p in pair.models_folder.iterdir())
    with pytest.raises(CellsegError, match="two models"):
        save_ensemble(pair, ["v1", "v1"])
    with pytest.raises(CellsegError, match="no model"):
        save_ensemble(pair, ["v1", "v9"])
    other = train_once(pair, Config().with_values([*TINY, "target.kind=boundary", "train.from_scratch=true"]))
    with pytest.raises(CellsegError, match="cannot predict together"):
        save_ensemble(pair, ["v1", other])
    assert sorted(p.name for p in pair.models_folder.iterdir()) == sorted([*before, other])


def test_an_ensemble_does_not_learn_and_says_so(pair, capsys):
    path = pair.path
    pair.close()
    assert cli.main(["ensemble", str(path), "--model", "v1", "--model", "v2", "--combine", "vote"]) == 0
    assert "current model" in capsys.readouterr().out
    with Project.open(path) as again:
        assert again.current_model == "v3"
        open_round(again)
        with pytest.raises(CellsegError, match="ensemble"):
            list(run(TrainJob(again.path, Config())))
    assert cli.main(["predict", str(path)]) == 0


def field(n: int, seed: int, tmp_path: Path) -> tuple[Path, np.ndarray]:
    image, labels = synthetic_cells((96, 96), n, radius=8, seed=seed)
    path = tmp_path / f"f{seed:02d}.npy"
    np.save(path, image)
    return path, labels


@pytest.mark.parametrize("by", ["density", "confluency"])
def test_splits_are_alike_in_density(tmp_path, by):
    with Project.create(tmp_path / "p") as project:
        for seed in range(18):
            path, labels = field(3 if seed < 9 else 20, seed, tmp_path)
            project.add_image(path, labels=labels)
        found = stratified_split(project, by, 1 / 6, 1 / 6, seed=1)
        assert {k: len(v) for k, v in found.items()} == {"train": 12, "val": 3, "test": 3}
        dense = [sum(int(i[1:]) >= 9 for i in ids) / len(ids) for ids in found.values()]
        assert max(abs(d - 0.5) for d in dense) <= 0.34
        assert {r.id: r.split for r in project.images()} == {i: k for k, ids in found.items() for i in ids}
        assert stratified_split(project, by, 1 / 6, 1 / 6, seed=1) == found
        assert "seed 1" in project.db.setting("split")


@pytest.mark.parametrize(("val", "test"), [(0.2, 0), (0, 0.3), (0.2, 0.2)])
@pytest.mark.parametrize("seed", [0, 42])
def test_a_random_split_is_that_of_scikit_learn(tmp_path, val, test, seed, capsys):
    from sklearn.model_selection import train_test_split

    with Project.create(tmp_path / "p") as project:
        for n in (7, 3, 11, 0, 5, 2, 9, 1, 4, 8, 6):  # not in the order of their names
            project.add_image(field(4, n, tmp_path)[0])
        ids = [r.id for r in project.images()]
        expected = {"train": ids, "val": [], "test": []}
        for name, share in (("test", test), ("val", val / (1 - test))):
            if share:
                expected["train"], expected[name] = train_test_split(
                    expected["train"], test_size=share, random_state=seed
                )
        assert random_split(project, val, test, seed) == expected
        project.db.set_splits(dict.fromkeys(ids, "train"))
    options = ["--val", str(val), "--test", str(test), "--seed", str(seed)]
    assert cli.main(["split", str(tmp_path / "p.cellseg"), "--by", "random", *options]) == 0
    with Project.open(tmp_path / "p.cellseg") as project:
        assert {r.id: r.split for r in project.images()} == {i: k for k, of in expected.items() for i in of}
        assert f"seed {seed}" in project.db.setting("split")
    assert f"val {len(expected['val']):>7}" in capsys.readouterr().out


def test_too_few_images_for_a_random_split(tmp_path):
    with Project.create(tmp_path / "p") as project:
        for n in range(2):
            project.add_image(field(4, n, tmp_path)[0])
        with pytest.raises(CellsegError, match="2 source images cannot be divided"):
            random_split(project, 0.9, 0, 0)


def test_frames_of_one_film_stay_together(tmp_path):
    np.save(tmp_path / "film.npy", np.random.default_rng(0).random((4, 64, 64)).astype(np.float32))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "film.npy", axes="TYX")
        for seed in range(3):
            project.add_image(field(4, seed, tmp_path)[0])
        for seed in range(5):
            found = stratified_split(project, "name", 0.3, 0.3, seed)
            assert len({k for k, ids in found.items() if any(i.startswith("film") for i in ids)}) == 1


def test_a_split_fixes_anew_what_judges(tmp_path):
    with Project.create(tmp_path / "p") as project:
        for seed in range(6):
            path, labels = field(6, seed, tmp_path)
            project.add_image(path, labels=labels)
        open_round(project)  # as looking at patches does
        assert project.db.holdouts()
        found = stratified_split(project, "density", 0.2, 0.4, 1)
        open_round(project)
        assert set(project.db.holdouts()) == set(found["val"])


def test_splits_that_cannot_be_made(pair, tmp_path):
    with pytest.raises(CellsegError, match="models that learnt"):
        stratified_split(pair, "density", 0.2, 0.2, 0)
    with Project.create(tmp_path / "one") as project:
        project.add_image(field(4, 1, tmp_path)[0])
        with pytest.raises(CellsegError, match="at least two|1 source"):
            stratified_split(project, "density", 0.2, 0.2, 0)
        with pytest.raises(CellsegError, match="nothing to learn"):
            stratified_split(project, "density", 0.5, 0.5, 0)


def test_only_wholly_approved_images_are_truth(tmp_path):
    with small_study(tmp_path) as project:
        path, labels = field(10, 9, tmp_path)
        (id,) = project.add_image(path, split="test")
        project.draft_labels(id, labels)
        store = project.store(id)
        store.apply(edits.approve_box(edits.EditContext.on(store), (slice(0, 30), slice(0, 30))))
        truth = approved_truth(project)
        assert id not in truth.labels
        assert len(truth.tests) == 1


def small_study(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "s")
    for seed, split in ((1, "train"), (2, "train"), (3, "val"), (4, "test")):
        path, labels = field(10, seed, tmp_path)
        (id,) = project.add_image(path, split=split)
        if seed == 1:  # a draft that a person corrected
            project.draft_labels(id, np.where(labels == 1, 0, labels).astype(np.uint32))
        project.approve_labels(id, labels)
    return project


@pytest.mark.slow
def test_a_scratch_project_reads_the_same_image_of_a_file_with_several(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.ome.tif", ome=True) as file:
        for seed in range(2):
            file.write(synthetic_cells((64, 64), 4, radius=8, seed=seed)[0], metadata={"axes": "YX"})
    with Project.create(tmp_path / "p") as project:
        (id,) = project.add_image(tmp_path / "x.ome.tif", series="1")
        with scratch_project(project, tmp_path / "scratch", {id}, {}) as scratch:
            np.testing.assert_array_equal(scratch.read_image(id).load(), project.read_image(id).load())


@pytest.mark.long
def test_a_study_trains_under_every_combination(tmp_path):
    with small_study(tmp_path) as project:
        before = (project.path / "project.toml").read_bytes(), project.db.last_edit()
        longer = [*TINY, "train.steps=60", "train.learning_rate=0.02", "train.averaging=0.9"]
        config = Config().with_values([*longer, 'recipe.steps=[{kind="zscore"}]'])
        events = list(study(project, Study(("recipe", "labels"), 2), config, tmp_path / "work", run))
        scores = [e for e in events if isinstance(e, StudyScored)]
        assert [tuple(s.levels.values()) for s in scores[::2]] == [
            ("raw", "draft"), ("raw", "corrected"), ("preprocessed", "draft"), ("preprocessed", "corrected"),
        ]  # fmt: skip
        assert [s.seed for s in scores] == [0, 1] * 4
        assert all(s.metrics["images"] == 1 for s in scores)
        assert len({round(s.metrics["iou"], 6) for s in scores}) > 2
        assert ((project.path / "project.toml").read_bytes(), project.db.last_edit()) == before
        assert project.models() == []
    rows = study_table(scores)
    assert rows[0] == ["recipe", "labels", "seeds", "IoU", "gain", "Dice", "gain", "AP@0.5", "gain"]
    assert len(rows) == 5
    assert rows[1][4] == "+0.0 %"


def test_the_table_has_mean_deviation_and_gain():
    scores = [
        StudyScored({"labels": level}, seed, {"iou": value}, 1.0)
        for level, values in (("draft", (0.5, 0.7)), ("corrected", (0.8, 0.8)))
        for seed, value in enumerate(values)
    ]
    assert study_table(scores)[1:] == [
        ["draft", "2", "0.6000 ± 0.1414", "+0.0 %"],
        ["corrected", "2", "0.8000 ± 0.0000", "+33.3 %"],
    ]


def test_drafts_are_what_stood_before_a_person_came(tmp_path):
    with small_study(tmp_path) as project:
        draft = labels_before(project, "f01")
        assert draft is not None
        assert 1 not in draft
        assert draft.max() > 1
        assert labels_before(project, "f02") is None


@pytest.mark.slow
def test_a_study_can_be_typed(tmp_path, capsys):
    with small_study(tmp_path) as project:
        path = project.path
    options = [x for v in TINY for x in ("--set", v)]
    table = tmp_path / "table.md"
    command = ["study", str(path), "--factors", "labels", "--repeats", "1", "--table", str(table), *options]
    assert cli.main([*command, "--json", str(tmp_path / "s.json")]) == 0
    lines = table.read_text().splitlines()
    assert lines[0].startswith("| labels | seeds | IoU")
    assert len(lines) == 4
    assert len(json.loads((tmp_path / "s.json").read_text())["scores"]) == 2
    assert cli.main(["study", str(path), "--factors", "colour"]) == 2
    assert "no factor colour" in capsys.readouterr().err

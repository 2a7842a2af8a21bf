"""What carries a paper's name is the paper's: presets, networks, losses, recipes against what the papers say.

Every row is one statement, in the order of the papers (Aziz et al. 2026, Das et al. 2025, Gautam & Gautam 2025,
Karabag et al. 2023, Tiling 2024). Marks: T is the paper's text, C its authors' code, M our own choice where both are
silent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg.augmentation import GEOMETRIC, PHOTOMETRIC, Cut, TwoStage, Unchanged
from napari_cellseg.config import Config, default_config
from napari_cellseg.data import TrainingSet
from napari_cellseg.models import (
    AttentionVGGUNet,
    DenseNetUNet,
    FrozenEncoderUNet,
    InstanceActivationUNet,
    UNet,
    UNet3D,
)
from napari_cellseg.nets import device as devices
from napari_cellseg.preprocess import recipe
from napari_cellseg.presets import TRAININGS, preset
from napari_cellseg.project import Project
from napari_cellseg.train import rate

SECTIONS = {"aziz": 1, "das": 2, "gautam": 3, "karabag": 4, "tiling": 5}


class Row(NamedTuple):
    """One statement of a paper about a setting."""

    preset: str
    setting: str
    value: Any
    mark: str


def rows(names: str, mark: str, **values: Any) -> list[Row]:
    """Rows of presets that begin with a name; ``__`` stands for the dot of a setting."""
    chosen = [p.name for p in TRAININGS if p.name.startswith(names)]
    return [Row(name, key.replace("__", "."), value, mark) for name in chosen for key, value in values.items()]


NOTHING_OF = {
    "train__remember": 0, "train__blend": False, "train__averaging": 0, "train__extend": 0, "train__child_rate": 1,
    "train__from_scratch": True, "train__weight_decay": 0, "optimiser__warm_up": 0, "optimiser__clip": 0,
    "optimiser__freeze": "nothing", "object_size": 0,
}  # fmt: skip
"""No paper has any of it: parents, averages, growth beyond the end, decay, warm-up, clipping, resizing."""

ROWS = [
    *(row for paper in SECTIONS for row in rows(paper, "T", **NOTHING_OF, optimiser__method="adam")),
    # 1. Aziz et al. 2026
    *rows(
        "aziz-2026", "T", model__kind="msunet", model__width=16, model__levels=4, target__kind="foreground",
        loss__kind="dice_focal", loss__linear=True, train__learning_rate=1e-3, optimiser__schedule="constant",
        train__batch=2, train__epochs=50, train__seed=42, train__patch=256, sampling__places="every",
        sampling__overlap=0, sampling__empty=0, augmentation__kind="none", optimiser__patience=0,
    ),
    *rows("aziz-2026", "C", loss__alpha=0.25, loss__gamma=2),  # of the library they name
    *rows("aziz-2026", "M", model__dropout=0.1, model__norm="batch", target__min_size=0),
    # 2. Das et al. 2025: all twelve
    *rows(
        "das-2025", "T", target__kind="foreground", train__learning_rate=1e-4, optimiser__schedule="staircase",
        optimiser__factor=0.9, train__batch=16, train__epochs=45, optimiser__patience=5, train__patch=256,
    ),
    *rows("das-2025", "M", sampling__places="every", sampling__overlap=0, sampling__empty=1),
    # the comparison of encoders
    *[
        row
        for name, encoder in (
            ("densenet121", "densenet121"), ("inceptionv3", "inceptionv3"), ("vgg16", "vgg16"),
            ("mobilenetv2", "mobilenet_v2"), ("resnet50", "resnet50"), ("efficientnetb0", "efficientnet-b0"),
        )
        for row in rows(
            f"das-2025-{name}", "T", model__kind="frozen_encoder_unet", model__encoder=encoder, model__frozen=True,
            model__weights="imagenet", optimiser__every=10_000, augmentation__kind="none",
            loss__kind="sum", loss__terms__0__kind="dice",
            loss__terms__1__kind="cross_entropy", loss__terms__1__inside=10,
        )
    ],
    # MODEL-1, -2, -3 with two losses
    *rows(
        "das-2025-model", "T", model__frozen=True, model__weights="imagenet", model__layout="published",
        optimiser__every=9000, train__keep_epochs=True, loss__kind="sum",
        augmentation__kind="two_stage", sampling__variants=21,
    ),
    *rows("das-2025-model", "M", augmentation__chance=0.923),  # "none" is one of 13 photometric choices
    *rows("das-2025-model-1", "T", model__kind="densenet_unet", optimiser__kernel_l2=1e-4),
    *rows("das-2025-model-2", "T", model__kind="attention_vgg_unet", precision="fp16", optimiser__kernel_l2=0),
    *rows("das-2025-model-3", "T", model__kind="instance_activation_unet", precision="auto", sampling__hard=0),
    *rows("das-2025-model-1", "M", sampling__rare=0.25, sampling__hard=0.25),  # that there is such sampling: T
    *rows("das-2025-model-2", "M", sampling__rare=0.25, sampling__hard=0.25),
    *[
        row
        for n in (1, 2, 3)
        for row in rows(
            f"das-2025-model-{n}-focal", "T", loss__terms__0__kind="focal", loss__terms__0__weight=0.3,
            loss__terms__0__alpha=0.25, loss__terms__0__gamma=2, loss__terms__1__kind="dice",
            loss__terms__1__weight=0.6, loss__terms__2__kind="edges", loss__terms__2__weight=0.1,
        )
        + rows(
            f"das-2025-model-{n}-bce", "T", loss__terms__0__kind="cross_entropy", loss__terms__0__balanced=True,
            loss__terms__0__weight=1, loss__terms__1__kind="dice", loss__terms__1__weight=1,
        )
    ],
    # 3. Gautam & Gautam 2025
    *rows(
        "gautam-2025", "T", model__kind="unet", model__block="residual", model__width=16, model__levels=4,
        model__norm="batch", target__kind="foreground", loss__kind="sum", loss__terms__0__kind="cross_entropy",
        loss__terms__1__kind="dice", train__learning_rate=1e-3, optimiser__schedule="constant",
        augmentation__kind="standard", augmentation__scale=1, augmentation__tones="brightness and contrast",
        augmentation__invert=0,
    ),
    *rows("gautam-2025", "M", sampling__places="every", sampling__overlap=0),
    *rows("gautam-2025", "M", train__batch=16, train__patch=256, train__epochs=100, optimiser__patience=10),
    # 4. Karabag et al. 2023
    *rows(
        "karabag-2023", "T", model__kind="unet", model__levels=3, model__width=64, model__block="plain",
        model__norm="none", model__deep_dropout=0.5, model__dropout=0, model__rectify=True, target__kind="semantic",
        loss__kind="cross_entropy", train__learning_rate=1e-3, optimiser__schedule="constant", train__batch=64,
        train__epochs=15, train__patch=128, sampling__places="every", sampling__overlap=0.5, sampling__empty=1,
        augmentation__kind="none", optimiser__patience=0, target__fill_holes=True, target__closing=3,
        target__min_size=3200,
    ),
    *rows("karabag-2023", "C", target__shell_min_size=800),
    *rows("karabag-2023", "M", target__shell=1, target__shell_inside=2, target__shell_outside=3, target__shell_reach=3),
    Row("karabag-2023", "sampling.slices", ("101:2:180",), "T"),
    Row("karabag-2023-300", "sampling.slices", ("1:2:300",), "T"),
    Row("karabag-2023-ten-cells", "sampling.slices", ("230:10:370",), "T"),
    Row("karabag-2023-both", "sampling.slices", ("1:2:300", "230:10:370"), "T"),
    # 5. Tiling 2024
    *rows(
        "tiling-2024", "T", model__kind="unet3d", model__width=64, model__levels=3, model__flat=0, model__norm="batch",
        model__block="plain", model__dropout=0, target__kind="boundary", target__edge="dilation", target__width=1,
        optimiser__schedule="constant", augmentation__kind="none", train__depth=15, train__patch=500,
    ),
    *rows("tiling-2024", "M", sampling__places="every", sampling__overlap=0),
    *rows("tiling-2024", "M", train__batch=1, train__epochs=0),  # neither is stated
    *rows("tiling-2024-fineyogurt", "T", loss__kind="iou", loss__class_weights=(1, 2, 1.5), train__learning_rate=1e-4),
    *rows(
        "tiling-2024-comicfirefly", "T", loss__kind="cross_entropy", loss__class_weights=(1, 3, 2),
        train__learning_rate=1e-3,
    ),
    *rows(
        "tiling-2024-amberglitter", "T", loss__kind="cross_entropy", loss__class_weights=(1, 3, 2),
        train__learning_rate=1e-4,
    ),
    *rows(
        "tiling-2024-drawnfirebrand", "T", loss__kind="focal", loss__gamma=7, loss__class_weights=(1, 1, 1),
        train__learning_rate=1e-4,
    ),
]  # fmt: skip


def value_of(config: Config, setting: str) -> Any:
    found: Any = config
    for part in setting.split("."):
        found = found[int(part)] if part.isdigit() else getattr(found, part)
    return found


@pytest.mark.parametrize("given", TRAININGS, ids=lambda p: p.name)
def test_every_value_of_a_preset_is_the_papers(given):
    config = given.apply(default_config("semantic").with_values(["target.closing=9", "optimiser.clip=5"]))
    stated = {row.setting: row for row in ROWS if row.preset == given.name}
    wrong = {k: (value_of(config, k), r.value, r.mark) for k, r in stated.items() if value_of(config, k) != r.value}
    assert not wrong
    assert len(stated) >= 25
    assert {row.mark for row in stated.values()} <= {"T", "C", "M"}


@pytest.mark.parametrize("given", TRAININGS, ids=lambda p: p.name)
def test_every_value_that_a_preset_sets_has_a_row(given):
    """So that nothing gets into a preset without its source."""
    rows_of = {row.setting for row in ROWS if row.preset == given.name}
    settings = {value.partition("=")[0] for value in given.values}
    missing = {s for s in settings if s not in rows_of and not any(r.startswith(f"{s}.") for r in rows_of)}
    assert missing <= {"sampling.kinds", "target.min_size"}  # every patch once, whatever the kinds; no clean-up


def test_there_is_a_preset_for_every_published_training():
    count = {paper: sum(p.name.startswith(paper) for p in TRAININGS) for paper in SECTIONS}
    assert count == {"aziz": 1, "das": 12, "gautam": 1, "karabag": 4, "tiling": 4}


RECIPES = {
    "aziz-2026": [("clahe", {"clip_limit": 2.0, "tiles": 8}), ("tv", {"weight": 0.1})],
    "gautam-2025": [("gaussian", {"sigma": 1.5}), ("percentile", {})],
    "karabag-2023": [("lowpass", {}), ("percentile", {})],
    "tiling-2024": [
        ("eight_bit", {}), ("cutoff", {"threshold": 7}), ("gamma", {}), ("clahe", {}), ("median", {}),
        ("tophat", {"result": "without specks"}),
    ],
}  # fmt: skip
"""Steps and parameters (T); normalisation at the end is ours (M), and so are parameters that are not here."""


@pytest.mark.parametrize("key", RECIPES)
def test_recipes_are_the_papers(key):
    for step, (kind, parameters) in zip(recipe(key).steps, RECIPES[key], strict=True):
        assert step.kind == kind
        assert {name: getattr(step, name) for name in parameters} == parameters
    for given in TRAININGS:
        if given.name.startswith(key):
            assert given.apply(default_config()).recipe == recipe(key)


class Size(NamedTuple):
    """Millions of parameters as a paper states them (T): those that learn, and all; how far ours are off, and why."""

    model: Any
    channels: tuple[int, int]
    learning: float
    total: float
    off: float = 0.0
    why: str = ""


SIZES = {
    "Das: DenseNet121": Size(FrozenEncoderUNet(encoder="densenet121"), (3, 1), 15.65, 22.70, 0.005),
    "Das: InceptionV3": Size(
        FrozenEncoderUNet(encoder="inceptionv3"), (3, 1), 19.86, 41.66, 0.43,
        "the rule that gives VGG16 and ResNet50 to the digit gives 19.43; which layers the skips leave is not stated",
    ),
    "Das: VGG16": Size(FrozenEncoderUNet(encoder="vgg16"), (3, 1), 5.53, 20.25, 0.005),
    "Das: MobileNetV2": Size(
        FrozenEncoderUNet(encoder="mobilenet_v2"), (3, 1), 1.39, 3.65, 0.20,
        "1.20; no choice of skips under one rule for all encoders gives 1.39 here",
    ),
    "Das: ResNet50": Size(
        FrozenEncoderUNet(encoder="resnet50"), (3, 1), 31.05, 54.64, 0.035,
        "Keras' ResNet50 has biases before its batch norms, 0.027 M, torch's has none",
    ),
    "Das: EfficientNetB0": Size(
        FrozenEncoderUNet(encoder="efficientnet-b0"), (3, 1), 2.04, 6.09, 0.61, "1.44; as for MobileNetV2"
    ),
    "Das: MODEL-1": Size(DenseNetUNet(), (3, 1), 15.65, 22.7, 0.005),
    "Das: MODEL-2": Size(AttentionVGGUNet(), (3, 1), 4.09, 18.8, 0.015, "biases before batch norms, as Keras has them"),
    "Das: MODEL-3": Size(InstanceActivationUNet(), (3, 1), 14.1, 28.85, 0.03, "14.13, stated with one decimal"),
    "Gautam": Size(UNet(), (3, 1), 1.94, 1.94, 0.005),
    "Karabag": Size(
        UNet(block="plain", width=64, levels=3, norm="none", deep_dropout=0.5, rectify=True), (1, 4), 7.7, 7.7, 0.05
    ),
    "Tiling": Size(UNet3D(width=64, flat=0), (1, 3), 22.396739, 22.396739, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
def test_networks_have_the_papers_numbers_of_parameters(size):
    """Counted as Keras does: running statistics of batch norms belong to the total, not to what learns."""
    network = size.model.build(*size.channels)
    learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    statistics = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    total = sum(p.numel() for p in network.parameters()) + statistics
    if size.total == size.learning:
        total = learning
    assert learning / 1e6 == pytest.approx(size.learning, abs=size.off + 1e-9)
    assert total / 1e6 == pytest.approx(size.total, abs=size.off + 1e-9)
    assert size.off <= 0.05 or size.why


def test_the_3d_u_nets_variants():
    """Tiling 2024 (T): [64, 128], [128, 256], [64, ..., 512] features, and the bottleneck of twice the last."""
    for width, levels, features in ((64, 2, [64, 128]), (128, 2, [128, 256]), (64, 4, [64, 128, 256, 512])):
        network = UNet3D(width=width, levels=levels, flat=0).build(1, 3)
        found = [next(m for m in block.modules() if isinstance(m, nn.Conv3d)).out_channels for block in network.down]
        assert found == features
        convolutions = [m for m in network.down.modules() if isinstance(m, nn.Conv3d)]
        assert all(m.bias is None for m in convolutions)


def test_karabags_network_has_46_layers_in_matlabs_count():
    """T: input, 3 levels of encoder, bridge, 3 of decoder, 1 x 1, softmax, classification."""
    network = preset("karabag-2023").apply(Config()).model.build(1, 4)
    kinds = (nn.Conv2d, nn.ReLU, nn.ConvTranspose2d, nn.MaxPool2d, nn.Dropout)
    counted = sum(isinstance(m, kinds) for m in network.modules())
    joins = rectified = len(network.up)
    assert network.rectify
    assert counted + joins + rectified + len(("input", "softmax", "classes")) == 46
    drops = [(name, m.p) for name, m in network.named_modules() if isinstance(m, nn.Dropout)]
    assert [p for _, p in drops] == [0.5, 0.5]
    assert [name.split(".")[0] for name, _ in drops] == ["down", "bottom"]
    assert drops[0][0].startswith("down.2")
    assert not any("Norm" in type(m).__name__ for m in network.modules())


def test_the_blocks_of_model_1():
    """T: transposed convolution, batch norm, ReLU, dropout that rises from 0.25 to 0.5 towards shallow layers."""
    network = DenseNetUNet().build(3, 1).eval()
    kinds = [[type(m).__name__ for m in up] for up in network.up]
    assert kinds == [["ConvTranspose2d", "BatchNorm2d", "ReLU", "Dropout"]] * 4
    rates = [up[-1].p for up in network.up]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (0.25, 0.5)  # the first is the deepest
    with torch.no_grad():
        sizes = [f.shape[-1] for f in network.encoder(torch.rand(1, 3, 256, 256))]
        assert [sizes[k] for k in network.levels] == [8, 16, 32, 64, 128]
        assert network(torch.rand(1, 3, 256, 256)).shape == (1, 1, 256, 256)


def test_the_blocks_of_model_2_and_3():
    """T: gates; MODEL-3: residual block, Instance Activation, spatial dropout 0.2 to 0.4 with depth, in this order."""
    second = AttentionVGGUNet().build(3, 1)
    assert {m.p for m in second.modules() if isinstance(m, nn.Dropout)} == {0.1}
    assert [g.skip.out_channels for g in second.gates] == [256, 128, 64, 32]
    third = InstanceActivationUNet().build(3, 1)
    for block in third.merge:
        assert [type(m).__name__ for m in block] == ["Residual", "InstanceActivation", "Dropout2d"]
    np.testing.assert_allclose([block[-1].p for block in third.merge], [0.4, 0.35, 0.3, 0.25, 0.2])
    assert third.pooled


def test_the_changes_of_das_et_al():
    """T: one photometric change or none, then always a geometric one."""
    assert set(PHOTOMETRIC) == {
        "motion blur", "defocus", "Gaussian noise", "sensor noise", "hue, saturation, value", "channel shuffle",
        "brightness and contrast", "gamma", "CLAHE", "greyscale", "inversion", "zoom blur",
    }  # fmt: skip
    assert set(GEOMETRIC) == {
        "elastic", "grid distortion", "affine with shear", "crop", "pad and crop", "mirror", "quarter turn",
        "transposition",
    }  # fmt: skip
    cut = Cut(np.array([0]), np.zeros(1, bool), (64.0, 64.0), 64, True, fixed=True)
    straight = Unchanged().grid(cut, np.random.default_rng(0))
    pixels = np.random.default_rng(0).random((3, 1, 64, 64), dtype=np.float32)
    for seed in range(40):
        grid = TwoStage(chance=0).grid(cut, np.random.default_rng(seed))
        assert not all(np.array_equal(a, b) for a, b in zip(grid, straight, strict=True))
        assert TwoStage(chance=0).tone(pixels, np.random.default_rng(seed)) is pixels


def test_the_changes_of_gautam_and_gautam():
    """T: rotation by any angle, flips, brightness and contrast, nothing else."""
    standard = preset("gautam-2025").apply(Config()).augmentation
    pixels = np.random.default_rng(0).random((1, 1, 32, 32), dtype=np.float32)
    for seed in range(20):
        changed = standard.tone(pixels, np.random.default_rng(seed))
        slope, offset = np.polyfit(pixels.ravel(), changed.ravel(), 1)
        np.testing.assert_allclose(changed, slope * pixels + offset, atol=1e-5)
        cut = Cut(np.array([0]), np.zeros(1, bool), (64.0, 64.0), 64, True, fixed=True)
        x, y = standard.grid(cut, np.random.default_rng(seed))
        assert np.hypot(x[0, 1] - x[0, 0], y[0, 1] - y[0, 0]) == pytest.approx(1, abs=1e-4)  # no scale


def test_rates_fall_in_stairs():
    """T: 1e-4 x 0.9^floor(t / 9000), t counted from 0; no warm-up."""
    optimiser = preset("das-2025-model-1-focal").apply(Config()).optimiser
    at = {t: rate(t + 1, 0.3, optimiser) for t in (0, 1, 8_999, 9_000, 17_999, 18_000)}
    assert at == {0: 1, 1: 1, 8_999: 1, 9_000: 0.9, 17_999: 0.9, 18_000: pytest.approx(0.81)}
    assert rate(1, 0.0, preset("aziz-2026").apply(Config()).optimiser) == 1


def whole(tmp_path, shape, axes=None, n=1):
    """A project of classes with approved images of a shape, some of it foreground."""
    project = Project.create(tmp_path / "p", "semantic", ("a", "b", "c"))
    for k in range(n):
        labels = np.zeros(shape, np.uint32)
        labels[..., : shape[-1] // 2] = 1
        np.save(tmp_path / f"{k}.npy", np.random.default_rng(k).integers(0, 255, shape).astype(np.uint8))
        project.add_image(tmp_path / f"{k}.npy", axes=axes, labels=labels)
    return project


def epoch_of(project, name, *values):
    config = preset(name).apply(Config()).with_values(["target.kind=semantic", "recipe.steps=[]", *values])
    return TrainingSet(project, config)


def test_an_epoch_has_the_papers_patches(tmp_path):
    """Aziz (T): 48 patches of 256 in 2048 x 1536; here the half without a cell is removed. Karabag (T): 900 a slice."""
    with whole(tmp_path, (1536, 2048)) as project:
        patches = epoch_of(project, "aziz-2026")
        assert len(patches.grid) == 24
        assert patches.epoch == 12
        seen = [d.centre for step in range(1, 13) for d in patches.draw(step)]
        assert len(set(seen)) == 24  # every one once
        assert [d.centre for d in patches.draw(1)] != [d.centre for d in patches.draw(13)]
        assert len(epoch_of(project, "aziz-2026", "sampling.empty=1").grid) == 48
        first = patches.draw(1)[0]
        y, x = first.centre[1:]
        assert (y % 256, x % 256) == (128, 128)
        cut = patches.cut(first)
        np.testing.assert_array_equal(cut.target, patches.planes[0].target[..., y - 128 : y + 128, x - 128 : x + 128])


def test_an_epoch_has_karabags_patches(tmp_path):
    with whole(tmp_path, (2000, 2000)) as project:
        assert len(epoch_of(project, "karabag-2023").grid) == 900


@pytest.mark.parametrize(
    ("name", "images", "slices"),
    [
        ("karabag-2023", 1, 40),
        ("karabag-2023-300", 1, 150),
        ("karabag-2023-ten-cells", 3, 45),
        ("karabag-2023-both", 3, 180),
    ],
)
def test_karabags_slices(tmp_path, name, images, slices):
    """T: with 900 patches a slice 36,000, 135,000, 135,000 (ten cells) and 270,000 pairs."""
    with whole(tmp_path, (400, 32, 32), "ZYX", images) as project:
        values = ["train.patch=32", "model.levels=2"]
        assert len(epoch_of(project, name, *values).planes) == slices


def test_variants_are_the_same_in_every_epoch(tmp_path):
    """Das (T): each image 21 variants, made once."""
    with whole(tmp_path, (512, 512)) as project:
        patches = epoch_of(project, "das-2025-model-3-focal", "train.batch=4")
        assert patches.epoch == 21  # 4 x 21 / 4
        epochs = [[d for s in range(a, a + 21) for d in patches.draw(s)] for a in (1, 22)]
        assert epochs[0] != epochs[1]
        assert set(epochs[0]) == set(epochs[1])
        assert len(set(epochs[0])) == 84


@pytest.mark.parametrize(
    ("capability", "precision", "expected"),
    [((7, 5), "auto", "fp16"), ((7, 5), "bf16", "bf16"), ((8, 0), "auto", "bf16"), ((8, 0), "fp16", "fp16"),
     ((7, 5), "fp32", "fp32")],
)  # fmt: skip
def test_gpus_without_bfloat16_compute_in_float16(monkeypatch, capability, precision, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    assert devices.choose(precision).precision == expected


def test_float16_is_for_gpus():
    assert devices.choose("fp16").precision == devices.choose("auto").precision != "fp16" or torch.cuda.is_available()

"""Contract tests over the union of models."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_cellseg.config import Config, parse_config
from napari_cellseg.errors import CellsegError
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
    load_weights,
    read_weights,
    save_weights,
    write_tensors,
)
from napari_cellseg.nets import smp as nets_smp
from napari_cellseg.nets.device import Device
from napari_cellseg.settings import validated

SMALL = [
    Smp(encoder="resnet18", weights="none", width=4),
    Smp(architecture="FPN", encoder="mobilenet_v2", weights="none", width=8, detail=8),
    Smp(architecture="Linknet", encoder="resnet18", weights="none", detail=0),
    UNet3D(width=4),
    UNet3D(width=2, flat=3),
    UNet3D(width=2, block="residual", norm="instance", gates=True),
    UNet(width=4),
    UNet(width=4, levels=2, block="plain", norm="none"),
    MSUNet(width=4, levels=3),
    FrozenEncoderUNet(encoder="mobilenet_v2", weights="none"),
    FrozenEncoderUNet(encoder="resnet18", weights="none", frozen=False),
    DenseNetUNet(weights="none"),
    AttentionVGGUNet(weights="none"),
    InstanceActivationUNet(weights="none"),
    InstanceActivationUNet(weights="none", norm="instance"),
    FrozenEncoderUNet(encoder="inceptionv3", weights="none"),
    FrozenEncoderUNet(encoder="efficientnet-b0", weights="none", frozen=False),
    DenseNetUNet(weights="none", layout="0.4"),
    UNet(width=4, levels=2, block="plain", norm="none", deep_dropout=0.5, rectify=True),
]


@pytest.mark.parametrize("model", SMALL, ids=lambda m: repr(m)[:40])
@pytest.mark.parametrize(("size", "channels", "classes"), [((64, 64), 1, 2), ((37, 91), 3, 4), ((20, 33), 5, 1)])
def test_networks_take_any_size_channels_and_classes(model, size, channels, classes):
    network = model.build(channels, classes)
    size = (5, *size) if model.dimensions == 3 else size
    output = network(torch.rand(2, channels, *size))
    assert output.shape == (2, classes, *size)
    output.square().mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    assert all(p.grad is None for p in network.parameters() if not p.requires_grad)


@pytest.mark.parametrize("model", SMALL, ids=lambda m: repr(m)[:40])
def test_saved_weights_give_the_same_output(model, tmp_path):
    first, second = model.build(1, 2).eval(), model.build(1, 2).eval()
    save_weights(tmp_path / "w.safetensors", first)
    load_weights(tmp_path / "w.safetensors", second)
    x = torch.rand(1, 1, *((5,) if model.dimensions == 3 else ()), 64, 64)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)


def test_every_model_class_is_in_the_contract():
    assert {type(m) for m in SMALL} == set(MODELS)


def test_unknown_names_say_what_there_is():
    with pytest.raises(CellsegError, match="no architecture") as caught:
        Smp(architecture="Yolo").build(1, 2)
    assert "Unet" in caught.value.hint
    with pytest.raises(CellsegError, match="cannot be built"):
        Smp(encoder="resnet17").build(1, 2)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_posing_as_weights_is_not_opened(tmp_path, protocol):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Bomb(), protocol))
    with pytest.raises(CellsegError) as caught:
        read_weights(path)
    assert caught.value.hint
    torch.save({"a": torch.zeros(1)}, tmp_path / "torch.safetensors")
    with pytest.raises(CellsegError, match="pickle"):
        read_weights(tmp_path / "torch.safetensors")


def test_a_header_of_any_length_is_no_pickle(tmp_path):
    """One network in 256 has weights whose header is so long that the file begins with a pickle's first byte."""
    path = tmp_path / "w.safetensors"
    for n in range(1, 300, 8):
        write_tensors(path, {"a": torch.zeros(1)}, {"x": "y" * n})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert set(read_weights(path)) == {"a"}


def test_weights_that_do_not_fit_are_refused(tmp_path):
    save_weights(tmp_path / "w.safetensors", Smp(weights="none", width=4).build(1, 2))
    other = Smp(weights="none", width=8).build(1, 2)
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(CellsegError, match="do not fit"):
        load_weights(tmp_path / "w.safetensors", other)
    assert all(torch.equal(v, before[k]) for k, v in other.state_dict().items())


def test_encoder_weights_from_a_file(tmp_path):
    source = Smp(weights="none", width=4).build(1, 2)
    save_weights(tmp_path / "encoder.safetensors", source.network.encoder)
    model = Smp(weights=str(tmp_path / "encoder.safetensors"), width=4)
    network = model.build(1, 2)
    assert model.pretrain(network) == ""
    torch.testing.assert_close(network.network.encoder.state_dict(), source.network.encoder.state_dict())
    with pytest.raises(CellsegError, match="do not fit"):
        model.pretrain(model.build(3, 2))


def test_without_the_hub_there_is_a_notice(monkeypatch):
    monkeypatch.setattr(nets_smp, "_hub_answers", lambda: False)
    model = Smp(encoder="resnet18", width=4)
    assert "random weights" in model.pretrain(model.build(1, 2))


def parameters(model, channels=1, classes=2):
    network = model.build(channels, classes)
    counts = [p.numel() for p in network.parameters()], [p.numel() for p in network.parameters() if p.requires_grad]
    return sum(counts[0]), sum(counts[1])


def test_the_3d_u_net_is_the_published_one():
    assert parameters(UNet3D(width=64, flat=0), 1, 3)[1] == 22_396_739


def test_the_u_nets_are_the_published_ones():
    assert 1.90e6 <= parameters(UNet(), 3, 1)[0] <= 1.98e6  # Gautam & Gautam 2025: about 1.94 M
    assert parameters(UNet(width=64, block="plain", norm="none"), 1, 2)[0] == 31_030_658  # Ronneberger et al. 2015


OLD = [
    ({"kind": "frozen_encoder_unet", "encoder": "resnet18", "weights": "none", "frozen": True}, -0.14835, 0.0067187),
    ({"kind": "densenet_unet", "encoder": "densenet121", "weights": "none", "frozen": True}, -0.15208, 0.032926),
    ({"kind": "attention_vgg_unet", "encoder": "vgg16", "weights": "none", "frozen": True}, -0.31322, 1.5574),
    ({"kind": "instance_activation_unet", "encoder": "vgg16", "weights": "none", "frozen": True}, -172.29, 183.48),
    ({"kind": "msunet", "width": 4, "levels": 2}, -0.11870, 1.035e-5),
]
"""As version 0.4 wrote them, and what that version's networks gave with the weights of `filled`: mean and deviation."""


def filled(network):
    """Weights that depend on names and sizes alone."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                generator = torch.Generator().manual_seed(sum(name.encode()) * 7 + tensor.numel())
                values = torch.randn(tensor.shape, generator=generator) * 0.05
                values = values.abs() + 1 if name.endswith("running_var") else values
                tensor.copy_(values + 1 if tensor.ndim == 1 and name.endswith("weight") else values)
    return network.eval()


@pytest.mark.parametrize(
    ("values", "mean", "deviation"), OLD, ids=lambda v: v.get("kind") if isinstance(v, dict) else ""
)
def test_models_of_version_0_4_predict_what_they_did(values, mean, deviation):
    cls = next(c for c in MODELS if c.model_fields["kind"].default == values["kind"])
    network = filled(validated(cls, values).build(1, 2))
    with torch.no_grad():
        found = network(torch.linspace(0, 1, 64 * 64).reshape(1, 1, 64, 64).sin())
    assert float(found[0, 0].mean()) == pytest.approx(mean, rel=1e-3)
    assert float(found[0, 1, ::7].std()) == pytest.approx(deviation, rel=2e-3)


def test_layouts_of_earlier_versions_are_told_by_what_was_written():
    typed = Config().with_values(["model.kind=densenet_unet"])
    assert typed.model.layout == "published"
    assert parse_config(typed.to_toml()) == typed
    before = "\n".join(line for line in typed.to_toml().splitlines() if not line.startswith("layout"))
    assert parse_config(before).model.layout == "0.4"


def test_skips_of_odd_sizes_are_met():
    """Inception does not pad: its features have 125, 60, 29, 14 and 6 pixels of 256."""
    network = FrozenEncoderUNet(encoder="inceptionv3", weights="none").build(3, 1).eval()
    with torch.no_grad():
        sizes = [f.shape[-1] for f in network.encoder(torch.rand(1, 3, 256, 256))]
        assert sizes == [256, 125, 60, 29, 14, 6]
        assert network(torch.rand(1, 3, 256, 256)).shape == (1, 1, 256, 256)
    old = FrozenEncoderUNet(encoder="inceptionv3", weights="none", layout="0.4").build(3, 1)
    assert old(torch.rand(1, 3, 128, 96)).shape == (1, 1, 128, 96)


def test_every_block_of_the_multi_scale_u_net_looks_at_two_scales():
    network = MSUNet().build(1, 2)
    blocks = [m for m in network.modules() if type(m).__name__ == "MultiScale"]
    assert len(blocks) == 9  # four down, the bottom, four up
    for block in blocks:
        sides = [{m.kernel_size[0] for m in stream.modules() if isinstance(m, nn.Conv2d)} for stream in block.streams]
        assert sides == [{3}, {5}]
        for stream in block.streams:  # on the stream's output, before it is joined
            assert [k for k, m in enumerate(stream) if isinstance(m, nn.Dropout)] == [len(stream) - 1]
        assert block.fuse[0].kernel_size == (1, 1)
    assert [b.fuse[0].out_channels for b in blocks] == [16, 32, 64, 128, 256, 128, 64, 32, 16]
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in network.modules()) == 4


FROZEN = [m for m in SMALL if getattr(m, "frozen", False)]


@pytest.mark.parametrize("model", FROZEN, ids=lambda m: f"{m.kind}-{m.encoder}")
def test_a_frozen_encoder_stays_as_it_is(model):
    network = model.build(3, 2).train()
    before = {k: v.clone() for k, v in network.backbone.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    network(torch.randn(2, 3, 64, 64)).square().mean().backward()
    optimiser.step()
    assert all(torch.equal(v, before[k]) for k, v in network.backbone.state_dict().items())
    assert not any(m.training for m in network.backbone.modules() if len(list(m.parameters())))
    assert network.head.weight.grad.abs().max() > 0


def test_gates_weaken_the_skip_only():
    network = AttentionVGGUNet(weights="none").build(1, 2)
    gate = network.gates[0]
    skip, signal = torch.rand(1, 512, 4, 4), torch.rand(1, 256, 4, 4)
    passed = gate(skip, signal) / skip
    assert passed.min() > 0
    assert passed.max() < 1
    torch.testing.assert_close(passed, passed[:, :1].expand_as(passed))


ARCHITECTURES = sorted(
    name
    for name, cls in vars(nets_smp.library()).items()
    if isinstance(cls, type) and issubclass(cls, nets_smp.library().base.SegmentationModel)
)
ENCODERS = {"DPT": "tu-vit_tiny_patch16_224.augreg_in21k"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_of_the_library(architecture, tmp_path):
    model = Smp(architecture=architecture, encoder=ENCODERS.get(architecture, "resnet18"), weights="none", width=4)
    network = model.build(2, 3)
    output = network(torch.rand(2, 2, 70, 45))
    assert output.shape == (2, 3, 70, 45)
    output.square().mean().backward()
    save_weights(tmp_path / "w.safetensors", network)
    other = model.build(2, 3).eval()
    load_weights(tmp_path / "w.safetensors", other)
    x = torch.rand(1, 2, 70, 45)
    torch.testing.assert_close(network.eval()(x), other(x), rtol=0, atol=0)


LEARNING = [m for m in SMALL if getattr(m, "encoder", "") not in ("inceptionv3", "mobilenet_v2", "efficientnet-b0")]
"""Not what stands on a frozen encoder with random weights; ResNet-18, thawed, learns for the others."""
QUICK = [m for m in LEARNING if m.kind in ("unet", "smp")]
LONG = [pytest.param(m, marks=pytest.mark.long) for m in LEARNING if m not in QUICK]


@pytest.mark.slow
@pytest.mark.parametrize("model", [*QUICK, *LONG], ids=lambda m: repr(m)[:40])
def test_one_batch_can_be_learnt(model):
    torch.manual_seed(0)
    size = (8, 32, 32) if model.dimensions == 3 else (32, 32)
    pool = F.avg_pool3d if model.dimensions == 3 else F.avg_pool2d
    side = 7 if model.dimensions == 3 else 9
    blobs = pool(torch.randn(2, 1, *size), side, 1, side // 2)
    x, y = blobs / blobs.std(), (blobs > blobs.mean()).float()
    network = model.build(1, 1).train()
    optimiser = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=2e-3)
    dice = 0.0
    for step in range(600):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(network(x), y).backward()
        optimiser.step()
        if step % 20 == 19:
            with torch.no_grad():
                found = (network.eval()(x) > 0).float()
            network.train()
            dice = float(2 * (found * y).sum() / (found.sum() + y.sum()))
            if dice > 0.985:
                break
    assert dice > 0.98


@pytest.mark.parametrize(
    ("channels", "size", "kernel"),
    [(16, (2, 8, 8), 3), (16, (4, 16, 16), 5), (1, (1, 8, 8), 3), (4, (5, 2, 2), 3), (16, (3, 8, 8), 3)],
    ids=str,
)
def test_convolutions_of_thin_volumes_are_right_in_bfloat16(channels, size, kernel):
    """Some processors' own bfloat16 is not: gradients of the weights up to 1e31, from one run to the next."""
    torch.manual_seed(0)
    convolution, x, found = nn.Conv3d(channels, 32, kernel, padding=kernel // 2), torch.randn(2, channels, *size), []
    for bfloat16 in (False, True):
        device = Device(torch.device("cpu"), bfloat16)
        convolution.zero_grad()
        with device.autocast():
            y = device.place(convolution)(x.contiguous(memory_format=torch.channels_last_3d)).float()
        y.square().mean().backward()
        found.append((y.detach(), convolution.weight.grad.clone()))
    for exact, rounded in zip(*found, strict=True):
        assert (exact - rounded).abs().max() < 0.03 * exact.abs().max()

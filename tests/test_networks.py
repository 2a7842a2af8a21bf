"""Contract tests over the unions of models and losses."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from napari_cellseg.errors import CellsegError
from napari_cellseg.losses import LOSSES
from napari_cellseg.models import MODELS, Smp, UNet3D, load_weights, read_weights, save_weights
from napari_cellseg.nets import smp as nets_smp

SMALL = [
    Smp(weights="none", width=4),
    Smp(architecture="FPN", encoder="mobilenet_v2", weights="none", detail=0),
    UNet3D(width=4),
    UNet3D(width=2, flat=3),
]


@pytest.mark.parametrize("model", SMALL, ids=lambda m: repr(m)[:40])
@pytest.mark.parametrize("size", [(64, 64), (37, 91), (20, 33)])
@pytest.mark.parametrize(("channels", "classes"), [(1, 2), (3, 4), (5, 1)])
def test_networks_take_any_size_channels_and_classes(model, size, channels, classes):
    network = model.build(channels, classes)
    size = (5, *size) if model.dimensions == 3 else size
    output = network(torch.zeros(2, channels, *size))
    assert output.shape == (2, classes, *size)
    output.mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


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
    model = Smp(width=4)
    assert "random weights" in model.pretrain(model.build(1, 2))


@pytest.mark.parametrize("cls", LOSSES)
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 2, 4, 8, 8)])
def test_unknown_voxels_have_no_gradient(cls, exclusive, shape):
    torch.manual_seed(0)
    output = torch.randn(shape, requires_grad=True)
    target = torch.rand(shape).softmax(1) if exclusive else torch.rand(shape)
    known = (torch.rand(shape[0], 1, *shape[2:]) > 0.5).float()
    cls().build(exclusive=exclusive)(output, target, known).backward()
    unknown = (known == 0).expand(shape)
    assert output.grad[unknown].abs().max() == 0
    assert output.grad[~unknown].abs().max() > 0


@pytest.mark.parametrize("cls", LOSSES)
def test_nothing_known_is_no_error(cls):
    output = torch.randn(1, 2, 8, 8, requires_grad=True)
    loss = cls().build(exclusive=False)(output, torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8))
    loss.backward()
    assert torch.isfinite(loss)
    assert output.grad.abs().max() == 0


@pytest.mark.parametrize("cls", LOSSES)
@pytest.mark.parametrize("exclusive", [True, False])
def test_one_batch_can_be_learnt(cls, exclusive):
    torch.manual_seed(0)
    x = torch.randn(2, 1, 32, 32)
    y = torch.cat([(x > 0).float(), (x <= 0).float()], 1)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    loss = cls().build(exclusive=exclusive)
    for _ in range(120):
        optimiser.zero_grad()
        loss(network(x), y, torch.ones(2, 1, 32, 32)).backward()
        optimiser.step()
    p = network(x).softmax(1) if exclusive else network(x).sigmoid()
    dice = 2 * ((p > 0.5) * y).sum() / ((p > 0.5).sum() + y.sum())
    assert dice > 0.98


def test_focal_is_that_of_lin_et_al_on_hard_targets():
    loss = LOSSES[0](gamma=2, dice=0, focal=1).build(exclusive=False)
    output, target = torch.tensor([[[[0.3]]]]), torch.tensor([[[[1.0]]]])
    p = torch.sigmoid(output)
    expected = -((1 - p) ** 2) * torch.log(p)
    torch.testing.assert_close(loss(output, target, torch.ones(1, 1, 1, 1)), expected.squeeze())
    assert np.isfinite(float(expected))


def test_the_3d_u_net_is_the_published_one():
    network = UNet3D(width=64, flat=0).build(1, 3)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 22_396_739

"""Contract tests over the union of losses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_cellseg.errors import CellsegError
from napari_cellseg.losses import LOSSES, CrossEntropy, Dice, DiceFocal, Edges, Focal, IoU, Sum, Tversky

ALL = [
    *[cls() for cls in LOSSES],
    CrossEntropy(balanced=True),
    CrossEntropy(inside=10),
    DiceFocal(linear=True, alpha=0.25, gamma=5),
    Sum(terms=(Focal(weight=0.3), Dice(weight=0.6), Edges(weight=0.1))),
]
NAMES = lambda m: repr(m)[:40]  # noqa: E731


def case(exclusive, shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(shape, generator=generator, requires_grad=True)
    raw = torch.rand(shape, generator=generator)
    target = (raw == raw.amax(1, keepdim=True)).float() if exclusive else raw
    known = (torch.rand(shape[0], 1, *shape[2:], generator=generator) > 0.1).float()
    return output, target, known


@pytest.mark.parametrize("loss", ALL, ids=NAMES)
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 2, 4, 8, 8)])
@pytest.mark.parametrize("weighted", [False, True])
def test_unknown_voxels_have_no_gradient(loss, exclusive, shape, weighted):
    if weighted:
        weights = (1.0, 2.0, 1.5)[: shape[1]]
        loss = loss.model_copy(
            update={"terms": tuple(t.model_copy(update={"class_weights": weights}) for t in loss.terms)}
            if isinstance(loss, Sum)
            else {"class_weights": weights}
        )
    output, target, known = case(exclusive, shape)
    value = loss.build(exclusive=exclusive)(output, target, known)
    assert value.shape == ()
    value.backward()
    unknown = (known == 0).expand(shape)
    assert output.grad[unknown].abs().max() == 0
    assert output.grad[~unknown].abs().max() > 0


@pytest.mark.parametrize("loss", ALL, ids=NAMES)
@pytest.mark.parametrize("exclusive", [True, False])
def test_what_unknown_voxels_hold_does_not_matter(loss, exclusive):
    output, target, known = case(exclusive, (2, 3, 16, 16))
    built = loss.build(exclusive=exclusive)
    changed = torch.where(known > 0, target, 1 - target)
    torch.testing.assert_close(built(output, target, known), built(output, changed, known))


@pytest.mark.parametrize("loss", ALL, ids=NAMES)
@pytest.mark.parametrize("exclusive", [True, False])
def test_nothing_known_is_no_error(loss, exclusive):
    output = torch.randn(1, 2, 8, 8, requires_grad=True)
    value = loss.build(exclusive=exclusive)(output, torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8))
    value.backward()
    assert torch.isfinite(value)
    assert output.grad.abs().max() == 0


LEARNT = [m for m in ALL if not isinstance(m, Edges | Tversky)] + [Tversky(alpha=0.5, beta=0.5)]
LEARNT = [m for m in LEARNT if getattr(m, "inside", 1.0) == 1.0]  # a tenfold inside is meant to be found too large


@pytest.mark.parametrize("loss", LEARNT, ids=NAMES)
@pytest.mark.parametrize("exclusive", [True, False])
def test_one_batch_can_be_learnt(loss, exclusive):
    torch.manual_seed(0)
    x = torch.randn(2, 1, 32, 32)
    y = torch.cat([(x > 0).float(), (x <= 0).float()], 1)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    built = loss.build(exclusive=exclusive)
    for _ in range(120):
        optimiser.zero_grad()
        built(network(x), y, torch.ones(2, 1, 32, 32)).backward()
        optimiser.step()
    p = network(x).softmax(1) if exclusive else network(x).sigmoid()
    dice = 2 * ((p > 0.5) * y).sum() / ((p > 0.5).sum() + y.sum())
    assert dice > 0.98


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 2, 4, 8, 8)])
@pytest.mark.parametrize("weights", [(), (1.0, 2.0, 1.5)])
def test_overlap_losses_are_their_formulas(exclusive, shape, weights):
    output, target, known = case(exclusive, shape)
    weights = weights[: shape[1]]
    p = output.softmax(1) if exclusive else output.sigmoid()
    keep = known.bool().expand(shape)
    scores = {"dice": [], "iou": [], "tversky": []}
    for c in range(shape[1]):
        a, b = p[:, c][keep[:, c]], target[:, c][keep[:, c]]
        both = torch.minimum(a, b).sum()  # which is the product where targets are hard
        only_a, only_b = a.sum() - both, b.sum() - both
        scores["dice"].append(1 - (both + 1) / ((a.sum() + b.sum()) / 2 + 1))
        scores["iou"].append(1 - (both + 1) / (a.sum() + b.sum() - both + 1))
        scores["tversky"].append(1 - (both + 1) / (both + 0.3 * only_a + 0.7 * only_b + 1))
    share = torch.tensor(weights or (1.0,) * shape[1])
    for loss in (Dice(class_weights=weights), IoU(class_weights=weights), Tversky(class_weights=weights)):
        found = loss.build(exclusive=exclusive)(output, target, known)
        expected = (torch.stack(scores[loss.kind]) * share).sum() / share.sum()
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_focal_is_that_of_lin_et_al_on_hard_targets():
    output, target = torch.tensor([[[[0.3, 0.3]]]]), torch.tensor([[[[1.0, 0.0]]]])
    p = torch.sigmoid(torch.tensor(0.3))
    inside, outside = -((1 - p) ** 2) * torch.log(p), -(p**2) * torch.log(1 - p)
    known = torch.ones(1, 1, 1, 2)
    found = Focal(gamma=2, alpha=0.25).build(exclusive=False)(output, target, known)
    torch.testing.assert_close(found, (0.25 * inside + 0.75 * outside) / 2)
    plain = DiceFocal(gamma=2, dice=0, focal=1).build(exclusive=False)(output, target, known)
    torch.testing.assert_close(plain, (inside + outside) / 2)


def test_dice_and_focal_are_those_of_aziz_et_al():
    output, target, known = case(False, (2, 1, 16, 16))
    y = (target > 0.6).float()
    p = output.sigmoid()
    dice = 1 - (2 * (y * p).sum() + 1) / (y.sum() + p.sum() + 1)
    focal = -0.25 * y * (1 - p) ** 2 * p.log() - 0.75 * (1 - y) * p**2 * (1 - p).log()
    found = DiceFocal(linear=True, alpha=0.25).build(exclusive=False)(output, y, torch.ones_like(known))
    torch.testing.assert_close(found, dice + focal.mean())


def test_a_weighted_cross_entropy_weighs_the_inside():
    output, target, known = case(False, (2, 1, 16, 16))
    y = (target > 0.6).float()
    found = CrossEntropy(inside=10).build(exclusive=False)(output, y, torch.ones_like(known))
    expected = nn.functional.binary_cross_entropy_with_logits(output, y, pos_weight=torch.tensor(10.0))
    torch.testing.assert_close(found, expected)


def test_a_perfect_prediction_has_no_iou_loss_whatever_the_weights():
    """Taken literally, Eq. 8 of Tiling 2024 gives it -0.5 with these."""
    _, target, known = case(True, (2, 3, 16, 16))
    found = IoU(class_weights=(1.0, 2.0, 1.5)).build(exclusive=True)(50 * target, target, known)
    assert float(found) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_gradient_where_all_is_right(gamma):
    """The slope of |x|^gamma at 0 is infinite for gamma < 1; float32 gets there at logits of 17."""
    logits = torch.full((1, 1, 4, 4), 30.0, requires_grad=True)
    loss = Focal(gamma=gamma).build(exclusive=False)(logits, torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4))
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_cross_entropies_are_those_of_torch():
    output, target, known = case(True, (2, 3, 16, 16))
    weights = (1.0, 2.0, 1.5)
    found = CrossEntropy(class_weights=weights).build(exclusive=True)(output, target, known)
    share = torch.tensor(weights) / 1.5
    each = nn.functional.cross_entropy(output, target.argmax(1), weight=share, reduction="none")
    torch.testing.assert_close(found, (each * known[:, 0]).sum() / known.sum())
    output, target, known = case(False, (2, 1, 16, 16))
    hard = (target > 0.9).float()
    found = CrossEntropy(balanced=True).build(exclusive=False)(output, hard, known)
    each = nn.functional.binary_cross_entropy_with_logits(output, hard, reduction="none")
    sides = [each[(hard == side) & (known > 0)].mean() for side in (0, 1)]
    torch.testing.assert_close(found, (sides[0] + sides[1]) / 2)


def test_balanced_classes_weigh_the_same():
    output, target, known = case(True, (2, 3, 16, 16))
    found = CrossEntropy(balanced=True).build(exclusive=True)(output, target, known)
    each = nn.functional.cross_entropy(output, target.argmax(1), reduction="none")
    inside = known[:, 0] > 0
    means = [each[(target[:, c] > 0) & inside].mean() for c in range(3)]
    torch.testing.assert_close(found, torch.stack(means).mean())


def test_a_shifted_edge_costs_and_a_flat_error_does_not():
    target = torch.zeros(1, 1, 16, 16)
    target[..., :8] = 1
    known = torch.ones_like(target)
    loss = Edges().build(exclusive=False)
    right, shifted = 20 * target - 10, 20 * target.roll(2, -1) - 10
    assert loss(right, target, known) < 1e-6
    assert loss(shifted, target, known) > 1e-2
    assert loss(torch.zeros_like(target) + 10, torch.zeros_like(target), known) < 0.05 * loss(shifted, target, known)


def test_class_weights_must_fit():
    for loss in (IoU(class_weights=(1, 2)), Sum(terms=(Dice(class_weights=(1, 2)),))):
        loss.check(2)
        with pytest.raises(CellsegError, match="class weights"):
            loss.check(3)
    with pytest.raises(ValueError, match="terms"):
        Sum(class_weights=(1, 2))

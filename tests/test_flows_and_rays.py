"""Targets with directions and lengths: geometry, decoding, learning, and whatever moves pictures."""

from __future__ import annotations

from dataclasses import replace

import cc3d
import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_cellseg.api._predict import for_prediction
from napari_cellseg.augmentation import Standard, TwoStage, Unchanged
from napari_cellseg.config import Config, Predict
from napari_cellseg.data import TrainingSet
from napari_cellseg.engine import Asking, ExplainJob, FitJob, PredictJob, WhyJob, live_reason, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import instance_counts
from napari_cellseg.events import MapFound, Predicted, ReasonsFound, TileDone
from napari_cellseg.images import Image
from napari_cellseg.kernels import heat
from napari_cellseg.losses import CrossEntropy
from napari_cellseg.models import UNet3D
from napari_cellseg.nets.device import choose
from napari_cellseg.prediction import Predictor, Request, decode_again, predict
from napari_cellseg.prediction._export import differing
from napari_cellseg.preprocess import Recipe
from napari_cellseg.project import ModelCard, Project
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import TARGETS, Boundary, Distance, Flows, Rays, decode, tells_doubt

from .conftest import train_once

BOTH = [Flows(), Rays()]
KIND = lambda t: t.kind  # noqa: E731


def agree(labels: np.ndarray, found: np.ndarray, iou: float) -> bool:
    counts = instance_counts(labels, found, threshold=iou)
    return counts["fp"] == counts["fn"] == 0


def disks(shape, places, flat=1.0) -> np.ndarray:
    """Balls (centre, radius), Z squeezed by `flat`; the first ones lie over later ones."""
    labels, grid = np.zeros(shape, np.uint32), np.indices(shape)
    for id, (*centre, radius) in reversed(list(enumerate(places, 1))):
        away = [(g - c) * (flat if a == 0 and len(shape) == 3 else 1) for a, (g, c) in enumerate(zip(grid, centre))]  # noqa: B905
        labels[sum(a**2 for a in away) <= radius**2] = id
    return labels


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.long
def test_heat_flows_round_corners():
    """A horseshoe: from one end the middle lies beyond a wall, and the flow goes along the horseshoe all the same."""
    labels = np.zeros((60, 60), np.uint32)
    labels[10:50, 10:18], labels[42:50, 10:50], labels[10:50, 42:50] = 1, 1, 1
    flow = 2 * Flows().encode(labels)[1:] - 1
    assert flow[0, 12, 14] > 0.9  # down the left arm, although the middle of the horseshoe lies to the right
    assert flow[0, 12, 46] > 0.9
    np.testing.assert_allclose(np.hypot(*flow)[labels > 0], 1, atol=1e-3)  # there is no flow at one voxel at most
    assert agree(labels, decode(Flows(), Flows().encode(labels)), 0.999)


def test_heat_is_that_of_the_exact_equation():
    """Against a sparse solver: directions differ by a few degrees at most."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    labels = disks((70, 70), [(35, 35, 30)])
    labels[30:40, 40:] = 0
    inside = labels.ravel() > 0
    n, side = inside.size, labels.shape[1]
    laplace = diags([4, -1, -1, -1, -1], [0, 1, -1, side, -side], (n, n), format="csr")[inside][:, inside]
    rows = np.argwhere(labels > 0)
    middle = ((rows - np.median(rows, 0)) ** 2).sum(1).argmin()
    u = np.zeros(n)
    u[inside] = spsolve(laplace.tocsc(), np.arange(inside.sum()) == middle)
    exact = np.stack(np.gradient(np.pad(u.reshape(labels.shape), 1)))[:, 1:-1, 1:-1]
    found = heat.flows(labels[None], (1, 1, 1), True)[1:, 0]
    cosine = (exact * found).sum(0)[labels > 0] / np.linalg.norm(exact, axis=0)[labels > 0]
    assert np.quantile(cosine, 0.02) > np.cos(np.deg2rad(15))
    assert np.median(cosine) > np.cos(np.deg2rad(4))


@pytest.mark.parametrize("flat", [1.0, 3.0])
def test_flows_and_lengths_know_the_shape_of_a_voxel(flat):
    """A ball in um is a ball whatever its voxels are."""
    labels, spacing = disks((int(40 / flat), 44, 44), [(19 / flat, 22, 22, 17)], flat), (flat, 1.0, 1.0)
    flow = 2 * Flows().encode(labels, spacing=spacing)[1:] - 1
    towards = -(np.indices(labels.shape) - np.reshape((19 / flat, 22, 22), (3, 1, 1, 1))) * np.reshape(
        (flat, 1, 1), (3, 1, 1, 1)
    )
    distance = np.linalg.norm(towards, axis=0)
    cosine = (flow * towards).sum(0)[(labels > 0) & (distance > 4)] / distance[(labels > 0) & (distance > 4)]
    assert np.quantile(cosine, 0.02) > 0.9
    coded = Rays().encode(labels, spacing=spacing)[1:, round(19 / flat), 22, 22]
    np.testing.assert_allclose(10 * coded / (1 - coded), 17, atol=1 + flat)


def test_rays_in_the_plane_begin_at_x_and_turn_towards_y():
    labels = np.zeros((40, 60), np.uint32)
    labels[10:30, 20:50] = 1
    coded = Rays(rays=8, scale=5).encode(labels)[:, 15, 25]
    lengths = 5 * coded[1:] / (1 - coded[1:])
    np.testing.assert_allclose(lengths[[0, 2, 4, 6]], [24.5, 14.5, 5.5, 5.5], atol=1e-3)
    np.testing.assert_allclose(lengths[[1, 5]], np.sqrt(2) * np.array([14.5, 5.5]), atol=1e-3)


# --- there and back -------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), touching=st.sampled_from([0.0, 0.5, 0.9]), radius=st.integers(6, 16))
def test_flows_give_touching_cells_back(seed, touching, radius):
    labels = synthetic_cells((128, 140), 20, radius=radius, touching=touching, seed=seed)[1]
    labels = cc3d.connected_components(labels, connectivity=4).astype(np.uint32)  # of cut objects, each piece
    labels = np.where(np.bincount(labels.ravel())[labels] > 30, labels, 0).astype(np.uint32)
    assert agree(labels, decode(Flows(), Flows().encode(labels)), 0.95)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), depth=st.sampled_from([1.0, 2.0]), radius=st.integers(7, 10))
def test_volumes_come_back(seed, depth, radius):
    rng = np.random.default_rng(seed)
    places = [(rng.uniform(8, 18) / depth, *rng.uniform(8, 60, 2), radius) for _ in range(6)]
    labels, spacing = disks((int(28 / depth), 70, 70), places, depth), (depth, 1.0, 1.0)
    labels = cc3d.connected_components(labels, connectivity=6).astype(np.uint32)
    whole = 4 / 3 * np.pi * radius**3 / depth  # what others have cut to a thin shell may lose some voxels to them
    labels = np.where(np.bincount(labels.ravel())[labels] > 0.5 * whole, labels, 0).astype(np.uint32)
    assert agree(labels, decode(Flows(), Flows().encode(labels, spacing=spacing), spacing), 0.95)


@pytest.mark.parametrize("depth", [1.0, 2.0, 4.0])
def test_round_objects_in_volumes_come_back_from_rays(depth):
    places = [(20 / depth, 22, 22, 14), (22 / depth, 22, 60, 15), (20 / depth, 62, 40, 17)]
    labels, spacing = disks((int(44 / depth), 90, 90), places, depth), (depth, 1.0, 1.0)
    assert agree(labels, decode(Rays(), Rays().encode(labels, spacing=spacing), spacing), 0.9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), squeeze=st.floats(0.5, 1), turn=st.floats(0, 3.1))
def test_star_shaped_objects_come_back_from_rays(seed, squeeze, turn):
    rng, labels = np.random.default_rng(seed), np.zeros((110, 110), np.uint32)
    for id, (cy, cx) in enumerate(((28, 28), (28, 80), (80, 30), (80, 80)), 1):
        y, x = np.mgrid[:110, :110] - np.reshape((cy, cx), (2, 1, 1))
        angle = np.arctan2(y, x)
        wave = 1 + 0.15 * np.sin(int(rng.integers(2, 5)) * angle + rng.uniform(0, 6))
        a, b = x * np.cos(turn) + y * np.sin(turn), (y * np.cos(turn) - x * np.sin(turn)) / squeeze
        labels[np.hypot(a, b) < rng.uniform(14, 19) * wave] = id
    assert agree(labels, decode(Rays(), Rays().encode(labels)), 0.9)


@pytest.mark.parametrize("target", BOTH, ids=KIND)
@pytest.mark.parametrize("shape", [(40, 50), (8, 40, 50), (1, 40, 50)])
def test_nothing_and_one_object(target, shape):
    empty = np.zeros(shape, np.uint32)
    assert decode(target, target.encode(empty)).max() == 0
    if target.kind == "rays" and shape[0] == 1:
        return  # a single slice has no shape that rays on a sphere could tell
    one = empty.copy()
    one[..., 10:25, 12:30] = 7
    found = decode(target, target.encode(one))
    assert agree(one, found, 0.8 if target.kind == "rays" and len(shape) == 3 else 0.95)  # a box is no ball
    assert found.max() == 1


def test_objects_whose_flows_are_not_theirs_go():
    labels = disks((60, 110), [(30, 30, 18), (30, 80, 18)])
    values = Flows().encode(labels)
    turned = values.copy()
    # an object made of two halves that flow to one place from above and below only
    turned[1:][:, labels == 2] = 0.5
    turned[1][(labels == 2) & (np.indices(labels.shape)[1] != 80)] = 0.5
    turned[2][labels == 2] = np.where(np.indices(labels.shape)[1][labels == 2] < 80, 0.62, 0.38)
    assert decode(Flows(error=0), turned).max() > 1
    assert decode(Flows(error=0.4), turned).max() == 1
    assert decode(Flows(error=0.4), values).max() == 2


def test_of_overlapping_objects_the_more_probable_stays():
    labels = disks((60, 80), [(30, 35, 16)])
    values = Rays().encode(labels)
    rival = np.roll(values, 9, axis=2)
    both = values.copy()
    both[0] *= 0.8
    both[:, 30, 44] = rival[:, 30, 44]  # the middle of the same object, moved by 9 pixels, and surer
    assert decode(Rays(overlap=0.9), both).max() == 2
    found = decode(Rays(overlap=0.4), both)
    assert found.max() == 1
    assert np.argwhere(found).mean(0)[1] == pytest.approx(44, abs=0.5)


# --- pictures that are moved ------------------------------------------------------------------------


@pytest.mark.parametrize(("target", "shape"), [(Flows(), (70, 80)), (Flows(), (12, 50, 60)), (Rays(), (70, 80))])
@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1)])
def test_what_is_said_of_a_mirrored_picture_is_mirrored_back(target, shape, axes):
    labels = synthetic_cells(shape, 12, radius=9, touching=0.5, seed=3)[1]
    said = np.flip(target.encode(np.flip(labels, axes).copy())[None], axes)
    back, here = target.mirrored(said, axes)[0], target.encode(labels)
    differs = np.abs(back - here)[:, labels > 0]
    assert np.quantile(differs, 0.95) < 0.06  # the middle, and voxels on an edge, are chosen from one side
    assert np.abs(said[0] - here)[:, labels > 0].mean() > 4 * differs.mean()


def test_lengths_are_those_of_the_picture_as_it_is():
    labels = disks((50, 50), [(25, 25, 14)])
    large = labels.repeat(2, 0).repeat(2, 1)
    said = Rays().encode(large)[None, :, ::2, ::2]
    here = Rays().encode(labels)
    np.testing.assert_allclose(Rays().resized(said, 2.0)[0, 1:, 20:30, 20:30], here[1:, 20:30, 20:30], atol=0.04)
    assert Flows().resized(said, 2.0) is said


class Oracle(nn.Module):
    """A network that knows the truth: pixels above the middle are objects, one for each connected piece."""

    def __init__(self, target, dimensions) -> None:
        super().__init__()
        self.target, self.dimensions = target, dimensions

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        connectivity = 4 if self.dimensions == 2 else 6
        masks = [cc3d.connected_components((p > 0.5).numpy(), connectivity=connectivity) for p in x[:, 0].detach()]
        said = np.stack([self.target.encode(m.astype(np.uint32)) for m in masks])
        return torch.logit(torch.from_numpy(said), eps=1e-4) + 1e-6 * x[:, :1]  # so that it has a field of view


def oracle(target, dimensions=2, object_size=0.0) -> Predictor:
    config = Config(recipe=Recipe(), target=target, object_size=object_size)
    if dimensions == 3:
        config = config.model_copy(update={"model": UNet3D(width=2)})
    card = ModelCard(
        id="oracle", parent=None, created=0.0, in_channels=1, out_channels=target.channels(1, dimensions), n_classes=1,
        edits_until=0,
    )  # fmt: skip
    return Predictor("oracle", Oracle(target, dimensions), config, card, choose("fp32"))


def seen(labels, model, size=0.0, folder=None, spacing=None, **options):
    picture = Image(da.from_array((labels > 0).astype(np.float32)), "ZYX"[-labels.ndim :], spacing)
    models = model if isinstance(model, list) else [model]
    request = Request(options=Predict(runtime="torch", **options), size=size, folder=folder, keep=folder is not None)
    return list(predict(picture, models, request=request))


def labels_of(events) -> np.ndarray:
    return np.asarray(next(e for e in events if isinstance(e, Predicted)).labels)


APART = disks((190, 230), [(30, 34, 19), (40, 110, 24), (100, 60, 22), (96, 150, 26), (150, 110, 18), (30, 190, 20)])


@pytest.mark.parametrize("target", BOTH, ids=KIND)
@pytest.mark.parametrize(
    ("size", "options"),
    [(0.0, {}), (0.0, {"flips": True}), (0.0, {"tile": 96, "overlap": 48}), (44.0, {}), (20.0, {"flips": True})],
    ids=["whole", "mirrored", "tiles", "reduced", "enlarged"],
)
def test_objects_are_found_however_the_picture_is_seen(target, size, options):
    found = labels_of(seen(APART, oracle(target, object_size=30.0 if size else 0.0), size, **options))
    assert agree(APART, found, 0.85)


@pytest.mark.parametrize("target", BOTH, ids=KIND)
def test_ensembles_and_kept_probabilities(target, tmp_path):
    models = [oracle(target), replace(oracle(target), id="other")]
    for combine in ("mean", "vote"):
        folder = tmp_path / combine
        events = seen(APART, models, folder=folder, combine=combine)
        assert agree(APART, labels_of(events), 0.9 if combine == "mean" else 0.8)
        again = decode_again(folder / "probabilities.zarr", target, "x")
        np.testing.assert_array_equal(again.labels, labels_of(events))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)])
def test_flows_of_planes_along_three_axes_are_those_of_the_volume(spacing):
    places = [(22 / spacing[0], 24, 24, 13), (22 / spacing[0], 24, 70, 16), (26 / spacing[0], 70, 46, 15)]
    labels = disks((int(48 / spacing[0]), 96, 96), places, spacing[0])
    events = seen(labels, oracle(Flows()), spacing=spacing, mode="three axes", ease=1.0)
    assert agree(labels, labels_of(events), 0.85)
    assert any(e.labels.size for e in events if isinstance(e, TileDone))
    automatic = seen(labels, oracle(Flows()), spacing=spacing)
    np.testing.assert_array_equal(labels_of(automatic) > 0, labels_of(events) > 0)


@pytest.mark.parametrize("target", BOTH, ids=KIND)
def test_volumes_are_seen_slice_by_slice_and_whole(target):
    labels = disks((24, 80, 90), [(11, 24, 24, 10), (12, 24, 66, 9), (12, 58, 46, 10)])
    for dimensions in (2, 3):
        assert agree(labels, labels_of(seen(labels, oracle(target, dimensions), mode="auto")), 0.75)


def test_what_rays_cannot_be_asked_is_refused():
    labels = disks((20, 60, 70), [(10, 30, 30, 9)])
    with pytest.raises(CellsegError, match="three axes"):
        seen(labels, oracle(Rays()), mode="three axes")
    with pytest.raises(CellsegError, match="mirror image"):
        seen(labels, oracle(Rays(), 3), flips=True)
    with pytest.raises(CellsegError, match="towards every border"):
        seen(labels, oracle(Rays()), uncertainty=True)
    cubes = seen(labels, oracle(Rays()), spacing=(1.0, 1.0, 1.0))  # auto: slices, since three axes cannot be
    assert labels_of(cubes).max() == 1


@pytest.mark.parametrize("given", ["target.rays=16", "target.scale=5"])
def test_what_channels_mean_is_kept_by_a_model(given):
    with pytest.raises(CellsegError, match="keeps its"):
        for_prediction(Config(target=Rays()), [given])
    assert for_prediction(Config(target=Rays()), ["target.overlap=0.3"]).target.overlap == 0.3


def test_only_a_foreground_tells_doubt():
    assert [tells_doubt(t.model_fields["kind"].default) for t in TARGETS] == [t is not Rays for t in TARGETS]


def test_runtimes_are_compared_by_directions_and_lengths_too():
    one = Flows().encode(APART)[None]
    other = one.copy()
    other[:, 1, :19] += 0.1  # a tenth of the rows
    assert differing(one, other, False) == 0
    assert differing(one, other, False, coded=True) == pytest.approx(0.1)


# --- learning -------------------------------------------------------------------------------------


def loss_case(target, labels):
    values = torch.from_numpy(target.encode(labels))[None]
    return values, torch.ones(1, 1, *labels.shape)


@pytest.mark.parametrize("target", BOTH, ids=KIND)
@pytest.mark.parametrize("shape", [(40, 50), (6, 30, 32)])
def test_only_known_voxels_are_learnt_and_the_truth_costs_least(target, shape):
    loss = Config(target=target, loss=CrossEntropy()).build_loss()
    values, known = loss_case(target, synthetic_cells(shape, 6, radius=8, seed=1)[1])
    known[..., : shape[-1] // 2] = 0
    output = torch.randn(values.shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss(output, values, known).backward()
    unknown = (known == 0).expand(values.shape)
    assert output.grad[unknown].abs().max() == 0
    assert (output.grad[~unknown].abs() > 0).float().mean() > 0.5
    truth = torch.logit(values, eps=1e-6)
    assert loss(truth, values, known) < loss(truth + 0.3 * torch.randn(values.shape), values, known)
    nothing = loss(output, values, torch.zeros_like(known))
    assert nothing == 0


def test_errors_are_the_published_ones():
    labels = disks((30, 30), [(15, 15, 9)])
    values, known = loss_case(Flows(), labels)
    output = torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
    bce = nn.functional.binary_cross_entropy_with_logits(output[:, :1], values[:, :1])
    flows = ((2 * output[:, 1:].sigmoid() - 1) - (2 * values[:, 1:] - 1)) ** 2
    found = Config(target=Flows(), loss=CrossEntropy()).build_loss()(output, values, known)
    torch.testing.assert_close(found, bce + 5 * flows.mean())
    values, known = loss_case(Rays(rays=8), labels)
    output = torch.randn(values.shape, generator=torch.Generator().manual_seed(2))
    bce = nn.functional.binary_cross_entropy_with_logits(output[:, :1], values[:, :1])
    lengths, wanted = 10 * output[:, 1:].exp(), 10 * values[:, 1:] / (1 - values[:, 1:])
    p = values[:, :1]
    error = ((lengths - wanted).abs().mean(1, keepdim=True) * p).sum() / p.sum()
    rest = 1e-4 * ((1 - p) * lengths.mean(1, keepdim=True)).mean()
    found = Config(target=Rays(rays=8, weight=0.2), loss=CrossEntropy()).build_loss()(output, values, known)
    torch.testing.assert_close(found, bce + 0.2 * (error + rest))


@pytest.mark.parametrize("target", BOTH, ids=KIND)
@pytest.mark.parametrize("how", [Standard(), TwoStage(), Unchanged()], ids=KIND)
def test_patches_are_encoded_as_they_lie(project, picture, target, how):
    """Whatever a patch was turned and stretched by, its target is that of the objects in it."""
    project.approve_labels(project.images()[0].id, picture[1])
    config = Config(target=target, augmentation=how).with_values({"train.patch": 64, "train.batch": 6})
    patches = TrainingSet(project, config)
    for draw in patches.draw(1):
        patch = patches.cut(draw)
        assert patch.target.shape == (target.channels(1), 1, 64, 64)
        assert patch.target.min() >= 0
        assert patch.target.max() <= 1
        found = decode(target.model_copy(update={"min_size": 4}), patch.target[:, 0])
        inside = patch.target[0, 0] > (0.5 if target.kind == "flows" else 0)
        assert ((found > 0) == inside).mean() > 0.9
        # the objects themselves, encoded anew without what goes on beyond the patch, agree in the patch's middle
        if target.kind == "flows":
            anew, middle = target.encode(found), (slice(None), slice(20, 44), slice(20, 44))
            assert np.abs(anew - patch.target[:, 0])[middle].mean() < 0.06
    (batch, *_) = patches.validation() if patches.count_objects()[1] else ([None],)
    assert batch is not None


def test_objects_go_on_beyond_a_patch_but_not_beyond_the_image(tmp_path):
    pixels = np.arange(120 * 120, dtype=np.uint16).reshape(120, 120)
    labels = disks((120, 120), [(60, 60, 25), (60, 0, 12)])
    np.save(tmp_path / "a.npy", pixels)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy", labels=labels)
        config = Config(target=Rays(), augmentation=Unchanged()).with_values({"train.patch": 32})
        patches = TrainingSet(project, config)
        (plane,) = patches.planes
        whole = Rays().encode(labels)
        box = (slice(0, 1), slice(44, 76), slice(44, 76))
        np.testing.assert_allclose(plane.target_in(box)[:, 0], whole[:, 44:76, 44:76], atol=1e-6)
        border = (slice(0, 1), slice(44, 76), slice(0, 32))
        np.testing.assert_allclose(plane.target_in(border)[:, 0], whole[:, 44:76, 0:32], atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("target", ["flows", "rays"])
def test_from_corrections_to_labels(tmp_path, small_config, target):
    """One training, end to end: a model that knows more than nothing, and what asks for other targets is refused."""
    with Project.create(tmp_path / "p") as project:
        for seed in (1, 2, 3):
            image, labels = synthetic_cells((128, 128), 12, radius=11, touching=0.2, seed=seed)
            np.save(tmp_path / f"{seed}.npy", image)
            project.add_image(tmp_path / f"{seed}.npy", labels=labels)
        config = small_config.with_values(
            {"target.kind": target, "loss.kind": "cross_entropy", "train.steps": 150, "train.seconds": 600}
        )
        model = train_once(project, config)
        assert project.model_card(model).out_channels == {"flows": 3, "rays": 33}[target]
        first = project.images()[0].id
        events = list(run(PredictJob(project.path, (first,), (model,))))
        found = np.asarray(next(e for e in events if isinstance(e, Predicted)).labels)
        truth = project.load_labels(first)[0]
        counts = instance_counts(truth, found, threshold=0.5)
        assert counts["tp"] >= 0.5 * len(np.unique(truth[truth > 0]))
        middle = tuple(int(n) for n in np.argwhere(truth == truth[truth > 0][0]).mean(0).round())
        asked = Asking("gradcam", point=middle)
        (told,) = [e for e in run(ExplainJob(project.path, first, model, asked)) if isinstance(e, MapFound)]
        assert np.isfinite(told.map).all()
        assert any(isinstance(e, ReasonsFound) for e in run(WhyJob(project.path, first, model, middle)))
        own = project.model_config(model)
        assert "distance target" in live_reason(own, "instance")
        with pytest.raises(CellsegError, match="distance target"):
            list(run(FitJob(project.path, first, (model,), own.target)))


@pytest.mark.parametrize("target", ["flows", "rays"])
def test_volumes_are_learnt_and_predicted(tmp_path, target):
    pixels, truth = synthetic_cells((8, 64, 72), 12, radius=10, touching=0, seed=3)
    np.save(tmp_path / "v.npy", pixels)
    config = Config().with_values(
        ["model.kind=unet3d", "model.width=2", "train.patch=64", "train.depth=8", "train.batch=2", "train.steps=4",
         "train.checks=1", f"target.kind={target}"]
    )  # fmt: skip
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "v.npy", labels=truth, axes="ZYX", spacing_um=(2.0, 1.0, 1.0))
        model = train_once(project, config)
        assert project.model_card(model).out_channels == {"flows": 4, "rays": 97}[target]
        (predicted,) = [e for e in run(PredictJob(project.path, ("v",), (model,))) if isinstance(e, Predicted)]
        assert predicted.labels.shape == truth.shape


def test_other_targets_are_learnt_as_before():
    for target in (Distance(), Boundary()):
        loss = CrossEntropy().build(exclusive=target.exclusive)
        assert target.loss(loss) is loss
        assert not target.by_patch
        assert target.obstacle(2, flips=True, axes=3, doubt=True) == ""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from napari_cellseg.config import Config, Predict
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import instance_counts
from napari_cellseg.events import Decoded, Planned, Predicted, Stopped, TileDone
from napari_cellseg.images import Image
from napari_cellseg.models import Smp, UNet3D
from napari_cellseg.nets.device import Device, choose, fused
from napari_cellseg.prediction import (
    Blend,
    Predictor,
    Queue,
    Request,
    _store,
    decode_again,
    load_model,
    make_plan,
    plan_for,
    predict,
    spans,
    tiles,
)
from napari_cellseg.prediction._decode_kept import decode_joined
from napari_cellseg.preprocess import Recipe
from napari_cellseg.probabilities import entropy
from napari_cellseg.project import ModelCard, Project
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, Foreground, Rays, Semantic


@pytest.fixture(scope="module")
def model(trained) -> Predictor:
    with Project.open(trained) as project:
        (only,) = load_model(project.model_path(project.current_model))
        return only


class Seen(nn.Module):
    """A network with a small field of view: what it says depends on 5 pixels around, so tiles can be exact."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        layer = nn.Conv2d if dimensions == 2 else nn.Conv3d
        side = 5 if dimensions == 2 else (1, 5, 5)
        self.layer = layer(1, channels, side, padding=2 if dimensions == 2 else (0, 2, 2), bias=True)
        with torch.no_grad():
            self.layer.weight.fill_(1 / 25)
            self.layer.weight.mul_(14)
            self.layer.bias.fill_(-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def small(dimensions: int = 2, target=None) -> Predictor:
    target = target or Distance(min_size=5)
    channels = target.channels(1, dimensions)
    config = Config(recipe=Recipe(), target=target)
    if dimensions == 3:
        config = config.model_copy(update={"model": UNet3D(width=2)})
    card = ModelCard(
        id=f"s{dimensions}", parent=None, created=0.0, in_channels=1, out_channels=channels, n_classes=1, edits_until=0
    )
    return Predictor(card.id, Seen(dimensions, channels).eval(), config, card, choose("fp32"))


def image(shape=(200, 260), seed=5, spacing=None) -> Image:
    pixels, _ = synthetic_cells(shape, 30, radius=11, seed=seed)
    return Image(da.from_array(pixels), "ZYX"[-len(shape) :], spacing)


def result(events) -> Predicted:
    return next(e for e in events if isinstance(e, Predicted))


def labels_of(events) -> np.ndarray:
    return np.asarray(result(events).labels)


def run(picture, models, **options):
    extra = {k: options.pop(k) for k in ("look", "stop") if k in options}
    names = {k: options.pop(k) for k in ("target", "region", "folder", "keep") if k in options}
    return list(predict(picture, models, request=Request(options=Predict(**options), **names), **extra))


# --- tiles ----------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    length=st.integers(1, 3000),
    side=st.integers(1, 160).map(lambda n: n * 8),
    overlap=st.integers(0, 200),
    stride=st.sampled_from([1, 2, 4, 8, 32]),
)
def test_spans_cover_an_axis_and_their_weights_add_up_to_one(length, side, overlap, stride):
    parts = spans(length, side, overlap, stride)
    total, count = np.zeros(length), np.zeros(length, int)
    for part in parts:
        assert part.start % stride == 0
        total[part.start : part.stop] += part.weight()
        count[part.start : part.stop] += 1
        assert (part.weight() >= 0).all()
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert count.max() <= 2
    assert parts[0].start == 0
    assert parts[-1].stop == length
    largest = max(side, 3 * stride)
    assert max(p.stop - p.start for p in parts) <= (largest if length > largest else length)
    assert all(p.before >= min(overlap, largest // 3) - stride for p in parts[1:])


def test_tiles_waste_little():
    # 2048 x 1536 in tiles of up to 1024: two by two, not three by two
    cut = tiles((1, 1536, 2048), (1, 1088, 1088), 64, (1, 32, 32), 0)
    assert len(cut) == 4
    assert sum(np.prod([s.stop - s.start for s in t.spans]) for t in cut) < 1.09 * 1536 * 2048


def test_the_nearest_tile_comes_next_and_neighbouring_slices_are_near():
    cut = tiles((9, 512, 512), (1, 256, 256), 32, (1, 32, 32), 0)
    queue, order = Queue(cut, (85.0, 1, 1)), []
    while not queue.empty:
        order += queue.take(1, (4, 100, 100))
    assert sorted(order) == list(range(len(cut)))
    assert cut[order[0]].box[0] == slice(4, 5)
    assert cut[order[0]].box[1].start == cut[order[0]].box[2].start == 0
    assert {cut[i].box[0].start for i in order[:7]} >= {3, 4, 5}


def test_tiles_computed_together_have_one_shape():
    cut = tiles((1, 500, 700), (1, 192, 192), 32, (1, 32, 32), 0)
    queue, seen = Queue(cut, (1, 1, 1)), []
    while not queue.empty:
        batch = queue.take(4, (0, 0, 0))
        assert len({tuple(s.stop - s.start for s in cut[i].spans) for i in batch}) == 1
        seen += batch
    assert sorted(seen) == list(range(len(cut)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 100), side=st.sampled_from([64, 96]), zarr_too=st.booleans())
def test_the_order_of_tiles_does_not_matter_at_all(seed, side, zarr_too):
    rng = np.random.default_rng(seed)
    cut = tiles((2, 130, 200), (1, side, side), 32, (1, 32, 32), 0)
    values = [rng.random((2, *(s.stop - s.start for s in t.spans)), dtype=np.float32) for t in cut]
    found = []
    for order in (range(len(cut)), rng.permutation(len(cut))):
        data = (
            zarr.zeros((2, 2, 130, 200), chunks=(2, 1, 64, 64), dtype="uint16")
            if zarr_too
            else np.zeros((2, 2, 130, 200), np.uint16)
        )
        blend = Blend(data)
        for k in order:
            blend.add(cut[k], values[k])
        found.append(blend.read((slice(0, 2), slice(0, 130), slice(0, 200))))
    np.testing.assert_array_equal(*found)


def test_certainty_survives_blending():
    cut = tiles((1, 300, 300), (1, 96, 96), 32, (1, 32, 32), 0)
    blend = Blend(np.zeros((1, 1, 300, 300), np.uint16), dict.fromkeys((0, 1, 2), (0,)))
    for tile in cut * 3:
        blend.add(tile, np.ones((1, *(s.stop - s.start for s in tile.spans)), np.float32))
    whole = blend.read((slice(0, 1), slice(0, 300), slice(0, 300)))
    assert whole.max() == 1
    np.testing.assert_allclose(whole, 1, atol=1e-4)


# --- the same labels ------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    tile=st.sampled_from([64, 96, 160]),
    overlap=st.sampled_from([12, 32]),
    batch=st.sampled_from([1, 3]),
    flips=st.booleans(),
    target=st.sampled_from(
        [
            *(t(min_size=5) for t in (Distance, Boundary, Semantic, Foreground)),
            Rays(min_size=5, rays=8),
        ]
    ),
    dimensions=st.sampled_from([2, 3]),
    look=st.sampled_from([None, (2.0, 0.0, 0.0), (0.0, 199.0, 30.0)]),
)
def test_any_tiles_order_and_batch_give_the_labels_of_the_whole(tile, overlap, batch, flips, target, dimensions, look):
    """Exact for a network whose field of view lies inside the overlap, up to rounding of 16-bit probabilities."""
    assume(not target.obstacle(dimensions, flips=flips))
    picture, network = image((4, 120, 150)), small(dimensions, target)
    whole = labels_of(run(picture, network, tile=512, overlap=overlap, flips=flips))
    tiled = labels_of(run(picture, network, tile=tile, overlap=overlap, batch=batch, flips=flips, look=lambda: look))
    assert (whole == tiled).mean() > 0.999
    np.testing.assert_array_equal(np.unique(whole), np.unique(tiled))


def test_tiled_probabilities_are_those_of_the_whole(model, tmp_path):
    """A real network: what lies beyond the overlap changes little. fp32 against one fp32 pass over everything."""
    picture, model, found = image((160, 640)), replace(model, device=choose("fp32")), []
    for name, tile, overlap in (("whole", 640, 64), ("tiled", 320, 96)):
        run(picture, model, tile=tile, overlap=overlap, folder=tmp_path / name, keep=True)
        found.append(zarr.open_array(str(tmp_path / name / "probabilities.zarr"))[:].astype(float) / 65_000)
    # a network of some seconds of training looks further than a grown one: a few voxels may differ by more
    assert np.quantile(np.abs(found[0] - found[1]), 0.999) < 1e-2
    pixels = model.config.recipe(picture.load())[None]
    with torch.inference_mode():
        bare = model.network(torch.from_numpy(pixels)).sigmoid().numpy()[0]
    assert np.abs(found[0][:, 0] - bare).max() < 1e-4


def test_bfloat16_changes_probabilities_by_little(model):
    """Also on processors that only emulate it."""
    pixels = model.config.recipe(image((160, 320)).load())[None]
    exact = replace(model, device=choose("fp32")).probabilities(pixels)
    rounded = replace(model, device=Device(torch.device("cpu"), True)).probabilities(pixels)
    assert 0 < np.abs(exact - rounded).max() < 0.02
    assert np.abs(exact - rounded).mean() < 2e-3


@pytest.mark.parametrize(
    "encoder", ["resnet18", "timm-mobilenetv3_small_minimal_100", "mobilenet_v2", "efficientnet-b0"]
)
@pytest.mark.parametrize("architecture", ["Unet", "FPN", "DeepLabV3Plus"])
def test_fusing_changes_no_answer_whatever_the_encoder(encoder, architecture):
    torch.manual_seed(0)
    network = Smp(architecture=architecture, encoder=encoder, weights="none", detail=4).build(1, 2).eval()
    pixels = torch.rand(1, 1, 70, 90)
    with torch.inference_mode():
        expected = network(pixels)
        found = fused(network)(pixels)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max().clamp(1)


def test_a_fused_network_says_the_same(trained):
    with Project.open(trained) as project:
        path = project.model_path(project.current_model)
    (one,) = load_model(path)
    plain = one.config.model.build(1, one.card.out_channels).eval()
    from napari_cellseg.models import load_weights

    load_weights(path / "weights.safetensors", plain)
    x = torch.rand(1, 1, 70, 90)
    with torch.inference_mode():
        np.testing.assert_allclose(one.network(x).numpy(), plain(x).numpy(), atol=1e-4)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in one.network.modules())
    assert fused(nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2)).eval())(torch.rand(1, 1, 4, 4, 4)).shape[1] == 2


def test_the_centre_of_view_changes_the_order_not_the_labels(model):
    found = [run(image(), model, tile=64, overlap=32, look=lambda c=c: c) for c in ((10.0, 10.0), (190.0, 250.0))]
    boxes = [[e.box for e in r if isinstance(e, TileDone) and e.done] for r in found]
    assert boxes[0][0] != boxes[1][0]
    assert sorted(boxes[0]) == sorted(boxes[1])
    np.testing.assert_array_equal(labels_of(found[0]), labels_of(found[1]))


def test_panning_reorders_what_is_left(model):
    here, boxes = [(10.0, 10.0)], []
    for event in predict(
        image((300, 300)), model, request=Request(options=Predict(tile=96, overlap=32)), look=lambda: here[0]
    ):
        if isinstance(event, TileDone) and event.done:
            boxes.append(event.box)
            here[0] = (290.0, 290.0)
    assert boxes[0][0][0] == boxes[0][1][0] == 0
    assert (boxes[1][0][1], boxes[1][1][1]) == (300, 300)


# --- modes ----------------------------------------------------------------------------------------


def test_a_volume_goes_slice_by_slice_from_the_middle_and_is_joined(model):
    events = run(image((5, 96, 96)), model, tile=96, look=lambda: (3.0, 40.0, 40.0))
    assert [e.box[0] for e in events if isinstance(e, TileDone) and e.done][:3] == [(3, 4), (2, 3), (4, 5)]
    labels = labels_of(events)
    assert labels.shape == (5, 96, 96)
    spans_ = [np.ptp(np.nonzero(labels == i)[0]) for i in np.unique(labels[labels > 0])]
    assert max(spans_, default=1) >= 1


@pytest.mark.parametrize("spacing", [None, (3.0, 1.0, 1.0)])
def test_three_axes_are_averaged(spacing):
    picture, network = image((12, 70, 80), spacing=spacing), small()
    events = run(picture, network, mode="three axes", tile=64)
    axes = {tuple(np.subtract(*np.transpose(e.box)) * -1) for e in events if isinstance(e, TileDone) and e.done}
    assert any(a[0] == 1 for a in axes)
    assert any(a[0] == 12 for a in axes)
    counts = instance_counts(labels_of(run(picture, network, tile=64)) > 0, labels_of(events) > 0, threshold=0.5)
    assert counts["tp"] == 1


def test_a_3d_network_sees_volumes_and_refuses_slices():
    picture = image((20, 70, 80))
    assert labels_of(run(picture, small(3), tile=64)).shape == (20, 70, 80)
    with pytest.raises(CellsegError, match="3D network"):
        run(picture, small(3), mode="slices")
    with pytest.raises(CellsegError, match="2D network"):
        run(picture, small(2), mode="volume")
    with pytest.raises(CellsegError, match="together"):
        run(picture, [small(2), small(3)])


@pytest.mark.parametrize("shape", [(200, 260), (4, 120, 150)])
def test_a_region_is_the_same_part_of_the_whole(shape):
    picture, network = image(shape), small(target=Distance(min_size=0))
    region = ((1, 3), (30, 110), (40, 140))[-len(shape) :]
    events = run(picture, network, region=region)
    done = result(events)
    assert done.box == region
    assert done.labels.shape == tuple(b - a for a, b in region)
    whole = labels_of(run(picture, network))[tuple(slice(a, b) for a, b in region)]
    inner = tuple(slice(4, -4) if n > 8 else slice(None) for n in done.labels.shape)
    assert ((done.labels > 0)[inner] == (whole > 0)[inner]).mean() > 0.999
    assert all(
        a >= r[0] and b <= r[1]
        for e in events
        if isinstance(e, TileDone)
        for (a, b), r in zip(e.box, region, strict=True)
    )


def test_mirrors_average(model):
    a, b = labels_of(run(image(), model, flips=True)), labels_of(run(image(), model))
    assert instance_counts(a, b)["tp"] >= 0.7 * len(np.unique(b))


def shifted(bias: float) -> Predictor:
    network = small()
    with torch.no_grad():
        network.network.layer.bias.add_(bias)
    return network


def test_models_together_by_mean_and_by_vote():
    picture = image()
    low, mid, high = shifted(-2), shifted(0), shifted(2)
    sizes = {}
    for combine in ("mean", "vote"):
        done = result(run(picture, [low, mid, high], combine=combine, uncertainty=True))
        sizes[combine] = (done.labels > 0).sum()
        assert done.model == "s2+s2+s2"
        assert done.disagreement.shape == done.labels.shape
        assert done.disagreement.max() > 60
        assert done.uncertainty.dtype == np.uint8
    single = [(labels_of(run(picture, m)) > 0).sum() for m in (low, mid, high)]
    assert single[0] < single[1] < single[2]
    # two of three agree where the middle one does; small objects may fall below the least size
    assert sizes["vote"] == pytest.approx(single[1], rel=0.02)
    assert single[0] < sizes["mean"] < single[2]
    same = result(run(picture, [mid, mid]))
    assert same.disagreement.max() == 0


def test_models_of_different_targets_do_not_mix():
    with pytest.raises(CellsegError, match="targets or classes differ"):
        run(image(), [small(), small(target=Boundary())])


def test_doubt_is_greatest_at_a_half():
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0], np.float32)[None, None, None]
    assert entropy(np.concatenate([p, p]), exclusive=False)[0, 0].tolist()[2] == 255
    assert entropy(np.concatenate([p, 1 - p]), exclusive=True)[0, 0, [0, 2, 4]].tolist() == [0, 255, 0]


# --- plans, memory, cancelling --------------------------------------------------------------------


def test_a_plan_comes_first_and_says_what_it_takes(model):
    planned = run(image(), model, tile=512)[0]
    assert isinstance(planned, Planned)
    assert planned.seconds > 0
    assert planned.bytes > 0
    assert planned.precision in ("fp32", "bf16")
    twice = plan_for(image(), [model, model], "x", Request(Predict(flips=True, tile=512)))
    assert twice.seconds == pytest.approx(8 * planned.seconds, rel=0.01)
    volume = plan_for(image((4, 200, 260)), [model], "x", Request(Predict(tile=512)))
    assert volume.seconds == pytest.approx(4 * planned.seconds, rel=0.01)


def test_a_budget_makes_tiles_smaller(model):
    shape = (1, 4000, 4000)
    object.__setattr__(model, "speed", 1e-9)
    large, less = (make_plan([model], shape, Predict(memory=m)) for m in (4.0, 0.1))
    assert max(less.side) < max(large.side)
    assert less.bytes < large.bytes
    assert make_plan([model], shape, Predict(tile=96, overlap=20)).side == (1, 96, 96)
    del model.__dict__["speed"]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_memory_is_counted_not_guessed(model, bfloat16):
    """What a small trial needs a voxel is what a large tile needs, whatever the precision."""
    from napari_cellseg.prediction._model import _LiveBytes

    model = replace(model.through("torch"), device=Device(torch.device("cpu"), bfloat16))
    with _LiveBytes() as live:
        model.probabilities(np.zeros((1, 1, 384, 384), np.float32))
    assert model.bytes_per_voxel * 384 * 384 == pytest.approx(live.peak * 1.2, rel=0.05)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_cancel_takes_effect_within_a_tile_and_leaves_valid_labels(model, count):
    seen = []
    events = []
    for event in predict(
        image(), model, request=Request(options=Predict(tile=64, overlap=0)), stop=lambda: len(seen) >= count
    ):
        events.append(event)
        if isinstance(event, TileDone) and event.done:
            seen.append(event)
    assert isinstance(events[-1], Stopped)
    assert len(seen) == count
    for event in seen:
        assert event.labels.shape == tuple(b - a for a, b in event.box)
        assert event.labels.dtype == np.uint32


def test_a_result_larger_than_memory_goes_to_disk_and_is_the_same(model, tmp_path, monkeypatch):
    picture = image((3, 150, 170))
    expected = labels_of(run(picture, model, tile=96))
    monkeypatch.setattr(_store, "IN_MEMORY", 1000)
    with pytest.raises(CellsegError, match="larger than what is kept"):
        run(picture, model, tile=96)
    done = result(run(picture, model, tile=96, folder=tmp_path / "big", keep=True))
    assert isinstance(done.labels, zarr.Array)
    np.testing.assert_array_equal(done.labels[:], expected)


OUT_OF_MEMORY = """
    import resource, sys, warnings
    import dask.array as da, numpy as np, torch
    from napari_cellseg.config import Predict
    from napari_cellseg.events import Notice, Predicted
    from napari_cellseg.images import Image
    from napari_cellseg.prediction import Request, load_model, predict
    from dataclasses import replace
    from napari_cellseg.nets.device import choose
    (model,) = load_model(__import__("pathlib").Path(sys.argv[1]))
    model = replace(model, device=choose("fp32"))  # in which the tile needs more than there is
    rng = np.random.default_rng(0)
    picture = Image(da.from_array(rng.integers(0, 255, (1500, 1500)).astype("uint8")), "YX")
    # all but the large tile has been done once and fits: it may have what it ever had, and a little more
    list(predict(picture, model, request=Request(options=Predict(tile=512))))
    (peak,) = (int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmPeak"))
    resource.setrlimit(resource.RLIMIT_AS, (peak + 100_000_000,) * 2)
    events = list(predict(picture, model, request=Request(options=Predict(tile=2048))))
    print([e.text for e in events if isinstance(e, Notice)], isinstance(events[-1], Predicted), model.limits)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space limits are Linux's")
def test_running_out_of_memory_halves_the_tile_and_goes_on(trained):
    with Project.open(trained) as project:
        path = project.model_path(project.current_model)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OUT_OF_MEMORY), str(path)], capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "A tile did not fit into memory" in done.stdout
    assert "True {'side': " in done.stdout


@pytest.mark.parametrize(
    ("target", "shape", "planar"),
    [(Distance(), (1, 300, 400), False), (Distance(), (6, 160, 200), True), (Semantic(), (2, 300, 400), False)],
    ids=["image", "slices", "classes"],
)
def test_decoding_without_memory_goes_on_in_smaller_blocks(target, shape, planar):
    truth = synthetic_cells(shape, 40, radius=9, seed=2)[1]
    encoded = target.encode(truth if target.instances else (truth > 0).astype(np.uint32), 2)
    values = np.clip(encoded + np.random.default_rng(0).normal(0, 0.05, encoded.shape), 0, 1).astype(np.float32)
    most = [1 << 62, 100_000, 1000]

    class Full:
        """Probabilities of which no more than so many voxels fit into memory at once."""

        def __init__(self, most):
            self.shape, self.most = shape, most

        def read(self, box):
            if np.prod([s.stop - s.start for s in box]) > self.most:
                raise MemoryError
            return values[(slice(None), *box)]

    found = []
    for n in most[:2]:
        found.append(np.zeros(shape, np.uint32))
        decode_joined(target, Full(n), found[-1], 0.3, planar=planar, radius=9.0)
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(CellsegError, match="no memory left"):
        decode_joined(target, Full(most[2]), np.zeros(shape, np.uint32), 0.3, planar=planar, radius=9.0)


# --- decoding again -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(200, 260), (4, 120, 150)])
def test_decoding_again_is_decoding_afresh(model, tmp_path, shape):
    picture = image(shape)
    run(picture, model, folder=tmp_path, keep=True)
    store = tmp_path / "probabilities.zarr"
    for target in (model.config.target, Distance(threshold=0.35, min_size=4, prominence=0.3)):
        fresh = run(picture, model, target=target)
        again = decode_again(store, target, "x")
        np.testing.assert_array_equal(labels_of(fresh), again.labels)
        field = ((1, 2), (20, 100), (30, 120))[-len(shape) :]
        part = decode_again(store, target, "x", field)
        assert isinstance(part, Decoded)
        assert part.box == field
        inside = labels_of(fresh)[tuple(slice(a, b) for a, b in field)]
        assert ((part.labels > 0) == (inside > 0)).mean() > (0.999 if len(shape) == 2 else 0.97)


def test_decoding_again_needs_what_was_kept(model, tmp_path):
    with pytest.raises(CellsegError, match="No probabilities"):
        decode_again(tmp_path / "nothing.zarr", Distance(), "x")
    run(image(), model, folder=tmp_path, keep=True)
    store = tmp_path / "probabilities.zarr"
    with pytest.raises(CellsegError, match="not boundary"):
        decode_again(store, Boundary(), "x")
    with pytest.raises(CellsegError, match="not predicted"):
        decode_again(store, Distance(), "x", ((900, 990), (0, 10)))


# --- mistakes -------------------------------------------------------------------------------------


def test_an_image_with_other_channels_is_refused(model):
    five = Image(da.zeros((5, 64, 64), dtype="uint8"), "CYX")
    with pytest.raises(CellsegError, match="5 channels"):
        list(predict(five, model))
    picked = replace(model, config=model.config.with_values(["recipe.steps=[{kind='channel', channel=2}]"]))
    assert labels_of(run(five, picked)).shape == (64, 64)


def test_the_network_has_learnt_something(model):
    pixels, truth = synthetic_cells((128, 160), 14, radius=11, seed=11)
    labels = labels_of(predict(Image(da.from_array(pixels), "YX"), model))
    both, either = ((labels > 0) & (truth > 0)).sum(), ((labels > 0) | (truth > 0)).sum()
    assert both / either > 0.5


def test_what_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(CellsegError, match="not a model folder"):
        load_model(tmp_path)
    assert Config().predict.tile == 0

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_cellseg.config import Config
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluate import instance_counts
from napari_cellseg.events import Predicted, Stopped, TileDone
from napari_cellseg.images import Image
from napari_cellseg.predict import Blend, Predictor, load_model, plan, predict
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells


@pytest.fixture(scope="module")
def model(trained) -> Predictor:
    with Project.open(trained) as project:
        return load_model(project.model_path(project.current_model))


def with_tiles(model: Predictor, **values: object) -> Predictor:
    config = model.config.with_values([f"predict.{k}={str(v).lower()}" for k, v in values.items()])
    return Predictor(model.id, model.network, config, model.card, model.device)


def image(shape=(200, 260), seed=5) -> Image:
    pixels, _ = synthetic_cells(shape, 30, radius=11, seed=seed)
    return Image(da.from_array(pixels), "ZYX"[-len(shape) :])


def labels_of(events) -> np.ndarray:
    return next(e.labels for e in events if isinstance(e, Predicted))


@pytest.mark.parametrize("shape", [(64, 64), (100, 700), (513, 1030)])
@pytest.mark.parametrize(("side", "overlap"), [(64, 0), (128, 32), (512, 64), (96, 300)])
def test_tiles_cover_everything_and_the_nearest_comes_first(shape, side, overlap):
    centre = (10.0, shape[1] - 5.0)
    tiles = plan(shape, side, overlap, centre)
    blend = Blend(shape, 1)
    for tile in tiles:
        blend.add(tile, np.full((1, *tile.weight.shape), 0.25, np.float32))
    np.testing.assert_allclose(blend.read((slice(None), slice(None))), 0.25, atol=1e-4)
    first = tiles[0].span
    assert first[1][1] == shape[1]
    assert first[0][0] == 0


def test_the_order_of_tiles_does_not_matter_at_all():
    shape, rng = (130, 200), np.random.default_rng(0)
    tiles = plan(shape, 64, 32, (0, 0))
    values = [rng.random((2, *t.weight.shape), dtype=np.float32) for t in tiles]
    results = []
    for order in (range(len(tiles)), rng.permutation(len(tiles))):
        blend = Blend(shape, 2)
        for k in order:
            blend.add(tiles[k], values[k])
        results.append(blend.read((slice(None), slice(None))))
    np.testing.assert_array_equal(*results)


def test_the_centre_of_view_changes_the_order_not_the_labels(model):
    tiled = with_tiles(model, tile=64, overlap=32)
    runs = [list(predict(image(), tiled, centre=c)) for c in ((10.0, 10.0), (190.0, 250.0))]
    boxes = [[e.box for e in r if isinstance(e, TileDone)] for r in runs]
    assert boxes[0][0] != boxes[1][0]
    assert sorted(boxes[0]) == sorted(boxes[1])
    np.testing.assert_array_equal(labels_of(runs[0]), labels_of(runs[1]))


def test_tiled_and_whole_find_the_same_objects(model):
    whole = labels_of(predict(image(), with_tiles(model, tile=512)))
    tiled = labels_of(predict(image(), with_tiles(model, tile=96, overlap=64)))
    counts = instance_counts(whole, tiled, threshold=0.7)
    assert counts["tp"] >= 0.9 * (counts["tp"] + counts["fn"] + counts["fp"])


def test_a_volume_goes_slice_by_slice_from_the_middle_and_is_joined(model):
    volume = image((5, 96, 96))
    events = list(predict(volume, with_tiles(model, tile=96), centre=(3.0, 40.0, 40.0)))
    assert [e.box[0] for e in events if isinstance(e, TileDone)][:2] == [(3, 4), (2, 3)]
    labels = labels_of(events)
    assert labels.shape == (5, 96, 96)
    if labels.any():
        spans = [np.ptp(np.nonzero(labels == i)[0]) for i in np.unique(labels[labels > 0])]
        assert max(spans) >= 1


def test_cancel_takes_effect_within_a_tile(model):
    seen = []
    events = []
    for event in predict(image(), with_tiles(model, tile=64, overlap=0), stop=lambda: len(seen) >= 2):
        seen.append(event)
        events.append(event)
    assert [type(e) for e in events] == [TileDone, TileDone, Stopped]


def test_mirrors_average(model):
    a = labels_of(predict(image(), with_tiles(model, flips=True)))
    b = labels_of(predict(image(), model))
    assert instance_counts(a, b)["tp"] >= 0.7 * len(np.unique(b))


def test_an_image_with_other_channels_is_refused(model):
    five = Image(da.zeros((5, 64, 64), dtype="uint8"), "CYX")
    with pytest.raises(CellsegError, match="5 channels"):
        list(predict(five, model))


def test_the_network_has_learnt_something(model):
    pixels, truth = synthetic_cells((128, 160), 14, radius=11, seed=11)
    labels = labels_of(predict(Image(da.from_array(pixels), "YX"), model))
    both, either = ((labels > 0) & (truth > 0)).sum(), ((labels > 0) | (truth > 0)).sum()
    assert both / either > 0.5


def test_what_is_not_a_model_is_refused(tmp_path):
    with pytest.raises(CellsegError, match="not a model folder"):
        load_model(tmp_path)
    assert Config().predict.tile == 512

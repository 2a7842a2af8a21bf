"""Learning in seconds: a head on frozen features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cellseg.adapt import Samples, doubtful, field_change, fit_head, load_head, save_head
from napari_cellseg.adapt._samples import HINTED
from napari_cellseg.config import Config
from napari_cellseg.engine import LiveJob, PredictJob, live_reason, run
from napari_cellseg.engine._live import _encoded
from napari_cellseg.evaluation import score_image
from napari_cellseg.events import Predicted, Refined
from napari_cellseg.nets.features import Features, WithHead, at_pixels, with_head
from napari_cellseg.project import Holdout, Project, adopt_model, difference
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, Semantic


def samples(n: int = 1200, *, right: bool = False, seed: int = 0) -> Samples:
    """Pixels of 24 objects and as many squares; one feature says all, the network's logits say it or are silent."""
    rng = np.random.default_rng(seed)
    inside = rng.random(n) < 0.5
    features = rng.normal(size=(n, 5)).astype(np.float32)
    features[:, 2] += np.where(inside, 2, -2)
    target = np.stack([inside, inside * rng.random(n)], 1).astype(np.float32)
    clear = np.log(np.clip(target, 0.01, 0.99) / (1 - np.clip(target, 0.01, 0.99)))
    logits = clear if right else rng.normal(0, 0.1, (n, 2))
    groups = np.where(inside, rng.integers(1, 25, n), -rng.integers(1, 25, n))
    return Samples(features, logits.astype(np.float32), target, groups, np.zeros((n, 2), np.int64))


def test_a_head_learns_what_the_network_does_not_know():
    head = fit_head(samples())
    assert head is not None
    assert head.after < 0.6 * head.before
    assert head.objects == 24
    new = samples(seed=1)
    p = new.logits[:, 0] + new.features @ head.weight[0] + head.bias[0]
    assert ((p > 0) == (new.target[:, 0] > 0.5)).mean() > 0.95


def test_where_the_network_is_right_there_is_no_head():
    assert fit_head(samples(right=True)) is None


def with_anchors(part: Samples) -> Samples:
    """The same with as many pixels of which nobody said anything: the network is right and sure there."""
    more = samples(len(part.groups), right=True, seed=3)
    names = ("features", "logits", "target", "places")
    arrays = {name: np.concatenate([getattr(part, name), getattr(more, name)]) for name in names}
    said = 1 / (1 + np.exp(-more.logits))
    arrays["target"] = np.concatenate([part.target, said]).astype(np.float32)
    return Samples(**arrays, groups=np.concatenate([part.groups, np.zeros_like(more.groups)]))


def test_hints_where_the_network_is_wrong_do_not_turn_it_over_elsewhere():
    rng = np.random.default_rng(5)
    wrong = samples(300)
    wrong.features[:, 2] *= -0.3  # there, the feature says the opposite of what it says elsewhere...
    wrong.features[:, 3] += 3  # ...which can be told from another one
    silent = rng.normal(0, 0.1, (300, 2)).astype(np.float32)
    groups = np.where(wrong.groups > 0, HINTED + wrong.groups, wrong.groups - HINTED)
    hinted = Samples(wrong.features, silent, wrong.target, groups, wrong.places)
    elsewhere = samples(right=True, seed=9)

    def harm(head) -> float:
        before = elsewhere.logits[:, 0] > 0
        after = elsewhere.logits[:, 0] + elsewhere.features @ head.weight[0] + head.bias[0] > 0
        return float((before != after).mean())

    alone, held = fit_head(hinted), fit_head(with_anchors(hinted))
    assert alone is not None
    assert held is not None
    assert harm(held) < 0.5 * harm(alone)
    assert held.objects == 0


def test_anchors_are_no_evidence():
    assert fit_head(with_anchors(samples(right=True))) is None
    only = with_anchors(samples(100))
    assert fit_head(only.of(only.groups == 0)) is None


def test_one_object_is_too_little_to_judge_a_head():
    one = samples(100)
    assert fit_head(one.of(one.groups == one.groups[0])) is None


@pytest.mark.parametrize("values", ["model.kind=smp", "model.kind=unet"])
def test_features_of_pixels_and_of_images_agree(values):
    config = Config().with_values([values, "model.weights=none"] if "smp" in values else [values])
    torch.manual_seed(0)
    features = Features(config.model.build(1, 2).eval()).eval()
    x = torch.rand(1, 1, 64, 96)
    with torch.inference_mode():
        logits, maps = features(x)
        n = sum(m.shape[1] for m in maps)
        weight, bias = torch.randn(2, n), torch.randn(2)
        image = with_head(logits, maps, weight, bias)
        places = torch.tensor([[0, 0], [10, 17], [63, 95], [31, 48]])
        single = at_pixels(maps, places, (64, 96)) @ weight.T + bias
        own = logits[0, :, places[:, 0], places[:, 1]].T
        torch.testing.assert_close(single + own, image[0, :, places[:, 0], places[:, 1]].T, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(WithHead(features, weight, bias)(x), image)
        zero = with_head(logits, maps, torch.zeros(2, n), torch.zeros(2))
        torch.testing.assert_close(zero, logits)


def test_a_damaged_head_counts_as_none(tmp_path):
    head = fit_head(samples())
    save_head(tmp_path, "cells", head)
    again = load_head(tmp_path, "cells")
    assert again is not None
    np.testing.assert_array_equal(again.weight, head.weight)
    assert (again.objects, again.before) == (head.objects, head.before)
    path = next((tmp_path / "cache" / "heads").iterdir())
    path.write_bytes(path.read_bytes()[:100])
    assert load_head(tmp_path, "cells") is None
    save_head(tmp_path, "cells", None)
    assert load_head(tmp_path, "cells") is None


def test_what_cannot_learn_live_says_so():
    assert live_reason(Config(), "instance") == ""
    assert "objects" in live_reason(Config(target=Semantic()), "semantic")
    assert live_reason(Config(target=Boundary()), "instance")
    assert "2D" in live_reason(Config().with_values(["model.kind=unet3d"]), "instance")


@pytest.fixture
def strange(tmp_path) -> tuple[Project, np.ndarray]:
    """Objects that are as bright as their surroundings and smooth on a rough ground: no base model has seen such."""
    _, labels = synthetic_cells((320, 320), 60, radius=14, touching=0.0, seed=4)
    rng = np.random.default_rng(0)
    image = rng.normal(120, np.where(labels > 0, 8, 35)).clip(0, 255).astype(np.uint8)
    np.save(tmp_path / "rough.npy", image)
    with Project.create(tmp_path / "p") as project:
        adopt_model(project, "cells")
        project.add_image(tmp_path / "rough.npy")
        yield project, labels


def correct(project: Project, truth: np.ndarray, ids: list[int]) -> None:
    store = project.store("rough")
    for id in ids:
        new = np.where(truth == id, store.next_id(), store.labels).astype(np.uint32)
        state = np.where(truth == id, 1, store.state).astype(np.uint8)
        box = tuple(slice(0, n) for n in truth.shape)
        store.apply(difference("mend", store.labels, store.state, box, new, state))


def field_job(project: Project, span: tuple[tuple[int, int], ...]) -> LiveJob:
    store = project.store("rough")
    cut = tuple(slice(a, b) for a, b in span)
    return LiveJob(project.path, "rough", "cells", span, store.labels[cut].copy(), store.state[cut].copy())


def test_a_few_corrections_make_the_field_better_at_once(strange):
    project, truth = strange
    ids = [int(i) for i in np.unique(truth)[1:]]
    rest = np.where(np.isin(truth, ids[:10]), 0, truth)

    def score(live: bool) -> float:
        events = run(PredictJob(project.path, ("rough",), ("cells",), live=live))
        labels = next(np.asarray(e.labels) for e in events if isinstance(e, Predicted))
        known = ~np.isin(truth, ids[:10])
        return score_image(rest, np.where(known, labels, 0))["iou"]

    before = score(False)
    correct(project, truth, ids[:10])
    (event,) = run(field_job(project, ((0, 320), (0, 320))))
    assert isinstance(event, Refined)
    assert event.adapted
    assert event.labels is not None
    assert event.labels.shape == (320, 320)
    assert score(True) > before + 0.1


def test_what_is_held_out_is_never_sampled(strange):
    from napari_cellseg.engine import _live

    project, truth = strange
    ids = [int(i) for i in np.unique(truth)[1:]]
    correct(project, truth, ids[:6])
    places = np.argwhere(truth == ids[0])
    box = tuple((int(a), int(b) + 1) for a, b in zip(places.min(0), places.max(0), strict=True))
    project.db.put_holdout(Holdout("rough", (box,)))
    _live._memory.cache_clear()
    list(run(field_job(project, ((0, 320), (0, 320)))))
    memory = _live._memory(project.path.resolve(), "cells")
    seen = np.concatenate([s.places[~s.anchors] for s in memory.cells.values()])  # anchors tell no truth
    inside = ((seen >= [box[0][0], box[1][0]]) & (seen < [box[0][1], box[1][1]])).all(1)
    assert len(seen) > 100
    assert not inside.any()


def test_fitting_once_more_keeps_what_was_on_screen_without_what_is_held_out(strange):
    from napari_cellseg.engine import _live

    project, truth = strange
    ids = [int(i) for i in np.unique(truth)[1:]]
    correct(project, truth, ids[:10])
    _live._memory.cache_clear()
    list(run(field_job(project, ((0, 320), (0, 320)))))
    memory = _live._memory(project.path.resolve(), "cells")
    before = np.concatenate([s.places for s in memory.cells.values()])
    places = np.argwhere(truth == ids[0])
    box = tuple((int(a), int(b) + 1) for a, b in zip(places.min(0), places.max(0), strict=True))
    project.db.put_holdout(Holdout("rough", (box,)))
    _live.refit(project, "cells")
    after = np.concatenate([s.places for s in memory.cells.values()])
    held = ((before >= [box[0][0], box[1][0]]) & (before < [box[0][1], box[1][1]])).all(1)
    assert held.any()
    np.testing.assert_array_equal(np.sort(after, 0), np.sort(before[~held], 0))


def test_a_fresh_process_recalls_earlier_corrections(strange):
    from napari_cellseg.engine import _live

    project, truth = strange
    ids = [int(i) for i in np.unique(truth)[1:]]
    correct(project, truth, ids[:8])
    _live._memory.cache_clear()
    list(run(field_job(project, ((256, 320), (256, 320)))))  # a corner where nothing was corrected
    assert sum(len(s.places) for s in _live._memory(project.path.resolve(), "cells").cells.values()) > 100


def test_undone_corrections_are_forgotten(strange):
    from napari_cellseg.engine import _live

    project, truth = strange
    id = int(np.unique(truth)[1])
    correct(project, truth, [id])
    _live._memory.cache_clear()
    whole = ((0, 320), (0, 320))
    list(run(field_job(project, whole)))
    assert _live._memory(project.path.resolve(), "cells").cells
    project.store("rough").undo()
    list(run(field_job(project, whole)))
    assert not _live._memory(project.path.resolve(), "cells").cells


def senseless(labels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Background painted as objects: discs where nothing is, at the same places however a machine rounds."""
    places = np.random.default_rng(0).integers(0, labels.shape, (500, 2))
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    out, state = labels.copy(), np.zeros(labels.shape, np.uint8)
    for y, x in places[labels[tuple(places.T)] == 0][:n]:
        disc = (rows - y) ** 2 + (columns - x) ** 2 < 144
        state[np.isin(labels, labels[disc & (labels > 0)])] = 1
        out[disc], state[disc] = out.max() + 1, 1
    return out, state


def test_what_is_learnt_from_senseless_corrections_changes_nothing(tmp_path, nuclei):
    """The fit believes three discs of background: a lower error on left-out pixels. The objects know better."""
    from napari_cellseg.engine import _live

    with Project.create(tmp_path / "n") as project:
        adopt_model(project, "cells")
        project.add_image(nuclei[0][0], id="n")
        events = run(PredictJob(project.path, ("n",), ("cells",)))
        screen = next(np.asarray(e.labels) for e in events if isinstance(e, Predicted)).astype(np.uint32)
        labels, state = senseless(screen, 3)
        span = tuple((0, n) for n in labels.shape)
        _live._memory.cache_clear()
        job = LiveJob(project.path, "n", "cells", span, labels, state)
        (event,) = run(job)
        memory = _live._memory(project.path.resolve(), "cells")
        assert fit_head(memory.samples()) is not None  # so it was believed
        assert event.learnt == _live.REFUSED
        assert event.labels is None
        assert load_head(project.path, "cells") is None  # predictions of whole images do not use it either


def test_an_answer_decodes_nothing_twice(strange, monkeypatch):
    """Thresholds and their neighbours with the new head; the answer before is remembered, and so is what is shown."""
    from napari_cellseg.adapt import _decoding

    project, truth = strange
    ids, asked = [int(i) for i in np.unique(truth)[1:]], []
    decode_into = _decoding.decode_into
    monkeypatch.setattr(_decoding, "decode_into", lambda *a, **k: asked.append(a[0]) or decode_into(*a, **k))
    for n in range(3, 12):
        correct(project, truth, ids[n - 3 : n] if n == 3 else ids[n - 1 : n])
        asked.clear()
        events = list(run(field_job(project, ((0, 320), (0, 320)))))
        assert all(isinstance(event, Refined) for event in events)
        assert len(asked) <= (2 if n < 5 else 5)


@pytest.mark.parametrize("n", [1, 4, 9, 10])
def test_what_is_learnt_of_some_objects_is_what_their_target_says(n):
    """Whoever else is there, whether they touch or lie at the border."""
    labels = synthetic_cells((120, 160), 10, radius=14, seed=3)[1].astype(np.uint32) * 70_001
    ids = np.unique(labels)[1:].astype(np.int64)[:n]
    chosen, target = np.isin(labels, ids), Distance()
    assert chosen[0].any() or chosen[:, 0].any() or n < 9
    found = _encoded(target, labels, ids)
    np.testing.assert_array_equal(found[:, chosen], target.encode(labels, 1)[:, chosen])


def test_an_answer_is_doubted_where_it_moves_much_and_agrees_no_better():
    labels = np.zeros((40, 60), np.uint32)
    labels[5:15, 5:15], labels[5:15, 30:40], labels[25:35, 5:15] = 1, 2, 3
    state = (labels == 3).astype(np.uint8)
    moved = np.roll(labels, 5, axis=1)
    assert field_change(labels, state, labels) == 0
    assert field_change(labels, state, moved) == pytest.approx(2 / 3)
    gone = np.where(labels == 3, labels, 0)
    assert field_change(labels, state, gone) == 1
    assert field_change(labels, np.ones_like(state), gone) == 0  # nothing is only predicted
    assert doubtful(0.5, 0.6, 0.6)
    assert not doubtful(0.5, 0.6, 0.63)
    assert doubtful(1.0, 0.0, 0.02)
    assert not doubtful(0.1, 0.6, 0.3)

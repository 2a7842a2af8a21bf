"""Thresholds fitted to corrections."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.adapt import Evidence, Plane, fit_decoding
from napari_cellseg.engine import FitJob, LiveJob, PredictJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import score_image
from napari_cellseg.events import Fitted, Predicted, Refined
from napari_cellseg.project import (
    Holdout,
    Project,
    adopt_model,
    difference,
    fitted_target,
    head_path,
    known_mask,
    put_fitted_target,
)  # fmt: skip
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, decode


def evidence(known: int = 12, *, low: bool = False, bumpy: bool = False) -> tuple[Evidence, np.ndarray]:
    """A network that is right but for its confidence (low) or for bumps that part single objects (bumpy)."""
    _, labels = synthetic_cells((256, 256), 30, radius=14, touching=0.0, seed=2)
    foreground, distance = Distance().encode(labels)
    if low:
        foreground = foreground * 0.42
    if bumpy:
        y, x = np.mgrid[:256, :256]
        distance = np.clip(0.4 * distance + 0.3 + 0.25 * np.sin(x / 2.5) * np.sin(y / 2.5) * (labels > 0), 0, 1)
    ids = np.unique(labels)[1 : known + 1]
    known_here = known_mask(labels, np.isin(labels, ids).astype(np.uint8), 8)
    plane = Plane(np.stack([foreground, distance]).astype(np.float32))
    return Evidence(plane, (slice(0, labels.shape[0]), slice(0, labels.shape[1])), labels, known_here), labels


@pytest.mark.parametrize("fault", ["low", "bumpy"])
def test_thresholds_that_were_wrong_are_mended_everywhere(fault):
    found, truth = evidence(**{fault: True})
    target = Distance(smooth=0)
    fitted = fit_decoding(target, [found])
    assert fitted is not None
    assert fitted.objects == 12
    assert fitted.after > fitted.before + 0.15
    before = score_image(truth, decode(target, found.plane.probabilities))["ap50"]
    after = score_image(truth, decode(fitted.target, found.plane.probabilities))["ap50"]
    assert before < 0.75
    assert after > 0.9


def test_where_the_thresholds_are_right_they_stay():
    found, _ = evidence()
    fitted = fit_decoding(Distance(), [found])
    assert fitted is not None
    assert fitted.target == Distance()
    assert fitted.before == fitted.after > 0.95


def test_a_few_objects_say_nothing():
    assert fit_decoding(Distance(), [evidence(4)[0]]) is None
    assert fit_decoding(Distance(), []) is None


@pytest.fixture
def project(tmp_path):
    image, labels = synthetic_cells((256, 256), 30, radius=13, touching=0.3, seed=3)
    np.save(tmp_path / "cells.npy", image)
    with Project.create(tmp_path / "p") as made:
        adopt_model(made, "cells")
        made.add_image(tmp_path / "cells.npy")
        yield made, labels


def correct(project: Project, truth: np.ndarray, n: int) -> None:
    store = project.store("cells")
    mine = np.isin(truth, np.unique(truth)[1 : n + 1])
    new = np.where(mine, truth + 1000, store.labels).astype(np.uint32)
    state = np.where(mine, 1, store.state).astype(np.uint8)
    box = tuple(slice(0, n) for n in truth.shape)
    store.apply(difference("brush", store.labels, store.state, box, new, state))
    store.snapshot()


def predict(project: Project, **options) -> np.ndarray:
    events = run(PredictJob(project.path, ("cells",), ("cells",), **options))
    return next(np.asarray(e.labels) for e in events if isinstance(e, Predicted))


def test_kept_probabilities_are_fitted_to_what_is_corrected_in_the_image(project):
    made, truth = project
    bad = made.model_config("cells").target.model_copy(update={"threshold": 0.99})
    predict(made)
    with pytest.raises(CellsegError, match="Too few"):
        list(run(FitJob(made.path, "cells", ("cells",), bad)))
    correct(made, truth, 12)
    (fitted,) = run(FitJob(made.path, "cells", ("cells",), bad))
    assert isinstance(fitted, Fitted)
    assert fitted.target.threshold < 0.8
    assert fitted.after > fitted.before
    with pytest.raises(CellsegError, match="kept probabilities are of"):
        list(run(FitJob(made.path, "cells", ("v1",), bad)))
    with pytest.raises(CellsegError, match="distance target"):
        list(run(FitJob(made.path, "cells", ("cells",), Boundary())))
    made.db.put_holdout(Holdout("cells", (((0, 256), (0, 256)),)))  # what judges teaches nothing
    with pytest.raises(CellsegError, match="Too few"):
        list(run(FitJob(made.path, "cells", ("cells",), bad)))


def test_what_was_fitted_live_is_used_by_predictions_until_a_person_decides(project):
    made, truth = project
    own = made.model_config("cells").target
    assert fitted_target(made, "cells") is None
    strict = own.model_copy(update={"threshold": 0.7, "prominence": 0.45})
    put_fitted_target(made, "cells", strict)
    assert fitted_target(made, "cells") == strict
    alone = predict(made)
    live = predict(made, live=True)
    assert not np.array_equal(alone, live)
    np.testing.assert_array_equal(predict(made, live=True, target=own), alone)
    correct(made, truth, 12)
    store = made.store("cells")
    job = LiveJob(made.path, "cells", "cells", ((0, 256), (0, 256)), store.labels.copy(), store.state.copy())
    at_once, refined = run(job)
    assert isinstance(at_once, Refined)
    assert isinstance(refined, Refined)
    assert at_once.target == strict, "thresholds take time to fit: the first answer is given with those of before"
    assert "thresholds" not in at_once.learnt
    assert "thresholds fitted to 12 objects" in refined.learnt
    assert refined.target == (fitted_target(made, "cells") or own) != strict
    assert not np.array_equal(at_once.labels, refined.labels)
    (again,) = run(job)
    assert again.target == refined.target, "nothing better is near: there is one answer"
    (mine,) = run(
        LiveJob(*(getattr(job, f) for f in ("project", "image", "model", "field", "labels", "state")), strict)
    )
    assert mine.target == strict


def test_a_prominence_that_was_fitted_is_taken_as_it_is(project):
    made, _ = project
    own = made.model_config("cells").target
    assert own.finer > 0
    strict = own.model_copy(update={"prominence": 0.45, "finer": 0.0})
    put_fitted_target(made, "cells", strict)
    assert fitted_target(made, "cells") == strict
    path = head_path(made.path, "cells").with_suffix(".json")
    path.write_text('{"threshold": 0.4, "prominence": 0.2}')  # of an earlier version
    assert fitted_target(made, "cells") == own.model_copy(update={"threshold": 0.4})
    path.write_text('{"threshold": 0.4, "prominence": 0.45}')
    assert fitted_target(made, "cells") == strict.model_copy(update={"threshold": 0.4})


def test_damaged_thresholds_count_as_none(project):
    made, _ = project
    path = head_path(made.path, "cells").with_suffix(".json")
    path.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"threshold": 7, "prominence": 0.2}', '{"threshold": "high"}'):
        path.write_text(text)
        assert fitted_target(made, "cells") is None

"""How far an image is, from the log."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import CellsegError
from napari_cellseg.project import (
    ImageStatus,
    Project,
    _status,
    difference,
    image_status,
    image_statuses,
    last_predictions,
    note_prediction,
)
from napari_cellseg.samples import synthetic_cells


def write(project: Project, id: str, box: tuple[slice, ...], label: int, state: int, tool: str = "brush") -> None:
    store = project.store(id)
    shape = store.labels[box].shape
    labels, states = np.full(shape, label, np.uint32), np.full(shape, state, np.uint8)
    store.apply(difference(tool, store.labels, store.state, box, labels, states))


def whole(project: Project, id: str) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in project.image(id).shape)


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        pytest.param([], "not begun", id="nothing"),
        pytest.param([(20, 3, 0)], "predicted", id="labels-that-nobody-looked-at"),
        pytest.param([(20, 3, 0), (20, 0, 0)], "not begun", id="labels-taken-away"),
        pytest.param([(20, 3, 0), (5, 3, 1)], "corrected", id="one-stroke"),
        pytest.param([(100, 0, 2)], "corrected", id="a-field-approved"),
        pytest.param([(128, 3, 2)], "approved", id="everything-approved"),
        pytest.param([(128, 3, 2), (1, 3, 1)], "corrected", id="one-row-of-it-corrected-again"),
    ],
)
def test_words(project, edits, word):
    for rows, label, state in edits:
        write(project, "cells", (slice(0, rows), slice(0, 160)), label, state)
    assert image_status(project, "cells").word == word


def test_a_few_voxels_do_not_keep_an_image_from_being_approved(project):
    write(project, "cells", whole(project, "cells"), 1, 2)
    write(project, "cells", (slice(0, 1), slice(0, 10)), 1, 1)
    assert image_status(project, "cells").word == "approved"


STROKES = st.lists(
    st.tuples(
        st.integers(0, 127), st.integers(0, 159), st.integers(1, 80), st.integers(0, 3), st.sampled_from([0, 1, 2]),
        st.sampled_from(["edit", "edit", "undo", "redo", "ask", "reopen"]),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(strokes=STROKES, many=st.sampled_from([0, 3, 300]))
def test_the_count_is_what_is_in_the_arrays(tmp_path_factory, strokes, many):
    folder = tmp_path_factory.mktemp("status")
    np.save(folder / "a.npy", synthetic_cells((128, 160), 5)[0])
    project = Project.create(folder / "p")
    project.add_image(folder / "a.npy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_status, "MANY", many)  # also where the snapshot is counted instead of the edits
        for y, x, side, label, state, verb in strokes:
            if verb == "edit":
                write(project, "a", (slice(y, min(128, y + side)), slice(x, min(160, x + side))), label, state)
            elif verb in ("undo", "redo"):
                getattr(project.store("a"), verb)()
            elif verb == "ask":
                image_status(project, "a")
            else:
                project.close()
                project = Project.open(folder / "p.cellseg")
        found, store = image_status(project, "a"), project.store("a")
    assert found.labelled == store.labels.any()
    assert found.corrected == pytest.approx((store.state == 1).mean())
    assert found.approved == pytest.approx((store.state == 2).mean())
    project.close()


def test_asking_again_opens_no_image_and_reads_no_edit(project, monkeypatch):
    write(project, "cells", (slice(0, 20), slice(0, 160)), 3, 1)
    first = image_status(project, "cells")

    def not_again(*_: object) -> object:
        raise AssertionError("read again")

    monkeypatch.setattr(project.db, "edit", not_again)
    monkeypatch.setattr(project, "_open_store", not_again)
    monkeypatch.setattr(project.db, "put_settings", lambda values: None if not values else not_again())
    assert image_status(project, "cells") == first
    assert image_statuses(project) == {"cells": first}


def test_a_rebuilt_database_is_counted_anew(project):
    write(project, "cells", (slice(0, 20), slice(0, 160)), 3, 1)
    before = image_status(project, "cells")
    path = project.path
    project.store("cells").snapshot()
    project.close()
    with Project.recover(path) as recovered:
        assert image_status(recovered, "cells") == before


def test_what_another_version_remembered_is_counted_anew(project):
    write(project, "cells", (slice(0, 20), slice(0, 160)), 3, 1)
    project.db.put_setting("status/cells", '{"something": "else"}')
    project.db.put_setting("predicted/cells", "not even JSON")
    assert image_status(project, "cells").word == "corrected"


def test_a_damaged_log_hides_no_other_image(project, tmp_path):
    np.save(tmp_path / "b.npy", synthetic_cells((64, 64), 5)[0])
    project.add_image(tmp_path / "b.npy")
    write(project, "cells", (slice(0, 20), slice(0, 160)), 3, 1)
    with project.db.transaction() as connection:
        connection.execute("UPDATE edits SET data = x'00'")
    assert image_statuses(project) == {"b": ImageStatus()}
    with pytest.raises(CellsegError, match="damaged"):
        image_status(project, "cells")


def test_an_undone_prediction_is_none(project):
    write(project, "cells", (slice(0, 20), slice(0, 160)), 3, 0, "predict")
    note_prediction(project, "cells", "v1", "so")
    assert last_predictions(project)["cells"].models == "v1"
    assert image_status(project, "cells").predicted_by == "v1"
    write(project, "cells", (slice(0, 5), slice(0, 160)), 3, 1)
    project.store("cells").undo()
    assert image_status(project, "cells").predicted_by == "v1"
    project.store("cells").undo()
    assert last_predictions(project) == {}
    assert image_status(project, "cells") == ImageStatus()
    write(project, "cells", (slice(0, 20), slice(0, 160)), 3, 0, "predict")
    note_prediction(project, "cells", "v2", "so")
    assert image_status(project, "cells").predicted_by == "v2"

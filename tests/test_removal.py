"""Images removed, restored, renamed, moved to another split: nothing that a person made is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cellseg import api, edits
from napari_cellseg.cli import main
from napari_cellseg.engine import TrainJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import (
    ModelCard,
    Project,
    change_split,
    learnt_from,
    note_size,
    put_size,
    remove_image,
    removed_images,
    rename_image,
    restore_image,
)
from napari_cellseg.samples import synthetic_cells


@pytest.fixture
def two(project, tmp_path) -> Project:
    """Two images; the first with strokes, an undone one, hints, a held-out box, a review and its numbers."""
    np.save(tmp_path / "other.npy", synthetic_cells((64, 64), 5, radius=8, seed=9)[0])
    project.add_image(tmp_path / "other.npy")
    store = project.store("cells")
    for n in range(4):
        mask = np.zeros(store.labels.shape, bool)
        mask[10 * n : 10 * n + 6, 20:30] = True
        store.apply(edits.paint(edits.EditContext.on(store), np.flatnonzero(mask), n + 1))
    store.undo()
    other = project.store("other")
    other.apply(edits.paint(edits.EditContext.on(other), np.arange(50), 7))
    hints = project.hints("cells")
    hints.paint(np.arange(30), np.zeros(30, np.uint32), np.full(30, 2, np.uint32))
    project.db.set_holdout("cells", (((0, 20), (0, 20)),), {"learn/cells": "[]"})
    project.db.put_setting("object-size/cells", "17.0")
    return project


def all_of(project: Project, id: str) -> dict[str, object]:
    labels, state = project.load_labels(id)
    return {
        "labels": labels.tobytes(), "state": state.tobytes(), "hints": project.hints(id).values.tobytes(),
        "history": [(r.tool, r.author, r.time, r.voxels, r.undoes is None) for r in project.db.history(id)],
        "held": project.db.holdouts().get(id) and project.db.holdouts()[id].boxes,
        "size": project.db.setting(f"object-size/{id}"), "record": replace(project.image(id), id="any"),
    }  # fmt: skip


def test_a_removed_image_leaves_nothing_behind_and_comes_back_as_it_was(two):
    before, other = all_of(two, "cells"), all_of(two, "other")
    gone = remove_image(two, "cells")
    assert (gone.id, gone.edits, gone.hints) == ("cells", 4, 1)
    assert gone.known > 0
    assert [r.id for r in two.images()] == ["other"]
    assert not two.db.rows_after("cells", 0)
    assert not two.db.settings("learn/")
    assert not (two.path / "images" / "cells").exists()
    assert all_of(two, "other") == other
    assert [one.key for one in removed_images(two)] == ["cells"]
    assert restore_image(two, gone.key) == "cells"
    assert all_of(two, "cells") == before
    assert two.store("cells").redo()  # the stroke that was undone
    assert not removed_images(two)


def test_where_the_log_went_on_and_the_name_is_taken_it_still_comes_back(two, picture, tmp_path):
    before = all_of(two, "cells")
    remove_image(two, "cells")
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "b" / "cells.npy", np.load(picture[0]) // 2)
    two.add_image(tmp_path / "b" / "cells.npy")
    store = two.store("cells")
    assert not store.labels.any()  # nothing of the one before
    for n in range(3):
        store.apply(edits.paint(edits.EditContext.on(store), np.arange(10 * n, 10 * n + 5), n + 1))
    with two.db.transaction() as connection:  # as after a recovery: numbers are given again
        connection.execute("UPDATE edits SET n = 3 WHERE n = (SELECT MAX(n) FROM edits)")
    two.release("cells")
    id = restore_image(two, "cells")
    assert id == "cells-2"
    after = all_of(two, id)
    assert after.pop("record").source == before.pop("record").source
    assert after == before
    assert two.store(id).redo()


def test_nothing_goes_while_a_training_reads(two, small_config, picture):
    two.approve_labels("cells", picture[1])
    training = run(TrainJob(two.path, small_config))
    next(training)
    for change in (
        lambda: remove_image(two, "cells"), lambda: rename_image(two, "cells", "x"),
        lambda: change_split(two, "cells", "test"),
    ):  # fmt: skip
        with pytest.raises(CellsegError, match="reads the images"):
            change()
    training.close()
    (two.path / "cache" / "reading").mkdir(exist_ok=True)
    (two.path / "cache" / "reading" / "killed.lock").touch()
    assert remove_image(two, "cells").key == "cells"


def test_a_removal_that_cannot_be_written_changes_nothing(two, monkeypatch):
    before = all_of(two, "cells")
    real = __import__("os").replace

    def full(a, b):
        if str(b).endswith("removed/cells"):
            raise OSError(28, "No space left on device")
        real(a, b)

    monkeypatch.setattr("napari_cellseg.project._removal.os.replace", full)
    with pytest.raises(CellsegError, match="not removed"):
        remove_image(two, "cells")
    assert all_of(two, "cells") == before
    assert (two.path / "images" / "cells").exists()
    assert not removed_images(two)


def test_a_renamed_image_keeps_all_and_models_still_know_it(two):
    before = all_of(two, "cells")
    card = ModelCard("v1", None, 0.0, 1, 2, 1, two.db.last_edit(), images=("cells",))
    rename_image(two, "cells", "day_3")
    assert all_of(two, "day_3") == before
    assert [r.id for r in two.images()] == ["day_3", "other"]
    assert learnt_from(two, card) == ("day_3",)
    newer = replace(card, edits_until=two.db.last_edit() + 5)
    assert learnt_from(two, newer) == ("cells",)  # another image that got the name later
    path = two.path
    two.close()
    (path / "project.db").unlink()  # the snapshots know the new name
    with Project.recover(path) as again:
        assert {r.id for r in again.images()} == {"day_3", "other"}
        assert all_of(again, "day_3")["labels"] == before["labels"]


def test_the_size_that_a_person_said_goes_with_the_name_and_comes_back(two):
    for image in ("cells", "other"):
        note_size(two, image, 12.0)
    put_size(two, "cells", 31.0)
    kept = {what: two.db.settings(what) for what in ("size:", "seen:")}
    kept = {what: {id.replace("cells", "day_3"): value for id, value in of.items()} for what, of in kept.items()}
    assert kept["size:"] == {"day_3": "31.0"}
    rename_image(two, "cells", "day_3")
    assert {what: two.db.settings(what) for what in kept} == kept
    remove_image(two, "day_3")
    assert not two.db.settings("size:")
    assert two.db.settings("seen:") == {"other": "12.0"}
    (removed,) = removed_images(two)
    restore_image(two, removed.key)
    assert {what: two.db.settings(what) for what in kept} == kept


@pytest.mark.parametrize(("name", "match"), [("other", "already"), ("OTHER", "already"), ("a/b", "cannot be called")])
def test_names_that_cannot_be(two, name, match):
    with pytest.raises(CellsegError, match=match):
        rename_image(two, "cells", name)


def test_another_split_lets_go_what_was_held_out_and_says_who_has_learnt(two, monkeypatch):
    card = ModelCard("v1", None, 0.0, 1, 2, 1, two.db.last_edit(), images=("cells",))
    monkeypatch.setattr(Project, "models", lambda self: [card])
    assert "v1 learnt from cells" in change_split(two, "cells", "test")
    assert two.image("cells").split == "test"
    assert "cells" not in two.db.holdouts()
    assert change_split(two, "cells", "train") == ""
    with pytest.raises(CellsegError, match="no split"):
        change_split(two, "cells", "exam")  # type: ignore[arg-type]


def test_the_subcommand_and_python_do_the_same(two, capsys):
    path = str(two.path)
    two.close()
    assert main(["images", path, "--remove", "cells"]) == 0
    assert "4 edits by hand" in (said := capsys.readouterr().out)
    assert "--restore cells" in said
    with api.open(path) as project:
        assert [one.key for one in project.removed] == ["cells"]
        assert project.restore_removed("cells") == "cells"
    assert main(["images", path, "--rename", "cells", "first"]) == 0
    assert main(["images", path, "--split", "val", "first", "other"]) == 0
    capsys.readouterr()
    assert main(["images", path]) == 0
    out = capsys.readouterr().out
    assert "first: 128 x 160, val, corrected" in out
    assert main(["images", path, "--remove", "other", "nothing"]) == 2
    with api.open(path) as project:
        assert {r.id for r in project.images} == {"other", "first"}  # nothing of that command was done
        with api.open(path) as second:
            assert project.project.claim()
            with pytest.raises(CellsegError, match="window edits"):
                second.remove("first")

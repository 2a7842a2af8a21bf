from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_cellseg import edits, files
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import (
    LabelStore,
    Project,
    assign_holdouts,
    decode_edit,
    difference,
    encode_edit,
    holdout_mask,
    known_mask,
)
from napari_cellseg.project._label_store import RETRY, SNAPSHOT_EVERY
from napari_cellseg.project._snapshot import read_snapshot, write_snapshot


def dab(store: LabelStore, y: int, x: int, value: int, group: str = "") -> None:
    """Paint a square."""
    mask = np.zeros(store.labels.shape, bool)
    mask[..., y : y + 5, x : x + 5] = True
    store.apply(edits.paint(edits.EditContext.on(store), np.flatnonzero(mask), value), group)


def test_the_folder_is_what_the_design_says(project):
    dab(project.store("cells"), 10, 10, 3)
    project.close()
    inside = {p.relative_to(project.path).as_posix() for p in project.path.rglob("*")}
    assert {"project.toml", "project.db", "images/cells/labels.zarr", "images/cells/state.zarr"} <= inside
    assert {"images/cells/thumbnail.png", "models", "cache"} <= inside


def test_strokes_survive_closing_and_dying(project):
    store = project.store("cells")
    dab(store, 10, 10, 3)
    dab(store, 40, 40, 4)
    died = Project.open(project.path)  # the first process never closes
    np.testing.assert_array_equal(died.store("cells").labels, store.labels)
    died.close()
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store("cells").labels, store.labels)
        np.testing.assert_array_equal(again.store("cells").state, store.state)


def test_undo_works_across_sessions_without_limit(project):
    store = project.store("cells")
    history = [store.labels.copy()]
    for n in range(12):
        dab(store, 5 * n, 7 * n, n + 1)
        history.append(store.labels.copy())
    project.close()
    with Project.open(project.path) as again:
        store = again.store("cells")
        for expected in reversed(history[:-1]):
            assert store.undo()
            np.testing.assert_array_equal(store.labels, expected)
        assert not store.undo()
        assert not store.state.any()
    with Project.open(project.path) as third:
        store = third.store("cells")
        for expected in history[1:]:
            assert store.redo()
            np.testing.assert_array_equal(store.labels, expected)
        assert not store.act("redo")


def test_a_group_is_undone_together(project):
    store = project.store("cells")
    dab(store, 0, 0, 1)
    before = store.labels.copy()
    for n in range(3):
        box = (slice(20 * n, 20 * n + 10), slice(0, 10))
        store.apply(edits.predicted(store.labels, store.state, box, np.full((10, 10), n + 5, np.uint32)), "p1")
    assert len(store.undo()) >= 2
    np.testing.assert_array_equal(store.labels, before)
    store.redo()
    assert store.labels[45, 5] == 7


def test_the_history_lists_what_a_person_sees_as_one_thing(project):
    store = project.store("cells")
    dab(store, 0, 0, 1)
    for k in range(3):
        dab(store, 10 * k, 30, k + 2, "predict-1")
    for k in range(2):
        dab(store, 10 * k, 60, k + 7, "predict-2")
    store.undo()
    assert [(e.pieces, e.tool == "undo") for e in store.history()] == [(2, True), (2, False), (3, False), (1, False)]
    newest, _, whole, _ = store.history()
    assert newest.n == store.n
    assert whole.voxels == sum(r.voxels for r in store.rows()[1:4])
    assert whole.box[0][0] == 0
    assert whole.box[0][1] > 20
    assert [r.n for r in project.db.newest_rows("cells", 3)] == [r.n for r in reversed(store.rows())]


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["paint", "erase", "undo", "redo", "predict", "approve", "snapshot", "reopen"]),
              st.integers(0, 110), st.integers(0, 140), st.integers(1, 9)),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(actions=ACTIONS)
def test_the_replayed_log_is_the_live_labels(tmp_path_factory, actions):
    folder = tmp_path_factory.mktemp("log")
    np.save(folder / "a.npy", np.arange(128 * 160).reshape(128, 160))
    project = Project.create(folder / "p")
    project.add_image(folder / "a.npy")
    for verb, y, x, value in actions:
        store = project.store("a")
        box = (slice(y, min(128, y + 20)), slice(x, min(160, x + 20)))
        if verb in ("paint", "erase"):
            dab(store, y, x, value if verb == "paint" else 0)
        elif verb in ("undo", "redo"):
            getattr(store, verb)()
        elif verb == "predict":
            new = np.full(store.labels[box].shape, value, np.uint32)
            store.apply(edits.predicted(store.labels, store.state, box, new))
        elif verb == "approve":
            store.apply(edits.approve_box(edits.EditContext.on(store), box))
        elif verb == "snapshot":
            store.snapshot()
        else:
            project = Project.open(project.path)
    live = project.store("a")
    labels, state = np.zeros_like(live.labels), np.zeros_like(live.state)
    for row in live.rows():
        live.edit(row.n).write_to(labels, state)
    np.testing.assert_array_equal(labels, live.labels)
    np.testing.assert_array_equal(state, live.state)
    project.close()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(30, 40), (4, 20, 20)]), st.floats(0, 1))
def test_edits_encode_invert_and_restore(seed, shape, share):
    rng = np.random.default_rng(seed)
    labels, state = rng.integers(0, 9, shape).astype(np.uint32), rng.integers(0, 3, shape).astype(np.uint8)
    change = rng.random(shape) < share
    new_labels = np.where(change, rng.integers(0, 2**32, shape, dtype=np.uint32), labels)
    box = tuple(slice(0, n) for n in shape)
    edit = difference("test", labels, state, box, new_labels, np.where(change, 1, state))
    back = decode_edit("test", encode_edit(edit))
    before, after = (labels.copy(), state.copy()), (labels.copy(), state.copy())
    back.write_to(*after)
    np.testing.assert_array_equal(after[0], new_labels)
    back.inverse().write_to(*after)
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])


def test_two_processes_do_not_lose_each_others_edits(project):
    mine = project.store("cells")
    dab(mine, 0, 0, 1)
    other = Project.open(project.path)
    dab(other.store("cells"), 50, 50, 2)
    dab(mine, 90, 90, 3)
    project.close()
    other.close()
    with Project.open(project.path) as again:
        assert set(np.unique(again.store("cells").labels)) == {0, 1, 2, 3}


def test_time_series_become_images(tmp_path, project):
    data = np.random.default_rng(0).integers(0, 99, (3, 20, 30)).astype("uint16")
    np.save(tmp_path / "movie.npy", data)
    labels = (data > 50).astype(np.uint32)
    ids = project.add_image(tmp_path / "movie.npy", axes="TYX", labels=labels)
    assert ids == ["movie_t0000", "movie_t0001", "movie_t0002"]
    np.testing.assert_array_equal(project.read_image(ids[2]).load()[0], data[2])
    np.testing.assert_array_equal(project.store(ids[1]).labels, labels[1])


def test_pictures_are_referenced_relatively_and_never_changed(project, picture):
    before = picture[0].read_bytes()
    assert project.image("cells").source == "cells.npy"
    dab(project.store("cells"), 0, 0, 1)
    project.close()
    assert picture[0].read_bytes() == before


def test_moved_and_changed_pictures_are_noticed(project, picture, tmp_path):
    elsewhere = tmp_path / "moved" / "x.npy"
    elsewhere.parent.mkdir()
    shutil.move(picture[0], elsewhere)
    with pytest.raises(CellsegError, match="is not at") as caught:
        project.read_image("cells")
    assert "--relocate cells" in caught.value.hint
    project.relocate("cells", elsewhere)
    assert project.read_image("cells").spatial_shape == (128, 160)
    np.save(elsewhere, np.load(elsewhere)[:, ::-1])
    with pytest.raises(CellsegError, match="content differs"):
        project.read_image("cells")
    np.save(elsewhere, np.load(elsewhere)[:50])
    with pytest.raises(CellsegError, match="shape"):
        project.read_image("cells")
    with pytest.raises(CellsegError, match="but cells is"):
        project.relocate("cells", elsewhere)


def test_labels_of_another_shape_are_refused_before_anything_is_written(project, picture, tmp_path):
    np.save(tmp_path / "b.npy", np.load(picture[0]))
    with pytest.raises(CellsegError, match="labels are"):
        project.add_image(tmp_path / "b.npy", labels=np.zeros((5, 5), np.uint32))
    assert [r.id for r in project.images()] == ["cells"]
    assert not (project.path / "images" / "b").exists()


def test_classes_that_do_not_exist_are_refused(tmp_path, picture):
    with (
        Project.create(tmp_path / "s", "semantic", ("a", "b")) as project,
        pytest.raises(CellsegError, match="class 14"),
    ):
        project.add_image(picture[0], labels=np.full((128, 160), 14, np.uint32))


def test_a_newer_schema_is_left_alone(project):
    path = project.path / "project.toml"
    project.close()
    path.write_text(path.read_text().replace("schema = 1", "schema = 99"))
    before = {p: p.read_bytes() for p in project.path.rglob("*") if p.is_file()}
    with pytest.raises(CellsegError, match="newer"):
        Project.open(project.path)
    assert {p: p.read_bytes() for p in project.path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("what", ["nothing", "folder", "file"])
def test_what_is_no_project_is_refused(tmp_path, what):
    path = tmp_path / "x.cellseg"
    if what == "folder":
        path.mkdir()
    elif what == "file":
        path.write_text("x")
    with pytest.raises(CellsegError, match="project"):
        Project.open(path)


def test_an_existing_folder_is_never_overwritten(project):
    with pytest.raises(CellsegError, match="exists already"):
        Project.create(project.path)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "one-page"])
def test_a_damaged_database_offers_the_snapshot(project, damage, picture):
    store = project.store("cells")
    for n in range(30):
        dab(store, 3 * n, 4 * n, n + 1)
    store.snapshot()
    saved, state = store.labels.copy(), store.state.copy()
    project.close()
    path = project.path / "project.db"
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data[:] = b"x" * len(data)
    elif damage == "truncated":
        data = data[: len(data) // 2]
    else:
        data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(CellsegError, match="damaged") as caught:
        Project.open(project.path)
    assert "recover" in caught.value.hint
    with Project.recover(project.path) as again:
        assert [r.id for r in again.images()] == ["cells"]
        np.testing.assert_array_equal(again.store("cells").labels, saved)
        np.testing.assert_array_equal(again.store("cells").state, state)
        dab(again.store("cells"), 100, 100, 99)
    with Project.open(project.path) as third:
        assert third.store("cells").labels[101, 101] == 99
    assert list(project.path.glob("project.db.damaged-*"))


def test_a_damaged_snapshot_is_rebuilt_from_the_log(project):
    store = project.store("cells")
    dab(store, 10, 10, 5)
    store.snapshot()
    dab(store, 40, 40, 6)
    live = store.labels.copy()
    project.close()
    shutil.rmtree(project.path / "images" / "cells" / "labels.zarr")
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store("cells").labels, live)


def test_a_full_disk_loses_nothing(project):
    store = project.store("cells")
    dab(store, 10, 10, 5)
    before, state = store.labels.copy(), store.state.copy()
    (pages,) = project.db._connection.execute("PRAGMA page_count").fetchone()
    project.db._connection.execute(f"PRAGMA max_page_count = {pages}")
    noise = np.random.default_rng(0).integers(1, 2**31, store.labels.shape).astype(np.uint32)
    box = tuple(slice(0, n) for n in noise.shape)
    with pytest.raises(CellsegError, match="full") as caught:
        store.apply(difference("big", store.labels, store.state, box, noise, store.state))
    assert "free some space" in caught.value.hint
    np.testing.assert_array_equal(store.labels, before)
    np.testing.assert_array_equal(store.state, state)
    project.db._connection.execute("PRAGMA max_page_count = 1000000")
    dab(store, 60, 60, 7)
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store("cells").labels, store.labels)


def test_a_snapshot_that_cannot_be_written_leaves_the_old_one(project, monkeypatch):
    store = project.store("cells")
    store.snapshot()
    dab(store, 10, 10, 5)

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zarr, "create_array", no_space)
        with pytest.raises(CellsegError, match="No space"):
            store.snapshot()
    folder = project.path / "images" / "cells"
    assert sorted(p.name for p in folder.iterdir()) == ["labels.zarr", "state.zarr", "thumbnail.png"]
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store("cells").labels, store.labels)


def test_a_file_is_whole_or_as_it_was(tmp_path):
    def half() -> None:
        with files.whole(tmp_path / "a.csv") as part:
            part.write_text("half")
            raise OSError(28, "No space left on device")

    (tmp_path / "a.csv").write_text("before")
    with pytest.raises(CellsegError, match="No space") as caught:
        half()
    assert caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"
    assert files.write_text(tmp_path / "new" / "b.txt", "µ").read_text(encoding="utf-8") == "µ"


def test_a_configuration_that_cannot_be_saved_stays_as_it_was(project, monkeypatch):
    before = project.config, (project.path / "project.toml").read_text()
    monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CellsegError, match="No space"):
        project.save_config(project.config.with_values(["train.steps=77"]))
    assert (project.config, (project.path / "project.toml").read_text()) == before
    assert not list(project.path.glob("*part*"))


def test_a_snapshot_that_does_not_fit_is_no_failure_of_a_command(project, monkeypatch, capsys):
    dab(project.store("cells"), 10, 10, 3)
    dab(project.store("cells"), 40, 40, 4)
    first = project.store("cells").rows()[0].n
    project.close()

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr, "create_array", no_space)
    assert main(["history", str(project.path), "--image", "cells", "--restore", str(first)]) == 0
    assert "Nothing is lost: every edit is in the log" in capsys.readouterr().err
    with Project.open(project.path) as again:
        assert np.unique(again.load_labels("cells")[0]).tolist() == [0, 3]


def test_a_full_disk_in_a_command_is_no_bug(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        Project, "open", lambda path: (_ for _ in ()).throw(OSError(28, "No space left on device", "x"))
    )
    assert main(["history", str(tmp_path)]) == 2
    assert "The disk is full (x)" in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["part", "renamed-away", "both"])
def test_a_swap_that_was_killed_is_found(tmp_path, stage):
    path = tmp_path / "labels.zarr"
    write_snapshot(path, np.full((8, 8), 1, np.uint32), 1, "{}")
    if stage == "part":
        shutil.copytree(path, path.with_suffix(".1-a.part"))
        (path.with_suffix(".1-a.part") / "zarr.json").unlink()
    elif stage == "renamed-away":
        path.rename(path.with_suffix(".1-a.old"))
    else:
        shutil.copytree(path, path.with_suffix(".1-a.old"))
    found = read_snapshot(path)
    assert found is not None
    assert found.n == 1
    assert (found.array == 1).all()


def test_a_snapshot_with_a_missing_chunk_is_not_believed(project):
    store = project.store("cells")
    dab(store, 10, 10, 5)
    store.snapshot()
    folder = project.path / "images" / "cells" / "labels.zarr"
    chunk = next(p for p in (folder / "c").rglob("*") if p.is_file())
    chunk.unlink()
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store("cells").labels, store.labels)


def test_a_late_prediction_does_not_write_over_another_process(project):
    mine = project.store("cells")
    box = (slice(0, 60), slice(0, 60))
    late = edits.predicted(mine.labels, mine.state, box, np.full((60, 60), 3, np.uint32))
    other = Project.open(project.path)
    dab(other.store("cells"), 20, 20, 7)
    mine.apply(late)
    assert mine.labels[22, 22] == 7
    assert mine.state[22, 22] == 1
    assert mine.labels[50, 50] == 3
    np.testing.assert_array_equal(project.load_labels("cells")[0], mine.labels)
    other.close()


def test_undo_sees_what_another_process_did(project):
    mine = project.store("cells")
    dab(mine, 20, 20, 1)
    other = Project.open(project.path)
    dab(other.store("cells"), 20, 20, 2)
    mine.undo()  # takes the newest edit back, whoever made it
    assert mine.labels[22, 22] == 1
    np.testing.assert_array_equal(project.load_labels("cells")[0], mine.labels)
    other.close()


def test_recovery_keeps_held_out_parts_and_takes_odd_names(tmp_path, picture):
    odd = tmp_path / "a#b%41?"
    odd.mkdir()
    with Project.create(odd / "p") as project:
        project.add_image(picture[0], labels=picture[1])
        assign_holdouts(project)
        held = project.db.holdouts()
        dab(project.store("cells"), 1, 1, 77)
        live = project.store("cells").labels.copy()
        path = project.path
    data = bytearray((path / "project.db").read_bytes())
    data[-4096:] = b"\xff" * 4096
    (path / "project.db").write_bytes(data)
    with Project.recover(path) as again:
        np.testing.assert_array_equal(again.load_labels("cells")[0], live)
        assert again.db.holdouts() == held


def test_long_sessions_ask_for_snapshots(project):
    store = project.store("cells")
    store._snapshot_at = store.n - SNAPSHOT_EVERY + 1
    assert not store.snapshot_due
    dab(store, 0, 0, 1)
    assert store.snapshot_due


def test_a_snapshot_waits_for_arrays_that_are_what_the_log_says(project):
    store, path = project.store("cells"), project.path / "images" / "cells" / "labels.zarr"
    store.watch()
    first = read_snapshot(path).n
    dab(store, 0, 0, 1)
    write = store.prepare_snapshot()
    dab(store, 20, 20, 2)  # before the copy is made
    write()
    assert read_snapshot(path).n == first
    assert not store.snapshot_due
    for k in range(RETRY):
        dab(store, 40, k, 3 + k)
    assert store.snapshot_due
    store.labels[30, 30] = 9  # nobody's edit
    store.prepare_snapshot()()
    assert read_snapshot(path).n == first
    store.labels[30, 30] = 0
    store.prepare_snapshot()()
    found = read_snapshot(path)
    assert found.n == store.n
    np.testing.assert_array_equal(found.array, store.labels)
    assert not store.snapshot_due


# --- what is known, what is held out --------------------------------------------------------------


def test_a_correction_vouches_for_its_object_and_a_margin():
    labels = np.zeros((60, 60), np.uint32)
    labels[20:30, 20:30] = 1
    labels[20:30, 33:40] = 2  # a neighbour that was only predicted
    state = np.zeros((60, 60), np.uint8)
    state[22, 22] = 1
    known = known_mask(labels, state, 8)
    assert known[20:30, 20:30].all()
    assert known[25, 13]
    assert not known[25, 10]
    assert not known[20:30, 33:40].any()
    assert known[25, 30]
    assert not known[25, 32]  # nearer to the neighbour, whose outline nobody vouches for


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("margin", "touched"), [(11, 0.01), (11, 2e-4), (5, 4e-4), (1, 3e-4)])  # near, and far apart
def test_what_is_known_is_measured_to_the_pixel(seed, margin, touched):
    rng, cells = np.random.default_rng(seed), (9, 13) if touched == 0.01 else (25, 31)
    labels = np.kron(rng.integers(0, 400, cells) * (rng.random(cells) < 0.4), np.ones((7, 8), int)).astype(np.uint32)
    state = (rng.random(labels.shape) < touched).astype(np.uint8)
    state[-1, 0] = 1
    vouched = (state > 0) | np.isin(labels, np.unique(labels[(state > 0) & (labels > 0)]))
    others = (labels > 0) & ~vouched
    to_own, to_other = (ndi.distance_transform_edt(~mask) for mask in (vouched, others))
    near = (labels == 0) & (to_own <= margin) & (to_own < to_other)
    expected = (vouched | near) & ((labels > 0) | (to_other > 2))
    np.testing.assert_array_equal(known_mask(labels, state, margin), expected)


def test_margins_stay_in_their_slice_and_out_of_semantic_classes():
    labels = np.zeros((3, 30, 30), np.uint32)
    labels[:, 10:15, 10:15] = 1
    state = np.zeros_like(labels, np.uint8)
    state[1, 12, 12] = 1
    known = known_mask(labels, state, 4)
    assert known[1].any()
    assert not known[[0, 2]].any()
    one = known_mask(labels, state, 0, instances=False)
    assert one.sum() == 1


@pytest.mark.parametrize("n_images", [1, 2, 3, 7])
def test_something_is_always_held_out_and_stays_so(tmp_path, n_images):
    with Project.create(tmp_path / "p") as project:
        for n in range(n_images):
            tifffile.imwrite(tmp_path / f"{n}.tif", np.random.default_rng(n).integers(0, 99, (64, 64)).astype("uint8"))
            project.add_image(tmp_path / f"{n}.tif")
        for n in range(n_images):
            store = project.store(str(n))
            dab(store, 5, 5, 1, 8)
            dab(store, 5, 40, 2, 8)
            store.apply(edits.approve_box(edits.EditContext.on(store), (slice(0, 20), slice(0, 60))))
        first = assign_holdouts(project)
        assert first
        assert len(first) < n_images or n_images == 1
        for id, held in first.items():
            mask = holdout_mask(project.image(id), held)
            assert (project.store(id).state[mask] > 0).any()
            if n_images < 5:  # of a few images, objects are held out; the rest of each image is learnt from
                assert (project.store(id).state[~mask] > 0).any()
            else:
                assert mask.all()
        assert assign_holdouts(project) == first


def test_images_called_val_judge(tmp_path, project, picture):
    np.save(tmp_path / "v.npy", np.load(picture[0])[::-1])
    project.add_image(tmp_path / "v.npy", labels=picture[1][::-1], split="val")
    project.approve_labels("cells", picture[1])
    assert list(assign_holdouts(project)) == ["v"]


def test_the_log_says_who_did_what(project):
    dab(project.store("cells"), 10, 10, 3)
    (row,) = project.store("cells").rows()
    assert row.author == project.author
    assert row.tool == "brush"
    assert row.box == ((10, 15), (10, 15))
    assert json.dumps(row.box)
    with sqlite3.connect(project.path / "project.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM edits").fetchone() == (1,)
    connection.close()


def test_the_project_folder_may_move(project, tmp_path, picture):
    dab(project.store("cells"), 10, 10, 3)
    project.close()
    target = tmp_path / "elsewhere"
    target.mkdir()
    shutil.move(project.path, target)
    shutil.copy(picture[0], target)
    with Project.open(Path(target / "p.cellseg")) as again:
        assert again.read_image("cells").spatial_shape == (128, 160)
        assert again.store("cells").labels[11, 11] == 3


@given(st.data())
def test_a_difference_is_what_changed_in_the_box(data):
    shape = data.draw(st.sampled_from([(5, 7), (3, 5, 4), (1, 6), (4, 1, 3)]))
    spans = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    spans = [(0, n) if data.draw(st.booleans()) else span for span, n in zip(spans, shape, strict=True)]
    box = tuple(slice(a, b) for a, b in spans)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    labels, state = rng.integers(0, 3, shape).astype(np.uint32), rng.integers(0, 3, shape).astype(np.uint8)
    inner = labels[box].shape
    new, new_state = rng.integers(0, 3, inner).astype(np.uint32), rng.integers(0, 3, inner).astype(np.uint8)
    edit = difference("x", labels, state, box, new, new_state)
    expected, expected_state = labels.copy(), state.copy()
    expected[box], expected_state[box] = new, new_state
    changed = np.flatnonzero((expected != labels) | (expected_state != state))
    np.testing.assert_array_equal(edit.index, changed)
    np.testing.assert_array_equal(edit.old_labels, labels.reshape(-1)[changed])
    edit.write_to(labels, state)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(state, expected_state)


def test_approved_background_beside_an_object_nobody_looked_at_says_nothing():
    labels, state = np.zeros((40, 60), np.uint32), np.zeros((40, 60), np.uint8)
    labels[10:20, 10:20], labels[10:20, 40:50] = 1, 2
    state[labels == 0] = 2  # all of the background is approved...
    state[labels == 2] = 1  # ...and one of the objects corrected
    known = known_mask(labels, state, 8)
    assert not known[labels == 1].any()
    assert not known[8:10, 12:18].any()  # its outline may be too tight
    assert known[7, 12:18].all()
    assert known[labels == 2].all()
    assert known[7:10, 42:48].all()
    state[labels == 1] = 2
    assert known_mask(labels, state, 8).all()

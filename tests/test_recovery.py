"""Nothing is lost: backups put back, interrupted recoveries, damage anywhere, folders that go away, a shorter log."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError, ProjectGone
from napari_cellseg.project import (
    LogSize,
    Project,
    compact,
    decode_edit,
    difference,
    encode_edit,
    log_size,
    save_elsewhere,
    write_history,
)
from napari_cellseg.project._recovery import rebuild
from napari_cellseg.project._salvage import salvage


def dab(store, y, x, value, size=4):
    """One small stroke of the brush."""
    box = (slice(y, y + size), slice(x, x + size))
    labels, state = np.full((size, size), value, np.uint32), np.ones((size, size), np.uint8)
    return store.apply(difference("brush", store.labels, store.state, box, labels, state))


def strokes(store, n, first=1):
    """Strokes all over the image, each with a number of its own."""
    rng = random.Random(first)
    for value in range(first, first + n):
        dab(store, *(rng.randrange(n - 4) for n in store.labels.shape), value)


def killed(project):
    """Leave a project as a kill does: what is open writes no snapshot."""
    project._stores.clear()
    project.db.close()


@contextmanager
def rows_of(path):
    """The database of a closed project, to change as no project would."""
    with closing(sqlite3.connect(path / "project.db", isolation_level=None)) as connection:
        yield connection


def is_whole(path, labels, state):
    """Labels and state are these, as snapshots and log say, and as the log says alone."""
    with Project.open(path) as project:
        np.testing.assert_array_equal(project.store("cells").labels, labels)
        np.testing.assert_array_equal(project.store("cells").state, state)
    alone = path.with_name("alone.cellseg")
    shutil.copytree(path, alone)
    for kind in ("labels", "state"):
        shutil.rmtree(alone / "images" / "cells" / f"{kind}.zarr")
    with Project.open(alone) as project:
        np.testing.assert_array_equal(project.load_labels("cells")[0], labels)
        np.testing.assert_array_equal(project.load_labels("cells")[1], state)
    shutil.rmtree(alone)


# --- an older database ------------------------------------------------------------------------------


def with_older_database(project):
    """A project with 95 strokes in its snapshot and the database of the first 55; labels and state as they were."""
    store = project.store("cells")
    strokes(store, 55)
    project.close()
    backup = project.path.with_name("backup.db")
    shutil.copyfile(project.path / "project.db", backup)
    with Project.open(project.path) as again:
        strokes(again.store("cells"), 40, first=56)
        labels, state = again.store("cells").labels.copy(), again.store("cells").state.copy()
    shutil.copyfile(backup, project.path / "project.db")
    return labels, state


def test_strokes_after_an_older_database_was_put_back_are_kept(project):
    labels, state = with_older_database(project)
    with Project.open(project.path) as again:
        store = again.store("cells")
        np.testing.assert_array_equal(store.labels, labels)
        assert "newer than project.db" in again.notices[0]
        strokes(store, 15, first=900)
        labels, state = store.labels.copy(), store.state.copy()
        assert store.n > 95
    is_whole(project.path, labels, state)
    with Project.open(project.path) as third:
        third.store("cells")
        assert third.notices == []


def test_an_older_database_without_new_strokes_is_told_by_recovery_too(project):
    labels, state = with_older_database(project)
    with Project.recover(project.path) as again:
        assert "snapshots knew more of cells" in again.notices[0]
        assert len(again.store("cells").rows()) == 56  # the history of the older database, and what was missing
    is_whole(project.path, labels, state)


def test_a_window_that_only_looks_does_not_write_into_an_older_database(project):
    labels, _ = with_older_database(project)
    with Project.open(project.path) as first, Project.open(project.path) as second:
        assert first.claim()
        assert not second.claim()
        np.testing.assert_array_equal(second.store("cells").labels, labels)
        assert first.db.last_edit() == 55


# --- recovery ---------------------------------------------------------------------------------------


def test_recovery_asks_for_the_claim(project):
    store = project.store("cells")
    dab(store, 3, 3, 1)
    assert project.claim()
    with pytest.raises(CellsegError, match="open in a napari window"):
        Project.recover(project.path)
    assert main(["recover", str(project.path)]) == 2
    dab(store, 9, 9, 2)
    labels, state = store.labels.copy(), store.state.copy()
    project.close()
    is_whole(project.path, labels, state)


def test_recovery_of_a_sound_project_keeps_the_history(project):
    store = project.store("cells")
    strokes(store, 20)
    store.undo()
    rows, labels, state = store.rows(), store.labels.copy(), store.state.copy()
    project.close()
    with Project.recover(project.path) as again:
        assert again.store("cells").rows() == rows
        assert again.store("cells").act("redo").meant[0].tool == "brush"
        again.store("cells").redo()
        again.store("cells").undo()
    is_whole(project.path, labels, state)


def damaged_project(project):
    """A project whose database cannot be opened, with the last 30 strokes in no snapshot."""
    store = project.store("cells")
    strokes(store, 60)
    store.snapshot()
    strokes(store, 30, first=61)
    labels, state = store.labels.copy(), store.state.copy()
    killed(project)
    data = bytearray((project.path / "project.db").read_bytes())
    data[:100] = b"\xff" * 100  # the header: SQLite itself says nothing any more
    (project.path / "project.db").write_bytes(data)
    return labels, state


def test_rows_are_cut_out_of_a_file_that_sqlite_does_not_open(project):
    labels, state = damaged_project(project)
    with pytest.raises(CellsegError, match="damaged"):
        Project.open(project.path)
    assert len(salvage([project.path / "project.db"]).edits) == 90
    Project.recover(project.path).close()
    is_whole(project.path, labels, state)


def test_rows_in_the_write_ahead_log_are_cut_out_too(project, tmp_path):
    store = project.store("cells")
    strokes(store, 40)
    labels, state = store.labels.copy(), store.state.copy()
    copy = tmp_path / "killed.cellseg"
    shutil.copytree(project.path, copy)  # as a kill leaves it: most rows are beside the file
    assert (copy / "project.db-wal").stat().st_size > 0
    assert len(salvage([copy / "project.db"]).edits) == 40  # each once, though it is asked for and cut out
    size = 24 + 4096
    for where in (3, 17, 32 + 5 * size + 1000, 32 + 20 * size + 9):  # in the head of the log, or in one of its pages
        data = bytearray((project.path / "project.db-wal").read_bytes())
        data[where] ^= 0xFF
        again = tmp_path / f"damaged{where}.cellseg"
        shutil.copytree(copy, again)
        (again / "project.db-wal").write_bytes(data)
        shutil.rmtree(again / "images")
        with pytest.raises(CellsegError, match="recover"):
            Project.open(again).load_labels("cells")
        shutil.rmtree(again)
        shutil.copytree(copy, again)
        (again / "project.db-wal").write_bytes(data)
        if where < 32 + size:  # the page that was hit may have held rows of its own
            Project.recover(again).close()
            is_whole(again, labels, state)
        else:
            with Project.recover(again) as back:
                assert (back.load_labels("cells")[0] == labels).mean() > 0.99


def test_a_large_edit_is_cut_out_over_many_pages(project):
    store = project.store("cells")
    noise = np.random.default_rng(0).integers(1, 1 << 32, store.labels.shape, np.uint32)
    project.approve_labels("cells", noise)
    killed(project)
    with (project.path / "project.db").open("r+b") as file:
        file.write(b"\0" * 64)
    assert salvage([project.path / "project.db"]).edits[-1][8] == noise.size
    Project.recover(project.path).close()
    is_whole(project.path, noise, np.full(noise.shape, 2, np.uint8))


KILLED = """
import os, sys
from pathlib import Path
import napari_cellseg.project._recovery as recovery
from napari_cellseg.project import Project
calls, at = [0], int(sys.argv[2])
def counted(function):
    def call(*a, **k):
        calls[0] += 1
        if calls[0] == at:
            os._exit(9)
        return function(*a, **k)
    return call
recovery.os.replace = counted(os.replace)
recovery._swap = counted(recovery._swap)
recovery.Database.append = staticmethod(counted(recovery.Database.append))
recovery.Database.put_model = counted(recovery.Database.put_model)
Project.recover(sys.argv[1]).close()
"""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_recovery_is_done_again(project, at):
    labels, state = damaged_project(project)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(project.path), str(at)], check=False)
    assert killed.returncode == 9
    try:
        Project.open(project.path).close()
    except CellsegError as error:
        assert "recover" in error.hint  # noqa: PT017 - whole, or suggested
    else:
        is_whole(project.path, labels, state)
    Project.recover(project.path).close()
    is_whole(project.path, labels, state)
    assert not list(project.path.glob("*rebuilt*"))


def test_what_an_old_recovery_left_is_read_as_well(project):
    """Until version 0.4 the file was renamed first: killed then, it left an empty database, or none."""
    labels, state = damaged_project(project)
    os.replace(project.path / "project.db", project.path / "project.db.damaged-20260101-000000")
    with pytest.raises(CellsegError, match="missing") as caught:
        Project.open(project.path)
    assert "recover" in caught.value.hint
    with rows_of(project.path) as connection:
        connection.execute("CREATE TABLE images (id TEXT PRIMARY KEY, position INTEGER, record TEXT NOT NULL)")
    Project.recover(project.path).close()
    is_whole(project.path, labels, state)
    Project.recover(project.path).close()  # and once more, with two kept databases beside it
    is_whole(project.path, labels, state)
    kept = [p.name for p in project.path.glob("project.db.damaged-*") if not p.name.endswith(("-wal", "-shm"))]
    assert len(kept) == 3


def test_databases_that_went_separate_ways_are_joined(project):
    with_older_database(project)
    (project.path / "images").rename(project.path / "away")  # the newer snapshots are lost, too
    newer = project.path.with_name("newer.cellseg")
    (project.path / "images").mkdir()
    with Project.open(project.path) as again:
        strokes(again.store("cells"), 10, first=500)
        mine = again.store("cells").labels.copy()
    (project.path / "away").rename(newer)
    with Project.recover(project.path) as joined:
        assert len({row.n for row in joined.store("cells").rows()}) == len(joined.store("cells").rows()) == 65
        np.testing.assert_array_equal(joined.store("cells").labels, mine)


def test_a_full_disk_leaves_everything_as_it_was(project, monkeypatch):
    labels, state = damaged_project(project)
    before = sorted(p.name for p in project.path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("napari_cellseg.project._recovery._swap", full)
        with pytest.raises(CellsegError, match="Nothing was lost"):
            rebuild(project.path, [], "me")
    assert sorted(p.name for p in project.path.iterdir()) == before
    Project.recover(project.path).close()
    is_whole(project.path, labels, state)


def test_text_that_is_no_text_leads_to_recovery(project):
    store = project.store("cells")
    strokes(store, 12)
    labels, state = store.labels.copy(), store.state.copy()
    project.close()
    with rows_of(project.path) as connection:
        connection.execute("UPDATE edits SET author = CAST(x'ff61' AS TEXT) WHERE n = 5")
        connection.execute("UPDATE edits SET box = '[[0' WHERE n = 6")
    with Project.open(project.path) as again, pytest.raises(CellsegError, match="damaged") as caught:
        again.load_labels("cells")
    assert "recover" in caught.value.hint
    Project.recover(project.path).close()
    is_whole(project.path, labels, state)


@pytest.mark.parametrize("seed", range(4))
def test_damage_in_any_byte_is_answered_by_recovery(project, tmp_path, seed):
    store = project.store("cells")
    strokes(store, 25)
    store.snapshot()
    labels = store.labels.copy()
    project.db.put_setting("known/cells", "x")
    project.close()
    data, rng = (project.path / "project.db").read_bytes(), random.Random(seed)
    for _ in range(12):
        bytes_ = bytearray(data)
        for _ in range(rng.choice((1, 1, 4, 40))):
            bytes_[rng.randrange(len(bytes_))] = rng.randrange(256)
        (project.path / "project.db").write_bytes(bytes_)
        try:
            with Project.open(project.path) as again:
                found = again.images()
                for record in found:
                    again.load_labels(record.id)
                    list(again.store(record.id).history())
                    again.hints(record.id)
                again.db.holdouts(), again.db.rounds(), again.db.reviews(), again.models(), again.db.settings("")
        except CellsegError as error:
            assert "recover" in error.hint or "backup" in error.hint, error  # noqa: PT017
        with Project.recover(project.path) as back:
            kept = back.load_labels("cells")[0]
        assert (kept == labels).mean() > 0.99  # an edit whose bytes were hit is in the snapshot
        shutil.rmtree(project.path / "images")
        for rest in project.path.glob("project.db*"):
            rest.unlink()
        (project.path / "project.db").write_bytes(data)
        with Project.open(project.path) as whole:
            whole.store("cells").snapshot(force=True)


# --- made to do harm --------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["../../victim", "..", "/tmp/x", "a/b", "a\\b", "", ".", "C:x", "a\0b"])
def test_ids_lead_nowhere_else(project, tmp_path, id):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "labels.zarr").mkdir()
    (victim / "labels.zarr" / "precious").write_text("x")
    project.close()
    with rows_of(project.path) as connection:
        (text,) = connection.execute("SELECT record FROM images").fetchone()
        connection.execute("UPDATE images SET id = ?, record = ?", (id, json.dumps(json.loads(text) | {"id": id})))
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('current_model', ?)", (id,))
    assert main(["export", str(project.path), "--out", str(tmp_path / "out")]) == 2
    assert main(["predict", str(project.path)]) == 2
    with Project.open(project.path) as again, pytest.raises(CellsegError, match="cannot be the name"):
        again.images()
    assert [p.name for p in victim.rglob("*")] == ["labels.zarr", "precious"]
    assert not (tmp_path / "out").exists()


def test_a_link_out_of_the_project_is_not_followed(project, tmp_path):
    project.close()
    victim = tmp_path / "victim"
    shutil.move(project.path / "images" / "cells", victim)
    try:
        (project.path / "images" / "cells").symlink_to(victim)
    except OSError:
        pytest.skip("no symbolic links here")
    before = {p: p.stat().st_mtime_ns for p in victim.rglob("*")}
    with Project.open(project.path) as again, pytest.raises(CellsegError, match="outside the project"):
        again.store("cells")
    assert {p: p.stat().st_mtime_ns for p in victim.rglob("*")} == before


ENDLESS = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT n FROM a"
HARM = {
    "endless view": f"ALTER TABLE edits RENAME TO old; CREATE VIEW edits AS {ENDLESS}",
    "view of images": f"ALTER TABLE images RENAME TO old; CREATE VIEW images AS {ENDLESS}",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON edits BEGIN DELETE FROM edits; END",
    "index": "CREATE INDEX i ON edits (hex(zeroblob(1000000000)))",
    "largest number": "UPDATE sqlite_sequence SET seq = 9223372036854775807",
}


@pytest.mark.parametrize("harm", HARM)
def test_a_hostile_database_ends_with_a_message(project, harm):
    store = project.store("cells")
    strokes(store, 5)
    labels, state = store.labels.copy(), store.state.copy()
    project.close()
    with rows_of(project.path) as connection:
        if harm == "index":
            connection.execute("DELETE FROM edits")
        connection.executescript(HARM[harm])
    start = time.monotonic()
    with pytest.raises(CellsegError) as caught:
        Project.open(project.path)
    assert "recover" in caught.value.hint
    Project.recover(project.path).close()
    assert time.monotonic() - start < 60  # an endless view never ends
    is_whole(project.path, labels, state)


def test_an_edit_of_a_huge_number_is_no_reason_to_count_up_to_it(project):
    strokes(project.store("cells"), 3)
    project.close()
    with rows_of(project.path) as connection:
        connection.execute("UPDATE edits SET n = 9000000000000000 WHERE n = 3")
    with Project.recover(project.path) as again:
        dab(again.store("cells"), 50, 50, 7)
        labels, state = again.store("cells").labels.copy(), again.store("cells").state.copy()
    is_whole(project.path, labels, state)


def test_an_edit_cannot_claim_more_than_its_image(project):
    edit = dab(project.store("cells"), 3, 3, 1)
    data = encode_edit(edit)
    np.testing.assert_array_equal(decode_edit("x", data, edit.shape).index, edit.index)
    with pytest.raises(CellsegError, match="damaged"):
        decode_edit("x", data, (7, 7))
    bomb = difference("x", np.zeros((3000, 3000), np.uint32), np.zeros((3000, 3000), np.uint8),
                      (slice(0, 3000), slice(0, 3000)), np.ones((3000, 3000), np.uint32),
                      np.ones((3000, 3000), np.uint8))  # fmt: skip
    with pytest.raises(CellsegError, match="damaged"):
        decode_edit("x", encode_edit(bomb), edit.shape)
    for value in ([-5, 1], [10**9, 1]):
        wrong = type(edit)("x", edit.shape, np.array(value), *(a[:2] for a in (
            edit.old_labels, edit.new_labels, edit.old_state, edit.new_state)))  # fmt: skip
        with pytest.raises(CellsegError, match="damaged"):
            decode_edit("x", encode_edit(wrong))


# --- a folder that goes away ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["deleted", "moved", "replaced"])
def test_strokes_into_a_folder_that_is_gone_are_refused_and_saved_elsewhere(project, tmp_path, what):
    store = project.store("cells")
    strokes(store, 8)
    if what == "deleted":
        shutil.rmtree(project.path)
    elif what == "moved":
        project.path.rename(tmp_path / "other.cellseg")
    else:
        for ending in ("-wal", "-shm", ""):
            (project.path / f"project.db{ending}").unlink(missing_ok=True)
        with rows_of(project.path) as connection:
            connection.execute("CREATE TABLE edits (n INTEGER PRIMARY KEY AUTOINCREMENT, time REAL)")
    labels, state = store.labels.copy(), store.state.copy()
    with pytest.raises(ProjectGone) as caught:
        dab(store, 60, 60, 99)
    assert "save what is open here as another project" in str(caught.value).lower()
    np.testing.assert_array_equal(store.labels, labels)
    saved = save_elsewhere(project, tmp_path / "rescued")
    is_whole(saved, labels, state)
    with Project.open(saved) as again:
        assert again.read_image("cells").spatial_shape == labels.shape
        assert again.config == project.config
    with pytest.raises(CellsegError, match="exists already"):
        save_elsewhere(project, tmp_path / "rescued")
    with pytest.raises(ProjectGone):
        project.close()
    assert what == "replaced" or not project.path.exists()  # nothing was made there again


def test_a_copy_put_in_its_place_is_taken_up(project):
    """As backup programs and some network drives do it: another file, the same content."""
    store = project.store("cells")
    strokes(store, 8)
    project.db._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(project.path / "project.db", project.path / "copy")
    for ending in ("-wal", "-shm"):
        (project.path / f"project.db{ending}").unlink()
    os.replace(project.path / "copy", project.path / "project.db")
    dab(store, 60, 60, 99)
    labels, state = store.labels.copy(), store.state.copy()
    project.close()
    is_whole(project.path, labels, state)


# --- a shorter log ----------------------------------------------------------------------------------


def test_a_compacted_log_leads_to_the_same_labels_and_keeps_the_history(project, tmp_path):
    store = project.store("cells")
    strokes(store, 50)
    store.undo()
    strokes(store, 20, first=200)
    labels, state, history = store.labels.copy(), store.state.copy(), store.all_rows()
    project.close()
    with Project.open(project.path) as again:
        again.store("cells")
        with pytest.raises(CellsegError, match="is open"):
            compact(again, keep=15)
        again.release("cells")
        assert log_size(again, keep=15) == LogSize(len(history), 56, again.db.size())
        assert log_size(again).old == 0
        done = compact(again, keep=15)
        assert done.edits == 56
        assert log_size(again, keep=15).edits == 16
        assert len(again.store("cells").rows()) == 16
        assert again.store("cells").all_rows() == history
        assert len(list(again.store("cells").history())) == 71
        with pytest.raises(CellsegError, match="folded"):
            again.store("cells").restore(history[4].n)
    is_whole(project.path, labels, state)
    with Project.open(project.path) as third:
        store = third.store("cells")
        for _ in range(15):
            assert store.undo()
        assert store.act("undo") is None
        for _ in range(15):
            assert store.redo()
        np.testing.assert_array_equal(store.labels, labels)
        text = write_history(tmp_path / "h.csv", third.db.history("cells")).read_text()
        assert text.count("brush") == 70
        assert len(text.splitlines()) == 1 + 101
        third.release("cells")
        assert compact(third, keep=1000).edits == 0
    with Project.recover(project.path) as fourth:
        np.testing.assert_array_equal(fourth.load_labels("cells")[0], labels)
        assert len(fourth.db.history("cells")) == 101


def test_the_log_of_an_older_snapshot_begins_with_what_was_folded(project):
    store = project.store("cells")
    dab(store, 3, 3, 1)
    store.snapshot()
    dab(store, 3, 3, 0)  # gone again: the folded row does not name these voxels
    strokes(store, 30, first=50)
    labels, state = store.labels.copy(), store.state.copy()
    killed(project)
    with Project.open(project.path) as again:
        assert compact(again, keep=3).edits > 20
        again._stores.clear()
    is_whole(project.path, labels, state)


def test_compacting_is_whole_or_not_at_all(project, monkeypatch):
    store = project.store("cells")
    strokes(store, 30)
    rows, labels, state = store.rows(), store.labels.copy(), store.state.copy()

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("napari_cellseg.project._db.Database.fold", full)
        project.release("cells")
        with pytest.raises(CellsegError, match="disk is full"):
            compact(project, keep=3)
    assert project.store("cells").rows() == rows
    project.close()
    is_whole(project.path, labels, state)


def test_what_no_model_has_learnt_from_is_not_folded(trained, tmp_path):
    path = tmp_path / "t.cellseg"
    shutil.copytree(trained, path)
    shutil.copy(trained.with_name("cells1.npy"), tmp_path)
    shutil.copy(trained.with_name("cells2.npy"), tmp_path)
    with Project.open(path) as project:
        until = project.model_card(project.current_model).edits_until
        store = project.store(project.images()[0].id)
        strokes(store, 12, first=7000)
        new = [row for row in store.rows() if row.n > until]
        project.release(store.record.id)
        compact(project, keep=1)
        assert [row for row in project.db.rows_after(store.record.id, until)] == new  # noqa: C416 - rows, not a copy


def test_compact_on_the_command_line(project, capsys):
    strokes(project.store("cells"), 30)
    project.close()
    with Project.open(project.path) as window:
        assert window.claim()
        assert main(["compact", str(project.path), "--keep", "5"]) == 2
    assert main(["compact", str(project.path), "--keep", "5"]) == 0
    assert "Folded 25 edits" in capsys.readouterr().out
    assert main(["history", str(project.path)]) == 0
    assert capsys.readouterr().out.count("brush") == 30


def test_it_works_from_any_folder(project, monkeypatch):
    labels, state = damaged_project(project)
    monkeypatch.chdir(project.path.parent)
    Project.recover(Path(project.path.name)).close()
    is_whole(project.path, labels, state)


def test_opening_while_another_connection_writes_finds_no_damage(project):
    """The write-ahead log is begun over and over; what was seen of it a moment ago proves nothing then."""
    wrong, done = [], threading.Event()

    def look():
        while not done.is_set():
            try:
                with Project.open(project.path) as other:
                    other.db.log_ends()
            except CellsegError as error:
                wrong.append(str(error))

    def copy():
        """Copy the log: SQLite says -1 for its length to whoever asks meanwhile, which proves nothing."""
        with closing(sqlite3.connect(project.path / "project.db", timeout=20)) as other:
            while not done.is_set():
                other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    threads = [threading.Thread(target=work) for work in (look, look, look, copy, copy)]
    for thread in threads:
        thread.start()
    strokes(project.store("cells"), 60)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert project.db.last_edit() == 60

"""Locks that keep other processes from taking the database away under this one: nothing we do drops them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg import edits
from napari_cellseg.project import Project, compact, difference, save_elsewhere
from napari_cellseg.project._connection import _begun_again, _check_frames, connected
from napari_cellseg.project._locked import _kept, first_bytes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks belong to handles there, and nothing drops them")

SHARED = 0x40000000 + 2
"""Where SQLite's connections lock the database, so that no other one is the last (SQLite, os_unix.c)."""
DEAD_MAN = 120 + 8
"""Where they lock the index of the write-ahead log, so that no other one is the first and cuts it off."""
PROBE = """
import fcntl, os, sys
path, start, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
number = os.open(path, os.O_RDWR)
try:
    fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    print("free")
except OSError:
    print("held")
"""


def held(folder: Path) -> tuple[bool, bool]:
    """Whether database and index are locked, as another process sees it."""
    answers = [
        subprocess.run(
            [sys.executable, "-c", PROBE, str(folder / name), str(start), str(length)], capture_output=True, text=True
        ).stdout.strip()
        for name, start, length in (("project.db", SHARED, 510), ("project.db-shm", DEAD_MAN, 1))
    ]
    assert set(answers) <= {"held", "free"}, answers
    return answers[0] == "held", answers[1] == "held"


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((40, 50)).astype(np.float32))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy")
        yield project


def paint(project: Project, id: int) -> None:
    store = project.store("a")
    box = (slice(0, 9), slice(0, 9))
    state = np.ones((9, 9), np.uint8)
    store.apply(difference("brush", store.labels, store.state, box, np.full((9, 9), id, np.uint32), state))


def test_the_probe_sees_what_closing_a_file_drops(opened):
    assert held(opened.path) == (True, True)
    (opened.path / "project.db-shm").open("rb").close()
    assert held(opened.path) == (True, False)


def test_looking_at_the_index_drops_no_lock(opened):
    database = opened.path / "project.db"
    _begun_again(database)
    assert held(opened.path) == (True, True)
    assert first_bytes(opened.path / "project.db-shm", 4) == (opened.path / "project.db-shm").read_bytes()[:4]


def test_nothing_that_a_window_does_drops_locks(opened, tmp_path):
    """Other connections of the same process come and go meanwhile, as in its helper threads."""
    paint(opened, 1)
    with Project.open(opened.path) as other:
        assert other.load_labels("a")[0].any()
        _check_frames(other.db._connection, opened.path / "project.db")
    connected(opened.path / "project.db").close()
    paint(opened, 2)
    save_elsewhere(opened, tmp_path / "copy")
    opened.store("a").snapshot()
    store = opened.store("a")
    store.apply(edits.approve_box(edits.EditContext.on(store), (slice(0, 20), slice(0, 20))))
    with Project.open(opened.path) as other:
        compact(other, keep=1, claimed=True)
    opened.images()
    assert held(opened.path) == (True, True)


def test_descriptors_of_deleted_files_are_not_kept(tmp_path):
    for n in range(5):
        path = tmp_path / f"{n}"
        path.write_bytes(b"abcdef")
        assert first_bytes(path, 3) == b"abc"
        assert first_bytes(path, 9) == b"abcdef"
        path.unlink()
    path.write_bytes(b"again")
    assert first_bytes(path, 9) == b"again"
    inside = [key for key in _kept if key[1] == path.stat().st_ino]
    assert len(inside) == 1
    assert sum(os.fstat(n[0]).st_nlink == 0 for n in _kept.values()) == 0
    with pytest.raises(FileNotFoundError):
        first_bytes(tmp_path / "nothing", 3)

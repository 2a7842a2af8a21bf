"""Labels that do not fit into memory: mapped files do what arrays in memory do, to the voxel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cellseg import edits
from napari_cellseg.data import TrainingSet
from napari_cellseg.engine import PredictJob, write_prediction
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Predicted
from napari_cellseg.project import (
    Objects,
    Project,
    _grids,
    _snapshot,
    assign_holdouts,
    difference,
    forecast,
    image_status,
    labels_before,
    new_project,
)
from napari_cellseg.project._snapshot import read_snapshot, write_snapshot
from napari_cellseg.samples import synthetic_cells

BLOCK = (2, 32, 32)
SHAPES = [pytest.param((5, 70, 81), id="3D"), pytest.param((90, 101), id="2D")]


def mapped_again(monkeypatch):
    """Every image is too large for memory, and has several blocks."""
    monkeypatch.setattr(_grids, "BLOCK", BLOCK)
    monkeypatch.setattr(_snapshot, "BLOCK", BLOCK)
    monkeypatch.setenv("CELLSEG_LABELS_IN_MEMORY", "0")


@pytest.fixture
def mapped(monkeypatch):
    mapped_again(monkeypatch)


def in_memory(monkeypatch):
    monkeypatch.delenv("CELLSEG_LABELS_IN_MEMORY")


def make(folder: Path, shape: tuple[int, ...], name: str = "p") -> tuple[Project, str]:
    image, labels = synthetic_cells(shape, 14, radius=8, seed=3)
    np.save(folder / f"{name}.npy", image)
    project = new_project(folder / name)
    (id,) = project.add_image(folder / f"{name}.npy", axes="ZYX"[-len(shape) :])
    project.draft_labels(id, labels)
    return project, id


def correct(project: Project, id: str, n: int) -> None:
    """Approve some objects as a person does."""
    store = project.store(id)
    for label in store.objects.ids()[:n].tolist():
        context = edits.EditContext.on(store)
        store.apply(edits.approve_object(context, context.piece(label)))


def dab(store, at: tuple[int, ...]) -> None:
    """A corrected voxel."""
    box = tuple(slice(a, a + 1) for a in at)
    one = (1,) * len(at)
    store.apply(difference("brush", store.labels, store.state, box, np.full(one, 800), np.ones(one, np.uint8)))


ACTS = st.lists(
    st.tuples(st.sampled_from(["paint", "undo", "redo", "snapshot", "restore", "again"]), st.integers(0, 10**6)),
    min_size=1, max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=ACTS)
def test_a_session_is_the_same_as_in_memory(tmp_path_factory, monkeypatch, shape, acts):
    monkeypatch.setattr(_grids, "BLOCK", BLOCK)
    monkeypatch.setattr(_snapshot, "BLOCK", BLOCK)
    folder, found = tmp_path_factory.mktemp("session"), {}
    for memory in ("0", "2"):
        monkeypatch.setenv("CELLSEG_LABELS_IN_MEMORY", memory)
        project, id = make(folder, shape, f"p{memory}")
        for act, seed in acts:
            project = played(project, id, act, seed)
        store = project.store(id)
        assert _grids.is_mapped(store.labels) == (memory == "0")
        fresh = Objects(np.array(store.labels), np.array(store.state))
        assert store.objects.ids().tolist() == fresh.ids().tolist()
        assert [store.objects.count(i) for i in fresh.ids()] == [fresh.count(i) for i in fresh.ids()]
        assert store.objects.known() == fresh.known()
        store.watch()
        assert store.is_as_logged()
        found[memory] = np.array(store.labels), np.array(store.state), image_status(project, id), forecast(project)
        project.close()
    for mine, theirs in zip(*found.values(), strict=True):
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, theirs)
        else:
            assert mine == theirs


def played(project: Project, id: str, act: str, seed: int) -> Project:
    """One act of a session; the project, which may have been opened again."""
    store, rng = project.store(id), np.random.default_rng(seed)
    if act == "paint":
        low = [int(rng.integers(0, n - 3)) for n in store.labels.shape]
        side = int(rng.integers(1, 40))
        box = tuple(slice(a, min(n, a + side)) for a, n in zip(low, store.labels.shape, strict=True))
        shape = store.labels[box].shape
        new = np.full(shape, int(rng.integers(0, 9)), np.uint32), np.full(shape, int(rng.integers(0, 3)), np.uint8)
        store.apply(difference("brush", store.labels, store.state, box, *new))
    elif act in ("undo", "redo"):
        getattr(store, act)()
    elif act == "snapshot":
        store.snapshot(force=bool(seed % 2))
    elif act == "restore":
        rows = store.rows()
        store.restore(rows[seed % len(rows)].n)
    else:
        project.close()
        return Project.open(project.path)
    return project


def test_a_snapshot_writes_only_what_was_changed(tmp_path, mapped):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        store, path = project.store(id), project.path / "images" / id / "labels.zarr"
        store.snapshot()
        before = {p.relative_to(path): p.stat().st_ino for p in (path / "c").rglob("*") if p.is_file()}
        box = (slice(0, 1), slice(0, 4), slice(0, 4))
        new = np.full((1, 4, 4), 500, np.uint32), np.full((1, 4, 4), 1, np.uint8)
        store.apply(difference("brush", store.labels, store.state, box, *new))
        store.snapshot()
        after = {p.relative_to(path): p.stat().st_ino for p in (path / "c").rglob("*") if p.is_file()}
        assert [str(name) for name in after if after[name] != before.get(name)] == ["c/0/0/0"]
        found = read_snapshot(path)
        np.testing.assert_array_equal(found.array, store.labels)
        assert found.n == store.n


@pytest.mark.parametrize("damage", ["gone", "changed", "swapped"])
def test_a_damaged_block_is_noticed_and_the_log_has_everything(tmp_path, mapped, damage):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        project.store(id).snapshot()
        expected = np.array(project.store(id).labels)
    blocks = sorted(p for p in (project.path / "images" / id / "labels.zarr" / "c").rglob("*") if p.is_file())
    assert len(blocks) > 4
    if damage == "gone":
        blocks[1].unlink()
    elif damage == "changed":
        blocks[1].write_bytes(blocks[1].read_bytes()[:-9])
    else:
        shutil.copyfile(blocks[2], blocks[1])
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store(id).labels, expected)


def test_either_kind_reads_the_snapshots_of_the_other(tmp_path, mapped, monkeypatch):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        project.store(id).snapshot(force=True)
        expected = np.array(project.store(id).labels)
    path = project.path / "images" / id / "labels.zarr"
    in_memory(monkeypatch)
    assert not _grids.is_mapped(read_snapshot(path).array)
    with Project.open(project.path) as again:
        np.testing.assert_array_equal(again.store(id).labels, expected)
        again.store(id).snapshot(force=True)
    monkeypatch.setenv("CELLSEG_LABELS_IN_MEMORY", "0")
    found = read_snapshot(path)
    assert _grids.is_mapped(found.array)
    np.testing.assert_array_equal(found.array, expected)


def test_of_two_snapshots_on_the_way_the_later_one_stands(tmp_path, mapped):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        store, path = project.store(id), project.path / "images" / id / "labels.zarr"
        store.snapshot()
        dab(store, (0, 0, 0))
        first = store.prepare_snapshot()
        dab(store, (4, 60, 60))
        second = store.prepare_snapshot()
        second()
        first()
        found = read_snapshot(path)
        assert found.n == store.n
        np.testing.assert_array_equal(found.array, store.labels)


def test_an_edit_between_two_blocks_is_not_in_the_snapshot_or_prevents_it(tmp_path, mapped, monkeypatch):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        store, path = project.store(id), project.path / "images" / id / "labels.zarr"
        expected, n, holds, calls = np.array(store.labels), store.n, _snapshot.Moment.holds, []

        def slow(self, box, values, shape):
            calls.append(box)
            if len(calls) == 2:
                dab(store, (0, 0, 0))  # in the first block, which is written
            return holds(self, box, values, shape)

        monkeypatch.setattr(_snapshot.Moment, "holds", slow)
        write_snapshot(path, store.labels, n, "{}", store._watch.moment())
        monkeypatch.undo()
        mapped_again(monkeypatch)
        assert store.labels[0, 0, 0] == 800
        found = read_snapshot(path)
        assert found.n == n
        np.testing.assert_array_equal(found.array, expected)
        store.snapshot(force=True)
        np.testing.assert_array_equal(read_snapshot(path).array, store.labels)


def test_what_nobody_logged_is_found_in_its_block_and_not_kept(tmp_path, mapped):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        store = project.store(id)
        store.snapshot()
        before = store.labels[4, 40, 40]
        store.labels[4, 40, 40] = 4242
        assert store.unlike() == [(slice(4, 5), slice(32, 64), slice(32, 64))]
        path = project.path / "images" / id / "labels.zarr"
        dab(store, (0, 0, 0))
        store.prepare_snapshot()()
        assert (read_snapshot(path).n, read_snapshot(path).array[4, 40, 40]) == (store.n, before)
        n = store.n
        dab(store, (4, 41, 41))
        store.prepare_snapshot()()
        assert read_snapshot(path).n == n
        store.labels[4, 40, 40] = before
        assert store.is_as_logged()
        store.prepare_snapshot()()
        assert read_snapshot(path).n == store.n


def test_a_killed_process_leaves_no_file_and_loses_nothing(tmp_path, mapped):
    project, id = make(tmp_path, (5, 70, 81))
    project.close()
    script = f"""
import os, signal, numpy as np
from napari_cellseg.project import Project, difference, is_mapped
project = Project.open({str(project.path)!r})
store = project.store({id!r})
assert is_mapped(store.labels)
box = (slice(1, 2), slice(3, 9), slice(3, 9))
store.apply(difference("brush", store.labels, store.state, box, np.full((1, 6, 6), 900), np.ones((1, 6, 6))))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=1500, check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert not list(project.path.rglob("labels-*"))
    with Project.open(project.path) as again:
        assert (again.store(id).labels[1, 3:9, 3:9] == 900).all()


def test_what_is_learnt_is_what_is_learnt_from_memory(tmp_path, mapped, monkeypatch, small_config):
    project, id = make(tmp_path, (5, 128, 160))
    with project:
        correct(project, id, 4)
        config = small_config.with_values(["train.patch=32", "train.margin=4", "object_size=0"])
        held, mine = assign_holdouts(project), TrainingSet(project, config)
        in_memory(monkeypatch)
        again, theirs = assign_holdouts(project), TrainingSet(project, config)
        assert held == again
        assert held
        assert [p.objects for p in mine.planes] == [p.objects for p in theirs.planes]
        assert mine.known_voxels() == theirs.known_voxels()
        for a, b in zip(mine.planes, theirs.planes, strict=True):
            assert a.pixels.shape[-1] < b.pixels.shape[-1]  # a part of the plane
            np.testing.assert_array_equal(a.target[:, a.known], b.target[:, b.known])
            np.testing.assert_allclose(a.pixels[:, a.known], b.pixels[:, b.known], atol=1e-6)


def test_a_prediction_larger_than_memory_is_written_block_by_block(tmp_path, mapped, monkeypatch):
    project, id = make(tmp_path, (5, 70, 81))
    truth = synthetic_cells((5, 70, 81), 14, radius=8, seed=9)[1]
    with project:
        correct(project, id, 2)
        store = project.store(id)
        before, state = np.array(store.labels), np.array(store.state)
        top = store.next_id()
        from napari_cellseg.edits import _large

        monkeypatch.setattr(_large, "MOST", 1000)
        box = tuple((0, n) for n in truth.shape)
        found = Predicted(id, "m", truth, 1.0, box, len(np.unique(truth)) - 1)
        write_prediction(project, found, PredictJob(project.path, (id,), (project.current_model,)))
        np.testing.assert_array_equal(store.labels[state > 0], before[state > 0])
        free = state == 0
        np.testing.assert_array_equal(store.labels[free], np.where(truth > 0, truth + top - 1, 0)[free])
        assert len(store.undo()) > 1
        np.testing.assert_array_equal(store.labels, before)


def test_no_room_is_a_message_before_anything_is_written(tmp_path, mapped, monkeypatch):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        store = project.store(id)
        n, before = store.n, np.array(store.labels)
        monkeypatch.setattr(_grids, "_free", lambda folder: 1 << 20)
        box = (slice(0, 1), slice(0, 70), slice(0, 81))
        new = np.full((1, 70, 81), 9, np.uint32), np.full((1, 70, 81), 1, np.uint8)
        _grids._file(store.labels).written[...] = 0  # as if nothing had been written yet
        with pytest.raises(CellsegError, match="nearly full"):
            store.apply(difference("brush", store.labels, store.state, box, *new))
        assert store.n == n == store.last_row().n
        np.testing.assert_array_equal(store.labels, before)
    np.save(tmp_path / "b.npy", synthetic_cells((5, 70, 81), 5, radius=8, seed=1)[0])
    with Project.open(project.path) as again, pytest.raises(CellsegError, match="of disk, of which") as told:
        again.add_image(tmp_path / "b.npy")
    assert "Make room" in told.value.hint


def test_what_needs_all_of_it_in_memory_says_so_with_numbers(tmp_path, mapped, monkeypatch):
    project, id = make(tmp_path, (5, 70, 81))
    with project:
        assert not _grids.is_mapped(project.load_labels(id)[0])  # there is room for a copy
        monkeypatch.setattr(_grids.pictures, "memory_left", lambda: 100_000)
        with pytest.raises(CellsegError, match=r"needs all labels of .* 5 x 70 x 81") as told:
            project.load_labels(id)
        assert "crop" in told.value.hint
        assert labels_before(project, id) is not None  # as a mapped array


def test_islands_hold_all_that_is_known_and_do_not_meet(tmp_path, mapped):
    rng = np.random.default_rng(0)
    for _ in range(30):
        state = _grids.zeros((9, 200, 230), np.uint8, tmp_path, mapped=True)
        for _ in range(rng.integers(0, 6)):
            at = tuple(int(rng.integers(0, n)) for n in state.shape)
            state[at] = 1
            _grids.note(state, np.array([np.ravel_multi_index(at, state.shape)]))
        boxes = _grids.islands(state, 10)
        covered = np.zeros(state.shape, int)
        for box in boxes:
            covered[box] += 1
        assert covered.max(initial=0) <= 1
        assert (covered[np.asarray(state) > 0] == 1).all()

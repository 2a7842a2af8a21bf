"""Objects through time: links, divisions, gaps, what persons say, what goes out; on movies whose truth is known."""

from __future__ import annotations

import csv
import importlib.util
import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.api import OpenProject, Plating
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import review_order
from napari_cellseg.project import (
    APPROVED,
    CORRECTED,
    Addition,
    Project,
    difference,
    remove_image,
    rename_image,
    restore_image,
    time_series_in,
)
from napari_cellseg.samples import moving_cells
from napari_cellseg.tracks import (
    Linking,
    Said,
    Tracker,
    Tracks,
    Word,
    compare_tracks,
    kept_tracks,
    lineages,
    napari_tracks,
    outdated,
    say,
    track,
    track_doubts,
    track_rows,
    track_series,
    without_gaps,
    write_ctc,
    write_tracks_csv,
)
from napari_cellseg.tracks._carry import _Copies
from napari_cellseg.tracks._laptrack import without_cuts


def truth_of(labels, parents):
    """The tracks of labels that are track numbers."""
    rows = [(t, n) for t, frame in enumerate(labels) for n in np.unique(frame[frame > 0]).tolist()]
    frames, numbers = np.array(rows, np.int64).T
    middles = np.array([np.argwhere(labels[t] == n).mean(0) for t, n in rows])
    return Tracks(frames, numbers, numbers, middles, np.ones(len(rows), np.int64), parents, len(labels))


def shuffled(labels, seed):
    """The same objects with other numbers in every frame; and what each was."""
    rng = np.random.default_rng(seed)
    out, was = np.zeros_like(labels), {}
    for t, frame in enumerate(labels):
        ids = np.unique(frame[frame > 0])
        new = rng.permutation(np.arange(1, 3 * len(ids) + 1))[: len(ids)]
        for old, number in zip(ids.tolist(), new.tolist(), strict=True):
            out[t][frame == old] = number
            was[t, number] = old
    return out, was


def groups(tracks, was=None):
    """Tracks as sets of objects."""
    found = {}
    for key, number in tracks.by_object.items():
        found.setdefault(number, set()).add(key if was is None else (key[0], was[key]))
    return {frozenset(objects) for objects in found.values()}


def disc(shape, middle, radius, label=1):
    grid = np.stack(np.indices(shape), axis=-1)
    return np.where(((grid - np.array(middle)) ** 2).sum(-1) <= radius**2, label, 0).astype(np.uint32)


# --- on movies with known truth -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("shape", "speed", "cells", "dividing"),
    [((160, 160), 2.0, 14, 4), ((160, 160), 5.0, 10, 2), ((20, 72, 72), 2.0, 6, 2)],
    ids=["slow", "fast", "3d"],
)
def test_movies_are_tracked_as_they_were_made(shape, speed, cells, dividing, seed):
    _, labels, parents = moving_cells(shape, 14, cells, radius=7, speed=speed, dividing=dividing, seed=seed)
    mixed, was = shuffled(labels, seed)
    found = track(mixed)
    truth = truth_of(labels, parents)
    as_true = Tracks(
        found.frames, np.array([was[k] for k in zip(found.frames.tolist(), found.labels.tolist(), strict=True)]),
        found.tracks, found.middles, found.sizes, found.parents, found.n_frames,
    )  # fmt: skip
    figures = compare_tracks(truth, as_true)
    assert figures["link_precision"] > 0.98, figures
    assert figures["link_recall"] > 0.98, figures
    assert figures["division_f1"] >= 0.75, figures
    assert figures["complete_tracks"] > 0.8, figures  # fast cells that pass each other may be swapped


def test_truth_agrees_with_itself_and_with_nothing_badly():
    _, labels, parents = moving_cells(dividing=3, seed=1)
    truth = truth_of(labels, parents)
    assert set(compare_tracks(truth, truth).values()) == {1.0}
    alone = Tracker(Linking(overlap=1.0, reach=0.0, gaps=0, divisions=False))
    for frame in shuffled(labels, 0)[0]:
        alone.add(frame)
    figures = compare_tracks(truth, alone.result())
    assert figures["link_recall"] < 0.1
    assert figures["division_f1"] == 0.0


def test_cells_that_jump_further_than_they_are_wide_are_found_by_how_they_moved():
    """No overlap from frame to frame but in the first step, and a neighbour lies where each was."""
    path = [10, 14, 22, 34, 50, 66]
    frames = [disc((40, 100), (12, x), 5) | disc((40, 100), (30, x), 5, 2) for x in path]
    found = track(frames)
    assert len(found) == 2
    assert groups(found) == {frozenset((t, n) for t in range(6)) for n in (1, 2)}


def test_the_stage_moved():
    _, labels, _ = moving_cells((160, 160), 2, 12, radius=6, speed=0.0, dividing=0, seed=3)
    moved = np.zeros_like(labels[0])
    moved[5:, 4:] = labels[0][:-5, :-4]
    found = track([labels[0], moved])
    assert groups(found) >= {frozenset({(0, n), (1, n)}) for n in np.unique(moved[moved > 0]).tolist()}


# --- divisions and gaps -----------------------------------------------------------------------------


def dividing(shape=(60, 60)):
    mother = [disc(shape, (30, 30), 9)] * 3
    daughters = [disc(shape, (30 - k, 30), 6.3) | disc(shape, (30 + k, 30), 6.3, 2) for k in (7, 8, 10)]
    return [*mother, *daughters]


def test_a_division_has_a_mother_and_two_daughters():
    found = track(dividing())
    assert [(s.first, s.last, s.parent) for s in found.spans] == [(0, 2, 0), (3, 5, 1), (3, 5, 1)]
    assert found.divisions == {1: (2, 3)}
    assert lineages(found) == {1: 1, 2: 1, 3: 1}
    assert track(dividing(), Linking(divisions=False)).parents == {}


def test_a_cell_that_comes_in_beside_another_is_no_daughter():
    still = disc((60, 90), (30, 30), 9)
    frames = [still, still, still | disc((60, 90), (30, 50), 9, 2)]
    assert track(frames).parents == {}


@pytest.mark.parametrize(("gaps", "tracks"), [(0, 2), (1, 1), (3, 1)])
def test_a_cell_that_is_missed_once_goes_on(gaps, tracks):
    here = disc((40, 40), (20, 20), 6)
    frames = [here, here, np.zeros_like(here), here, here]
    assert len(track(frames, Linking(gaps=gaps))) == tracks


def test_gaps_are_two_tracks_with_a_mother_in_the_ctc(tmp_path):
    here = disc((40, 40), (20, 20), 6)
    frames = [here, np.zeros_like(here), here * 7]
    found = track(frames)
    numbers, parents = without_gaps(found)
    assert (numbers.tolist(), parents) == ([1, 2], {2: 1})
    write_ctc(tmp_path / "out", found, lambda t: frames[t])
    assert (tmp_path / "out" / "res_track.txt").read_text() == "1 0 0 0\n2 2 2 1\n"


def test_empty_frames_and_single_ones():
    empty = np.zeros((20, 20), np.uint32)
    assert len(track([])) == 0
    assert len(track([empty, empty])) == 0
    found = track([empty, disc((20, 20), (9, 9), 4), empty])
    assert found.spans == [(1, 1, 1, 0)]
    assert napari_tracks(found)[0].shape == (1, 4)


# --- properties -------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), speed=st.floats(0, 6), deep=st.booleans())
def test_numbers_of_labels_do_not_matter(seed, speed, deep):
    shape = (8, 40, 40) if deep else (64, 64)
    _, labels, _ = moving_cells(shape, 5, 5, radius=5, speed=speed, dividing=1, seed=seed)
    one, was_one = shuffled(labels, seed)
    other, was_other = shuffled(labels, seed + 1)
    a, b = track(one), track(other)
    assert groups(a, was_one) == groups(b, was_other)
    assert a.tracks.tolist() == b.tracks.tolist()
    assert a.parents == b.parents


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_what_stands_still_keeps_its_track(seed, n):
    _, labels, _ = moving_cells((64, 64), 1, 6, radius=5, speed=0, dividing=0, seed=seed)
    found = track([labels[0]] * n)
    assert groups(found) == {frozenset((t, k) for t in range(n)) for k in np.unique(labels[0][labels[0] > 0]).tolist()}
    assert found.parents == {}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), gaps=st.integers(0, 3))
def test_every_object_has_one_track_and_every_track_one_object_a_frame(seed, gaps):
    _, labels, _ = moving_cells((64, 64), 6, 6, radius=6, speed=5, dividing=2, seed=seed)
    rng = np.random.default_rng(seed)
    for frame in labels:  # some are missed
        for n in np.unique(frame[frame > 0]).tolist():
            if rng.random() < 0.15:
                frame[frame == n] = 0
    found = track(labels, Linking(gaps=gaps))
    assert len(found.frames) == sum(len(np.unique(f[f > 0])) for f in labels)
    assert len(set(zip(found.frames.tolist(), found.tracks.tolist(), strict=True))) == len(found.frames)
    spans = {s.track: s for s in found.spans}
    for child, parent in found.parents.items():
        assert spans[parent].last < spans[child].first
    for span in found.spans:
        at = np.sort(found.frames[found.tracks == span.track])
        assert np.diff(at).max(initial=1) <= gaps + 1


def test_spacing_counts():
    """Slices far apart: what lies in the next slice is not near."""
    frames = [np.zeros((6, 40, 40), np.uint32) for _ in range(2)]
    frames[0][1, 10:16, 10:16] = 1
    frames[1][3, 10:16, 10:16] = 1
    assert len(track(frames, spacing=(1.0, 1.0, 1.0))) == 1
    assert len(track(frames, spacing=(10.0, 1.0, 1.0))) == 2


# --- what persons say -------------------------------------------------------------------------------


def far_apart():
    return [disc((40, 120), (20, 15), 6), disc((40, 120), (20, 60), 6, 4), disc((40, 120), (20, 62), 6, 2)]


def test_a_link_that_a_person_made_holds():
    assert len(track(far_apart())) == 2
    found = track(far_apart(), said=[Said((0, 1), (1, 4), True)])
    assert groups(found) == {frozenset({(0, 1), (1, 4), (2, 2)})}


def test_a_link_that_a_person_cut_is_not_made_again():
    found = track(far_apart(), said=[Said((1, 4), (2, 2), False)])
    assert len(found) == 3
    again = [Said((1, 4), (2, 2), False), Said((1, 4), (2, 2), True)]
    assert len(track(far_apart(), said=again)) == 2


def test_a_person_says_a_division():
    frames = [disc((40, 120), (20, 15), 6), disc((40, 120), (20, 15), 6, 1) | disc((40, 120), (20, 90), 6, 2)]
    found = track(frames, said=[Said((0, 1), (1, 1), True), Said((0, 1), (1, 2), True)])
    assert [(s.first, s.parent) for s in found.spans] == [(0, 0), (1, 1), (1, 1)]


def test_a_link_over_frames_leaves_what_is_between_to_itself():
    still = disc((40, 60), (20, 20), 6)
    frames = [still, still, still | disc((40, 60), (20, 45), 5, 2)]
    found = track(frames, said=[Said((0, 1), (2, 2), True)])
    assert groups(found) == {frozenset({(0, 1), (2, 2)}), frozenset({(1, 1), (2, 1)})}


def test_numbers_of_tracks_stay():
    _, labels, _ = moving_cells(dividing=0, seed=4)
    before = track(labels)
    labels[0][labels[0] == labels[0].max()] = 0  # the first in raster order may be another one now
    tracker = Tracker()
    for frame in labels:
        tracker.add(frame)
    after = tracker.result(before.by_object)
    same = [after.by_object[k] == n for k, n in before.by_object.items() if k in after.by_object]
    assert np.mean(same) == 1.0


# --- in a project -----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    pictures, labels, parents = moving_cells((96, 96), 6, 6, radius=6, dividing=1, seed=5)
    tifffile.imwrite(
        tmp_path / "film.ome.tif", pictures, ome=True,
        metadata={"axes": "TYX", "TimeIncrement": 10, "TimeIncrementUnit": "min", "PhysicalSizeX": 0.5,
                  "PhysicalSizeY": 0.5},
    )  # fmt: skip
    with Project.create(tmp_path / "p") as made:
        made.add_image(tmp_path / "film.ome.tif", labels=shuffled(labels, 2)[0])
        yield made


def series_of(project):
    (series,) = time_series_in(project.images()).values()
    return series


def test_tracks_are_kept_and_labels_untouched(project):
    series = series_of(project)
    before = [project.load_labels(id)[0] for id in series.ids]
    assert kept_tracks(project, series) is None
    found = track_series(project, series)
    back = kept_tracks(project, series)
    for name in ("frames", "labels", "tracks", "sizes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    np.testing.assert_allclose(back.middles, found.middles, atol=0.006)
    assert (dict(back.parents), back.n_frames) == (dict(found.parents), 6)
    for id, labels in zip(series.ids, before, strict=True):
        np.testing.assert_array_equal(project.load_labels(id)[0], labels)
    assert outdated(project, series) == ()
    project.approve_labels(series.ids[2], np.zeros((96, 96), np.uint32))
    assert outdated(project, series) == (series.ids[2],)


def test_what_was_said_outlives_tracking_renumbering_renaming_and_removal(project):
    series = series_of(project)
    found = track_series(project, series)
    (a, b) = next(iter(sorted(found.links())))
    points = [tuple(np.argwhere(project.load_labels(series.ids[t])[0] == n)[0].tolist()) for t, n in (a, b)]
    say(project, Word(series.ids[b[0]], points[1], b[0] - a[0], points[0], linked=False))
    later = project.load_labels(series.ids[b[0]])[0]
    project.approve_labels(series.ids[b[0]], np.where(later > 0, later + 100, 0).astype(np.uint32))
    b = (b[0], b[1] + 100)
    for _ in range(2):
        assert (a, b) not in track_series(project, series).links()
    rename_image(project, "film", "cells")
    assert (a, b) not in track_series(project, series_of(project)).links()
    restore_image(project, remove_image(project, "cells").key)
    assert kept_tracks(project, series_of(project)) is not None
    assert (a, b) not in track_series(project, series_of(project)).links()
    assert project.db.rows("SELECT COUNT(*) FROM track_links") == [(1,)]


def test_what_was_said_survives_a_lost_database(project):
    series = series_of(project)
    track_series(project, series)
    say(project, Word(series.ids[1], (3, 4), 1, (5, 6), linked=True))
    path = project.path
    project.close()
    data = bytearray((path / "project.db").read_bytes())
    data[100:180] = b"\xff" * 80  # the schema
    (path / "project.db").write_bytes(bytes(data))
    with Project.recover(path) as again:
        said = [json.loads(text) for (text,) in again.db.rows("SELECT said FROM track_links")]
        assert said == [{"point": [3, 4], "back": 1, "earlier": [5, 6], "linked": True}]
        assert series_of(again).ids == series.ids


def test_labels_that_are_classes_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", moving_cells(frames=2)[0])
    with Project.create(tmp_path / "p", "semantic", ("cell",)) as project:
        project.add_image(tmp_path / "a.npy", axes="TYX")
        with pytest.raises(CellsegError, match="classes"):
            track_series(project, series_of(project))


# --- out --------------------------------------------------------------------------------------------


def test_the_table_has_a_row_per_object(project, tmp_path):
    series = series_of(project)
    found = track_series(project, series)
    times = [600.0 * t for t in range(6)]
    path = write_tracks_csv(tmp_path / "t.csv", track_rows(found, "film", series.ids, times, (0.5, 0.5)))
    rows = list(csv.DictReader(path.open()))
    assert len(rows) == len(found.frames)
    assert {r["unit"] for r in rows} == {"um"}
    assert rows[0]["series"] == "film"
    one = rows[3]
    middle = np.argwhere(project.load_labels(one["image"])[0] == int(one["label"])).mean(0) * 0.5
    assert (float(one["y"]), float(one["x"])) == pytest.approx(tuple(middle), abs=1e-3)
    assert float(one["time_s"]) == 600.0 * int(one["frame"])


def test_napari_takes_the_array(project):
    from napari.layers import Tracks as Layer

    found = track_series(project, series_of(project))
    data, graph = napari_tracks(found)
    layer = Layer(data, graph=graph)
    assert layer.data.shape == (len(found.frames), 4)
    assert {k: list(v) for k, v in layer.graph.items()} == graph
    assert len(graph) == 2


@pytest.mark.parametrize("truth", [False, True])
def test_the_folder_of_the_ctc(project, tmp_path, truth):
    series = series_of(project)
    found = track_series(project, series)
    files = write_ctc(tmp_path / "ctc", found, lambda t: project.load_labels(series.ids[t])[0], truth=truth)
    names = [f.name for f in files]
    assert names[0] == ("man_track.txt" if truth else "mask000.tif")
    table = [
        list(map(int, line.split()))
        for line in (tmp_path / "ctc" / ("man_track.txt" if truth else "res_track.txt")).read_text().splitlines()
    ]
    assert table == [list(s) for s in found.spans]
    for t, id in enumerate(series.ids):
        masks = tifffile.imread(tmp_path / "ctc" / f"{'man_track' if truth else 'mask'}{t:03d}.tif")
        labels, tracks = project.load_labels(id)[0], found.at(t)
        assert masks.dtype == np.uint16
        np.testing.assert_array_equal(masks, np.vectorize(lambda n, own=tracks: own.get(n, 0))(labels))
    with pytest.raises(CellsegError, match="not empty"):
        write_ctc(tmp_path / "ctc", found, lambda t: project.load_labels(series.ids[t])[0])


# --- verbs ------------------------------------------------------------------------------------------


def test_python_and_the_command_line_track_alike(project, tmp_path, capsys):
    path = project.path
    done = OpenProject(project).track(out=tmp_path / "py", settings={"gaps": 2})
    project.close()
    assert (
        main(["track", str(path), "--set", "gaps=2", "--out", str(tmp_path / "cli"), "--json", str(tmp_path / "j")])
        == 0
    )
    said = capsys.readouterr().out
    assert "film: 8 tracks of" in said
    assert ", 1 divisions," in said
    assert (tmp_path / "py" / "tracks.csv").read_text() == (tmp_path / "cli" / "tracks.csv").read_text()
    counts = json.loads((tmp_path / "j").read_text())["film"]
    assert (counts["tracks"], counts["divisions"]) == (len(done.tracks["film"]), 1)
    assert main(["track", str(path), "--out", str(tmp_path / "c"), "--export", "ctc"]) == 0
    assert (tmp_path / "c" / "film" / "res_track.txt").is_file()
    assert main(["track", str(path), "--out", str(tmp_path / "c"), "--export", "ctc"]) == 2
    assert main(["track", str(path), "--set", "gaps=-1"]) == 2
    assert main(["track", str(path), "--series", "no"]) == 2
    assert "There is no time series 'no'" in capsys.readouterr().err


def test_links_are_said_and_cut_by_the_command_line(project, capsys):
    path, series = project.path, series_of(project)
    found = track_series(project, series)
    (a, b) = sorted(found.links())[0]
    project.close()
    pair = [series.ids[a[0]], str(a[1]), series.ids[b[0]], str(b[1])]
    assert main(["track", str(path), "--cut", *pair]) == 0
    with Project.open(path) as again:
        assert (a, b) not in kept_tracks(again, series).links()
    assert main(["track", str(path), "--link", *pair]) == 0
    with Project.open(path) as again:
        assert (a, b) in kept_tracks(again, series).links()
    assert main(["track", str(path), "--link", *pair[2:], *pair[:2]]) == 2
    assert main(["track", str(path), "--link", pair[0], "9999", *pair[2:]]) == 2


def test_a_project_without_time_cannot_be_tracked(tmp_path):
    with Project.create(tmp_path / "p") as project, pytest.raises(CellsegError, match="no time series"):
        OpenProject(project).track()


def test_stopping_keeps_the_tracks_that_were(project):
    api = OpenProject(project)
    before = api.track().tracks["film"]
    asked = iter([False, False, True, True])
    assert api.track(stop=lambda: next(asked)).stopped
    np.testing.assert_array_equal(api.tracks("film").tracks, before.tracks)


# --- carrying on ------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path):
    """A cell that moves by three pixels a frame, a neighbour, and a third that a person has corrected in frame 1."""
    frames = [
        disc((60, 80), (20, 20 + 3 * t), 6) | disc((60, 80), (45, 20), 6, 2) | disc((60, 80), (45, 60), 6, 3)
        for t in range(3)
    ]
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 99, (3, 60, 80)).astype(np.uint8))
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "a.npy", axes="TYX", labels=np.stack(frames), draft=True)
        yield project


def approve(project, id, label):
    store = project.store(id)
    state = np.where(store.labels == label, APPROVED, store.state).astype(np.uint8)
    box = tuple(slice(0, n) for n in state.shape)
    store.apply(difference("approve object", store.labels, store.state, box, store.labels, state))
    project.release(id)


def test_approved_objects_are_carried_on_where_their_tracks_go(pair):
    api, series = OpenProject(pair), series_of(pair)
    api.track()
    approve(pair, "a_t0000", 1)
    wrong = pair.load_labels("a_t0001")[0]
    wrong[:22][wrong[:22] == 1] = 0  # half of it was missed
    pair.draft_labels("a_t0001", wrong)
    pair.release("a_t0001")
    api.track()
    done = api.carry_on("a_t0000")
    labels, state = pair.load_labels("a_t0001")
    assert list(done) == [1]
    number = done[1]
    assert number in np.unique(labels)
    area = int((labels == number).sum())
    assert area == int((pair.load_labels("a_t0000")[0] == 1).sum())
    assert (state[labels == number] == CORRECTED).all()
    assert (state[labels != number] == 0).all()
    edits = [row.tool for row in pair.db.rows_after("a_t0001", 0)]
    assert edits.count("carry on") == 1
    store = pair.store("a_t0001")
    store.undo()
    assert not store.state.any()
    assert series.ids[1] == "a_t0001"


def test_what_somebody_has_edited_stays_as_it_is(pair):
    api = OpenProject(pair)
    for label in (1, 3):
        approve(pair, "a_t0000", label)
    approve(pair, "a_t0001", 3)
    before = pair.load_labels("a_t0001")
    assert list(api.carry_on("a_t0000")) == [1]
    labels, state = pair.load_labels("a_t0001")
    same = before[1] > 0
    np.testing.assert_array_equal(labels[same], before[0][same])
    np.testing.assert_array_equal(state[same], before[1][same])


@pytest.mark.parametrize(
    ("image", "objects", "words"),
    [
        ("a_t0002", [1], "last frame"),
        ("a_t0000", [77], "no object 77"),
        ("a_t0000", [], "No object of a_t0000 is approved"),
    ],
)
def test_what_cannot_be_carried_on_is_said(pair, image, objects, words):
    with pytest.raises(CellsegError, match=words):
        OpenProject(pair).carry_on(image, objects)
    assert [len(pair.db.rows_after(r.id, 0)) for r in pair.images()] == [1, 1, 1]


def test_the_command_line_carries_on_through_frames(pair, capsys):
    path = pair.path
    OpenProject(pair).track()
    pair.close()
    assert main(["carry-on", str(path), "--image", "a_t0000", "--object", "1", "--frames", "9"]) == 0
    assert capsys.readouterr().out.count("1 objects carried on") == 2
    with Project.open(path) as project:
        labels, state = project.load_labels("a_t0002")
        (number,) = np.unique(labels[state > 0]).tolist()
        np.testing.assert_allclose(np.argwhere(labels == number).mean(0), (20, 26), atol=0.6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_carrying_on_changes_only_what_nobody_edited(seed):
    """Whatever is there: voxels that are corrected or approved keep label and state, and ids stay one object."""
    _, labels, _ = moving_cells((48, 48), 2, 5, radius=5, speed=3, dividing=0, seed=seed)
    rng = np.random.default_rng(seed)
    state = np.where(rng.random((48, 48)) < 0.3, 1, 0).astype(np.uint8)
    copies = _Copies(labels[1], state)
    for n in np.unique(labels[0][labels[0] > 0]).tolist():
        copies.put(np.argwhere(labels[0] == n) + rng.integers(-3, 4, 2), int(rng.integers(0, 2)) * n)
    edit = copies.edit()
    new, known = labels[1].copy(), state.copy()
    edit.onto(new, known)
    np.testing.assert_array_equal(new[state > 0], labels[1][state > 0])
    np.testing.assert_array_equal(known[state > 0], state[state > 0])


# --- what should be looked at first -----------------------------------------------------------------


def test_tracks_that_break_and_objects_that_jump_in_size_are_looked_at_first():
    places = [(15, 15), (15, 45), (45, 15), (45, 45), (15, 75), (45, 75)]

    def frame(missing=0, large=0):
        out = np.zeros((60, 90), np.uint32)
        for n, place in enumerate(places, 1):
            if n != missing:
                out |= disc(out.shape, place, 8 if n == large else 5.5, n)
        return out

    frames = [frame(), frame(), frame(large=3), frame(missing=5), frame(missing=5)]
    tracks = track(frames, Linking(gaps=0))
    assert track_doubts(tracks, 0)[1] == {"track breaks": 0.0, "jumps in size": 0.0}
    doubts = track_doubts(tracks, 2)
    assert doubts[5]["track breaks"] == 1.0
    assert doubts[3]["jumps in size"] > 0.9
    assert doubts[2] == {"track breaks": 0.0, "jumps in size": 0.0}
    items = review_order(frames[2], np.zeros_like(frames[2], np.uint8), through_time=doubts)
    assert {items[0].id, items[1].id} == {3, 5}
    whys = {item.id: item.why for item in items}
    assert "track breaks" in whys[5]
    assert "jumps in size" in whys[3]


def test_a_division_breaks_no_track():
    tracks = track(dividing())
    assert all(d["track breaks"] == 0.0 for t in range(6) for d in track_doubts(tracks, t).values())


# --- confluency, growth and states over time ----------------------------------------------------------


def test_growth_knows_frames_and_time_step_of_a_series(project, tmp_path):
    """Files of their own, whose names tell no time: the series does."""
    _, labels, _ = moving_cells((96, 96), 4, 4, radius=6, dividing=0, seed=2)
    with Project.create(tmp_path / "g") as grown:
        for n, frame in enumerate(labels, 1):
            frame[frame > n] = 0  # one more cell in every frame
            np.save(
                tmp_path / f"{'wxyz'[n - 1]}.npy", np.random.default_rng(n).integers(0, 99, (96, 96)).astype(np.uint8)
            )
        grown.add_images(
            [
                Addition(tmp_path / f"{c}.npy", labels[n], time_series="run", interval_s=1800.0)
                for n, c in enumerate("wxyz")
            ]
        )
        (row, *_) = OpenProject(grown).measure(plating=Plating(growth=(tmp_path / "g.csv",))).growth.to_dict("records")
    assert (row["of"], row["points"], row["time_unit"]) == ("density", 4, "h")
    slope = np.polyfit([0, 0.5, 1.0, 1.5], np.log([1, 2, 3, 4]), 1)[0]
    assert row["growth_rate"] == pytest.approx(slope)


def test_fucci_has_the_time_points_of_a_series(tmp_path):
    rng = np.random.default_rng(0)
    _, labels, _ = moving_cells((64, 64), 3, 4, radius=6, dividing=0, seed=2)
    for n, frame in enumerate(labels):
        red, green = ((frame > 0) * 100 * (1 + (frame % 2 == k)) for k in (0, 1))
        np.save(
            tmp_path / f"{'abc'[n]}.npy", (np.stack([red, green]) + rng.integers(0, 9, (2, 64, 64))).astype(np.uint8)
        )
    with Project.create(tmp_path / "f") as project:
        project.add_images(
            [Addition(tmp_path / f"{c}.npy", labels[n], axes="CYX", time_series="run") for n, c in enumerate("abc")]
        )
        done = OpenProject(project).fucci(red="1", green="2", red_threshold=150, green_threshold=150)
    assert sorted(set(done.table["time"])) == [0.0, 1.0, 2.0]


# --- laptrack ---------------------------------------------------------------------------------------


def test_without_laptrack_the_message_says_how_to_get_it():
    if importlib.util.find_spec("laptrack") is not None:
        pytest.skip("laptrack is installed")
    with pytest.raises(CellsegError, match="laptrack is not installed") as caught:
        track(dividing(), Linking(method="laptrack"))
    assert "napari-cellseg[tracking]" in caught.value.hint


def test_laptrack_follows_what_is_near_and_obeys():
    pytest.importorskip("laptrack")
    how = Linking(method="laptrack")
    _, labels, parents = moving_cells((160, 160), 10, 10, radius=7, speed=2, dividing=2, seed=1)
    figures = compare_tracks(truth_of(labels, parents), track(labels, how))
    assert figures["link_f1"] > 0.98, figures
    assert figures["division_f1"] > 0.6, figures
    assert len(track(far_apart(), how)) == 2
    assert len(track(far_apart(), how, said=[Said((1, 4), (2, 2), False)])) == 3
    found = track(far_apart(), how, said=[Said((0, 1), (1, 4), True)])
    assert groups(found) == {frozenset({(0, 1), (1, 4), (2, 2)})}
    assert len(track([np.zeros((20, 20), np.uint32)] * 2, how)) == 0


def test_what_is_cut_out_of_tracks_is_a_track_of_its_own():
    tracks = track(dividing())
    (mother,) = tracks.divisions
    first, last = (1, 1), (2, 1)
    cut = without_cuts(tracks, [(first, last)])
    assert cut.links() == tracks.links() - {(first, last)}
    daughter = next(b for a, b in sorted(tracks.links()) if a == last)
    assert without_cuts(tracks, [(last, daughter)]).links() == tracks.links() - {(last, daughter)}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_an_object_follows_is_what_the_links_say(seed):
    _, labels, _ = moving_cells((64, 64), 6, 6, radius=6, speed=4, dividing=2, seed=seed)
    tracks = track(labels)
    links = {b: a for a, b in tracks.links()}
    for key in tracks.by_object:
        assert tracks.before(*key) == links.get(key)
    assert [tracks.span(s.track) for s in tracks.spans] == tracks.spans

"""Objects through time in the window; the command line says the same."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.cli import main
from napari_cellseg.gui.app.view import resolve
from napari_cellseg.project import Project, time_series_in
from napari_cellseg.samples import moving_cells
from napari_cellseg.tracks import kept_tracks, words

from .waiting import spin


@pytest.fixture
def folder(tmp_path):
    pictures, labels, _ = moving_cells((96, 96), 5, 6, radius=6, speed=2, dividing=1, seed=5)
    rng = np.random.default_rng(0)
    for frame in labels:  # every frame has numbers of its own
        ids = np.unique(frame[frame > 0])
        lookup = np.zeros(ids.max() + 1, np.uint32)
        lookup[ids] = rng.permutation(len(ids)) + 1
        frame[...] = lookup[frame]
    np.save(tmp_path / "film.npy", pictures)
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "film.npy", axes="TYX", labels=labels, draft=True)
        return project.path


@pytest.fixture
def controller(opened, folder):
    made = opened(folder, engine=False)
    made.tracking.track()
    done(made)
    return made


def done(controller):
    spin(controller, lambda: not controller.busy)
    assert controller.session.problem is None, controller.session.problem


def view(controller):
    return resolve(controller.session).tracks


def pick(controller, label):
    controller.family.labels.selected_label = label


def follower(controller, at=0):
    """An object of a frame that goes on in the next one as one: both labels."""
    links = sorted(controller.tracking.state.tracks.links())
    children = [a for a, _ in links]
    return next((a[1], b[1]) for a, b in links if a[0] == at and b[0] == at + 1 and children.count(a) == 1)


def test_tracks_are_those_of_the_command_line(controller, folder, tmp_path):
    assert view(controller).summary.startswith("8 tracks, 1 division, ")
    controller.tracking.write(tmp_path / "dock")
    assert main(["track", str(folder), "--out", str(tmp_path / "line")]) == 0
    assert (tmp_path / "dock" / "tracks.csv").read_text() == (tmp_path / "line" / "tracks.csv").read_text()


def test_paths_and_colours_follow_the_frames(controller):
    viewer = controller.viewer
    assert [x.name for x in viewer.layers][-1] == "film [tracks]"
    mine, other = follower(controller)
    tracks = controller.tracking.state.tracks
    overlay = controller.family.overlays.tracks
    assert set(np.unique(overlay.data[controller.store().labels == mine])) == {tracks.at(0)[mine]}
    assert viewer.dims.ndim == 3
    viewer.dims.set_point(0, 1)  # napari's own slider of time
    done(controller)
    assert controller.session.image == "film_t0001"
    overlay = controller.family.overlays.tracks
    assert set(np.unique(overlay.data[controller.store().labels == other])) == {tracks.at(0)[mine]}
    assert [x.name for x in viewer.layers][-1] == "film [tracks]"
    controller.time.step(1)
    done(controller)
    assert viewer.dims.point[0] == 2
    controller.tracking.show(False)
    controller.tracking.colour(False)
    assert not [x for x in viewer.layers if "track" in x.name]
    assert viewer.dims.ndim == 2


def test_the_chosen_object_stays_chosen_in_the_next_frame(controller):
    mine, other = follower(controller)
    pick(controller, mine)
    number = controller.tracking.state.tracks.at(0)[mine]
    assert view(controller).object.startswith(f"Object {mine}: track {number}, frames 1 to")
    controller.time.step(1)
    done(controller)
    assert controller.family.labels.selected_label == other
    assert view(controller).object.startswith(f"Object {other}: track {number}")


def test_a_cut_and_a_link_hold_and_are_kept(controller, folder):
    mine, other = follower(controller)
    controller.time.step(1)
    done(controller)
    pick(controller, other)
    assert view(controller).cut.enabled
    controller.tracking.cut()
    done(controller)
    assert ((0, mine), (1, other)) not in controller.tracking.state.tracks.links()
    assert not view(controller).cut.enabled
    controller.time.go(0)
    done(controller)
    pick(controller, mine)
    controller.tracking.mark()
    assert view(controller).marked == f"Marked: object {mine} of film_t0000."
    assert not view(controller).same.enabled
    controller.time.go(1)
    done(controller)
    pick(controller, other)
    assert view(controller).same.enabled
    controller.tracking.same()
    done(controller)
    assert ((0, mine), (1, other)) in controller.tracking.state.tracks.links()
    with Project.open(folder) as project:
        (series,) = time_series_in(project.images()).values()
        assert [w.linked for w in words(project, series)] == [False, True]
        assert ((0, mine), (1, other)) in kept_tracks(project, series).links()


def test_an_object_is_carried_on_and_taken_back(controller):
    mine, other = follower(controller)
    pick(controller, mine)
    size = int((controller.store().labels == mine).sum())
    controller.tracking.carry_on()
    done(controller)
    assert controller.session.image == "film_t0001"
    store = controller.store()
    assert int((store.labels == other).sum()) == size
    assert (store.state[store.labels == other] == 1).all()
    assert "1 object carried on from film_t0000" in controller.session.status
    assert view(controller).state.outdated
    controller.strokes.undo()
    done(controller)
    assert not store.state.any()


def test_only_approved_objects_are_carried_on_together_and_nothing_is_said(controller):
    controller.tracking.carry_on(True)
    assert "No object of film_t0000 is approved" in controller.session.status
    assert controller.session.image == "film_t0000"
    pick(controller, 1)
    controller.correct_at("approve", tuple(np.argwhere(controller.store().labels == 1)[0]))
    controller.tracking.carry_on(True)
    done(controller)
    assert controller.session.image == "film_t0001"
    assert controller.store().state.any()


def test_tracks_are_there_again_after_opening(opened, controller, folder):
    tracks = controller.tracking.state.tracks
    controller.close()
    again = opened(folder, engine=False)
    done(again)
    np.testing.assert_array_equal(again.tracking.state.tracks.tracks, tracks.tracks)
    assert not view(again).state.outdated
    again.correct_at("delete", tuple(np.argwhere(again.store().labels == 1)[0]))
    assert "Labels have changed since" in view(again).summary


def test_the_panel_shows_and_does_it(controller, qtbot):
    from napari_cellseg.gui.qt.panel_tracks import TracksPanel

    panel = TracksPanel(controller)
    qtbot.addWidget(panel)
    show = panel.show_view
    controller.views.changed.connect(show)
    panel.show_view(controller.views.newest)
    assert panel.summary.text().startswith("8 tracks")
    assert panel.paths.isChecked()
    panel.paths.click()
    assert not controller.tracking.state.shown
    assert not panel.same.isEnabled()
    pick(controller, follower(controller)[0])
    panel.carry.click()
    done(controller)
    assert controller.session.image == "film_t0001"
    controller.views.changed.disconnect(show)


def test_paths_that_are_taken_out_of_the_viewer_are_not_shown(controller):
    controller.viewer.layers.remove("film [tracks]")
    controller.tick()
    assert not controller.tracking.state.shown
    controller.tracking.show(True)
    assert "film [tracks]" in controller.viewer.layers


def test_volumes_through_time_keep_their_slice(opened, tmp_path):
    pictures, labels, _ = moving_cells((8, 64, 64), 3, 4, radius=6, speed=2, dividing=0, seed=2)
    np.save(tmp_path / "film.npy", pictures)
    with Project.create(tmp_path / "v") as project:
        project.add_image(tmp_path / "film.npy", axes="TZYX", labels=labels, draft=True, spacing_um=(2.0, 0.5, 0.5))
        path = project.path
    controller = opened(path, engine=False)
    controller.family.go_to_slice(5)
    controller.tracking.track()
    done(controller)
    assert controller.viewer.dims.ndim == 4
    assert tuple(controller.viewer.dims.point[:2]) == (0.0, 10.0)
    controller.time.step(1)
    done(controller)
    assert controller.session.image == "film_t0001"
    assert tuple(controller.viewer.dims.point[:2]) == (1.0, 10.0)
    assert controller.family.visible_box()[0] == slice(5, 6)
    mine = sorted(controller.tracking.state.tracks.at(1))[0]
    pick(controller, mine)
    controller.tracking.carry_on()
    done(controller)
    assert controller.session.image == "film_t0002"
    assert controller.store().state.any()


def test_where_the_next_frame_cannot_be_opened_nothing_is_carried_on(controller, folder):
    mine, _ = follower(controller)
    pick(controller, mine)
    before = controller.store().labels.copy()
    (folder.parent / "film.npy").rename(folder.parent / "elsewhere.npy")
    controller.tracking.carry_on()
    spin(controller, lambda: not controller.busy)
    assert "film_t0001 is not at" in controller.session.problem.message
    assert controller.session.image == "film_t0000"
    np.testing.assert_array_equal(controller.store().labels, before)
    assert not controller.store().state.any()

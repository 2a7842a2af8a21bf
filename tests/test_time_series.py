"""Time series: one file with a T axis, or files of their own, are one entry; frames stay images of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_cellseg import samples
from napari_cellseg.api import OpenProject
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.images import read
from napari_cellseg.project import (
    Addition,
    Project,
    assign_holdouts,
    change_split,
    frames_beside,
    images_named,
    join_time_series,
    remove_image,
    removed_images,
    rename_image,
    restore_image,
    set_interval,
    time_series_in,
)

SHAPE = (96, 96)


def movie(n=4, seed=0, shape=SHAPE):
    """A still field with labels, `n` times, with noise of its own in every frame."""
    picture, labels = samples.synthetic_cells(shape, 12, radius=7, touching=0.0, seed=seed)
    rng = np.random.default_rng(seed)
    picture = 200.0 * (picture - picture.min()) / np.ptp(picture) + 10
    frames = np.stack([np.clip(picture + rng.normal(0, 3, shape), 0, 255) for _ in range(n)])
    return frames.astype(np.uint8), np.stack([labels] * n)


def write(path, frames, **metadata):
    axes = "TZYX"[-frames.ndim :] if frames.ndim == 4 else "TYX"
    tifffile.imwrite(path, frames, ome=True, metadata={"axes": axes, **metadata})
    return path


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p") as made:
        yield made


@pytest.fixture
def film(project, tmp_path):
    frames, labels = movie()
    project.add_image(write(tmp_path / "film.ome.tif", frames, TimeIncrement=5, TimeIncrementUnit="min"), labels=labels)
    return project


def only(project):
    (series,) = time_series_in(project.images()).values()
    return series


def test_a_file_with_a_t_axis_is_one_series(film):
    series = only(film)
    assert (series.name, series.points, series.interval_s) == ("film", (0, 1, 2, 3), 300.0)
    assert series.ids == tuple(f"film_t{t:04d}" for t in range(4)) == images_named(film, "film")
    assert frames_beside(film.images(), "film_t0000") == ["film_t0001"]
    assert frames_beside(film.images(), "film_t0002") == ["film_t0001", "film_t0003"]


@pytest.mark.parametrize(
    ("unit", "seconds"), [("s", 5.0), ("ms", 0.005), ("min", 300.0), ("h", 18000.0), ("parsec", None)]
)
def test_the_interval_of_ome(tmp_path, unit, seconds):
    path = write(tmp_path / "a.ome.tif", movie(2)[0], TimeIncrement=5, TimeIncrementUnit="s")
    tifffile.tiffcomment(
        path, tifffile.tiffcomment(path).replace('TimeIncrementUnit="s"', f'TimeIncrementUnit="{unit}"')
    )
    assert read(path).interval_s == seconds


def test_the_interval_of_imagej_and_none(tmp_path):
    frames = movie(3)[0]
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 12.5})
    assert read(tmp_path / "a.tif").interval_s == 12.5
    np.save(tmp_path / "b.npy", frames)
    assert read(tmp_path / "b.npy", "TYX").interval_s is None


def test_files_of_their_own_become_frames(project, tmp_path):
    frames, _ = movie(3)
    for n, frame in enumerate(frames):
        np.save(tmp_path / f"s{n}.npy", frame)
    additions = [Addition(tmp_path / f"s{n}.npy", time_series="run", interval_s=60.0) for n in range(3)]
    assert [a.time_series for a in project.add_images(additions)] == ["run"] * 3
    series = only(project)
    assert (series.name, series.ids, series.points, series.interval_s) == ("run", ("s0", "s1", "s2"), (0, 1, 2), 60.0)
    np.save(tmp_path / "later.npy", frames[0][::-1].copy())
    project.add_images([Addition(tmp_path / "later.npy", time_series="run")])
    assert only(project).ids[-1] == "later"
    assert only(project).points[-1] == 3


def test_images_that_are_there_are_joined(project, tmp_path):
    for n, frame in enumerate(movie(3)[0]):
        np.save(tmp_path / f"s{n}.npy", frame)
        project.add_image(tmp_path / f"s{n}.npy")
    assert time_series_in(project.images()) == {}
    series = join_time_series(project, "run", ["s2", "s0"], 30.0)
    assert (series.ids, series.hours) == (("s2", "s0"), 30 / 3600)
    for name, ids, words in (
        ("run2", ["s2", "s1"], "s2 is a frame of run"), ("x", ["s1"], "two frames"), ("x", ["s1"] * 2, "two frames"),
    ):  # fmt: skip
        with pytest.raises(CellsegError, match=words):
            join_time_series(project, name, ids)


def test_frames_of_different_sizes_are_refused_and_nothing_is_added(project, tmp_path):
    np.save(tmp_path / "a.npy", movie(1)[0][0])
    np.save(tmp_path / "b.npy", movie(1, shape=(64, 80))[0][0])
    with pytest.raises(CellsegError, match="cannot be frames of one time series"):
        project.add_images([Addition(tmp_path / f"{n}.npy", time_series="run") for n in "ab"])
    assert project.images() == []


def test_a_name_that_is_taken_is_another(project, tmp_path):
    frames = movie(2)[0]
    np.save(tmp_path / "film.npy", frames[0])
    project.add_image(tmp_path / "film.npy")
    project.add_image(write(tmp_path / "film.ome.tif", frames))
    assert only(project).name == "film-2"
    with pytest.raises(CellsegError, match="already"):
        rename_image(project, "film-2", "film")


def test_projects_of_older_versions_have_series(film):
    with film.db.transaction() as connection:
        for id, text in connection.execute("SELECT id, record FROM images").fetchall():
            new = ("time_series", "time_point", "interval_s")
            older = json.dumps({k: v for k, v in json.loads(text).items() if k not in new})
            connection.execute("UPDATE images SET record = ? WHERE id = ?", (older, id))
    assert film.images()[0].time_series is None
    assert (only(film).name, len(only(film).ids)) == ("film", 4)
    set_interval(film, "film", 7.0)
    assert (only(film).interval_s, film.images()[0].time_series) == (7.0, "film")


def test_a_series_is_renamed_as_one(film):
    before = {id: film.load_labels(id)[0] for id in only(film).ids}
    with pytest.raises(CellsegError, match="frame of the time series film"):
        rename_image(film, "film_t0001", "other")
    rename_image(film, "film", "cells")
    series = only(film)
    assert (series.name, series.ids[3], series.interval_s) == ("cells", "cells_t0003", 300.0)
    for t in range(4):
        np.testing.assert_array_equal(film.load_labels(f"cells_t{t:04d}")[0], before[f"film_t{t:04d}"])
    assert not (film.path / "images" / "film_t0000").exists()


def test_a_series_is_removed_and_restored_as_one(film):
    film.draft_labels("film_t0001", movie()[1][0])
    before = [film.load_labels(id)[0] for id in only(film).ids]
    with pytest.raises(CellsegError, match="Name the series"):
        remove_image(film, "film_t0001")
    gone = remove_image(film, "film")
    assert (gone.id, gone.frames, film.images()) == ("film", 4, [])
    assert [(r.id, r.frames) for r in removed_images(film)] == [("film", 4)]
    assert restore_image(film, gone.key) == "film"
    assert only(film).ids == tuple(f"film_t{t:04d}" for t in range(4))
    for id, labels in zip(only(film).ids, before, strict=True):
        np.testing.assert_array_equal(film.load_labels(id)[0], labels)
    assert removed_images(film) == []


def test_a_series_that_comes_back_beside_one_of_its_name(film, tmp_path):
    key = remove_image(film, "film").key
    film.add_image(write(tmp_path / "sub.ome.tif", movie(2, seed=3)[0]), id="film")
    assert restore_image(film, key) == "film-2"
    found = time_series_in(film.images())
    assert sorted(found) == ["film", "film-2"]
    assert len(found["film-2"].ids) == 4
    assert not set(found["film"].ids) & set(found["film-2"].ids)


def test_a_series_moves_to_another_split_as_one(film):
    change_split(film, "film", "test")
    assert {r.split for r in film.images()} == {"test"}
    with pytest.raises(CellsegError, match="frame of the time series"):
        change_split(film, "film_t0000", "train")


def test_places_are_held_out_through_all_frames(film):
    holdouts = assign_holdouts(film)
    assert sorted(holdouts) == sorted(only(film).ids)
    boxes = {h.boxes for h in holdouts.values()}
    assert len(boxes) == 1  # the same places in every frame
    (places,) = boxes
    assert ((0, 96), (0, 96)) not in places
    held = sum((b - a) * (d - c) for (a, b), (c, d) in places) / (96 * 96)
    assert 0.03 < held < 0.4
    assert assign_holdouts(film) == holdouts  # nothing more


def test_a_frame_that_is_corrected_later_has_the_same_places(project, tmp_path):
    frames, labels = movie(3)
    project.add_image(write(tmp_path / "film.ome.tif", frames))
    project.approve_labels("film_t0000", labels[0])
    first = assign_holdouts(project)
    assert list(first) == ["film_t0000"]
    project.approve_labels("film_t0001", labels[1])
    then = assign_holdouts(project)
    assert set(first["film_t0000"].boxes) <= set(then["film_t0001"].boxes)


def test_single_images_beside_a_series_are_held_out_as_before(film, tmp_path):
    for seed in range(6):
        picture, labels = samples.synthetic_cells(SHAPE, 12, radius=7, touching=0.0, seed=20 + seed)
        np.save(tmp_path / f"one{seed}.npy", picture)
        film.add_image(tmp_path / f"one{seed}.npy", labels=labels)
    whole = [h.image for h in assign_holdouts(film).values() if h.boxes == (((0, 96), (0, 96)),)]
    assert len(whole) == 1
    assert whole[0].startswith("one")


# --- in and out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["tif", "ome.tif", "ome.zarr", "npy"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("top", [9, 70000])
def test_a_series_is_written_as_one_file(project, tmp_path, format, deep, top):
    shape = (3, 4, 40, 44) if deep else (3, 40, 44)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 9, shape).astype(np.uint32)
    labels.flat[0] = top
    source = write(tmp_path / "film.ome.tif", rng.integers(0, 255, shape).astype(np.uint8))
    spacing = (2.0, 0.5, 0.5) if deep else (0.5, 0.5)
    project.add_images([Addition(source, labels, spacing_um=spacing, interval_s=90.0)])
    done = OpenProject(project).export(tmp_path / "out", format)
    assert set(done.files) == set(only(project).ids)
    (path,) = set(done.files.values())
    assert path.name == f"film_labels.{format}"
    assert [p.name for p in (tmp_path / "out").iterdir()] == [path.name]
    back = read(path, "TZYX"[-len(shape) :] if deep else "TYX") if format == "npy" else read(path)
    np.testing.assert_array_equal(np.asarray(back.data), labels)
    assert back.axes == ("TZYX" if deep else "TYX")
    if format != "npy":
        assert back.spacing_um == pytest.approx(spacing)
        assert back.interval_s == pytest.approx(90.0)


def test_formats_without_time_and_single_frames_are_files_of_their_own(film, tmp_path):
    api = OpenProject(film)
    assert sorted(p.name for p in api.export(tmp_path / "png", "png").files.values())[0] == "film_t0000_labels.png"
    done = api.export(tmp_path / "some", images=["film_t0001", "film_t0002"])
    assert sorted(p.name for p in done.files.values()) == ["film_t0001_labels.tif", "film_t0002_labels.tif"]
    assert {p.name for p in api.export(tmp_path / "named", images="film").files.values()} == {"film_labels.tif"}


def test_only_what_is_known_is_written(film, tmp_path):
    film.draft_labels("film_t0001", np.zeros(SHAPE, np.uint32))
    (path,) = set(OpenProject(film).export(tmp_path, known_only=True).files.values())
    written = np.asarray(read(path).data)
    np.testing.assert_array_equal(written[0], film.load_labels("film_t0000")[0])


def test_the_command_line_adds_lists_renames_and_joins(tmp_path, capsys):
    frames, _ = movie(3)
    path = write(tmp_path / "film.ome.tif", frames)
    for n, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"s{n}.tif", 255 - frame)
    where = str(tmp_path / "p.cellseg")
    assert main(["new", where, "--model", "none"]) == 0
    assert main(["add", where, str(path), "--interval", "15min"]) == 0
    assert "Added time series film, 3 frames." in capsys.readouterr().out
    assert main(["add", where, *(str(tmp_path / f"s{n}.tif") for n in range(3)), "--time-series", "run"]) == 0
    assert main(["images", where]) == 0
    listed = capsys.readouterr().out
    assert "film: time series, 3 x 96 x 96, train, every 900 s" in listed
    assert "run: time series, 3 x 96 x 96" in listed
    assert "film_t0001" not in listed
    assert main(["images", where, "--rename", "film", "cells"]) == 0
    assert main(["images", where, "--time-series", "cells", "--interval", "1h"]) == 0
    assert main(["images", where, "--remove", "run"]) == 0
    assert main(["images", where, "--remove", "cells_t0000"]) == 2
    assert main(["images", where, "--interval", "1h"]) == 2
    with Project.open(where) as project:
        assert (only(project).name, only(project).interval_s) == ("cells", 3600.0)
    assert main(["export", where, "--out", str(tmp_path / "out")]) == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["cells_labels.tif"]

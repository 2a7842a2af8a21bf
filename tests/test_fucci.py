"""FUCCI: states of known nuclei, thresholds, what a person says, real frames; all three faces agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.measurement import (
    FUCCI_FIGURES,
    FUCCI_STATES,
    STATE_NAMES,
    channel_number,
    count_states,
    fucci_states,
    fucci_tables,
    inner_point,
    labels_at,
    propose_threshold,
    state_name,
    times_of,
    usual_channels,
)
from napari_cellseg.project import fucci_setup, said_states
from napari_cellseg.samples import synthetic_spheroid

from .conftest import SHARED

RNG = np.random.default_rng(3)
CHANNELS = {"red": "1", "green": "2", "nuclear": "3"}


@pytest.fixture(scope="module")
def spheroids(tmp_path_factory):
    """Four spheroids as files, and the state of every nucleus: (folder, {image: {label: state}})."""
    folder, truth = tmp_path_factory.mktemp("spheroids"), {}
    for k in range(4):
        image, labels, states = synthetic_spheroid(seed=k)
        name = f"{'dmso' if k < 2 else 'drug'}_t{k % 2:03d}"
        tifffile.imwrite(folder / f"{name}.tif", np.moveaxis(image, 0, 1), imagej=True, metadata={"axes": "ZCYX"})
        tifffile.imwrite(folder / f"{name}_labels.tif", labels.astype(np.uint16))
        truth[name] = states
    return folder, truth


@pytest.fixture
def folder(spheroids, tmp_path):
    """A project of the four."""
    with cs.new(tmp_path / "p", model="none") as project:
        for name in spheroids[1]:
            project.add(spheroids[0] / f"{name}.tif", spheroids[0] / f"{name}_labels.tif", spacing=(2.0, 0.5, 0.5))
        return project.path


def right(table, truth):
    """The share of nuclei whose state is the true one."""
    return np.mean([truth[i][n] == s for i, n, s in zip(table["image"], table["label"], table["state"], strict=True)])


# --- thresholds and states --------------------------------------------------------------------------


def test_spheroids_are_told(spheroids, folder):
    with cs.open(folder) as project:
        done = project.fucci(**CHANNELS)
    share = right(done.table, spheroids[1])
    print(f"{len(done.table)} nuclei of 4 spheroids: {100 * share:.2f} % right")
    assert len(done.table) > 300
    assert share >= 0.98
    assert {t.how for t in done.thresholds.values()} == {"mixture"}


def test_the_four_states():
    states = fucci_states([9, 9, 1, 1, np.nan, 5], [1, 9, 9, 1, 9, 1], (5.0, 5.0))
    assert [STATE_NAMES[s] if s >= 0 else "" for s in states] == ["G1", "G1 to S", "S/G2/M", "M to G1", "", "M to G1"]


@pytest.mark.parametrize(("apart", "share"), [(0.6, 0.5), (1.0, 0.1), (1.5, 0.03)], ids=["even", "few", "rare"])
def test_two_populations_are_parted(apart, share):
    n = 600
    on = np.arange(n) < share * n
    means = 10 ** RNG.normal(np.where(on, 2.5 + apart, 2.5), 0.08)
    found = propose_threshold(means)
    assert found.how == "mixture"
    assert np.mean((means > found.value) == on) > 0.98


@pytest.mark.parametrize("n", [1, 5, 400])
def test_one_population_is_said(n):
    means = 10 ** RNG.normal(3, 0.1, n)
    found = propose_threshold(means, "green")
    assert found.how == "spread"
    assert "green" in found.doubt
    assert np.mean(means > found.value) < 0.05 or n < 12


def test_few_nuclei_that_are_clearly_apart_are_two_populations_with_a_doubt():
    rng = np.random.default_rng(0)
    means = 10 ** np.concatenate([rng.normal(3.0, 0.1, 12), rng.normal(3.55, 0.1, 4)])
    found = propose_threshold(means)
    assert found.how == "mixture"
    assert (means > found.value).tolist() == [False] * 12 + [True] * 4


def test_one_population_is_seldom_parted():
    rng = np.random.default_rng(1)
    assert sum(propose_threshold(10 ** rng.normal(3, 0.1, 57)).how == "mixture" for _ in range(40)) <= 8
    assert not any(propose_threshold(10 ** rng.normal(3, 0.1, 200)).how == "mixture" for _ in range(10))


def test_what_has_no_logarithm_is_left_out():
    means = np.concatenate([10 ** RNG.normal(2, 0.05, 50), 10 ** RNG.normal(3, 0.05, 50)])
    assert propose_threshold([*means, 0, -4, np.nan, np.inf]).value == propose_threshold(means).value
    with pytest.raises(CellsegError, match="No nucleus has any red"):
        propose_threshold([0, -1, np.nan])


@settings(max_examples=25)
@given(st.floats(0.01, 1000), st.integers(0, 50))
def test_a_factor_moves_the_threshold_alone(factor, seed):
    rng = np.random.default_rng(seed)
    means = 10 ** rng.normal(rng.choice([2.0, 3.0], 60), 0.1)
    assert propose_threshold(means * factor).value == pytest.approx(propose_threshold(means).value * factor, rel=2e-3)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(1, 1e5), st.floats(1, 1e5)), min_size=1, max_size=40), st.floats(1, 1e5))
def test_counts_add_up(pairs, threshold):
    nuclei = pd.DataFrame(pairs, columns=["red", "green"])
    nuclei["image"] = [f"a_t{n % 3}" for n in range(len(nuclei))]
    nuclei["label"], nuclei["by_hand"] = range(1, len(nuclei) + 1), ""
    table, summary = fucci_tables(nuclei, (threshold, threshold))
    for level in ("image", "time", "group"):
        rows = summary[summary["level"] == level]
        counts = rows[[f"n_{s.key}" for s in FUCCI_STATES]].to_numpy()
        assert counts.sum() == len(table)
        np.testing.assert_allclose(rows[[f"share_{s.key}" for s in FUCCI_STATES]].sum(axis=1), 100)
    assert list(summary.columns) == [name for name, _ in FUCCI_FIGURES]


# --- channels, times, points ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "wanted", "place"),
    [(("DAPI", "mCherry"), "mcherry", 1), (("1", "2", "3"), "3", 2), (("a", "b"), "1", 0)],
)
def test_channels_have_names_or_numbers(names, wanted, place):
    assert channel_number(names, wanted, "red") == place


@pytest.mark.parametrize(("wanted", "says"), [("4", "no channel '4'"), ("", "which channel is red"), ("x", "'x'")])
def test_a_wrong_channel_is_said(wanted, says):
    with pytest.raises(CellsegError, match=says) as caught:
        channel_number(("DAPI", "2"), wanted, "red")
    assert "1 (DAPI), 2" in caught.value.hint


def test_usual_names_are_known():
    assert usual_channels(("mCherry-Cdt1", "mVenus", "Hoechst 33342")) == {
        "red": "mCherry-Cdt1", "green": "mVenus", "nuclear": "Hoechst 33342"
    }  # fmt: skip
    assert usual_channels(("1", "2")) == {}
    assert usual_channels(("GFP", "EGFP")) == {}


@pytest.mark.parametrize(
    ("name", "time"),
    [("hacat_fucci_t005", 5), ("A01_day3_s2", 3), ("x_t0002_t0007", 7), ("cat2", None), ("T12", 12), ("t5a", None)],
)
def test_names_tell_time_points(name, time):
    found = times_of([name])[name]
    assert found == time if time is not None else np.isnan(found)


def test_own_time_points():
    assert times_of(["x-7h", "x-12h"], r"-(\d+)h") == {"x-7h": 7, "x-12h": 12}
    with pytest.raises(CellsegError, match="finds no number"):
        times_of(["x"], "y")
    with pytest.raises(CellsegError, match="regular expression"):
        times_of(["x"], "(")


def test_a_point_inside_is_inside(picture):
    labels = picture[1]
    ids = np.unique(labels)[1:]
    assert labels_at(labels, [inner_point(labels, int(i)) for i in ids]).tolist() == ids.tolist()
    assert inner_point(labels, 9999) == ()
    assert labels_at(labels, [(-1, 0), (0, 10**6), (1,)]).tolist() == [0, 0, 0]


# --- a project ----------------------------------------------------------------------------------------


def test_the_command_writes_what_python_gives(folder, tmp_path, capsys):
    words = ["--red", "1", "--green", "2", "--group-by", "dmso|drug"]
    files = {
        n: str(tmp_path / f) for n, f in {"csv": "n.csv", "summary": "s.csv", "figure": "f.png", "json": "j"}.items()
    }
    assert main(["fucci", str(folder), *words, *(w for n, f in files.items() for w in (f"--{n}", f))]) == 0
    said = capsys.readouterr().out
    with cs.open(folder) as project:
        done = project.fucci(group_by="dmso|drug")  # channels are kept
    done.table.to_csv(tmp_path / "own.csv", index=False)
    done.summary.to_csv(tmp_path / "own_s.csv", index=False)
    assert (tmp_path / "n.csv").read_text() == (tmp_path / "own.csv").read_text()
    assert (tmp_path / "s.csv").read_text() == (tmp_path / "own_s.csv").read_text()
    assert (tmp_path / "f.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "j").read_text())["thresholds"]["red"]["value"] == done.thresholds["red"].value
    assert f"red above {done.thresholds['red'].value:.5g} (between two populations)" in said
    assert "[drug, t = 1]" in said
    assert done.summary["level"].tolist() == ["image"] * 4 + ["time"] * 4 + ["group"] * 2


def test_files_give_what_the_project_gives(spheroids, folder):
    with cs.open(folder) as project:
        done = project.fucci(**CHANNELS)
    files = [spheroids[0] / f"{n}_labels.tif" for n in spheroids[1]]
    loose = cs.fucci_files(files, [spheroids[0] / f"{n}.tif" for n in spheroids[1]], **CHANNELS)
    np.testing.assert_array_equal(loose.table["state"], done.table["state"])
    np.testing.assert_allclose(loose.table["red"], done.table["red"])


def test_thresholds_of_a_person_are_kept(folder):
    with cs.open(folder) as project:
        first = project.fucci(**CHANNELS, red_threshold=2000.0)
        assert (first.thresholds["red"].value, first.thresholds["red"].how) == (2000.0, "hand")
        assert first.thresholds["green"].how == "mixture"
    with cs.open(folder) as project:
        assert project.fucci().thresholds["red"].value == 2000.0
        assert fucci_setup(project.project).nuclear == "3"
        assert project.fucci(propose=True).thresholds["red"].how == "mixture"
        assert project.fucci().thresholds["red"].how == "mixture"


def state_of(table, image, label):
    return tuple(table[(table["image"] == image) & (table["label"] == label)][["state", "decided_by"]].iloc[0])


def test_what_a_person_says_outlives_new_numbers(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        before = project.fucci(**CHANNELS).table
        measured = state_of(before, image, 4)[0]
        other = next(n for n in STATE_NAMES if n != measured)
        project.set_fucci_states(image, {4: other})
        assert state_of(project.fucci().table, image, 4) == (other, "hand")
        labels = project.labels(image).copy()
        labels[labels == 4] = 900
        project.put_labels(image, labels)
        done = project.fucci()
        assert state_of(done.table, image, 900) == (other, "hand")
        assert int(done.summary["by_hand"].iloc[0]) == 1
        labels[labels == 900] = 0
        project.put_labels(image, labels)
        seen = []
        assert (project.fucci(on_event=seen.append).table["decided_by"] == "threshold").all()
        assert any("no object is any more" in getattr(e, "text", "") for e in seen)


def test_what_was_said_can_be_changed_and_taken_back(folder):
    with cs.open(folder) as project:
        image = project.images[1].id
        project.set_fucci_states(image, {2: "G1", 3: "s/g2/m"})
        project.set_fucci_states(image, {2: "m_to_g1"})
        assert sorted(s.word for s in said_states(project.project, image)) == ["M to G1", "S/G2/M"]
        project.set_fucci_states(image, {2: "", 3: ""})
        assert said_states(project.project, image) == ()
        with pytest.raises(CellsegError, match="no object 5000"):
            project.set_fucci_states(image, {3: "G1", 5000: "G1"})
        with pytest.raises(CellsegError, match="no state"):
            project.set_fucci_states(image, {3: "G3"})
        assert said_states(project.project, image) == ()


def test_what_was_said_goes_with_its_image(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        project.set_fucci_states(image, {1: "G1"})
        project.rename(image, "other")
        assert [s.word for s in said_states(project.project, "other")] == ["G1"]
        removed = project.remove("other")
        assert said_states(project.project, "other") == ()
        project.restore_removed(removed.key)
        assert [s.word for s in said_states(project.project, "other")] == ["G1"]


def test_a_table_that_was_written_can_be_given(folder, tmp_path):
    with cs.open(folder) as project:
        a, b = (r.id for r in project.images[:2])
        pd.DataFrame({"image": [a, b], "label": [1, 2], "state": ["G1", "M to G1"]}).to_csv(tmp_path / "c.csv")
        project.fucci(**CHANNELS, corrections=tmp_path / "c.csv", csv=tmp_path / "out.csv")
        project.set_fucci_states(a, {1: ""})
        project.set_fucci_states(b, {2: ""})
        table = project.fucci(corrections=tmp_path / "out.csv").table
        assert (table["decided_by"] == "hand").sum() == 2
        assert state_of(table, b, 2) == ("M to G1", "hand")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--red", "1"], "which channel is green"),
        (["--red", "1", "--green", "9"], "no channel '9'"),
        (["--red", "1", "--green", "1"], "both red and green"),
        (["--red", "1", "--green", "2", "--red-threshold", "-5"], "-5 cannot be used"),
        (["--red", "1", "--green", "2", "--csv", "x.doc"], "no name of a table"),
        (["--red", "1", "--green", "2", "--figure", "x.doc"], "no name of a picture"),
        (["--red", "1", "--green", "2", "--time-by", "("], "regular expression"),
        (["--red", "1", "--green", "2", "--corrections", "nothing.csv"], "cannot be read"),
        (["--red", "1", "--green", "2", "--intensity", "a.tif"], "knows its pictures"),
    ],
)
def test_mistakes_are_said_and_nothing_is_kept(folder, capsys, words, says):
    assert main(["fucci", str(folder), *words]) == 2
    assert says in capsys.readouterr().err
    with cs.open(folder) as project:
        assert fucci_setup(project.project).red == ""


def test_states_are_named_as_people_write_them():
    assert [state_name(t) for t in ("g1", " G1 TO S", "s_g2_m")] == ["G1", "G1 to S", "S/G2/M"]


def test_an_empty_project_is_said(tmp_path, picture):
    with cs.new(tmp_path / "e", model="none") as project:
        np.save(tmp_path / "rg.npy", np.stack([np.load(picture[0])] * 2))
        project.add(tmp_path / "rg.npy", axes="CYX")
        with pytest.raises(CellsegError, match="no nuclei"):
            project.fucci(red="1", green="2")


def test_arrays_and_known_states():
    image, labels, states = synthetic_spheroid((200, 200), seed=1)
    done = cs.fucci(labels, image, red=1, green=2, states={1: "M to G1"})
    assert state_of(done.table, "image", 1) == ("M to G1", "hand")
    assert right(done.table[1:], {"image": states}) >= 0.98
    assert (count_states(done.table)["nuclei"] == len(states)).all()


# --- real frames --------------------------------------------------------------------------------------


@pytest.mark.data
def test_real_frames_have_all_states():
    data = SHARED / "fucci"
    if not (data / "index.csv").is_file():
        pytest.skip("the FUCCI frames are not there: set CELLSEG_DATA")
    labels = sorted((data / "labels").glob("*.tif"))
    images = [data / "images" / p.name for p in labels]
    done = cs.fucci_files(labels, images, red="1", green="2")
    assert len(done.table) == 266
    assert not any(t.doubt for t in done.thresholds.values())
    total = done.summary.iloc[-1]
    assert all(total[f"n_{s.key}"] > 5 for s in FUCCI_STATES)  # background as a guide gives no G1 at all
    # thresholds lie where few nuclei are: 5 % more or less changes the state of few
    for marker in ("red", "green"):
        near = np.abs(np.log(done.table[marker] / done.thresholds[marker].value)) < np.log(1.02)
        assert near.mean() < 0.1
    assert (done.summary["level"] == "time").sum() == 32
    few = slice(0, 24, 4)  # a few frames give much the same; green overlaps: 4662, not 5290
    some = cs.fucci_files(labels[few], images[few], red="1", green="2")
    for marker, threshold in some.thresholds.items():
        assert threshold.how == "mixture"
        assert threshold.value == pytest.approx(done.thresholds[marker].value, rel=0.15)


def test_the_page_says_what_the_code_says():
    page = (Path(__file__).parents[1] / "docs" / "fucci.md").read_text(encoding="utf-8")
    table = page.split("<!-- figures -->")[1].split("<!-- end of figures -->")[0]
    assert all(f"| `{name}` | {meaning} |" in table for name, meaning in FUCCI_FIGURES)
    assert all(f"| {s.name} |" in page and f"`{s.key}`" in page for s in FUCCI_STATES)

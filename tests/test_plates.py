"""Plates by well name and growth over time: known rates, names of many microscopes, all faces agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.measurement import (
    GROWTH_COLUMNS,
    PLATES,
    VALUES,
    Measured,
    Well,
    growth_table,
    growth_words,
    interval_of,
    measure_objects,
    plate_figure,
    plate_size,
    plate_table,
    series_of,
    wells_of,
)

# --- wells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "well"),
    [
        ("A01", "A01"), ("plate1_B03_s2_w1", "B03"), ("P24-f1", "P24"), ("H1 field 3", "H01"), ("r02c03f01p01", "B03"),
        ("A549_C12_t005", "C12"), ("exp.D7.x", "D07"), ("Q01", None), ("A25", None), ("A0", None), ("cellA01", None),
        ("c1_image", None), ("A1B2", None), ("r17c01", None),
    ],
)  # fmt: skip
def test_names_tell_wells(name, well):
    found = wells_of([name])
    assert (found[name].name if found else None) == well


@given(st.integers(0, 15), st.integers(0, 23), st.sampled_from(["{}", "x_{}_y", "plate-{}", "{}_t003"]))
def test_every_well_is_found_again(row, column, where):
    well = Well(row, column)
    name = where.format(well.name)
    assert wells_of([name]) == {name: well}


def test_own_expressions():
    assert wells_of(["well-b3-x", "well-c11-x"], "-([a-p][0-9]+)-") == {
        "well-b3-x": Well(1, 2), "well-c11-x": Well(2, 10)
    }  # fmt: skip
    with pytest.raises(CellsegError, match="finds no well"):
        wells_of(["x"], "y")
    with pytest.raises(CellsegError, match="regular expression"):
        wells_of(["x"], "(")


def test_the_smallest_plate_that_has_all():
    assert plate_size([Well(0, 0)]) == PLATES[96]
    assert plate_size([Well(8, 0)]) == PLATES[384]
    assert plate_size([Well(3, 5)], 24) == PLATES[24]
    with pytest.raises(CellsegError, match="no G01"):
        plate_size([Well(6, 0)], 24)
    with pytest.raises(CellsegError, match="no plate of 7"):
        plate_size([], 7)


def field(n, side=8, shape=(100, 100)):
    """Squares side by side."""
    labels = np.zeros(shape, np.uint32)
    across = shape[1] // side
    for k in range(n):
        y, x = divmod(k, across)
        labels[y * side : (y + 1) * side - 1, x * side : (x + 1) * side - 1] = k + 1
    return labels


def measured(n):
    return measure_objects(Measured(field(n)), ("area",))


def test_images_of_a_well_are_pooled():
    found = {"A01_1": measured(10), "A01_2": measured(30), "B02_1": measured(5), "other": measured(50)}
    table = plate_table(found, wells_of(list(found)))
    assert table["well"].tolist() == ["A01", "B02"]
    assert table["objects"].tolist() == [40, 5]
    assert table["images"].tolist() == [2, 1]
    np.testing.assert_allclose(table["confluency"], [100 * 40 * 49 / 20000, 100 * 5 * 49 / 10000])


@pytest.mark.parametrize("size", [(8, 12), (16, 24)])
def test_a_map_has_every_number(size):
    table = pd.DataFrame({"well": ["A01", "H12", "B03"], "value": [1.0, np.nan, 250.0]})
    axis = plate_figure(table, "value", size, "%").axes[0]
    texts = [t.get_text() for t in axis.texts]
    assert len(texts) == size[0] * size[1]
    assert (texts[0], texts[size[1] + 2]) == ("1", "250")
    assert texts.count("·") == len(texts) - 2


# --- growth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hours"), [("15min", 0.25), ("0.5 h", 0.5), ("1d", 24), ("90 s", 0.025), ("2 hours", 2), ("3days", 72)]
)
def test_intervals(text, hours):
    assert interval_of(text).hours == pytest.approx(hours)
    assert interval_of(text).unit == "h"


@pytest.mark.parametrize("text", ["15", "h", "-1h", "0min", "1.2.3h", "5 weeks"])
def test_what_is_no_interval(text):
    with pytest.raises(CellsegError, match="no time between"):
        interval_of(text)


def movie(counts, group="a"):
    found = {f"{group}_t{t}": measured(n) for t, n in enumerate(counts)}
    return found, dict.fromkeys(found, group), {name: float(t) for t, name in enumerate(found)}


def test_a_known_rate():
    found, groups, times = movie([3, 6, 12, 24, 48])
    table, points = growth_table(found, groups, times, interval_of("6h"))
    row = table.set_index("of").loc["density"]
    assert row["doubling_time"] == pytest.approx(6)
    assert row["growth_rate"] == pytest.approx(np.log(2) / 6)
    assert row["r_squared"] == pytest.approx(1)
    assert (row["points"], row["time_unit"], row["first"], row["last"]) == (5, "h", 0, 4)
    assert points["time"].tolist() == [0, 6, 12, 18, 24]
    assert list(table.columns) == [name for name, _ in GROWTH_COLUMNS]
    assert growth_words({**row, "group": "a"}).startswith("a: doubles in 6")


def test_the_interval_is_that_of_a_plain_formula():
    counts = [5, 7, 12, 14, 25, 31, 52]
    found, groups, times = movie(counts)
    row = growth_table(found, groups, times)[0].set_index("of").loc["density"]
    x, y = np.arange(7.0), np.log(counts)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    rest = y - y.mean() - slope * (x - x.mean())
    half = stats.t.ppf(0.975, 5) * np.sqrt((rest**2).sum() / 5 / ((x - x.mean()) ** 2).sum())
    np.testing.assert_allclose(row[["growth_rate_low", "growth_rate", "growth_rate_high"]].astype(float),
                               [slope - half, slope, slope + half])  # fmt: skip
    assert row["doubling_time_low"] == pytest.approx(np.log(2) / (slope + half))
    assert row["doubling_time_low"] < row["doubling_time"] < row["doubling_time_high"]
    assert row["time_unit"] == "time point"


def test_what_does_not_grow_has_no_doubling_time_to_be_sure_of():
    row = growth_table(*movie([20, 22, 19, 21, 20]))[0].set_index("of").loc["density"]
    assert np.isnan(row["doubling_time_low"])
    assert "may be 0" in row["note"]


def test_what_dies_halves():
    row = growth_table(*movie([64, 32, 16, 8]))[0].set_index("of").loc["density"]
    assert row["doubling_time"] == pytest.approx(-1)
    assert "halves in 1" in growth_words({**row, "group": "a"})


def test_empty_time_points_two_points_and_a_full_dish_are_said():
    row = growth_table(*movie([0, 4, 8, 16]))[0].set_index("of").loc["density"]
    assert "1 time points without objects" in row["note"]
    assert row["doubling_time"] == pytest.approx(1)
    assert "no interval" in growth_table(*movie([4, 8]))[0]["note"].iloc[0]
    found = {f"a_t{t}": measure_objects(Measured(np.ones((50, 50), np.uint32)), ("area",)) for t in range(3)}
    table, _ = growth_table(found, dict.fromkeys(found, "a"), {n: float(t) for t, n in enumerate(found)})
    assert "little room left" in table.set_index("of").loc["confluency", "note"]


def test_a_span_leaves_out_the_rest():
    found, groups, times = movie([3, 6, 12, 24, 24, 24])
    row = growth_table(found, groups, times, span=(0, 3))[0].set_index("of").loc["density"]
    assert row["doubling_time"] == pytest.approx(1)
    assert row["last"] == 3


def test_without_time_points_it_is_said():
    found = {"a": measured(3), "b": measured(4)}
    with pytest.raises(CellsegError, match="No group of images has two time points"):
        growth_table(found, dict.fromkeys(found, "x"), dict.fromkeys(found, float("nan")))


@settings(max_examples=25)
@given(st.lists(st.integers(1, 100), min_size=3, max_size=8), st.floats(0.1, 48))
def test_the_unit_of_time_scales_the_rate(counts, hours):
    plain = growth_table(*movie(counts))[0].iloc[0]
    scaled = growth_table(*movie(counts), interval_of(f"{hours}h"))[0].iloc[0]
    assert scaled["growth_rate"] * hours == pytest.approx(plain["growth_rate"], abs=1e-9)


# --- the verbs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two wells over four days, one of which grows twice as fast."""
    where = tmp_path_factory.mktemp("plate")
    for well, first, by in (("B02", 2, 2), ("G11", 3, 4)):
        for day in range(4):
            tifffile.imwrite(where / f"{well}_day{day}.tif", field(first * by**day, 5).astype(np.uint16))
    return where


def test_the_command_writes_what_python_gives(folder, tmp_path, capsys):
    files = sorted(folder.glob("*.tif"))
    names = {n: str(tmp_path / n) for n in ("p.csv", "p.png", "g.csv", "g.png")}
    words = ["--group-by", "^[A-P][0-9]+", "--interval", "1d", "--plate", names["p.csv"], names["p.png"]]
    words += ["--growth", names["g.csv"], names["g.png"], "--plate-value", "doubling_time"]
    assert main(["measure", *map(str, files), "--columns", "area", *words]) == 0
    said = capsys.readouterr().out
    how = cs.Plating((tmp_path / "q.csv",), (tmp_path / "h.csv",), value="doubling_time", interval="1d")
    done = cs.measure_files(files, columns="area", group_by="^[A-P][0-9]+", plating=how)
    for one, other in (("p", "q"), ("g", "h")):
        assert (tmp_path / f"{one}.csv").read_text() == (tmp_path / f"{other}.csv").read_text()
    np.testing.assert_allclose(done.plate["doubling_time"], [24, 12])
    np.testing.assert_allclose(done.growth[done.growth["of"] == "density"]["doubling_time"], [24, 12])
    assert "density, G11: doubles in 12" in said
    assert all(Path(names[n]).stat().st_size > 5000 for n in ("p.png", "g.png"))


def test_a_project_gives_the_same(folder, tmp_path):
    with cs.new(tmp_path / "p", model="none") as project:
        for path in sorted(folder.glob("*.tif")):
            project.add(path, path)
        done = project.measure(columns="area", plating=cs.Plating(plate=(tmp_path / "m.svg",)))
    assert done.plate["well"].tolist() == ["B02", "G11"]
    assert done.plate["images"].tolist() == [4, 4]
    assert (tmp_path / "m.svg").is_file()
    assert done.growth is None


def test_wells_may_be_the_names_of_groups(folder, tmp_path):
    files = []
    for n, path in enumerate(sorted(folder.glob("*day3.tif"))):
        files.append(tmp_path / f"x{'AB'[n]}7x.tif")
        files[-1].write_bytes(path.read_bytes())
    done = cs.measure_files(files, columns="area", group_by="[AB]7", plating=cs.Plating((tmp_path / "w.csv",)))
    assert done.plate["well"].tolist() == ["A07", "B07"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--plate", "m.doc"], "no name of a picture"),
        (["--plate", "m.png", "--plate-value", "beauty"], "cannot show 'beauty'"),
        (["--plate", "m.png", "--plate-wells", "24"], "has no G11"),
        (["--plate", "m.png", "--well-by", "zz"], "finds no well"),
        (["--growth", "g.csv", "--interval", "soon"], "no time between"),
        (["--growth", "g.csv", "--time-by", "B02"], "finds no number"),
        (["--growth", "g.csv", "--growth-span", "70:80"], "No group of images has two time points"),
    ],
)
def test_mistakes_are_said_and_nothing_is_written(folder, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    files = [str(p) for p in sorted(folder.glob("*.tif"))]
    assert main(["measure", *files, "--columns", "area", "--csv", "o.csv", *words]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_report_shows_wells_and_growth(folder, tmp_path):
    with cs.new(tmp_path / "p", model="none") as project:
        for path in sorted(folder.glob("*.tif")):
            project.add(path, path)
        project.report(tmp_path / "r.html")
        page = (tmp_path / "r.html").read_text()
        assert "<h2>Measured</h2>" in page
        assert "Confluency of every well" in page
        assert "Objects and confluency over time" in page
        for record in project.images:
            project.rename(record.id, f"plain{'abcdefgh'[int(record.id[-1])]}{record.id[0]}")
        project.report(tmp_path / "r.html")
        assert "<h2>Measured</h2>" not in (tmp_path / "r.html").read_text()


def test_the_page_says_what_the_code_says():
    page = (Path(__file__).parents[1] / "docs" / "measuring.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` | {meaning} |" in page for name, meaning in GROWTH_COLUMNS)
    assert all(f"{v}" in page for v in VALUES)


def test_series_are_names_without_their_time_points():
    assert series_of(["a_t003", "a_t004", "B02_day1_s2", "x"]) == {
        "a_t003": "a", "a_t004": "a", "B02_day1_s2": "B02_s2", "x": "x"
    }  # fmt: skip

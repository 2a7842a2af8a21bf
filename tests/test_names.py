"""Names of images and of what goes out."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.cli import main
from napari_cellseg.project import Project, free_name, names_for, safe_name

WINDOWS = re.compile(r'[<>:"/\\|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


@given(st.text(max_size=300))
def test_any_text_becomes_a_name_for_every_file_system(text):
    name = safe_name(text)
    assert name
    assert not WINDOWS.search(name)
    assert not name.startswith((".", "-"))
    assert len(name.encode()) <= 160
    assert Path(name).name == name
    assert safe_name(name) == free_name(name, ()) == name


@given(
    st.lists(
        st.sampled_from(["a", "A", "a-2", "ä", "a\u0308", "Ä", "straße", "STRASSE", "con", "CON", ""]), max_size=20
    )
)
def test_no_two_names_meet_where_capitals_do_not_count(texts):
    taken: list[str] = []
    for text in texts:
        taken.append(free_name(text, taken))
    assert len({folded(name) for name in taken}) == len(taken)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("細胞", "細胞"), ("Контроль 1", "Контроль_1"), ("कोशिका", "कोशिका"), ("خلية", "خلية"),
        ("zelle (2)", "zelle_2"),
        ("con", "con_"), ("NUL.1", "NUL_.1"), ("lpt¹", "lpt¹_"), ("console", "console"), ("ends. . ", "ends"),
        ("../../victim", "victim"), ("-x", "x"), ("😀", "image"), ("", "image"), ("a\u0308", "ä"),
    ],
)  # fmt: skip
def test_names_stay_what_they_are_where_they_can(text, name):
    assert safe_name(text) == name


def test_long_names_are_cut_between_letters_and_keep_their_ending():
    name = free_name("細" * 300, (), ending="_t0007")
    assert name.endswith("細_t0007")
    assert len(name.encode()) <= 160
    second = free_name("細" * 300, [name], ending="_t0007")
    assert second.endswith("細_t0007-2")
    assert len(second.encode()) <= 160
    assert free_name(second, ()) == second  # as simulate does, which takes images over with their ids


def picture(path: Path, seed: int = 0, frames: int = 1) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).integers(0, 200, (frames, 48, 64)).astype(np.uint8)
    tifffile.imwrite(path, data[0] if frames == 1 else data, imagej=True, metadata={"axes": "TYX"[-data[0].ndim :]})
    return str(path)


def test_one_scheme_for_a_project_and_without_one(tmp_path):
    paths = [Path(picture(tmp_path / "two" / folder / "0.tif", seed)) for seed, folder in enumerate("ab")]
    paths += [Path(picture(tmp_path / "two" / "a" / "X.ome.tif", 3)), Path(picture(tmp_path / "c" / "x.tif", 4))]
    assert names_for(paths, [1, 1, 1, 1]) == [["0"], ["b_0"], ["X"], ["c_x"]]
    with Project.create(tmp_path / "p") as project:
        assert [project.add_image(path) for path in paths] == [["0"], ["b_0"], ["X"], ["c_x"]]
    assert main(["export", str(tmp_path / "p.cellseg"), "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_frames_are_numbered_and_meet_nobody(tmp_path):
    series, single = tmp_path / "s.tif", tmp_path / "s_t0000.tif"
    assert names_for([series, single], [2, 1])[0] == ["s_t0000", "s_t0001"]
    assert names_for([series, single], [2, 1])[1][0] not in ("s_t0000", "s_t0001")


def test_endings_are_not_doubled(tmp_path):
    for name in ("X.ome.zarr", "Y.zarr", "exp.1.ome.zarr", "plain"):
        (tmp_path / name).mkdir()
    paths = [
        tmp_path / n for n in ("X.ome.zarr", "Y.zarr", "exp.1.ome.zarr", "plain", "W.ome.tiff", "V.OME.TIF", "U.b.png")
    ]
    assert [names[0] for names in names_for(paths, [1] * 7)] == ["X", "Y", "exp.1", "plain", "W", "V", "U.b"]

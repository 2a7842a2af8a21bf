"""Review cycles: what a pass of a reviewer changed, told from marks in the log that nothing can break."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.cycles import SAME, agreement_of, class_table, close_cycle
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import agreement
from napari_cellseg.project import (
    CORRECTED,
    Project,
    compact,
    difference,
    labels_of_cycle,
    open_cycle,
    remove_image,
    restore_image,
    review_cycles,
)
from napari_cellseg.samples import synthetic_cells


def paint(project: Project, image: str, id: int, where: tuple[slice, ...], tool: str = "brush") -> None:
    """A stroke of a person."""
    store = project.store(image)
    shape = store.labels[where].shape
    state = np.full(shape, CORRECTED, np.uint8)
    store.apply(difference(tool, store.labels, store.state, where, np.full(shape, id, np.uint32), state))


@pytest.fixture
def reviewed(tmp_path: Path) -> Project:
    """Two drafted images, a review cycle that changed one of them and a second one that changed both."""
    pictures = []
    for n in range(2):
        image, labels = synthetic_cells((64, 80), 6, radius=8, seed=n)
        np.save(tmp_path / f"cells{n}.npy", image)
        pictures.append((tmp_path / f"cells{n}.npy", labels))
    with Project.create(tmp_path / "p") as project:
        for path, labels in pictures:
            project.add_image(path, labels=labels, draft=True)
        open_cycle(project, "Ada", "outlines")
        paint(project, "cells0", 90, (slice(2, 12), slice(4, 9)))
        close_cycle(project)
        open_cycle(project)
        paint(project, "cells0", 0, (slice(0, 40), slice(0, 40)))
        paint(project, "cells1", 91, (slice(50, 60), slice(60, 78)))
        close_cycle(project)
        yield project


def test_a_cycle_tells_what_it_changed(reviewed: Project) -> None:
    first, second = cs.OpenProject(reviewed).review_cycles
    assert (first.cycle.reviewer, first.cycle.note, first.reviewed) == ("Ada", "outlines", ("cells0",))
    assert second.cycle.reviewer == "Ada"  # remembered
    assert (first.result.against, second.result.against) == (None, 1)
    assert (first.effort.actions, second.effort.actions) == (1, 2)
    before, after = (labels_of_cycle(reviewed, "cells0", n)[0] for n in (1, 2))
    assert second.result.images["cells0"].changed == ((before > 0) != (after > 0)).sum()
    pooled = second.result.pooled
    assert pooled.changed == sum(i.changed for i in second.result.images.values()) > 0
    assert pooled.voxels == 2 * 64 * 80
    # kappa by another implementation, over the pixels of all images together
    sides = [
        np.concatenate([labels_of_cycle(reviewed, i, n)[0].ravel() > 0 for i in ("cells0", "cells1")]) for n in (1, 2)
    ]
    assert pooled.agreement["kappa"] == pytest.approx(cohen_kappa_score(*sides))
    assert pooled.agreement["dice"] == pytest.approx(
        2 * (sides[0] & sides[1]).sum() / (sides[0].sum() + sides[1].sum())
    )


def test_objects_are_counted_that_are_not_what_they_were(reviewed: Project) -> None:
    second = cs.OpenProject(reviewed).review_cycles[1].result.images["cells1"]
    before, after = (labels_of_cycle(reviewed, "cells1", n)[0] for n in (1, 2))
    assert (second.objects_before, second.objects) == tuple(len(np.unique(x)) - 1 for x in (before, after))
    same = sum(
        ((before == i) & (after == i)).sum() / ((before == i) | (after == i)).sum() >= SAME
        for i in np.intersect1d(before, after)
        if i
    )
    assert second.objects_changed == max(second.objects_before, second.objects) - same


def test_compacting_breaks_no_cycle(reviewed: Project, tmp_path: Path) -> None:
    wanted = {(i, n): labels_of_cycle(reviewed, i, n) for i in ("cells0", "cells1") for n in (1, 2)}
    figures = [told.result for told in cs.OpenProject(reviewed).review_cycles]
    paint(reviewed, "cells0", 77, (slice(60, 64), slice(0, 5)))
    for keep in (1, 0, 0):  # again and again
        for id in reviewed.open_images:
            reviewed.release(id)
        compact(reviewed, keep)
        for (id, n), (labels, state) in wanted.items():
            now = labels_of_cycle(reviewed, id, n)
            assert np.array_equal(now[0], labels)
            assert np.array_equal(now[1], state)
    assert len(reviewed.store("cells0").rows()) == 1
    again = [told.result for told in cs.OpenProject(reviewed).review_cycles]
    assert [(a.images, a.pooled) for a in again] == [(f.images, f.pooled) for f in figures]
    assert [told.effort.actions for told in cs.OpenProject(reviewed).review_cycles] == [1, 2]
    assert reviewed.load_labels("cells0")[0][62, 2] == 77


def test_a_cycle_that_was_open_while_edits_were_folded_can_be_closed(reviewed: Project) -> None:
    open_cycle(reviewed, "Ben")
    before = labels_of_cycle(reviewed, "cells1")[0]
    paint(reviewed, "cells1", 70, (slice(0, 9), slice(0, 9)))
    for id in reviewed.open_images:
        reviewed.release(id)
    compact(reviewed, 0)
    done = close_cycle(reviewed)
    after = labels_of_cycle(reviewed, "cells1", 3)[0]
    assert done.images["cells1"].changed == ((before > 0) != (after > 0)).sum() > 0


def test_folding_by_a_version_without_cycles_is_said_and_never_guessed(reviewed: Project) -> None:
    for id in reviewed.open_images:
        reviewed.release(id)
    compact(reviewed, 0)
    with reviewed.db.transaction() as connection:  # as an older version would have left it
        connection.execute("UPDATE cycle_marks SET data = NULL")
    with pytest.raises(CellsegError, match="older version"):
        labels_of_cycle(reviewed, "cells0", 1)
    assert cs.OpenProject(reviewed).review_cycles[0].result.pooled.agreement  # figures were kept


def test_an_image_goes_and_comes_back_with_its_marks(reviewed: Project) -> None:
    wanted = labels_of_cycle(reviewed, "cells0", 1)[0]
    gone = remove_image(reviewed, "cells0")
    assert set(cs.OpenProject(reviewed).review_cycles[1].result.images) == {"cells1"}
    paint(reviewed, "cells1", 5, (slice(0, 3), slice(0, 3)))
    restore_image(reviewed, gone.key)
    assert np.array_equal(labels_of_cycle(reviewed, "cells0", 1)[0], wanted)


def test_numbers_that_move_when_an_image_comes_back_move_marks_too(reviewed: Project) -> None:
    wanted = labels_of_cycle(reviewed, "cells0", 1)[0]
    gone = remove_image(reviewed, "cells0")
    with reviewed.db.transaction() as connection:  # another log has the numbers meanwhile
        connection.execute("UPDATE edits SET n = n - 1 WHERE image = 'cells1'")
    restored = restore_image(reviewed, gone.key)
    assert np.array_equal(labels_of_cycle(reviewed, restored, 1)[0], wanted)


def test_a_recovered_database_has_the_cycles(reviewed: Project) -> None:
    wanted = {(i, n): labels_of_cycle(reviewed, i, n)[0] for i in ("cells0", "cells1") for n in (1, 2)}
    told = [t.result.pooled for t in cs.OpenProject(reviewed).review_cycles]
    path = reviewed.path
    reviewed.close()
    with Project.recover(path) as again:
        assert [t.result.pooled for t in cs.OpenProject(again).review_cycles] == told
        for (id, n), labels in wanted.items():
            assert np.array_equal(labels_of_cycle(again, id, n)[0], labels)


def test_marks_follow_edits_that_a_recovery_numbers_anew(reviewed: Project) -> None:
    """Another database knew an edit in between, with a higher number: what came after it gets higher ones."""
    wanted = {n: labels_of_cycle(reviewed, "cells0", n)[0] for n in (1, 2)}
    edits = reviewed.db.rows("SELECT image, n FROM edits ORDER BY n")
    path = reviewed.path
    reviewed.close()
    kept = path / "project.db.damaged-20260101-000000"
    shutil.copy(path / "project.db", kept)
    with closing(sqlite3.connect(kept)) as connection, connection:
        first = connection.execute("SELECT * FROM edits WHERE image = 'cells1' ORDER BY n").fetchone()
        later = (40, *first[1:2], first[2] + 1e-4, *first[3:8], first[8] + 1, first[9])
        connection.execute(f"INSERT INTO edits VALUES ({','.join('?' * len(later))})", later)
    with Project.recover(path) as again:
        found = again.db.rows("SELECT image, n FROM edits ORDER BY n")
        assert len(found) == len(edits) + 1
        assert [n for image, n in found if image == "cells0"] != [n for image, n in edits if image == "cells0"]
        for n, labels in wanted.items():
            assert np.array_equal(labels_of_cycle(again, "cells0", n)[0], labels)


def test_an_old_project_opens_and_gets_the_tables(project: Project) -> None:
    path = project.path
    project.close()
    with sqlite3.connect(path / "project.db") as connection:
        connection.execute("DROP TABLE cycle_marks")
        connection.execute("DROP TABLE review_cycles")
    connection.close()
    with Project.open(path) as again:
        assert review_cycles(again.db) == []
        open_cycle(again, "Ada")
        assert close_cycle(again).pooled.agreement == {"dice": 1.0, "iou": 1.0, "kappa": 1.0}


def test_what_was_added_meanwhile_is_left_out_of_the_agreement(reviewed: Project, tmp_path: Path) -> None:
    open_cycle(reviewed)
    image, labels = synthetic_cells((40, 40), 3, radius=6, seed=9)
    np.save(tmp_path / "late.npy", image)
    reviewed.add_image(tmp_path / "late.npy", labels=labels, draft=True)
    paint(reviewed, "late", 50, (slice(0, 4), slice(0, 4)))
    close_cycle(reviewed)
    told = cs.OpenProject(reviewed).review_cycles[2]
    assert set(told.result.images) == {"cells0", "cells1"}
    assert told.reviewed == ("late",)
    assert labels_of_cycle(reviewed, "late", 3)[0][1, 1] == 50


@pytest.mark.parametrize(
    ("do", "match"),
    [
        (lambda p: (open_cycle(p), open_cycle(p)), "is open"),
        (close_cycle, "No review cycle is open"),
        (lambda p: labels_of_cycle(p, "cells0", 7), "no closed review cycle 7"),
        (lambda p: (open_cycle(p), close_cycle(p, lambda n, of: n < 1)), "still open"),
    ],
    ids=["twice open", "none open", "unknown", "ended"],
)
def test_mistakes_are_said_before_anything_is_written(reviewed: Project, do, match: str) -> None:
    with pytest.raises(CellsegError, match=match):
        do(reviewed)
    assert sum(c.closed is not None for c in review_cycles(reviewed.db)) == 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_tables_of_parts_add_up_to_the_whole(seed: int, n: int) -> None:
    left, right = np.random.default_rng(seed).integers(0, n + 1, (2, 6, 12)).astype(np.uint32)
    parts = class_table(left[:2], right[:2], n) + class_table(left[2:], right[2:], n)
    assert np.array_equal(parts, class_table(left, right, n))
    assert agreement_of(parts) == agreement(left, right, n)
    assert agreement_of(parts.T) == pytest.approx(agreement_of(parts))
    assert 0 <= agreement_of(parts)["iou"] <= agreement_of(parts)["dice"] <= 1


def test_the_command_line_does_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, labels = synthetic_cells((64, 80), 6, radius=8, seed=1)
    np.save(tmp_path / "cells.npy", image)
    with Project.create(tmp_path / "p") as made:
        made.add_image(tmp_path / "cells.npy", labels=labels, draft=True)
        path = made.path
    assert main(["review-cycle", str(path)]) == 2
    assert main(["review-cycle", str(path), "--reviewer", "Ada"]) == 2
    assert main(["review-cycle", str(path), "--open", "--reviewer", "Ada  Lovelace"]) == 0
    with Project.open(path) as project:
        paint(project, "cells", 90, (slice(2, 12), slice(4, 9)))
    capsys.readouterr()
    files = [str(tmp_path / n) for n in ("c.csv", "c.json")]
    assert main(["review-cycle", str(path), "--close", "--open", "--csv", files[0], "--json", files[1]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Cycle 1, Ada Lovelace, ")
    assert "1 image, 1 action, " in said[0]
    assert "to the labels at its opening" in said[0]
    assert said[1].startswith("Cycle 2, Ada Lovelace, ")
    assert "open: 0 images" in said[1]
    rows = json.loads(Path(files[1]).read_text())["review_cycles"]
    with cs.open(path) as project:
        (first, _) = project.review_cycles
        assert rows[0]["kappa"] == first.result.pooled.agreement["kappa"]
        assert [r["image"] for r in rows] == ["", "cells", ""]
        with_cycle = project.labels("cells", cycle=1)
        paint(project.project, "cells", 0, (slice(0, 64), slice(0, 80)))
    table = list(csv.DictReader(Path(files[0]).read_text().splitlines()))
    assert float(table[1]["dice"]) == rows[1]["dice"]
    assert main(["export", str(path), "--out", str(tmp_path / "out"), "--format", "npy", "--cycle", "1"]) == 0
    assert np.array_equal(np.load(tmp_path / "out" / "cells_labels.npy"), with_cycle)
    assert with_cycle.any()
    assert main(["report", str(path), "--out", str(tmp_path / "r.html"), "--json", str(tmp_path / "r.json")]) == 0
    page = (tmp_path / "r.html").read_text()
    assert "Review cycles" in page
    assert "Ada Lovelace" in page
    assert "Labels went through 1 review cycle (Ada Lovelace); the last one agreed with the labels before it" in page
    assert json.loads((tmp_path / "r.json").read_text())["review_cycles"][0]["kappa"] == rows[0]["kappa"]


def test_annotators_are_compared_over_all_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truths = {}
    for n in range(3):
        image, truths[f"cells{n}"] = synthetic_cells((64, 80), 6, radius=8, seed=n)
        np.save(tmp_path / f"cells{n}.npy", image)
    for name in ("ada", "ben"):
        with Project.create(tmp_path / name) as made:
            for id, labels in truths.items():
                if name == "ben":
                    labels = np.roll(labels, 2, axis=1)
                if (name, id) != ("ben", "cells2"):
                    made.add_image(tmp_path / f"{id}.npy", labels=labels)
    (tmp_path / "carl").mkdir()
    for id, labels in truths.items():
        np.save(tmp_path / "carl" / f"{id}.npy", np.roll(labels, 4, axis=0))
    others = [tmp_path / "ben.cellseg", tmp_path / "carl"]
    with cs.open(tmp_path / "ada.cellseg") as project:
        found = project.compare(None, others, map=tmp_path / "maps", consensus=tmp_path / "most")
        assert found.left_out == ("cells2",)
        for pair in (("ada", "ben.cellseg"), ("ada", "carl"), ("ben.cellseg", "carl")):
            sides = {"ada": 0, "ben.cellseg": (2, 1), "carl": (4, 0)}
            whole = [
                np.concatenate(
                    [truths[i] if not sides[s] else np.roll(truths[i], *sides[s]) for i in ("cells0", "cells1")]
                )
                for s in pair
            ]
            assert {k: found.pairs[pair][k] for k in ("dice", "iou", "kappa")} == agreement(*whole)
            one = project.compare("cells1", [tmp_path / "ben.cellseg", tmp_path / "carl" / "cells1.npy"])
            names = tuple("cells1.npy" if s == "carl" else s for s in pair)
            assert found.images["cells1"][pair] == one.pairs[names]
    assert sorted(p.name for p in (tmp_path / "most").iterdir()) == ["cells0.tif", "cells1.tif"]
    assert len(list((tmp_path / "maps").iterdir())) == 2
    told = str(tmp_path / "c.json")
    assert main(["compare", str(tmp_path / "ada.cellseg"), "--labels", *map(str, others), "--json", told]) == 0
    assert "(2 images): Dice" in capsys.readouterr().out
    assert json.loads(Path(told).read_text())["pairs"]["ada - carl"]["kappa"] == found.pairs["ada", "carl"]["kappa"]
    assert main(["compare", str(tmp_path / "ada.cellseg"), "--labels", str(tmp_path / "carl" / "cells0.npy")]) == 2

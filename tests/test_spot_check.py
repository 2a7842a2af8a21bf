"""Spot checks: what is drawn, what is kept, what is said; and whether the intervals hold."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import (
    Project,
    difference,
    note_prediction,
    remove_image,
    rename_image,
    restore_image,
    spot_checks,
)
from napari_cellseg.report import methods, page, tell
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.trust import Drawing, draw, own_truth, recall_in_fields, result_of, said, share_of_set

from .test_report import checked


def predicted(path: Path, images: int = 2, shape: tuple[int, ...] = (256, 320), n: int = 60) -> Path:
    """A project whose images have predicted labels that nobody has touched."""
    with Project.create(path) as project:
        for k in range(images):
            pixels, labels = synthetic_cells(shape, n, radius=9, seed=k)
            np.save(path.parent / f"cells{k}.npy", pixels)
            (id,) = project.add_image(path.parent / f"cells{k}.npy")
            project.draft_labels(id, labels, tool="predict")
            note_prediction(project, id, "v1", "")
        return project.path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return predicted(tmp_path / "p")


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (12, 12), (7, 12), (19, 20), (1, 40)])
def test_in_a_large_set_the_interval_is_that_of_clopper_and_pearson(hits, n):
    from scipy.stats import binomtest

    found, known = share_of_set(hits, n, 3_000_000), binomtest(hits, n).proportion_ci(method="exact")
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=2e-4)


@given(st.integers(1, 60), st.data())
def test_an_interval_holds_its_share_and_is_a_point_where_all_were_drawn(total, data):
    n = data.draw(st.integers(1, total))
    hits = data.draw(st.integers(0, n))
    found = share_of_set(hits, n, total)
    assert 0 <= found.low <= found.value <= found.high <= 1
    # the share of the set lies between what was seen, and what was not seen being all bad or all good
    assert found.low >= hits / total - 1e-12
    assert found.high <= (total - (n - hits)) / total + 1e-12
    if n == total:
        assert found.low == found.value == found.high
    mirrored = share_of_set(n - hits, n, total)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5, 0.9, 0.98, 1.0])
@pytest.mark.parametrize("total", [15, 60, 5000])
def test_the_precision_is_covered_in_at_least_95_percent_of_draws(share, total):
    """Exactly, not by chance: the probability of every possible draw is known."""
    from scipy.stats import hypergeom

    n, good = min(20, total), round(share * total)
    truth, covered = good / total, 0.0
    for hits in range(max(0, n - (total - good)), min(n, good) + 1):
        found = share_of_set(hits, n, total)
        if found.low - 1e-12 <= truth <= found.high + 1e-12:
            covered += hypergeom.pmf(hits, total, good, n)
    assert covered >= 0.95


def drawn_world(rng, precision: float, recall: float, fields: int, clumped: bool):
    """True objects found and missed, and false ones, in every field of an image set."""
    mean = rng.gamma(2, 5, fields) if clumped else np.full(fields, 10.0)
    true = rng.poisson(mean)
    own = rng.beta(8 * recall, 8 * (1 - recall), fields) if clumped else np.full(fields, recall)
    right = rng.binomial(true, own)
    false = rng.poisson(right * (1 - precision) / precision)
    return right, true - right, false


@pytest.mark.parametrize("clumped", [False, True], ids=["even", "clumped"])
@pytest.mark.parametrize(("precision", "recall"), [(0.7, 0.5), (0.9, 0.8), (0.98, 0.95), (0.9, 0.99)])
def test_the_recall_is_covered_also_where_misses_come_in_clumps(precision, recall, clumped):
    rng, runs, covered, naive = np.random.default_rng(0), 400, 0, 0
    for _ in range(runs):
        right, missed, false = drawn_world(rng, precision, recall, 300, clumped)
        truth = right.sum() / (right.sum() + missed.sum())
        n, chosen = 20, rng.choice(300, 8, replace=False)
        hits = int(rng.hypergeometric(right.sum(), false.sum(), n))
        found = recall_in_fields((right + false)[chosen], missed[chosen], hits, n)
        covered += found.low <= truth <= found.high
        plain = share_of_set(int(right[chosen].sum()), int((right + missed)[chosen].sum()), 10**6)
        naive += plain.low <= truth <= plain.high
    # the standard error of 400 runs is 1.1 %
    assert covered / runs >= 0.925
    if clumped and recall <= 0.8:
        assert naive / runs < 0.9  # what counting all objects as independent would do


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8), st.integers(0, 20), st.integers(0, 20))
def test_a_recall_is_in_its_interval_whatever_was_counted(fields, hits, n):
    hits = min(hits, n)
    found = recall_in_fields([f for f, _ in fields], [m for _, m in fields], hits, n)
    assert 0 <= found.low <= found.high <= 1
    if found.value is not None:
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_nothing_missed_is_no_certainty():
    found = recall_in_fields([10] * 8, [0] * 8, 20, 20)
    assert found.value == 1
    assert 0.9 < found.low < 0.97
    assert recall_in_fields([10], [0], 20, 20).low < 0.1  # a single field tells nothing of the others


# --- drawing --------------------------------------------------------------------------------------


def test_a_draw_is_random_complete_and_the_same_for_the_same_seed(folder):
    with Project.open(folder) as project:
        first, again = draw(project, Drawing(seed=3)), draw(project, Drawing(seed=3))
        other = draw(project, Drawing(seed=4))
        labels = {r.id: project.load_labels(r.id)[0] for r in project.images()}
    assert first.places == again.places != other.places
    assert (len(first.of("object")), len(first.of("field"))) == (20, 8)
    assert first.objects == sum(len(np.unique(v)) - 1 for v in labels.values())
    assert first.models == "v1"
    for place in first.of("object"):
        box = tuple(slice(a, b) for a, b in place.box)
        assert (labels[place.image][box] == place.object).any()
    images = [p.image for p in first.of("object")]
    assert images == sorted(images)  # every image is opened once


def test_every_untouched_object_has_the_same_chance(tmp_path):
    folder = predicted(tmp_path / "p", 2, (96, 96), 18)
    counts: dict[tuple[str, int], int] = {}
    with Project.open(folder) as project:
        for seed in range(150):
            check = draw(project, Drawing(12, 0, seed))
            for p in check.of("object"):
                counts[p.image, p.object] = counts.get((p.image, p.object), 0) + 1
        total = check.objects
    expected = 150 * 12 / total
    assert len(counts) == total
    assert max(abs(n - expected) for n in counts.values()) < 4.5 * expected**0.5


def test_what_a_person_touched_is_not_drawn(folder):
    with Project.open(folder) as project:
        store = project.store("cells0")
        context = edits.EditContext.on(store)
        store.apply(edits.approve_background(context, (slice(0, 256), slice(0, 160))))
        for id in store.objects.ids()[::2].tolist():
            store.apply(edits.approve_object(edits.EditContext.on(store), edits.EditContext.on(store).piece(id)))
        check = draw(project, Drawing(200, 500))
        state = store.state
        for place in check.of("object"):
            if place.image == "cells0":
                box = tuple(slice(a, b) for a, b in place.box)
                assert not state[box][store.labels[box] == place.object].any()
        for place in check.of("field"):
            box = tuple(slice(a, b) for a, b in place.box)
            assert place.image != "cells0" or (state[box] == 0).mean() > 0.4
        assert check.objects == len(check.of("object"))  # all that there were
        fields = [p for p in check.of("field") if p.image == "cells1"]
        assert sum(p.found for p in fields) == len(project.store("cells1").objects)  # every object is in one field


def test_volumes_have_fields_in_slices(tmp_path):
    labels = np.zeros((6, 64, 64), np.uint32)
    for n, (y, x) in enumerate([(y, x) for y in range(4, 60, 12) for x in range(4, 60, 12)], 1):
        labels[1:5, y : y + 6, x : x + 6] = n
    np.save(tmp_path / "v.npy", (labels > 0).astype(np.uint8) * 200)
    with Project.create(tmp_path / "v") as project:
        (id,) = project.add_image(tmp_path / "v.npy", axes="ZYX")
        project.draft_labels(id, labels, tool="predict")
        check = draw(project, Drawing(12, 1000))
    fields = check.of("field")
    assert {p.box[0] for p in fields} == {(z, z + 1) for z in range(6)}
    assert sum(p.found for p in fields) == 4 * 25  # every object in each of its slices
    assert len(check.of("object")) == 12


def test_what_cannot_be_drawn_is_said_and_nothing_is_kept(folder, tmp_path):
    with Project.open(folder) as project:
        for how in (Drawing(11), Drawing(20, -1)):
            with pytest.raises(CellsegError, match="no spot check"):
                draw(project, how)
        with pytest.raises(CellsegError, match="no image 'nobody'"):
            draw(project, Drawing(images=("nobody",)))
        with pytest.raises(CellsegError, match="cancelled"):
            draw(project, Drawing(), lambda: True)
        for record in project.images():
            store = project.store(record.id)
            store.apply(edits.approve_background(edits.EditContext.on(store), (slice(0, 256), slice(0, 320))))
            store.apply(difference("approve", store.labels, store.state, (slice(0, 256), slice(0, 320)), store.labels,
                                   np.full_like(store.state, 2)))  # fmt: skip
        with pytest.raises(CellsegError, match="all has been looked at"):
            draw(project, Drawing())
        assert spot_checks(project.db) == []
    with Project.create(tmp_path / "s", "semantic", ("a",)) as project, pytest.raises(CellsegError, match="classes"):
        draw(project, Drawing())
    with Project.create(tmp_path / "e") as project, pytest.raises(CellsegError, match="No image has been predicted"):
        draw(project, Drawing())


# --- answers --------------------------------------------------------------------------------------


def test_answers_by_values_by_table_and_by_command_say_the_same(folder, tmp_path, capsys):
    with cs.open(folder) as project:
        drawn = project.draw_spot_check(12, 3, sample=tmp_path / "sample.csv").check
        said_by = {p.number: "right" for p in drawn.of("object")} | {p.number: 1 for p in drawn.of("field")}
        said_by |= {1: "wrong", 2: "unsure"}
        values = project.answer_spot_check(said_by)
        assert project.draw_spot_check(12, 3).check.places == drawn.places
        project.write_spot_check(tmp_path / "second.csv")
    rows = list(csv.DictReader((tmp_path / "second.csv").open()))
    assert rows[0]["check"] == "2"
    for row in rows:
        value = said_by[int(row["place"])]
        row["missed" if isinstance(value, int) else "answer"] = value
    with (tmp_path / "filled.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    assert main(["spot-check", str(folder), "--answers", str(tmp_path / "filled.csv"), "--check", "2", "--json",
                 str(tmp_path / "out.json")]) == 0  # fmt: skip
    text = capsys.readouterr().out
    one, two = json.loads((tmp_path / "out.json").read_text())["spot_checks"]
    assert {k: v for k, v in one.items() if k not in ("check", "time")} == {
        k: v for k, v in two.items() if k not in ("check", "time")
    }
    assert (one["right"], one["wrong"], one["unsure"], one["missed"]) == (10, 1, 1, 3)
    assert one["precision"] == values.precision.value == pytest.approx(10 / 11)
    found = values.found * 10 / 11
    assert values.recall.value == pytest.approx(found / (found + 3))
    assert "Spot check 2" in text
    assert "Spot check 1" not in text
    for line in said(values):
        assert line in text


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"answer": "maybe"}, "answers no object"), ({"check": "7"}, "spot check '7'"), ({"place": "99"}, "place '99'"),
        ({"kind": "field", "place": "13", "missed": "-1"}, "no number of missed"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_as_a_whole(folder, tmp_path, change, match):
    with cs.open(folder) as project:
        project.draw_spot_check(12, 2, sample=tmp_path / "s.csv")
        rows = list(csv.DictReader((tmp_path / "s.csv").open()))
        rows[0]["answer"] = "right"
        rows.append({**rows[1], **change})
        with (tmp_path / "s.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        with pytest.raises(CellsegError, match=match):
            project.answer_spot_check(tmp_path / "s.csv")
        assert project.spot_checks[-1].open == 12
        with pytest.raises(CellsegError, match="no place 99"):
            project.answer_spot_check({1: "right", 99: "right"})
        with pytest.raises(CellsegError, match="no spot check 5"):
            project.answer_spot_check({1: "right"}, 5)
        assert project.spot_checks[-1].open == 12


def test_wrong_commands_are_mistakes(folder, tmp_path, capsys):
    assert main(["spot-check", str(folder)]) == 2
    assert "No spot check has been drawn" in capsys.readouterr().err
    for options in (["--objects", "20"], ["--draw", "--check", "1"], ["--draw", "--objects", "5"],
                    ["--answers", str(tmp_path / "none.csv")]):  # fmt: skip
        assert main(["spot-check", str(folder), *options]) == 2
    assert main(["spot-check", str(folder), "--draw", "--fields", "0", "--sample", str(tmp_path / "s.csv")]) == 0
    assert "20 of 96 untouched objects, 0 of" in capsys.readouterr().out


def test_objects_that_changed_since_are_left_out(folder):
    with cs.open(folder) as project:
        check = project.draw_spot_check(12, 2).check
        place = check.of("object")[0]
        store = project.project.store(place.image)
        context = edits.EditContext.on(store)
        store.apply(edits.approve_object(context, context.piece(place.object)))
        done = project.answer_spot_check({p.number: "right" for p in check.of("object")})
        assert (done.right, done.gone) == (11, 1)
        assert not done.outdated
        labels = project.labels("cells1")
        project.project.store("cells1").apply(
            edits.predicted(labels, np.zeros(labels.shape, np.uint8), (slice(0, 256), slice(0, 320)),
                            np.zeros(labels.shape, np.uint32))
        )  # fmt: skip
        assert project.spot_checks[-1].outdated
        assert any("predicted again" in line for line in said(project.spot_checks[-1]))


def test_a_killed_process_loses_no_answer_that_was_given(folder):
    with cs.open(folder) as project:
        project.draw_spot_check(12, 1)
    code = (
        "import sys, time, napari_cellseg as cs\n"
        f"project = cs.open({str(folder)!r})\n"
        "for n in range(1, 8):\n"
        "    project.answer_spot_check({n: 'right'})\n"
        "    print(n, flush=True)\n"
        "time.sleep(600)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    for line in child.stdout:
        if line.strip() == "7":
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    with cs.open(folder) as project:
        assert project.spot_checks[-1].right == 7


def test_checks_follow_an_image_that_is_renamed_removed_and_restored(folder):
    with Project.open(folder) as project:
        check = draw(project, Drawing(20, 4))
        rename_image(project, "cells1", "other")
        assert {p.image for p in spot_checks(project.db)[0].places} == {"cells0", "other"}
        gone = remove_image(project, "other")
        assert {p.image for p in spot_checks(project.db)[0].places} == {"cells0"}
        restore_image(project, gone.key)
        assert len(spot_checks(project.db)[0].places) == len(check.places)


def test_a_recovery_keeps_checks_and_answers(folder):
    with cs.open(folder) as project:
        check = project.draw_spot_check(12, 2).check
        before = project.answer_spot_check({check.places[0].number: "wrong", check.places[-1].number: 2})
    with cs.recover(folder) as project:
        after = project.spot_checks[-1]
    assert after.check == before.check
    assert (after.wrong, after.missed) == (1, 2)


# --- whose word -----------------------------------------------------------------------------------


def test_approved_guesses_are_told_from_what_a_person_changed(folder):
    with Project.open(folder) as project:
        store = project.store("cells0")
        ids = store.objects.ids()[:4].tolist()
        store.apply(edits.grow(edits.EditContext.on(store), edits.EditContext.on(store).piece(ids[0])))
        undone = edits.grow(edits.EditContext.on(store), edits.EditContext.on(store).piece(ids[1]))
        store.apply(undone)
        store.undo()
        store.apply(edits.shrink(edits.EditContext.on(store), edits.EditContext.on(store).piece(ids[2])))
        for id in ids:
            store.apply(edits.approve_object(edits.EditContext.on(store), edits.EditContext.on(store).piece(id)))
        found = own_truth(project)
        assert (found.approved, found.unchanged) == (4, 2)
        check = draw(project, Drawing(12, 0))
        lines = said(result_of(check, own=found))
        assert any("Of 4 approved objects 2 were never changed by a person" in line for line in lines)
        project.approve_labels("cells1", project.load_labels("cells1")[0][::-1].copy())  # masks from a file
        assert own_truth(project).unchanged == 2


def test_the_report_tells_of_spot_checks(folder):
    with cs.open(folder) as project:
        assert "What nobody looked at" not in page(tell(project.project))
        check = project.draw_spot_check(20, 4, seed=5).check
        done = project.answer_spot_check(
            {p.number: "right" for p in check.of("object")} | {p.number: 0 for p in check.of("field")}
        )
        story = tell(project.project)
    text = page(story)
    checked(text)
    assert "What nobody looked at" in text
    assert f"1.00 [{done.precision.low:.2f}, 1.00]" in text
    assert f"precision 1.00 (95 % interval {done.precision.low:.2f} to 1.00" in methods(story)
    assert "seed 5" in methods(story)

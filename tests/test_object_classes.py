"""Classes of objects: rules, classifier, words that nothing overwrites, files, recovery, the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.measurement import CLASS_COLUMNS, CLASS_FIGURES, least_sure, read_rule, tell_classes
from napari_cellseg.measurement._classifier import ENOUGH, FEWEST, learn_classes
from napari_cellseg.measurement._expression import read_expression
from napari_cellseg.measurement._features import Scale
from napari_cellseg.project import Project, Said, count_said, said_classes
from napari_cellseg.project._salvage import salvage
from napari_cellseg.samples import synthetic_cells

TABLE = pd.DataFrame({
    "label": [1, 2, 3, 4], "area": [10.0, 100.0, np.nan, 50.0], "intensity_mean_1": [300.0, 100.0, 300.0, 0.0],
    "touches_border": [True, False, True, False], "intensity_mean_GFP 488": [1.0, 2.0, 3.0, 4.0],
    "unit": ["px"] * 4,
})  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project of two images of cells."""
    with cs.new(tmp_path / "p", model="none") as project:
        for k in (1, 2):
            image, truth = synthetic_cells((160, 170), 25, radius=9, seed=k)
            tifffile.imwrite(tmp_path / f"c{k}.tif", image)
            project.add(tmp_path / f"c{k}.tif", truth)
        return project.path


def by_size(project, image: str, n: int) -> dict[int, str]:
    """What a person would say of the n smallest and the n largest."""
    ids, counts = np.unique(project.labels(image), return_counts=True)
    order = ids[1:][np.argsort(counts[1:])].tolist()
    return {**dict.fromkeys(order[:n], "small"), **dict.fromkeys(order[-n:], "large")}


def decided(table, image, label) -> tuple[str, str]:
    return tuple(table[(table["image"] == image) & (table["label"] == label)][["class", "decided_by"]].iloc[0])


# --- rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("area < 80", [1, 0, 0, 1]),
        ("intensity_mean_1 > 200 and area < 80", [1, 0, 0, 0]),
        ("area < 80 or intensity_mean_1 > 200", [1, 0, 1, 1]),
        ("not touches_border", [0, 1, 0, 1]),
        ("touches_border == 1", [1, 0, 1, 0]),
        ("20 < area <= 100", [0, 1, 0, 1]),
        ("area != 10", [0, 1, 0, 1]),  # what is missing fulfils nothing
        ("`intensity_mean_GFP 488` * 2 >= 4 + 2", [0, 0, 1, 1]),
        ("-(area - 20) > 0", [1, 0, 0, 0]),
        ("intensity_mean_1 / 0 > 1", [1, 1, 1, 0]),
        ("area < 80 or area > 90 and intensity_mean_1 > 200", [1, 0, 0, 1]),  # and binds more than or
        ("(area < 80 or area > 90) and intensity_mean_1 > 200", [1, 0, 0, 0]),
        ("area < 1e2", [1, 0, 0, 1]),
    ],
)
def test_expressions_mean_what_they_say(text, rows):
    assert read_expression(text)(TABLE).tolist() == [bool(r) for r in rows]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("area", "no condition"),
        ("area <", "missing at the end"),
        ("area < 80 80", "'80' is not expected"),
        ("(area < 80", "not closed"),
        ("(area < 3) + 1 > 2", "cannot be compared or added"),
        ("not 3", "no condition"),
        ("__import__('os').system('true')", "cannot be read at"),
        ("area.real < 3", "cannot be read at"),
        ("area < 3; area", "cannot be read at"),
        ("(" * 60 + "area < 1" + ")" * 60, "brackets deep"),
        ("not " * 60 + "area < 1", "brackets deep"),
        ("a" * 3000, "too long"),
        ("", "missing"),
        ("unit < 3", "no numbers"),
        ("mean_intensity > 3", "no column"),
    ],
)
def test_what_cannot_be_used_is_said(text, says):
    with pytest.raises(CellsegError, match=says):
        read_expression(text, list(TABLE.columns))(TABLE)


def test_a_column_that_there_is_not_is_answered_with_those_that_there_are():
    with pytest.raises(CellsegError) as error:
        read_expression("mean_intensity > 200", list(TABLE.columns))
    assert "Did you mean intensity_mean_1" in error.value.hint
    assert "touches_border" in error.value.hint


@given(st.text(alphabet="area<>=!&|()+-*/ 0123456789.`\"'_not[]{}:;\\\n\x00é", max_size=60))
def test_no_text_breaks_the_reader(text):
    try:
        found = read_expression(text)(TABLE)
    except CellsegError:
        return
    assert found.dtype == bool
    assert found.shape == (4,)


_numbers = st.recursive(
    st.sampled_from(["area", "intensity_mean_1", "3", "0.5"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=6,
)
_conditions = st.recursive(
    st.tuples(_numbers, st.sampled_from(["<", "<=", ">", ">=", "=="]), _numbers).map(" ".join),
    lambda inner: st.one_of(
        inner.map(lambda t: f"(not ({t}))"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
    ),
    max_leaves=6,
)


@given(_conditions)
def test_expressions_are_those_of_python(text):
    """Row by row, Python's own answer is the reference."""
    for row in (0, 1, 3):
        names = {n: float(TABLE[n][row]) for n in ("area", "intensity_mean_1")}
        assert read_expression(text)(TABLE)[row] == eval(text, {}, names)


def test_rules_have_a_name_and_the_first_counts():
    rules = [read_rule("Tumor: Positive: area < 60"), read_rule("rest: area >= 0")]
    assert rules[0].name == "Tumor: Positive"
    told = tell_classes({"a": TABLE}, {}, rules).columns["a"]
    assert told["class"].tolist() == ["Tumor: Positive", "rest", "", "Tumor: Positive"]
    assert told["decided_by"].tolist() == ["rule", "rule", "", "rule"]
    for text in ("area < 3", ": area < 3", "name:", "name"):
        with pytest.raises(CellsegError):
            read_rule(text)


def test_a_rule_over_a_column_of_some_images_holds_in_these_alone():
    less = TABLE.drop(columns="intensity_mean_1")
    told = tell_classes({"a": TABLE, "b": less}, {}, [read_rule("x: intensity_mean_1 > 200")]).columns
    assert (told["a"]["class"] == "x").sum() == 2
    assert (told["b"]["class"] == "").all()
    with pytest.raises(CellsegError, match="no column 'intensity_mean_1'"):
        tell_classes({"b": less}, {}, [read_rule("x: intensity_mean_1 > 200")])


# --- the classifier -----------------------------------------------------------------------------------


def objects(n: int, seed: int = 0, kinds: int = 2) -> tuple[pd.DataFrame, np.ndarray]:
    """A table of objects of several sizes and intensities, and their kinds."""
    random = np.random.default_rng(seed)
    kind = np.arange(n) % kinds
    table = pd.DataFrame({
        "label": np.arange(1, n + 1), "area": np.exp(random.normal(4 + kind, 0.25)),
        "solidity": random.uniform(0.8, 1, n), "intensity_mean_1": random.normal(100 + 40 * (kind % 3), 12),
    })  # fmt: skip
    return table, np.array([f"kind {k}" for k in kind], object)


@pytest.mark.parametrize(("kinds", "clicks"), [(2, 3), (2, 40), (4, 40), (10, 200), (3, 3000)])
def test_it_learns_from_few_and_from_many(kinds, clicks):
    table, truth = objects(4000, kinds=kinds)
    words = np.where(np.arange(len(table)) < clicks, truth, "")
    classifier, note = learn_classes(table, words)
    assert note == ""
    probabilities = classifier(table)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    found = np.array(classifier.classes, object)[probabilities.argmax(1)]
    chance = 1 / kinds
    assert (found[clicks:] == truth[clicks:]).mean() > chance + (0.2 if clicks < 100 else 0.25)


def test_too_little_is_said_in_words():
    table, truth = objects(60)
    words = np.full(60, "", object)
    words[:2] = truth[:2]
    assert learn_classes(table, words) == (None, f"A classifier needs {FEWEST} objects of at least two classes; "
                                           "there are 1 of kind 0, 1 of kind 1.")  # fmt: skip
    words[:8] = truth[:8]
    classifier, _ = learn_classes(table, words)
    accuracy = classifier.accuracy()
    assert (accuracy.value, accuracy.low, accuracy.high) == (None, 0.0, 1.0)
    assert "Too few to tell" in accuracy.text
    words[: 2 * ENOUGH] = truth[: 2 * ENOUGH]
    accuracy = learn_classes(table, words)[0].accuracy()
    assert accuracy.low <= accuracy.value <= accuracy.high + 0.1
    assert "% right when left out" in accuracy.text


def test_accuracy_of_what_cannot_be_told_is_chance():
    """Words that have nothing to do with the objects."""
    table, _ = objects(400)
    words = np.array(["a", "b"], object)[np.random.default_rng(1).integers(0, 2, 400)]
    accuracy = learn_classes(table, words)[0].accuracy()
    assert accuracy.low < 0.5 < accuracy.high


def test_missing_and_infinite_values_are_the_median():
    table, truth = objects(200)
    spoilt = table.copy()
    spoilt.loc[::5, "area"] = np.nan
    spoilt.loc[1::7, "intensity_mean_1"] = np.inf
    spoilt["contact"] = np.nan
    scale = Scale.of(spoilt)
    assert "contact" not in scale.names
    assert np.isfinite(scale(spoilt)).all()
    assert np.isfinite(scale(spoilt.drop(columns="area"))).all()
    words = np.where(np.arange(200) < 60, truth, "")
    probabilities = learn_classes(spoilt, words)[0](spoilt)
    assert np.isfinite(probabilities).all()


@given(st.floats(1e-3, 1e3))
def test_units_do_not_matter(factor):
    """Sizes in other units give the same features."""
    table, _ = objects(80)
    other = table.assign(area=table["area"] * factor)
    np.testing.assert_allclose(Scale.of(other)(other), Scale.of(table)(table), atol=1e-6)


@given(st.integers(1, 60), st.integers(0, 40), st.integers(0, 5))
def test_objects_to_ask_for_are_open_and_differ(n, asked, seed):
    random = np.random.default_rng(seed)
    features, probabilities = random.normal(size=(n, 3)), random.dirichlet([1, 1], n)
    open_to = random.random(n) < 0.6
    for told in (None, probabilities):
        found = least_sure(features, told, open_to, asked)
        assert len(set(found.tolist())) == len(found) == min(asked, int(open_to.sum()))
        assert open_to[found].all()


def test_the_least_sure_one_is_asked_for_first():
    probabilities = np.array([[0.9, 0.1], [0.52, 0.48], [0.3, 0.7]])
    found = least_sure(np.eye(3), probabilities, np.ones(3, bool), 3)
    assert found[0] == 1


# --- what decides -------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(1, 60), st.sampled_from(["a", "b", "c"]), max_size=40), st.booleans())
def test_words_stand_over_rules_and_rules_over_the_classifier(words, learn):
    table, _ = objects(60)
    told = tell_classes({"x": table}, {"x": words}, [read_rule("r: area > 100")], learn=learn)
    found = told.columns["x"]
    for label, area, name, by, sure in zip(
        table["label"], table["area"], found["class"], found["decided_by"], found["class_probability"], strict=True
    ):
        if label in words:
            assert (name, by) == (words[label], "hand")
        elif area > 100:
            assert (name, by) == ("r", "rule")
        elif told.classifier is not None:
            assert by == "classifier"
            assert 0 < sure <= 1
        else:
            assert (name, by) == ("", "")
        assert np.isfinite(sure) == (by == "classifier")


def test_arrays(picture):
    image, labels = np.load(picture[0]), picture[1]
    ids = np.unique(labels)[1:].tolist()
    done = cs.classify(labels, image, said={ids[0]: "a", ids[1]: "b", ids[2]: "a"}, rules="tiny: area < 0")
    assert done.table["decided_by"].value_counts().to_dict() == {"classifier": len(ids) - 3, "hand": 3}
    assert done.learnt == {"a": 2, "b": 1}
    assert done.classes == ("tiny", "a", "b")
    assert done.summary["n_a"].iloc[0] + done.summary["n_b"].iloc[0] == len(ids)
    with pytest.raises(CellsegError, match="no object 9999"):
        cs.classify(labels, image, said={9999: "a"})
    with pytest.raises(CellsegError, match="no column"):
        cs.classify(labels, rules="a: intensity_mean_1 > 3")  # without an image there are no intensities


# --- a project ----------------------------------------------------------------------------------------


def test_words_outlive_new_numbers_and_are_never_overwritten(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        project.add_object_classes(["small", "large"])
        said = by_size(project, image, 4)
        project.set_object_classes(image, said)
        label = next(iter(said))
        labels = project.labels(image).copy()
        labels[labels == label] = 900
        project.put_labels(image, labels)
        done = project.classify(rules="large: area > 0")
        assert decided(done.table, image, 900) == ("small", "hand")
        assert set(done.table["decided_by"]) == {"hand", "rule"}
        assert project.object_rules == ("large: area > 0",)
        labels[labels == 900] = 0
        project.put_labels(image, labels)
        seen = []
        project.classify(on_event=seen.append)
        assert any("no object is any more" in getattr(e, "text", "") for e in seen)
        assert len(said_classes(project.project, image)) == 8  # it is kept


def test_words_can_be_changed_and_taken_back(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        a, b, *_ = np.unique(project.labels(image))[1:].tolist()
        project.add_object_classes(["x", "y"])
        project.set_object_classes(image, {a: "x", b: "X"})
        project.set_object_classes(image, {a: "y"})
        assert sorted(s.word for s in said_classes(project.project, image)) == ["x", "y"]
        project.set_object_classes(image, {a: "", b: ""})
        assert said_classes(project.project, image) == ()
        for words, says in (({a: "z"}, "no class of objects called 'z'"), ({a: "x", 999: "y"}, "no object 999")):
            with pytest.raises(CellsegError, match=says):
                project.set_object_classes(image, words)
        assert said_classes(project.project, image) == ()
        rows = project.project.db.rows("SELECT word, author FROM object_said ORDER BY n")
        assert len(rows) >= 5  # append-only: who said what before can be told


def test_classes_are_renamed_recoloured_ordered_and_removed(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        a = int(np.unique(project.labels(image))[1])
        project.add_object_classes(["x", "y", "X"])  # one of them is there already
        project.set_object_rules(["x: area < 3", "y: area > 3"])
        project.set_object_classes(image, {a: "x"})
        project.rename_object_class("x", "dead")
        assert said_classes(project.project, image)[0].word == "dead"
        assert project.object_rules == ("dead: area < 3", "y: area > 3")
        project.recolour_object_class("dead", "#00FF00")
        project.order_object_classes(["y"])
        assert [(c.name, c.colour) for c in project.object_classes][1] == ("dead", "#00ff00")
        project.remove_object_class("dead")
        assert said_classes(project.project, image) == ()
        assert project.object_rules == ("y: area > 3",)
        project.add_object_classes("dead")
        assert said_classes(project.project, image)[0].word == "dead"
        for change in (
            lambda: project.rename_object_class("dead", "Y"), lambda: project.rename_object_class("no", "a"),
            lambda: project.recolour_object_class("dead", "red"), lambda: project.add_object_classes(["  "]),
            lambda: project.add_object_classes(["a\x00"]), lambda: project.set_object_rules("q: area <"),
        ):  # fmt: skip
            with pytest.raises(CellsegError):
                change()
        assert [c.name for c in project.object_classes] == ["y", "dead"]


def test_a_new_class_of_an_old_name_is_another_one(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        a, b, *_ = np.unique(project.labels(image))[1:].tolist()
        project.add_object_classes("x")
        project.set_object_classes(image, {a: "x"})
        project.rename_object_class("x", "old")
        project.add_object_classes("x")
        project.set_object_classes(image, {b: "x"})
        assert sorted(s.word for s in said_classes(project.project, image)) == ["old", "x"]


def test_words_go_with_their_image_and_come_back_with_it(folder):
    with cs.open(folder) as project:
        image, other = (r.id for r in project.images)
        a = int(np.unique(project.labels(image))[1])
        project.add_object_classes("x")
        project.set_object_classes(image, {a: "x"})
        project.rename(image, "renamed")
        assert [s.word for s in said_classes(project.project, "renamed")] == ["x"]
        removed = project.remove("renamed")
        assert "1 object classed by hand" in removed.text
        assert said_classes(project.project, "renamed") == ()
        project.rename_object_class("x", "y")  # while it is away
        project.restore_removed(removed.key)
        assert [s.word for s in said_classes(project.project, "renamed")] == ["y"]
        assert said_classes(project.project, other) == ()


def test_words_are_salvaged(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        project.add_object_classes(["small", "large"])
        said = by_size(project, image, 3)
        project.set_object_classes(image, said)
        before = {(s.point, s.word) for s in said_classes(project.project, image)}
    data = bytearray((folder / "project.db").read_bytes())
    data[:16] = b"not a database.."  # rows are cut out of its pages
    (folder / "project.db").write_bytes(data)
    assert len(salvage([folder / "project.db"]).tables["object_said"]) == 6
    assert main(["recover", str(folder)]) == 0
    with Project.open(folder) as project:
        assert count_said(project.db) == {image: 6}
        if not said_classes(project, image):  # settings have no mark of ours and may be lost: the words are there
            from napari_cellseg.project import add_object_classes

            add_object_classes(project, ["small", "large"])
        assert {(s.point, s.word) for s in said_classes(project, image)} == before


def test_words_of_two_databases_are_put_together_in_their_order(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        a, b, *_ = np.unique(project.labels(image))[1:].tolist()
        project.add_object_classes(["x", "y"])
        project.set_object_classes(image, {a: "x", b: "x"})
    shutil.copy(folder / "project.db", folder / "project.db.damaged-20200101-000000")
    with cs.open(folder) as project:
        project.set_object_classes(image, {a: "y"})
    assert main(["recover", str(folder)]) == 0
    with cs.open(folder) as project:
        done = project.classify(learn=False)
        assert decided(done.table, image, a) == ("y", "hand")
        assert decided(done.table, image, b) == ("x", "hand")


def test_words_outlive_compacting(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        project.add_object_classes(["small", "large"])
        project.set_object_classes(image, by_size(project, image, 3))
        before = project.classify().table
        project.compact()
        pd.testing.assert_frame_equal(project.classify().table, before)


def test_states_that_were_kept_in_settings_still_count(folder):
    from napari_cellseg.project import said_states

    with cs.open(folder) as project:
        image = project.images[0].id
        old = [{"point": [3, 4], "state": "G1", "author": "me", "time": 5.0}]
        project.project.db.put_setting(f"fucci/{image}", json.dumps(old))
        assert said_states(project.project, image) == (Said((3, 4), "G1", "me", 5.0),)


def test_measure_has_classes_and_counts(folder):
    with cs.open(folder) as project:
        image = project.images[0].id
        plain = project.measure(columns="area")
        assert "class" not in plain.table
        project.add_object_classes(["small", "large"])
        project.set_object_classes(image, by_size(project, image, 4))
        done, told = project.measure(columns="area"), project.classify()
        assert list(done.table.columns) == [
            "image", "label", "unit", "class", "decided_by", "class_probability", "area",
        ]  # fmt: skip
        pd.testing.assert_series_equal(done.table["class"], told.table["class"])
        pd.testing.assert_frame_equal(done.table[plain.table.columns], plain.table)
        one = project.measure(project.images[1].id).table  # learnt from an image that is not asked for
        assert one["class"].tolist() == told.table[told.table["image"] != image]["class"].tolist()
        for figure in ("n_small", "n_large", "n_no_class", "share_small", "by_hand"):
            assert done.summary[figure].tolist() == told.summary[figure].tolist()


@pytest.mark.parametrize("format", ["geojson", "coco.json"])
def test_classes_go_out_and_come_in(folder, tmp_path, format):
    with cs.open(folder) as project:
        image = project.images[0].id
        project.add_object_classes(["small", "large"])
        said = by_size(project, image, 4)
        project.set_object_classes(image, said)
        project.export(tmp_path / "out", format=format, images=image)
        told = project.classify(image).table
    file = tmp_path / "out" / f"{image}_labels.{format}"
    with cs.new(tmp_path / "q", model="none") as other:
        other.add(tmp_path / "c1.tif", labels=file)
        found = other.classify().table
        assert found["class"].tolist() == told["class"].tolist()
        assert set(found["decided_by"]) == {"hand"}
        label = int(found["label"].iloc[0])
        other.add_object_classes("mine")
        other.set_object_classes(image, {label: "mine"})
        other.put_labels(image, file)  # masks again: what a person said stands
        assert decided(other.classify().table, image, label) == ("mine", "hand")


def test_one_category_says_nothing(folder, tmp_path):
    """COCO files of plain objects name them all alike."""
    with cs.open(folder) as project:
        image = project.images[0].id
        project.export(tmp_path / "out", format="coco.json", images=image)
    with cs.new(tmp_path / "q", model="none") as other:
        other.add(tmp_path / "c1.tif", labels=tmp_path / "out" / f"{image}_labels.coco.json")
        assert other.object_classes == ()


# --- the command line ---------------------------------------------------------------------------------


def test_the_command_writes_what_python_gives_and_files_the_same(folder, tmp_path, capsys):
    with cs.open(folder) as project:
        images = [r.id for r in project.images]
        words = [(i, k, n) for i in images for k, n in by_size(project, i, 3).items()]
        for image in images:
            tifffile.imwrite(tmp_path / f"{image}_labels.tif", project.labels(image))
    pd.DataFrame(words, columns=["image", "label", "class"]).to_csv(tmp_path / "said.csv", index=False)
    files = ["--csv", str(tmp_path / "o.csv"), "--summary", str(tmp_path / "s.csv")]
    rule = ["--rule", "border: touches_border and area < 120"]
    assert main(["classify", str(folder), "--said", str(tmp_path / "said.csv"), *rule, *files]) == 0
    assert "Learnt from 6 of large, 6 of small." in capsys.readouterr().out
    with cs.open(folder) as project:
        done = project.classify()  # words and rules are kept
        done.table.to_csv(tmp_path / "own.csv", index=False)
        done.summary.to_csv(tmp_path / "own_s.csv", index=False)
    assert (tmp_path / "o.csv").read_text() == (tmp_path / "own.csv").read_text()
    assert (tmp_path / "s.csv").read_text() == (tmp_path / "own_s.csv").read_text()
    named = pd.DataFrame(words, columns=["image", "label", "class"])
    named.assign(image=named["image"] + "_labels").to_csv(tmp_path / "loose.csv", index=False)
    masks = [str(tmp_path / f"{i}_labels.tif") for i in images]
    pictures = [str(tmp_path / f"c{k}.tif") for k in (1, 2)]
    loose = ["--intensity", *pictures, "--said", str(tmp_path / "loose.csv"), "--csv", str(tmp_path / "l.csv")]
    assert main(["classify", *masks, *loose, *rule]) == 0
    found = pd.read_csv(tmp_path / "l.csv", keep_default_na=False)
    kept = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)
    for column in ("class", "decided_by"):
        assert found[column].tolist() == kept[column].tolist()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rule", "a: area <"], "missing at the end"),
        (["--rule", "area < 3"], "no class and condition"),
        (["--rule", "a: size < 3"], "no column 'size'"),
        (["--said", "nothing.csv"], "cannot be read"),
        (["--classes", "\x07"], "cannot be called"),
        (["--rename", "a"], "no old and new name"),
        (["--remove", "a"], "no class of objects"),
        (["--csv", "x.doc"], "no name of a table"),
        (["--group-by", "("], "regular expression"),
        (["--intensity", "a.tif"], "knows its pictures"),
        (["--no-rules", "--rule", "a: area < 3"], "cannot both"),
    ],
)
def test_mistakes_are_said_and_nothing_is_kept(folder, capsys, words, says):
    assert main(["classify", str(folder), *words]) == 2
    assert says in capsys.readouterr().err
    with cs.open(folder) as project:
        assert project.object_classes == ()
        assert project.object_rules == ()


def test_projects_of_classes_class_their_cells(tmp_path, capsys):
    """Linked cells: nucleus and rest of every cell."""
    classes = np.zeros((120, 160), np.uint32)
    rows, columns = np.indices(classes.shape)
    for k, (y, x) in enumerate([(30, 30), (30, 80), (30, 130), (90, 30), (90, 80), (90, 130)]):
        away = (rows - y) ** 2 + (columns - x) ** 2
        classes[away < (14 + k % 2 * 6) ** 2] = 2
        classes[away < 8**2] = 1
    np.save(tmp_path / "a.npy", (classes * 80).astype(np.uint8))
    with cs.new(tmp_path / "p", task="semantic", classes=["nucleus", "cell"], model="none") as project:
        project.add(tmp_path / "a.npy", labels=classes)
        project.add_object_classes(["thin", "wide"])
        cells = project.cells().table
        assert "class" not in project.cells().table or (project.cells().table["class"] == "").all()
        wide = cells["nucleus_share"] < 0.25
        ids = cells["cell"].tolist()
        project.set_object_classes("a", {i: ("wide" if wide[k] else "thin") for k, i in enumerate(ids[:4])})
        done = project.classify()
        assert "nucleus_share" in done.table
        assert done.table["class"].tolist() == np.where(wide, "wide", "thin").tolist()
        table = project.cells(csv=tmp_path / "cells.csv").table
        assert table["class"].tolist() == done.table["class"].tolist()
        assert table["decided_by"].tolist() == ["hand"] * 4 + ["classifier"] * 2
        path = project.path
    assert main(["classify", str(path), "--rule", "big: nucleus_share < 0.25"]) == 0
    assert "by hand" in capsys.readouterr().out


def test_the_page_says_what_the_code_says():
    page = (Path(__file__).parents[1] / "docs" / "classes.md").read_text(encoding="utf-8")
    for name, meaning in (*CLASS_COLUMNS, *CLASS_FIGURES):
        assert f"| `{name}` | {meaning} |" in page

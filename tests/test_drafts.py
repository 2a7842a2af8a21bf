from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from scipy import ndimage as ndi

from napari_cellseg import edits
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.drafts import (
    ADVICE,
    Example,
    FittedClassifier,
    Looks,
    OtsuWatershed,
    PixelClassifier,
    draft,
    learn,
    looks_of,
)
from napari_cellseg.errors import CellsegError
from napari_cellseg.evaluation import score_image
from napari_cellseg.gui.app.controller import Controller
from napari_cellseg.images import read, read_labels
from napari_cellseg.matching import ids_in
from napari_cellseg.project import Project, known_mask
from napari_cellseg.samples import synthetic_cells

from .conftest import SHARED
from .gui.waiting import spin

RECIPE = Config().recipe
QUICK = PixelClassifier(trees=20, samples=8000)


def disks(shape: tuple[int, int], centres: list[tuple[int, int]], radius: int) -> np.ndarray:
    """Numbered disks; of two that overlap, each pixel is of the nearer centre."""
    y, x = np.indices(shape)
    away = np.stack([np.hypot(y - a, x - b) for a, b in centres])
    return np.where(away.min(0) <= radius, away.argmin(0) + 1, 0).astype(np.uint32)


SPOTS = disks((160, 200), [(40, 40), (40, 74), (110, 60), (90, 140), (125, 165), (40, 150)], 18)


def seen(labels: np.ndarray, contrast: float, noise: float = 0.03) -> np.ndarray:
    """(1, ...) float32: objects differ from a grey background by `contrast`."""
    rng = np.random.default_rng(0)
    grey = 0.5 + contrast * ndi.gaussian_filter((labels > 0).astype(float), 1) + rng.normal(0, noise, labels.shape)
    return grey[None].astype(np.float32)


def ball(shape: tuple[int, int, int], centre: tuple[float, ...], radius: float, spacing: tuple[float, ...]):
    away = [(axis - c) * s for axis, c, s in zip(np.indices(shape), centre, spacing, strict=True)]
    return np.sqrt(sum(a**2 for a in away)) <= radius


def sharing(folder: str, **wanted: str) -> list[dict[str, str]]:
    """Rows of a data set's index."""
    if not (SHARED / folder / "index.csv").is_file():
        pytest.skip(f"the real images are not at {SHARED / folder}: set CELLSEG_DATA")
    rows = csv.DictReader((SHARED / folder / "index.csv").open())
    return [r for r in rows if all(r[k] == v for k, v in wanted.items())]


def real(folder: str, name: str, axes: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    labels = SHARED / folder / "labels" / f"{name}.tif"
    pixels = RECIPE(read(SHARED / folder / "images" / f"{name}.tif", axes).load())
    return pixels, read_labels(labels) if labels.is_file() else np.zeros(pixels.shape[1:], np.uint32)


# --- Otsu -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contrast", [0.4, -0.4], ids=["bright", "dark"])
def test_objects_are_found_on_either_side_of_the_threshold(contrast):
    found = draft(OtsuWatershed(), seen(SPOTS, contrast))
    scores = score_image(SPOTS, found.labels)
    assert found.n_objects == 6
    assert scores["ap50"] == 1
    assert scores["iou"] > 0.9
    assert found.doubt == ""


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, -0.3]))
def test_auto_is_the_side_that_one_would_choose(seed, contrast):
    _, labels = synthetic_cells((128, 160), 12, radius=10, seed=seed)
    pixels = seen(labels, contrast)
    chosen = OtsuWatershed(polarity="bright" if contrast > 0 else "dark")(pixels)
    np.testing.assert_array_equal(OtsuWatershed()(pixels), chosen)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_a_negative_has_the_same_objects(seed):
    _, labels = synthetic_cells((96, 128), 8, radius=10, seed=seed)
    pixels = seen(labels, 0.4)
    positive, negative = OtsuWatershed()(pixels), OtsuWatershed()(1 - pixels)
    assert score_image(positive, negative)["iou"] > 0.98


def test_what_differs_by_texture_alone_is_found():
    rng = np.random.default_rng(3)
    rough = ndi.gaussian_filter(rng.normal(0, 1, SPOTS.shape), 0.8)
    pixels = (0.5 + 0.02 * rng.normal(0, 1, SPOTS.shape) + 0.5 * rough * (SPOTS > 0))[None].astype(np.float32)
    scores = score_image(SPOTS, draft(OtsuWatershed(), pixels).labels)
    assert scores["ap50"] >= 0.8
    assert scores["iou"] > 0.7
    for polarity in ("bright", "dark"):
        assert score_image(SPOTS, OtsuWatershed(polarity=polarity)(pixels))["ap50"] == 0


@pytest.mark.parametrize("shape", [(1, 40, 50), (3, 5, 40, 50)], ids=["plane", "volume"])
def test_where_there_is_nothing_nothing_is_found(shape):
    found = draft(OtsuWatershed(), np.full(shape, 0.25, np.float32))
    assert found.labels.shape == shape[1:]
    assert found.labels.dtype == np.uint32
    assert found.n_objects == 0
    assert found.doubt == "no objects were found"


def test_noise_is_doubtful():
    noise = np.random.default_rng(0).random((1, 200, 200)).astype(np.float32)
    assert draft(OtsuWatershed(), noise).doubt


def test_in_a_semantic_project_all_is_of_the_first_class():
    found = draft(OtsuWatershed(), seen(SPOTS, 0.4), instances=False)
    assert ids_in(found.labels).tolist() == [1]
    assert found.n_objects == 1


# --- volumes ----------------------------------------------------------------------------------------


def test_one_threshold_counts_for_a_whole_volume():
    """A threshold of its own finds objects in every slice, also where there is only noise."""
    labels = np.zeros((24, 90, 90), np.uint32)
    for id, centre in enumerate(((8, 30, 30), (8, 60, 62)), start=1):
        labels[ball(labels.shape, centre, 10, (2, 1, 1))] = id
    pixels = seen(labels, 0.4, noise=0.05)
    found = draft(OtsuWatershed(), pixels, (2.0, 1.0, 1.0))
    assert found.n_objects == 2
    assert score_image(labels, found.labels)["ap50"] == 1
    assert not found.labels[18:].any()


def test_the_voxel_size_decides_where_objects_are_parted():
    """Two flat balls above each other: as cubes, the neck between them is no deeper than noise."""
    spacing = (4.0, 1.0, 1.0)
    labels = np.zeros((16, 60, 60), np.uint32)
    labels[ball(labels.shape, (4.5, 30, 30), 15, spacing)] = 1
    labels[ball(labels.shape, (10.5, 30, 30), 15, spacing)] = 2
    pixels = seen(labels, 0.5, noise=0.01)
    method = OtsuWatershed(sigma=0.5)
    assert draft(method, pixels, spacing).n_objects == 2
    assert draft(method, pixels, None).n_objects == 1


# --- how labels look --------------------------------------------------------------------------------


def test_disks_look_better_than_what_is_around_them():
    good, rest = looks_of(SPOTS), looks_of((SPOTS == 0).astype(np.uint32))
    assert good.plausibility > 0.8
    assert rest.plausibility < 0.1
    assert good.objects == 6
    assert good.cover == pytest.approx((SPOTS > 0).mean())
    assert good.border == 0
    assert rest.border == 1


def test_specks_and_lines_can_be_looked_at():
    labels = np.zeros((30, 40), np.uint32)
    labels[5, 5], labels[10, 5:35], labels[20, 20:22], labels[0, 0] = 3, 7, 2_000_000, 9
    looks = looks_of(labels)
    assert looks.objects == 4
    assert 0 <= looks.plausibility <= 1


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        (Looks(), "no objects"),
        (Looks(9, 0.3, 0.9, 0.2, 0.1), "ragged"),
        (Looks(9, 0.9, 0.95, 0.8, 0.9), "border"),
        (Looks(9, 0.9, 0.95, 0.1, 0.1), ""),
    ],
    ids=["nothing", "ragged", "background", "fine"],
)
def test_a_doubt_says_why(looks, words):
    assert words in looks.doubt
    assert bool(words) == bool(looks.doubt)
    assert 0 <= looks.plausibility <= 1


def test_objects_of_a_forest_are_judged_by_those_it_learnt_from():
    ragged = Looks(9, 0.5, 0.8)
    assert ragged.doubt
    assert ragged.doubt_beside(0.45) == ""
    assert "learnt" in ragged.doubt_beside(0.9)
    assert "no objects" in Looks().doubt_beside(0.4)


# --- forest -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def touching() -> list[tuple[np.ndarray, np.ndarray]]:
    """Pixels and labels of crowded cells with a dim rim where they touch."""
    made = []
    for seed in range(3):
        centres = [(y, x) for y in range(20, 150, 22) for x in range(20, 190, 22)]
        rng = np.random.default_rng(seed)
        labels = disks((160, 200), [(y + rng.integers(-3, 4), x + rng.integers(-3, 4)) for y, x in centres], 13)
        rim = ndi.maximum_filter(labels, 3) != ndi.minimum_filter(labels, 3)
        grey = 0.1 + 0.6 * (labels > 0) - 0.15 * (rim & (labels > 0))
        grey = ndi.gaussian_filter(grey, 1) + rng.normal(0, 0.04, labels.shape)
        made.append((grey[None].astype(np.float32), labels))
    return made


def all_known(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[Example]:
    return [Example(pixels, labels, np.ones(labels.shape, bool)) for pixels, labels in pairs]


def test_the_learnt_distance_parts_what_the_mask_does_not(touching):
    fitted = QUICK.fit(all_known(touching[:2]))
    pixels, truth = touching[2]
    found = draft(fitted, pixels)
    by_mask = FittedClassifier(fitted.settings, fitted.classes, fitted.probability, None, shape=fitted.shape)(pixels)
    assert score_image(truth, found.labels)["ap50"] > 0.9
    assert score_image(truth, found.labels)["ap50"] > score_image(truth, by_mask)["ap50"]
    assert found.doubt == ""


def test_a_forest_is_reproducible(touching):
    twice = [QUICK.fit(all_known(touching[:1]))(touching[2][0]) for _ in range(2)]
    np.testing.assert_array_equal(*twice)


def test_a_few_corrected_objects_are_enough(touching):
    pixels, labels = touching[0]
    state = np.isin(labels, (5, 6, 20, 21, 40)).astype(np.uint8)
    fitted = QUICK.fit([Example(pixels, labels, known_mask(labels, state, 8))])
    assert score_image(touching[2][1], fitted(touching[2][0]))["iou"] > 0.8


def test_scribbles_are_enough_and_their_outlines_are_not_believed(touching):
    """Known are strokes inside of objects and of background: nothing says where an object ends."""
    pixels, truth = touching[0]
    known, rng = np.zeros(truth.shape, bool), np.random.default_rng(0)
    inner = ndi.grey_erosion(truth, 9)
    for places in (np.argwhere(inner > 0), np.argwhere(ndi.grey_dilation(truth, 5) == 0)):
        for y, x in places[rng.choice(len(places), 8)]:
            known[max(0, y - 1) : y + 2, max(0, x - 2) : x + 3] = True
    known &= (inner > 0) | (truth == 0)
    fitted = QUICK.fit([Example(pixels, np.where(known, truth, 0).astype(np.uint32), known)])
    assert fitted.distance is None
    assert score_image(touching[2][1], fitted(touching[2][0]))["iou"] > 0.7


def test_a_volume_is_learnt_slice_by_slice_and_parted_as_a_whole():
    spacing, examples = (2.0, 1.0, 1.0), []
    for seed in range(2):
        labels, rng = np.zeros((16, 80, 80), np.uint32), np.random.default_rng(seed)
        for id, (y, x) in enumerate(((20, 20), (20, 56), (56, 20), (56, 56)), start=1):
            centre = (6 + rng.integers(0, 4), y + rng.integers(-2, 3), x + rng.integers(-2, 3))
            labels[ball(labels.shape, centre, 12, spacing)] = id
        examples.append(Example(seen(labels, 0.4), labels, np.ones(labels.shape, bool), spacing))
    found = draft(QUICK.fit(examples[:1]), examples[1].pixels, spacing)
    assert found.labels.shape == (16, 80, 80)
    assert found.n_objects == 4
    assert score_image(examples[1].labels, found.labels)["ap50"] == 1


def test_corrected_slices_of_a_volume_teach_distances_too():
    labels = np.repeat(SPOTS[None], 6, 0)
    state = np.zeros(labels.shape, np.uint8)
    state[2:4] = 2
    known = known_mask(labels, state, 0)
    known[[0, 1, 4, 5]] = False
    fitted = QUICK.fit([Example(seen(labels, 0.4), labels, known, (3.0, 1.0, 1.0))])
    assert fitted.distance is not None


@pytest.mark.parametrize(
    ("labels", "known", "words"),
    [(SPOTS, 0, "Nothing is known"), (SPOTS * 0, 1, "Only background"), (SPOTS * 0 + 1, 1, "Only objects")],
    ids=["nothing", "background", "objects"],
)
def test_what_cannot_be_learnt_from_is_a_message(labels, known, words):
    with pytest.raises(CellsegError, match=words):
        QUICK.fit([Example(seen(SPOTS, 0.4), labels, np.full(labels.shape, known, bool))])


def test_classes_are_learnt_in_a_semantic_project():
    classes = np.where(SPOTS == 0, 0, 1 + SPOTS % 2).astype(np.uint32)
    grey = np.choose(classes, [0.1, 0.5, 0.9]) + np.random.default_rng(0).normal(0, 0.03, classes.shape)
    pixels = grey[None].astype(np.float32)
    fitted = QUICK.fit([Example(pixels, classes, np.ones(classes.shape, bool))], instances=False)
    found = draft(fitted, pixels, instances=False)
    assert (found.labels == classes).mean() > 0.98
    assert found.n_objects == 2
    assert found.doubt == ""


# --- real images ------------------------------------------------------------------------------------

MODALITIES = [
    # (index, column, value) and the least AP@0.5 and IoU over three test images; before polarities: 0.85, 0, 0, 0
    ("dsb2018", "fluo_large", 0.8, 0.75),
    ("dsb2018", "he_purple_on_purple", 0.3, 0.65),
    ("dsb2018", "he_purple_on_white", 0.45, 0.7),
    ("phase_contrast", None, 0.08, 0.45),
]


@pytest.mark.data
@pytest.mark.parametrize(("folder", "modality", "ap50", "iou"), MODALITIES, ids=lambda v: str(v))
def test_drafts_of_real_images(folder, modality, ap50, iou):
    rows = sharing(folder, split="test", **({"modality": modality} if modality else {}))[:3]
    scores = []
    for row in rows:
        pixels, truth = real(folder, row["name"])
        scores.append(score_image(truth, draft(OtsuWatershed(), pixels).labels))
    assert np.mean([s["ap50"] for s in scores]) >= ap50
    assert np.mean([s["iou"] for s in scores]) >= iou


@pytest.mark.data
def test_cells_in_bright_field_are_found_by_their_texture():
    (row,) = sharing("bright_field", name="grey_C_4")
    folder = SHARED / "bright_field"
    truth = read_labels(folder / row["mask"])
    found = draft(OtsuWatershed(), RECIPE(read(folder / row["image"]).load()))
    assert score_image(truth, found.labels, instances=False)["iou"] > 0.75


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "name", "least", "most"),
    [
        ("nuclei3d", "qcanet_8_cell_stage", 8, 9),
        ("nuclei3d", "celegans_WT-EMB01_t060", 27, 33),
        ("nuclei3d_embryo", "bbbc050_emb04_t051", 2, 2),
        ("nuclei3d_embryo", "bbbc050_emb09_t251", 4, 4),
    ],
)
def test_counts_of_real_volumes(folder, name, least, most):
    sharing(folder)
    pixels, _ = real(folder, name, "ZYX")
    spacing = None if name.startswith("celegans") else (1.75, 0.8, 0.8)
    found = draft(OtsuWatershed(), pixels, spacing)
    assert least <= found.n_objects <= most
    assert found.doubt == ""


@pytest.mark.data
def test_the_forest_beats_the_threshold_on_real_nuclei():
    rows = sharing("dsb2018", modality="fluo_small")
    train, test = (
        [real("dsb2018", r["name"]) for r in rows if r["split"] == s][:n] for s, n in (("train", 8), ("test", 5))
    )
    fitted = PixelClassifier(samples=20_000, trees=30).fit(all_known(train))
    learnt, fixed = (np.mean([score_image(t, m(p))["ap50"] for p, t in test]) for m in (fitted, OtsuWatershed()))
    assert learnt > fixed


# --- the verb ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: a and b have no labels, t is approved, v is a volume."""
    with Project.create(tmp_path / "p") as project:
        for name, contrast in (("a", 0.4), ("b", -0.4), ("t", 0.42)):
            tifffile.imwrite(tmp_path / f"{name}.tif", (seen(SPOTS, contrast)[0] * 1000).astype(np.uint16))
            project.add_image(tmp_path / f"{name}.tif", labels=SPOTS if name == "t" else None)
        return project.path


def test_images_without_labels_are_drafted(folder, capsys):
    with Project.open(folder) as project:
        before = project.db.last_edit()
    assert main(["draft", str(folder)]) == 0
    assert capsys.readouterr().out == "a: 6 objects.\nb: 6 objects.\n"
    with Project.open(folder) as project:
        rows = [r for id in ("a", "b", "t") for r in project.db.rows_after(id, before)]
        assert [(r.image, r.tool, r.by_hand) for r in rows] == [("a", "draft", False), ("b", "draft", False)]
        for id in ("a", "b"):
            labels, state = project.load_labels(id)
            assert score_image(SPOTS, labels)["ap50"] == 1
            assert not state.any()
    assert main(["draft", str(folder)]) == 0
    assert "--image" in capsys.readouterr().out


def test_classes_are_drafted_in_a_semantic_project(tmp_path, capsys):
    np.save(tmp_path / "i.npy", seen(SPOTS, 0.4)[0])
    with Project.create(tmp_path / "s", "semantic", ("cell", "debris")) as project:
        project.add_image(tmp_path / "i.npy")
    assert main(["draft", str(tmp_path / "s.cellseg")]) == 0
    assert capsys.readouterr().out == "i: 1 classes.\n"
    with Project.open(tmp_path / "s.cellseg") as project:
        assert score_image(SPOTS, project.load_labels("i")[0], instances=False)["iou"] > 0.9


def test_what_a_person_said_stands(folder):
    with Project.open(folder) as project:
        store = project.store("a")
        inside = np.flatnonzero(disks(SPOTS.shape, [(40, 40)], 8))
        store.apply(edits.paint(edits.EditContext.on(store), inside, 1))
        mine = store.state > 0
        assert mine.any()
    assert main(["draft", str(folder), "--image", "a"]) == 0
    with Project.open(folder) as project:
        labels, state = project.load_labels("a")
        assert (labels[mine] == 1).all()
        np.testing.assert_array_equal(state > 0, mine)
        assert ids_in(labels).size >= 6


def test_the_forest_learns_from_what_is_known(folder, capsys):
    values = ["--set", "trees=20", "--set", "samples=8000"]
    assert main(["draft", str(folder), "--method", "forest", "--image", "a", *values]) == 0
    assert capsys.readouterr().out == "a: 6 objects.\n"
    with Project.open(folder) as project:
        fitted = learn(project, QUICK)
        np.testing.assert_array_equal(project.load_labels("a")[0], fitted(RECIPE(project.read_image("a").load())))


def test_settings_of_the_method_can_be_typed(folder, capsys):
    assert main(["draft", str(folder), "--image", "a", "--set", "polarity=dark"]) == 0
    out = capsys.readouterr().out
    assert "doubtful: they cover most of the image or its border." in out
    assert out.endswith(ADVICE + "\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "polarity=blue"], "polarity"),
        (["--set", "nothing=1"], "Fields of Otsu"),
        (["--set", "polarity"], "key=value"),
        (["--image", "z"], "no image 'z'"),
    ],
    ids=["value", "name", "assignment", "image"],
)
def test_a_mistake_is_a_message(folder, options, words, capsys):
    assert main(["draft", str(folder), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_forest_needs_something_to_learn_from(project, capsys):
    project.close()
    assert main(["draft", str(project.path), "--method", "forest"]) == 2
    error = capsys.readouterr().err
    assert "Nothing is known in the training images" in error
    assert "--method otsu" in error


def test_a_picture_that_is_gone_is_left_out(folder, capsys):
    (folder.parent / "a.tif").unlink()
    assert main(["draft", str(folder)]) == 2
    shown = capsys.readouterr()
    assert "a was left out" in shown.err
    assert shown.out == "b: 6 objects.\n"


# --- the button -------------------------------------------------------------------------------------


def pressed(path: Path) -> tuple[np.ndarray, str]:
    """Labels of the first image after the button Draft, and the notice that is shown; no Qt."""
    controller = Controller(ViewerModel())
    try:
        controller.open_project(path)
        controller.prediction.draft()
        spin(controller, lambda: not controller.busy)
        assert controller.session.problem is None
        assert controller.session.status.startswith("Drafted")
        return controller.session.store.labels.copy(), controller.session.notice
    finally:
        controller.close()


def test_the_button_and_the_subcommand_give_the_same_labels(tmp_path, capsys):
    """Of a volume, so that both know of its voxel size."""
    labels = np.zeros((16, 60, 60), np.uint32)
    labels[ball(labels.shape, (4.5, 30, 30), 15, (4, 1, 1)) | ball(labels.shape, (10.5, 30, 30), 15, (4, 1, 1))] = 1
    np.save(tmp_path / "v.npy", seen(labels, 0.5, noise=0.01)[0])
    for name in ("typed", "pressed"):
        with Project.create(tmp_path / name) as project:
            project.add_image(tmp_path / "v.npy", axes="ZYX", spacing_um=(4.0, 1.0, 1.0))
    typed = tmp_path / "typed.cellseg"
    assert main(["draft", str(typed)]) == 0
    assert capsys.readouterr().out == "v: 2 objects.\n"
    with Project.open(typed) as project:
        np.testing.assert_array_equal(pressed(tmp_path / "pressed.cellseg")[0], project.load_labels("v")[0])


@pytest.mark.parametrize("good", [True, False], ids=["cells", "noise"])
def test_a_doubtful_draft_says_what_to_do_instead(tmp_path, good):
    noise = np.random.default_rng(0).random((1, 120, 120)).astype(np.float32)
    np.save(tmp_path / "i.npy", seen(SPOTS, 0.4)[0] if good else noise[0])
    with Project.create(tmp_path / "p") as project:
        project.add_image(tmp_path / "i.npy")
    assert pressed(tmp_path / "p.cellseg")[1] == ("" if good else ADVICE)

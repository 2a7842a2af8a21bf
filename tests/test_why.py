"""Why something was found or missed: numbers of a place, objects that are like it, and sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.config import Config
from napari_cellseg.engine import WhyJob, run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Explaining, ReasonsFound
from napari_cellseg.explanation import Known, Learnt, Reasons, why
from napari_cellseg.explanation._reasons import Likeness, contrast_of
from napari_cellseg.images import from_array
from napari_cellseg.models import Smp, UNet, UNet3D
from napari_cellseg.project import Holdout, ModelCard
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.zoom import Zoom

NETWORKS = [Smp(encoder="resnet18", weights="none", width=4), UNet(width=4, levels=2), UNet3D(width=2, levels=2)]


def learnt(model) -> Learnt:
    torch.manual_seed(0)
    config = Config(model=model)
    channels = config.target.channels(1)
    card = ModelCard(id="m", parent=None, created=0.0, in_channels=1, out_channels=channels, n_classes=1, edits_until=0)
    return Learnt("m", model.build(1, channels).eval(), config, card)


def result(work):
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return end.value, events


@pytest.mark.parametrize("model", NETWORKS, ids=lambda m: type(m).__name__)
def test_the_network_is_quoted_as_it_is(model):
    shape = (8, 96, 96) if model.dimensions == 3 else (96, 96)
    image, labels = synthetic_cells(shape, 8, radius=9, seed=1)
    chosen, point = learnt(model), tuple(n // 2 for n in shape)
    known = [Known("a", from_array(image), labels, (1, 2, 3, 4), Zoom())]
    found, events = result(why(from_array(image), chosen, point, labels, ("a", Zoom()), known))
    seen = chosen.config.recipe(from_array(image).load())
    with torch.no_grad():
        logits = chosen.network(torch.from_numpy(np.ascontiguousarray(seen))[None])
    whole = logits[0, 0].sigmoid().numpy()
    assert found.probability == pytest.approx(whole[point], abs=1e-3)
    assert found.highest >= found.probability
    np.testing.assert_allclose(found.profile, whole[(*point[:-1],)], atol=1e-3)
    assert found.profile[found.here] == pytest.approx(found.probability, abs=1e-4)
    assert found.label == labels[point]
    assert [e.done for e in events[:-1]] == [0, 1, 2, 3, 4]
    assert all(isinstance(e, Explaining) for e in events)
    assert len(found.nearest) == 3
    assert found.nearest == tuple(sorted(found.nearest, key=lambda n: -n.similarity))


def test_contrast_is_that_of_a_disc_to_its_ring():
    y, x = np.ogrid[:61, :61]
    far = np.hypot(y - 30, x - 30)
    plane = np.where(far <= 8, 3.0, np.where(far <= 16, 1.0, 2.0)).astype(np.float32)
    assert contrast_of(plane, (30, 30), 8) == pytest.approx(2 / plane.std())
    assert contrast_of(-plane, (30, 30), 8) == pytest.approx(-2 / plane.std())
    assert contrast_of(np.ones((9, 9), np.float32), (4, 4), 2) == 0
    assert contrast_of(plane, (30, 30), 100) == 0  # no ring


FOUND = Reasons("a", "v1", (5, 5), 0.9, 0.95, 0.5, 7, 30, np.zeros(3, np.float32), 1, 1.0, 0.9, 2.0, 2.1)
LIKE = (Likeness("a", 3, (9, 9), 0.8),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "0.90 here, and objects begin at 0.50."),
        ({"probability": 0.2}, "so this label does not come from it as it is now"),
        ({"label": 0}, "smaller than the smallest object (30 pixels)"),
        (
            {"label": 0, "probability": 0.1, "highest": 0.2},
            "0.10 here (0.20 at most near it), and objects begin at",
        ),
        ({"label": 0, "probability": 0.1, "highest": 0.4}, "A lower threshold would find it."),
        ({"contrast": 0.3}, "preprocessing took contrast away"),
        ({"contrast": -2.0}, "darker than its surroundings by 2.0 SD"),
        ({"contrast": 0.2, "contrast_before": 0.2}, "that is faint"),
        ({}, "Nothing is corrected or approved yet"),
        ({"nearest": LIKE}, "Most like it of what you corrected is object 3 of a (0.80)."),
        ({"nearest": LIKE, "usual": 0.7}, "corrected objects are like each other by 0.70"),
        ({"nearest": LIKE, "usual": 1.1}, "it has seen nothing of the kind"),
    ],
)
def test_what_is_said(changes, said):
    assert said in " ".join(replace(FOUND, **changes).sentences)


def test_what_is_not_said():
    text = " ".join(replace(FOUND, label=0, probability=0.1, highest=0.9).sentences)  # a neighbour's rim
    assert "lower threshold" not in text
    assert "took contrast" not in " ".join(replace(FOUND, contrast=0.01, contrast_before=0.3).sentences)


@pytest.fixture
def nuclei_project(tmp_path: Path) -> Path:
    image, truth = synthetic_cells((128, 128), 8, radius=14, seed=3)
    tifffile.imwrite(tmp_path / "cells.tif", image)
    with cs.new(tmp_path / "p") as project:
        project.add(tmp_path / "cells.tif", labels=truth)
    return tmp_path / "p.cellseg"


def middle(labels: np.ndarray, id: int) -> tuple[int, int]:
    y, x = (int(v.mean()) for v in np.nonzero(labels == id))
    return y, x


def test_command_line_job_and_python_say_the_same(nuclei_project: Path, tmp_path: Path, capsys):
    with cs.open(nuclei_project) as project:
        (id,) = (record.id for record in project.images)
        labels, state = project.labels(id), project.state(id)
        point = middle(labels, 2)
        found = project.why(id, point)
        assert (project.labels(id) == labels).all()
        assert (project.state(id) == state).all()
        model = project.project.current_model
    assert found.profile[found.here] == pytest.approx(found.probability, abs=1e-4)
    assert found.nearest[0].object == 2  # itself
    assert found.nearest[0].similarity > 0.99
    where = ",".join(map(str, point))
    arguments = [
        "explain",
        str(nuclei_project),
        "--image",
        id,
        "--point",
        where,
        "--why",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert all(sentence in out for sentence in found.sentences)
    (written,) = (tmp_path / "out").iterdir()
    assert json.loads(written.read_text()) == json.loads(json.dumps(found.numbers))
    (event,) = (e for e in run(WhyJob(nuclei_project, id, model, point)) if isinstance(e, ReasonsFound))
    assert event.sentences == found.sentences
    assert event.numbers == found.numbers


def test_what_is_held_out_is_not_compared_with(nuclei_project: Path):
    with cs.open(nuclei_project) as project:
        (record,) = project.images
        labels = project.labels(record.id)
        everything = tuple((0, n) for n in labels.shape)
        project.project.db.put_holdout(Holdout(record.id, (everything,)))
        assert project.why(record.id, middle(labels, 2)).nearest == ()


@pytest.mark.parametrize(
    "wrong",
    [["--why"], ["--why", "--point", "5,5"], ["--why", "--image", "cells", "--point", "500,5"], ["--image", "cells"]],
    ids=" ".join,
)
def test_mistakes_are_said(nuclei_project: Path, wrong, capsys):
    assert main(["explain", str(nuclei_project), *wrong]) == 2
    assert capsys.readouterr().err.startswith("napari-cellseg: ")


def test_a_point_outside_is_refused(nuclei_project: Path):
    with cs.open(nuclei_project) as project, pytest.raises(CellsegError, match="does not lie in the image"):
        project.why("cells", (1000, 5))

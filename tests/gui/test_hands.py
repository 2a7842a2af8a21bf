"""Real keys and mouse in a real viewer, a kill, and what is left on disk."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.images import read_labels
from napari_cellseg.project import Project

from ..conftest import SHARED

SCRIPT = Path(__file__).with_name("hands.py")
WANTED = int(os.environ.get("CELLSEG_HANDS", "20"))  # CI asks for fewer, to stay quick
LIMIT = 3600 + 600 * WANTED  # only ends what hangs
"""Seconds: a correction in a volume is a second or two on a slow machine, and there are some twenty kinds."""


@pytest.fixture(params=["nuclei", "volume", "volume from the side", "classes"])
def real(request, tmp_path, trained) -> Path:
    """A project of one real picture with drafted labels; that of nuclei has a model."""
    task, classes, axes = "instance", (), None
    if request.param == "classes":
        open_or_skip("hela_em").close()
        task, classes = "semantic", ("envelope", "nucleus", "cell", "background")
        picture = SHARED / "hela_em" / "bands" / "slice130_image.tif"
        labels = read_labels(picture.with_name("slice130_labels_4class.tif"))
    elif request.param == "nuclei":
        rows = list(csv.DictReader(open_or_skip("dsb2018")))
        name = max((r for r in rows if r["modality"] == "fluo_large"), key=lambda r: int(r["n_nuclei"]))["name"]
        picture, masks = (SHARED / "dsb2018" / kind / f"{name}.tif" for kind in ("images", "labels"))
        labels = read_labels(masks)
    else:
        open_or_skip("nuclei3d").close()
        masks = max((SHARED / "nuclei3d").rglob("silver_labels/*.tif"), key=lambda p: p.stat().st_size)
        axes = "ZYX"
        picture, labels = SHARED / "nuclei3d" / "images" / masks.name, read_labels(masks, axes)
    with Project.create(tmp_path / "p", task, classes) as project:
        project.add_image(picture, labels=labels, draft=True, axes=axes)
        if request.param == "nuclei":
            with Project.open(trained) as other:
                model = other.current_model
            shutil.copytree(trained / "models" / model, project.models_folder / model)
            project.db.put_model(model, None)
            project.db.put_setting("current_model", model)
        return project.path


def open_or_skip(name: str):
    path = SHARED / name / "index.csv"
    if not path.is_file():
        pytest.skip(f"the real images are not at {name}: set CELLSEG_DATA")
    return path.open()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.timeout(LIMIT + 60)
def test_twenty_corrections_of_each_kind_survive_a_kill(request, real, tmp_path, qapp):
    out = tmp_path / "seen.npz"
    plane = "XZ" if "side" in request.node.callspec.params["real"] else "XY"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(real), str(out), plane], capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == -9, done.stdout[-2000:] + done.stderr[-4000:]
    seen = np.load(out)
    with Project.open(real) as project:
        assert project.claim(), "a killed window must leave no lock"
        (record,) = project.images()
        store = project.store(record.id)
        assert store.n == int(seen["n"])
        np.testing.assert_array_equal(store.labels, seen["labels"])
        np.testing.assert_array_equal(store.state, seen["state"])
        replayed, state = np.zeros_like(store.labels), np.zeros_like(store.state)
        for row in store.rows():
            store.edit(row.n).write_to(replayed, state)
        np.testing.assert_array_equal(replayed, seen["labels"])
        np.testing.assert_array_equal(state, seen["state"])
    counts = {k: int(seen[k]) for k in seen.files if k not in ("labels", "state", "n")}
    few = {kind: n for kind, n in counts.items() if n < WANTED}
    assert not few, few

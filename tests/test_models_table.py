"""The table over models: what it says of a training whose figures are known, and the same everywhere."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project, save_ensemble
from napari_cellseg.report import model_row, model_rows, page, tell

from .test_report import checked


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.parent, tmp_path / "work")) / trained.name


def note(folder: Path, events: list[dict]) -> None:
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))


def check(step: int, loss: float, f1: float, best: bool, train: float = 0.1, train_f1: float = 0.95) -> dict:
    held = {"loss": loss, "accuracy": 0.9, "iou": 0.5, "f1": f1, "precision": 0.5, "recall": 0.5}
    return {"event": "Validated", "step": step, "loss": loss, "best": best, "dice": f1, "held_out": held,
            "training": held | {"loss": train, "f1": train_f1}}  # fmt: skip


def step(n: int, loss: float) -> dict:
    return {"event": "StepDone", "step": n, "loss": loss, "elapsed": 1.0, "remaining": 1.0}


def test_a_known_training(copied):
    with Project.open(copied) as project:
        folder = project.model_path(project.current_model)
    losses, f1 = [0.9, 0.5, 0.4, 0.45, 0.5, 0.55], [0.2, 0.6, 0.8, 0.78, 0.77, 0.75]
    events: list[dict] = []
    for n, (loss, score) in enumerate(zip(losses, f1, strict=True), 1):
        events += [step(2 * n - 1, 1 / n), step(2 * n, 1 / n - 0.02), check(2 * n, loss, score, n <= 3)]
    note(folder, events)
    row = model_row(folder)
    assert (row.epochs, row.kept_epoch) == (6, 3)
    assert row.final_loss == pytest.approx(1 / 6 - 0.01)
    assert row.loss_slope == pytest.approx(0.05)  # 0.45, 0.5, 0.55
    assert (row.held_out_loss, row.training_loss) == (0.4, 0.1)
    assert row.loss_gap == pytest.approx(0.3)
    assert (row.held_out_f1, row.training_f1) == (0.8, 0.95)
    assert row.f1_gap == pytest.approx(0.15)
    assert row.sigma == pytest.approx(np.std(f1, ddof=1))
    assert row.stability == pytest.approx(1 / np.std(f1, ddof=1))


def test_parameters_are_those_of_the_network(copied):
    with Project.open(copied) as project:
        id = project.current_model
        config, card = project.model_config(id), project.model_card(id)
        network = config.model.build(card.in_channels, card.out_channels)
        row = model_rows(project)[-1]
    assert row.parameters == sum(p.numel() for p in network.parameters())


def test_what_was_not_noted_is_not_told(copied):
    with Project.open(copied) as project:
        folder = project.model_path(project.current_model)
    old = [step(1, 0.5), {"event": "Validated", "step": 1, "loss": 0.4, "best": True, "dice": 0.7}]
    note(folder, old)
    row = model_row(folder)
    assert (row.held_out_loss, row.held_out_f1, row.training_loss, row.loss_gap, row.sigma) == (
        0.4,
        0.7,
        None,
        None,
        None,
    )
    note(folder, [step(1, 0.5), {**old[1], "loss": 0.0, "held_out": {}, "training": {}}])  # nothing was held out
    row = model_row(folder)
    assert (row.held_out_loss, row.held_out_f1, row.final_loss) == (None, None, 0.5)
    (folder / "events.jsonl").write_text("no json\n[1]\n" + json.dumps(old[0]))
    assert model_row(folder).epochs == 0
    (folder / "events.jsonl").unlink()
    (folder / "weights.safetensors").write_bytes(b"12")
    row = model_row(folder)
    assert (row.epochs, row.parameters) == (0, None)


def test_python_command_files_and_report_tell_the_same(copied, tmp_path, capsys):
    with cs.open(copied) as project:
        rows = project.model_table
        text = page(tell(project.project))
    assert rows[-1].epochs >= 2
    assert cs.model_table(copied) == rows
    with Project.open(copied) as project:
        folder = project.model_path(project.current_model)
    assert cs.model_table([folder], csv=tmp_path / "one.csv") == rows[-1:]
    assert main(["models", str(copied), "--csv", str(tmp_path / "t.csv"), "--json", str(tmp_path / "t.json"),
                 "--markdown", str(tmp_path / "t.md")]) == 0  # fmt: skip
    assert json.loads((tmp_path / "t.json").read_text())["models"] == [asdict(row) for row in rows]
    line = list(csv.DictReader((tmp_path / "t.csv").open()))[-1]
    assert float(line["held_out_f1"]) == rows[-1].held_out_f1
    assert f"{rows[-1].held_out_f1:.4g}" in (tmp_path / "t.md").read_text()
    assert f"{rows[-1].held_out_f1:.4g}" in text
    checked(text)
    assert "How they learnt" in text
    assert rows[-1].model in capsys.readouterr().out


def test_an_ensemble_has_the_parameters_of_all_its_members(copied):
    with Project.open(copied) as project:
        id = project.current_model
        other = project.models_folder / "v9"
        shutil.copytree(project.model_path(id), other)
        (other / "card.json").write_text((other / "card.json").read_text().replace(f'"id": "{id}"', '"id": "v9"'))
        ensemble = save_ensemble(project, [id, "v9"])
        rows = {row.model: row for row in model_rows(project)}
    assert rows[ensemble].parameters == 2 * rows[id].parameters
    assert rows[ensemble].epochs == 0


def test_what_is_no_model_is_said(tmp_path, capsys):
    with pytest.raises(CellsegError, match="neither a project nor a model folder"):
        cs.model_table(tmp_path)
    assert main(["models", str(tmp_path)]) == 2
    assert "neither" in capsys.readouterr().err

"""Two kinds of images in one project, one after the other: is the new kind learnt, and the earlier one not forgotten?

usage: python benchmarks/kinds.py [--first fluorescence] [--second "phase contrast"] [--model NAME|DIR] [--seconds 60]

Each round corrects objects of train images, fine-tunes, lets the judge decide as ``train --keep auto`` does, and
measures the model that is then in use on the test images of both kinds. Written to ``results/kinds.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from first_masks import GROUPS, HERE, Fields, items, short

from napari_cellseg import images
from napari_cellseg.base import DEFAULT
from napari_cellseg.engine import PredictJob, TrainJob, decide, open_round, record_round, run
from napari_cellseg.evaluation import mean_scores, score_image
from napari_cellseg.events import Judged, Predicted, TrainStarted
from napari_cellseg.project import Project, adopt_model

ROUNDS = ((0,), (0,), (1,), (1,), (0, 1))
"""Which kinds are corrected in each round."""
OBJECTS = 20
"""So many objects of each of them."""


def rounds(kinds: tuple[str, str], model: str, seconds: float) -> list[dict[str, Any]]:
    """What was corrected, learnt, decided and reached in every round."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "p") as project:
        tests = {}
        for kind in kinds:
            for image, labels in items(("test",))[kind]:
                tests[project.add_image(image, split="test")[0]] = (kind, images.read_labels(labels))
        adopt_model(project, model)
        fields = [Fields(project, items(("train",))[kind]) for kind in kinds]

        def measured() -> dict[str, Any]:
            found: dict[str, list[Any]] = {kind: [] for kind in kinds}
            job = PredictJob(project.path, tuple(tests), (str(project.current_model),))
            for event in run(job):
                if isinstance(event, Predicted):
                    kind, truth = tests[event.image]
                    found[kind].append(score_image(truth, np.asarray(event.labels)))
            return {kind: short(mean_scores(scores)) for kind, scores in found.items()}

        rows.append({"round": 0, "model": project.current_model, "tests": measured()})
        print(json.dumps(rows[-1]), flush=True)
        for n, which in enumerate(ROUNDS, 1):
            for k in which:
                fields[k].correct(fields[k].n + OBJECTS)
            open_round(project)
            row: dict[str, Any] = {"round": n, "corrected": {kinds[k]: fields[k].n for k in (0, 1)}}
            config = project.model_config(str(project.current_model)).with_values([f"train.seconds={seconds}"])
            for event in run(TrainJob(project.path, config)):
                if isinstance(event, TrainStarted):
                    row["learnt from"], row["held out"] = event.objects, event.held_objects
                elif isinstance(event, Judged):
                    decision = "keep" if event.better else "roll back"
                    decide(project, decision, record_round(project, event).n)
                    row["decision"] = decision
            rows.append(row | {"model": project.current_model, "tests": measured()})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", choices=tuple(GROUPS.values()), default="fluorescence")
    parser.add_argument("--second", choices=tuple(GROUPS.values()), default="phase contrast")
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "kinds.json")
    options = parser.parse_args()
    found = json.loads(options.json.read_text()) if options.json.is_file() else {}
    name = f"{options.first}, then {options.second}, from {Path(options.model).name}"
    found[name] = rounds((options.first, options.second), options.model, options.seconds)
    options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Subcommands around training: ensembles, studies, splits."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from ..engine import Study, run, study_table
from ..engine import study as run_study
from ..events import StudyScored
from ..project import Project, save_ensemble, stratified_split
from ._progress import Printer
from ._verbs import CANCELLED, DONE, config_of, write_json


def ensemble(options: Namespace) -> int:
    """Several models as one."""
    with Project.open(options.project) as project:
        id = save_ensemble(project, options.model, options.combine)
        project.db.put_setting("current_model", id)
        members = ", ".join(project.model_card(id).members)
        print(f"Saved {id}: the {options.combine} of {members}. It is the current model.")
    return DONE


def split(options: Namespace) -> int:
    """Train, val, test."""
    with Project.open(options.project) as project:
        for name, ids in stratified_split(project, options.by, options.val, options.test, options.seed).items():
            print(f"{name:<6} {len(ids):>4}  {', '.join(ids[:6])}{', ...' if len(ids) > 6 else ''}")
    return DONE


def study(options: Namespace) -> int:
    """The same training under every combination of factors."""
    plan = Study(tuple(options.factors), options.repeats)
    scores: list[StudyScored] = []
    with Project.open(options.project) as project, tempfile.TemporaryDirectory() as folder:
        config = config_of(project, options)
        with Printer(options.events) as printer:
            for event in run_study(project, plan, config, Path(folder), lambda job: run(job, printer.stopped)):
                printer.show(event)
                if isinstance(event, StudyScored):
                    scores.append(event)
                if printer.stopped():
                    break
    rows = study_table(scores)
    lines = [",".join(row) if (options.table or "").endswith(".csv") else f"| {' | '.join(row)} |" for row in rows]
    if not (options.table or "").endswith(".csv"):
        lines.insert(1, "|" + "---|" * len(rows[0]))
    print("\n".join(lines))
    if options.table:
        Path(options.table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(options.json, {"plan": asdict(plan), "scores": [asdict(s) for s in scores]})
    return CANCELLED if printer.stopped() else DONE

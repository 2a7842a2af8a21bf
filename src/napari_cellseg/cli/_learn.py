"""Subcommands around training: ensembles, studies, splits."""

from __future__ import annotations

from argparse import Namespace

from ..errors import CellsegError
from ..events import StudyScored
from ..experiments import Study, study_table
from ..experiments import study as run_study
from ..files import write_text
from ..project import best_epochs, random_split, save_ensemble, stratified_split
from ._opened import opened
from ._verbs import DONE, through


def ensemble(options: Namespace) -> int:
    """Several models as one."""
    with opened(options.project) as project:
        if not (options.model or options.epochs):
            raise CellsegError("An ensemble needs members.", "Give --model twice, or --epochs with --best.")
        kept = best_epochs(project, options.epochs, options.best) if options.epochs else ()
        id = save_ensemble(project, options.model, options.combine, kept)
        project.db.put_setting("current_model", id)
        members = ", ".join(project.model_card(id).members)
        print(f"Saved {id}: the {options.combine} of {members}. It is the current model.")
    return DONE


def split(options: Namespace) -> int:
    """Train, val, test."""
    with opened(options.project) as project:
        shares = options.val, options.test, options.seed
        random = options.by == "random"
        found = random_split(project, *shares) if random else stratified_split(project, options.by, *shares)
        for name, ids in found.items():
            print(f"{name:<6} {len(ids):>4}  {', '.join(ids[:6])}{', ...' if len(ids) > 6 else ''}")
    return DONE


def study(options: Namespace) -> int:
    """The same training under every combination of factors."""
    plan = Study(tuple(options.factors), options.repeats)
    scores, end = through(options, run_study, plan, StudyScored)
    rows = study_table(scores)
    lines = [",".join(row) if (options.table or "").endswith(".csv") else f"| {' | '.join(row)} |" for row in rows]
    if not (options.table or "").endswith(".csv"):
        lines.insert(1, "|" + "---|" * len(rows[0]))
    print("\n".join(lines))
    if options.table:
        write_text(options.table, "\n".join(lines) + "\n")
    return end

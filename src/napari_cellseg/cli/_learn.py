"""The subcommands round models: training, measuring, ensembles, experiments, splits."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from ..api import Experiment
from ..events import Decided, Event, RoundScored, StudyScored
from ..experiments import Simulation, Study, study_table
from ..files import write_text
from ._opened import CANCELLED, DONE, configured, opened, write_json
from ._progress import Printer


def train(options: Namespace) -> int:
    """Fine-tune, judge, keep or roll back."""
    with opened(options.project) as project, Printer(options.events) as printer:

        def show(event: Event) -> None:
            if isinstance(event, Decided):
                verdict = "Kept" if event.decision == "keep" else "Rolled back"
                print(f"{verdict} {event.child}; the current model is {event.current or 'none'}.")
            else:
                printer.show(event)

        project.train(
            keep=options.keep, resume=options.resume, on_event=show, stop=printer.stopped, **configured(options)
        )
    return CANCELLED if printer.stopped() else DONE


def ensemble(options: Namespace) -> int:
    """Several models as one."""
    with opened(options.project) as project:
        id = project.ensemble(options.model, epochs=options.epochs, best=options.best, combine=options.combine)
        members = next(", ".join(card.members) for card in project.models if card.id == id)
        print(f"Saved {id}: the {options.combine} of {members}. It is the current model.")
    return DONE


def split(options: Namespace) -> int:
    """Train, val, test."""
    with opened(options.project) as project:
        found = project.split(val=options.val, test=options.test, by=options.by, seed=options.seed)
        for name, ids in found.items():
            print(f"{name:<6} {len(ids):>4}  {', '.join(ids[:6])}{', ...' if len(ids) > 6 else ''}")
    return DONE


def simulate(options: Namespace) -> int:
    """The loop without a person."""
    plan = Simulation(
        options.rounds, options.objects, options.seconds, options.order, options.seed, start=options.model
    )
    with opened(options.project) as project, Printer(options.events) as printer:
        done = project.simulate(plan, on_event=printer.show, stop=printer.stopped, **configured(options))
    end = _kept(options, done)
    if options.figure and any(s.round for s in done.scores):
        from ..report import plot_curve

        plot_curve(list(done.scores), Path(options.figure))
    return end


def study(options: Namespace) -> int:
    """The same training under every combination of factors."""
    plan = Study(tuple(options.factors), options.repeats)
    with opened(options.project) as project, Printer(options.events) as printer:
        done = project.study(plan, on_event=printer.show, stop=printer.stopped, **configured(options))
    end, rows = _kept(options, done), study_table(done.scores)
    lines = [",".join(row) if (options.table or "").endswith(".csv") else f"| {' | '.join(row)} |" for row in rows]
    if not (options.table or "").endswith(".csv"):
        lines.insert(1, "|" + "---|" * len(rows[0]))
    print("\n".join(lines))
    if options.table:
        write_text(options.table, "\n".join(lines) + "\n")
    return end


def _kept(options: Namespace, done: Experiment[RoundScored] | Experiment[StudyScored]) -> int:
    """Plan and scores to --json; how it ended."""
    write_json(options.json, {"plan": asdict(done.plan), "scores": [asdict(s) for s in done.scores]})
    return CANCELLED if done.stopped else DONE

"""From what is known to what is shown: a pure function, so that no order of callbacks can be wrong. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...evaluation import ERROR_COLOURS, FN, FP, TP
from ...project import ImageStatus, TrainingPlace
from ..layers.channels import ALL
from ..layers.overlays import EXPLANATION_COLOURS
from .copy_text import calls
from .cycles_view import cycles_view
from .edit_log import log_view
from .explained import ExplainView, Of
from .image_status import mark, series_mark, statuses, summary
from .items import Control, Item, Step
from .measured import MeasureView, measure_view
from .old_and_new import Side, model_of
from .rounds import describe_round, verdict
from .session import Session
from .spot_view import spot_view
from .survey_view import survey_view
from .time_line import Entry, entries, entry_of, series_of, time_view
from .track_state import track_view
from .view_values import View
from .words import (
    counts_text,
    forecast_text,
    model_items,
    network_text,
    plan_text,
    remaining_text,
    silence_text,
    size_text,
)

__all__ = ["TITLES", "View", "resolve"]
TITLES = "Image", "Preprocess", "Predict", "Correct", "Fine-tune", "Rounds", "Measure"
"""Of the steps, in their order."""


def resolve(s: Session) -> View:
    """What to show for a session."""
    project = Control(True) if s.project else Control(False, "Make or open a project first (step Image).")
    image = (
        Control(True) if s.store is not None else Control(False, project.reason or "Open an image first (step Image).")
    )
    running = s.progress.text.split(":")[0] if s.progress else ""  # without numbers, which change all the time
    idle = Control(s.progress is None, f"{running}: wait, or cancel it." if running else "")
    writable = Control(not s.read_only, "Another window edits this project; this one only looks.")
    open_round = bool(s.rounds) and s.rounds[-1].decision == "open"
    return View(
        **_project(s),
        image_position=_position(s),
        image=s.image,
        **_all_images(s, project, idle, writable),
        open_images=s.open_images,
        channels=_channels(s),
        channel=str(ALL if s.together_shown else s.channel),
        plane=s.plane,
        calls=calls(s),
        steps=_steps(s, open_round, image),
        **_status(s, running),
        models=model_items(s),
        current_model=s.current_model or "",
        **_learning(s, open_round, writable, idle),
        **_preprocessing(s),
        **_predicting(s, idle),
        **_reviewing(s),
        predict_text="Predict" if s.current_model or not s.project else "Draft (no model yet)",
        needs_project=project,
        needs_image=image,
        predict=_first(image, writable, idle),
        measure=_measuring(s, project, idle, writable),
        tracks=track_view(s.tracking, series_of(s, s.image), s.image, idle, writable),
        cancel=Control(s.progress is not None, "Nothing is running."),
        correct=_first(image, writable),
        fine_tune=_first(project, writable, idle, _known(s)),
        decide=_first(writable, idle, Control(open_round, "There is no new model to decide on. Fine-tune first.")),
    )


def _measuring(s: Session, project: Control, idle: Control, writable: Control) -> MeasureView:
    """What the step Measure shows."""
    images = _first(project, Control(bool(s.images), "Add images first."), idle)
    objects = s.project is None or s.project.task == "instance"
    return measure_view(s.measured, s.image, images, idle, writable, objects=objects)


def _status(s: Session, running: str) -> dict[str, Any]:
    """What is said below the pages."""
    return {
        "undo": s.undo,
        "redo": s.redo,
        "undo_takes_all": s.undo_takes_all,
        "answered": s.answered and s.live,
        "status": s.status,
        "notice": s.notice,
        "problem": s.problem,
        "progress": s.progress,
        "progress_kind": running,
        "remaining": remaining_text(s.progress.remaining) if s.progress else "",
        "engine": s.engine,
        "silent": silence_text(s),
        "server": s.server,
    }


def _project(s: Session) -> dict[str, Any]:
    """What is shown of the project itself."""
    return {
        "project": s.project.name if s.project else "No project",
        "recent": s.recent,
        "folder": s.folder,
        "guidelines": s.guidelines if s.project else "",
        "config": s.config,
        "saved": "" if s.project is None else "not saved" if s.gone else "read only" if s.read_only else "saved ✓",
        "gone": s.gone,
    }


def _all_images(s: Session, project: Control, idle: Control, writable: Control) -> dict[str, Any]:
    """What the step Image shows of all images."""
    known = statuses(s)
    lines = entries(s)
    some = _first(project, Control(bool(s.images), "Add images first."))
    model = Control(bool(s.current_model), "There is no model yet: fine-tune one (step Fine-tune).")
    return {
        "entry": entry_of(s, s.image),
        "time": time_view(s, _first(project, writable)),
        "images": tuple(_line(s, entry, known) for entry in lines),
        "removed": s.removed,
        "splits": {entry.key: entry.records[0].split for entry in lines},
        "change_images": _first(project, writable, idle),
        "summary": summary(s, known),
        "predict_all": _first(some, writable, model, idle),
        "export_all": _first(some, idle),
        "log": log_view(s, project, writable, idle),
        "surveys": survey_view(s.surveys, tuple(r.id for r in s.images), _first(some, idle), _ndim(s)),
    }


def _line(s: Session, entry: Entry, known: Mapping[str, ImageStatus]) -> Item:
    """An image, or a time series, in the list."""
    first = entry.records[0]
    size = size_text(first.shape, first.split)
    if not entry.series:
        marks = mark(known[first.id], first, s.holdouts.get(first.id)) if first.id in known else ("", "")
        return Item(entry.key, entry.key, size, *marks)
    marks = series_mark([known[id] for id in entry.ids if id in known])
    return Item(entry.key, entry.key, f"{len(entry.ids)} frames, {size}", *marks)


def _known(s: Session) -> Control:
    known = s.counts.corrected + s.counts.approved > 0 or s.user_edits
    return Control(known, "" if known else "Paint some objects and approve a field first (step Correct).")


def _preprocessing(s: Session) -> dict[str, Any]:
    """What the step Preprocess shows, and what is counted."""
    return {
        "counts": counts_text(s),
        "preview": s.preview,
        "split": s.split,
        "histogram": s.histogram,
        "recipe": s.config.recipe,
    }


def _predicting(s: Session, idle: Control) -> dict[str, Any]:
    """What the step Predict shows beside its button."""
    said = s.user_edits or s.hinted or s.counts.corrected + s.counts.approved > 0
    kept = Control(s.kept, "" if s.kept else "Press Predict first: thresholds act on its probabilities.")
    changed = Control(s.target is not None, "The thresholds are the model's own.")
    return {
        "plan": plan_text(s.plan) if s.current_model else "",
        "object_size": s.plan.size if s.plan else 0.0,
        "given_size": s.given_size,
        "field_only": s.field_only,
        "decoded": s.decoded,
        "decoding": s.decoding if s.current_model else None,
        "together": s.together,
        "thresholds": _first(idle, kept),
        "apply": _first(idle, kept, changed),
        "reset": _first(idle, Control(s.target is not None or s.fitted is not None, changed.reason)),
        "fit": _first(idle, kept, Control(s.counts.corrected + s.counts.approved > 0, "Correct some objects first.")),
        "forest": _first(idle, Control(said, "Correct something or paint hints first: the forest learns from it.")),
        "fitted": s.fitted is not None and s.target is None and s.live,
    }


def _learning(s: Session, open_round: bool, *allowed: Control) -> dict[str, Any]:
    """What the steps Fine-tune and Rounds show."""
    rounds = tuple(describe_round(r) for r in s.rounds)
    going_on = _first(*allowed, Control(bool(s.unfinished), "No training was interrupted."))
    return {
        "rounds": rounds,
        "verdict": verdict(s.rounds[-1], s.current_model) if open_round else "",
        "side": s.side,
        "side_text": s.side_text,
        "held": Control(s.store is not None, "" if s.store is not None else "Open an image first."),
        "change_held": _first(*allowed, Control(s.store is not None, "Open an image first.")),
        "held_shown": s.held_shown,
        **_errors(s),
        "explain": _explain(s),
        "places": tuple(_place(n, p) for n, p in enumerate(s.places)),
        "find_places": _first(*allowed, Control(bool(s.rounds or s.unjudged), "Fine-tune a model here first.")),
        "spot": spot_view(s.spot, _first(*allowed, _spot(s))),
        "cycles": cycles_view(s.cycles, _first(*allowed, Control(bool(s.images), "Add images first."))),
        "look_old": _look(s, open_round, "old"),
        "look_new": _look(s, open_round, "new"),
        "better": open_round and s.rounds[-1].child == s.current_model,
        "by_state": s.by_state,
        "hint": s.hint,
        "hinted": s.hinted,
        "live": s.live and not s.live_reason,
        "live_control": Control(not s.live_reason, s.live_reason),
        "live_learnt": s.live_learnt if s.live else "",
        "curve": s.curve,
        "before_after": s.before_after,
        "training": s.training,
        "network": network_text(s.training),
        "resume": going_on,
        "unjudged": s.unjudged[-1] if s.unjudged else "",
        "judge": _first(*allowed, Control(bool(s.unjudged), "Every model is judged.")),
        "unfinished": s.unfinished,
        "forecast": forecast_text(s),
    }


def _explain(s: Session) -> ExplainView:
    """What the dock Explain shows."""
    image = Control(s.store is not None, "Open an image first (step Image).")
    model = Control(bool(s.current_model), "There is no model yet: fine-tune one (step Fine-tune).")
    idle = Control(s.progress is None, "Something is running: wait, or cancel it.")
    objects = Control(s.project is None or s.project.task == "instance", "This project has classes, not objects.")
    classes = Control(not objects.enabled, "This project has objects, not classes.")
    pointed = Control(bool(s.pointed), "Press Point at a place first, and click it.")
    asked = _first(image, model, idle)
    of: dict[Of, Control] = {
        "everything": asked, "object": _first(asked, objects), "class": _first(asked, classes),
        "point": _first(asked, pointed), "view": asked,
    }  # fmt: skip
    return ExplainView(s.explained, asked, of, s.tool == "why", EXPLANATION_COLOURS)


def _ndim(s: Session) -> int:
    record = s.record or next(iter(s.images), None)
    return len(record.shape) if record is not None else 2


def _place(n: int, place: TrainingPlace) -> Item:
    """A line of the list of places."""
    where = "" if not place.objects else f", object {place.objects[0]}"
    sees = {
        "nothing": "the model sees nothing", "an object": "the model sees an object",
        "several": "the model sees several", "one": "the model sees one", "another outline": "another outline",
    }  # fmt: skip
    text = f"{place.image}{where}: {sees[place.sees]}"
    tip = f"IoU {place.iou:.2f}, score {place.score:.2f}"
    return Item(str(n), text, mark="edited" if place.changed else "", tip=tip)


def _spot(s: Session) -> Control:
    """Whether untouched objects can be drawn."""
    if s.project is None:
        return Control(False, "Make or open a project first (step Image).")
    here = s.counts.objects > s.counts.corrected_objects + s.counts.approved_objects
    there = here or any(status.labelled and status.approved < 1 for status in s.statuses.values())
    if s.project.task != "instance":
        return Control(False, "It is of objects; the labels of this project are classes.")
    return Control(there, "" if there else "Predict first: then there is something that nobody has looked at.")


def _errors(s: Session) -> dict[str, Any]:
    """What the step Rounds shows of errors."""
    image = Control(s.store is not None, "Open an image first (step Image).")
    idle = Control(s.progress is None, "Something is running: wait, or cancel it.")
    kept = Control(s.kept, "Press Predict first: the model's answer is kept then.")
    colours = ERROR_COLOURS["classes" if s.project is not None and s.project.task == "semantic" else "objects"]
    return {
        "report_written": s.report_written,
        "errors": s.errors,
        "error_lines": s.error_list.lines,
        "error_colours": tuple(colours[value] for value in (TP, FP, FN)),
        "errors_of_model": _first(image, idle, kept),
        "errors_against_file": image,
    }


def _reviewing(s: Session) -> dict[str, Any]:
    """What the step Correct shows beside its tools."""
    running = 0 <= s.place < len(s.queue)
    place = ""
    if running:
        item = s.queue[s.place]
        name = f"object {item.id}" if item.id else "a tile of background" if not s.compared else "a place"
        place = f"{s.place + 1} of {len(s.queue)}: {name}" + (f" ({', '.join(item.why)})" if item.why else "")
    return {
        "choices": s.choices,
        "tool": s.tool,
        "keys": s.keys,
        "volume": s.record is not None and len(s.record.shape) == 3,
        "semantic": s.project is not None and s.project.task == "semantic",
        "classes": s.project.classes if s.project is not None else (),
        "class_colours": s.class_colours,
        "brush_class": s.brush_class,
        "place": place,
        "reviewing": Control(running, "" if running else "Start a review first."),
        "order": s.order,
        "compared": s.compared,
        "compare_model": Control(s.kept, "" if s.kept else "Press Predict first: the model's answer is kept then."),
        "edits": s.store.n if s.store is not None else 0,
    }


def _look(s: Session, open_round: bool, side: Side) -> Control:
    """Whether the old or the new model can be looked at."""
    if not open_round or s.store is None:
        return Control(False, "Fine-tune first: then old and new can be looked at.")
    there = bool(model_of(s.rounds[-1], side))
    return Control(there, "" if there else "There was no model before this one: a draft was on the screen.")


def _position(s: Session) -> str:
    keys = [entry.key for entry in entries(s)]
    mine = entry_of(s, s.image)
    return f"{keys.index(mine) + 1} / {len(keys)}" if mine in keys else ("no image" if s.project else "")


def _first(*controls: Control) -> Control:
    """The first reason against, if there is one."""
    return next((c for c in controls if not c.enabled), Control(True))


def _channels(s: Session) -> tuple[Item, ...]:
    """What can be shown of the open image's channels: all of them in colour, where there are few, or one."""
    if s.store is None or s.record is None or s.record.in_colour or len(s.channel_names) < 2:
        return ()
    some = (Item(str(ALL), "all channels"),) if s.channels_together else ()
    return (*some, *(Item(str(n), name) for n, name in enumerate(s.channel_names)))


def _steps(s: Session, open_round: bool, image: Control) -> dict[str, Step]:
    """What is done, what comes next, and what must wait for something else."""
    known = s.counts.corrected + s.counts.approved > 0
    done = {
        "Image": s.store is not None,
        "Predict": s.counts.objects > 0,
        "Correct": known,
        "Fine-tune": bool(s.rounds),
        "Rounds": bool(s.rounds) and not open_round,
        "Measure": s.measured.table is not None and not s.measured.stale,
    }
    locked = dict.fromkeys(("Preprocess", "Predict", "Correct"), image.reason)
    locked["Fine-tune"] = _known(s).reason if s.project else image.reason
    rounds = bool(s.rounds or s.unjudged or s.cycles.lines) or s.counts.objects > 0 or _spot(s).enabled
    locked["Rounds"] = (
        "" if rounds else ("Predict first, for a spot check or a review cycle. A round compares old and new models.")
    )
    here = s.store is not None or s.measured.labels_there
    locked["Measure"] = "" if here else "Open an image or a labels layer first."
    following = _next_step(s, open_round)

    def step(title: str) -> Step:
        if title == following:
            return Step("next")
        if done.get(title):
            return Step("done")
        return Step("locked", locked[title]) if locked.get(title) else Step()

    return {title: step(title) for title in TITLES}


def _next_step(s: Session, open_round: bool) -> str:
    if s.store is None:
        return "Image"
    if open_round:
        return "Rounds"
    if s.counts.objects == 0 and s.counts.corrected + s.counts.approved == 0:
        return "Predict"
    return "Fine-tune" if s.counts.corrected + s.counts.approved > 0 else "Correct"

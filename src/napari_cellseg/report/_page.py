"""The report as one HTML file that needs nothing beside it: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files import write_text
from ..project import Sees, TrainingPlace
from ..trust import Share, said
from ._cycles import section
from ._dynamics import COLUMNS, shown
from ._effort import Effort
from ._html import day, figure, minutes, number, table_of
from ._methods import methods
from ._plots import accuracy_plot, correction_plot
from ._story import MEASURED, Story, Stretch, measured_against

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a202c;max-width:1000px;margin:2em auto;padding:0 1.2em}
h1{font-size:1.7em;margin-bottom:0}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #cbd5e0}
table{border-collapse:collapse;margin:.8em 0}td,th{padding:.25em .8em;border-bottom:1px solid #e2e8f0;text-align:left}
th{font-weight:600;background:#f7fafc}td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
table.wide{font-size:.8em}.wide td,.wide th{padding:.25em .45em}.wide td{white-space:nowrap}
.quiet{color:#4a5568;font-size:.92em}.row{display:flex;flex-wrap:wrap;gap:1.2em}
.row figure{flex:1 1 420px;margin:.5em 0}
img{max-width:100%}figcaption{color:#4a5568;font-size:.9em}pre{background:#f7fafc;padding:1em;overflow:auto}
.facts{display:flex;flex-wrap:wrap;gap:.4em 2em;margin:1em 0}.facts b{display:block;font-size:1.4em;font-weight:600}
blockquote{border-left:3px solid #2b6cb0;margin:1em 0;padding:.2em 1em;background:#f7fafc}
@media print{details>*{display:block}body{margin:0}}
"""
SHOWN_PLACES = 20
"""Training places that are listed."""
_PLACE: dict[Sees, str] = {
    "nothing": "nothing", "an object": "an object", "several": "several in its place", "one": "one in their place",
    "another outline": "another outline",
}  # fmt: skip
Case = tuple[str, bytes]
"""What a strip shows, in words, and its PNG."""


def write_page(story: Story, path: Path, cases: Sequence[Case] = (), measured: Sequence[Case] = ()) -> Path:
    """Write the report.

    Raises
    ------
    CellsegError
        When it cannot be written; the file appears whole or not at all.
    """
    write_text(path, page(story, cases, measured))
    return path


def page(story: Story, cases: Sequence[Case] = (), measured: Sequence[Case] = ()) -> str:
    """The whole page; `measured` are figures of what labels measure."""
    parts = (
        _head(story), _rounds(story), _before_after(story), _trust(story), _cases(cases), _training_places(story),
        _work(story), section(story.cycles), _images(story), _measured(measured), _methods(story), _lineage(story),
    )  # fmt: skip
    title = html.escape(story.name)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _measured(figures: Sequence[Case]) -> str:
    if not figures:
        return ""
    shown = "".join(figure(png, text) for text, png in figures)
    return f'<h2>Measured</h2><div class="row">{shown}</div>'


def _head(story: Story) -> str:
    looked = [story.statuses[r.id].word for r in story.images]
    minutes = sum(e.seconds for e in story.by_person.values()) / 60
    facts = {
        "images": str(len(story.images)),
        "corrected or approved": str(sum(word in ("corrected", "approved") for word in looked)),
        "actions by hand": f"{sum(e.actions for e in story.by_person.values()):,}",
        "minutes of annotation": f"{minutes:.0f}",
        "rounds": str(len(story.rounds)),
        "model in use": story.current or "none",
    }
    shown = "".join(f"<div><b>{html.escape(v)}</b> {html.escape(k)}</div>" for k, v in facts.items())
    when = f"{day(story.begun)} to {day(story.ended)}" if story.begun and story.ended else "nothing done by hand yet"
    return f'<h1>{html.escape(story.name)}</h1><p class="quiet">{when}</p><div class="facts">{shown}</div>'


def _rounds(story: Story) -> str:
    if not story.rounds:
        return "<h2>Rounds</h2><p>No network has been trained yet.</p>"
    heads = [
        "Round",
        "Measured against",
        "New model",
        "By hand",
        "Objects",
        "Minutes",
        "Corrected",
        *MEASURED.values(),
        "",
    ]
    rows = [_round(s) for s in story.rounds]
    note = (
        '<p class="quiet">Before → after, on what neither model had learnt from. <i>By hand</i>: actions since the '
        "training before; <i>Objects</i>: those that they corrected or approved; <i>Corrected</i>: of what a person "
        "looked at since the training before, the share whose label had to be changed, by voxels.</p>"
    )
    if story.own_truth:
        where = f"In {story.own_truth} round{'s' if story.own_truth > 1 else ''}"
        note += (
            f"<p><b>{where} the older model's own masks were the truth</b>, approved as they were: nothing can do "
            "better on them, so these figures say little.</p>"
        )
    note += _cover(story)
    plots = [
        (accuracy_plot(story), "Accuracy over the work that it took. Hollow: a model that was not kept."),
        (correction_plot(story), "How much of what was looked at had to be corrected before each training."),
    ]
    figures = "".join(figure(png, text) for png, text in plots if png is not None)
    return f'<h2>Rounds</h2>{table_of(heads, rows, " class=wide")}{note}<div class="row">{figures}</div>'


def _cover(story: Story) -> str:
    """How far the model in use is off in the area that it covers."""
    n = len(story.cover)
    if n < 2:
        return ""
    mean = sum(story.cover) / n
    sd = math.sqrt(sum((ratio - mean) ** 2 for ratio in story.cover) / (n - 1))
    return (
        f"<p>On {n} held-out images the true area was {mean:.1%} of the area that {html.escape(story.current or '')} "
        f"covers (standard deviation {sd:.1%}). Persons who judge confluency by eye differ by ±20 % (Aziz et al. "
        "2026).</p>"
    )


def _round(stretch: Stretch) -> list[str]:
    r = stretch.round
    if r is None:
        return []
    said = {"keep": "kept", "roll back": "rolled back"}.get(r.decision, "not decided")
    metrics = [f"{number(stretch.metric(n, 'before'))} → {number(stretch.metric(n, 'after'))}" for n in MEASURED]
    share = "" if stretch.share is None else f"{stretch.share:.0%}"
    return [
        str(r.n),
        measured_against(r),
        r.child,
        f"{stretch.effort.actions:,}",
        f"{stretch.objects:,}",
        minutes(stretch.effort),
        share,
        *metrics,
        said,
    ]


def _before_after(story: Story) -> str:
    """Before, after, absolute, relative: the form of Aziz et al. 2026, Table 4."""
    kept = [s for s in story.rounds if s.round is not None and s.round.decision == "keep"]
    if not kept:
        return ""
    rows = []
    for name, title in MEASURED.items():
        before, after = story.rounds[0].metric(name, "before"), kept[-1].metric(name, "after")
        if before is None or after is None:
            continue
        relative = f"{(after - before) / before:+.1%}" if before else ""
        rows.append([title, number(before), number(after), f"{after - before:+.3f}", relative])
    if not rows:
        return ""
    text = (
        "Before the first round against after the last one that was kept. What is held out may have grown in between, "
        "so the two were not measured on the very same objects; each line of the table above was."
    )
    heads = ["", "Before", "After", "Absolute", "Relative"]
    return f'<h2>Before and after</h2>{table_of(heads, rows)}<p class="quiet">{text}</p>'


def _trust(story: Story) -> str:
    """What spot checks say of the labels that nobody looked at."""
    if not story.spot_checks:
        return ""
    heads = ["Check", "When", "By", "Labels of", "Right", "Precision", "Missed / found", "Recall", "Minutes"]
    rows = [
        [
            str(r.check.n), day(r.check.time), r.check.author, r.check.models, f"{r.right} of {r.right + r.wrong}",
            _share(r.precision), f"{r.missed} / {r.found}" if r.fields_counted else "", _share(r.recall),
            f"{r.seconds / 60:.1f}",
        ]
        for r in story.spot_checks
    ]  # fmt: skip
    note = (
        "Random objects that nobody had touched, judged one by one, and random fields in which missed ones were "
        "counted. 95 % intervals: of the precision by Clopper and Pearson's construction for a finite set, of the "
        "recall by Korn and Graubard's (1998), which allows for objects of one field being alike."
    )
    newest = "".join(f"<li>{html.escape(line)}</li>" for line in said(story.spot_checks[-1]))
    table = table_of(heads, rows)
    return f'<h2>What nobody looked at</h2>{table}<ul>{newest}</ul><p class="quiet">{note}</p>'


def _share(share: Share) -> str:
    return "" if share.value is None else f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return ""
    shown = "".join(figure(png, text) for text, png in cases)
    return f"<h2>Worst cases</h2>{shown}"


def _training_places(story: Story) -> str:
    """Where the model in use disagrees with what it learnt, if somebody has looked."""
    found = story.training_places
    if found is None:
        return ""
    left = [p for p in found.places if not p.changed]
    done = len(found.places) - len(left)
    said = f"{found.model} disagreed with {len(found.places)} places that it had learnt from"
    said += f"; {done} of them were edited since." if done else "."
    rows = [
        [str(n), p.image, _PLACE[p.sees], _ids(p), f"{p.iou:.2f}", f"{p.score:.2f}", where(p)]
        for n, p in enumerate(left[:SHOWN_PLACES], 1)
    ]
    heads = ["", "Image", "The model sees", "Objects", "IoU", "Score", "Place"]
    note = (
        "What a model still denies after learning it is either hard to see or a slip of the annotator. Score: "
        "(1 - IoU) times the size of the place as a share of the median object's, at most 1."
    )
    table = table_of(heads, rows) if rows else ""
    return f'<h2>Training places to look at again</h2><p>{html.escape(said)}</p>{table}<p class="quiet">{note}</p>'


def place_in_words(place: TrainingPlace) -> str:
    """``cells, object 12: the model sees nothing (IoU 0.00), at 10:20 30:45``."""
    return f"{place.image}, {_ids(place)}: the model sees {_PLACE[place.sees]} (IoU {place.iou:.2f}), at {where(place)}"


def where(place: TrainingPlace) -> str:
    """The box of a place, start:stop per axis."""
    return " ".join(f"{a}:{b}" for a, b in place.box)


def _ids(place: TrainingPlace) -> str:
    if not place.objects:
        return "no label" if place.sees == "an object" else "a region"
    ids = ", ".join(map(str, place.objects[:4])) + (", ..." if len(place.objects) > 4 else "")
    return f"object{'s' if len(place.objects) > 1 else ''} {ids}"


def _work(story: Story) -> str:
    if not story.by_tool:
        return ""
    text = "An action takes the time since the one before it of the same person; if that is above 20 s, none."
    tables = "".join(
        f"<div>{table_of([title, 'Actions', 'Minutes', 'Seconds each', 'Voxels'], _efforts(efforts))}</div>"
        for title, efforts in (("Tool", story.by_tool), ("Person", story.by_person))
    )
    return f'<h2>Work</h2>{_each_object(story)}<div class="row">{tables}</div><p class="quiet">{text}</p>'


def _each_object(story: Story) -> str:
    """Actions and seconds that an object took."""
    if not story.objects_known:
        return ""
    done = story.by_person.values()
    actions, seconds = (sum(n) / story.objects_known for n in ([e.actions for e in done], [e.seconds for e in done]))
    return (
        f"<p>{story.objects_known:,} objects are corrected or approved: {actions:.2g} actions and {seconds:.2g} s for "
        "each of them.</p>"
    )


def _efforts(efforts: Mapping[str, Effort]) -> list[list[str]]:
    return [
        [name, f"{e.actions:,}", minutes(e), "" if e.each is None else f"{e.each:.1f}", f"{e.voxels:,}"]
        for name, e in efforts.items()
    ]


def _images(story: Story) -> str:
    words = {"train": "training", "val": "judging", "test": "test"}
    rows = []
    for record in story.images:
        status = story.statuses[record.id]
        size = " x ".join(map(str, record.shape))
        spacing = " x ".join(f"{s:g}" for s in record.spacing_um) if record.spacing_um else "unknown"
        shares = f"{status.corrected:.1%} / {status.approved:.1%}"
        rows.append([record.id, size, spacing, words.get(record.split, record.split), status.word, shares])
    heads = ["Image", "Pixels", "Voxel (µm)", "Used for", "Status", "Corrected / approved"]
    return f"<h2>Images</h2>{table_of(heads, rows)}"


def _methods(story: Story) -> str:
    return f"<h2>Methods, to paste</h2><blockquote>{html.escape(methods(story))}</blockquote>"


def _lineage(story: Story) -> str:
    rows = [
        [
            m.id + (" (in use)" if m.id == story.current else ""), m.parent or "", day(m.created), f"{m.steps:,}",
            f"{m.seconds / 60:.1f}", str(len(m.images)), str(m.seed), m.stopped_by,
        ]
        for m in sorted(story.models, key=lambda m: m.created)
    ]  # fmt: skip
    heads = ["Model", "Parent", "When", "Steps", "Minutes", "Images", "Seed", "Ended by"]
    table = table_of(heads, rows) if rows else "<p>There is no model yet.</p>"
    table += _learnt(story)
    config = f"<details><summary>Configuration</summary><pre>{html.escape(story.config.to_toml())}</pre></details>"
    return f"<h2>Models</h2>{table}{config}"


def _learnt(story: Story) -> str:
    """How the models learnt: the form of the table of training dynamics of Das et al. 2025."""
    rows = [row for row in story.learnt if row.epochs]
    if not rows:
        return ""
    left_out = {"parent", "network", "steps", "seconds"}  # told above and below
    kept = [n for n, name in enumerate(COLUMNS) if name not in left_out]
    heads = [list(COLUMNS.values())[n] for n in kept]
    note = (
        "Losses and F1 of the foreground at the epoch that was kept, on patches that were learnt from and on those "
        "held out (val), as they are. Gaps are above 0 where a model fits what it learnt better. Sigma: standard "
        "deviation of the val F1 over the epochs (validations); stability: 1 / sigma; slope: change of the val loss "
        "per epoch at the end."
    )
    table = table_of(heads, [[shown(row)[n] for n in kept] for row in rows], " class=wide")
    return f'<h3>How they learnt</h3>{table}<p class="quiet">{note}</p>'

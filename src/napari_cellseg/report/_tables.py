"""Tables of an evaluation as files: CSV for further work, Markdown for a text."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import whole

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]


def write_csv(tables: Tables, path: Path) -> list[Path]:
    """Write the table of images to a file, and every other that has rows beside it (``NAME_objects.csv``...)."""
    written = []
    for name, rows in tables.items():
        if not rows and name != "images":
            continue
        own = path if name == "images" else path.with_name(f"{path.stem}_{name}{path.suffix}")
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with whole(own) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        written.append(own)
    return written


def markdown(tables: Tables, titles: Mapping[str, str]) -> str:
    """Statistics over images and slices, pooled metrics and tests of two systems.

    Parameters
    ----------
    titles
        Of the metrics, by their names.
    """
    systems = list(dict.fromkeys(row["system"] for row in tables["summary"]))
    parts = (_statistics(tables, systems, titles), _pooled(tables, systems, titles), _tests(tables, titles))
    return "\n".join(["# Evaluation", "", *(line for part in parts for line in part)])


def _statistics(tables: Tables, systems: Sequence[str], titles: Mapping[str, str]) -> Iterator[str]:
    for place, rows in _by_place(tables["summary"], ("truth", "group", "class", "over")).items():
        yield from (f"## Over {place[-1]}: {_words(*place[:3])}", "")
        yield from ("Mean ± SD [95 % interval of the mean] (n).", "", *_grid(rows, systems, titles, _spread), "")
        if tested := [row for row in rows if row.get("against") is not None]:
            yield from (f"Against {tested[0]['against']}: t (p), Cohen's d, share above [95 % interval].", "")
            yield from (*_grid(tested, systems, titles, _against), "")


def _pooled(tables: Tables, systems: Sequence[str], titles: Mapping[str, str]) -> Iterator[str]:
    for place, rows in _by_place(tables["pooled"], ("truth", "group")).items():
        alike = [row for row in rows if row.get("class", "all") == "all"]
        flat = [{**row, "metric": name} for row in alike for name in titles]
        yield from (f"## All pixels and objects together: {_words(*place)}", "")
        yield from (*_grid(flat, systems, titles, lambda row: _number(row.get(row["metric"]))), "")


def _tests(tables: Tables, titles: Mapping[str, str]) -> Iterator[str]:
    for place, rows in _by_place(tables["comparisons"], ("truth", "group", "class", "one", "other")).items():
        yield from (f"## {place[3]} minus {place[4]}: {_words(*place[:3])}", "")
        yield from ("| | difference | p (t) | p (Wilcoxon) | d_z | n |", "|---" * 6 + "|")
        for row in rows:
            figures = [_number(row[k]) for k in ("difference", "p_t", "p_wilcoxon", "d_z")]
            yield f"| {' | '.join([titles[row['metric']], *figures, str(row['n'])])} |"
        yield ""


def _words(truth: str, group: str, kind: str = "") -> str:
    """Which truth, group and class."""
    named = (truth if truth != "truth" else "", group and f"group {group}", kind and f"class {kind}")
    return ", ".join(part for part in named if part)


def _by_place(rows: Sequence[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def _grid(
    rows: Sequence[Row], systems: Sequence[str], titles: Mapping[str, str], text: Callable[[Row], str]
) -> Iterator[str]:
    """One line per metric, one column per system."""
    cells = {(row["metric"], row["system"]): text(row) for row in rows}
    yield f"| | {' | '.join(systems)} |"
    yield "|---" * (len(systems) + 1) + "|"
    for name, title in titles.items():
        own = [cells.get((name, system), "") for system in systems]
        if any(own):
            yield f"| {title} | {' | '.join(own)} |"


def _spread(row: Row) -> str:
    if row["mean"] is None:
        return ""
    spread = "" if row["sd"] is None else f" ± {_number(row['sd'])}"
    interval = "" if row["low"] is None else f" [{_number(row['low'])}, {_number(row['high'])}]"
    return f"{_number(row['mean'])}{spread}{interval} ({row['n']})"


def _against(row: Row) -> str:
    if row.get("t") is None:
        return ""
    share = f"{_number(row['share_above'])} [{_number(row['share_low'])}, {_number(row['share_high'])}]"
    return f"{_number(row['t'])} ({_number(row['p'])}), {_number(row['d'])}, {share}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

"""What became of many pictures that were labelled together, as a table and as a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_text
from ._html import table_of
from ._page import STYLE
from ._tables import write_csv

COLUMNS = ("image", "status", "objects", "seconds", "file", "message", "hint")


def write_batch(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write ``summary.csv`` and ``summary.html``, what failed first; returns their paths.

    Raises
    ------
    CellsegError
        When they cannot be written.
    """
    rows = sorted(rows, key=lambda row: row.get("status") == "done")
    full = [{name: row.get(name, "") for name in COLUMNS} for row in rows]
    write_csv({"images": full}, folder / "summary.csv")
    done = sum(row["status"] == "done" for row in full)
    objects = sum(int(row["objects"] or 0) for row in full)
    heads = [name for name in COLUMNS if any(row[name] != "" for row in full)]
    table = table_of(heads, [[str(row[name]) for name in heads] for row in full])
    text = f"{done} of {len(full)} pictures labelled, {objects:,} objects."
    title = html.escape(f"Labels in {folder.name}")
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><p>{text}</p>{table}</body></html>\n"
    )
    return [folder / "summary.csv", write_text(folder / "summary.html", page)]

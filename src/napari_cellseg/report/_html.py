"""Pieces of a page: tables, figures, numbers."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ._effort import Effort


def table_of(heads: Sequence[str], rows: Iterable[Sequence[str]], how: str = "") -> str:
    """Columns whose cells are numbers stand at the right."""
    rows = [list(row) for row in rows]
    right = [bool(rows) and all(_is_number(row[k]) for row in rows) for k in range(len(heads))]

    def line(cells: Sequence[str], tag: str) -> str:
        inner = (f"<{tag}{' class=n' if r else ''}>{html.escape(c)}</{tag}>" for c, r in zip(cells, right, strict=True))
        return f"<tr>{''.join(inner)}</tr>"

    return f"<table{how}>{line(heads, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _is_number(text: str) -> bool:
    return not text.strip("0123456789.,%+-→ ") and not any(c.isalpha() for c in text)


def figure(png: bytes, text: str) -> str:
    """A PNG with what it shows, inside the page."""
    data = base64.b64encode(png).decode()
    caption = html.escape(text)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def number(value: float | None) -> str:
    """``0.812``, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def minutes(effort: Effort) -> str:
    """``12.3``."""
    return f"{effort.seconds / 60:.1f}"


def day(time: float) -> str:
    """``2026-05-04`` (UTC)."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")

"""JSON as other tools write it: any Unicode encoding, numbers as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(path: Path) -> Any:
    """The content of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    return json.loads(path.read_bytes())


def whole(value: Any) -> int | None:
    """A whole number, also one that is written as text or with a fraction of 0; None where it is none."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
        return int(value) if isinstance(value, int) else int(number) if number.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        return None

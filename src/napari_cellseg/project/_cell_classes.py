"""Which classes of a project are nuclei and envelopes, as a person said once: setting ``cell_classes``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ._folder import Project

_SETTING = "cell_classes"


@dataclass(frozen=True)
class CellClasses:
    """Names of classes.

    Attributes
    ----------
    nucleus, envelope
        Of nuclei, which count the cells, and of their envelopes.
    """

    nucleus: str = "nucleus"
    envelope: str = "envelope"


def cell_classes(project: Project) -> CellClasses:
    """What was said last; the usual names where nobody said, or it cannot be read."""
    try:
        values = json.loads(project.db.setting(_SETTING) or "{}")
        return CellClasses(**{k: str(v) for k, v in values.items() if k in CellClasses.__dataclass_fields__})
    except (ValueError, AttributeError, TypeError):
        return CellClasses()


def put_cell_classes(project: Project, names: CellClasses) -> None:
    """Keep them."""
    if names != cell_classes(project):
        project.db.put_setting(_SETTING, json.dumps(asdict(names)))

"""What a person has set for all projects (napari's Preferences > Plugin Preferences > Cellseg). No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .recent import recent_file

PLUGIN = "napari-cellseg"


@dataclass(frozen=True)
class Preferences:
    """The settings of `napari.yaml`, section *configurations*.

    Attributes
    ----------
    author
        Who the history says made an edit; "" for the name of the account.
    device
        Where networks run: "auto" or "cpu".
    engine
        ``HOST:PORT`` of an engine on another machine, "" for this one.
    live
        Whether learning after every correction is on when a window opens.
    keys
        Keys of tools that differ from ours: ``Merge=Control-M, Split=Shift-X``.
    memory
        Pictures of fewer gigabytes are read as a whole; larger ones piece by piece.
    autosave
        A snapshot of labels and state is written after so many edits.
    recent
        The file that remembers which projects were open; None: none is remembered.
    """

    author: str = ""
    device: str = "auto"
    live: bool = True
    keys: str = ""
    memory: float = 0.5
    autosave: int = 500
    recent: Path | None = None
    engine: str = ""


def preferences() -> Preferences:
    """What is set; the defaults where this napari (before 0.9) keeps no settings for plugins."""
    try:
        from napari.settings import get_plugin_settings

        kept = get_plugin_settings(PLUGIN).workbench
    except (ImportError, KeyError, AttributeError):
        return Preferences(recent=recent_file())
    plain = Preferences()  # an older napari may keep settings of an older version of ours
    return Preferences(
        str(kept.author).strip(), str(kept.device), bool(kept.live), str(getattr(kept, "keys", plain.keys)),
        float(getattr(kept, "memory", plain.memory)), int(getattr(kept, "autosave", plain.autosave)), recent_file(),
        str(getattr(kept, "engine", plain.engine)).strip(),
    )  # fmt: skip

"""Where the person was: image, slice, zoom, tool and place in the queue, kept in the project once a second. No Qt."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ...errors import CellsegError
from ..layers import _napari
from .session import Choices
from .tools import BY_NAME, Tools

if TYPE_CHECKING:
    from .review import Review
    from .tool_actions import ToolActions
    from .workspace import Workspace

KEY = "window"


class WindowState:
    """Remembers what a crash would make a person look for again."""

    def __init__(self, workspace: Workspace, actions: ToolActions, tools: Tools, review: Review) -> None:
        self._ws, self._actions, self._tools, self._review = workspace, actions, tools, review
        self._last = ""
        self._due = 0.0

    def follow(self) -> None:
        """Called by the clock."""
        self.remember()

    def remember(self, at_once: bool = False) -> None:
        """Write it down if it has changed, at most once a second."""
        ws = self._ws
        if ws.session.project is None or ws.family is None or ws.session.read_only:
            return
        if not at_once and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + 1
        text = json.dumps(self._now())
        if text != self._last:
            self._last = text
            with contextlib.suppress(CellsegError):  # a full disk is told about by the strokes
                ws.session.project.db.put_setting(KEY, text)

    def image(self) -> str:
        """The image that was open when the project was closed, the first one where that is not there."""
        ids = [r.id for r in self._ws.session.images]
        was = self._kept().get("image")
        return was if was in ids else ids[0]

    def return_there(self) -> None:
        """Look at the open image as it was looked at, if it was the one."""
        was = self._kept()
        if self._ws.family is None or was.get("image") != self._ws.session.image:
            return
        with contextlib.suppress(KeyError, TypeError, ValueError):  # written by another version: begin at the beginning
            self._look(was)

    # --- inside ---------------------------------------------------------------------------------

    def _kept(self) -> dict[str, Any]:
        """What was written down."""
        try:
            return dict(json.loads(self._ws.project().db.setting(KEY) or "{}"))
        except (ValueError, TypeError):
            return {}

    def _now(self) -> dict[str, Any]:
        ws = self._ws
        assert ws.family is not None
        camera, labels = _napari.camera(ws.viewer), ws.family.labels
        return {
            "image": ws.session.image,
            "point": [float(v) for v in ws.viewer.dims.point],
            "center": [float(v) for v in camera.center],
            "zoom": float(camera.zoom),
            "tool": ws.session.tool,
            "mode": str(labels.mode),
            "label": int(labels.selected_label),
            "brush": int(labels.brush_size),
            "choices": asdict(ws.session.choices),
            "order": ws.session.order if ws.session.queue else "",
            "place": ws.session.place,
            "at": list(ws.session.queue[ws.session.place].box) if 0 <= ws.session.place < len(ws.session.queue) else [],
        }

    def _look(self, was: dict[str, Any]) -> None:
        ws = self._ws
        assert ws.family is not None
        names = {f.name for f in fields(Choices)}
        self._actions.choose(**{k: v for k, v in was["choices"].items() if k in names})
        ndim = ws.viewer.dims.ndim  # another layer may have, or have had, axes before those of the image
        for back, value in enumerate(reversed(was["point"][-ndim:]), 1):
            ws.viewer.dims.set_point(ndim - back, value)
        camera = _napari.camera(ws.viewer)
        camera.center, camera.zoom = tuple(was["center"]), was["zoom"]
        labels = ws.family.labels
        labels.brush_size = was["brush"]
        if not ws.instances:  # of objects, the brush begins with a free number
            labels.selected_label = was["label"]
        if was["tool"] in BY_NAME:
            self._tools.choose(was["tool"])
        elif not ws.session.read_only:
            labels.mode = was["mode"]
        if was["order"] in ("worth", "random", "reading") and was["place"] >= 0:
            self._review.start(was["order"], resume_at=tuple((int(a), int(b)) for a, b in was["at"]))

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
from .tools import BY_NAME

if TYPE_CHECKING:
    from .controller import Controller

KEY = "window"


class Whereabouts:
    """Remembers what a crash would make a person look for again."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._last = ""
        self._due = 0.0

    def remember(self, at_once: bool = False) -> None:
        """Write it down if it has changed, at most once a second."""
        c = self._c
        if c.session.project is None or c.family is None or c.session.read_only:
            return
        if not at_once and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + 1
        text = json.dumps(self._now())
        if text != self._last:
            self._last = text
            with contextlib.suppress(CellsegError):  # a full disk is told about by the strokes
                c.session.project.db.put_setting(KEY, text)

    def return_there(self, otherwise: str) -> None:
        """Open the image that was open, as it was looked at; `otherwise` another one."""
        c = self._c
        try:
            was = dict(json.loads(c.project().db.setting(KEY) or "{}"))
        except (ValueError, TypeError):
            was = {}
        known = {r.id for r in c.session.images}
        c.select_image(was["image"] if was.get("image") in known else otherwise)
        if was.get("image") != c.session.image or c.family is None:
            return
        with contextlib.suppress(KeyError, TypeError, ValueError):  # written by another version: begin at the beginning
            self._look(was)

    # --- inside ---------------------------------------------------------------------------------

    def _now(self) -> dict[str, Any]:
        c = self._c
        assert c.family is not None
        camera, labels = _napari.camera(c.viewer), c.family.labels
        return {
            "image": c.session.image,
            "point": [float(v) for v in c.viewer.dims.point],
            "center": [float(v) for v in camera.center],
            "zoom": float(camera.zoom),
            "tool": c.session.tool,
            "mode": str(labels.mode),
            "label": int(labels.selected_label),
            "brush": int(labels.brush_size),
            "choices": asdict(c.session.choices),
            "order": c.session.order if c.session.queue else "",
            "place": c.session.place,
            "at": list(c.session.queue[c.session.place].box) if 0 <= c.session.place < len(c.session.queue) else [],
        }

    def _look(self, was: dict[str, Any]) -> None:
        c = self._c
        assert c.family is not None
        names = {f.name for f in fields(Choices)}
        c.choose(**{k: v for k, v in was["choices"].items() if k in names})
        for axis, value in enumerate(was["point"][: c.viewer.dims.ndim]):
            c.viewer.dims.set_point(axis, value)
        camera = _napari.camera(c.viewer)
        camera.center, camera.zoom = tuple(was["center"]), was["zoom"]
        labels = c.family.labels
        labels.brush_size = was["brush"]
        if not c.instances():  # of objects, the brush begins with a free number
            labels.selected_label = was["label"]
        if was["tool"] in BY_NAME:
            c.tools.choose(was["tool"])
        elif not c.session.read_only:
            labels.mode = was["mode"]
        if was["order"] in ("worth", "random", "reading") and was["place"] >= 0:
            c.reviewing.start(was["order"], resume_at=tuple((int(a), int(b)) for a, b in was["at"]))

"""The subcommand explain."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .. import api
from ..errors import CellsegError
from ._opened import DONE, opened
from ._progress import Printer

_WHAT = ("method", "object", "point", "box", "class_", "layer", "filters", "out")


def explain(options: Namespace) -> int:
    """Explain images of a project, or a loose one."""
    what = {name: getattr(options, name) for name in _WHAT} | {"settings": options.values}
    path = Path(options.path)
    loose = not (path / "project.toml").is_file()
    if loose and options.image:
        raise CellsegError(f"{path} is not a project.", "--image chooses among the images of a project.")
    if not loose and options.labels:
        raise CellsegError("--labels is for an image without a project.", "The project has labels itself.")
    with Printer(options.events) as printer:
        common = {"on_event": printer.show, "stop": printer.stopped} | what
        if loose:
            _tell(api.explain(path, options.model or "cells", labels=options.labels, **common))
            return DONE
        with opened(path) as project:
            ids = options.image or [record.id for record in project.images]
            if len(ids) != 1 and (options.object or options.point or options.box):
                raise CellsegError("An object, a point or a box is one image's.", "Say which: --image ID.")
            for id in ids:
                _tell(project.explain(id, model=options.model, **common))
    return DONE


def _tell(done: api.Explained) -> None:
    found = done.explanation
    print(f"{found.image}, {found.of}: {found.model}, {found.method.label()}{found.layer and f' at {found.layer}'}")
    print(f"  mean relevance {found.mean_inside:.3f} inside of objects, {found.mean_outside:.3f} outside")
    print(f"  {found.positive} positive pixels, confidence {found.confidence:.3f}")
    if found.conservation is not None:
        print(f"  {found.conservation:.1%} of the relevance arrived at the image")
    if found.box != tuple((0, n) for n in found.map.shape):
        print(f"  seen: {','.join(f'{a}:{b}' for a, b in found.box)} (--box or --set tile=N for another part)")
    for file in done.files:
        print(f"  {file}")

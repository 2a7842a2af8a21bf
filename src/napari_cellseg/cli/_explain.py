"""The subcommand explain."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from .. import api
from ..errors import CellsegError
from ..files import write_text
from ._opened import DONE, opened
from ._progress import Printer

_WHAT = ("method", "object", "point", "box", "class_", "layer", "filters", "out")


def explain(options: Namespace) -> int:
    """Explain images of a project, or a loose one; or one place."""
    what = {name: getattr(options, name) for name in _WHAT} | {"settings": options.values}
    path = Path(options.path)
    loose = not (path / "project.toml").is_file()
    if loose and options.image:
        raise CellsegError(f"{path} is not a project.", "--image chooses among the images of a project.")
    if options.why:
        return _why(options, path, loose)
    if not options.out:
        raise CellsegError("Nothing says where to write.", "Name a folder: --out DIR (or ask --why).")
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


def _why(options: Namespace, path: Path, loose: bool) -> int:
    """Why something was found, or missed, at a place."""
    if loose or len(options.image) != 1 or not options.point:
        raise CellsegError(
            "--why is asked of a place in an image of a project.",
            "For example: napari-cellseg explain P --image ID --point 120,64 --why",
        )
    (id,) = options.image
    with Printer(options.events) as printer, opened(path) as project:
        found = project.why(
            id, options.point, model=options.model, on_event=printer.show, stop=printer.stopped
        )  # fmt: skip
    print(f"{id} at {','.join(map(str, found.point))}, {found.model}:")
    for sentence in found.sentences:
        print(f"  {sentence}")
    if options.out:
        at = "_".join(map(str, found.point))
        print(f"  {write_text(Path(options.out) / f'{id}_why_{at}.json', json.dumps(found.numbers, indent=2))}")
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

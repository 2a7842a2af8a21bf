"""The subcommands compare and history."""

from __future__ import annotations

import itertools
import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import images
from ..errors import CellsegError
from ..evaluate import agreement, agreement_map, consensus
from ..evaluate import compare as differences
from ..project import Project, write_history

DONE = 0


def compare(options: Namespace) -> int:
    """Dice, IoU and kappa of every pair, differences to the first, and the consensus."""
    with Project.open(options.project) as project:
        record, instances = project.image(options.image), project.task == "instance"
        sides: dict[str, NDArray[np.uint32]] = {project.name: project.load_labels(record.id)[0]}
        for name in options.labels:
            sides[_unused(Path(name).name, sides)] = _labels(Path(name), record.id, record.shape)
        n_classes = 1 if instances else len(project.classes)
        pairs: dict[str, Any] = {}
        for (a, left), (b, right) in itertools.combinations(sides.items(), 2):
            found = differences(left, right, instances=instances)
            pairs[f"{a} - {b}"] = {**agreement(left, right, n_classes), "differences": len(found)}
            figures = pairs[f"{a} - {b}"]
            print(
                f"{a} - {b}: Dice {figures['dice']:.3f}, IoU {figures['iou']:.3f}, kappa {figures['kappa']:.3f}, "
                f"{figures['differences']} differences"
            )
        everybody = list(sides.values())
        if options.map:
            images.write_labels(options.map, agreement_map(everybody[0], everybody[1]).astype(np.uint32))
        if options.consensus:
            images.write_labels(options.consensus, consensus(everybody, instances=instances), record.spacing_um)
        if options.json:
            Path(options.json).write_text(json.dumps({"image": record.id, "pairs": pairs}, indent=2), encoding="utf-8")
    return DONE


def history(options: Namespace) -> int:
    """List the log, write it, or restore an earlier state."""
    with Project.open(options.project) as project:
        ids = [project.image(options.image).id] if options.image else [r.id for r in project.images()]
        if options.restore is not None:
            if not options.image:
                raise CellsegError("--restore needs to know which image.", "Say it: --image ID.")
            if not project.claim():
                raise CellsegError("A napari window edits this project.", "Close it first, or restore there.")
            edit = project.canvas(ids[0]).restore(options.restore)
            print(f"Restored {ids[0]} as it was after edit {options.restore}: {edit.index.size:,} voxels.")
            return DONE
        rows = sorted((row for id in ids for row in project.db.rows_after(id, 0)), key=lambda row: row.n)
        if options.csv:
            print(write_history(Path(options.csv), rows))
            return DONE
        for row in rows:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.time))
            print(f"{row.n:6d}  {when}  {row.author:<12} {row.image:<20} {row.tool:<16} {row.voxels:>10,} voxels")
    return DONE


def _labels(path: Path, image: str, shape: tuple[int, ...]) -> NDArray[np.uint32]:
    if (path / "project.toml").is_file():
        with Project.open(path) as other:
            return other.load_labels(image)[0]
    return images.read_labels(path, shape=shape)


def _unused(name: str, taken: dict[str, Any]) -> str:
    names = itertools.chain([name], (f"{name} ({k})" for k in itertools.count(2)))
    return next(n for n in names if n not in taken)

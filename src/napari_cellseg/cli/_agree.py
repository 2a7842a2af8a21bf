"""The subcommands compare and history."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from .. import images
from ..errors import CellsegError
from ..evaluate import agreement_map, consensus, pairwise
from ..evaluate import compare as differences
from ..project import Project, labels_of_others, write_history

DONE = 0


def compare(options: Namespace) -> int:
    """Dice, IoU and kappa of every pair, differences to the first, and the consensus."""
    with Project.open(options.project) as project:
        record, instances = project.image(options.image), project.task == "instance"
        mine = project.load_labels(record.id)[0]
        others = labels_of_others([Path(p) for p in options.labels], record, project.meanings, [project.name])
        sides = {project.name: mine, **others}
        pairs: dict[str, Any] = {}
        for (a, b), figures in pairwise(sides, 1 if instances else len(project.classes)).items():
            found = len(differences(sides[a], sides[b], instances=instances))
            pairs[f"{a} - {b}"] = {**figures, "differences": found}
            print(
                f"{a} - {b}: Dice {figures['dice']:.3f}, IoU {figures['iou']:.3f}, kappa {figures['kappa']:.3f}, "
                f"{found} differences"
            )
        everybody = list(sides.values())
        if options.map:
            images.write_labels(options.map, agreement_map(everybody[0], everybody[1]).astype(np.uint32))
        if options.consensus:
            images.write_labels(
                options.consensus, consensus(everybody, instances=instances), record.spacing_um, project.meanings
            )
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

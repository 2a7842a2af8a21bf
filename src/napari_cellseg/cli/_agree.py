"""The subcommand compare."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from .. import images
from ..evaluate import agreement_map, consensus, pairwise
from ..evaluate import compare as differences
from ..project import labels_of_others
from ._opened import opened
from ._verbs import write_json

DONE = 0


def compare(options: Namespace) -> int:
    """Dice, IoU and kappa of every pair, differences to the first, and the consensus."""
    with opened(options.project) as project:
        record, instances = project.image(options.image), project.task == "instance"
        mine = project.load_labels(record.id)[0]
        others = labels_of_others([Path(p) for p in options.labels], record, project.meanings, [project.name], project)
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
        # both are made before either is written
        where = agreement_map(everybody[0], everybody[1]).astype(np.uint32) if options.map else None
        most = consensus(everybody, instances=instances) if options.consensus else None
        if where is not None:
            images.write_labels(options.map, where)
        if most is not None:
            images.write_labels(options.consensus, most, record.spacing_um, project.meanings)
        write_json(options.json, {"image": record.id, "pairs": pairs})
    return DONE

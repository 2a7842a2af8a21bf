"""Annotators of one image, compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import images
from ..evaluation import agreement_map, consensus, pairwise
from ..evaluation import compare as differences
from ..project import Project, labels_of_others
from ._results import Agreement


def compare_annotators(
    project: Project,
    image: str,
    others: Sequence[str | Path],
    map_file: str | Path | None,
    consensus_file: str | Path | None,
) -> Agreement:
    """Figures of every pair, the map of the first two, and what most of them say."""
    record, instances = project.image(image), project.task == "instance"
    found = labels_of_others([Path(p) for p in others], record, project.meanings, [project.name], project)
    sides = {project.name: project.load_labels(record.id)[0], **found}
    pairs = {
        (a, b): {**figures, "differences": len(differences(sides[a], sides[b], instances=instances))}
        for (a, b), figures in pairwise(sides, 1 if instances else len(project.classes)).items()
    }
    everybody = list(sides.values())
    # both are made before either is written
    where = agreement_map(everybody[0], everybody[1]).astype(np.uint32) if map_file else None
    most = consensus(everybody, instances=instances) if consensus_file else None
    if map_file and where is not None:
        images.write_labels(map_file, where)
    if consensus_file and most is not None:
        images.write_labels(consensus_file, most, record.spacing_um, project.meanings)
    return Agreement(record.id, pairs)

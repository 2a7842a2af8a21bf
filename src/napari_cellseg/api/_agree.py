"""Annotators compared: of one image, or of all images of a project."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import images
from .._types import Labels
from ..cycles import agreement_of, class_table
from ..errors import CellsegError
from ..evaluation import agreement_map, consensus, pairwise
from ..evaluation import compare as differences
from ..project import ImageRecord, Project, labels_of_others
from ._results import Agreement

Pair = tuple[str, str]


def compare_annotators(
    project: Project,
    image: str,
    others: Sequence[str | Path],
    map_file: Path | None,
    consensus_file: Path | None,
) -> Agreement:
    """Figures of every pair, the map of the first two, and what most of them say."""
    record = project.image(image)
    found = labels_of_others([Path(p) for p in others], record, project.meanings, [project.name], project)
    sides = {project.name: project.load_labels(record.id)[0], **found}
    pairs = _pairs(project, sides)
    _write(project, record, sides, map_file, consensus_file)
    return Agreement(record.id, pairs)


def compare_everywhere(
    project: Project, others: Sequence[str | Path], map_folder: Path | None, consensus_folder: Path | None
) -> Agreement:
    """The same over all images of which everybody has labels: pooled, and of each; others are left out and named."""
    names = [Path(p).name for p in others]
    if not others or len({project.name, *names}) <= len(names):
        raise CellsegError("Annotators are told apart by the names of their folders.", "Give each a name of its own.")
    folders = {Path(p).name: _files(Path(p)) for p in others}
    tables: dict[Pair, Any] = {}
    by_image: dict[str, dict[Pair, dict[str, Any]]] = {}
    left_out: list[str] = []
    for record in project.images():
        sides = _sides(project, record, [Path(p) for p in others], folders)
        if sides is None:
            left_out.append(record.id)
            continue
        by_image[record.id] = _pairs(project, sides)
        for pair in itertools.combinations(sides, 2):
            table = class_table(sides[pair[0]], sides[pair[1]], _n_classes(project))
            tables[pair] = tables.get(pair, 0) + table
        maps, most = (f / f"{record.id}.tif" if f is not None else None for f in (map_folder, consensus_folder))
        for file in (maps, most):
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
        _write(project, record, sides, maps, most)
    if not by_image:
        raise CellsegError(
            f"No image of {project.name} has labels of everybody.", "Masks are called like the pictures."
        )
    pooled = {pair: agreement_of(table) | _summed(by_image, pair) for pair, table in tables.items()}
    return Agreement("", pooled, by_image, tuple(left_out))


# --- inside ---------------------------------------------------------------------------------------


def _files(path: Path) -> dict[str, Path] | None:
    """Mask files by the names of pictures; None of a copy of the project."""
    if (path / "project.toml").is_file():
        return None
    if not path.is_dir():
        raise CellsegError(f"{path.name} is neither a copy of the project nor a folder of masks.", "Or name --image.")
    return images.masks_by_name([path])


def _sides(
    project: Project, record: ImageRecord, others: Sequence[Path], folders: Mapping[str, dict[str, Path] | None]
) -> dict[str, Labels] | None:
    """What everybody says of an image, None where somebody says nothing."""
    sides = {project.name: project.load_labels(record.id)[0]}
    for other in others:
        files = folders[other.name]
        if files is not None:
            file = files.get(record.id) or files.get(images.picture_stem(Path(record.source)))
            if file is None:
                return None
            found = labels_of_others([file], record, project.meanings, (), project)
        elif not _has(other, record.id):
            return None
        else:
            found = labels_of_others([other], record, project.meanings, (), project)
        (sides[other.name],) = found.values()
    return sides


def _has(copy: Path, image: str) -> bool:
    with Project.open(copy) as other:
        return any(r.id == image for r in other.images())


def _n_classes(project: Project) -> int:
    return 1 if project.task == "instance" else len(project.classes)


def _pairs(project: Project, sides: Mapping[str, Labels]) -> dict[Pair, dict[str, Any]]:
    """Agreement of every pair, and in how many places they differ."""
    instances = project.task == "instance"
    return {
        (a, b): {**figures, "differences": len(differences(sides[a], sides[b], instances=instances))}
        for (a, b), figures in pairwise(sides, _n_classes(project)).items()
    }


def _summed(by_image: Mapping[str, Mapping[Pair, Mapping[str, Any]]], pair: Pair) -> dict[str, Any]:
    return {"differences": sum(pairs[pair]["differences"] for pairs in by_image.values()), "images": len(by_image)}


def _write(
    project: Project,
    record: ImageRecord,
    sides: Mapping[str, Labels],
    map_file: Path | None,
    consensus_file: Path | None,
) -> None:
    """The map of the first two, and what most of them say; both are made before either is written."""
    everybody, instances = list(sides.values()), project.task == "instance"
    where = agreement_map(everybody[0], everybody[1]).astype(np.uint32) if map_file else None
    most = consensus(everybody, instances=instances) if consensus_file else None
    if map_file and where is not None:
        images.write_labels(map_file, where)
    if consensus_file and most is not None:
        images.write_labels(consensus_file, most, record.spacing_um, project.meanings)

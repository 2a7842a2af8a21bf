"""Labels out of a project: into files of a folder, or into the OME-Zarr images that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine import Stop
from ..errors import CellsegError
from ..events import Exported, Skipped, Stopped
from ..images import LABEL_FORMATS
from ..project import Project, export_inside, export_labels, export_units, units_inside
from ._object_classes import kinds_for_export
from ._results import Exports
from ._work import Work, never

Units = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Exporting:
    """Where labels are written, as what, and which of them: see `OpenProject.export`."""

    out: Path | None = None
    format: str = "tif"
    known_only: bool = False
    cycle: int | None = None
    inside: str = ""
    replace: bool = False

    def units(self, project: Project, ids: Sequence[str]) -> Units:
        """What is written as one file, or into one image, by name.

        Raises
        ------
        CellsegError
            When it is not said where, or there is no such format.
        """
        if bool(self.inside) == (self.out is not None):
            raise CellsegError(
                "Labels are written into a folder, or into the images.",
                "Say where: --out DIR for files, or --inside NAME for labels/NAME of OME-Zarr images.",
            )
        if self.format not in LABEL_FORMATS:
            raise CellsegError(f"There is no format {self.format!r}.", f"Use one of {', '.join(LABEL_FORMATS)}.")
        return units_inside(project, ids) if self.inside else export_units(project, ids, self.format)

    def write(self, project: Project, name: str, ids: Sequence[str]) -> Path:
        """Write one of these; returns its file or folder.

        Raises
        ------
        CellsegError
            When the format does not suit it, its picture takes no labels, or it cannot be written.
        """
        format = "ome.zarr" if self.inside else self.format
        kinds = kinds_for_export(project, name, format) if self.cycle is None else {}
        if self.inside:
            return export_inside(
                project, ids, self.inside, known_only=self.known_only, cycle=self.cycle, kinds=kinds,
                replace=self.replace,
            )  # fmt: skip
        assert self.out is not None  # `units` has seen to it
        return export_labels(
            project, name, self.out, self.format, known_only=self.known_only, cycle=self.cycle, kinds=kinds
        )


def export_images(project: Project, ids: Sequence[str], what: Exporting, stop: Stop = never) -> Work[Exports]:
    """Write labels of images, one after another; what cannot be written is left out, and the rest goes on.

    Raises
    ------
    CellsegError
        When it is not said where to.
    """
    files: dict[str, Path] = {}
    left_out: list[Skipped] = []
    for name, own in what.units(project, ids).items():
        if stop():
            yield Stopped("cancelled")
            return Exports(files, tuple(left_out), stopped=True)
        try:
            path = what.write(project, name, own)
        except CellsegError as error:
            left_out.append(Skipped(name, error.message, error.hint))
            yield left_out[-1]
        else:
            files |= dict.fromkeys(own, path)
            yield Exported(name, str(path))
    return Exports(files, tuple(left_out))

"""Regions of interest of ImageJ and Fiji: one ``.roi`` file, or a zip of them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .._types import Labels
from ..errors import CellsegError
from ._outlines import MasksFor, Outline
from ._polygons import Ring, bridged, outlines_of

_LARGEST = 1 << 28
"""Bytes of one ROI; what claims more is damaged."""


def read_rois(path: Path, wanted: MasksFor) -> Iterator[Outline]:
    """The areas of a file; points and lines are no masks.

    Names of many programs are no numbers ("cell", or a class), so only those that were written here number objects.
    """
    import roifile

    kinds = roifile.ROI_TYPE
    areas = (kinds.POLYGON, kinds.RECT, kinds.OVAL, kinds.FREEHAND, kinds.TRACED)
    for k, data in enumerate(_files(path)):
        roi = roifile.ImagejRoi.frombytes(data)
        if roi.roitype not in areas:
            continue
        rings = [np.asarray(points, float)[:, ::-1] for points in roi.coordinates(multi=True) if len(points) >= 3]
        if roi.roitype == kinds.OVAL:
            rings = [_oval(roi)]
        frame, z = _place(roi, wanted)
        # pieces of one object bear its number; any other name may be that of many objects
        name = re.fullmatch(r"object (\d+)(?: .*)?", roi.name or "")
        yield Outline(int(name[1]) if name else f"roi {k}", roi.name or "", rings, frame, z)


def write_rois(path: Path, labels: Labels) -> None:
    """One ROI for each piece of each object in each slice, holes included."""
    import roifile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for id, z, n, rings in outlines_of(labels):
            name = f"object {id} z{z + 1} part {n}"
            points = bridged(rings)[:, ::-1]
            # whole numbers: with fractions ImageJ would move outlines by half a pixel
            roi = roifile.ImagejRoi.frompoints(points.astype(np.int32), name=name, z=z if labels.ndim == 3 else None)
            archive.writestr(f"{name}.roi", roi.tobytes())


def _files(path: Path) -> Iterator[bytes]:
    """The contents of ROI files; a Mac's copies of attributes, results tables and the like are passed over."""
    if path.suffix.lower() != ".zip":
        yield path.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        entries = [e for e in archive.infolist() if _is_roi(e.filename)]
        if not entries:
            raise CellsegError(f"{path.name} holds no ImageJ ROIs.", "Save them in the ROI Manager: More, Save.")
        for entry in entries:
            if entry.file_size > _LARGEST:
                raise CellsegError(
                    f"{path.name} holds a ROI of {entry.file_size:,} bytes.", "The file is damaged: export it again."
                )
            yield archive.read(entry)


def _is_roi(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.suffix.lower() == ".roi" and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _place(roi: Any, wanted: MasksFor) -> tuple[int | None, int | None]:
    """Frame and slice, from 0. ImageJ counts from 1, 0 is unset; a plain stack has one position for all its planes."""
    frame, z = (int(p) - 1 if p > 0 else None for p in (roi.t_position, roi.z_position))
    if frame is None and z is None and roi.position > 0:
        if wanted.frames > 1 and wanted.slices > 1:
            return divmod(int(roi.position) - 1, wanted.slices)
        z = int(roi.position) - 1
    return frame, z


def _oval(roi: Any) -> Ring:
    angle = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    height, width = (roi.bottom - roi.top) / 2, (roi.right - roi.left) / 2
    return np.stack([roi.top + height * (1 + np.sin(angle)), roi.left + width * (1 + np.cos(angle))], axis=1)

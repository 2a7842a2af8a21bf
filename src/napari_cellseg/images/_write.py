"""Labels out: TIFF that Fiji opens, OME-TIFF and OME-Zarr."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ..errors import CellsegError


def write_labels(path: str | Path, labels: NDArray[Any], spacing_um: tuple[float, ...] | None = None) -> Path:
    """Write labels (Z, Y, X) or (Y, X) as ``.tif``, ``.ome.tif`` or ``.ome.zarr``, by the name's ending.

    Label TIFFs are uint16 where the ids fit and uint32 otherwise. The file appears whole or not at all.
    """
    path = Path(path)
    axes = "ZYX"[-labels.ndim :]
    temporary = path.with_name(f".{path.name}.part")
    small = labels.astype(np.uint16) if labels.max(initial=0) < 65536 else labels.astype(np.uint32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".zarr"):
            _write_zarr(temporary, labels.astype(np.uint32), axes, spacing_um)
        else:
            _write_tiff(temporary, small, axes, spacing_um, ome=".ome." in path.name)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
    return path


def _write_tiff(
    path: Path, labels: NDArray[Any], axes: str, spacing_um: tuple[float, ...] | None, *, ome: bool
) -> None:
    metadata: dict[str, Any] = {"axes": axes}
    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack"}
    if ome and spacing_um:
        for letter, size in zip(axes, spacing_um, strict=True):
            metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": "µm"}
    elif spacing_um:
        options["resolution"] = (1 / spacing_um[-1], 1 / spacing_um[-2])
        metadata["unit"] = "um"
        if "Z" in axes:
            metadata["spacing"] = spacing_um[0]
    # ImageJ has no 32-bit integers: those go out as plain TIFF
    imagej = not ome and labels.dtype == np.uint16
    tifffile.imwrite(path, labels, ome=ome, imagej=imagej, metadata=metadata, **options)


def _write_zarr(path: Path, labels: NDArray[Any], axes: str, spacing_um: tuple[float, ...] | None) -> None:
    """OME-Zarr 0.5 with one level."""
    import zarr

    scale = [float(s) for s in spacing_um] if spacing_um else [1.0] * labels.ndim
    unit = {"unit": "micrometer"} if spacing_um else {}
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    chunks = tuple(min(n, c) for n, c in zip(labels.shape, (16, 512, 512)[-labels.ndim :], strict=True))
    array = group.create_array(
        "0", shape=labels.shape, dtype=labels.dtype, chunks=chunks, dimension_names=list(axes.lower())
    )
    array[:] = labels
    level: dict[str, Any] = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    named: list[Any] = [{"name": a.lower(), "type": "space", **unit} for a in axes]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"name": path.name, "axes": named, "datasets": [level]}],
        "image-label": {},
    }

"""Pixels of a layer that has no file of its own, kept as one. No Qt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image

from ... import images
from ...errors import CellsegError

MOST_BYTES = 8 << 30
"""Pixels that come from no file are kept as a file up to this size."""


def holds_file(layer: Image, image: images.Image) -> bool:
    """Whether a layer shows what a file holds: all of it, or one of its channels.

    A layer of several files opened as one stack, or of another picture of the file, does not.
    """
    shown = [n for n in _finest(layer).shape[: layer.ndim] if n > 1]  # colours come last
    left = iter(n for n in image.data.shape if n > 1)
    return all(n in left for n in shown)


def _finest(layer: Image) -> Any:
    """The pixels of a layer, of a pyramid those of its finest level; array-like."""
    return layer.data[0] if layer.multiscale else layer.data


def save_pixels(layer: Image, folder: Path) -> Path:
    """Write the pixels of a layer that has no file as OME-TIFF with its axes and voxel size; never over another file.

    Raises
    ------
    CellsegError
        When the pixels cannot be written or hold no image.
    """
    import tifffile

    pixels = _finest(layer)
    if pixels.nbytes > MOST_BYTES:
        raise CellsegError(
            f"The layer {layer.name} holds {pixels.nbytes / 1e9:.0f} GB that come from no single file.",
            "Save it as OME-Zarr and add that (step Image).",
        )
    pixels = np.asarray(pixels)
    pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    pixels = pixels.astype(np.float32) if pixels.dtype.itemsize > 4 else pixels
    axes = ("YXS" if pixels.ndim == 3 else "ZYXS") if layer.rgb else "TZYX"[-pixels.ndim :]
    spacing = dict(zip(axes.replace("S", ""), map(float, layer.scale), strict=False))
    metadata: dict[str, Any] = {"axes": axes}
    if any(value != 1 for value in spacing.values()):
        metadata |= {f"PhysicalSize{k}": v for k, v in spacing.items() if k in "XYZ"}
    stem = re.sub(r"[^\w.-]+", "_", layer.name).strip("_") or "image"
    names = (f"{stem}.ome.tif", *(f"{stem}-{n}.ome.tif" for n in range(2, 10_000)))
    path = next(folder / name for name in names if not (folder / name).exists())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        photometric = "rgb" if layer.rgb else "minisblack"
        tifffile.imwrite(path, pixels, metadata=metadata, photometric=photometric, ome=True)
        images.check_content(images.read(path))  # what cannot be read again must not be used
    except (ValueError, OSError, TypeError, tifffile.OmeXmlError) as error:
        path.unlink(missing_ok=True)
        raise CellsegError(
            f"The layer {layer.name} cannot be kept as a file: {error}.", "Save it as TIFF and open that."
        ) from error
    except CellsegError:
        path.unlink(missing_ok=True)
        raise
    return path

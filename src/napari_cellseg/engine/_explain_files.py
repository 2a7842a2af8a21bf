"""What is written, or shown, of an explanation besides its map: the map over the picture, numbers, grids of filters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import images
from .._types import Labels
from ..files import whole, write_text
from ..images import Image
from ..zoom import Zoom

if TYPE_CHECKING:
    from ..explanation import Explanation, Learnt, MethodBase, What

Grids = dict[str, NDArray[np.uint8]]
"""Pictures of filters, (Y, X) uint8, by what their names end in: ``filters13``, ``maps13``."""


def filter_grids(
    picture: Image, model: Learnt, asked: tuple[int, What, MethodBase], labels: Labels | None, zoom: Zoom
) -> Grids:
    """The filters of a convolution, and what they make of the part of a picture that is looked at.

    Parameters
    ----------
    asked
        Number of the convolution (0: none), and what is explained by which method.

    Raises
    ------
    CellsegError
        When there are fewer convolutions.
    """
    number, what, method = asked
    if not number:
        return {}
    from ..explanation import filters, ready, window_for

    window = window_for(picture, what, labels, (model.config, zoom, method.tile))
    device = next(model.network.parameters()).device
    strides: Any = model.network.strides
    grid = filters(model.network, number, ready(window.pixels(picture, model.config), strides, device))
    return {f"filters{number}": grid.kernels, f"maps{number}": grid.maps}


def write_explanation(
    out: Path, found: Explanation, picture: Image, labels: Labels | None, grids: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Write map (TIFF), map over the picture and grids (PNG), and numbers (JSON) into a folder; their paths."""
    import cv2

    stem = f"{found.image}_{found.numbers['method']['kind']}"
    files = [images.write_map(out / f"{stem}.tif", found.map, picture.spacing_um)]
    pictures = {"": _overlaid(found, picture, labels)[..., ::-1]} | {f"_{k}": v for k, v in grids.items()}
    for end, shown in pictures.items():
        files.append(out / f"{stem}{end}.png")
        with whole(files[-1]) as part:
            part.write_bytes(cv2.imencode(".png", np.ascontiguousarray(shown))[1].tobytes())
    files.append(write_text(out / f"{stem}.json", json.dumps(found.numbers, indent=2)))
    return tuple(files)


def _overlaid(found: Explanation, picture: Image, labels: Labels | None) -> Any:
    """The map over the part that was looked at; of volumes the slice with most of it."""
    from ..evaluation import grey
    from ..explanation import overlay

    box = tuple(slice(a, b) for a, b in found.box)
    if len(box) == 3:
        z = box[0].start + int(np.abs(found.map[box]).sum((1, 2)).argmax())
        box = (slice(z, z + 1), *box[1:])
    pixels = np.asarray(picture.channels_first()[(slice(None), *box)], np.float32).mean(0)
    shape = pixels.shape[-2:]
    mine = None if labels is None else labels[box].reshape(shape)
    return overlay(grey(pixels.reshape(shape)), found.map[box].reshape(shape), mine)

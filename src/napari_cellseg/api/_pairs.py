"""Pictures of files or folders with the masks that are called like them, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .. import images
from .._types import Spacing
from ..errors import CellsegError

Source = str | Path


_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".npy", ".zarr")


class Frame(NamedTuple):
    """A picture of one time point.

    Attributes
    ----------
    picture
        The picture.
    labels
        (Z, Y, X) or (Y, X); None where nobody has labelled it.
    spacing_um
        Pixel size.
    """

    picture: images.Image
    labels: Any
    spacing_um: Spacing


Frames = Callable[[], dict[str, Frame]]


def paired(pictures: Source | Sequence[Source], labels: Source | Sequence[Source]) -> dict[str, Frames]:
    """What reads the time points of every picture, by the picture's name; nothing is read yet.

    Raises
    ------
    CellsegError
        When there is no picture, or masks that belong to none.
    """
    found = pictures_by_name(pictures)
    masks = images.masks_by_name([labels] if isinstance(labels, str | Path) else labels) if labels else {}
    if len(found) == len(masks) == 1:
        masks = dict(zip(found, masks.values(), strict=True))
    alone = sorted(set(masks) - set(found))
    if alone:
        raise CellsegError(
            f"There is no picture for the masks {alone[0]}.",
            f"Masks are called like their pictures, for example {next(iter(found))}.",
        )
    return {name: partial(_frames, name, path, masks.get(name)) for name, path in found.items()}


def pictures_by_name(given: Source | Sequence[Source]) -> dict[str, Path]:
    """Pictures, and those in folders, by their names without endings; what is called like masks is none.

    Raises
    ------
    CellsegError
        When there is nothing there, or two are called alike.
    """
    found: dict[str, Path] = {}
    for path in [Path(given)] if isinstance(given, str | Path) else [Path(p) for p in given]:
        if not path.exists():
            raise CellsegError(f"There is no file or folder {path}.", "Check the path.")
        folder = path.is_dir() and not images.is_picture(path)
        for file in sorted(filter(_may_be_picture, path.iterdir())) if folder else [path]:
            name = images.picture_stem(file)
            if name in found:
                raise CellsegError(
                    f"{found[name]} and {file} are both called {name}.", "Give one of them, or rename a file."
                )
            found[name] = file
    if not found:
        raise CellsegError("There are no pictures.", "Give files, or a folder of them.")
    return found


def _may_be_picture(path: Path) -> bool:
    """Whether an entry of a folder is a picture by its name, and not the masks of one."""
    return (
        not path.name.startswith(".")
        and path.suffix.lower() in _ENDINGS
        and images.picture_stem(path) in images.masks_by_name([path])
    )


def _frames(name: str, path: Path, masks: Path | None) -> dict[str, Frame]:
    picture = images.read(path)
    n = picture.n_frames
    labels: list[Any] = [None] * n
    if masks is not None:
        values = images.read_masks(masks, images.MasksFor(picture.spatial_shape, n, path.name)).labels
        labels = list(values) if n > 1 else [values]
    if len(labels) != n:
        raise CellsegError(f"{masks} has {len(labels)} time points, its picture {n}.", "Give masks of this picture.")
    return {
        f"{name}_t{t:04d}" if n > 1 else name: Frame(picture.frame(t), labels[t], picture.spacing_um) for t in range(n)
    }

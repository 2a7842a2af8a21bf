"""Which masks of a file belong to a picture: those of its image among several, of its time point, or all of a series.

`masks_by_name` pairs files instead: a mask file is called like its picture, with the ending that its tool adds.

Data flow: `MasksFor` says which image of its file the picture is and which of its frames is wanted -> the image of the
mask file is chosen or a frame is put together from several -> axes of a stack that says nothing are named after the
picture's -> one frame is cut out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import dask.array as da

from ..errors import CellsegError
from ._image import Image
from ._limits import by
from ._masks import is_foreign
from ._outlines import MasksFor, Place, check_count
from ._read import read, series_in
from ._remote import is_remote
from ._series import Series, choose, listed
from ._zarr import MARKERS

_UNNAMED = re.compile(r"((image|series)[ _#:-]*)?\d*", re.IGNORECASE)
"""What programs write where a person gave no name: it tells a place, and not which image belongs to which."""
_ADDED = re.compile(
    r"(([ ._-]+(cp|sam|stardist))?[ ._-]+(masks?|labels?|seg|rois?|pred|predictions?|truth|gt|coco))+$", re.IGNORECASE
)
"""What tools add to a picture's name for its masks: ``_labels``, ``_cp_masks``, ``_seg``..."""
_MASKS = (".tif", ".tiff", ".png", ".bmp", ".npy", ".zip", ".roi", ".json", ".geojson", ".xml", ".zarr", ".jpg")


def picture_stem(path: Path) -> str:
    """The name of a picture without its ending: ``X`` of ``X.tif``, ``X.ome.tiff`` and ``X.ome.zarr``."""
    ending = r"(\.v0\.4)?(\.ome)?\.zarr$" if path.is_dir() or is_remote(path) else r"(\.ome)?\.[^.]+$"
    return re.sub(ending, "", path.name, flags=re.IGNORECASE) or path.name


def masks_by_name(paths: Iterable[str | Path]) -> dict[str, Path]:
    """Mask files, and those of folders, by the name of the picture that they belong to.

    A folder of mask files gives those in it; one that is a picture (OME-Zarr) or holds one mask per object (the layout
    of the 2018 Data Science Bowl: ``NAME/masks``) is masks itself.

    Raises
    ------
    CellsegError
        When there is nothing there, or two files have the same name.
    """
    found: dict[str, Path] = {}
    for given in map(Path, paths):
        if not given.exists():
            raise CellsegError(f"There is no file or folder {given}.", "Check the path.")
        files = sorted(filter(_may_be_masks, given.iterdir())) if given.is_dir() and not is_picture(given) else [given]
        if not files:
            raise CellsegError(f"The folder {given.name} holds no masks.", f"Give files: {', '.join(_MASKS)}.")
        for file in files:
            inside = file / "masks" if (file / "masks").is_dir() else file
            name = _ADDED.sub("", picture_stem(file))
            if name in found:
                both = f"{found[name].name} and {file.name}"
                raise CellsegError(f"{both} are both masks of {name}.", "Give the files, not the folder.")
            found[name] = inside
    return found


def _may_be_masks(path: Path) -> bool:
    """Whether a file or folder may be masks, by its name."""
    if path.name.startswith("."):
        return False
    return path.suffix.lower() in _MASKS or path.is_dir()


def place_in_file(path: str | Path, series: str | None = None) -> Place:
    """Which image of its file a picture is.

    Parameters
    ----------
    series
        As for `read`; may be None where there is only one.

    Raises
    ------
    CellsegError
        When the file is damaged, or holds several images and none is chosen.
    """
    found = series_in(path)
    chosen = choose(Path(path).name, found, series) if len(found) > 1 else found[0]
    return Place(found.index(chosen), len(found), chosen.title)


def is_picture(path: Path) -> bool:
    """Whether masks are a picture, not a folder of pictures or a format with outlines."""
    if path.is_dir():
        return any((path / name).exists() for name in MARKERS)
    return not is_foreign(path)


def holds_several(path: Path) -> bool:
    """Whether masks are a picture file with several images."""
    return is_picture(path) and len(series_in(path)) > 1


def count_of_masks(path: str | Path, shape: tuple[int, ...]) -> int:
    """How many pictures of one spatial shape a mask file serves: images in it, or planes (volumes) of a stack."""
    found = series_in(path)
    if len(found) > 1:
        return len(found)
    image = read(path)
    return image.data.shape[0] if _is_stack(image, shape) else 1


def read_paired(path: Path, wanted: MasksFor, axes: str | None = None) -> Image:
    """The picture of masks that belongs to `wanted`: of one frame without T, of a whole series with T.

    Raises
    ------
    CellsegError
        When the file holds several images and it cannot be told which is meant (they are listed), or masks of another
        number of frames.
    """
    found = series_in(path)
    if len(found) == 1:
        return _of_frame(read(path, axes), wanted, path.name)
    one = _of_same_place(found, wanted.place)
    if one is not None:
        return _of_frame(read(path, axes, series=one.key), wanted, path.name)
    if wanted.place.of == 1 and wanted.frames == len(found) > 1:
        if wanted.frame is not None:
            return read(path, axes, series=found[wanted.frame].key)
        return _stacked([read(path, axes, series=s.key) for s in found], path.name)
    frames = f"one image of {wanted.frames} frames" if wanted.frames > 1 else "one image"
    raise CellsegError(
        f"{path.name} holds masks of {len(found)} images: {listed(found)}. The file of {wanted.name or 'the picture'} "
        f"holds {f'{wanted.place.of} images' if wanted.place.of > 1 else frames}.",
        "They are paired where both files hold as many images (or the masks one for each frame), or where the images "
        "have the same name. Save the masks of this picture as a file of their own.",
    )


# --- inside ---------------------------------------------------------------------------------------


def _of_same_place(found: list[Series], place: Place) -> Series | None:
    """The image of a mask file that is called like the picture's, or stands where it stands among as many."""
    named = place.of > 1 and not _UNNAMED.fullmatch(place.title)
    alike = [s for s in found if named and s.title == place.title]
    if len(alike) == 1:
        return alike[0]
    return found[place.number] if place.of == len(found) else None


def _of_frame(image: Image, wanted: MasksFor, name: str) -> Image:
    """Planes (volumes) of a stack become the frames of the picture, of which one may be wanted."""
    if wanted.frames == 1 or wanted.shape is None or not _is_stack(image, wanted.shape):
        return image
    check_count(image.data.shape[0], wanted, name)
    series = replace(image, axes="T" + "ZYX"[-len(wanted.shape) :])
    return series if wanted.frame is None else series.frame(wanted.frame)


def _is_stack(image: Image, shape: tuple[int, ...]) -> bool:
    """Whether masks have one axis more than their picture, which is no colour: planes that say nothing are C or Z."""
    return not image.rgb and image.data.shape[1:] == shape


def _stacked(frames: list[Image], name: str) -> Image:
    shapes = {frame.data.shape for frame in frames}
    if len(shapes) > 1:
        raise CellsegError(
            f"The images in {name} are {', '.join(map(by, sorted(shapes)))}, so they cannot be frames of one picture.",
            "Save the masks of every frame at the size of the picture.",
        )
    data = da.stack([frame.data for frame in frames])
    return replace(frames[0], data=data, axes="T" + frames[0].axes, coarser=())

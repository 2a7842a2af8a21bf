"""Masks in: label pictures, folders with one mask per object, binary masks, masks of other tools.

Data flow: file or folder -> values -> what they mean where they go (objects, the only class, one of many) -> `Masks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cc3d
import fastremap
import numpy as np
from numpy.typing import NDArray

from .._types import Labels
from ..errors import CellsegError
from ._guard import reading
from ._image import Image
from ._masks import is_foreign, kind_of, read_foreign
from ._outlines import Masks, MasksFor, class_number
from ._pairing import is_picture, read_paired
from ._read import read

_PICTURES = (".png", ".tif", ".tiff", ".bmp")
_WHITE = (1, 255, 65535)
"""What binary masks have beside 0."""


def read_labels(
    path: str | Path,
    axes: str | None = None,
    *,
    split_components: bool | None = False,
    shape: tuple[int, ...] | None = None,
    classes: Sequence[str] = (),
    threshold: float | None = None,
) -> Labels:
    """Read masks as labels: (T, Z, Y, X), (Z, Y, X), (T, Y, X) or (Y, X) uint32, 0 is background.

    Parameters
    ----------
    path
        A label picture, a folder with one mask picture per object (see `merge_masks`), an ImageJ ROI zip, a COCO,
        GeoJSON or CVAT (XML) file, or a Cellpose ``_seg.npy`` (read without running code).
    axes
        As for `read`.
    split_components
        Give every connected piece of a binary mask an id of its own. None: where it is binary.
    shape
        Spatial shape of the image, which formats with outlines only need.
    classes
        Names of the classes, where labels are classes. Where there is only one, all that is above `threshold` is it.
    threshold
        Values above it are mask: of the only class, or of objects, which are then its connected pieces.

    Raises
    ------
    CellsegError
        When values are negative, fractional or too large, or the picture has colours.

    See Also
    --------
    read_masks : also for series, for COCO files of many images, and with notes for the person.
    """
    wanted = MasksFor(shape, classes=tuple(classes), split=split_components, threshold=threshold)
    return read_masks(path, wanted, axes).labels


def read_masks(path: str | Path, wanted: MasksFor, axes: str | None = None) -> Masks:
    """Read masks for an image, with what the person should know of how they were read.

    Of a file with several images, and of masks of a whole series, those of `wanted` are taken (see `MasksFor`).
    A binary mask becomes as many objects as it has pieces that do not touch, or the only class; a palette picture's
    indices are its values.

    Raises
    ------
    CellsegError
        As for `read_labels`; also where a file holds no masks of this image, or a threshold means nothing.
    """
    path = Path(path)
    if wanted.threshold is not None and len(wanted.classes) > 1:
        raise CellsegError(
            f"A threshold makes one class, and this project has {len(wanted.classes)}.",
            f"Give pictures whose values are the classes 1 to {len(wanted.classes)}.",
        )
    if path.is_dir() and not is_picture(path):
        return _merged(path, wanted)
    if is_foreign(path):
        found = read_foreign(path, wanted)
        one = kind_of(path) == "cellpose" and len(wanted.classes) == 1
        return _one_class(found.labels, wanted, path.name) if one else found
    image = read_paired(path, wanted, axes)
    values = _grey(image, path)
    if len(wanted.classes) == 1:
        return _one_class(values, wanted, path.name)
    return _numbers(values, wanted, path.name, "T" in image.axes)


def components(mask: NDArray[np.generic]) -> Labels:
    """Number the connected pieces of a mask (full neighbourhood), frame-wise if the caller passes frames."""
    return np.asarray(cc3d.connected_components(np.asarray(mask) > 0), dtype=np.uint32)


def merge_masks(folder: Path, threshold: float = 0) -> Labels:
    """Merge a folder of one-mask-per-object pictures into (Y, X) uint32 labels.

    This is the layout of the 2018 Data Science Bowl. Masks are taken in the order of their names and numbered
    1..n; where two overlap, the later one wins. Files whose names begin with a dot are passed over.

    Raises
    ------
    CellsegError
        When the folder holds no pictures or their shapes differ.
    """
    return _merged(folder, MasksFor(threshold=threshold)).labels


def pictures_in(folder: Path) -> list[Path]:
    """Pictures of a folder by name, without what file systems leave there (``._x.tif``, ``Thumbs.db``...)."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in _PICTURES and not p.name.startswith("."))


SOME, SCATTERED = 50, 20
"""Fewer values say nothing; objects lie in one piece each, or in a few, the values of a picture in hundreds."""
LOOK = 2048
"""Side of the part of a plane that is looked at for that (pixels)."""

# --- what values mean -----------------------------------------------------------------------------


def _one_class(values: NDArray[Any], wanted: MasksFor, name: str) -> Masks:
    """The only class: whatever lies above the threshold."""
    _check_finite(values, name)
    above = values > (wanted.threshold or 0)
    kind, at = wanted.classes[0], f"{wanted.threshold or 0:g}"
    notes = []
    if not above.any():
        notes.append(f"{name}: no value is above {at} (the largest is {values.max(initial=0):g}); nothing is {kind}.")
    elif above.all():
        notes.append(f"{name}: every pixel is above {at}, so all of it is {kind}. Is the mask the wrong way round?")
    elif np.ptp(values[above]) > 0:
        low, high = values[above].min(), values[above].max()
        notes.append(f"{name}: all values above {at} are {kind} (they go from {low:g} to {high:g}).")
    return Masks(above.astype(np.uint32), tuple(notes))


def _numbers(values: NDArray[Any], wanted: MasksFor, name: str, series: bool) -> Masks:
    """Numbers of objects, or of classes."""
    if wanted.threshold is not None:
        _check_finite(values, name)
        labels = _split(values > wanted.threshold, series)
        return Masks(labels, (f"{name}: what is above {wanted.threshold:g} became {_objects(labels, series)}.",))
    labels = _whole(values, name)
    if wanted.split:
        return Masks(_split(labels, series))
    if wanted.split is None and not wanted.classes and (white := _binary(labels)):
        pieces = _split(labels, series)
        if len(np.unique(pieces)) > 2:
            note = f"{name} has the values 0 and {white} only: its pieces that do not touch became"
            return Masks(pieces, (f"{note} {_objects(pieces, series)}.",))
    if not wanted.classes:
        _refuse_picture(labels, name)
    if labels.size and labels.max() > np.iinfo(np.uint32).max - labels.size:
        labels = np.asarray(fastremap.renumber(labels, preserve_zero=True)[0], np.uint32)  # leave room for new ids
    return Masks(labels)


def _refuse_picture(labels: Labels, name: str) -> None:
    """A picture beside its masks is easily taken for them: many values, each of them scattered over the image.

    Raises
    ------
    CellsegError
        When no one would have numbered objects so.
    """
    rows, columns = labels.shape[-2:]
    planes = labels.reshape(-1, rows, columns)
    part = np.ascontiguousarray(planes[len(planes) // 2, : min(rows, LOOK), : min(columns, LOOK)])  # tells enough
    values = int((fastremap.unique(part) > 0).sum())
    if values < SOME:
        return
    pieces = int(cc3d.connected_components(part, return_N=True)[1])
    if pieces > max(SCATTERED * values, 1000):
        raise CellsegError(
            f"{name} looks like a picture, not like masks: its {values:,} values lie in {pieces:,} pieces.",
            "Give a file in which 0 is background and each object is one number; a threshold makes masks of a picture.",
        )


def _objects(labels: Labels, series: bool) -> str:
    n = sum(int(frame.max(initial=0)) for frame in (labels if series else [labels]))
    return "1 object" if n == 1 else f"{n} objects"


def _binary(labels: Labels) -> int:
    """What a mask has beside 0 where it is nothing but a mask, else 0."""
    highest = int(labels.max(initial=0))
    return highest if highest in _WHITE and bool(((labels == 0) | (labels == highest)).all()) else 0


def _split(mask: NDArray[Any], series: bool) -> Labels:
    return np.stack([components(frame) for frame in mask]) if series else components(mask)


def _whole(values: NDArray[Any], name: str) -> Labels:
    if values.dtype.kind == "f" and (not np.isfinite(values).all() or (values != np.round(values)).any()):
        raise CellsegError(
            f"{name} holds fractions, so it cannot be a label image.",
            "Export the masks as integers; of probabilities, say which are mask with a threshold.",
        )
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint32).max):
        raise CellsegError(
            f"{name} holds values from {values.min()} to {values.max()}, not object numbers.",
            "Labels are whole numbers from 0 (background) to 4294967295.",
        )
    return values.astype(np.uint32)


def _check_finite(values: NDArray[Any], name: str) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise CellsegError(f"{name} holds values that are not numbers.", "Export it again.")


# --- one picture per object -----------------------------------------------------------------------


def _merged(folder: Path, wanted: MasksFor) -> Masks:
    """A folder of masks: objects, one by one; their maximum where there is one class; by name where there are more."""
    files = pictures_in(folder)
    if not files:
        raise CellsegError(
            f"The folder {folder.name} holds no mask pictures.", "Give a folder with one PNG or TIFF per object."
        )
    labels = np.zeros((0, 0), np.uint32)
    numbers = list(_class_or_place(files, wanted.classes))
    for number, file in zip(numbers, files, strict=True):
        values = _grey(read(file), file)
        _check_finite(values, file.name)
        mask = values > (wanted.threshold or 0)
        if not labels.size:
            labels = np.zeros(mask.shape, np.uint32)
        if mask.shape != labels.shape:
            raise CellsegError(
                f"The mask {file.name} is {mask.shape}, the ones before it {labels.shape}.",
                "All masks of one folder must have the size of the image.",
            )
        labels[mask] = number
    gone = len(set(numbers) - set(np.unique(labels).tolist()))
    note = f"{folder.name}: {gone} of {len(files)} masks are empty or covered by later ones, and not there."
    return Masks(labels, (note,) if gone else ())


def _class_or_place(files: Sequence[Path], classes: Sequence[str]) -> Iterator[int]:
    """What the pixels of each mask become: its place in the folder, the only class, or the class of its name."""
    for place, file in enumerate(files, start=1):
        number = place if not classes else 1 if len(classes) == 1 else class_number(file.stem, classes)
        if number is None:
            raise CellsegError(
                f"The mask {file.name} does not say its class.",
                f"In a project of classes, masks of a folder are named after them: {', '.join(classes)}.",
            )
        yield number


# --- pixels ---------------------------------------------------------------------------------------


def _grey(image: Image, path: Path) -> NDArray[Any]:
    """The only channel; several channels are fine where they are all the same. Of a palette picture its indices."""
    if image.data.dtype.kind not in "uifb":
        raise CellsegError(f"{path.name} holds {image.data.dtype}, not masks.", "Export the masks as integers.")
    frames = [image.frame(t).load() for t in range(image.n_frames)]
    if image.data.dtype.kind == "b":
        frames = [frame.view(np.uint8) for frame in frames]
    if path.suffix.lower() in (".png", ".bmp"):
        with reading(path.name):
            indices = _palette(path, frames[0])
        if indices is not None:
            return indices
    for channels in frames:
        if any((channels[0] != other).any() for other in channels[1:3]):
            raise CellsegError(
                f"{path.name} is a colour picture, not a label image.",
                "Export masks with one number per object, not with one colour per object.",
            )
    return np.stack([f[0] for f in frames]) if "T" in image.axes else frames[0][0]


def _palette(path: Path, colours: NDArray[Any]) -> NDArray[Any] | None:
    """The indices of a palette picture, (Y, X); None for other pictures, and for greys whose black is not index 0.

    The last are black and white pictures that a program has packed; their palette only has another order.
    """
    import imageio.v3 as imageio

    if imageio.immeta(path).get("mode") != "P":
        return None
    indices = np.asarray(imageio.imread(path, mode="P"))
    grey = all((colours[0] == other).all() for other in colours[1:3])
    black = colours[0] == 0
    return None if grey and black.any() and (black != (indices == 0)).any() else indices

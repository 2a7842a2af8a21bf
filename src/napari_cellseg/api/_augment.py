"""Variants of pictures and their masks, written beside each other: a training set for other tools.

Data flow: picture and masks of one file after another -> patches side by side -> each changed in so many ways, as a
training of ours would change it (`augmentation`) -> TIFFs, and a table of what came from where.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from ..augmentation import AUGMENTATIONS, AugmentationBase, Cut, Patch
from ..config import Values, assigned
from ..errors import CellsegError
from ..events import Exported, Skipped, Stopped
from ..extensions import kind_of
from ..settings import validated
from ._pairs import Frame, paired
from ._work import OnEvent, Stop, Work, never, verb

Source = str | Path
TABLE = "variants.csv"
_COLUMNS = ("file", "image", "row", "column", "variant", "seed")


@dataclass(frozen=True)
class Augmented:
    """What was written.

    Attributes
    ----------
    folder
        With ``images/``, ``masks/`` (where there are masks) and ``variants.csv``.
    images, variants
        How many pictures were used, and how many variants of their patches were written.
    left_out
        Pictures that could not be read, with message and hint.
    stopped
        Whether it ended early at somebody's wish; what was written till then stays, and the table tells what it is.
    """

    folder: Path
    images: int
    variants: int
    left_out: tuple[Skipped, ...] = ()
    stopped: bool = False


@verb
def augment(
    images: Source | Sequence[Source],
    labels: Source | Sequence[Source] = (),
    *,
    out: Source,
    variants: int = 21,
    patch: int = 256,
    scheme: str = "two_stage",
    settings: Values = (),
    binary: int | None = None,
    seed: int = 0,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Augmented]:
    """Write variants of pictures and their masks: one photometric change or none, then one geometric change.

    The scheme ``"two_stage"`` and its 21 variants are those of Das et al. 2025 (857 patches became 17,997).

    Parameters
    ----------
    images, labels : str or Path, or lists of them
        Pictures and masks of any tool, files or folders; masks are called like their pictures. Without masks pictures
        alone are written.
    out : str or Path
        A folder that is new or empty.
    variants : int
        Of every patch.
    patch : int
        Side of the patches (pixels), cut side by side from the first pixel on; what is left at the far ends is in none.
        A smaller picture is one square patch of its shorter side.
    scheme, settings : str, dict or list of str
        An augmentation of trainings by its name (``"two_stage"``, ``"standard"``), and its settings.
    binary : int
        Masks become 0 and 255, above this value (127 in Das et al.); else they keep their numbers.
    seed : int
        The same seed gives the same files.
    on_event, stop : callable
        Called with every event; asked before every patch whether to end.

    Returns
    -------
    Augmented

    Raises
    ------
    CellsegError
        When something given does not fit, or the folder holds something.
    """
    change, pairs, folder = _scheme(scheme, settings), paired(images, labels), Path(out)
    _check(variants, patch, folder)
    rows, left_out, used = list[tuple[Any, ...]](), list[Skipped](), 0
    how = _How(change, folder, variants, patch, binary, seed)
    for name, read in pairs.items():
        try:
            frames = read()
        except CellsegError as error:
            left_out.append(Skipped(name, error.message, error.hint))
            yield left_out[-1]
            continue
        for frame_name, frame in frames.items():
            for row in how.written(frame_name, frame, used):
                if stop():
                    yield Stopped("cancelled")
                    _tell(folder, rows)
                    return Augmented(folder, used, len(rows), tuple(left_out), stopped=True)
                rows.append(row)
            used += 1
            yield Exported(frame_name, str(folder))
    if not rows:
        reason = left_out[0] if left_out else Skipped("", "No picture holds a patch.", "Choose smaller patches.")
        raise CellsegError(reason.message, reason.hint)
    _tell(folder, rows)
    return Augmented(folder, used, len(rows), tuple(left_out))


class _Range(NamedTuple):
    """What is taken for 0 and 1 in a picture, and the type that it is written as."""

    low: float
    high: float
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> _Range:
        """Of 8 bits all of them, else from the darkest to the brightest."""
        if pixels.dtype == np.uint8:
            return cls(0, 255, pixels.dtype)
        low, high = float(pixels.min()), float(pixels.max())
        return cls(low, high if high > low else low + 1, pixels.dtype)

    def back(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """From 0 and 1 to the picture's own grey values."""
        found = values * (self.high - self.low) + self.low
        if self.dtype.kind not in "iu":
            return np.asarray(found, self.dtype)
        limits = np.iinfo(self.dtype)
        return np.asarray(np.clip(np.rint(found), limits.min, limits.max), self.dtype)


@dataclass(frozen=True)
class _How:
    change: AugmentationBase
    folder: Path
    variants: int
    patch: int
    binary: int | None
    seed: int

    def written(self, name: str, frame: Frame, number: int) -> Iterator[tuple[Any, ...]]:
        """Write the variants of a picture; yields the row of each before the next is made."""
        pixels = np.asarray(frame.picture.channels_first())
        pixels = pixels if pixels.ndim == 4 else pixels[:, None]
        labels = self._labels(frame, pixels.shape[1:])
        scale, flat = _Range.of(pixels), "Z" not in frame.picture.spatial_axes
        grey = ((pixels - scale.low) / (scale.high - scale.low)).astype(np.float32)
        known = np.ones(pixels.shape[1:], bool)
        source = Patch(grey, np.zeros((1, *known.shape), np.float32) if labels is None else labels[None], known)
        side = min(self.patch, *pixels.shape[-2:])
        starts = [range(0, n - side + 1, side) for n in pixels.shape[-2:]]
        slices = np.arange(pixels.shape[1])
        for row, column in ((r, c) for r in starts[0] for c in starts[1]):
            centre = (float(column + side // 2), float(row + side // 2))
            cut = Cut(slices, np.zeros(len(slices), bool), centre, side, hard=True, fixed=True)
            for variant in range(self.variants):
                rng = np.random.default_rng((self.seed, number, row, column, variant))
                made = self.change(source, cut, rng)
                file = f"{name}_y{row}_x{column}_v{variant:02d}.tif"
                self._write("images", file, scale.back(made.pixels), flat)
                if labels is not None:
                    self._write("masks", file, self._numbers(made.target[0]), flat)
                yield file, name, row, column, variant, self.seed

    def _labels(self, frame: Frame, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        if frame.labels is None:
            return None
        labels = np.asarray(frame.labels).reshape(shape)
        if labels.max(initial=0) >= 1 << 24:
            raise CellsegError("Masks hold numbers above 16,777,215.", "Number their objects again.")
        return labels.astype(np.float32)  # exact up to there

    def _numbers(self, values: NDArray[np.float32]) -> NDArray[Any]:
        if self.binary is not None:
            return np.where(values > self.binary, np.uint8(255), np.uint8(0))
        return values.astype(np.uint16 if values.max(initial=0) < 1 << 16 else np.uint32)

    def _write(self, kind: str, file: str, values: NDArray[Any], flat: bool) -> None:
        """(C, Z, Y, X) or (Z, Y, X), without axes of length 1 that the picture does not have."""
        path = self.folder / kind / file
        path.parent.mkdir(parents=True, exist_ok=True)
        values = values[..., 0, :, :] if flat else values
        if kind == "images" and len(values) == 1:
            values = values[0]
        colour = kind == "images" and values.ndim == 3 and flat and len(values) == 3
        tifffile.imwrite(path, np.moveaxis(values, 0, -1) if colour else values, compression="zlib")


def _check(variants: int, patch: int, folder: Path) -> None:
    if variants < 1 or patch < 16:
        raise CellsegError("There must be a variant at least, and patches of 16 pixels.", "Give larger numbers.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CellsegError(f"{folder} holds something already.", "Choose a new folder.")


def _scheme(name: str, settings: Values) -> AugmentationBase:
    kinds = {kind_of(cls): cls for cls in AUGMENTATIONS}
    if name not in kinds:
        raise CellsegError(f"There is no augmentation {name!r}.", f"Use one of {', '.join(kinds)}.")
    return validated(kinds[name], dict(assigned(settings, "chance=0.5")))


def _tell(folder: Path, rows: Sequence[tuple[Any, ...]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])

"""Which pictures there are, and what became of each: one small file per picture, written when it is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import images
from ..errors import CellsegError
from ..events import Skipped
from ..files import write_text
from ..project import names_for
from ..report import write_batch
from ._predict import Predicting, check_request

ALL = "all"
FOLDER = ".cellseg"


@dataclass(frozen=True)
class Picture:
    """One frame of one image of a file.

    Attributes
    ----------
    name
        Its own among all that are labelled together.
    shape
        (Z, Y, X) or (Y, X).
    """

    path: Path
    series: str | None
    frame: int
    name: str
    shape: tuple[int, ...]

    def read(self) -> images.Image:
        """Open it."""
        return images.read(self.path, series=self.series).frame(self.frame)

    def state(self) -> dict[str, Any]:
        """What tells whether it is still the same: plain values."""
        about = {"path": str(images.absolute(self.path)), "series": self.series, "frame": self.frame}
        if images.is_remote(self.path):
            return about
        seen = self.path.stat()
        return {**about, "bytes": seen.st_size, "modified": seen.st_mtime_ns}


def listed(paths: Sequence[str | Path], series: str | None, how: Predicting, left_out: list[Skipped]) -> list[Picture]:
    """Every frame of every picture that was named; what cannot be read is left out.

    All are opened before any is predicted, and none is kept.

    Raises
    ------
    CellsegError
        Where a single file was named and cannot be read, a folder is empty, or a request does not fit.
    """
    if how.out and any(Path(p).is_dir() and Path(p).resolve() == how.out.resolve() for p in paths):
        raise CellsegError("Labels cannot go into the folder of the pictures.", "Give another folder with --out.")
    found, named, counts, shapes = [], [], [], []
    for path, own in [f for given in paths for f in _inside(Path(given), series)]:
        try:
            image = images.read(path, series=own)
        except CellsegError as error:
            if len(paths) == 1 and Path(paths[0]) == path:
                raise
            left_out.append(Skipped(str(path), error.message, error.hint))
            continue
        check_request(how, image.spatial_shape, str(path))
        found.append((path, own))
        named.append(path if own == series else path.with_name(f"{images.picture_stem(path)}_{own}".replace("/", "_")))
        counts.append(image.n_frames)
        shapes.append(image.spatial_shape)
    names = names_for(named, counts)
    return [
        Picture(path, own, t, name, shape)
        for (path, own), stems, shape in zip(found, names, shapes, strict=True)
        for t, name in enumerate(stems)
    ]


def is_batch(paths: Sequence[str | Path]) -> bool:
    """Whether folders or plates were named, which hold several pictures."""
    return any(len(_inside(Path(p), None)) > 1 for p in paths if _may_hold_several(Path(p)))


def pictures_of(folder: Path) -> list[Path]:
    """Files and OME-Zarr folders in a folder, by name."""
    known = set(images.endings())
    shown = [p for p in folder.iterdir() if not p.name.startswith(".")]
    return sorted(p for p in shown if (images.is_picture(p) if p.is_dir() else p.suffix.lower() in known))


def _may_hold_several(path: Path) -> bool:
    """Whether a path is a folder, or a folder at an address."""
    return path.is_dir() or images.is_remote(path)


def _inside(path: Path, series: str | None) -> list[tuple[Path, str | None]]:
    """What is meant by a path: pictures of a folder, fields of a plate, images of a file."""
    if path.is_dir() and not images.is_picture(path):
        if not (files := pictures_of(path)):
            raise CellsegError(f"The folder {path} holds no pictures.", f"It may hold: {', '.join(images.endings())}.")
        return [inner for file in files for inner in _inside(file, series)]
    if series == ALL or (series is None and _may_hold_several(path)):
        with suppress(CellsegError):  # what is wrong is said when it is read
            if len(several := images.series_in(path)) > 1:
                return [(path, one.key) for one in several]
        return [(path, None)]
    return [(path, series)]


class Ledger:
    """What became of pictures, in files beside the labels: so a second start knows, whatever ended the first.

    Parameters
    ----------
    out
        The folder of the labels.
    how
        A digest of models and settings.

    Attributes
    ----------
    on
        Whether anything is noted.
    """

    def __init__(self, out: Path, how: str) -> None:
        self._out, self._how, self.on = out, how, True

    def has(self, picture: Picture) -> bool:
        """Whether a picture, as it is now, was labelled so before, and the labels are there."""
        said = self._said(picture)
        return bool(said) and (said["state"], said["how"]) == (picture.state(), self._how) and self._is_there(said)

    def done(self, picture: Picture, objects: int, seconds: float, file: Path) -> None:
        """A picture is labelled."""
        self._note(picture, status="done", objects=objects, seconds=round(seconds, 2), file=file.name)

    def failed(self, picture: Picture, why: Skipped) -> None:
        """A picture cannot be labelled."""
        self._note(picture, status="failed", message=why.message, hint=why.hint)

    def write_summary(self, pictures: Sequence[Picture], left_out: Sequence[Skipped]) -> list[Path]:
        """``summary.csv`` and ``summary.html``: a row for every picture, and for what could not even be opened."""
        rows = []
        for picture in pictures:
            said = self._said(picture) or {"status": "not done"}
            rows.append({"image": picture.name, **{k: v for k, v in said.items() if k not in ("state", "how")}})
        known = {picture.name for picture in pictures}
        for why in left_out:
            if why.image not in known:
                rows.append({"image": why.image, "status": "failed", "message": why.message, "hint": why.hint})
        return write_batch(self._out, rows)

    # --- inside ---------------------------------------------------------------------------------

    def _note(self, picture: Picture, **what: Any) -> None:
        if self.on:
            said = {"state": picture.state(), "how": self._how, **what}
            write_text(self._path(picture), json.dumps(said, indent=1))

    def _said(self, picture: Picture) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self._path(picture).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return said if {"state", "how", "status"} <= said.keys() else {}

    def _is_there(self, said: dict[str, Any]) -> bool:
        return bool(said["status"] == "done" and (self._out / str(said["file"])).exists())

    def _path(self, picture: Picture) -> Path:
        return self._out / FOLDER / f"{picture.name}.json"

"""Damaged files of every kind that is read: each must end in success or in words, never in a traceback.

usage: python benchmarks/fuzz.py [--count 10000] [--kind tiff ...] [--seed 0] [--jobs 1] [--json FILE]

Valid small files are written, each is changed at random (bytes flipped, cut off, repeated, zeroed, numbers made
extreme, words swapped, files of a folder removed, rows of a database changed), and read as the program reads it, with
2 GB of memory and 20 s at most. The same seed makes the same files. A worker that dies (a fault inside a compiled
decoder) is counted, and the next one goes on after that file. Exit status 1 where anything but success or CellsegError
came.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, MEMORY = 20, 2 << 30
SHAPE = (40, 48)
Random = np.random.Generator


class TooLong(BaseException):
    """Not an Exception: nothing on the way may take it for a damaged file."""


@dataclass(frozen=True)
class Kind:
    """One kind of file: how valid ones are written (into an empty folder), and how they are read.

    Attributes
    ----------
    write
        Writes variants into a folder.
    read
        Gets the changed copy of one of them.
    """

    write: Callable[[Path], None]
    read: Callable[[Path], None]


@dataclass
class Outcome:
    """What happened to the files of one kind."""

    files: int = 0
    refused: int = 0
    seconds: float = 0.0
    faults: list[dict[str, Any]] = field(default_factory=list)


# --- valid files ------------------------------------------------------------------------------------


def pixels(*shape: int) -> np.ndarray:
    """Blobs with a little noise."""
    random = np.random.default_rng(0)
    return (np.kron(random.random(tuple(-(-n // 8) for n in shape)), np.ones((8,) * len(shape)))[
        tuple(slice(n) for n in shape)
    ] * 180 + random.random(shape) * 20).astype(np.uint8)  # fmt: skip


def truth() -> np.ndarray:
    """Three objects."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[3:12, 4:15], labels[20:30, 6:20], labels[14:25, 28:40] = 1, 2, 3
    return labels


def tiffs(folder: Path) -> None:
    """Plain, compressed, tiled, OME with two series, ImageJ, RGBA, big."""
    import tifffile

    grey, volume = pixels(*SHAPE), pixels(4, *SHAPE)
    tifffile.imwrite(folder / "plain.tif", grey)
    tifffile.imwrite(folder / "zlib.tif", volume.astype(np.uint16), compression="zlib", photometric="minisblack")
    tifffile.imwrite(folder / "tiles.tif", pixels(80, 90), compression="lzw", tile=(32, 32), predictor=True)
    tifffile.imwrite(folder / "jpeg.tif", pixels(64, 64), compression="jpeg", tile=(32, 32))
    with tifffile.TiffWriter(folder / "two.ome.tif") as file:
        for size in ((40, 48), (24, 32)):
            file.write(pixels(*size), metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"})
    stack = pixels(2, 3, 2, *SHAPE)
    tifffile.imwrite(folder / "imagej.tif", stack, imagej=True, metadata={"axes": "TZCYX", "unit": "um"})
    tifffile.imwrite(folder / "rgba.tif", pixels(*SHAPE, 4), photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(folder / "big.tif", volume, bigtiff=True, photometric="minisblack")


def pngs(folder: Path) -> None:
    """Grey, colour, 16 bit, palette, with orientation; and BMP."""
    import cv2
    from PIL import Image

    grey, rgb = pixels(*SHAPE), pixels(*SHAPE, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(rgb).save(folder / "rgb.png", exif=exif)
    Image.fromarray(rgb).quantize(16).save(folder / "palette.png")
    Image.fromarray(grey > 90).save(folder / "bits.png")
    Image.fromarray(rgb).save(folder / "rgb.bmp")
    cv2.imwrite(str(folder / "deep.png"), rgb.astype(np.uint16) * 200)
    cv2.imwrite(str(folder / "grey16.png"), grey.astype(np.uint16) * 200)


def jpegs(folder: Path) -> None:
    """Grey, colour, progressive, with orientation."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(pixels(*SHAPE)).save(folder / "grey.jpg")
    Image.fromarray(pixels(*SHAPE, 3)).save(folder / "rgb.jpg", exif=exif)
    Image.fromarray(pixels(*SHAPE, 3)).save(folder / "progressive.jpeg", progressive=True)


def npys(folder: Path) -> None:
    """Two and four dimensions."""
    np.save(folder / "plane.npy", pixels(*SHAPE))
    np.save(folder / "many.npy", pixels(2, 3, *SHAPE).astype(np.float32))


def zarrs(folder: Path) -> None:
    """Arrays of versions 2 and 3, in several compressions."""
    import zarr
    from numcodecs import GZip, Zlib

    for version in (2, 3):
        zarr.create_array(str(folder / f"v{version}.zarr"), data=pixels(*SHAPE), chunks=(16, 16), zarr_format=version)
    for codec in (Zlib(), GZip()):
        path = folder / f"{codec.codec_id}.zarr"
        zarr.create_array(str(path), data=pixels(*SHAPE), chunks=(24, 24), zarr_format=2, compressors=codec)
    zarr.create_array(str(folder / "shards.zarr"), data=pixels(*SHAPE), chunks=(8, 8), shards=(40, 48), zarr_format=3)


def ome_zarrs(folder: Path) -> None:
    """An image with labels, a plate, and a collection of bioformats2raw."""
    import zarr

    def image(path: Path, data: np.ndarray, version: int = 2) -> None:
        group = zarr.open_group(str(path), mode="w", zarr_format=version)
        group.create_array("0", data=data, chunks=(16,) * data.ndim)
        axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"[-data.ndim :]]
        scale = [{"type": "scale", "scale": [0.5] * data.ndim}]
        scales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
        channels = {"channels": [{"label": "DAPI"}]}
        found = {"multiscales": scales, "omero": channels}
        group.attrs.update(found if version == 2 else {"ome": found})

    image(folder / "image.zarr", pixels(3, *SHAPE))
    zarr.open_group(str(folder / "image.zarr"), mode="a").create_group("labels").attrs["labels"] = ["cells"]
    image(folder / "image.zarr" / "labels" / "cells", truth())
    image(folder / "new.zarr", pixels(*SHAPE), 3)
    plate = zarr.open_group(str(folder / "plate.zarr"), mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    plate.create_group("A/1").attrs["well"] = {"images": [{"path": "0"}]}
    image(folder / "plate.zarr" / "A" / "1" / "0", pixels(*SHAPE))
    many = zarr.open_group(str(folder / "many.zarr"), mode="w", zarr_format=2)
    many.attrs["bioformats2raw.layout"] = 3
    many.create_group("OME").attrs["series"] = ["0"]
    (folder / "many.zarr" / "OME" / "METADATA.ome.xml").write_text('<OME xmlns="x"><Image Name="left"/></OME>')
    image(folder / "many.zarr" / "0", pixels(*SHAPE))


def rois(folder: Path) -> None:
    """A zip of outlines, and one outline."""
    from napari_cellseg.images import write_labels

    path = write_labels(folder / "cells.roi.zip", truth().astype(np.uint32))
    with zipfile.ZipFile(path) as archive:
        first = archive.namelist()[0]
        (folder / "one.roi").write_bytes(archive.read(first))


def outlines(folder: Path) -> None:
    """COCO and GeoJSON, as written here."""
    from napari_cellseg.images import write_labels

    for name in ("cells.coco.json", "cells.geojson"):
        write_labels(folder / name, truth().astype(np.uint32))


def segs(folder: Path) -> None:
    """Cellpose's pickled dictionary."""
    values = {"masks": truth(), "outlines": truth() * 0, "filename": "a.tif", "chan_choose": [0, 0], "flows": [truth()]}
    np.save(folder / "cells_seg.npy", values, allow_pickle=True)  # type: ignore[arg-type]


def weights(folder: Path) -> None:
    """A few tensors."""
    from safetensors.numpy import save_file

    save_file({"a.weight": pixels(8, 8).astype(np.float32), "b": np.arange(5)}, folder / "weights.safetensors")


def settings(folder: Path) -> None:
    """project.toml, without anything beside it."""
    from napari_cellseg.project import Project

    for task in ("instance", "semantic"):
        with Project.create(folder / task, task):  # type: ignore[arg-type]
            pass


def models(folder: Path) -> None:
    """A project with the base model, without its weights."""
    from napari_cellseg.base import DEFAULT, base_models
    from napari_cellseg.project import Project

    with Project.create(folder / "p") as project:
        target = project.models_folder / DEFAULT
        target.mkdir()
        for name in ("card.json", "config.toml"):
            shutil.copyfile(base_models()[DEFAULT] / name, target / name)


def projects(folder: Path) -> None:
    """A project with an image, edits, hints, held-out parts and settings."""
    from napari_cellseg.project import Holdout, Project

    np.save(folder / "cells.npy", pixels(*SHAPE))
    with Project.create(folder / "p") as project:
        (id,) = project.add_image(folder / "cells.npy", labels=truth().astype(np.uint32))
        project.hints(id).put((truth() > 0).astype(np.uint32))
        project.db.put_holdout(Holdout(id, (((0, 9), (0, 9)),)))
        project.db.add_round(None, "v1", {"mean": {"iou": 0.5}}, {"mean": {"iou": 0.6}})
        project.store(id).undo()
    (folder / "cells.npy").rename(folder / "p.cellseg" / "cells.npy")


# --- how they are read ------------------------------------------------------------------------------


def as_picture(path: Path) -> None:
    """As ``add`` reads a picture, and as a label image; a picture counts as read where one of both took it."""
    from napari_cellseg import images
    from napari_cellseg.errors import CellsegError

    try:
        _added(path)
    except CellsegError:
        images.read_labels(path, shape=SHAPE)
        return
    with contextlib.suppress(CellsegError):
        images.read_labels(path, shape=SHAPE)


def _added(path: Path) -> None:
    from napari_cellseg import images

    image = images.read(path, series=images.series_in(path)[0].key or None)
    images.check_content(image)
    image.load()
    images.labels_inside(image.source or path)
    images.is_unchanged(path, images.fingerprint(path), images.glance(path))


def as_labels(path: Path) -> None:
    """As ``add --labels`` reads masks, in a project of objects and in one of classes."""
    from napari_cellseg import images
    from napari_cellseg.errors import CellsegError

    images.read_labels(path, shape=SHAPE)
    with contextlib.suppress(CellsegError):
        images.read_labels(path, shape=SHAPE, classes=("object", "other"))


def as_weights(path: Path) -> None:
    """As a model's weights."""
    from napari_cellseg.models import read_weights

    read_weights(path)


def as_project(path: Path) -> None:
    """Opened, and everything in it looked at; where it is damaged, recovered and looked at."""
    from napari_cellseg.errors import CellsegError
    from napari_cellseg.project import Project

    try:
        with Project.open(path) as project:
            _looked_through(project)
    except CellsegError:
        with Project.recover(path) as project:
            _looked_through(project)


def as_settings(path: Path) -> None:
    """Opened only."""
    from napari_cellseg.project import Project

    with Project.open(path) as project:
        _looked_through(project)
        for card in project.models():
            project.model_config(card.id)


def _looked_through(project: Any) -> None:
    from napari_cellseg.project import image_statuses, kinds_of_images

    for record in project.images():
        store = project.store(record.id)
        list(store.history())
        store.undo()
        project.hints(record.id)
        project.load_labels(record.id)
    project.db.holdouts(), project.db.rounds(), project.db.reviews()
    project.models(), image_statuses(project), kinds_of_images(project)


KINDS = {
    "tiff": Kind(tiffs, as_picture), "png": Kind(pngs, as_picture), "jpeg": Kind(jpegs, as_picture),
    "npy": Kind(npys, as_picture), "zarr": Kind(zarrs, as_picture), "ome-zarr": Kind(ome_zarrs, as_picture),
    "roi": Kind(rois, as_labels), "outlines": Kind(outlines, as_labels), "seg": Kind(segs, as_labels),
    "safetensors": Kind(weights, as_weights), "project.toml": Kind(settings, as_settings),
    "model": Kind(models, as_settings), "database": Kind(projects, as_project),
}  # fmt: skip


# --- damage -----------------------------------------------------------------------------------------

EXTREME = (b"0", b"-1", b"NaN", b"1e300", b"4294967296", b"99999999999999999999", b"null", b"[]", b'""', b"{}", b"true")


def damaged(data: bytes, random: Random) -> bytes:
    """The same bytes with one to four changes."""
    out = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        if out:
            _CHANGES[int(random.integers(len(_CHANGES)))](out, random)
    return _mended(bytes(out)) if random.random() < 0.5 else bytes(out)


def _mended(data: bytes) -> bytes:
    """With the checksums of a PNG made right again, so that what lies behind them is reached."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        size = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + size > len(out):
            break
        out[at + 8 + size : at + 12 + size] = zlib.crc32(out[at + 4 : at + 8 + size]).to_bytes(4, "big")
        at += 12 + size
    return bytes(out)


def _flip(out: bytearray, random: Random) -> None:
    for _ in range(int(random.integers(1, 4))):
        out[_early(out, random)] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256))]))


def _cut(out: bytearray, random: Random) -> None:
    del out[int(random.integers(len(out))) :]


def _repeat(out: bytearray, random: Random) -> None:
    start = _early(out, random)
    part = out[start : start + int(random.integers(1, 200))]
    at = _early(out, random)
    out[at:at] = part * int(random.integers(1, 4))


def _zero(out: bytearray, random: Random) -> None:
    start = _early(out, random)
    stop = min(len(out), start + int(random.integers(1, 64)))
    out[start:stop] = bytes(stop - start)


def _number(out: bytearray, random: Random) -> None:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(out[:200_000])))
    if found:
        spot = found[int(random.integers(len(found)))]
        out[spot.start() : spot.end()] = EXTREME[int(random.integers(len(EXTREME)))]


def _word(out: bytearray, random: Random) -> None:
    found = list(re.finditer(rb'"[^"]*"|\[[^\[\]]*\]', bytes(out[:200_000])))
    if len(found) > 1:
        a, b = (found[int(n)] for n in random.integers(len(found), size=2))
        out[a.start() : a.end()] = b.group()


def _early(out: bytearray, random: Random) -> int:
    """A place; half of the time in the first kilobyte, where headers are."""
    reach = len(out) if random.random() < 0.5 else min(len(out), 1024)
    return int(random.integers(reach))


_CHANGES = (_flip, _flip, _cut, _repeat, _zero, _number, _number, _word)


def damage(path: Path, random: Random) -> None:
    """Change a file, or one to three files of a folder (or remove one, or change rows of its database)."""
    if path.is_file():
        path.write_bytes(damaged(path.read_bytes(), random))
        return
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix not in (".png", ".lock"))
    metadata = [p for p in files if p.name.startswith(".") or p.suffix in (".json", ".toml", ".xml")]
    database = [p for p in files if p.name == "project.db"]
    if database:  # what lies beside it has kinds of its own
        rows = random.random() < 0.5
        (_rows if rows else _bytes)(database[0], random)
        return
    for _ in range(int(random.integers(1, 3))):
        among = metadata if metadata and random.random() < 0.7 else files
        file = among[int(random.integers(len(among)))]
        if random.random() < 0.08:
            file.unlink(missing_ok=True)
        elif file.exists():
            file.write_bytes(damaged(file.read_bytes(), random))


def _bytes(path: Path, random: Random) -> None:
    path.write_bytes(damaged(path.read_bytes(), random))


def _rows(path: Path, random: Random) -> None:
    """Other values in rows of the database."""
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for _ in range(int(random.integers(1, 4))):
        table = tables[int(random.integers(len(tables)))]
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        rows = connection.execute(f"SELECT rowid, * FROM {table}").fetchall()
        if not rows:
            continue
        row, n = rows[int(random.integers(len(rows)))], int(random.integers(len(columns)))
        with contextlib.suppress(sqlite3.Error, OverflowError):
            connection.execute(
                f"UPDATE {table} SET {columns[n]} = ? WHERE rowid = ?", (_value(row[n + 1], random), row[0])
            )
    connection.commit()
    connection.close()


def _value(old: Any, random: Random) -> Any:
    if random.random() < 0.3:
        return (None, -1, 2**62, "", "../../x", b"\xff", 1.5, "[]", "null", "{}")[int(random.integers(10))]
    if isinstance(old, bytes):
        return damaged(old, random)
    if isinstance(old, str):
        return damaged(old.encode(), random).decode("utf-8", "replace")
    return int(random.integers(-5, 10**9))


# --- running ----------------------------------------------------------------------------------------


def samples(kind: str, seed: int, first: int, last: int, folder: Path) -> Iterator[tuple[int, Path]]:
    """Damaged copies number `first` to `last`, one at a time."""
    valid = folder / "valid"
    valid.mkdir()
    KINDS[kind].write(valid)
    variants = sorted(valid.iterdir())
    for n in range(first, last):
        random = np.random.default_rng([seed, sorted(KINDS).index(kind), n])
        chosen = variants[int(random.integers(len(variants)))]
        here = folder / "now"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        copy = here / chosen.name
        shutil.copytree(chosen, copy) if chosen.is_dir() else shutil.copyfile(chosen, copy)
        damage(copy, random)
        yield n, copy


def tried(kind: str, path: Path, seconds: float = SECONDS) -> str:
    """ "" for success, "refused" for words, else the traceback."""
    from napari_cellseg.errors import CellsegError

    def late(*_: object) -> None:
        raise TooLong(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            KINDS[kind].read(path)
    except CellsegError:
        return "refused"
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - every one is a finding
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return ""


def limit_memory() -> None:
    """Two gigabytes on top of what is mapped once everything is imported."""
    import resource

    import cv2  # noqa: F401
    import torch  # noqa: F401

    import napari_cellseg.project  # noqa: F401

    with Path("/proc/self/statm").open() as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, -1))


def work(kind: str, seed: int, first: int, last: int) -> None:
    """A worker: one line of JSON before and one after each file."""
    limit_memory()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for n, path in samples(kind, seed, first, last, Path(folder)):
            print(json.dumps({"n": n, "file": path.name}), flush=True)
            print(json.dumps({"n": n, "said": tried(kind, path)}), flush=True)


def through(kind: str, seed: int, count: int) -> Outcome:
    """All files of one kind, in workers that are replaced when they die."""
    outcome, first, begun = Outcome(), 0, time.monotonic()
    while first < count:
        command = [sys.executable, __file__, "--work", kind, str(seed), str(first), str(count)]
        started: dict[str, Any] = {}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            assert worker.stderr is not None
            for line in worker.stdout:
                entry = json.loads(line)
                if "file" in entry:
                    started = entry
                    continue
                outcome.files += 1
                outcome.refused += entry["said"] == "refused"
                if entry["said"] not in ("", "refused"):
                    outcome.faults.append(started | entry)
                started, first = {}, entry["n"] + 1
            said = worker.stderr.read()
        if worker.returncode == 0:
            break
        if not started:
            raise RuntimeError(f"the worker could not begin: {said[-2000:]}")
        outcome.files += 1
        outcome.faults.append(started | {"said": f"the process died with status {worker.returncode}\n{said[-500:]}"})
        first = started["n"] + 1
    outcome.seconds = time.monotonic() - begun
    return outcome


def main() -> int:
    """Run, print a table and every different fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="files in all, shared by the kinds")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="kinds at the same time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    each = -(-options.count // len(options.kind))
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = dict(
            zip(options.kind, pool.map(lambda k: through(k, options.seed, each), options.kind), strict=True)
        )
    print("| kind | files | refused with words | read | tracebacks | seconds |\n|---|---|---|---|---|---|")
    for kind, o in outcomes.items():
        read = o.files - o.refused - len(o.faults)
        print(f"| {kind} | {o.files} | {o.refused} | {read} | {len(o.faults)} | {o.seconds:.0f} |")
    faults = [f | {"kind": kind} for kind, o in outcomes.items() for f in o.faults]
    print(f"{sum(o.files for o in outcomes.values())} files, {len(faults)} tracebacks")
    kinds_of_faults = Counter((f["kind"], "\n".join(f["said"].strip().splitlines()[-3:])) for f in faults)
    for (kind, said), times in kinds_of_faults.most_common():
        print(f"\n{kind}, {times} times:\n{said}")
    if options.json:
        options.json.write_text(json.dumps(faults, indent=1))
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], *map(int, sys.argv[3:6]))
    else:
        sys.exit(main())

"""What the subcommands' arguments share: how a verb is entered, and how texts become values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..errors import CellsegError

Options = argparse.Namespace
FORMATS = (
    "tif", "ome.tif", "ome.zarr", "v0.4.ome.zarr", "png", "npy", "_seg.npy", "roi.zip", "coco.json", "geojson",
)  # fmt: skip
PIXELS = FORMATS[:7]


def _lazy(module: str, name: str) -> Callable[[Options], int]:
    def call(options: Options) -> int:
        result: int = getattr(import_module(f".{module}", __package__), name)(options)
        return result

    return call


def verb(verbs: Any, name: str, text: str, module: str = "_verbs") -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    sub.set_defaults(verb=_lazy(module, "import_" if name == "import" else name.replace("-", "_")))
    return sub


def progress(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--events", action="store_true", help="print every event as one line of JSON")


def series(sub: argparse.ArgumentParser, more: str = "") -> None:
    sub.add_argument(
        "--series", metavar="N|NAME",
        help="which image of a file that holds several (OME-TIFF, plate, bioformats2raw): its number from 0, its name, "
        f"or its path inside{more}",
    )  # fmt: skip


def workers(sub: argparse.ArgumentParser, more: str = "") -> None:
    """Who does the work; `away` says it to a verb."""
    sub.add_argument("--jobs", type=positive, metavar="N", help="so many processes of this machine")
    sub.add_argument(
        "--scheduler", default="", metavar="local:N|ADDRESS|slurm",
        help="who does the work: a dask cluster of N processes here, a dask scheduler that runs (tcp://HOST:8786, or "
        "its file), SLURM, or jobs:N, what SLURM would run as processes here; see the page Clusters",
    )  # fmt: skip
    sub.add_argument(
        "--scheduler-set", metavar="KEY=VALUE", action="append", default=[], dest="scheduler_options",
        help=f"of SLURM, as submitit names them: timeout_min=60, mem_gb=16, slurm_partition=gpu, jobs=100{more}",
    )  # fmt: skip


def away(options: Options) -> dict[str, Any]:
    """Who does the work, as verbs of the Python face want it.

    Raises
    ------
    CellsegError
        Where two are named, or an option is none.
    """
    if options.jobs and options.scheduler:
        raise CellsegError("--jobs and --scheduler both say who does the work.", "Give one of them.")
    scheduler = options.scheduler or (f"processes:{options.jobs}" if (options.jobs or 1) > 1 else "")
    return {"scheduler": scheduler, "scheduler_options": dict(_pair(text) for text in options.scheduler_options)}


def _pair(text: str) -> tuple[str, int | str]:
    key, separator, value = text.partition("=")
    if not (separator and key and value):
        raise CellsegError(f"{text!r} is no option of a scheduler.", "Write KEY=VALUE: timeout_min=60")
    return key, int(value) if value.isdigit() else value


def config(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--config", metavar="FILE", help="a TOML file instead of the project's configuration")
    sub.add_argument("--preset", metavar="NAME", help="a published training: aziz-2026, gautam-2025, karabag-2023...")
    sub.add_argument(
        "--recipe", metavar="NAME", help="a published preprocessing: aziz-2026, gautam-2025, karabag-2023, tiling-2024"
    )
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values", help="for example train.seconds=60"
    )


def names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise CellsegError(f"{text!r} is not a voxel size.", "Write numbers in um: --spacing 2.0,0.5,0.5") from error


def span(text: str) -> tuple[int, int]:
    first, separator, last = text.partition(":")
    if not (separator and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} are no slices: write 150:200, counted from 1 and inclusive")
    return int(first), int(last)


def percents(text: str) -> tuple[float, float]:
    return _two(text, "20:95")


def times(text: str) -> tuple[float, float]:
    return _two(text, "0:24")


def _two(text: str, example: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no range: write {example}") from error
    return low, high


def region(text: str) -> tuple[tuple[int, int], ...]:
    try:
        spans = tuple((int(a), int(b)) for a, b in (part.split(":") for part in text.split(",")))
    except ValueError as error:
        raise CellsegError(f"{text!r} is not a region.", "Write voxels: --region 0:512,256:768") from error
    if len(spans) not in (2, 3) or any(not 0 <= a < b for a, b in spans):
        raise CellsegError(f"{text!r} is not a region.", "Write start:stop for (Z,) Y and X, start below stop.")
    return spans


def point(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if len(parts) not in (2, 3) or not all(p.strip().isdigit() for p in parts):
        raise CellsegError(f"{text!r} is not a point.", "Write voxels from 0: --point 120,64 (or Z,Y,X).")
    return tuple(int(p) for p in parts)


def diameter(text: str) -> float:
    try:
        size = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels") from error
    if not 0 <= size < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no diameter: give pixels, or 0 to let it be estimated")
    return size


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)

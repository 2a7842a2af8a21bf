"""Arguments of the verbs that bring models out and in."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from ._arguments import diameter, names, verb


def model(verbs: Any) -> None:
    sub = verbs.add_parser(
        "model", help="Export a model (ONNX, 8 bit, TorchScript, bioimage.io), or import a bioimage.io package.",
        description="Models out to other programs and to machines without torch, and in from bioimage.io.",
    )  # fmt: skip
    actions = sub.add_subparsers(metavar="ACTION", required=True)
    _export(actions)
    _import(actions)


def _export(actions: Any) -> None:
    sub = verb(
        actions, "export", "Export a model; what comes out is compared with torch, and the difference is said and "
        "written into it.", "_model",
    )  # fmt: skip
    sub.add_argument("model", metavar="MODEL", help="a base model's name, a model folder, or a project (its current)")
    sub.add_argument(
        "--format", default="onnx", choices=("onnx", "onnx-int8", "torchscript", "bioimageio"),
        help="onnx (default): a model folder that predicts without torch; onnx-int8: smaller, faster, not quite the "
        "same; torchscript; bioimageio: a package for QuPath, ilastik, deepImageJ",
    )  # fmt: skip
    sub.add_argument("--out", required=True, metavar="DIR", help="not there yet; of a package also NAME.zip")
    sub.add_argument(
        "--pictures", nargs="+", default=[], metavar="FILE",
        help="to compare on, and for 8 bit to calibrate with; else those of the model's project, or synthetic ones",
    )  # fmt: skip
    sub.add_argument("--force", action="store_true", help="export it also where it differs much from torch")
    sub.add_argument("--authors", type=names, default=(), metavar="A,B", help="of a bioimage.io package")
    sub.add_argument("--licence", default="", metavar="SPDX", help="of a package: CC-BY-4.0, MIT, BSD-3-Clause...")
    sub.add_argument(
        "--cite", action="append", default=[], metavar="TEXT=DOI", help="of a package: a paper; may be given again"
    )
    sub.add_argument("--data", default="", metavar="TEXT", help="of a package: what the model was trained on")
    sub.add_argument("--name", default="", metavar="TEXT", help="of a package: what the model is called")
    sub.add_argument("--json", metavar="FILE", help="write how far it agrees as plain numbers")


def _import(actions: Any) -> None:
    sub = verb(
        actions, "import", "Make a model folder of a bioimage.io package: to predict with, to begin a project with; "
        "one of ours comes back as it was.", "_model",
    )  # fmt: skip
    sub.add_argument("package", metavar="PACKAGE", help="a folder with bioimageio.yaml, or a zip file; offline")
    sub.add_argument("--out", required=True, metavar="DIR", help="the model folder; not there yet")
    sub.add_argument(
        "--read", default="", choices=("foreground", "boundary", "distance", "flows", "classes", "mask"),
        help="how outputs of another program's network become labels: pieces of the foreground; foreground and "
        "boundary; foreground and distance to the border (0 to 1); foreground and flows as Cellpose's; one channel per "
        "class, background first; one class",
    )  # fmt: skip
    sub.add_argument(
        "--channels", type=_channels, default=(), metavar="0,1",
        help="which outputs these are, in that order, counted from 0 (default: the first)",
    )  # fmt: skip
    sub.add_argument(
        "--object-size", type=diameter, metavar="PIXELS",
        help="2D: images are enlarged or reduced, so that objects have this diameter in its eyes",
    )  # fmt: skip


def _channels(text: str) -> tuple[int, ...]:
    if not all(part.strip().isdigit() for part in text.split(",")):
        raise ArgumentTypeError(f"{text!r} are no channels: write 0,1")
    return tuple(int(part) for part in text.split(","))

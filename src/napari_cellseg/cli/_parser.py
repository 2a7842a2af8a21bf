"""What can be typed; nothing heavy is imported until a verb runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

from ..errors import CellsegError

Options = argparse.Namespace

FORMATS = ("tif", "ome.tif", "ome.zarr", "png", "npy", "roi.zip", "coco.json", "geojson")
PIXELS = FORMATS[:5]


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; each sets `verb` to a function of the parsed options."""
    top = argparse.ArgumentParser(
        prog="napari-cellseg",
        description="Look at a segmentation, correct it with the brush, retrain the network with one click.",
    )
    top.add_argument("--version", action="version", version=version("napari-cellseg"))
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for add in (
        _new, _add, _images, _split, _draft, _predict, _train, _ensemble, _evaluate, _explain, _report, _study,
        _simulate, _measure, _export, _compare, _history, _compact, _recover, _gui, _demo,
    ):  # fmt: skip
        add(verbs)
    return top


def _lazy(module: str, name: str) -> Callable[[Options], int]:
    def call(options: Options) -> int:
        result: int = getattr(import_module(f".{module}", __package__), name)(options)
        return result

    return call


def _verb(verbs: Any, name: str, text: str, module: str = "_verbs") -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    sub.set_defaults(verb=_lazy(module, name))
    return sub


def _progress(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--events", action="store_true", help="print every event as one line of JSON")


def _series(sub: argparse.ArgumentParser, more: str = "") -> None:
    sub.add_argument(
        "--series", metavar="N|NAME",
        help="which image of a file that holds several (OME-TIFF, plate, bioformats2raw): its number from 0, its name, "
        f"or its path inside{more}",
    )  # fmt: skip


def _config(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--config", metavar="FILE", help="a TOML file instead of the project's configuration")
    sub.add_argument("--preset", metavar="NAME", help="a published training: aziz-2026, gautam-2025, karabag-2023...")
    sub.add_argument(
        "--recipe", metavar="NAME", help="a published preprocessing: aziz-2026, gautam-2025, karabag-2023, tiling-2024"
    )
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values", help="for example train.seconds=60"
    )


def _new(verbs: Any) -> None:
    sub = _verb(verbs, "new", "Make a new project folder NAME.cellseg.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--task", choices=("instance", "semantic"), default="instance")
    sub.add_argument("--classes", type=_names, default=(), metavar="A,B,C", help="names of the classes 1, 2, ...")
    sub.add_argument(
        "--model",
        metavar="MODEL",
        default="base",
        help="start from this: base (the default, for objects), a model folder, another project, or none",
    )


def _add(verbs: Any) -> None:
    sub = _verb(verbs, "add", "Refer to pictures (they are never copied or changed); --labels imports approved masks.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "images", nargs="+", metavar="IMAGE", help="TIFF, OME-Zarr, PNG..., or a folder with images/ and masks/"
    )
    sub.add_argument(
        "--labels", nargs="+", default=[], metavar="LABELS",
        help="one per image: label pictures, ROI zip, GeoJSON...; or one for all: COCO, or a stack in their order",
    )  # fmt: skip
    sub.add_argument("--draft", action="store_true", help="the masks are a first draft, not approved truth")
    sub.add_argument(
        "--components", action=argparse.BooleanOptionalAction, default=None,
        help="of objects: number the connected pieces of masks; without either, those of binary masks (0 and 255)",
    )  # fmt: skip
    sub.add_argument(
        "--threshold", type=float, metavar="VALUE",
        help="values above it are the class (of a project with one; default: 0), or objects, piece by piece",
    )  # fmt: skip
    sub.add_argument("--axes", help="one letter of TCZYX per dimension")
    _series(sub, "; all: each of them")
    sub.add_argument("--spacing", type=_numbers, metavar="Z,Y,X", help="voxel size in um")
    sub.add_argument("--split", choices=("train", "val", "test"), default="train")
    sub.add_argument("--relocate", metavar="ID", help="the given picture is the one of image ID, which was moved")


def _images(verbs: Any) -> None:
    sub = _verb(
        verbs, "images", "List the images of a project; remove, restore, rename them, or say what they are for. What "
        "was made of a removed image is kept in the project and comes back with it.", "_images",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    one = sub.add_mutually_exclusive_group()
    one.add_argument("--remove", nargs="+", default=[], metavar="ID", help="take these out; their pictures stay")
    one.add_argument("--restore", nargs="+", default=[], metavar="ID", help="put removed ones back, with all edits")
    one.add_argument("--rename", nargs=2, metavar=("ID", "NAME"), help="another name for one of them")
    one.add_argument(
        "--split", nargs="+", default=[], metavar=("train|val|test", "ID"),
        help="what images are for: learnt from, judge, or measure only (never learnt from)",
    )  # fmt: skip


def _predict(verbs: Any) -> None:
    sub = _verb(verbs, "predict", "Label the images of a project (or any images with --model DIR --out DIR).")
    sub.add_argument("paths", nargs="+", metavar="PROJECT|IMAGE")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="only these images of the project")
    sub.add_argument(
        "--model", metavar="ID|DIR", action="append", default=[],
        help="instead of the current model; given more than once, models predict together; without a project "
        "a base model's name, a model folder or a project",
    )  # fmt: skip
    sub.add_argument("--out", metavar="DIR", help="write labels here")
    _series(sub, ", of images without a project")
    sub.add_argument("--format", choices=PIXELS, default="tif", help="of the labels in --out (default: tif)")
    sub.add_argument("--probabilities", action="store_true", help="write them to --out too")
    sub.add_argument(
        "--region", type=_region, default=(), metavar="A:B,C:D", help="only this box, start:stop per axis (Z,)Y,X"
    )
    sub.add_argument(
        "--object-size", type=_diameter, metavar="PIXELS",
        help="diameter of typical objects, remembered for these images; 0: estimate it (the default)",
    )  # fmt: skip
    sub.add_argument(
        "--resume", action="store_true", help="only images that this model, with these settings, has not predicted yet"
    )
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="instead of the model's own: predict.mode='three axes', predict.flips=true, target.threshold=0.4...",
    )  # fmt: skip
    _progress(sub)


def _draft(verbs: Any) -> None:
    sub = _verb(verbs, "draft", "First labels by a classical method, only where there are no user edits.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "--method", default="otsu", metavar="METHOD",
        help="otsu: Otsu's threshold; forest: a random forest that learns from what is corrected or hinted at in the "
        "train images; or one that another package adds",
    )  # fmt: skip
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="instead of all images without labels")
    sub.add_argument(
        "--hints", nargs="+", default=[], metavar="FILE",
        help="one for each --image: strokes on some cells and some background, kept in the project (1 background, "
        "2 cell; in a project of classes 1 + the class)",
    )  # fmt: skip
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="of the method: polarity=dark, sigma=2, min_size=100...",
    )  # fmt: skip


def _train(verbs: Any) -> None:
    sub = _verb(verbs, "train", "Fine-tune on what is corrected and approved, then judge against the parent.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "--keep",
        choices=("auto", "yes", "no"),
        default="auto",
        help="auto keeps the child that is not worse, and clearly better where few judge",
    )
    sub.add_argument(
        "--resume", nargs="?", const="", metavar="RUN", help="go on with an interrupted training (the newest, or RUN)"
    )
    _config(sub)
    _progress(sub)


def _evaluate(verbs: Any) -> None:
    sub = _verb(
        verbs, "evaluate", "Measure models, or the masks of any tool, against the truth: approved labels of a project, "
        "or files (--truth, --predictions).", "_evaluate",
    )  # fmt: skip
    sub.add_argument("project", nargs="?", metavar="PROJECT")
    sub.add_argument("--split", choices=("train", "val", "test"), default="test", help="images of the project")
    sub.add_argument("--model", metavar="ID", help="instead of the project's current model")
    sub.add_argument(
        "--truth", nargs="+", action="append", default=[], metavar="[NAME=]DIR|FILE",
        help="without a project: masks that are right, a folder or files; given again with names, several truths",
    )  # fmt: skip
    sub.add_argument(
        "--predictions", nargs="+", default=[], metavar="NAME=DIR",
        help="masks of a tool, called like those of the truth; of a project, also NAME=ID of a model",
    )  # fmt: skip
    sub.add_argument("--pictures", nargs="+", default=[], metavar="DIR|FILE", help="for --figures and voxel sizes")
    sub.add_argument("--classes", type=_names, metavar="A,B,C", help="labels are these classes, not objects")
    sub.add_argument("--spacing", type=_numbers, metavar="Z,Y,X", help="voxel size in um; else those of the files")
    sub.add_argument("--group-by", metavar="REGEX", help="what it matches in the name of an image is its group")
    sub.add_argument("--exclude", metavar="FILE", help="names of images to leave out, one a line")
    _evaluate_how(sub)
    sub.add_argument("--json", metavar="FILE", help="write all tables as plain numbers")
    sub.add_argument(
        "--csv", metavar="FILE", help="write the table of images; the others beside it: FILE_objects.csv..."
    )
    sub.add_argument("--markdown", metavar="FILE", help="write statistics and tests as tables for a text")
    sub.add_argument(
        "--figures", metavar="DIR", help="write a strip for every image: picture, truth, errors in colours"
    )
    _progress(sub)


def _explain(verbs: Any) -> None:
    sub = _verb(
        verbs, "explain", "Where in an image a model's prediction comes from: maps, overlays and numbers.", "_explain"
    )
    sub.add_argument("path", metavar="PROJECT|IMAGE")
    sub.add_argument(
        "--model", metavar="ID|DIR",
        help="instead of the current model; without a project a base model's name, a model folder or a project",
    )  # fmt: skip
    sub.add_argument(
        "--method", choices=("gradcam", "lrp", "occlusion"), default="gradcam",
        help="Grad-CAM (default), layer-wise relevance propagation (needs zennit), or occlusion",
    )  # fmt: skip
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="instead of all images of the project")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--object", type=_positive, metavar="ID", help="this object; default: everything predicted")
    what.add_argument("--point", type=_point, default=(), metavar="Y,X", help="this voxel, (Z,)Y,X from 0")
    what.add_argument(
        "--box", type=_region, default=(), metavar="A:B,C:D", help="this box, start:stop per axis (Z,)Y,X"
    )
    sub.add_argument("--class", dest="class_", metavar="NAME", help="this class, in a project of classes")
    sub.add_argument("--layer", default="", metavar="NAME", help="that Grad-CAM looks at (a wrong one lists some)")
    sub.add_argument("--labels", metavar="FILE", help="of an image without a project; for --object else predicted")
    sub.add_argument(
        "--filters", type=_positive, default=0, metavar="N", help="also show the N-th convolution's filters"
    )
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="of the method: tile=256, window=24, stride=12, gamma=0.5...",
    )  # fmt: skip
    sub.add_argument("--out", required=True, metavar="DIR", help="write maps, overlays and numbers here")
    _progress(sub)


def _report(verbs: Any) -> None:
    sub = _verb(verbs, "report", "Write what was done and what came of it as one HTML file.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--out", required=True, metavar="FILE.html")
    sub.add_argument(
        "--cases", type=int, default=6, metavar="N",
        help="so many held-out objects that the newest judged model has worst are shown; 0: none, and nothing is "
        "predicted (default 6)",
    )  # fmt: skip
    sub.add_argument("--json", metavar="FILE", help="write the same as plain numbers")
    _progress(sub)


def _evaluate_how(sub: argparse.ArgumentParser) -> None:
    """What is a field of `evaluation.Comparing`; what was not given stays as it is there."""
    sub.add_argument(
        "--metrics", type=_names, metavar="A,B,C", help="metrics, or groups of them; a wrong one lists all"
    )
    sub.add_argument("--threshold", type=float, metavar="IOU", help="from which two objects match (default 0.5)")
    sub.add_argument("--tolerance", type=float, metavar="UM", help="of the F1 of boundaries (default: two pixels)")
    sub.add_argument(
        "--empty", choices=("zero", "one", "skip"),
        help="what an image or slice counts where neither truth nor prediction has anything (default one)",
    )  # fmt: skip
    sub.add_argument("--slices", type=_span, metavar="A:B", help="of volumes only these, from 1 and inclusive")
    sub.add_argument(
        "--connectivity", type=int, choices=(6, 26), help="objects are connected pieces, by faces or corners, too"
    )
    sub.add_argument("--against", type=float, metavar="VALUE", help="threshold of the one-sample test (default 0.75)")
    sub.add_argument("--seed", type=int, metavar="N", help="of the bootstrap (default 0)")


def _ensemble(verbs: Any) -> None:
    sub = _verb(verbs, "ensemble", "Make several models one model, which becomes the current one.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--model", action="append", default=[], metavar="ID", help="a member; give at least two")
    sub.add_argument(
        "--epochs", action="append", default=[], metavar="ID",
        help="a model that kept its epochs (train.keep_epochs): the best of them are members; may be given again",
    )  # fmt: skip
    sub.add_argument(
        "--best", type=_positive, default=14, metavar="N", help="of all kept epochs together (default: 14)"
    )
    sub.add_argument("--combine", choices=("mean", "vote"), default="mean", help="probabilities, or majority")


def _study(verbs: Any) -> None:
    sub = _verb(
        verbs, "study", "What preprocessing and corrected labels are worth: the same training under each.", "_learn"
    )
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--factors", type=_names, default=("recipe", "labels"), metavar="recipe,labels")
    sub.add_argument("--repeats", type=_positive, default=3, metavar="R", help="trainings with different seeds")
    sub.add_argument("--table", metavar="FILE.md|FILE.csv", help="write the table")
    sub.add_argument("--json", metavar="FILE")
    _config(sub)
    _progress(sub)


def _split(verbs: Any) -> None:
    sub = _verb(verbs, "split", "Divide images into train, val and test, alike in every group or at random.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--val", type=float, default=0.15, metavar="SHARE")
    sub.add_argument("--test", type=float, default=0.15, metavar="SHARE")
    sub.add_argument(
        "--by", choices=("density", "confluency", "name", "random"), default="density",
        help="groups: objects per area, share of foreground, or the name up to its last number; random: scikit-learn's "
        "train_test_split in the order of adding (Aziz et al. 2026: --val 0.2 --test 0 --seed 42)",
    )  # fmt: skip
    sub.add_argument("--seed", type=int, default=0)


def _simulate(verbs: Any) -> None:
    sub = _verb(verbs, "simulate", "Let a perfect annotator work through the loop and plot the curve.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--rounds", type=_positive, default=5, metavar="N")
    sub.add_argument("--objects", type=_positive, default=200, metavar="K", help="objects mended per round")
    sub.add_argument("--order", choices=("queue", "random", "worst"), default="queue", help="worst: an oracle's")
    sub.add_argument("--seconds", type=float, default=600.0, metavar="S", help="training time in all")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument(
        "--model", metavar="MODEL", default="base", help="what the loop begins with: base, any model, or none"
    )
    sub.add_argument("--json", metavar="FILE")
    sub.add_argument("--figure", metavar="FILE.png", help="the curve")
    _config(sub)
    _progress(sub)


def _measure(verbs: Any) -> None:
    sub = _verb(
        verbs,
        "measure",
        "Sizes, shapes, neighbours and intensities of every object, and densities of images.",
        "_measure",
    )
    sub.add_argument("paths", nargs="+", metavar="PROJECT|LABELS", help="a project, or files of masks of any tool")
    sub.add_argument("--csv", metavar="FILE", help="write the table of objects (.csv, or .parquet with pyarrow)")
    sub.add_argument("--summary", metavar="FILE", help="write counts, densities and sizes of images and groups")
    sub.add_argument(
        "--columns", type=_names, default=(), metavar="A,B,C",
        help="only these: names, or the groups size, shape, place, neighbours, intensity, state",
    )  # fmt: skip
    sub.add_argument(
        "--group-by", default="", metavar="REGEX",
        help="groups of images: the first bracket of the expression, or all that matches, in their names",
    )  # fmt: skip
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="only these images of the project")
    sub.add_argument(
        "--intensity", nargs="+", default=[], metavar="IMAGE", help="the pictures of loose labels, in the same order"
    )
    sub.add_argument("--spacing", type=_numbers, metavar="Z,Y,X", help="pixel size of loose labels in um")
    _progress(sub)


def _export(verbs: Any) -> None:
    sub = _verb(verbs, "export", "Write labels as TIFF, OME-Zarr, PNG, NumPy, ImageJ ROIs, COCO or GeoJSON.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--out", required=True, metavar="DIR")
    sub.add_argument("--format", choices=FORMATS, default="tif")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID")
    sub.add_argument("--known-only", action="store_true", help="only corrected and approved voxels")


def _compare(verbs: Any) -> None:
    sub = _verb(
        verbs, "compare", "How far annotators agree on one image: Dice, kappa, differences, consensus.", "_agree"
    )
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", required=True, metavar="ID")
    sub.add_argument(
        "--labels", nargs="+", required=True, metavar="LABELS",
        help="other annotators: mask files, or their copies of the project",
    )  # fmt: skip
    sub.add_argument("--map", metavar="FILE.tif", help="1 first alone, 2 second alone, 3 both, 4 different objects")
    sub.add_argument("--consensus", metavar="FILE", help="write what most of them say")
    sub.add_argument("--json", metavar="FILE")


def _history(verbs: Any) -> None:
    sub = _verb(verbs, "history", "Who changed what, when and with which tool; bring an earlier state back.", "_log")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", metavar="ID", help="of this image only")
    sub.add_argument("--csv", metavar="FILE", help="write the whole log as a table")
    sub.add_argument("--restore", type=int, metavar="N", help="as it was after edit N of --image; a new edit")


def _compact(verbs: Any) -> None:
    sub = _verb(
        verbs, "compact", "Make the log shorter: fold old edits into one per image. Who did what and when is kept; "
        "folded edits can no longer be undone or restored.", "_log",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "--keep", type=_positive, default=1000, metavar="N",
        help="edits of every image that stay; those that no model has learnt from stay, too (default 1000)",
    )  # fmt: skip


def _recover(verbs: Any) -> None:
    sub = _verb(
        verbs, "recover", "Rebuild a damaged project database from snapshots and what is left of the log.", "_log"
    )
    sub.add_argument("project", metavar="PROJECT")


def _gui(verbs: Any) -> None:
    sub = _verb(verbs, "gui", "Open napari with the Workbench.")
    sub.add_argument("project", nargs="?", metavar="PROJECT")


def _demo(verbs: Any) -> None:
    sub = _verb(verbs, "demo", "The whole loop on real nuclei, with figures.", "_demo")
    sub.add_argument("--out", default="demo-output", metavar="DIR")
    sub.add_argument("--data", metavar="DIR", help="a folder with index.csv, images/ and labels/")
    sub.add_argument("--seconds", type=float, default=150.0, metavar="S", help="training time in all")
    sub.add_argument("--rounds", type=_positive, default=3, metavar="N")
    sub.add_argument("--objects", type=_positive, default=400, metavar="K")
    sub.add_argument("--gui", action="store_true", help="open napari at the end, where there is a display")
    _progress(sub)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise CellsegError(f"{text!r} is not a voxel size.", "Write numbers in um: --spacing 2.0,0.5,0.5") from error


def _span(text: str) -> tuple[int, int]:
    first, separator, last = text.partition(":")
    if not (separator and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text!r} are no slices: write 150:200, counted from 1 and inclusive")
    return int(first), int(last)


def _region(text: str) -> tuple[tuple[int, int], ...]:
    try:
        spans = tuple((int(a), int(b)) for a, b in (part.split(":") for part in text.split(",")))
    except ValueError as error:
        raise CellsegError(f"{text!r} is not a region.", "Write voxels: --region 0:512,256:768") from error
    if len(spans) not in (2, 3) or any(not 0 <= a < b for a, b in spans):
        raise CellsegError(f"{text!r} is not a region.", "Write start:stop for (Z,) Y and X, start below stop.")
    return spans


def _point(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if len(parts) not in (2, 3) or not all(p.strip().isdigit() for p in parts):
        raise CellsegError(f"{text!r} is not a point.", "Write voxels from 0: --point 120,64 (or Z,Y,X).")
    return tuple(int(p) for p in parts)


def _diameter(text: str) -> float:
    try:
        size = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels") from error
    if not 0 <= size < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no diameter: give pixels, or 0 to let it be estimated")
    return size


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)

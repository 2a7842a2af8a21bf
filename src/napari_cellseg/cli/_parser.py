"""What can be typed; nothing heavy is imported until a verb runs."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from typing import Any

from . import _parser_results as results
from ._arguments import (
    FORMATS,
    PIXELS,
    config,
    diameter,
    names,
    numbers,
    point,
    positive,
    progress,
    region,
    series,
    verb,
    workers,
)
from ._parser_model import model


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; each sets `verb` to a function of the parsed options."""
    top = argparse.ArgumentParser(
        prog="napari-cellseg",
        description="Look at a segmentation, correct it with the brush, retrain the network with one click.",
    )
    top.add_argument("--version", action="version", version=version("napari-cellseg"))
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for add in (
        _new, _add, _images, _split, _draft, _clean, _click, _predict, _train, _ensemble, model,
        results.evaluate, results.explain, results.report, results.models, results.spot_check, results.review_cycle,
        results.study, results.simulate, results.measure, results.classify, results.cells, results.fucci, results.track,
        results.carry_on, results.describe, results.select, results.augment, _export, results.compare,
        _history, _compact, _recover, _gui, _engine, _demo,
    ):  # fmt: skip
        add(verbs)
    return top


def _new(verbs: Any) -> None:
    sub = verb(verbs, "new", "Make a new project folder NAME.cellseg.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--task", choices=("instance", "semantic"), default="instance")
    sub.add_argument("--classes", type=names, default=(), metavar="A,B,C", help="names of the classes 1, 2, ...")
    sub.add_argument(
        "--model",
        metavar="MODEL",
        default="base",
        help="start from this: base (the default, for objects), a model folder, another project, or none",
    )


def _add(verbs: Any) -> None:
    sub = verb(verbs, "add", "Refer to pictures (they are never copied or changed); --labels imports approved masks.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="TIFF, OME-Zarr (also at https://, s3://), PNG, CZI...; a folder of them, or one with images/ and masks/",
    )
    sub.add_argument(
        "--labels", nargs="+", default=[], metavar="LABELS",
        help="one per image: label pictures, ROI zip, GeoJSON...; a folder of them, called like the pictures of a "
        "folder; or one for all: COCO, CVAT, or a stack in their order",
    )  # fmt: skip
    sub.add_argument("--draft", action="store_true", help="the masks are a first draft, not approved truth")
    sub.add_argument(
        "--clean", action="store_true",
        help="clean the objects of a draft up: smooth outlines, no spurs, no crumbs (see clean)",
    )  # fmt: skip
    sub.add_argument(
        "--components", action=argparse.BooleanOptionalAction, default=None,
        help="of objects: number the connected pieces of masks; without either, those of binary masks (0 and 255)",
    )  # fmt: skip
    sub.add_argument(
        "--threshold", type=float, metavar="VALUE",
        help="values above it are the class (of a project with one; default: 0), or objects, piece by piece",
    )  # fmt: skip
    sub.add_argument("--axes", help="one letter of TCZYX per dimension")
    series(sub, "; all: each of them")
    sub.add_argument("--spacing", type=numbers, metavar="Z,Y,X", help="voxel size in um")
    sub.add_argument("--split", choices=("train", "val", "test"), default="train")
    sub.add_argument(
        "--time-series", default="", metavar="NAME",
        help="the pictures are frames of this time series, in their order (a file with a T axis is one without it)",
    )  # fmt: skip
    sub.add_argument("--interval", default="", metavar="TIME", help="from one time point to the next: 15min, 0.5h, 1d")
    sub.add_argument("--relocate", metavar="ID", help="the given picture is the one of image ID, which was moved")


def _images(verbs: Any) -> None:
    sub = verb(
        verbs, "images", "List the images of a project; remove, restore, rename them, say what they are for, or make "
        "them one time series, whose frames then stay together. What was made of a removed image is kept in the "
        "project and comes back with it.", "_images",
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
    one.add_argument(
        "--time-series", nargs="+", default=[], metavar=("NAME", "ID"),
        help="these images are frames of time series NAME, in this order; without images, --interval is said of NAME",
    )  # fmt: skip
    sub.add_argument("--interval", default="", metavar="TIME", help="from one time point to the next: 15min, 0.5h, 1d")


def _predict(verbs: Any) -> None:
    sub = verb(
        verbs, "predict", "Label the images of a project (or any images, folders, plates with --model DIR --out DIR).",
        "_predict",
    )  # fmt: skip
    sub.add_argument("paths", nargs="+", metavar="PROJECT|IMAGE|FOLDER")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="only these images of the project")
    sub.add_argument(
        "--model", metavar="ID|DIR", action="append", default=[],
        help="instead of the current model; given more than once, models predict together; without a project "
        "a base model's name, a model folder or a project",
    )  # fmt: skip
    sub.add_argument("--out", metavar="DIR", help="write labels here")
    series(sub, ", of images without a project")
    sub.add_argument("--format", choices=PIXELS, default="tif", help="of the labels in --out (default: tif)")
    sub.add_argument("--probabilities", action="store_true", help="write them to --out too")
    sub.add_argument(
        "--region", type=region, default=(), metavar="A:B,C:D", help="only this box, start:stop per axis (Z,)Y,X"
    )
    sub.add_argument(
        "--object-size", type=diameter, metavar="PIXELS",
        help="diameter of typical objects, remembered for these images; 0: estimate it (the default)",
    )  # fmt: skip
    sub.add_argument(
        "--resume", action="store_true", help="only images that this model, with these settings, has not predicted yet"
    )
    _shared(sub)
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="instead of the model's own: predict.mode='three axes', predict.flips=true, target.threshold=0.4...",
    )  # fmt: skip
    progress(sub)


def _shared(sub: argparse.ArgumentParser) -> None:
    """How many do the work, and what is made of many pictures."""
    workers(sub, "; voxels=4000000: how large blocks are")
    sub.add_argument("--summary", action="store_true", help="summary.csv and summary.html in --out; always of a folder")
    sub.add_argument("--dry-run", action="store_true", help="only say what each picture will take, seconds and memory")
    sub.add_argument("--watch", action="store_true", help="go on with pictures that come into the folder, until Ctrl-C")


def _draft(verbs: Any) -> None:
    sub = verb(verbs, "draft", "First labels by a classical method, only where there are no user edits.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "--method", default="otsu", metavar="METHOD",
        help="otsu: a threshold and watershed (--set threshold=li, triangle, local); blobs: round objects of about one "
        "size; forest: a random forest that learns from what is corrected or hinted at in the "
        "train images; hela: envelopes, nuclei and cells in electron micrographs; cellpose, stardist, instanseg, "
        "micro_sam: by their own packages (--set python=ENV/bin/python model=FILE); or one that another package adds",
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


def _clean(verbs: Any) -> None:
    sub = verb(
        verbs, "clean", "Clean up objects that nobody has touched, slice by slice: no rough outlines, spurs or crumbs."
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="instead of all images")
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="min_size=20 (pixels of a slice), smoothing=2, opening=2, growth=1",
    )  # fmt: skip


def _click(verbs: Any) -> None:
    sub = verb(verbs, "click", "Find the object at a place of the picture, or in a box, and draw it.", "_click")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("image", metavar="ID")
    sub.add_argument(
        "--at", type=point, action="append", default=[], metavar="Y,X",
        help="a voxel of the object, (Z,)Y,X from 0; again for what is missing",
    )  # fmt: skip
    sub.add_argument(
        "--not", type=point, action="append", default=[], dest="but_not", metavar="Y,X", help="a voxel beside it"
    )
    sub.add_argument("--box", type=region, default=(), metavar="A:B,C:D", help="it lies in this box, (Z,)Y,X")
    sub.add_argument("--through", action="store_true", help="follow it into the slices above and below")
    sub.add_argument("--class", dest="class_", type=positive, default=1, metavar="N", help="in a project of classes")


def _train(verbs: Any) -> None:
    sub = verb(verbs, "train", "Fine-tune on what is corrected and approved, then judge against the parent.", "_learn")
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
    config(sub)
    progress(sub)


def _ensemble(verbs: Any) -> None:
    sub = verb(verbs, "ensemble", "Make several models one model, which becomes the current one.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--model", action="append", default=[], metavar="ID", help="a member; give at least two")
    sub.add_argument(
        "--epochs", action="append", default=[], metavar="ID",
        help="a model that kept its epochs (train.keep_epochs): the best of them are members; may be given again",
    )  # fmt: skip
    sub.add_argument("--best", type=positive, default=14, metavar="N", help="of all kept epochs together (default: 14)")
    sub.add_argument("--combine", choices=("mean", "vote"), default="mean", help="probabilities, or majority")


def _split(verbs: Any) -> None:
    sub = verb(verbs, "split", "Divide images into train, val and test, alike in every group or at random.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--val", type=float, default=0.15, metavar="SHARE")
    sub.add_argument("--test", type=float, default=0.15, metavar="SHARE")
    sub.add_argument(
        "--by", choices=("density", "confluency", "name", "random"), default="density",
        help="groups: objects per area, share of foreground, or the name up to its last number; random: scikit-learn's "
        "train_test_split in the order of adding (Aziz et al. 2026: --val 0.2 --test 0 --seed 42)",
    )  # fmt: skip
    sub.add_argument("--seed", type=int, default=0)


def _export(verbs: Any) -> None:
    sub = verb(
        verbs, "export",
        "Write labels as TIFF, OME-TIFF, OME-Zarr, PNG, NumPy, Cellpose's _seg.npy, ImageJ ROIs, COCO or GeoJSON, or "
        "into the OME-Zarr images that they are of.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    where = sub.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", metavar="DIR", help="a folder for files")
    where.add_argument(
        "--inside", default="", metavar="NAME",
        help="write into labels/NAME of every OME-Zarr image, in its version (0.4 or 0.5), with its levels",
    )  # fmt: skip
    sub.add_argument("--replace", action="store_true", help="with --inside: write over labels of this name")
    sub.add_argument(
        "--format", choices=FORMATS, default="tif",
        help="of files (default tif); ome.zarr is version 0.5; ome.tif has tiles and a pyramid where Y or X is longer "
        "than 2048",
    )  # fmt: skip
    sub.add_argument("--image", nargs="+", default=[], metavar="ID")
    sub.add_argument("--known-only", action="store_true", help="only corrected and approved voxels")
    sub.add_argument("--cycle", type=positive, metavar="N", help="as labels were when review cycle N was closed")


def _history(verbs: Any) -> None:
    sub = verb(verbs, "history", "Who changed what, when and with which tool; bring an earlier state back.", "_log")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", metavar="ID", help="of this image only")
    sub.add_argument("--csv", metavar="FILE", help="write the whole log as a table")
    sub.add_argument("--restore", type=int, metavar="N", help="as it was after edit N of --image; a new edit")


def _compact(verbs: Any) -> None:
    sub = verb(
        verbs, "compact", "Make the log shorter: fold old edits into one per image. Who did what and when is kept; "
        "folded edits can no longer be undone or restored.", "_log",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "--keep", type=positive, default=1000, metavar="N",
        help="edits of every image that stay; those that no model has learnt from stay, too (default 1000)",
    )  # fmt: skip
    sub.add_argument("--dry-run", action="store_true", help="only say how long the log is and what would be folded")


def _recover(verbs: Any) -> None:
    sub = verb(
        verbs, "recover", "Rebuild a damaged project database from snapshots and what is left of the log.", "_log"
    )
    sub.add_argument("project", metavar="PROJECT")


def _gui(verbs: Any) -> None:
    sub = verb(verbs, "gui", "Open napari with the Workbench.")
    sub.add_argument("project", nargs="?", metavar="PROJECT")
    sub.add_argument("--engine", metavar="HOST:PORT", help="let an engine on another machine compute (see engine)")
    sub.add_argument("--token", metavar="FILE", help="the token for it (default: engine-token beside your settings)")


def _engine(verbs: Any) -> None:
    sub = verb(
        verbs, "engine", "Let windows on other machines compute here: gui --engine HOST:PORT there, best through a "
        "tunnel (ssh -C -L 7700:localhost:7700 THIS-MACHINE). Projects and models stay where the windows are.",
        "_engine",
    )  # fmt: skip
    sub.add_argument(
        "--listen", metavar="[HOST:]PORT", default="7700",
        help="where to listen (default: 7700 of this machine alone, for tunnels)",
    )  # fmt: skip
    sub.add_argument(
        "--tokens", metavar="FILE",
        help="lines NAME TOKEN, which only you can read (default: engine-tokens beside your settings, made if missing)",
    )  # fmt: skip
    sub.add_argument("--add", metavar="NAME", help="make a token for a person, show it once, and end")
    sub.add_argument("--folder", metavar="DIR", help="where copies of what windows need are kept; safe to delete")
    sub.add_argument(
        "--map", metavar="THERE=HERE", action="append", default=[], dest="maps",
        help="pictures under THERE (as windows name them) are read under HERE and not sent; may be given again",
    )  # fmt: skip
    sub.add_argument(
        "--keep", type=positive, default=60, metavar="S",
        help="seconds that an idle session waits for its window when the connection is lost (default: 60); one that "
        "computes waits 15 times as long",
    )  # fmt: skip
    sub.add_argument(
        "--forget", type=positive, default=30, metavar="DAYS",
        help="copies of projects that nobody has worked on for so long are deleted when their owner opens another one, "
        "but not before what was made in them was fetched (default: 30)",
    )  # fmt: skip


def _demo(verbs: Any) -> None:
    sub = verb(verbs, "demo", "The whole loop on real nuclei, with figures.", "_demo")
    sub.add_argument("--out", default="demo-output", metavar="DIR")
    sub.add_argument("--data", metavar="DIR", help="a folder with index.csv, images/ and labels/")
    sub.add_argument("--seconds", type=float, default=150.0, metavar="S", help="training time in all")
    sub.add_argument("--rounds", type=positive, default=3, metavar="N")
    sub.add_argument("--objects", type=positive, default=400, metavar="K")
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="how it is learnt: train.least=10 (steps of a round at least), train.patch=96...",
    )  # fmt: skip
    sub.add_argument("--gui", action="store_true", help="open napari at the end, where there is a display")
    progress(sub)

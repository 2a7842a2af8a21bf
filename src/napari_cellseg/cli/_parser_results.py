"""Arguments of the verbs that judge, measure and tell: their results are tables, pictures and pages."""

from __future__ import annotations

import argparse
from typing import Any

from ._arguments import config, names, numbers, percents, point, positive, progress, region, span, times, verb, workers


def evaluate(verbs: Any) -> None:
    sub = verb(
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
    sub.add_argument("--classes", type=names, metavar="A,B,C", help="labels are these classes, not objects")
    sub.add_argument("--spacing", type=numbers, metavar="Z,Y,X", help="voxel size in um; else those of the files")
    sub.add_argument("--group-by", metavar="REGEX", help="what it matches in the name of an image is its group")
    sub.add_argument("--exclude", metavar="FILE", help="names of images to leave out, one a line")
    sub.add_argument(
        "--training-places", nargs="?", type=positive, const=20, metavar="N",
        help="instead: the N places (default 20) where the model disagrees most with the labels it learnt from, which "
        "finds label errors; --csv and --json have all of them, --figures a strip of each of the N",
    )  # fmt: skip
    _evaluate_how(sub)
    sub.add_argument("--json", metavar="FILE", help="write all tables as plain numbers")
    sub.add_argument(
        "--csv", metavar="FILE", help="write the table of images; the others beside it: FILE_objects.csv..."
    )
    sub.add_argument("--markdown", metavar="FILE", help="write statistics and tests as tables for a text")
    sub.add_argument(
        "--figures",
        metavar="DIR",
        help="write a strip for every image: picture, truth, errors in colours; of volumes also a curve over slices",
    )
    progress(sub)


def explain(verbs: Any) -> None:
    sub = verb(
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
    what.add_argument("--object", type=positive, metavar="ID", help="this object; default: everything predicted")
    what.add_argument("--point", type=point, default=(), metavar="Y,X", help="this voxel, (Z,)Y,X from 0")
    what.add_argument("--box", type=region, default=(), metavar="A:B,C:D", help="this box, start:stop per axis (Z,)Y,X")
    sub.add_argument("--class", dest="class_", metavar="NAME", help="this class, in a project of classes")
    sub.add_argument("--layer", default="", metavar="NAME", help="that Grad-CAM looks at (a wrong one lists some)")
    sub.add_argument("--labels", metavar="FILE", help="of an image without a project; for --object else predicted")
    sub.add_argument(
        "--filters", type=positive, default=0, metavar="N", help="also show the N-th convolution's filters"
    )
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="of the method: tile=256, window=24, stride=12, gamma=0.5...",
    )  # fmt: skip
    sub.add_argument("--out", metavar="DIR", help="write maps, overlays and numbers here")
    sub.add_argument(
        "--why", action="store_true",
        help="tell instead why something was found or missed at --point: what the model says and sees there, and which "
        "corrected objects are like it",
    )  # fmt: skip
    progress(sub)


def report(verbs: Any) -> None:
    sub = verb(verbs, "report", "Write what was done and what came of it as one HTML file.")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--out", required=True, metavar="FILE.html")
    sub.add_argument(
        "--cases", type=int, default=6, metavar="N",
        help="so many held-out objects that the newest judged model has worst are shown; 0: none, and nothing is "
        "predicted (default 6)",
    )  # fmt: skip
    sub.add_argument("--json", metavar="FILE", help="write the same as plain numbers")
    progress(sub)


def models(verbs: Any) -> None:
    sub = verb(
        verbs, "models", "How models learnt, a line each: losses, gaps between what is learnt and held out, epochs, "
        "stability, parameters.", "_models",
    )  # fmt: skip
    sub.add_argument("paths", nargs="+", metavar="PROJECT|DIR", help="projects, and model folders")
    sub.add_argument("--csv", metavar="FILE", help="write the table, every digit")
    sub.add_argument("--markdown", metavar="FILE", help="write it for a text")
    sub.add_argument("--json", metavar="FILE", help="write it as plain numbers")


def spot_check(verbs: Any) -> None:
    sub = verb(
        verbs, "spot-check", "How good is what nobody looked at: precision and recall of untouched labels, with "
        "intervals, from a random sample. Without options: what the checks of the project say.", "_spot_check",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--draw", action="store_true", help="draw a new sample; answer it in the step Rounds, or by table")
    sub.add_argument("--objects", type=positive, metavar="N", help="to draw, at least 12 (default 20)")
    sub.add_argument("--fields", type=int, metavar="N", help="to draw, in which missed objects are counted (default 8)")
    sub.add_argument("--seed", type=int, metavar="N", help="of the draw (default 0)")
    sub.add_argument(
        "--image", nargs="+", default=[], metavar="ID", help="draw from these, not from all that is predicted"
    )
    sub.add_argument("--sample", metavar="FILE.csv", help="write the places as a table to fill in")
    sub.add_argument("--answers", metavar="FILE.csv", help="take the answers of a filled table")
    sub.add_argument("--check", type=positive, metavar="N", help="instead of the newest spot check")
    sub.add_argument("--json", metavar="FILE", help="write what the checks say as plain numbers")


def review_cycle(verbs: Any) -> None:
    sub = verb(
        verbs, "review-cycle", "Passes of reviewers over all images: what each changed, and how far it agrees with the "
        "one before. Without options: the cycles of the project.", "_review_cycle",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--close", action="store_true", help="end the open cycle: keep how labels stand, and measure it")
    sub.add_argument("--open", action="store_true", help="begin a cycle (after --close, the next)")
    sub.add_argument("--reviewer", default="", metavar="NAME", help="of --open; remembered (default: the last one)")
    sub.add_argument("--note", default="", metavar="TEXT", help="of --open: what the cycle is for")
    sub.add_argument("--csv", metavar="FILE", help="write a row for every cycle and for every image of it")
    sub.add_argument("--json", metavar="FILE", help="write the same as plain numbers")


def _evaluate_how(sub: argparse.ArgumentParser) -> None:
    """What is a field of `evaluation.Comparing`; what was not given stays as it is there."""
    sub.add_argument("--metrics", type=names, metavar="A,B,C", help="metrics, or groups of them; a wrong one lists all")
    sub.add_argument("--threshold", type=float, metavar="IOU", help="from which two objects match (default 0.5)")
    sub.add_argument("--tolerance", type=float, metavar="UM", help="of the F1 of boundaries (default: two pixels)")
    sub.add_argument(
        "--empty", choices=("zero", "one", "skip"),
        help="what an image or slice counts where neither truth nor prediction has anything (default one)",
    )  # fmt: skip
    sub.add_argument("--slices", type=span, metavar="A:B", help="of volumes only these, from 1 and inclusive")
    sub.add_argument(
        "--connectivity", type=int, choices=(6, 26), help="objects are connected pieces, by faces or corners, too"
    )
    sub.add_argument("--against", type=float, metavar="VALUE", help="threshold of the one-sample test (default 0.75)")
    sub.add_argument("--seed", type=int, metavar="N", help="of the bootstrap (default 0)")


def measure(verbs: Any) -> None:
    sub = verb(
        verbs,
        "measure",
        "Sizes, shapes, neighbours and intensities of every object, and densities of images.",
        "_measure",
    )
    sub.add_argument("paths", nargs="+", metavar="PROJECT|LABELS", help="a project, or files of masks of any tool")
    sub.add_argument("--csv", metavar="FILE", help="write the table of objects (.csv, or .parquet with pyarrow)")
    sub.add_argument("--summary", metavar="FILE", help="write counts, densities and sizes of images and groups")
    sub.add_argument(
        "--boxes", metavar="FILE.png", help="draw box plots of groups (of images where there is one group)"
    )
    sub.add_argument(
        "--columns", type=names, default=(), metavar="A,B,C",
        help="only these: names, or the groups size, shape, place, neighbours, intensity, state",
    )  # fmt: skip
    _grouping(sub)
    _plates(sub)
    _sources(sub)
    workers(sub)
    progress(sub)


def fucci(verbs: Any) -> None:
    sub = verb(
        verbs, "fucci", "States of the cell cycle of nuclei from two fluorescences (FUCCI): G1, G1 to S, S/G2/M, "
        "M to G1.", "_fucci",
    )  # fmt: skip
    sub.add_argument("paths", nargs="+", metavar="PROJECT|LABELS", help="a project, or files of masks of any tool")
    for marker, what in (("red", "Cdt1, on in G1"), ("green", "Geminin, on in S, G2, M")):
        sub.add_argument(f"--{marker}", metavar="CHANNEL", help=f"name, or number from 1, of the channel of {what}")
    sub.add_argument("--nuclear", metavar="CHANNEL", help="of a stain of all nuclei; it only joins the table")
    for marker in ("red", "green"):
        sub.add_argument(
            f"--{marker}-threshold", type=float, metavar="INTENSITY",
            help=f"nuclei are {marker} above this mean; else it is proposed from all nuclei",
        )  # fmt: skip
    sub.add_argument("--propose", action="store_true", help="forget the thresholds that the project keeps")
    sub.add_argument("--corrections", metavar="FILE.csv", help="states that are known: columns image, label, state")
    sub.add_argument("--csv", metavar="FILE", help="write the table of nuclei (.csv, or .parquet with pyarrow)")
    sub.add_argument("--summary", metavar="FILE", help="write counts and shares of images, time points and groups")
    sub.add_argument("--figure", metavar="FILE.png", help="draw red against green, and shares over time")
    sub.add_argument("--json", metavar="FILE", help="write summary and thresholds as plain numbers")
    _grouping(sub)
    sub.add_argument("--time-by", default="", metavar="REGEX", help="the time point in names; default: _t005, day3...")
    _sources(sub)
    progress(sub)


def classify(verbs: Any) -> None:
    sub = verb(
        verbs, "classify", "A class for every object: as a person said, by rules, or by a classifier that learns from "
        "what was said.", "_classify",
    )  # fmt: skip
    sub.add_argument("paths", nargs="+", metavar="PROJECT|LABELS", help="a project, or files of masks of any tool")
    sub.add_argument("--classes", type=names, default=(), metavar="A,B,C", help="classes to add to the project")
    sub.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="another name for a class")
    sub.add_argument("--remove", action="append", default=[], metavar="CLASS", help="remove a class; words are kept")
    sub.add_argument(
        "--rule", action="append", metavar="NAME: CONDITION",
        help='a rule over columns of measure, "small: area < 80"; given again, the first that holds counts; kept in '
        "the place of the project's rules",
    )  # fmt: skip
    sub.add_argument("--no-rules", action="store_true", help="forget the rules that the project keeps")
    sub.add_argument("--said", metavar="FILE.csv", help="classes that are known: columns image, label, class")
    sub.add_argument(
        "--no-learn", dest="learn", action="store_false", help="no classifier for what nobody and no rule decided"
    )
    sub.add_argument("--csv", metavar="FILE", help="write the table of objects (.csv, or .parquet with pyarrow)")
    sub.add_argument("--summary", metavar="FILE", help="write counts and shares of classes by image and group")
    _grouping(sub)
    _sources(sub)
    progress(sub)


def cells(verbs: Any) -> None:
    sub = verb(
        verbs, "cells", "Cells as objects out of classes: connected nuclei count them, every pixel of a cell goes to "
        "one; cell, nucleus and envelope share a number.", "_cells",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="instead of all images")
    sub.add_argument("--nucleus", default="", metavar="CLASS", help="the class of nuclei; the project keeps it")
    sub.add_argument(
        "--envelope", default="", metavar="CLASS", help="the class of envelopes, if there is one; kept, too"
    )
    sub.add_argument("--least", type=int, default=50, metavar="VOXELS", help="smaller nuclei are none")
    sub.add_argument("--gap", type=int, default=0, metavar="SLICES", help="parts of a nucleus so far apart are one")
    sub.add_argument("--cap", type=float, default=0.7, metavar="SHARE", help="cut the distance to the background here")
    sub.add_argument(
        "--same-nucleus", nargs="+", action="append", default=[], metavar=("ID", "PLACE"),
        help="parts of one nucleus, by places in them: ID Z,Y,X Z,Y,X",
    )  # fmt: skip
    sub.add_argument("--csv", metavar="FILE", help="write the table of cells (.csv, or .parquet with pyarrow)")
    sub.add_argument("--out", metavar="DIR", help="write masks of cells, nuclei and envelopes")
    sub.add_argument("--format", default="tif", help="of the masks")
    progress(sub)


def track(verbs: Any) -> None:
    sub = verb(
        verbs, "track", "Follow the objects of time series: which labels of different frames are one, which divide. "
        "Labels keep their numbers; links that persons made or cut hold.", "_track",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--series", nargs="+", default=[], metavar="NAME", help="only these time series")
    sub.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="values",
        help="method=overlap|laptrack, overlap=0.1 (least IoU), reach=1 (diameters), gaps=1 (frames), divisions=true, "
        "alike=0.5",
    )  # fmt: skip
    two = ("IMAGE", "LABEL", "IMAGE", "LABEL")
    sub.add_argument("--link", nargs=4, action="append", default=[], metavar=two, help="say that two objects are one")
    sub.add_argument("--cut", nargs=4, action="append", default=[], metavar=two, help="say that they are not")
    sub.add_argument("--out", metavar="DIR", help="write the tracks here")
    sub.add_argument(
        "--export", choices=("csv", "ctc", "ctc-truth"), default="csv",
        help="a table (default), or folders as results or truth of the Cell Tracking Challenge are",
    )  # fmt: skip
    sub.add_argument("--json", metavar="FILE", help="write counts of tracks and divisions as plain numbers")
    progress(sub)


def carry_on(verbs: Any) -> None:
    sub = verb(
        verbs, "carry-on", "Copy objects of a frame into the next one, where nobody has edited, as one edit.", "_track"
    )
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", required=True, metavar="ID", help="the frame that is copied from")
    sub.add_argument(
        "--object", nargs="+", type=positive, default=[], metavar="LABEL", help="these; default: all approved ones"
    )
    sub.add_argument("--frames", type=positive, default=1, metavar="N", help="go on so many frames (default 1)")


def augment(verbs: Any) -> None:
    sub = verb(
        verbs, "augment", "Write variants of pictures and their masks, as a training changes them: one photometric "
        "change or none, then one geometric change.", "_augment",
    )  # fmt: skip
    sub.add_argument("images", nargs="+", metavar="IMAGE|DIR")
    sub.add_argument("--labels", nargs="+", default=[], metavar="MASKS|DIR", help="masks, called like their pictures")
    sub.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    sub.add_argument("--variants", type=positive, default=21, metavar="N", help="of every patch (default 21)")
    sub.add_argument("--patch", type=positive, default=256, metavar="PIXELS", help="side of the patches (default 256)")
    sub.add_argument("--scheme", default="two_stage", help="two_stage (Das et al. 2025) or standard")
    sub.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="values", help="of the scheme")
    sub.add_argument("--binary", type=int, metavar="VALUE", help="masks become 0 and 255, above this value")
    sub.add_argument("--seed", type=int, default=0)
    progress(sub)


def describe(verbs: Any) -> None:
    sub = verb(
        verbs, "describe", "What a data set is like: sizes, contrast, intensities; objects per image, their sizes and "
        "shapes, and how many touch.", "_describe",
    )  # fmt: skip
    sub.add_argument("paths", nargs="+", metavar="PROJECT|IMAGE|DIR", help="a project, or pictures and folders of them")
    sub.add_argument("--labels", nargs="+", default=[], metavar="MASKS|DIR", help="masks, called like their pictures")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="only these images of the project")
    _grouping(sub)
    sub.add_argument("--csv", metavar="FILE", help="write the table of images; FILE_summary and FILE_sizes beside it")
    sub.add_argument("--json", metavar="FILE", help="write all tables as plain numbers")
    sub.add_argument("--markdown", metavar="FILE", help="write the summary as tables for a text")
    progress(sub)


def select(verbs: Any) -> None:
    sub = verb(
        verbs, "select", "Choose images to label: at equal steps of confluency, sharp, without debris, with reasons.",
        "_select",
    )  # fmt: skip
    sub.add_argument("paths", nargs="+", metavar="PROJECT|IMAGE|DIR", help="a project, or pictures and folders of them")
    sub.add_argument("-n", type=positive, default=10, metavar="N", help="so many images (default 10)")
    sub.add_argument("--labels", nargs="+", default=[], metavar="MASKS|DIR", help="masks, called like their pictures")
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="only of these images of the project")
    sub.add_argument("--steps", type=int, default=0, metavar="K", help="equal steps of confluency (default: N)")
    sub.add_argument("--range", dest="span", type=percents, metavar="A:B", help="least and largest confluency in %%")
    sub.add_argument("--sharpness", type=float, metavar="V", help="least variance of the Laplacian")
    sub.add_argument("--debris", type=float, metavar="PERCENT", help="at most so much of the image is debris")
    sub.add_argument(
        "--by", choices=("auto", "labels", "model", "draft", "quick"), default="auto",
        help="what tells confluency: labels where there are some, else the model (auto) or a draft (quick); draft: "
        "Otsu's threshold, fast",
    )  # fmt: skip
    sub.add_argument("--model", metavar="ID|DIR", help="instead of the project's current model, or the base model")
    _grouping(sub)
    sub.add_argument("--csv", metavar="FILE", help="write every image with its figures and the reason")
    sub.add_argument("--list", metavar="FILE", help="write the paths of the pictures that were taken, one a line")
    sub.add_argument("--figure", metavar="FILE.png", help="draw them side by side")
    progress(sub)


def _grouping(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--group-by", default="", metavar="REGEX",
        help="groups of images: the first bracket of the expression, or all that matches, in their names",
    )  # fmt: skip


def _plates(sub: argparse.ArgumentParser) -> None:
    """What is a field of `api.Plating`."""
    sub.add_argument(
        "--plate", nargs="+", default=[], metavar="FILE",
        help="write a row per well (.csv, .parquet) or a map of the plate (.png, .svg, .pdf)",
    )  # fmt: skip
    sub.add_argument("--plate-value", default="confluency", metavar="NAME", help="of the map; a wrong one lists all")
    sub.add_argument("--plate-wells", type=positive, default=0, metavar="N", help="6, 12, 24, 48, 96 or 384")
    sub.add_argument("--well-by", default="", metavar="REGEX", help="the well in names; default: _B03_, r02c03")
    sub.add_argument(
        "--growth", nargs="+", default=[], metavar="FILE",
        help="write growth rate and doubling time of every group (.csv, .parquet), or draw them (.png, .svg, .pdf)",
    )  # fmt: skip
    sub.add_argument("--interval", default="", metavar="TIME", help="from one time point to the next: 15min, 0.5h, 1d")
    sub.add_argument("--time-by", default="", metavar="REGEX", help="the time point in names; default: _t005, day3...")
    sub.add_argument(
        "--growth-span",
        type=times,
        metavar="A:B",
        help="only these time points, first and last: before the dish is full",
    )


def _sources(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--image", nargs="+", default=[], metavar="ID", help="only these images of the project")
    sub.add_argument(
        "--intensity", nargs="+", default=[], metavar="IMAGE", help="the pictures of loose labels, in the same order"
    )
    sub.add_argument("--spacing", type=numbers, metavar="Z,Y,X", help="pixel size of loose labels in um")


def study(verbs: Any) -> None:
    sub = verb(
        verbs, "study", "What data, networks and trainings are worth: the same training under every combination of "
        "factors, measured on the test images.", "_learn",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument(
        "--factors", type=names, default=("recipe", "labels"), metavar="A,B=X/Y",
        help="of recipe, labels, cycle, sources, split, model, weights, loss, rate, slices, preset, or the key of any "
        "setting; with levels of your own: loss=dice/focal,model.encoder=resnet18/resnet34 (default recipe,labels)",
    )  # fmt: skip
    sub.add_argument("--repeats", type=positive, default=3, metavar="R", help="trainings with different seeds")
    sub.add_argument("--table", metavar="FILE.md|FILE.csv", help="write the table")
    sub.add_argument("--json", metavar="FILE")
    config(sub)
    progress(sub)


def simulate(verbs: Any) -> None:
    sub = verb(verbs, "simulate", "Let a perfect annotator work through the loop and plot the curve.", "_learn")
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--rounds", type=positive, default=5, metavar="N")
    sub.add_argument("--objects", type=positive, default=200, metavar="K", help="objects mended per round")
    sub.add_argument("--order", choices=("queue", "random", "worst"), default="queue", help="worst: an oracle's")
    sub.add_argument("--seconds", type=float, default=600.0, metavar="S", help="training time in all")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument(
        "--model", metavar="MODEL", default="base", help="what the loop begins with: base, any model, or none"
    )
    sub.add_argument("--json", metavar="FILE")
    sub.add_argument("--figure", metavar="FILE.png", help="the curve")
    config(sub)
    progress(sub)


def compare(verbs: Any) -> None:
    sub = verb(
        verbs,
        "compare",
        "How far annotators agree, on one image or on all: Dice, kappa, differences, consensus.",
        "_agree",
    )
    sub.add_argument("project", metavar="PROJECT")
    sub.add_argument("--image", metavar="ID", help="instead of all images, pooled")
    sub.add_argument(
        "--labels", nargs="+", required=True, metavar="LABELS",
        help="other annotators: their copies of the project; mask files of one image, or folders of masks of all",
    )  # fmt: skip
    sub.add_argument("--map", metavar="FILE.tif|DIR", help="1 first alone, 2 second alone, 3 both, 4 different objects")
    sub.add_argument("--consensus", metavar="FILE|DIR", help="write what most of them say")
    sub.add_argument("--json", metavar="FILE")

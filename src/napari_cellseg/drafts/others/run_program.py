"""Runs another segmentation program on one image, in whatever environment that program is installed in.

usage: python run_program.py FOLDER

FOLDER holds ``pixels.npy`` (C, Z, Y, X) or (C, Y, X) float32 and ``request.json``; ``labels.npy`` (Z, Y, X) or (Y, X)
uint32 and ``answer.json`` are written into it. It is started by path and imports nothing of napari-cellseg, which need
not be installed there: only the standard library, numpy and the program itself.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

MISSING, FAILED = 3, 4
"""How it ends where the program is not installed, and where it fails; `failure.json` says how."""


def chosen(pixels: np.ndarray, number: int) -> np.ndarray:
    """(Z, Y, X) or (Y, X): a channel by its number from 1, or (0) the mean of all."""
    if number > len(pixels):
        raise ValueError(f"the image has {len(pixels)} channels, and channel {number} is asked for")
    return np.asarray(pixels[number - 1] if number else pixels.mean(0))


def by_planes(image: np.ndarray, label: Any) -> np.ndarray:
    """Label (Z, Y, X, ...) plane by plane; numbers go on from plane to plane."""
    out, last = [], 0
    for plane in image:
        found = np.asarray(label(plane)).astype(np.int64)
        out.append(np.where(found > 0, found + last, 0))
        last = max(last, int(out[-1].max(initial=0)))
    return np.stack(out)


def cellpose(pixels: np.ndarray, how: dict[str, Any]) -> tuple[np.ndarray, bool]:
    """Cellpose 3 and 4."""
    from cellpose import models

    volume = pixels.ndim == 4
    image, channels = chosen(pixels, how["channel"]), [0, 0]
    options: dict[str, Any] = {
        "diameter": how["diameter"] or None, "flow_threshold": how["flow_threshold"],
        "cellprob_threshold": how["cellprob_threshold"], "min_size": max(how["min_size"], 1),
    }  # fmt: skip
    if how["nuclei"]:
        image, channels = np.stack([image, chosen(pixels, how["nuclei"])], axis=-1), [1, 2]
        options["channel_axis"] = image.ndim - 1
    if volume:
        options["z_axis"] = 0
        if how["volume"] == "planes":
            options |= {"do_3D": True, "anisotropy": how["anisotropy"]}
        else:
            options["stitch_threshold"] = how["join"]
    name = how["model"]
    if int(importlib.metadata.version("cellpose").split(".")[0]) >= 4:
        model = models.CellposeModel(gpu=True, **({"pretrained_model": name} if name else {}))
    elif name and Path(name).exists():
        model = models.CellposeModel(gpu=True, pretrained_model=name)
        options["channels"] = channels
    else:  # with a model that estimates the diameter, where none is given
        model = models.Cellpose(gpu=True, model_type=name or "cyto3")
        options["channels"] = channels
    return model.eval(image, **options)[0], False


def stardist(pixels: np.ndarray, how: dict[str, Any]) -> tuple[np.ndarray, bool]:
    """StarDist 2D and 3D."""
    from csbdeep.utils import normalize
    from stardist.models import StarDist2D, StarDist3D

    name, path = how["model"], Path(how["model"])
    volume = pixels.ndim == 4
    if name and path.is_dir():
        sides = json.loads((path / "config.json").read_text())["n_dim"]
        model = (StarDist3D if sides == 3 else StarDist2D)(None, name=path.name, basedir=str(path.parent))
    else:
        name = name or ("3D_demo" if volume else "2D_versatile_fluo")
        sides = 3 if name.startswith("3D") else 2
        model = (StarDist3D if sides == 3 else StarDist2D).from_pretrained(name)
    if sides == 3 and not volume:
        raise ValueError(f"{name} is a model for volumes, and the image is a single plane")
    if model.config.n_channel_in == 1:
        image = chosen(pixels, how["channel"])
    else:
        image = np.moveaxis(pixels[: model.config.n_channel_in], 0, -1)
    axes = tuple(range(sides + (volume and sides == 2)))
    image = normalize(image, 1, 99.8, axis=axes)
    options = {"prob_thresh": how["probability"] or None, "nms_thresh": how["overlap"] or None}

    def label(part: np.ndarray) -> np.ndarray:
        tiles = tuple(max(1, -(-n // 1024)) for n in part.shape[:sides]) + (1,) * (part.ndim - sides)
        return np.asarray(model.predict_instances(part, n_tiles=tiles, show_tile_progress=False, **options)[0])

    if volume and sides == 2:
        return by_planes(image, label), True
    return label(image), False


def instanseg(pixels: np.ndarray, how: dict[str, Any]) -> tuple[np.ndarray, bool]:
    """InstanSeg."""
    import torch
    from instanseg import InstanSeg

    name = how["model"] or "fluorescence_nuclei_and_cells"
    model = InstanSeg(torch.jit.load(name) if Path(name).is_file() else name, verbosity=0)
    image = chosen(pixels, how["channel"])[None] if how["channel"] else pixels
    options = {"pixel_size": how["pixel_size"], "target": how["finds"], "return_image_tensor": False}

    def label(part: np.ndarray) -> np.ndarray:
        run = model.eval_small_image if part.shape[-1] * part.shape[-2] <= 1500**2 else model.eval_medium_image
        found = run(np.ascontiguousarray(part), **options)
        return np.asarray(found.cpu().numpy().reshape(-1, *part.shape[-2:])[-1])

    if image.ndim == 4:
        return by_planes(np.moveaxis(image, 1, 0), label), True
    return label(image), False


def micro_sam(pixels: np.ndarray, how: dict[str, Any]) -> tuple[np.ndarray, bool]:
    """micro-sam, everything without a prompt."""
    from micro_sam.automatic_segmentation import automatic_instance_segmentation, get_predictor_and_segmenter

    image = chosen(pixels, how["channel"])
    low, high = np.percentile(image, (0.1, 99.9))
    image = (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    predictor, segmenter = get_predictor_and_segmenter(how["kind_of_model"], checkpoint=how["model"] or None)
    labels = automatic_instance_segmentation(predictor, segmenter, image, ndim=image.ndim, verbose=False)
    return labels, False


PROGRAMS = {"cellpose": cellpose, "stardist": stardist, "instanseg": instanseg, "micro_sam": micro_sam}


def main(folder: Path) -> int:
    """Do what is asked for."""
    how = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    try:
        importlib.import_module(how["module"])
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == how["module"]:
            return fail(folder, MISSING, "")
        return fail(folder, FAILED, f"{how['module']} does not load: {error}")
    pixels = np.load(folder / "pixels.npy", allow_pickle=False)
    try:
        labels, planar = PROGRAMS[how["program"]](pixels, how)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the window
        traceback.print_exc()
        return fail(folder, FAILED, f"{type(error).__name__}: {error}")
    np.save(folder / "labels.npy", np.asarray(labels).astype(np.uint32), allow_pickle=False)
    version = importlib.metadata.version(how["distribution"])
    (folder / "answer.json").write_text(json.dumps({"planar": planar, "version": version}), encoding="utf-8")
    return 0


def fail(folder: Path, code: int, text: str) -> int:
    """Say how it failed."""
    (folder / "failure.json").write_text(json.dumps({"text": text[:2000]}), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""Train the network that finds an object from a click or a box (`napari_cellseg.clicks`): part of ``make base``.

Data flow: pictures that may be learnt from, at the size that the base model knows, changed in size, tone and sharpness
-> the base model's frozen features -> windows round objects, with a click somewhere in the object, a box, or the shape
of a neighbouring slice; half of them with further clicks where the network is wrong -> ``base/clicks.safetensors``.
Then `measure`: objects of the test splits, which nothing was learnt from, from one, two and three clicks and from a
box, beside what is found without a person, and apart for objects that were missed so.

usage: python benchmarks/base_clicks.py [--steps 6000] [--seed 0] [--measure]
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from base import DATA, EVERY, pool
from numpy.typing import NDArray

from napari_cellseg import images
from napari_cellseg.adapt import Plane
from napari_cellseg.augmentation import Standard
from napari_cellseg.base import CLICKS, DEFAULT, base_models, median_diameter
from napari_cellseg.clicks import SIDE, ClickNetwork, Finder, Prompt, features_of, prompt_maps
from napari_cellseg.engine._live import network_with_features
from napari_cellseg.models import load_weights, write_tensors
from napari_cellseg.preprocess import Processed
from napari_cellseg.project import read_model_config
from napari_cellseg.zoom import Zoom

RESULTS = Path(__file__).parent / "results" / "clicks.json"
MODEL = base_models()[DEFAULT]
CONFIG = read_model_config(MODEL)
TONE = Standard(strength=1.6, invert=0.25)
"""How copies change: contrast, blur, noise, polarity."""
BATCH, OBJECTS, PATCH = 12, 6, 256
"""Windows of a step, of them at most so many of one picture, of which a square of this side is seen."""
ZOOM = (0.55, 1.7)
CRUMB = 40
"""Smaller objects are not asked for (pixels)."""
MISSED = 0.5
"""An object that nothing found overlaps by so much was missed."""
PER_IMAGE = 12


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture at the size that the base model knows: pixels and labels (Y, X), and its kind."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.int32]
    kind: str


def seen_picture(image: Path, labels: Path) -> tuple[Processed, NDArray[np.uint32], Zoom]:
    """A picture through the base model's recipe, its labels, and how the base model sees it."""
    channels = images.read(image).channels_first()
    truth = images.read_labels(labels).reshape(channels.shape[-2:])
    zoom = Zoom.between(median_diameter(truth), CONFIG.object_size)
    return Processed(CONFIG.recipe, channels[:, None]), truth, zoom


def resized(image: Path, labels: Path, kind: str) -> Picture:
    """The same as one array each."""
    processed, truth, zoom = seen_picture(image, labels)
    pixels = zoom.into(processed.all()[:, 0])[0]
    return Picture(np.float32(pixels), np.int32(zoom.into(truth[None].astype(np.int32), nearest=True)[0]), kind)


class Windows:
    """Training windows: features (N, F, SIDE, SIDE), prompts (N, MAPS, SIDE, SIDE) and shapes (N, 1, SIDE, SIDE)."""

    def __init__(self, pictures: list[Picture], seed: int) -> None:
        self.rng, self._all = np.random.default_rng(seed), pictures
        self._kinds = [[p for p in pictures if p.kind == kind] for kind in sorted({p.kind for p in pictures})]
        self._base, _ = network_with_features(MODEL)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch; kinds of pictures come as often as others in six draws of ten."""
        found: list[tuple[torch.Tensor, NDArray[Any], NDArray[Any]]] = []
        while len(found) < BATCH:
            among = self._kinds[self.rng.integers(len(self._kinds))] if self.rng.random() < 0.6 else self._all
            found += self._of(among[self.rng.integers(len(among))])
        features, prompts, shapes = zip(*found[:BATCH], strict=True)
        shape = torch.from_numpy(np.stack(shapes)).float()[:, None]
        return torch.stack(features), torch.from_numpy(np.stack(prompts)), shape

    def _of(self, picture: Picture) -> Iterator[tuple[torch.Tensor, NDArray[Any], NDArray[Any]]]:
        pixels, labels = self._changed(picture)
        ids, counts = np.unique(labels[labels > 0], return_counts=True)
        ids = ids[counts > CRUMB]
        if not ids.size:
            return
        features = frozen(self._base, pixels)
        half = SIDE // 2
        wide = F.pad(features, [half] * 4, mode="replicate")[0]
        around = np.pad(labels, half)
        for id in self.rng.permutation(ids)[:OBJECTS]:
            row, column = self._place(labels == id)
            cut = slice(row, row + SIDE), slice(column, column + SIDE)  # the padding moves the middle there
            mask = around[cut] == id
            yield wide[(slice(None), *cut)], self._said(mask), mask

    def _changed(self, picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        rng = self.rng
        side = round(PATCH / np.exp(rng.uniform(*np.log(ZOOM))))
        missing = [(0, max(0, side - n)) for n in picture.pixels.shape]
        pixels, labels = np.pad(picture.pixels, missing, mode="symmetric"), np.pad(picture.labels, missing)
        y, x = (rng.integers(0, n - side + 1) for n in pixels.shape)
        cut = slice(y, y + side), slice(x, x + side)
        how = cv2.INTER_AREA if side > PATCH else cv2.INTER_LINEAR
        pixels = cv2.resize(np.ascontiguousarray(pixels[cut]), (PATCH, PATCH), interpolation=how)
        labels = cv2.resize(labels[cut].astype(np.float32), (PATCH, PATCH), interpolation=cv2.INTER_NEAREST)
        turn, mirror = rng.integers(4), slice(None, None, -1 if rng.random() < 0.5 else 1)
        pixels = TONE.tone(pixels[None, None], rng)[0, 0]
        pixels, labels = (np.ascontiguousarray(np.rot90(a, turn)[:, mirror]) for a in (pixels, labels))
        return np.float32(pixels), labels.astype(np.int32)

    def _place(self, mask: NDArray[np.bool_]) -> tuple[int, int]:
        """Where a person might click: mostly well inside."""
        depth = inner(mask)
        rows, columns = np.nonzero(depth > 0.35 * depth.max() if self.rng.random() < 0.8 else mask)
        at = self.rng.integers(len(rows))
        return int(rows[at]), int(columns[at])

    def _said(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """A click in the middle of the window, a box, both, or the shape of the slice beside."""
        draw, middle = self.rng.random(), [(SIDE // 2, SIDE // 2)]
        if draw < 0.6:
            return prompt_maps(middle)
        if draw < 0.9:
            return prompt_maps(middle if draw > 0.8 else (), box=self._box(mask))
        moved = np.roll(mask, tuple(self.rng.integers(-3, 4, 2)), (0, 1)).astype(np.uint8)
        change = cv2.erode if self.rng.random() < 0.5 else cv2.dilate
        by = 2 * int(self.rng.integers(0, 4)) + 1
        return prompt_maps(shape=change(moved, np.ones((by, by), np.uint8)) > 0)

    def _box(self, mask: NDArray[np.bool_]) -> Any:
        """Drawn by hand, so not exactly."""
        return tuple(
            (a + self.rng.normal(0, 0.1 * (b - a)), b + self.rng.normal(0, 0.1 * (b - a))) for a, b in bounds(mask)
        )


def frozen(base: Any, pixels: NDArray[np.float32]) -> torch.Tensor:
    """The base model's features of a whole picture, (1, F, Y, X)."""
    x = torch.from_numpy(pixels)[None, None]
    with torch.no_grad():
        return features_of(x, *base(x))


def bounds(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """(start, stop) of rows and columns."""
    sides = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return tuple((int(s[0]), int(s[-1]) + 1) for s in sides)


def inner(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to what is not the mask."""
    return cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]


def corrected(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[str, tuple[int, int]] | None:
    """The next click of a person who looks at what was found: in the middle of the largest error."""
    errors = [("more", inner(truth & ~found)), ("less", inner(found & ~truth))]
    said, depth = max(errors, key=lambda error: float(error[1].max()))
    if depth.max() <= 0:
        return None
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return said, (int(row), int(column))


def with_click(prompts: NDArray[np.float32], found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Prompts of a window with one more click, and what was found before it."""
    out = prompts.copy()
    out[3] = found
    if (click := corrected(found, truth)) is not None:
        said, place = click
        extra = prompt_maps([place] if said == "more" else (), [place] if said == "less" else ())
        out[:2] = np.maximum(out[:2], extra[:2])
    return out


def loss(logits: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
    """Focal (gamma 1, per object of its own size) and Dice."""
    entropy = F.binary_cross_entropy_with_logits(logits, shapes, reduction="none")
    area = shapes.sum((1, 2, 3))
    focal = ((1 - torch.exp(-entropy)) * entropy).sum((1, 2, 3)) / (area + 50)
    p = logits.sigmoid()
    dice = 1 - (2 * (p * shapes).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + area + 1)
    return (focal + dice).mean()


def train(steps: int, seed: int, out: Path) -> None:
    """Train and write the weights."""
    torch.manual_seed(seed)
    seen: dict[str, int] = {}
    pictures = []
    for image, labels, kind in pool():
        n = seen[kind] = seen.get(kind, 0) + 1
        if n % EVERY != EVERY // 2:  # the others chose the base model's best step
            pictures.append(resized(image, labels, kind))
    windows, network = Windows(pictures, seed), ClickNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.05)
    start, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        features, prompts, shapes = windows.draw()
        for _ in range(int(windows.rng.choice(3, p=(0.5, 0.35, 0.15)))):
            with torch.no_grad():
                found = network(features, prompts)[:, 0].numpy() > 0
            truth = shapes[:, 0].numpy() > 0
            clicked = [with_click(*of) for of in zip(prompts.numpy(), found, truth, strict=True)]
            prompts = torch.from_numpy(np.stack(clicked))
        error = loss(network(features, prompts), shapes)
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        schedule.step()
        mean += (float(error) - mean) / min(step, 50)
        if step % 50 == 0:
            print(f"{time.monotonic() - start:6.0f} s  step {step}: loss {mean:.3f}", flush=True)
    weights = network.eval().state_dict()
    write_tensors(out, {n: v.half() if v.ndim > 1 else v for n, v in weights.items()})


def measure(weights: Path) -> dict[str, Any]:
    """Mean overlap with the truth (intersection over union), by kind: of all objects, and of those that were missed."""
    network = ClickNetwork()
    load_weights(weights, network)
    base, device = network_with_features(MODEL)
    rows: dict[str, list[list[float]]] = {}
    for folder in (DATA / "dsb2018", DATA / "phase_contrast"):
        for line in csv.DictReader((folder / "index.csv").open()):
            if line["split"] == "test":
                name = f"{line['name']}.tif"
                processed, truth, zoom = seen_picture(folder / "images" / name, folder / "labels" / name)
                finder = Finder(processed, base, network.eval(), device, CONFIG.object_size, zoom)
                kind = line.get("modality", "phase_contrast")
                rows.setdefault(kind, []).extend(asked(finder, truth))
    rows["all"] = [row for found in rows.values() for row in found]
    return {kind: described(np.array(found)) for kind, found in rows.items()}


COLUMNS = ("without a person", "one click", "two clicks", "three clicks", "a box")


def asked(finder: Finder, truth: NDArray[np.uint32]) -> Iterator[list[float]]:
    """Overlaps of some objects of a picture, in the order of `COLUMNS`."""
    pixels = finder.zoom.into(finder.picture.all()[:, 0])
    features = frozen(finder.base, np.pad(pixels[0], [(0, -n % 32) for n in pixels.shape[1:]], mode="edge"))
    p = finder.zoom.back(features[0, 1:3, : pixels.shape[1], : pixels.shape[2]].numpy(), truth.shape)
    own = Plane(p).labels(CONFIG.target)  # type: ignore[arg-type]
    ids, counts = np.unique(truth[truth > 0], return_counts=True)
    for id in np.random.default_rng(0).permutation(ids[counts > CRUMB])[:PER_IMAGE]:
        mask = truth == id
        yield [_best(own, mask), *_clicks(finder, mask), _overlap(finder, Prompt(box=bounds(mask)), mask)[0]]


def _clicks(finder: Finder, mask: NDArray[np.bool_]) -> list[float]:
    """After one, two and three clicks."""
    prompt, out = Prompt((tuple(map(int, np.unravel_index(inner(mask).argmax(), mask.shape))),)), []
    for _ in range(3):
        overlap, found = _overlap(finder, prompt, mask)
        out.append(overlap)
        click = corrected(found, mask)
        if click is not None:
            said, place = click
            more, less = ((place,), ()) if said == "more" else ((), (place,))
            prompt = Prompt((*prompt.inside, *more), (*prompt.outside, *less))
    return out


def _overlap(finder: Finder, prompt: Prompt, mask: NDArray[np.bool_]) -> tuple[float, NDArray[np.bool_]]:
    shape = finder.find(prompt)
    found = np.zeros(mask.shape, bool)
    if shape is not None:
        (a, b), (c, d) = shape.box
        found[a:b, c:d] = shape.mask
    return float((found & mask).sum() / (found | mask).sum()), found


def _best(labels: NDArray[np.uint32], mask: NDArray[np.bool_]) -> float:
    counts = np.bincount(labels[mask], minlength=1)
    counts[0] = 0
    id = int(counts.argmax())
    return float(counts[id] / (mask | (labels == id)).sum()) if counts[id] else 0.0


def described(found: NDArray[np.float64]) -> dict[str, Any]:
    """Means over all objects, and over those that were missed without a person."""
    missed = found[found[:, 0] < MISSED]
    means = {"objects": len(found)} | dict(zip(COLUMNS, found.mean(0).round(3).tolist(), strict=True))
    lost = {"objects": len(missed)}
    if len(missed):
        lost |= dict(zip(COLUMNS, missed.mean(0).round(3).tolist(), strict=True))
    return {"all": means, "missed": lost}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=CLICKS)
    parser.add_argument("--measure", action="store_true", help="only measure what is there")
    options = parser.parse_args()
    if not options.measure:
        train(options.steps, options.seed, options.out)
    found = measure(options.out)
    for kind, table in found.items():
        for which, row in table.items():
            print(f"{kind:22} {which:7}", "  ".join(f"{name} {value}" for name, value in row.items()))
    if options.out == CLICKS:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

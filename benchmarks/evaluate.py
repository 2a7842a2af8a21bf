"""How long measuring takes against the plain route: all metrics of one picture with 5,000 objects.

usage: python benchmarks/evaluate.py [--repeats 3]

2048 x 1536 pixels with about 5,000 objects, as in phase contrast at 10x, and a prediction with misses, shifts and other
sizes. The plain route is what the libraries give: scikit-image's SSIM and Hausdorff distance, scipy's distances and
erosion, a dense matrix of IoU with one assignment per threshold (StarDist's way), a loop over objects for the
Evaluation Score. Both give the same figures, which is checked. Times are those of the processor, which other programs
do not lengthen, the best of the repeats. Writes benchmarks/results/evaluate.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage as ndi
from scipy.optimize import linear_sum_assignment
from skimage.metrics import hausdorff_distance, structural_similarity

from napari_cellseg.evaluation import Judging, measure
from napari_cellseg.evaluation._declared import BY_NAME

RESULTS = Path(__file__).parent / "results" / "evaluate.json"
SHAPE = (1536, 2048)
GROUPS = ("pixels", "similarity", "boundary", "objects", "nuclei")


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction: disks of radius 9 on a grid of 24 pixels, and what a network would make of them."""
    rng = np.random.default_rng(seed)
    truth, found = np.zeros(SHAPE, np.uint32), np.zeros(SHAPE, np.uint32)
    y, x = np.mgrid[-12:13, -12:13]
    number = 0
    for cy in range(14, SHAPE[0] - 14, 24):
        for cx in range(14, SHAPE[1] - 14, 24):
            number += 1
            truth[cy - 12 : cy + 13, cx - 12 : cx + 13][y**2 + x**2 <= 81] = number
            dy, dx, radius = *rng.integers(-1, 2, 2), rng.integers(8, 11)
            if rng.random() < 0.95:
                place = found[cy + dy - 12 : cy + dy + 13, cx + dx - 12 : cx + dx + 13]
                place[y**2 + x**2 <= radius**2] = number + 7
    return truth, found


# --- the plain route ------------------------------------------------------------------------------


def plain_pixels(t: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Counts by masks."""
    a, b = t > 0, p > 0
    tp, fp, fn = float((a & b).sum()), float((~a & b).sum()), float((a & ~b).sum())
    return {"dice": 2 * tp / (2 * tp + fp + fn), "iou": tp / (tp + fp + fn)}


def plain_similarity(t: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """scikit-image, once for each range."""
    a, b = (t > 0).astype(float), (p > 0).astype(float)
    return {
        "ssim": structural_similarity(a, b, data_range=1),
        "ssim_255": structural_similarity(a, b, data_range=255),
    }


def plain_boundary(t: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """scipy's erosion and distance transform, scikit-image's Hausdorff distance."""
    sides = [m & ~ndi.binary_erosion(m) for m in (t > 0, p > 0)]
    ways = [ndi.distance_transform_edt(~sides[1 - k])[sides[k]] for k in (0, 1)]
    return {
        "hausdorff": float(hausdorff_distance(*sides)),
        "hd95": max(float(np.percentile(d, 95)) for d in ways),
        "surface_distance": float(np.concatenate(ways).mean()),
    }


def plain_objects(t: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """A dense matrix of IoU, and one assignment of all objects per threshold."""
    n, m = int(t.max()) + 1, int(p.max()) + 1
    shared = np.bincount(t.ravel().astype(np.int64) * m + p.ravel(), minlength=n * m).reshape(n, m)[1:, 1:]
    sizes, others = np.bincount(t.ravel(), minlength=n)[1:], np.bincount(p.ravel(), minlength=m)[1:]
    shared, others = shared[:, others > 0], others[others > 0]
    iou = shared / (sizes[:, None] + others[None] - shared)
    aps = []
    for threshold in np.arange(50, 100, 5) / 100:
        costs = -(iou >= threshold).astype(float) - iou / (2 * min(iou.shape))
        rows, columns = linear_sum_assignment(costs)
        tp = int((iou[rows, columns] >= threshold).sum())
        aps.append(tp / (iou.shape[0] + iou.shape[1] - tp))
    return {"ap50": aps[0], "ap": float(np.mean(aps))}


def plain_nuclei(t: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """A loop over nuclei."""
    boxes, sizes = ndi.find_objects(t.astype(np.int32)), np.bincount(p.ravel())
    full, sub = [], []
    for number, box in enumerate(boxes, 1):
        mask, near = t[box] == number, p[box]
        counts = np.bincount(near[mask & (near > 0)])
        if not counts.size:
            full.append(0.0)
            sub.append(0.0)
            continue
        best, both, size = int(counts.argmax()), counts.max(), mask.sum()
        full.append(2 * both / (size + sizes[best]))
        sub.append(2 * both / (size + (near == best).sum()))
    return {"sub": float(np.mean(sub)), "full": float(np.mean(full))}


PLAIN = {
    "pixels": plain_pixels, "similarity": plain_similarity, "boundary": plain_boundary, "objects": plain_objects,
    "nuclei": plain_nuclei,
}  # fmt: skip


def best(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The shortest time in seconds of this process on one core, and the last answer."""
    times, answer = [], None
    for _ in range(repeats):
        start = time.process_time()
        answer = work()
        times.append(time.process_time() - start)
    return min(times), answer


def main() -> None:
    """Measure, check, write."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--repeats", type=int, default=3)
    repeats = options.parse_args().repeats
    truth, found = scene()
    small = slice(0, 200), slice(0, 200)
    measure(truth[small], found[small], Judging())  # compiles
    rows = {}
    for group in GROUPS:
        how = Judging(metrics=(group,), objects=False)
        ours, measured = best(lambda how=how: measure(truth, found, how), repeats)
        plain, expected = best(lambda group=group: PLAIN[group](truth, found), 1)
        values = {name: BY_NAME[name].value(measured.by_class[0]) for name in expected}
        for name, value in expected.items():
            np.testing.assert_allclose(values[name], value, atol=1e-5, err_msg=name)
        rows[group] = {"seconds": round(ours, 3), "plain": round(plain, 3), "ratio": round(plain / ours, 1)}
        print(group, rows[group], flush=True)
    everything, _ = best(lambda: measure(truth, found, Judging(objects=False)), repeats)
    with_objects, _ = best(lambda: measure(truth, found, Judging()), repeats)
    facts = {
        "objects": int(truth.max()), "groups": rows, "all": round(everything, 3),
        "all_with_table_of_objects": round(with_objects, 3), "plain": round(sum(r["plain"] for r in rows.values()), 3),
    }  # fmt: skip
    print(facts)
    RESULTS.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

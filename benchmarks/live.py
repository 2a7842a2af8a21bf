"""How long after a correction the visible field is labelled again, and how long the viewer stands still meanwhile.

usage: xvfb-run -a python benchmarks/live.py [--json FILE] [--repeats N]

A real viewer with the Workbench open, 1024 x 768 pixels of a phase-contrast image in view (needs ../shared/data), the
base model, a warm child. An object is given its true outline as the brush would; the clock runs from there until the
answer is written into the labels on the screen (or is said to be none), the pause for further strokes included;
"finished" is when the child has fitted thresholds, too. "Blocked" is the longest time in between that a timer had to
wait for its turn. Beside it stands the same for one picture that is drawn after the camera has moved by a pixel: of
bare napari with the image alone ("frame_bare"), and with all of ours ("frame"). Less than that no answer can take.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from event_loop import EventLoop

from napari_cellseg.gui.layers._napari import camera

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data" / "phase_contrast"
FIELD = (slice(0, 768), slice(0, 1024))


class Answer:
    """What becomes of one correction, looked at with every beat from its making on.

    Parameters
    ----------
    before
        The newest edit before the correction.
    """

    def __init__(self, control: Any, before: int) -> None:
        self._control, self._start, self._newest = control, time.perf_counter(), before
        self._edits = 0
        self._told = self._written = 0.0

    @property
    def repainted(self) -> bool:
        """Whether something was written; the first edit is the correction."""
        return self._edits > 1

    @property
    def seconds(self) -> float:
        """Until the last of it was written, or until it was said that nothing is."""
        return self._written if self.repainted else self._told

    def finished(self) -> bool:
        """Whether nothing more comes."""
        now, n = time.perf_counter() - self._start, self._control.session.store.n
        if not self._told and self._control.session.live_learnt:
            self._told = now
        if n != self._newest:
            self._newest, self._written, self._edits = n, now, self._edits + 1
        return bool(self._told) and self._control.live._asked is None and not self._control.busy


def frame(viewer: Any, events: EventLoop, repeats: int = 15) -> float:
    """Seconds for which the window stands still to draw one picture, the camera having moved by a pixel; median."""
    found, eye = [], camera(viewer)
    for k in range(repeats):
        *before, x = eye.center
        events.longest = 0.0
        eye.center = (*before, x + (1 if k % 2 else -1))
        events.rest(0.15)
        found.append(events.longest)
    return statistics.median(found)


def measure(repeats: int) -> dict[str, Any]:
    """Seconds of every correction, and medians."""
    import napari

    name = sorted(p.stem for p in (DATA / "images").glob("*.tif"))[0]
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    events = EventLoop()
    bare = viewer.add_image(tifffile.imread(DATA / "images" / f"{name}.tif")[FIELD])
    events.rest(1.0)
    alone = frame(viewer, events)
    viewer.layers.remove(bare)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "Workbench")
    control = dock.controller

    def waited(until: Callable[[], bool], seconds: float = 180) -> float:
        try:
            return events.wait(until, seconds)
        except TimeoutError as error:
            raise SystemExit(f"{error}: {control.session.status} {control.session.problem}") from error

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.tif"
        tifffile.imwrite(path, tifffile.imread(DATA / "images" / f"{name}.tif")[FIELD])
        truth = tifffile.imread(DATA / "labels" / f"{name}.tif")[FIELD].astype(np.uint32)
        viewer.open(str(path), plugin="napari")
        control.use_layer(viewer.layers[0].name)
        waited(lambda: control.session.store is not None and control.engine.ready is not None)
        control.predict()
        waited(lambda: not control.busy)
        viewer.reset_view()
        dock.open_step("Correct")
        ids = np.unique(truth)[1:]
        rows = []
        for id in np.random.default_rng(0).permutation(ids)[: repeats + 3]:
            waited(lambda: not control.busy and control.live._asked is None)
            events.longest, before = 0.0, control.session.store.n
            control.family.labels.data_setitem(np.nonzero(truth == id), control.session.store.next_id())
            control.session.update(live_learnt="")
            answer = Answer(control, before)
            finished = waited(answer.finished)
            events.rest(0.1)  # what is written is drawn in the turn after it
            rows.append(
                {
                    "seconds": answer.seconds, "finished": finished,
                    "blocked": events.longest, "repainted": answer.repainted, "said": control.session.live_learnt,
                }
            )  # fmt: skip
        for row in rows:
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
        events.rest(1.0)
        drawn = frame(viewer, events)
        control.close()
    viewer.close()
    warm = rows[3:]  # the first ones load torch and the field's features
    return {
        "image": name,
        "objects": len(warm),
        "seconds": statistics.median(r["seconds"] for r in warm),
        "worst": max(r["seconds"] for r in warm),
        "seconds_repainted": statistics.median([r["seconds"] for r in warm if r["repainted"]] or [0.0]),
        "finished": statistics.median(r["finished"] for r in warm),
        "blocked": statistics.median(r["blocked"] for r in warm),
        "blocked_worst": max(r["blocked"] for r in warm),
        "repainted": sum(r["repainted"] for r in warm),
        "frame_bare": alone,
        "frame": drawn,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "live.json")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    found = measure(options.repeats)
    print(json.dumps(found, indent=1))
    options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

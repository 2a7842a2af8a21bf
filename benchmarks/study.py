"""What preprocessing and corrected labels are worth on phase contrast: `study` with the multi-scale U-Net.

usage: python benchmarks/study.py [--seeds 3] [--steps 200] [--width 8] [--factors recipe,labels]

The experiment of Aziz et al. 2026 on public images (theirs are not): 12 images to learn from, 4 to test, every cell as
one class; raw or CLAHE and total variation; drafts by Otsu's threshold with watershed or the corrected labels. Every
training has the same number of steps, from random weights, with 4 patches of 128 pixels and a running average; the
network has half the published width, all for the sake of time. Writes benchmarks/results/study.json and study.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from presets import CASES, recipe_of

from napari_cellseg.cli import main as command

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Build the project and run the subcommand that everybody has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--factors", default="recipe,labels")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    case = CASES["aziz-2026"]
    with tempfile.TemporaryDirectory() as folder:
        with case.make(Path(folder)) as project:
            project.save_config(project.config.model_copy(update={"recipe": recipe_of(case)}))
            arguments = ["study", str(project.path), "--preset", "aziz-2026", "--repeats", str(options.seeds)]
            arguments += ["--factors", options.factors]
        values = [f"train.steps={options.steps}", "train.epochs=0", "train.seconds=100000", "train.checks=2"]
        values += ["train.batch=4", "train.patch=128", "sampling.places=grid", "sampling.overlap=0.5"]
        values += ["sampling.empty=0.1", "train.averaging=0.95", f"model.width={options.width}"]
        for value in values:
            arguments += ["--set", value]
        return command([*arguments, "--json", str(RESULTS / "study.json"), "--table", str(RESULTS / "study.md")])


if __name__ == "__main__":
    raise SystemExit(main())

"""Build wheel and sdist, look at what they hold, and use both in clean environments, as somebody who installs us does.

`python .ci/dist_check.py --python 3.11 --python 3.13`: versions, or paths of interpreters. It needs uv.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 15_000_000
"""Bytes of a wheel: a laptop fetches it in seconds, and an index takes it without asking."""
IN_WHEEL = (
    "napari_cellseg/napari.yaml",
    "napari_cellseg/py.typed",
    "napari_cellseg/base/cells/weights.safetensors",
    "napari_cellseg/base/cells/config.toml",
    "napari_cellseg/base/cells/card.json",
    "napari_cellseg/base/size.npz",
    "napari_cellseg/base/clicks.safetensors",
)
IN_SDIST = (
    "pyproject.toml",
    "constraints.txt",
    "CITATION.cff",
    "Makefile",
    "mkdocs.yml",
    ".ci/run",
    "docs/index.md",
    "recipe/recipe.yaml",
    "tests/conftest.py",
)
MAKE_PICTURE = """
import napari_cellseg as cs, tifffile
image, truth = cs.samples.synthetic_cells((256, 256), 30)
tifffile.imwrite("cells.tif", image)
"""
PREDICT = """
import napari_cellseg as cs, numpy as np, tifffile
labels = cs.predict(tifffile.imread("cells.tif"), model="cells")
written = tifffile.imread(next(__import__("pathlib").Path("masks").glob("*.tif")))
assert labels.shape == (256, 256) and labels.dtype == np.uint32, (labels.shape, labels.dtype)
found = len(np.unique(labels)) - 1
assert 15 <= found <= 45, found
assert np.array_equal(labels > 0, written > 0), "the command line and Python disagree"
print(found, "of 30 cells found, by the command line and in Python")
"""


def tool(name: str) -> str:
    """A program of this interpreter's environment, or of the PATH."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    return found or sys.exit(f"{name} is missing: python -m pip install uv")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What it prints; ends the check where it fails."""
    words = [str(word) for word in command]
    shown = " ".join(word.name if isinstance(word, Path) else word for word in command)
    shown = textwrap.shorten(shown, 120, placeholder=" ...")
    print("$", shown, flush=True)
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\n'{shown}' ended with {done.returncode}")
    return done.stdout.strip()


def look_into(wheel: Path, sdist: Path) -> None:
    """Size, the files that Python cannot do without, and what an index checks."""
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size / 1e6:.1f} MB, {sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB")
    if size >= LARGEST:
        sys.exit(f"the wheel is larger than {LARGEST / 1e6:.0f} MB")
    with zipfile.ZipFile(wheel) as archive:
        missing = set(IN_WHEEL) - {entry.filename for entry in archive.infolist()}
    with tarfile.open(sdist) as archive:
        missing |= set(IN_SDIST) - {name.partition("/")[2] for name in archive.getnames()}
    if missing:
        sys.exit(f"not packed: {sorted(missing)}")
    print(run(tool("uvx"), "twine", "check", "--strict", wheel, sdist))


def use(package: Path, python: str, place: Path) -> None:
    """Install into an environment of its own and do what the README says first."""
    print(f"\n{package.name} with Python {python}")
    bin_ = place / "env" / ("Scripts" if os.name == "nt" else "bin")
    run(tool("uv"), "venv", "--quiet", "--python", python, place / "env")
    install = ("pip", "install", "--quiet", "--python", bin_ / "python", "--constraints", ROOT / "constraints.txt")
    run(tool("uv"), *install, package)
    print(run(bin_ / "napari-cellseg", "--version", cwd=place))
    run(bin_ / "napari-cellseg", "--help", cwd=place)
    print(run(bin_ / "npe2", "validate", "napari-cellseg", cwd=place).splitlines()[-1])
    run(bin_ / "python", "-c", MAKE_PICTURE, cwd=place)
    run(bin_ / "napari-cellseg", "predict", "--model", "cells", "cells.tif", "--out", "masks", cwd=place)
    print(run(bin_ / "python", "-c", PREDICT, cwd=place))


def main() -> None:
    """All of it, in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", help="a version or a path; more than once for several")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where wheel and sdist go")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    run(tool("uv"), "build", "--quiet", "--out-dir", options.out, ROOT)
    (wheel,), (sdist,) = options.out.glob("*.whl"), options.out.glob("*.tar.gz")
    look_into(wheel, sdist)
    for python in options.python or [sys.executable]:
        for package in (wheel, sdist):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
                use(package, python, Path(place))
    constraints = "--constraints", ROOT / "constraints.txt"
    print("\nWithout installing:")
    print(run(tool("uvx"), *constraints, "--from", wheel, "napari-cellseg", "--version"))
    print("\nBoth packages work.")


if __name__ == "__main__":
    main()

"""What the first measurement needs is compiled by a tiny one: the real one compiles nothing more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_cellseg.measurement import compiled_apart, note_compiled

SCRIPT = """
import importlib, pkgutil, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
import napari_cellseg as cs
from napari_cellseg import kernels
from napari_cellseg.measurement import warm_up

def compiled():
    found = {}
    for module in pkgutil.iter_modules(kernels.__path__):
        for name, what in vars(importlib.import_module(f"napari_cellseg.kernels.{module.name}")).items():
            if isinstance(what, Dispatcher):
                found[module.name, name] = len(what.signatures)
    return found

ndim, dtype, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
warm_up(ndim, dtype)
before = compiled()
assert sum(before.values()) > 5
shape = (9, 120, 130)[-ndim:]
rng = np.random.default_rng(0)
labels = np.zeros(shape, np.uint32)
for n in range(30):
    y, x = rng.integers(0, 100, 2)
    labels[..., y : y + 14, x : x + rng.integers(5, 20)] = n + 1
np.save(f"{folder}/cells.npy", rng.integers(0, 200, shape).astype(dtype))
with cs.new(f"{folder}/p", model="none") as project:
    project.add(f"{folder}/cells.npy", axes="ZYX"[-ndim:])
    project.put_labels("cells", labels)
    table = project.measure().table
assert len(table) == len(np.unique(labels)) - 1
more = {key: n for key, n in compiled().items() if n != before.get(key, 0)}
print("more:", sorted(f"{a}.{b}" for a, b in more))
"""
ALLOWED = {"extents", "checksum", "outline", "nearest"}
"""Of projects and layers, not of measuring."""


@pytest.mark.parametrize(("ndim", "dtype"), [(2, "uint8"), (2, "uint16"), (3, "uint8")])
def test_nothing_is_left_to_compile(tmp_path, ndim, dtype):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ndim), dtype, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    left = done.stdout.splitlines()[-1].removeprefix("more: ").strip("[]").replace("'", "").split(", ")
    assert {name.split(".")[0] for name in left if name} <= ALLOWED, left


def test_a_process_of_its_own_compiles_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    process = compiled_apart(2, "uint8")
    assert process is not None
    assert process.wait(600) == 0
    note_compiled(2, "uint8")
    assert compiled_apart(2, "uint8") is None
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "elsewhere"))  # there is nothing there
    other = compiled_apart(2, "uint8")
    assert other is not None
    other.kill()
    other.wait(600)

"""Damaged files end in words: a small part of ``benchmarks/fuzz.py``, the same files every time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
SLOW = ("model", "safetensors")  # they import torch or open projects; the script has them


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


KINDS = [
    "tiff", "png", "jpeg", "npy", "zarr", "ome-zarr", "roi", "outlines", "seg", "safetensors", "project.toml", "model",
    "database",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_damage_is_done_to_can_be_read(fuzz, kind, tmp_path):
    """Else every damaged file would be refused for another reason."""
    assert set(KINDS) == set(fuzz.KINDS)
    fuzz.KINDS[kind].write(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert fuzz.tried(kind, path, 200) == "", path.name


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SLOW])
def test_damaged_files_end_in_words(fuzz, kind, tmp_path):
    count = {"project.toml": 15, "database": 15}.get(kind, 40)
    said = {path.name: fuzz.tried(kind, path, 200) for _, path in fuzz.samples(kind, 1, 0, count, tmp_path)}
    faults = [text for text in said.values() if text not in ("", "refused")]
    assert not faults, faults[0]

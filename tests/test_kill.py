"""A few kills of benchmarks/kill.py, so that the promise is checked with every change."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds children in /proc")
def test_nothing_is_lost_when_processes_are_killed():
    spec = importlib.util.spec_from_file_location("kill", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill"] = module
    spec.loader.exec_module(module)
    results = module.kill_many(4, seed=1)
    assert [r["lost"] for r in results] == [0] * 4
    assert [r["missing_rows"] for r in results] == [0] * 4
    assert all(r["survived_child"] for r in results)
    assert results[-1]["strokes"] > 10
    assert module.orphans() == 0

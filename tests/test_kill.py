"""A few kills of benchmarks/kill.py and a few full disks, so that the promise is checked with every change."""

from __future__ import annotations

import importlib.util
import subprocess
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
    results = module.kill_many(2, seed=1)
    assert [r["lost"] for r in results] == [0] * 2
    assert [r["missing_rows"] for r in results] == [0] * 2
    assert all(r["survived_child"] for r in results)
    assert results[-1]["strokes"] > 10
    assert module.orphans() == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there, and no tmpfs")
@pytest.mark.parametrize(
    "what",
    ["strokes", "split", "export npy"]
    + [pytest.param(what, marks=pytest.mark.long) for what in ("new", "compact", "guidelines, configuration")],
)
def test_a_full_disk_refuses_whole_things_and_loses_nothing(what):
    """In a process of its own: a file mapped into memory ended it (SIGBUS)."""
    script = Path(__file__).parents[1] / "benchmarks" / "full_disk.py"
    command = [sys.executable, "-W", "ignore", str(script), "--strokes", "1", "--only", what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    assert int(rows[2][1 if what == "strokes" else -2]) > 0  # something was accepted, something refused

"""What docs/evaluating.md says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from napari_cellseg.cli._parser import parser
from napari_cellseg.evaluation import Comparing, Tables

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "evaluating.md"


def test_the_table_of_metrics_is_made_from_their_declarations():
    script = ROOT / "docs" / "scripts" / "evaluating.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr} run: python docs/scripts/evaluating.py --table"


def test_the_script_of_the_page_runs(tmp_path):
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.isclose(float(done.stdout.splitlines()[0]), 1.0)


def test_every_flag_and_table_of_the_page_exists():
    text = PAGE.read_text(encoding="utf-8")
    (verbs,) = (a for a in parser()._actions if a.dest == "verb" or a.choices)
    known, others = (
        {flag for action in verbs.choices[verb]._actions for flag in action.option_strings}
        for verb in ("evaluate", "compare")
    )
    assert set(re.findall(r"(?<!-)--[a-z][a-z-]+", text)) <= known | others
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", text, re.MULTILINE)
    assert set(rows) == set(Tables.names())
    assert set(Comparing.model_fields) - {"objects"} == {a.lstrip("-").replace("-", "_") for a in known} & set(
        Comparing.model_fields
    )

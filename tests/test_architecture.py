"""What may be imported when: proven in processes of their own."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = "torch", "segmentation_models_pytorch", "timm", "torchvision"
SOURCE = Path(__file__).parents[1] / "src" / "napari_cellseg"


def loaded_after(code: str) -> str:
    check = f"\nimport sys; print('HEAVY', sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


CASES = {
    "package": "import napari_cellseg; dir(napari_cellseg)",
    "every public verb": "from napari_cellseg import *",
    "help": "from napari_cellseg.cli._parser import parser; parser().format_help()",
    "config and forms": "from napari_cellseg.config import Config; Config().to_toml()",
    "controller": (
        "from napari.components import ViewerModel\nfrom napari_cellseg.gui.app.controller import Controller\n"
        "Controller(ViewerModel())"
    ),
}


@pytest.mark.parametrize("code", CASES.values(), ids=CASES.keys())
def test_torch_is_not_loaded_by(code):
    assert loaded_after(code) == "HEAVY []"


def test_the_package_alone_loads_no_viewer_either():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, napari_cellseg; print(sorted({'napari', 'qtpy'} & set(sys.modules)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_manifest_at_the_top_is_the_one_in_the_package():
    assert (SOURCE.parents[1] / "napari.yaml").read_text() == (SOURCE / "napari.yaml").read_text()


def test_private_names_of_napari_live_in_one_module():
    private = (
        "_history_limit",
        "_staged_history",
        "_block_history",
        "_commit_stroke",
        "_get_update_slices",
        "_slice.image",
    )
    users = {p.name for p in SOURCE.rglob("*.py") if any(f".{name}" in p.read_text() for name in private)}
    assert users <= {"_napari.py"}


def test_what_is_warmed_in_a_thread_leaves_units_to_the_main_thread():
    """pint's registry breaks where two threads read it for the first time: "'pixel' is not defined"."""
    code = (
        "import sys; from napari_cellseg.gui.app import warm_up; warm_up._work(); import pint; "
        "print(type(pint.application_registry.get()).__name__, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["LazyRegistry", "True"]


def test_views_are_shown_from_plain_values():
    """What shows a view asks nobody else: a folder that cannot be read must not stop a dock half-way."""
    shown, wrong = 0, []
    for path in sorted((SOURCE / "gui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith(("show_view", "_show_")):
                shown += 1
                asks = [n for n in ast.walk(node) if isinstance(n, ast.Attribute) and n.attr == "controller"]
                wrong += [f"{path.name}:{n.lineno}" for n in asks]
    assert shown > 20
    assert wrong == []


def test_pages_read_the_view_and_not_the_session():
    reads = [
        f"{path.name}:{node.lineno}"
        for path in sorted((SOURCE / "gui" / "qt").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("session", "workspace", "store", "canvas")
    ]
    assert reads == []

"""Every command in the docs is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from napari_cellseg.base import base_models
from napari_cellseg.cli._parser import parser
from napari_cellseg.evaluation._declared import chosen
from napari_cellseg.presets import TRAININGS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SYNTAX = re.compile(r"\[|\.\.\.|\||<|\(")
"""Of lines that explain what may be given instead of giving it."""


def commands(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    joined = (block.replace("\\\n", " ") for block in BLOCK.findall(text))
    lines = (line.strip().removeprefix("$ ") for block in joined for line in block.splitlines())
    return [line.split("  #")[0] for line in lines if line.startswith("napari-cellseg ")]


def given(line: str) -> list[str]:
    words = shlex.split(line)[1:]
    return words[: words.index("&&")] if "&&" in words else words


LINES = [(page, line) for page in PAGES for line in commands(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=lambda v: v.name if isinstance(v, Path) else v[15:50])
def test_the_command_line_takes_it(page, line, capsys):
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "''", line)
    if SYNTAX.search(plain):
        pytest.skip("it explains a syntax")
    words = given(line)
    if {"--help", "--version"} & set(words):
        pytest.skip("it only tells")
    try:
        options = parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"{page.name}: {line}\n{capsys.readouterr().err}")
    if preset := getattr(options, "preset", None):
        assert preset in {p.name for p in TRAININGS}, line
    if metrics := getattr(options, "metrics", None):
        chosen(metrics)  # which raises where there is none of a name
    if model := getattr(options, "model", None) if "new " in line else None:
        assert model in {"none", "base", *base_models()} or "/" in model or "." in model, line


def test_there_are_commands_on_the_pages():
    assert len(LINES) > 60
    assert sum(page.name == "papers.md" for page, _ in LINES) > 30

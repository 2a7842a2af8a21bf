"""What the package says of itself in several places is the same in all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = {
    "opencv-python-headless": "py-opencv",
    "torch": "pytorch",
    "lightning-fabric": "pytorch-lightning",
    "matplotlib": "matplotlib-base",
    "dask[array]": "dask-core",
}
"""What conda-forge calls otherwise."""


def read_yaml(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def recipe() -> dict:
    return read_yaml("recipe/recipe.yaml")


@pytest.fixture(scope="module")
def workflow() -> dict:
    return read_yaml(".github/workflows/tests.yml")


def pythons() -> set[str]:
    named = (c.removeprefix("Programming Language :: Python :: ") for c in PROJECT["classifiers"])
    return {name for name in named if re.fullmatch(r"3\.\d+", name)}


def test_the_citation_and_the_recipe_are_of_this_version(recipe):
    assert read_yaml("CITATION.cff")["version"] == PROJECT["version"] == recipe["context"]["version"]
    assert read_yaml("CITATION.cff")["license"] == PROJECT["license"] == recipe["about"]["license"]


def test_the_recipe_needs_what_the_package_needs(recipe):
    wanted = dict(line.split(">=") for line in PROJECT["dependencies"])
    given = dict(line.split(" >=") for line in recipe["requirements"]["run"])
    assert given.pop("python") == "${{ python_min }}"
    assert recipe["context"]["python_min"] == PROJECT["requires-python"].removeprefix(">=") == min(pythons())
    # conda numbers the releases of OpenCV by three places
    wanted["opencv-python-headless"] = ".".join(wanted["opencv-python-headless"].split(".")[:3])
    assert given == {CONDA.get(name, name): low for name, low in wanted.items()}


def test_each_package_is_pinned_once():
    pins = [line.split("==")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    names = [re.sub(r"[-_.]+", "-", name).lower() for name in pins]
    assert len(names) > 100
    assert sorted(set(names)) == sorted(names)


def test_the_recipe_makes_the_same_program(recipe):
    ours = [f"{name} = {where}" for name, where in PROJECT["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == ours


def test_every_python_that_is_promised_is_tested(workflow):
    assert pythons() == {"3.11", "3.12", "3.13"}
    for job in ("test", "dist"):
        matrix = workflow["jobs"][job]["strategy"]["matrix"]
        assert {*matrix["python"], *(row["python"] for row in matrix["include"])} == pythons()
    systems = set(workflow["jobs"]["test"]["strategy"]["matrix"]["os"])
    assert systems == {"ubuntu-latest", "windows-latest", "macos-latest"}


def test_both_qts_are_tested(workflow):
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {*matrix["qt"], *(row["qt"] for row in matrix["include"])} == {"pyqt6", "pyside6"}


def test_every_dependency_has_a_lower_bound():
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for line in [*PROJECT["dependencies"], *extras]:
        assert re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+(,<[\d.]+)?", line), line


def test_all_holds_every_extra_that_is_for_everybody():
    extras = PROJECT["optional-dependencies"]
    for name in ("openvino", "pretrained", "explain"):
        assert set(extras[name]) <= set(extras["all"])


def test_the_page_names_every_extra():
    page = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    for name in PROJECT["optional-dependencies"]:
        assert f"| `{name}` |" in page

"""Write config.md, shortcuts.md and the tables of measuring.md from the code, so that none can be out of date.

usage: python docs/scripts/settings.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_cellseg.augmentation import AUGMENTATIONS
from napari_cellseg.config import Config, Optimiser, Predict, Sampling, Train
from napari_cellseg.drafts import DRAFTS, CleanUp
from napari_cellseg.explanation import METHODS
from napari_cellseg.gui.app.tools import shortcuts
from napari_cellseg.losses import LOSSES
from napari_cellseg.measurement import COLUMNS, FIGURES
from napari_cellseg.measurement import GROUPS as COLUMN_GROUPS
from napari_cellseg.models import MODELS
from napari_cellseg.preprocess import STEPS
from napari_cellseg.settings import Settings
from napari_cellseg.targets import TARGETS

TARGET = Path(__file__).parents[1] / "config.md"
GROUPS = {
    "Preprocessing steps (recipe.steps)": STEPS,
    "Targets (target)": TARGETS,
    "Networks (model)": MODELS,
    "Losses (loss)": LOSSES,
    "Training (train)": (Train,),
    "Patches (sampling)": (Sampling,),
    "Augmentation (augmentation)": AUGMENTATIONS,
    "Optimiser (optimiser)": (Optimiser,),
    "Prediction (predict)": (Predict,),
    "Drafts": DRAFTS.values(),
    "Clean-up of drafts (clean)": (CleanUp,),
    "Explanations (explain --method)": METHODS,
}


def table(cls: type[Settings]) -> list[str]:
    """One class as Markdown."""
    kind = cls.model_fields.get("kind")
    name = f"`{kind.default}` - {cls.label()}" if kind is not None else cls.label()
    lines = [f"### {name}", "", cls.summary(), ""]
    fields = [(n, f) for n, f in cls.model_fields.items() if n != "kind"]
    if fields:
        lines += ["| name | default | meaning |", "|---|---|---|"]
        lines += [f"| {n} | {f.default} | {f.description} |" for n, f in fields] + [""]
    return lines


def page() -> str:
    """The whole page."""
    lines = [
        "# Settings",
        "",
        "Made from the code by `docs/scripts/settings.py`. Change one with `--set key=value`.",
        "",
    ]
    for title, classes in GROUPS.items():
        lines += [f"## {title}", ""]
        for cls in classes:
            lines += table(cls)
    lines += ["", "## The defaults as TOML", "", "```toml", Config().to_toml().strip(), "```", ""]
    return "\n".join(lines)


def keys() -> str:
    """The page of shortcuts."""
    intro = (
        "# Keys\n\nMade from the code by `docs/scripts/settings.py`. H works everywhere, the others while layers of "
        "the open image are selected; none takes the place of one of napari's own.\nA key of a tool that needs an "
        "object acts on the one under the cursor. Other keys for tools: napari's preferences, "
        "*Plugins* > *Cellseg* > *Keys*, for example `Merge=Control-M, Split=Shift-X`.\n\n"
    )
    return intro + shortcuts()


MEASURING = TARGET.with_name("measuring.md")


def measuring() -> str:
    """The page of measurements with its tables as the code has them."""
    dims = {(2,): "2D", (3,): "3D", (2, 3): "both"}
    columns = ["| group | name | unit | of | meaning | scikit-image |", "|---|---|---|---|---|---|"]
    for group in COLUMN_GROUPS:
        columns += [
            f"| {group} | `{c.name}` | {c.unit} | {dims[c.dims]} | {c.description} | {c.skimage} |"
            for c in COLUMNS
            if c.group == group
        ]
    figures = ["| name | unit | meaning |", "|---|---|---|"]
    figures += [f"| `{f.name}` | {f.unit} | {f.description} |" for f in FIGURES]
    text = MEASURING.read_text(encoding="utf-8")
    for name, lines in (("columns", columns), ("summary", figures)):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, after = text.split(begin)[0], text.split(end)[1]
        text = f"{before}{begin}\n\n{chr(10).join(lines)}\n\n{end}{after}"
    return text


PAGES = {TARGET: page, TARGET.with_name("shortcuts.md"): keys, MEASURING: measuring}


if __name__ == "__main__":
    for path, make in PAGES.items():
        if "--check" not in sys.argv:
            path.write_text(make(), encoding="utf-8")
        elif path.read_text(encoding="utf-8") != make():
            sys.exit(f"docs/{path.name} is out of date")

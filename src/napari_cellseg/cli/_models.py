"""The subcommand models."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from .. import api
from ..files import write_text
from ..report import models_markdown
from ._opened import DONE, write_json

_SHOWN = {
    "model": "model", "parameters": "parameters", "epochs": "epochs", "final_loss": "final loss",
    "training_loss": "train loss", "held_out_loss": "val loss", "loss_gap": "loss gap", "held_out_f1": "val F1",
    "f1_gap": "F1 gap", "sigma": "sigma", "stability": "stability",
}  # fmt: skip
"""Printed; files have all columns."""


def models(options: Namespace) -> int:
    """Print and write the table over models."""
    rows = api.model_table(options.paths, csv=options.csv)
    print("  ".join(f"{head:>10}" for head in _SHOWN.values()))
    for row in rows:
        print("  ".join(f"{_cell(getattr(row, name)):>10}" for name in _SHOWN))
    if options.markdown:
        write_text(options.markdown, models_markdown(rows))
    write_json(options.json, {"models": [asdict(row) for row in rows]})
    return DONE


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

"""The subcommand compare."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from ..api import Agreement
from ._opened import DONE, opened, write_json

Pairs = Mapping[tuple[str, str], Mapping[str, Any]]


def compare(options: Namespace) -> int:
    """Dice, IoU and kappa of every pair, differences to the first, and the consensus; of one image or of all."""
    with opened(options.project) as project:
        found = project.compare(options.image, options.labels, map=options.map, consensus=options.consensus)
    _tell(found)
    told: dict[str, Any] = {"image": found.image, "pairs": _named(found.pairs)}
    if found.images:
        told |= {"images": {id: _named(pairs) for id, pairs in found.images.items()}, "left_out": list(found.left_out)}
    write_json(options.json, told)
    return DONE


def _tell(found: Agreement) -> None:
    for (a, b), figures in found.pairs.items():
        over = f" ({figures['images']} images)" if found.images else ""
        print(
            f"{a} - {b}{over}: Dice {figures['dice']:.3f}, IoU {figures['iou']:.3f}, kappa {figures['kappa']:.3f}, "
            f"{figures['differences']} differences"
        )
    if found.left_out:
        print(f"napari-cellseg: not everybody has labels of {', '.join(found.left_out)}.", file=sys.stderr)


def _named(pairs: Pairs) -> dict[str, Mapping[str, Any]]:
    return {f"{a} - {b}": figures for (a, b), figures in pairs.items()}

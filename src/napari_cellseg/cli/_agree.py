"""The subcommand compare."""

from __future__ import annotations

from argparse import Namespace

from ._opened import DONE, opened, write_json


def compare(options: Namespace) -> int:
    """Dice, IoU and kappa of every pair, differences to the first, and the consensus."""
    with opened(options.project) as project:
        found = project.compare(options.image, options.labels, map=options.map, consensus=options.consensus)
    for (a, b), figures in found.pairs.items():
        print(
            f"{a} - {b}: Dice {figures['dice']:.3f}, IoU {figures['iou']:.3f}, kappa {figures['kappa']:.3f}, "
            f"{figures['differences']} differences"
        )
    pairs = {f"{a} - {b}": figures for (a, b), figures in found.pairs.items()}
    write_json(options.json, {"image": found.image, "pairs": pairs})
    return DONE

"""Drafts by Cellpose, StarDist, InstanSeg and micro-sam, each through its own package where that is installed."""

from __future__ import annotations

from ._methods import Cellpose, InstanSeg, MicroSam, StarDist
from ._program import OtherProgram

OTHERS: tuple[type[OtherProgram], ...] = (Cellpose, StarDist, InstanSeg, MicroSam)

__all__ = ["OTHERS", "Cellpose", "InstanSeg", "MicroSam", "OtherProgram", "StarDist"]

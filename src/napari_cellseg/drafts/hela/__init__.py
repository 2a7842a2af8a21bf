"""Nuclei, nuclear envelopes and cells in electron microscopy without learning (Karabag et al. 2023).

Data flow: a slice as grey values 0..255 -> `background`, `nucleus` (after the mask of the slice beside it), `cell`
(`_slice`) -> through a volume from the middle outwards, along one or three axes (`_volume`) -> classes; where a slice
holds many cells, the most salient ones are found first and followed through the slices (`_salient`). The order of the
steps is that of the paper, the numbers are those of its authors' code as far as they are known, all of them open
(`_numbers`); written after the description, not after that code.
"""

from __future__ import annotations

from ._method import Hela
from ._numbers import HelaNumbers
from ._salient import salient

__all__ = ["Hela", "HelaNumbers", "salient"]

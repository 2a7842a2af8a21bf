"""``python -m napari_cellseg.cli``."""

from . import script

script()

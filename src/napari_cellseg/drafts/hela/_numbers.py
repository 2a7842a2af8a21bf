"""Every number of the algorithm, in pixels of 10 nm and slices of 50 nm."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from ..._types import Spacing
from ...extensions import DraftMethod

PLANE_UM, SLICE_UM = 0.01, 0.05
"""Pixel size and thickness of slices for which the numbers were chosen (um)."""


def _number(default: float, description: str, power: int, most: float) -> Any:
    return Field(default, ge=0, le=most, description=description, json_schema_extra={"scales": power})


def _length(default: float, description: str) -> Any:
    return _number(default, f"{description} (pixels of 10 nm).", 1, 10_000)


def _area(default: float, description: str) -> Any:
    return _number(default, f"{description} (pixels of 10 nm).", 2, 100_000_000)


def _slices(default: float, description: str) -> Any:
    return _number(default, f"{description} (slices of 50 nm).", -1, 10_000)


class HelaNumbers(DraftMethod):
    """The numbers; `scaled` gives those of an image."""

    min_size: int = Field(0, ge=0, le=1_000_000, description="Smaller regions of a class are removed (pixels).")
    # the slice as it is seen
    low_pass: bool = Field(True, description="Smooth by 1-2-1 first; off where the recipe does.")
    smooth: float = _length(2, "Gaussian smoothing before anything is measured")
    # background
    background_sigma: float = _length(9, "Smoothing of Canny's edges in the background")
    background_edges: float = _length(21, "Side of the square by which they are dilated")
    background_area: float = _area(100, "Smaller pieces between edges are not background")
    background_least: float = Field(160, ge=0, le=255, description="Background is at least so bright (0 to 255),")
    background_most: float = Field(200, ge=0, le=255, description="however bright Otsu's threshold is.")
    background_close: float = _length(39, "Radius of closing")
    background_open: float = _length(19, "Radius of opening")
    background_near: float = _length(50, "Bright pixels so near are background, too")
    background_darker: float = Field(5, ge=0, le=255, description="They are darker than its mean by less (0 to 255).")
    background_gaps: float = _length(4, "Side of the square that closes gaps afterwards")
    background_rim: float = _length(2, "Radius of the last dilation")
    # nucleus
    nucleus_sigma: float = _length(4, "Smoothing of Canny's edges in the nucleus")
    nucleus_edges: float = _length(5, "Distance up to which edges are thickened")
    nucleus_area: float = _area(10_000, "Smaller pieces between edges are no nucleus")
    nucleus_overlap: float = _area(100, "A nucleus shares more with that of the slice beside it")
    nucleus_change: float = Field(
        0.25, ge=0, le=1, description="Of several such pieces, those of which less lies outside it (share)."
    )
    envelope_reach: float = _length(50, "Distance in which the darkest ring round the nucleus is looked for")
    envelope_darker: float = Field(15, ge=0, le=255, description="The nucleus is brighter than it by more (0 to 255).")
    grow_piece: float = _area(7, "Pieces that join the nucleus are larger")
    grow_stop: float = _area(150, "It grows no more when so little is left to join")
    grow_steps: int = Field(25, ge=0, le=1000, description="It grows by so many pixels at most.")
    nucleus_close: float = _length(5, "Radius of closing")
    nucleus_rim: float = _length(5, "Radius of the last dilation")
    # volumes
    across_sigma: float = _length(2, "Smoothing of Canny's edges across the slices")
    margin: float = _length(39, "Side of the square by which background is kept off the nucleus")
    margin_slices: float = _slices(23, "The same through slices")
    median_slices: float = _slices(13, "Slices of the median through a volume")
    axes_open: float = _length(11, "Radius of opening after three axes are joined")
    # cell
    cell_cap: float = Field(0.7, gt=0, le=1, description="Distance to the background is cut at this share of its most.")
    cell_axis: float = _length(5, "Without a nucleus, parts of a cell are wider")
    cell_centre: float = _length(30, "and no farther from the middle than the nearest, by so much")
    cell_touch: float = _length(51, "Side of the square that erodes the cell of the slice beside it")
    cell_share: float = Field(0.5, ge=0, le=1, description="A part that it touches takes less of it (share).")
    cell_gaps: float = _length(9, "Side of the square that closes gaps")
    cell_left_over: float = Field(
        0.35, ge=0, le=10, description="Left-over pieces join below this share of the nucleus."
    )
    cell_open: float = _length(9, "Radius of opening and closing")
    cell_margin: float = _length(9, "Side of the square by which background is kept off the cell in volumes")
    cell_margin_slices: float = _slices(3, "The same through slices")
    # classes
    envelope_out: float = _length(6, "The envelope reaches so far out of the nucleus")
    envelope_in: float = _length(2, "and so far into it")
    # many cells
    shrink: int = Field(4, ge=1, le=64, description="Many cells are looked for in every so many-th pixel.")
    salient: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The middle of a cell has more than this share of the greatest distance.",
    )
    blank: float = Field(1.2, ge=0, le=10, description="No other is looked for within this many times its distance.")
    every: float = _slices(20, "Cells are looked for in every so many-th slice")
    link: float = _length(300, "The middle of a cell moves less from one of them to the next")
    chain: float = _slices(150, "A cell is followed through so many slices at least")
    crop: float = _length(2000, "Side of the square round a cell")

    def scaled(self, spacing: Spacing) -> Self:
        """The same for an image with voxels of this size (um); without one, the image is taken for theirs."""
        if not spacing:
            return self
        plane = PLANE_UM / spacing[-1]
        through = SLICE_UM / spacing[0] if len(spacing) == 3 else 1.0
        factors = {1: plane, 2: plane**2, -1: through}
        changed: dict[str, float] = {}
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and "scales" in extra:
                changed[name] = getattr(self, name) * factors[int(str(extra["scales"]))]
        return self.model_copy(update=changed)

"""What the programs can be told."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from ..._types import Spacing
from ._program import OtherProgram


class Cellpose(OtherProgram):
    """Cellpose 3 (cyto3, nuclei, your own) or 4 (Cellpose-SAM), with its own package."""

    title: ClassVar[str] = "Cellpose"
    module: ClassVar[str] = "cellpose"
    distribution: ClassVar[str] = "cellpose"
    needs: ClassVar[str] = "cellpose"
    program: ClassVar[str] = "cellpose"
    kind: Literal["cellpose"] = "cellpose"
    min_size: int = Field(15, ge=0, le=1_000_000, description="Smaller objects are removed (voxels).")
    nuclei: int = Field(0, ge=0, le=1000, description="A channel of nuclei beside it, from 1; 0: none.")
    diameter: float = Field(
        0.0, ge=0, le=10_000, description="Of the objects (pixels); 0: Cellpose 3 estimates it, 4 needs none."
    )
    flow_threshold: float = Field(0.4, ge=0, le=10, description="Objects whose flows disagree by more are left out.")
    cellprob_threshold: float = Field(0.0, ge=-20, le=20, description="Lower finds more and larger objects.")
    volume: Literal["planes", "slices"] = Field(
        "planes", description="Volumes: flows of three planes averaged, or slices whose objects are joined."
    )
    join: float = Field(0.25, gt=0, le=1, description="Objects of neighbouring slices are one from this IoU on.")

    def request(self, spacing: Spacing) -> dict[str, Any]:
        """How much longer a step in Z is."""
        deep = spacing is not None and len(spacing) == 3
        return {"anisotropy": spacing[0] / spacing[-1] if spacing is not None and deep else 1.0}


class StarDist(OtherProgram):
    """StarDist 2D or 3D, with its own package."""

    title: ClassVar[str] = "StarDist"
    module: ClassVar[str] = "stardist"
    distribution: ClassVar[str] = "stardist"
    needs: ClassVar[str] = "stardist tensorflow"
    program: ClassVar[str] = "stardist"
    kind: Literal["stardist"] = "stardist"
    probability: float = Field(0.0, ge=0, lt=1, description="Objects are at least so probable; 0: the model's own.")
    overlap: float = Field(0.0, ge=0, lt=1, description="Objects may overlap so far; 0: the model's own.")
    join: float = Field(
        0.25, gt=0, le=1, description="2D models on volumes: objects of slices are one from this IoU on."
    )

    def request(self, spacing: Spacing) -> dict[str, Any]:
        """Nothing."""
        return {}


class InstanSeg(OtherProgram):
    """InstanSeg (fluorescence with any channels, or brightfield), with its own package."""

    title: ClassVar[str] = "InstanSeg"
    module: ClassVar[str] = "instanseg"
    distribution: ClassVar[str] = "instanseg-torch"
    needs: ClassVar[str] = "instanseg-torch"
    program: ClassVar[str] = "instanseg"
    kind: Literal["instanseg"] = "instanseg"
    finds: Literal["all_outputs", "nuclei", "cells"] = Field(
        "all_outputs", description="What is taken of what the model finds; all_outputs: the last of it (cells)."
    )
    join: float = Field(0.25, gt=0, le=1, description="Objects of neighbouring slices are one from this IoU on.")

    def request(self, spacing: Spacing) -> dict[str, Any]:
        """The size of pixels, which its models need."""
        return {"pixel_size": spacing[-1] if spacing is not None else None}


class MicroSam(OtherProgram):
    """micro-sam: Segment Anything for microscopy, all objects at once, with its own package."""

    title: ClassVar[str] = "micro-sam"
    module: ClassVar[str] = "micro_sam"
    distribution: ClassVar[str] = "micro-sam"
    needs: ClassVar[str] = "micro-sam"
    program: ClassVar[str] = "micro_sam"
    kind: Literal["micro_sam"] = "micro_sam"
    kind_of_model: str = Field("vit_b_lm", description="Which network a model file is of, or which is fetched.")

    def request(self, spacing: Spacing) -> dict[str, Any]:
        """Nothing."""
        return {}

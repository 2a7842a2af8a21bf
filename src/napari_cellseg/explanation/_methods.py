"""The methods: parameters and one call each; torch and zennit are imported when one is called."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..settings import Settings, members
from ._subject import Looking, Subject


class MethodBase(Settings):
    """What methods have in common."""

    source: ClassVar[str] = ""
    """Where it was published."""
    tile: int = Field(
        1024,
        ge=64,
        le=4096,
        description="Side of the part that is explained where the image is larger (pixels as the network sees them).",
    )

    @abstractmethod
    def __call__(self, subject: Subject) -> Looking:
        """Relevance of every pixel of what the network sees.

        Raises
        ------
        CellsegError
            When the method has no answer for this network.
        """


class GradCam(MethodBase):
    """Grad-CAM: feature maps of a layer, weighted by the mean gradient of the score; where they speak for it."""

    title: ClassVar[str] = "Grad-CAM"
    source: ClassVar[str] = "Selvaraju et al. 2017, equations 1 and 2; for segmentation: Vinogradova et al. 2020"
    kind: Literal["gradcam"] = "gradcam"
    layer: str = Field("", description="Name of a layer; empty: the last one before the 1 x 1 convolution.")

    def __call__(self, subject: Subject) -> Looking:
        """Max(0, sum over k of a_k A_k), a_k the spatial mean of the gradient of the score at feature map A_k."""
        from ._gradcam import gradcam

        yield 0, 1
        return gradcam(subject, self.layer)


class Lrp(MethodBase):
    """Layer-wise relevance propagation: the score is handed back, layer by layer, to the pixels it came from.

    Batch norms are merged into convolutions before. Rules: z^B at the image, gamma in the encoder, epsilon elsewhere.
    """

    title: ClassVar[str] = "LRP"
    source: ClassVar[str] = "Bach et al. 2015; rules: Montavon et al. 2019; computed by zennit (Anders et al. 2021)"
    kind: Literal["lrp"] = "lrp"
    tile: int = Field(
        768,
        ge=64,
        le=4096,
        description="Side of the part that is explained where the image is larger (pixels as the network sees them).",
    )
    epsilon: float = Field(
        1e-6, gt=0, le=1, description="Of the epsilon rule, as a share of the greatest activation of a layer."
    )
    gamma: float = Field(0.25, ge=0, le=10, description="How much more positive weights count in the encoder.")

    def __call__(self, subject: Subject) -> Looking:
        """Relevance, which adds up to the score where layers have no bias."""
        from ._lrp import propagate

        yield 0, 1
        return propagate(subject, self.epsilon, self.gamma)


class Occlusion(MethodBase):
    """Occlusion: how much the score drops when a window is filled with what is around it."""

    title: ClassVar[str] = "Occlusion"
    source: ClassVar[str] = "Zeiler & Fergus 2014"
    kind: Literal["occlusion"] = "occlusion"
    tile: int = Field(
        256,
        ge=64,
        le=4096,
        description="Side of the part that is explained where the image is larger (pixels as the network sees them).",
    )
    window: int = Field(16, ge=1, le=512, description="Side of the window (pixels as the network sees them).")
    stride: int = Field(8, ge=1, le=512, description="By how much the window moves; at most its side.")
    depth: int = Field(3, ge=1, le=64, description="Planes that a window covers in 3D networks.")

    def __call__(self, subject: Subject) -> Looking:
        """At every pixel the mean drop of the score over the windows that cover it."""
        from ._occlusion import occlude

        return (yield from occlude(subject, self.window, min(self.stride, self.window), self.depth))


Method = Annotated[GradCam | Lrp | Occlusion, Field(discriminator="kind")]
METHODS: tuple[type[MethodBase], ...] = members(Method)

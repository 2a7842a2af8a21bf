"""Steps that change every pixel for itself: normalisation, windows, gamma, inversion, channels."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from .._types import Float
from ._base import Needs, Pixels, Place, StepBase, Whole, per_channel, percentiles, to_8_bit, unit


class _Linear(StepBase):
    """(value - offset) * scale per channel, both from the whole image."""

    needs: ClassVar[Needs] = "image"

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """float32 of the same shape."""
        offset, scale = (np.asarray(v, np.float32).reshape(-1, 1, 1, 1) for v in known)
        return (np.asarray(pixels, np.float32) - offset) * scale


class PercentileNormalize(_Linear):
    """Map two percentiles of each channel's whole image to 0 and 1."""

    title: ClassVar[str] = "Normalise (percentiles)"
    kind: Literal["percentile"] = "percentile"
    low: float = Field(1.0, ge=0, le=49, description="This percentile becomes 0 (%).")
    high: float = Field(99.8, ge=51, le=100, description="This percentile becomes 1 (%).")
    clip: float = Field(2.0, ge=0, le=100, description="Values are cut off below 0 and above this; 0: none are.")

    def fit(self, whole: Whole) -> tuple[list[float], list[float]]:
        """Offset and scale per channel."""
        offsets, scales = [], []
        for values in per_channel(whole):
            low, high = percentiles(values, (self.low, self.high))
            if high <= low:  # nearly empty pictures: fall back on the full range
                low, high = float(values.min()), float(values.max())
            offsets.append(low)
            scales.append(1.0 / (high - low) if high > low else 0.0)
        return offsets, scales

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """float32 in [0, clip], or as far as they go."""
        scaled = super().apply(pixels, place, known)
        return np.asarray(np.clip(scaled, 0, self.clip)) if self.clip else scaled


class MinMaxNormalize(_Linear):
    """Map each channel's least and greatest value to 0 and 1."""

    title: ClassVar[str] = "Normalise (minimum, maximum)"
    kind: Literal["minmax"] = "minmax"

    def fit(self, whole: Whole) -> tuple[list[float], list[float]]:
        """Offset and scale per channel."""
        ranges = [(float(v.min()), float(v.max())) for v in per_channel(whole)]
        return [a for a, _ in ranges], [1.0 / (b - a) if b > a else 0.0 for a, b in ranges]


class ZScoreNormalize(_Linear):
    """Give each channel's whole image mean 0 and standard deviation 1."""

    title: ClassVar[str] = "Normalise (z-score)"
    kind: Literal["zscore"] = "zscore"

    def fit(self, whole: Whole) -> tuple[list[float], list[float]]:
        """Offset and scale per channel."""
        pairs = [(float(v.mean(dtype=np.float64)), float(v.std(dtype=np.float64))) for v in per_channel(whole)]
        return [m for m, _ in pairs], [1.0 / s if s > 0 else 0.0 for _, s in pairs]


class Window(StepBase):
    """Stretch a range of intensities to 8 bit, as a display window does; values outside are cut off.

    Where `high` is not above `low`, everything above `low` becomes 255.
    """

    title: ClassVar[str] = "Intensity window to 8 bit"
    kind: Literal["window"] = "window"
    low: float = Field(0.0, ge=-1e6, le=1e6, description="This intensity becomes 0 (in the image's own units).")
    high: float = Field(255.0, ge=-1e6, le=1e6, description="This intensity becomes 255 (in the image's own units).")

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """uint8 of the same shape."""
        return to_8_bit(pixels, self.low, self.high)


class EightBit(StepBase):
    """Turn into 8 bits: the least and the greatest value of each channel become 0 and 255.

    So do ImageJ and others when 16-bit pictures are opened and saved with 8. Later steps then count in 8-bit units.
    """

    title: ClassVar[str] = "16 to 8 bit"
    kind: Literal["eight_bit"] = "eight_bit"
    needs: ClassVar[Needs] = "image"

    def fit(self, whole: Whole) -> list[tuple[float, float]] | None:
        """Least and greatest value per channel; None for uint8."""
        if whole.read((slice(0, 1),) * 3).dtype == np.uint8:
            return None
        return [(float(v.min()), float(v.max())) for v in per_channel(whole)]

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """uint8 of the same shape; uint8 as it is."""
        if known is None:
            return pixels
        return np.stack([to_8_bit(channel, *ends) for channel, ends in zip(pixels, known, strict=True)])


class Cutoff(StepBase):
    """Set the background, everything below a value, to 0."""

    title: ClassVar[str] = "Background cut-off"
    kind: Literal["cutoff"] = "cutoff"
    threshold: float = Field(
        7.0, ge=0, le=1e6, description="Values below become 0 (in the units that arrive; 0 to 255 for 8-bit images)."
    )

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """The same dtype and shape."""
        return np.asarray(np.where(pixels < self.threshold, pixels.dtype.type(0), pixels))


class Gamma(StepBase):
    """Raise intensities to a power: below 1 dim structures get brighter, above 1 darker."""

    title: ClassVar[str] = "Gamma"
    kind: Literal["gamma"] = "gamma"
    gamma: float = Field(0.7, ge=0.05, le=10, description="The exponent, applied to intensities between 0 and 1.")

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """uint8 and uint16 keep their dtype and range; float32 below 0 becomes 0."""
        if pixels.dtype.kind != "u":
            return np.asarray(np.power(np.clip(pixels, 0, None), np.float32(self.gamma)), np.float32)
        top = np.iinfo(pixels.dtype).max
        table = np.rint(top * (np.arange(top + 1) / top) ** self.gamma).astype(pixels.dtype)
        return np.asarray(table[pixels])


class Invert(StepBase):
    """Exchange bright and dark, for dark cells on a bright ground."""

    title: ClassVar[str] = "Invert"
    kind: Literal["invert"] = "invert"
    needs: ClassVar[Needs] = "image"

    def fit(self, whole: Whole) -> list[float]:
        """Least + greatest value per channel."""
        return [float(v.min()) + float(v.max()) for v in per_channel(whole)]

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """Least and greatest value of each channel's whole image change places; the dtype stays."""
        total = np.asarray(known, np.float32).reshape(-1, 1, 1, 1)
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else np.inf
        least = 0 if pixels.dtype.kind == "u" else -np.inf
        return np.asarray(np.clip(total - pixels, least, top), pixels.dtype)


class ChannelPick(StepBase):
    """Go on with one channel only."""

    title: ClassVar[str] = "Pick a channel"
    kind: Literal["channel"] = "channel"
    channel: int = Field(1, ge=1, le=64, description="Number of the channel, counted from 1.")

    def channels(self, n: int) -> int:
        """One."""
        return 1

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """(1, Z, Y, X); the last channel where there are fewer."""
        index = min(self.channel, len(pixels)) - 1
        return pixels[index : index + 1]


class ChannelMix(StepBase):
    """Average the channels with weights into one."""

    title: ClassVar[str] = "Mix channels"
    kind: Literal["mix"] = "mix"
    first: float = Field(1.0, ge=-10, le=10, description="Weight of channel 1.")
    second: float = Field(1.0, ge=-10, le=10, description="Weight of channel 2.")
    third: float = Field(1.0, ge=-10, le=10, description="Weight of channel 3.")
    fourth: float = Field(0.0, ge=-10, le=10, description="Weight of channel 4.")

    def channels(self, n: int) -> int:
        """One."""
        return 1

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """(1, Z, Y, X) float32: weighted sum over the sum of the weights' sizes."""
        weights = np.asarray([self.first, self.second, self.third, self.fourth][: len(pixels)], np.float32)
        mixed: Float = np.tensordot(weights, unit(pixels[:4]), 1) / np.float32(max(np.abs(weights).sum(), 1e-6))
        return mixed[None]


class Grey(StepBase):
    """Make one channel of any number, so that one network serves pictures of every kind.

    Colour pictures (three channels of 8 bits) become the mean of their channels. Of others, whose channels show
    different things, the one with the most contrast is taken: the largest distance between its 1st and its 99.8th
    percentile, in units of its full range.
    """

    title: ClassVar[str] = "One grey channel"
    kind: Literal["grey"] = "grey"
    how: Literal["auto", "mean", "contrast"] = Field(
        "auto", description="Mean of the channels, the one with the most contrast, or what suits the picture."
    )
    needs: ClassVar[Needs] = "image"

    def channels(self, n: int) -> int:
        """One."""
        return 1

    def fit(self, whole: Whole) -> int:
        """The channel to take; -1 stands for their mean."""
        values = per_channel(whole)
        colour = len(values) == 3 and values[0].dtype == np.uint8
        if len(values) == 1 or self.how == "mean" or (self.how == "auto" and colour):
            return -1
        ranges = [np.diff(percentiles(np.asarray(unit(v)), (1.0, 99.8)))[0] for v in values]
        return int(np.argmax(ranges))

    def apply(self, pixels: Pixels, place: Place, known: Any) -> Pixels:
        """(1, Z, Y, X): one of the channels as it is, or their mean as float32."""
        if len(pixels) == 1:
            return pixels
        return pixels[known : known + 1] if known >= 0 else unit(pixels).mean(0, dtype=np.float32, keepdims=True)

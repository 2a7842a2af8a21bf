"""The image layers of one picture: one for each channel that is a signal of its own, in its colour. No Qt.

Data flow: picture -> `prepare`, in any thread -> `Channels` -> image layers, which add up to one coloured picture, or
of which one is seen alone, in grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image

from ... import images
from ...project import ImageRecord
from .overlays import geometry

IN_MEMORY = 500_000_000
"""Pictures of fewer bytes are read as a whole."""
COLOURS = {2: ("magenta", "green"), 6: ("cyan", "yellow", "magenta", "red", "green", "blue")}
"""Of channels, where there are at most so many: those that napari gives to stacks of channels."""
TRANSMITTED = 0.3
"""Where the median lies so high between the contrast limits, light went through the sample: shown in grey."""
GREY = "gray"
LIGHT = 0.5
"""Opacity of transmitted light among others, which could not be told from it otherwise."""
WIDEST = 8192
"""Pixels along a side of a picture in memory that is drawn as one: quicker than a pyramid, but graphics cards have a
largest picture (8192 or 16,384), above which napari would draw it coarsely. Volumes are whole in 3D only so."""
QUICK = 1 << 22
"""Pixels of a plane in which contrast limits are looked for, where a picture has a pyramid."""
ALL = -1
"""Instead of the number of a channel: all of them, in colour."""


@dataclass(frozen=True)
class Prepared:
    """What is shown of a picture.

    Attributes
    ----------
    pixels
        Array-like (C, Z, Y, X) or (C, Y, X).
    coarser
        The same with fewer pixels, finer ones first, where the picture is shown as a pyramid.
    limits
        Contrast limits of every channel.
    names
        Of the channels.
    colours
        Names of napari's colormaps, where all channels can be seen together; () where they cannot.
    """

    pixels: Any
    limits: tuple[tuple[float, float], ...]
    names: tuple[str, ...]
    colours: tuple[str, ...] = ()
    coarser: tuple[Any, ...] = ()

    def of(self, channel: int) -> Any:
        """What a layer shows of a channel: its pixels, or the levels of its pyramid."""
        return _shown([level[channel] for level in (self.pixels, *self.coarser)])

    def coloured(self) -> Any:
        """What a layer shows of a picture whose channels are red, green and blue."""
        return _shown([np.moveaxis(level, 0, -1) for level in (self.pixels, *self.coarser)])


def prepare(picture: images.Image, in_memory: int = IN_MEMORY) -> Prepared:
    """The first time point, in memory where it has fewer bytes, else read where it is looked at; it may take its time.

    Raises
    ------
    CellsegError
        When it cannot be read.
    """
    pixels: Any
    pixels, *coarser = picture.pyramid()
    if pixels.nbytes < in_memory:
        pixels = picture.load()
        wide = max(pixels.shape[-2:]) > WIDEST and pixels.ndim == 3
        coarser = [level.persist() for level in coarser] if wide else []
    given = [*picture.channels, *[""] * picture.n_channels][: picture.n_channels]
    names = tuple(name.strip() or f"channel {n + 1}" for n, name in enumerate(given))
    with images.reading(f"The pixels of {picture.source.name if picture.source else 'this image'}"):
        seen = [] if picture.rgb else [_range(channel) for channel in _quick([pixels, *coarser])]
    limits = tuple((low, high) for low, _, high in seen)
    grey = [(middle - low) / (high - low) > TRANSMITTED for low, middle, high in seen]
    return Prepared(pixels, limits, names, _colours(names, grey), tuple(coarser))


class Channels:
    """Makes the image layers and says which of them are seen; what a person has set of a layer stays."""

    def __init__(self, record: ImageRecord, prepared: Prepared) -> None:
        self.rgb, self._prepared = record.in_colour, prepared
        self.together = bool(prepared.colours) and not self.rgb
        """Whether all channels can be seen together."""
        common = {"visible": False, **geometry(record)}
        if self.rgb:
            self.layers = (_image(prepared.coloured(), rgb=True, name=record.id, **common),)
        elif self.together:
            self.layers = tuple(
                _image(
                    prepared.of(n), name=f"{record.id} [{prepared.names[n]}]", colormap=prepared.colours[n],
                    contrast_limits=prepared.limits[n], blending="additive" if n else "translucent_no_depth", **common,
                )
                for n in range(len(prepared.colours))
            )  # fmt: skip
        else:
            limits = prepared.limits[0]
            self.layers = (_image(prepared.of(0), name=record.id, contrast_limits=limits, **common),)
        self.channel = ALL if self.together else 0
        for layer, colour in zip(self.layers, prepared.colours, strict=False):
            layer.opacity = LIGHT if colour == GREY and self.together else 1.0
        self._looks = self._look()

    def show(self, channel: int) -> int:
        """Let one channel be seen alone, in grey, or `ALL` in colour, where there are few; returns what is seen."""
        if self.rgb or (channel == ALL and not self.together):
            return self.channel
        before, self.channel = self.channel, channel
        if not self.together:
            (layer,) = self.layers
            layer.data = self._prepared.of(channel)
            layer.contrast_limits = self._prepared.limits[channel]
            return channel
        if before == ALL:
            self._looks = self._look()
        for n, layer in enumerate(self.layers):
            layer.visible = channel in (ALL, n)
            layer.colormap, layer.opacity = self._looks[n] if channel == ALL else (GREY, 1.0)
        return channel

    def _look(self) -> list[tuple[Any, float]]:
        return [(layer.colormap, layer.opacity) for layer in self.layers]

    def appear(self) -> None:
        """Let the layers be seen."""
        for n, layer in enumerate(self.layers):
            layer.visible = not self.together or self.channel in (ALL, n)


def _image(data: Any, **how: Any) -> Image:
    return Image(data, multiscale=isinstance(data, list), **how)


def _shown(levels: list[Any]) -> Any:
    return levels if len(levels) > 1 else levels[0]


def _quick(levels: list[Any]) -> Any:
    """The finest level of which a plane is read in no time, to look for contrast limits in; the pixels themselves."""
    quick = (x for x in levels if x.shape[-1] * x.shape[-2] <= QUICK)
    return levels[0] if len(levels) == 1 else next(quick, levels[-1])


def _colours(names: tuple[str, ...], grey: list[bool]) -> tuple[str, ...]:
    """One for each channel: grey for transmitted light, the one that it is named after, else the next of a table."""
    signals = grey.count(False)
    table = next((c for most, c in COLOURS.items() if signals <= most), ())
    if len(grey) < 2 or not table:
        return ()
    free = iter([c for c in table if c not in map(str.lower, names)] + list(table))
    named = [name.lower() if name.lower() in COLOURS[6] else "" for name in names]
    return tuple(GREY if light else own or next(free) for light, own in zip(grey, named, strict=True))


def _range(pixels: Any) -> tuple[float, float, float]:
    """Contrast limits that show dim cells, and the median between them: percentiles of the middle plane."""
    plane = np.nan_to_num(np.asarray(pixels[len(pixels) // 2] if pixels.ndim == 3 else pixels)[::2, ::2])
    low, middle, high = np.percentile(plane, (0.5, 50, 99.8))
    return float(low), float(middle), float(max(high, low + 1e-6))

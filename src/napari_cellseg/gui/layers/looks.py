"""How layers look and where the person is, carried from one frame of a time series to the next. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .image_layers import ImageLayers

_IMAGE = ("contrast_limits_range", "contrast_limits", "gamma", "colormap", "opacity", "interpolation2d")
_LABELS = ("opacity", "contour", "brush_size", "n_edit_dimensions", "contiguous", "show_selected_label")


@dataclass(frozen=True)
class Look:
    """Contrast, colours, opacity and visibility of an image's layers, and the channel that is shown."""

    channels: tuple[dict[str, Any], ...]
    channel: int
    labels: dict[str, Any]
    visible: dict[str, bool]


def look_of(family: ImageLayers) -> Look:
    """How the layers of an image look now."""
    return Look(
        tuple({name: getattr(layer, name) for name in _IMAGE} for layer in family.channels.layers),
        family.channels.channel,
        {name: getattr(family.labels, name) for name in _LABELS},
        {name: layer.visible for name, layer in _named(family).items()},
    )


def give(look: Look, family: ImageLayers) -> None:
    """Let the layers of another frame look so."""
    if len(look.channels) == len(family.channels.layers):
        family.channels.show(look.channel)
        for layer, values in zip(family.channels.layers, look.channels, strict=True):
            if layer.rgb:
                values = {k: v for k, v in values.items() if k in ("opacity", "gamma", "interpolation2d")}
            _set(layer, values)
    _set(family.labels, {k: v for k, v in look.labels.items() if k != "opacity" or not family.dimmed})
    for name, layer in _named(family).items():
        if name in look.visible:
            layer.visible = look.visible[name]


def _named(family: ImageLayers) -> dict[str, Any]:
    channels = {f"channel {n}": layer for n, layer in enumerate(family.channels.layers)}
    return {**channels, "labels": family.labels, "state": family.state}


def _set(layer: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(layer, name, value)

"""Objects of any labels layer: outlined, brought into view, coloured by a value, found under a click. No Qt.

Nothing here changes a label or how its layer looks: colours are a layer of their own, one byte a pixel. With a colormap
of a colour for every object napari would look up each pixel in the main thread (8192 x 8192, 65,536 objects: 5.4 s).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Vectors
from napari.utils.colormaps import CyclicLabelColormap, ensure_colormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from skimage.measure import find_contours

from ..._types import Box
from . import _napari
from .overlays import OURS, keep_active

COLOURS = "viridis"
LEVELS = 64
"""So many colours: more cannot be told apart."""
UNKNOWN = LEVELS + 1
"""The level of objects without a value, and of those that came after the measurement: grey."""
GREY = (0.55, 0.55, 0.55, 1.0)
SMALLEST = 24.0
"""Objects that would take fewer screen pixels than this are zoomed to."""
QUIET = ("pan_zoom", "pick")
"""Modes in which a click paints nothing."""


class ObjectView:
    """Shows objects of one labels layer at a time.

    Parameters
    ----------
    clicked
        Called with the label under a click, whatever layer is active, while one is watched.
    """

    def __init__(self, viewer: ViewerModel, clicked: Callable[[int], None]) -> None:
        self.viewer, self._clicked = viewer, clicked
        self.layer: Labels | None = None
        self._colours: Labels | None = None
        self._levels: Levels | None = None
        self._regions: Any = None
        self._line: Vectors | None = None

    def watch(self, layer: Labels, regions: Any = None) -> None:
        """Follow clicks on a layer, and on no other; `regions` are the objects where its labels are classes."""
        if layer is not self.layer:
            self.leave()
            self.layer = layer
            self.viewer.mouse_drag_callbacks.append(self._pressed)
        self._regions = regions

    @property
    def pixels(self) -> Any:
        """The objects that rows of a table are of, as labels."""
        if self._regions is not None or self.layer is None:
            return self._regions
        return finest(self.layer)

    def leave(self) -> None:
        """Give the layer back as it was."""
        self.colour(None)
        if self._line is not None and self._line in self.viewer.layers:
            self.viewer.layers.remove(self._line)
        self._line = None
        if self._pressed in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._pressed)
        self.layer = None

    def colour(self, levels: Levels | None, pixels: NDArray[np.uint8] | None = None) -> None:
        """Show what `Levels.of` made of all labels over them; None takes it away."""
        if self._colours is not None and self._colours in self.viewer.layers:
            self.viewer.layers.remove(self._colours)
        self._colours, self._levels = None, levels
        if levels is None or pixels is None or self.layer is None:
            return
        colours, name = _colormap(levels.palette), f"{self._name} [{levels.name}]"
        self._colours = Labels(pixels, name=name, colormap=colours, opacity=1.0, **self._place())
        self._colours.editable = False
        layers = self.viewer.layers
        with keep_active(self.viewer):
            layers.insert(layers.index(self.layer) + 1 if self.layer in layers else len(layers), self._colours)

    def recolour(self, levels: Levels, pixels: NDArray[np.uint8]) -> None:
        """Show other levels of the same name in the layer that is there; make one where there is none."""
        same = self._levels is not None and self._levels.name == levels.name
        if not same or self._colours is None or self._colours not in self.viewer.layers:
            self.colour(levels, pixels)
            return
        self._levels = levels
        self._colours.data = pixels

    def edited(self, box: Box) -> None:
        """Labels inside a box have changed."""
        if self._colours is not None and self._levels is not None and self._regions is None:
            self._colours.data[box] = self._levels.of(self.pixels[box])
            _napari.repaint(self._colours, box)

    def outline(self, label: int, box: Box) -> None:
        """Draw a line round an object in the slice that is shown; 0 takes it away."""
        if self.layer is None or not label:
            if self._line is not None:
                self._line.data = np.zeros((0, 2, self._line.ndim))
            return
        across = across_of(self.viewer, len(box))
        lines = vectors(rings(self.pixels, label, box, self._plane(len(box), across), across), len(box))
        if self._line is None or self._line not in self.viewer.layers:
            name = f"{self._name} [object]"
            self._line = Vectors(
                lines, ndim=len(box), name=name, edge_color="#ffffff", vector_style="line", **self._place()
            )  # fmt: skip
            with keep_active(self.viewer):
                self.viewer.layers.append(self._line)
        self._line.edge_width = line_width(self.viewer, float(self.layer.scale[-1]))
        self._line.data = lines

    def look_at(self, box: Box) -> None:
        """Put the middle of an object into the middle of the view; zoom only where it would be too small to see."""
        if self.layer is None:
            return
        go_to_middle(self.viewer, self.layer, box)
        camera = _napari.camera(self.viewer)
        longest = max((s.stop - s.start) * c for s, c in zip(box, self.layer.scale[-len(box) :], strict=True))
        if longest * camera.zoom < SMALLEST:
            camera.zoom = 4 * SMALLEST / longest

    def _plane(self, ndim: int, across: int) -> int | None:
        """The slice of a volume that is shown; None of a plane."""
        assert self.layer is not None
        if ndim == 2:
            return None
        place = self.layer.world_to_data(self.viewer.dims.point)[-ndim:]
        return int(np.clip(round(float(place[across])), 0, self.pixels.shape[across] - 1))

    @property
    def _name(self) -> str:
        return self.layer.name.removesuffix(" [labels]") if self.layer is not None else ""

    def _place(self) -> dict[str, Any]:
        """Where the layer lies, and that what is made here is ours."""
        assert self.layer is not None
        common = {name: getattr(self.layer, name) for name in ("scale", "translate", "units", "axis_labels")}
        return {**common, "metadata": {OURS: self._name}}

    def _pressed(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        """A click that paints nothing and moves nothing."""
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        active = self.viewer.layers.selection.active
        if not dragged and self.layer is not None and str(getattr(active, "mode", QUIET[0])) in QUIET:
            self._clicked(self._label_at(event) if self._regions is None else self._region_at(event))

    def _label_at(self, event: Any) -> int:
        assert self.layer is not None
        found = self.layer.get_value(
            event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
        )
        found = found[-1] if isinstance(found, tuple) else found  # of a pyramid, its level and the label
        return int(found or 0)

    def _region_at(self, event: Any) -> int:
        """In a plane; in a view of a volume nobody can tell which region is seen."""
        assert self.layer is not None
        place = tuple(round(float(v)) for v in self.layer.world_to_data(event.position))
        inside = all(0 <= p < n for p, n in zip(place, self._regions.shape, strict=True))
        return int(self._regions[place]) if inside and len(event.dims_displayed) == 2 else 0


@dataclass(frozen=True, eq=False)
class Levels:
    """Which colour objects have.

    Attributes
    ----------
    name
        Of the values.
    labels, levels
        (N,) each, labels rising; levels are 1 to `LEVELS`, or `UNKNOWN`.
    """

    name: str
    labels: NDArray[np.int64]
    levels: NDArray[np.uint8]
    palette: tuple[str, ...] = ()
    """Colours of the levels 1, 2, ... where they are kinds, not values."""

    @classmethod
    def by(cls, name: str, labels: NDArray[np.int64], values: NDArray[Any], span: tuple[float, float]) -> Levels:
        """Levels by a value; `span` has the values of the first and the last colour."""
        numbers = np.asarray(values, np.float64)
        share = (np.nan_to_num(numbers) - span[0]) / ((span[1] - span[0]) or 1.0)
        level = 1 + np.clip(share * LEVELS, 0, LEVELS - 1).astype(np.uint8)
        return cls(name, labels, np.where(np.isfinite(numbers), level, UNKNOWN).astype(np.uint8))

    def of(self, labels: Any) -> NDArray[np.uint8]:
        """The level of every pixel, 0 of background; may be asked for in any thread."""
        from ...kernels.levels import levels

        return levels(labels, self.labels, self.levels, UNKNOWN)


def level_colours(palette: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Of the levels 0 to `UNKNOWN`, (N, 4); of kinds, those of the palette come first."""
    colours = ensure_colormap(COLOURS).map(np.linspace(0, 1, LEVELS))
    if palette:
        colours[: len(palette)] = [transform_color(c)[0] for c in palette]
    return np.concatenate([np.zeros((1, 4)), colours, [GREY]])


def _colormap(palette: tuple[str, ...] = ()) -> CyclicLabelColormap:
    return CyclicLabelColormap(colors=level_colours(palette))


def finest(layer: Any) -> Any:
    """The pixels of a layer; of a pyramid, its finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def rings(labels: Any, id: int, box: Box, plane: int | None, across: int = 0) -> list[NDArray[Any]]:
    """Lines round an object in one plane, (N, ndim) each; none where it is not there.

    Parameters
    ----------
    box
        Of the object.
    plane, across
        Slice of a volume, and the axis along which slices follow each other; None of a plane.
    """
    rows, columns = (s for axis, s in enumerate(box) if plane is None or axis != across)
    inside: list[Any] = [rows, columns]
    if plane is not None:
        inside.insert(across, plane)
    mask = np.pad(np.asarray(labels[tuple(inside)]) == id, 1)
    found = [ring - 1 + (rows.start, columns.start) for ring in find_contours(mask, 0.5)]
    return found if plane is None else [np.insert(ring, across, plane, axis=1) for ring in found]


def vectors(lines: list[NDArray[Any]], ndim: int) -> NDArray[Any]:
    """Lines as a vectors layer takes them, (N, 2, ndim)."""
    nothing = np.zeros((0, 2, ndim))
    return np.concatenate([nothing, *(np.stack([p[:-1], np.diff(p, axis=0)], axis=1) for p in lines)])


def line_width(viewer: ViewerModel, pixel: float = 1.0) -> float:
    """Width of a line that can be seen at this zoom, in pixels of a layer."""
    return max(0.4, 1.5 / max(float(_napari.camera(viewer).zoom) * pixel, 0.1))


def across_of(viewer: ViewerModel, ndim: int) -> int:
    """The axis along which slices of a volume follow each other in a view of planes; 0 in 2D."""
    extra = viewer.dims.ndim - ndim  # another layer may have more axes
    own = [axis - extra for axis in viewer.dims.order if axis >= extra]
    return int(own[0]) if ndim == 3 else 0


def go_to_middle(viewer: ViewerModel, layer: Any, box: Box) -> None:
    """Show the middle slice of a box, its middle in the middle of the view."""
    middle = [(s.start + s.stop - 1) / 2 for s in box]
    extra = viewer.dims.ndim - len(box)
    if len(box) == 3:
        across = across_of(viewer, 3)
        middle[across] = round(middle[across])
        viewer.dims.set_point(extra + across, float(layer.data_to_world(middle)[across]))
    world = layer.data_to_world(middle)
    shown = [axis - extra for axis in viewer.dims.displayed if axis >= extra]
    _napari.camera(viewer).center = tuple(float(world[axis]) for axis in shown)

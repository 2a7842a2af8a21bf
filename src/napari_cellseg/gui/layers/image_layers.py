"""The napari layers of one image: a view of the label store, updated in place. No Qt.

Data flow: person -> `events.paint` -> `stroke` -> controller; controller -> arrays -> `repaint` of a box. Only
layers made here are ever touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Vectors
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray

from ...boxes import relative
from ...edits import Turn
from ...project import ImageRecord, LabelStore, is_mapped, known_mask, parts, zeros_like
from . import _napari
from .channels import Channels, Prepared
from .objects import line_width, rings, vectors
from .overlays import Overlays, geometry, keep_active
from .plane import SeenPlane

MARGIN = 3
"""Value of the state overlay where only a margin is vouched for."""
OUTLINE, INSIDE = 4, 7
"""What outlines and the insides of predicted, corrected and approved objects add to the state."""
THICKEST = 4
"""Outlines are drawn so wide (pixels of the image) at most, where the view is far away."""
MOST_TO_DRAW_AGAIN = 1 << 26
"""Of larger images (voxels) outlines keep the width that they have."""
_BACKGROUND = ("transparent", "#3b8ee02e", "#35b7792e", "#9ecae12e")
"""Nothing, corrected and approved background, and what a correction vouches for."""
_OUTLINES = ("#ffffff80", "#3b8ee0", "#35b779")
STATE_COLOURS = (*_BACKGROUND, *_OUTLINES, "transparent", "#3b8ee02e", "#35b7792e")
"""Of the values 0 to 9; a cyclic colormap, since napari compiles seconds of code for a direct one."""
BY_STATE = (*_BACKGROUND, "#ffffff", "#3b8ee0", "#35b779", "#d5d9dfb0", "#3b8ee0b0", "#35b779b0")
"""The same where objects are coloured by their state."""
DIMMED = 0.25
"""Opacity of labels then, and where outlines lie over them: a stroke must be seen while it is drawn."""

Paint = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], None]


class ImageLayers(SeenPlane):
    """Image (or channels), preview, labels, state and tool layers of one image.

    Parameters
    ----------
    prepared
        What is shown of the picture.
    on_paint
        Called after every edit of a person with flat positions, old and new labels.
    undo, redo
        Called by napari's keys instead of its own history.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        record: ImageRecord,
        prepared: Prepared,
        store: LabelStore,
        margin: int,
        on_paint: Paint,
        undo: Callable[[], None],
        redo: Callable[[], None],
    ) -> None:
        self.viewer, self.record, self.store, self.margin = viewer, record, store, margin
        self.shape = record.shape
        self._on_paint = on_paint
        self._pixels: Any = prepared.pixels
        common = geometry(record)
        self.overlay, self.thickness = zeros_like(store.labels, np.uint8), 1
        self.large = is_mapped(store.labels)
        self._shown_in_slices = (True, True)
        self._drawn: set[tuple[int, int]] = set()  # planes of a large image whose overlay is there: axis across, index
        self.drawn_across = 0
        self._dimmed: set[str] = set()
        self._opacity = 0.0  # of labels that are not dimmed
        self.channels = Channels(record, prepared)
        self.state = Labels(
            self.overlay,
            name=f"{record.id} [state]",
            colormap=_colours(STATE_COLOURS, flat=True),
            opacity=0.9,
            visible=False,
            **common,
        )
        self.state.editable = False
        self.labels = Labels(store.labels, name=f"{record.id} [labels]", opacity=0.6, visible=False, **common)
        self.labels.contour = 0
        self.labels.editable = False  # until the image is open
        _napari.without_tools(self.state)
        self.line = _line_layer(record, common)
        self.overlays = Overlays(viewer, record, self.channels.layers[-1], self.labels)
        self._connect(undo, redo)

    def _connect(self, undo: Callable[[], None], redo: Callable[[], None]) -> None:
        for layer in (self.labels, self.state):  # the key of undo means the same on both
            _napari.own_history(layer, undo, redo)
        self.labels.events.paint.connect(self._painted, position="first")
        self.viewer.layers.selection.events.active.connect(self._settle)
        self.viewer.layers.events.removing.connect(self._settle)
        if self.large:
            self.viewer.dims.events.ndisplay.connect(self._hide_in_volume, position="first")

    def come(self) -> Iterator[None]:
        """Put the layers into the viewer: hidden, one in each step but the first; the last one shows them together."""
        self.line.visible = False
        tools = _napari.without_tools(self.labels)
        for layer in self._members:
            yield
            with keep_active(self.viewer):
                self.viewer.layers.append(layer)
        for tool in tools:
            yield
            tool.visible = True
        yield
        self.viewer.layers.selection.active = self.labels
        if not self.large:
            yield
            self._compute_overlay(tuple(slice(0, n) for n in self.record.shape))
        yield
        self.channels.appear()
        self.labels.visible = self.state.visible = True

    # --- showing --------------------------------------------------------------------------------

    def repaint(self, box: tuple[slice, ...]) -> None:
        """Show labels and state again inside a box."""
        if all(s.stop > s.start for s in box):
            _napari.repaint(self.labels, box)
            self.show_state(box)

    def show_state(self, box: tuple[slice, ...]) -> None:
        """Recompute the overlay of a box and of the margin around it, and show it."""
        _napari.repaint(self.state, self._compute_overlay(box))

    def _compute_overlay(self, box: tuple[slice, ...]) -> tuple[slice, ...]:
        """Recompute the overlay of a box; returns what may have changed, the margin around it included."""
        reach = max(self.margin + 1, self.thickness)
        inner, outer = self._grown(box, reach), self._grown(box, reach + max(self.margin, self.thickness))
        labels, state = self.store.labels[outer], self.store.state[outer]
        near = None
        if state.any():
            near = known_mask(labels, state, self.margin, instances=False)
        self.overlay[inner] = self._outlines(labels, state, near, *self.outlines)[relative(inner, outer)]
        return inner

    def _outlines(
        self, labels: NDArray[Any], state: NDArray[Any], near: NDArray[Any] | None, thickness: int, across: int
    ) -> NDArray[np.uint8]:
        """The overlay of a part of the image, with outlines in the planes that an axis stands across."""
        from ...kernels.outline import overlay

        turn = Turn(labels.ndim, across)
        shown = np.empty(turn.there(labels.shape), np.uint8)
        planes = (-1, *shown.shape[-2:])

        def lying(values: NDArray[Any]) -> NDArray[Any]:
            return np.ascontiguousarray(turn.array(values)).reshape(planes)

        overlay(
            lying(labels), lying(state), None if near is None else lying(near), (MARGIN, OUTLINE, INSIDE),
            shown.reshape(planes), thickness,
        )  # fmt: skip
        return turn.array_back(shown)

    @property
    def undrawn(self) -> tuple[int, int] | None:
        """The plane in view, of a large image, whose overlay is not there yet: the axis across it, its index."""
        if not self.large or not self.in_slices:
            return None
        plane = (self.across, self.slice_box()[self.across].start) if len(self.shape) == 3 else (0, 0)
        return None if plane in self._drawn else plane

    def draw_plane(self, plane: tuple[int, int]) -> None:
        """Compute the overlay of a plane where something is in it; it may be done in another thread."""
        across, at = plane
        for box in parts(self.store.labels, self.store.state):
            if len(box) == 3:
                if not box[across].start <= at < box[across].stop:
                    continue
                box = (*box[:across], slice(at, at + 1), *box[across + 1 :])
            self._compute_overlay(box)

    def take_plane(self, plane: tuple[int, int]) -> None:
        """Show the overlay of a plane."""
        self._drawn.add(plane)
        self.state.refresh()

    def _hide_in_volume(self, event: Any = None) -> None:
        """A volume whose labels do not fit into memory cannot be drawn as a whole: napari would read all of them."""
        pair = (self.labels, self.state)
        if self.viewer.dims.ndisplay == 2:
            for layer, shown in zip(pair, self._shown_in_slices, strict=True):
                layer.visible = shown
            return
        self._shown_in_slices = (self.labels.visible, self.state.visible)
        for layer in pair:
            layer.visible = False

    def colour_by_state(self, on: bool) -> None:
        """Let objects have the colours of their state instead of their own, or not."""
        self.state.colormap = _colours(BY_STATE if on else STATE_COLOURS, flat=self.in_slices)
        self.dim("by state", on=on)

    def dim(self, why: str, *, on: bool) -> None:
        """Let labels step back while something else is looked at; as they were when nothing is any more."""
        before = bool(self._dimmed)
        (self._dimmed.add if on else self._dimmed.discard)(why)
        if bool(self._dimmed) == before:
            return
        if on:
            self._opacity, self.labels.opacity = self.labels.opacity, DIMMED
        else:
            self.labels.opacity = self._opacity

    @property
    def dimmed(self) -> bool:
        """Whether labels step back at the moment."""
        return bool(self._dimmed)

    @property
    def outlines(self) -> tuple[int, int]:
        """How outlines are drawn: their width (pixels), and the axis that stands across their planes."""
        return self.thickness, self.drawn_across

    @property
    def fitting(self) -> tuple[int, int]:
        """How they should be: as wide as a pixel of the screen at least, else a view from far has none."""
        if not self.in_slices or self.overlay.size > MOST_TO_DRAW_AGAIN:
            return self.outlines
        pixel = min(abs(self.labels.scale[axis]) for axis in self.turn.order[-2:])
        zoom = _napari.camera(self.viewer).zoom * pixel
        return int(np.clip(round(1 / max(zoom, 1e-6)), 1, THICKEST)), self.across

    def outlined(self, how: tuple[int, int]) -> NDArray[np.uint8]:
        """The overlay with outlines drawn otherwise; it may be made in another thread."""
        return self._outlines(self.store.labels, self.store.state, self.overlay == MARGIN, *how)

    def take_outlines(self, overlay: NDArray[np.uint8], how: tuple[int, int]) -> None:
        """Show what `outlined` gave; boxes that change have such outlines from now on."""
        self.overlay[...] = overlay
        self.thickness, self.drawn_across = how
        self.state.refresh()

    def set_margin(self, margin: int) -> None:
        """Show another margin of what a correction vouches for (pixels)."""
        if self.margin != margin:
            self.margin = margin
            if self.large:
                self._drawn.clear()
                return
            self.show_state(tuple(slice(0, n) for n in self.record.shape))

    def source(self) -> Any:
        """The image's pixels as array-like (C, Z, Y, X) or (C, Y, X)."""
        return self._pixels

    def show_line(self, points: NDArray[Any] | None) -> None:
        """Draw the line of a tool, (N, ndim) in data coordinates; None clears it."""
        self._draw([points] if points is not None else [])

    def outline(self, id: int) -> None:
        """Draw a line around an object, as it is in the visible slice; nothing where it is not there."""
        box = self.store.objects.box(self.store.labels, id)
        plane = self.slice_box()[self.across].start if len(box) == 3 else None
        self._draw(rings(self.store.labels, id, box, plane, self.across))

    def id_at(self, point: tuple[int, ...]) -> int:
        """The label at a voxel, 0 for background and outside."""
        inside = all(0 <= p < n for p, n in zip(point, self.record.shape, strict=True))
        return int(self.store.labels[point]) if inside else 0

    def _draw(self, lines: list[NDArray[Any]]) -> None:
        """Let the line layer show lines, (N, ndim) each."""
        self.line.edge_width = line_width(self.viewer)
        self.line.data = vectors(lines, len(self.record.shape))

    # --- asking ---------------------------------------------------------------------------------

    def colour_of(self, value: int) -> str:
        """The colour in which a label is shown, ``#rrggbb``."""
        red, green, blue = (round(255 * float(c)) for c in self.labels.colormap.map(np.uint32(value))[:3])
        return f"#{red:02x}{green:02x}{blue:02x}"

    def stroke_open(self) -> bool:
        """Whether the person is painting right now."""
        return _napari.stroke_open(self.labels)

    def voxel_in_view(self, position: Any, direction: Any) -> tuple[int, ...] | None:
        """A voxel of the object that is seen at a world position in a 3D view; None where none is."""
        axes = list(self.viewer.dims.displayed)
        id = self.labels.get_value(position, view_direction=direction, dims_displayed=axes, world=True)
        if not id or int(id) not in self.store.objects:
            return None
        box = self.store.objects.box(self.store.labels, int(id))
        place = np.argwhere(self.store.labels[box] == id)[0]
        return tuple(int(p + s.start) for p, s in zip(place, box, strict=True))

    def leave(self) -> None:
        """Nothing can be painted any more; the layers are still seen, but their names are free for others."""
        self.labels.editable = False
        for layer in (*self.overlays.layers(), *self._members):
            layer.name = f"{layer.name} (closing)"
        self.viewer.layers.selection.events.active.disconnect(self._settle)
        self.viewer.layers.events.removing.disconnect(self._settle)
        if self.large:
            self.viewer.dims.events.ndisplay.disconnect(self._hide_in_volume)

    def hide(self) -> None:
        """Let the layers be seen no more; they are still there."""
        for layer in (*self.overlays.layers(), *self._members):
            layer.visible = False

    def remove(self) -> None:
        """Take the family out of the viewer."""
        with _napari.at_once(self.viewer):
            for layer in (*self.overlays.layers(), *reversed(self._members)):
                if layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)

    @property
    def image(self) -> Image:
        """The image layer at the bottom: the picture, or its first channel."""
        return self.channels.layers[0]

    @property
    def missing(self) -> tuple[Any, ...]:
        """Layers of the family that somebody took out of the viewer."""
        return tuple(layer for layer in self._members if layer not in self.viewer.layers)

    @property
    def gone(self) -> bool:
        """Whether both the image and its labels were taken out."""
        return self.image in self.missing and self.labels in self.missing

    def bring_back(self) -> None:
        """Put missing layers where they were among the others.

        Without the others, the layer of states would be the only one: drawn alone after the rest has gone, a layer ends
        the process in some drivers (seen with any kind of layer, and without this plugin).
        """
        layers = self.viewer.layers
        _napari.settle(self.labels)  # a stroke whose end the removed layer never heard of
        for n, layer in enumerate(self._members):
            if layer not in layers:
                below = [layers.index(m) + 1 for m in self._members[:n] if m in layers]
                above = [layers.index(m) for m in self._members[n:] if m in layers]
                with keep_active(self.viewer):
                    layers.insert(below[-1] if below else above[0], layer)
        layers.selection.active = self.labels

    # --- inside ---------------------------------------------------------------------------------

    @property
    def _members(self) -> tuple[Any, ...]:
        """The layers that an image always has, from the bottom to the top."""
        return *self.channels.layers, self.labels, self.state, self.line

    def _grown(self, box: tuple[slice, ...], by: int) -> tuple[slice, ...]:
        flat = 0 if self.drawn_across else len(box) - 2  # the margin lies in XY, and outlines mostly do
        return tuple(
            s if a < flat else slice(max(0, s.start - by), min(n, s.stop + by))
            for a, (s, n) in enumerate(zip(box, self.record.shape, strict=True))
        )

    def _painted(self, event: Any) -> None:
        index, old, new = _napari.changes(event.value, self.record.shape)
        if index.size:
            self._on_paint(index, old, new)

    def _settle(self, event: Any = None) -> None:
        if self.labels in self.viewer.layers and self.viewer.layers.selection.active is not self.labels:
            _napari.settle(self.labels)


def _colours(colours: tuple[str, ...], *, flat: bool) -> CyclicLabelColormap:
    """In a 3D view, known background would be a cloud before everything: it is not shown there."""
    n = len(_BACKGROUND)
    return CyclicLabelColormap(colors=colours if flat else ("transparent",) * n + colours[n:])


def _line_layer(record: ImageRecord, common: dict[str, Any]) -> Vectors:
    """What a tool draws while the button is down: vectors, which follow the mouse at once."""
    ndim = len(record.shape)
    nothing = np.zeros((0, 2, ndim))
    name = f"{record.id} [line]"
    return Vectors(nothing, ndim=ndim, name=name, edge_color="yellow", vector_style="line", **common)

"""Layers that lie over an image for a while: preview, uncertainty, outlines of other thresholds. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from napari.utils.colormaps import Colormap, CyclicLabelColormap
from numpy.typing import NDArray

from ..._types import Span
from ...project import ImageRecord
from . import _napari

OURS = "napari-cellseg"
"""Key in the metadata of our layers; its value is the image's id."""
MOST_BOXES = 500
"""More rectangles would slow the viewer down."""
HINT_COLOURS = ("transparent", "#d1495b", "#ffd23f", "#3b8ee0", "#35b779", "#b07aa1", "#76b7b2", "#f28e2b", "#9ecae1")
"""Of hints: nothing, background, cells (or the first class), other classes."""
AGREEMENT_COLOURS = ("transparent", "#3b8ee0", "#d1495b", "#9aa4af", "#e6c229")
"""Of the values 0 to 4: nothing, mine alone, theirs alone, both, both but as different objects."""

EXPLANATION_COLOURS = ("#ff7a1a", "#3b8ee0")
"""Of what speaks for a prediction, and against it; nothing is seen through."""


class Overlays:
    """Made when first shown, updated in place, never in the way of the person's own choice of layer."""

    def __init__(self, viewer: ViewerModel, record: ImageRecord, image: Image, labels: Labels) -> None:
        self.viewer, self.record, self.image, self.labels = viewer, record, image, labels
        self.preview: Image | None = None
        self.maps: dict[str, Image] = {}
        self.outlines: Labels | None = None
        self.agreement: Labels | None = None
        self.errors: Labels | None = None
        self.tracks: Labels | None = None
        self.explanation: Image | None = None
        self.held: Shapes | None = None
        self.hints: Labels | None = None

    def layers(self) -> tuple[Any, ...]:
        """All that there are."""
        return tuple(
            x
            for x in (
                self.hints,
                self.held,
                self.errors,
                self.tracks,
                self.explanation,
                self.agreement,
                self.outlines,
                *self.maps.values(),
                self.preview,
            )
            if x is not None
        )

    def show_preview(
        self, pixels: NDArray[np.float32] | None, box: Span = (), split: float = 0.0, wide: int = -1
    ) -> None:
        """Show preprocessed pixels of a box, right of the share `split` of its width (axis `wide`); None hides them."""
        if pixels is None:
            if self.preview is not None:
                self.preview.visible = False
            return
        low, high = (float(v) for v in np.percentile(pixels[..., ::2, ::2], (0.1, 99.9)))
        limits = (low, max(high, low + 1e-6))
        left = min(int(split * pixels.shape[wide]), pixels.shape[wide] - 1)
        start = np.array([a for a, _ in box], float)
        start[wide] += left
        cut = [slice(None)] * pixels.ndim
        cut[wide] = slice(left, None)
        shown = pixels[tuple(cut)]
        shift = start * (self.record.spacing_um or 1.0)
        if self.preview is None or self.preview not in self.viewer.layers:
            name = f"{self.record.id} [preview]"
            self.preview = Image(shown, name=name, contrast_limits=limits, translate=shift, **geometry(self.record))
            self._put(self.preview, self.image, 1)
        else:
            self.preview.data = shown
            self.preview.translate = shift
        self.preview.contrast_limits = limits
        self.preview.visible = True

    def show_map(self, name: str, box: tuple[slice, ...], values: NDArray[np.uint8]) -> None:
        """Show uncertainty or disagreement (0 to 255) of a box over the image."""
        layer = self.maps.get(name)
        if layer is None or layer not in self.viewer.layers:
            layer = Image(
                np.zeros(self.record.shape, np.uint8), name=f"{self.record.id} [{name}]", colormap="inferno",
                blending="additive", opacity=0.4, contrast_limits=(0, 255), **geometry(self.record),
            )  # fmt: skip
            self.maps[name] = layer
            self._put(layer, self.labels, 0)
        layer.data[box] = values
        layer.refresh()

    def clear_maps(self) -> None:
        """Take uncertainty and disagreement away: they were those of another prediction."""
        for layer in self.maps.values():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.maps.clear()

    def show_agreement(self, values: NDArray[np.uint8] | None) -> None:
        """Show where two label sets agree: grey both, yellow differently, blue mine alone, red theirs; None clears."""
        self.agreement = self._swap(self.agreement, values, "agreement", AGREEMENT_COLOURS)

    def show_errors(self, values: NDArray[np.uint8] | None, colours: tuple[str, ...] = ()) -> None:
        """Show what was found, false and missed, one colour per value, that of 0 first; None clears."""
        self.errors = self._swap(self.errors, values, "errors", colours, 0.85)

    def show_tracks(self, values: NDArray[np.uint32] | None) -> None:
        """Show objects in the colours of their tracks, (Z, Y, X) or (Y, X); None clears."""
        if values is not None and self.tracks is not None and self.tracks in self.viewer.layers:
            self.tracks.data = values
            return
        if self.tracks is not None and self.tracks in self.viewer.layers:
            self.viewer.layers.remove(self.tracks)
        self.tracks = None
        if values is not None:
            name = f"{self.record.id} [by track]"
            self.tracks = Labels(values, name=name, opacity=0.7, **geometry(self.record))
            self._look_only(self.tracks)
            self._put(self.tracks, self.labels, 1)

    def repaint_tracks(self, box: tuple[slice, ...], values: NDArray[np.uint32]) -> None:
        """Show other tracks in a box."""
        if self.tracks is not None and self.tracks in self.viewer.layers:
            self.tracks.data[box] = values
            _napari.repaint(self.tracks, box)

    def show_explanation(self, values: NDArray[np.float32] | None, box: tuple[slice, ...] = ()) -> None:
        """Show what speaks for a prediction (above 0) and against it in a box; None clears."""
        if self.explanation is not None and self.explanation in self.viewer.layers:
            self.viewer.layers.remove(self.explanation)
        self.explanation = None
        if values is None:
            return
        most = max(float(np.percentile(np.abs(values), 99.8)), float(np.finfo(np.float32).tiny))
        shift = np.array([s.start for s in box], float) * (self.record.spacing_um or 1.0)
        self.explanation = Image(
            values, name=f"{self.record.id} [explanation]", translate=shift, contrast_limits=(-most, most),
            colormap=_for_and_against(), blending="translucent_no_depth", opacity=0.9, **geometry(self.record),
        )  # fmt: skip
        self._put(self.explanation, self.labels, 1)

    def _swap(
        self, old: Labels | None, values: NDArray[np.uint8] | None, what: str, colours: tuple[str, ...],
        opacity: float = 0.55,
    ) -> Labels | None:  # fmt: skip
        """A layer of few values in the place of the one before; None clears."""
        if old is not None and old in self.viewer.layers:
            self.viewer.layers.remove(old)
        if values is None:
            return None
        layer = Labels(
            values, name=f"{self.record.id} [{what}]", opacity=opacity, colormap=CyclicLabelColormap(colors=colours),
            **geometry(self.record),
        )  # fmt: skip
        self._look_only(layer)
        with keep_active(self.viewer):
            self.viewer.layers.append(layer)
        return layer

    def show_held_out(self, boxes: Sequence[Span] | None) -> None:
        """Show what judges as boxes, of volumes in every slice; None takes them away."""
        if self.held is not None and self.held in self.viewer.layers:
            self.viewer.layers.remove(self.held)
        self.held = None
        if boxes is None:
            return
        corners = [corner for box in boxes for corner in _rectangles(box)][:MOST_BOXES]
        self.held = Shapes(
            corners, ndim=len(self.record.shape), name=f"{self.record.id} [held out]", edge_color="#e6c229",
            face_color="transparent", edge_width=2, **geometry(self.record),
        )  # fmt: skip
        self.held.editable = False
        with keep_active(self.viewer):
            self.viewer.layers.append(self.held)

    def show_hints(self, values: NDArray[np.uint8]) -> tuple[Labels, bool]:
        """The layer of hints, painted into the given array, and whether it had to be made."""
        if self.hints is not None and self.hints in self.viewer.layers:
            return self.hints, False
        self.hints = Labels(
            values, name=f"{self.record.id} [hints]", opacity=0.9,
            colormap=CyclicLabelColormap(colors=HINT_COLOURS), **geometry(self.record),
        )  # fmt: skip
        with keep_active(self.viewer):
            self.viewer.layers.append(self.hints)
        return self.hints, True

    def show_outlines(
        self, box: tuple[slice, ...] | None, labels: NDArray[np.uint32] | None, what: str = "thresholds"
    ) -> None:
        """Show what other thresholds, or another model, would give in a box, as outlines; None clears them."""
        if box is None or labels is None:
            if self.outlines is not None and self.outlines in self.viewer.layers:
                self.viewer.layers.remove(self.outlines)
            self.outlines = None
            return
        shift = np.array([s.start for s in box], float) * (self.record.spacing_um or 1.0)
        name = f"{self.record.id} [{what}]"
        if self.outlines is None or self.outlines not in self.viewer.layers:
            self.outlines = Labels(labels, name=name, translate=shift, opacity=1.0, **geometry(self.record))
            self._look_only(self.outlines)
            self.outlines.contour = 2
            with keep_active(self.viewer):
                self.viewer.layers.append(self.outlines)
        else:
            self.outlines.data = labels
            self.outlines.translate = shift
            self.outlines.name = name

    def show_changes(
        self, box: tuple[slice, ...], values: NDArray[np.uint8], what: str, colours: Sequence[str]
    ) -> None:
        """Show values of a box in given colours, in the place of outlines."""
        self.show_outlines(None, None)
        shift = np.array([s.start for s in box], float) * (self.record.spacing_um or 1.0)
        self.outlines = Labels(
            values, name=f"{self.record.id} [{what}]", translate=shift, opacity=1.0,
            colormap=CyclicLabelColormap(colors=colours), **geometry(self.record),
        )  # fmt: skip
        self._look_only(self.outlines)
        with keep_active(self.viewer):
            self.viewer.layers.append(self.outlines)

    def _look_only(self, layer: Labels) -> None:
        """Nobody paints there, and undo means what it means on the labels."""
        _napari.own_history(layer, self.labels.undo, self.labels.redo)
        layer.editable = False

    def _put(self, layer: Any, neighbour: Any, above: int) -> None:
        """Right under or over another layer, on top where the person has removed that."""
        layers = self.viewer.layers
        with keep_active(self.viewer):
            layers.insert(layers.index(neighbour) + above if neighbour in layers else len(layers), layer)


def _for_and_against() -> Colormap:
    """Blue, nothing, orange."""
    on, against = ([int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in EXPLANATION_COLOURS)
    return Colormap([[*against, 1], [*against, 0], [*on, 0], [*on, 1]], controls=[0, 0.5, 0.5, 1], name="explanation")


def _rectangles(box: Span) -> list[NDArray[np.float64]]:
    """The four corners of a box, slice by slice; along the middles of the voxels at its rim."""
    *depth, (top, bottom), (left, right) = box
    plane = [(top, left), (top, right - 1), (bottom - 1, right - 1), (bottom - 1, left)]
    slices: list[tuple[int, ...]] = [(z,) for a, b in depth for z in range(a, b)] or [()]
    return [np.array([(*z, *corner) for corner in plane], float) for z in slices]


@contextmanager
def keep_active(viewer: ViewerModel) -> Iterator[None]:
    """Adding a layer selects it; what is active stays so."""
    active = viewer.layers.selection.active
    try:
        with _napari.not_selecting(viewer):
            yield
    finally:
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active


def geometry(record: ImageRecord) -> dict[str, Any]:
    """What every layer of an image has: scale, units, names of axes, and whose it is."""
    return {**bare_geometry(record), "metadata": {OURS: record.id}}


def bare_geometry(record: ImageRecord) -> dict[str, Any]:
    """Scale, units and names of axes alone, for layers that lie over an image and are anybody's."""
    letters = tuple(record.spatial_axes.lower())
    if record.spacing_um is None:
        return {"axis_labels": letters}
    return {"axis_labels": letters, "scale": record.spacing_um, "units": ("um",) * len(letters)}


def is_ours(layer: Any) -> bool:
    """Whether a layer was made here, whatever it is called."""
    return OURS in layer.metadata

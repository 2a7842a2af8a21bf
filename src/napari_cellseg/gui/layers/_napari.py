"""The one place that knows napari's private names, checked against the installed version.

Facts behind every line: `docs/architecture.md`, section *Logging label edits*.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import label_colormap
from numpy.typing import NDArray

from ..._types import Box

_NEEDED = (
    "_history_limit", "_reset_history", "_block_history", "_staged_history", "_commit_stroke", "_get_update_slices",
    "_accumulate_updated_slice", "_partial_labels_refresh", "_slice", "_slicing_state", "_overlays",
)  # fmt: skip


def missing_names(layer: Labels) -> list[str]:
    """Private names this module uses that the installed napari does not have."""
    return [name for name in _NEEDED if not hasattr(layer, name)]


def own_keys() -> set[str]:
    """The keys that napari itself binds in the viewer and on labels, as the person has set them: ``"Shift+V"``."""
    from napari.settings import get_settings
    from napari.utils.action_manager import action_manager

    import_module("napari.components._viewer_key_bindings")  # registers its actions, which a window does otherwise
    bound = get_settings().shortcuts.shortcuts
    ours = {name for name, action in action_manager._actions.items() if action.keymapprovider in (Labels, ViewerModel)}
    return {str(key) for name in ours for key in bound.get(name, ())}


def own_history(layer: Labels, undo: Callable[[], None], redo: Callable[[], None]) -> None:
    """Make napari's undo stack inert and let the keys call ours; paint events still come."""
    layer._history_limit = 0
    layer._reset_history()
    layer.undo = undo
    layer.redo = redo


def stroke_open(layer: Labels) -> bool:
    """Whether a mouse button is down with the brush: nobody else may write now."""
    return bool(layer._block_history or layer._staged_history)


def settle(layer: Labels) -> None:
    """Finish an open stroke; napari leaves it open for good when the active layer changes during it."""
    if stroke_open(layer):
        layer._commit_stroke()


def changes(value: Sequence[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Expand a paint event into flat positions, old and new values, (N,) each.

    Positions may repeat; the first old value and the last new value of a position are the true ones.
    """
    parts = [_expand(atom, shape) for atom in value]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint32)
    index, old, new = (np.concatenate([p[k] for p in parts]) for k in range(3))
    return index.astype(np.int64), old.astype(np.uint32), new.astype(np.uint32)


def _expand(atom: Any, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    if hasattr(atom, "slice_key"):
        spans = [(s.start, s.stop) for s in atom.slice_key]
        mask = atom.mask if atom.mask is not None else np.ones([b - a for a, b in spans], bool)
        index = np.zeros(1, np.int64)
        for (start, _), where, n in zip(spans, np.nonzero(mask), shape, strict=True):
            index = index * n + (where + start)
        old, new = np.asarray(atom.old_values).ravel(), atom.new_value
    else:
        places, old, new = atom
        index = np.ravel_multi_index(tuple(np.asarray(p).ravel() for p in places), shape)
        old = np.broadcast_to(np.asarray(old).ravel(), index.shape)
    return index, old, np.broadcast_to(np.asarray(new).ravel(), index.shape)


def repaint(layer: Labels, box: Box) -> None:
    """Show what stands in `layer.data[box]`, sending only that box to the screen."""
    if not layer._slicing_state.loaded or layer.contour or missing_names(layer):
        layer.refresh()
        return
    found = layer._get_update_slices(box)
    if found is None:
        return
    region, view = found
    visible = layer.data[box][tuple(region)]
    order = layer._slice_input.displayed
    if list(order) != sorted(order):
        layer.refresh()
        return
    raw = layer._slice.image.raw
    if not np.shares_memory(raw, layer.data):
        raw[tuple(view)] = visible
    if layer._slice.image.view is not raw:
        layer._slice.image.view[tuple(view)] = layer.colormap._data_to_texture(visible)
    layer._accumulate_updated_slice(box)
    layer._partial_labels_refresh()


def load_colours() -> None:
    """Let napari load the compiled loops by which labels become colours, for the types of our layers."""
    colours = label_colormap(49)
    for kind in (np.uint32, np.uint8):
        colours._data_to_texture(np.zeros((8, 8), kind))


def load_dashes() -> None:
    """Let vispy compute its patterns of dashed lines, which the outline of the polygon tool of every layer asks for."""
    from vispy.visuals.line.dash_atlas import DashAtlas

    DashAtlas()


@contextlib.contextmanager
def not_selecting(viewer: ViewerModel) -> Iterator[None]:
    """Context in which a layer that comes is not selected, where this napari can do so.

    To select a layer, another one's controls are laid out and buttons are painted: a third of the time for which a
    layer that comes makes the window stand still.
    """
    layers = viewer.layers
    before = getattr(layers, "_activate_on_insert", None)
    if before is not None:
        layers._activate_on_insert = False
    try:
        yield
    finally:
        if before is not None:
            layers._activate_on_insert = before


def without_tools(layer: Labels) -> list[Any]:
    """Leave out what napari draws for its polygon and its encircling brush, until each is made visible again.

    They take most of the time for which a Labels layer that comes into a window makes it stand still. napari makes them
    when they become visible; for a layer that is not edited that need never be.
    """
    known = (layer._overlays.get(name) for name in ("polygon", "brush_stroke"))
    hidden = [overlay for overlay in known if overlay is not None and overlay.visible]
    for overlay in hidden:
        overlay.visible = False
    return hidden


def canvas_size(viewer: ViewerModel) -> NDArray[Any]:
    """Height and width of the canvas in screen pixels."""
    if hasattr(viewer, "canvas"):
        return np.asarray(viewer.canvas.viewbox_size(viewer.layers), float)
    return np.asarray(viewer._canvas_size, float)


def pointed(viewer: ViewerModel) -> tuple[Any, Any]:
    """Where the mouse is, in world coordinates, and the direction of the view (None in a plane)."""
    return viewer.cursor.position, viewer.cursor._view_direction


def task_manager(viewer: Any) -> Any:
    """Where the window keeps what runs; None where this napari has no such place."""
    return getattr(getattr(viewer, "window", None), "_task_status_manager", None)


def at_once(viewer: ViewerModel) -> Any:
    """Context in which layers come or go together: napari (0.10) clears up once then, not for each (0.1 s)."""
    together = getattr(viewer.layers, "batched_update", None)
    return together() if together is not None else contextlib.nullcontext()


def camera(viewer: ViewerModel) -> Any:
    """The camera, wherever this napari keeps it."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera

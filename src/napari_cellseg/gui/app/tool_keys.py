"""Keys of the tools, whichever layer of the open image is selected; napari's own keys stay napari's. No Qt.

Data flow: napari asks the selected layer first, then its class, then the viewer. Ours are bound to the labels layer and
to the viewer, where they lose to every key of a layer; while a layer that is not ours is selected they do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.key_bindings import coerce_keybinding

from ..layers.overlays import is_ours

if TYPE_CHECKING:
    from .workspace import Workspace

Action = Callable[[], object]
ONLY_3D = ("Y", "O")
"""Keys by which napari turns the plane of an image in 3D; in a 2D view they do nothing, so they are ours there."""
UNDO = {"Control-Z": "undo", "Control-Shift-Z": "redo"}


class ToolKeys:
    """Binds keys while an image is open."""

    def __init__(self, workspace: Workspace, keys: Mapping[str, Action]) -> None:
        self._ws, self._keys = workspace, keys
        self._bound: list[str] = []

    def attach(self) -> None:
        """An image is open."""
        family, viewer = self._ws.layers(), self._ws.viewer
        for key, action in self._keys.items():
            family.labels.bind_key(key, _bound(action), overwrite=True)
        for key in ONLY_3D:
            if key in self._keys:
                for layer in family.channels.layers:
                    layer.bind_key(key, _bound(partial(self._in_plane, key, layer)), overwrite=True)
        undo: dict[str, Action] = {key: partial(self._turn, name) for key, name in UNDO.items()}
        for key, action in {**self._keys, **undo}.items():
            if coerce_keybinding(key) not in viewer.keymap:  # a person's own binding
                viewer.bind_key(key, _bound(partial(self._on_ours, action)))
                self._bound.append(key)

    def detach(self) -> None:
        """It is closed."""
        for key in self._bound:
            self._ws.viewer.bind_key(key, None, overwrite=True)
        self._bound = []

    def listen_for_escape(self, leave: Action | None, *layers: Any) -> None:
        """Let Esc leave a tool or a brush, on some layers and in the viewer; None gives it back to napari."""
        for layer in layers:
            layer.bind_key("Escape", _bound(partial(_escape, leave, layer)) if leave else None, overwrite=True)
        everywhere = _bound(partial(self._on_ours, leave)) if leave else None
        self._ws.viewer.bind_key("Escape", everywhere, overwrite=True)

    # --- inside ---------------------------------------------------------------------------------

    def _on_ours(self, do: Action) -> None:
        """Act, unless a layer that is not ours is selected."""
        if all(is_ours(layer) for layer in self._ws.viewer.layers.selection):
            do()

    def _in_plane(self, key: str, layer: Any) -> None:
        """In a slice ours, in a 3D view napari's."""
        family = self._ws.layers()
        if family.in_slices:
            self._keys[key]()
        else:
            _own(layer, key)

    def _turn(self, name: str) -> None:
        family = self._ws.family
        if family is not None:
            getattr(family.labels, name)()


def _bound(do: Action) -> Callable[[Any], None]:
    """What napari can bind: a function with a name that returns nothing (what it gets, it takes for a generator)."""

    def act(owner: Any) -> None:
        do()

    return act


def _escape(leave: Action, layer: Any) -> None:
    """A polygon that was begun is given up first, by napari."""
    if str(getattr(layer, "mode", "")) == "polygon":
        _own(layer, "Escape")
    else:
        leave()


def _own(layer: Any, key: str) -> None:
    """What napari does with a key on such a layer."""
    own = type(layer).class_keymap.get(coerce_keybinding(key))
    if own is not None:
        own(layer)

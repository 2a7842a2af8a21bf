"""Python's full collections of garbage, while a person rests instead of in the middle of a stroke. No Qt.

With napari, numba and pandas in one process a full collection looks at 400,000 objects: a fifth of a second in which
the window stands still, whenever Python thinks it is time, and once more whenever napari takes a layer out. So what is
there is set aside (`gc.freeze`) while a Workbench is open: collections that come by themselves look only at what is
newer, which takes milliseconds. Everything is looked at once there may be garbage and the person does nothing.
"""

from __future__ import annotations

import gc
import threading

REST_S = 3.0
"""Without a click or a move of the mouse for so long, a person rests."""
MUCH = 100
"""Collections of the middle generation (some 7,000 new objects each) after which there may be garbage."""


class Garbage:
    """Sets objects aside and collects them; does nothing until `start`.

    Attributes
    ----------
    loading
        A thread that loads libraries, whose objects are set aside when it has ended.
    """

    def __init__(self) -> None:
        self._started, self._layer_gone, self._looked_at = False, False, 0
        self.loading: threading.Thread | None = None

    def start(self) -> None:
        """Set aside what is there: a window must not stand still."""
        self._started, self._looked_at = True, _collections()
        gc.freeze()

    def image_opened(self) -> None:
        """Many objects came that stay."""
        if self._started:
            gc.freeze()

    def layer_gone(self, event: object = None) -> None:
        """A layer was taken out: its pixels are freed at the next rest."""
        self._layer_gone = True

    def rest(self, seconds: float) -> None:
        """Called by the clock: nothing has run and nobody has moved the mouse for so many seconds."""
        if not self._started:
            return
        if self.loading is not None and not self.loading.is_alive():
            self.loading = None
            gc.freeze()
        if seconds >= REST_S and (self._layer_gone or _collections() - self._looked_at >= MUCH):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._layer_gone, self._looked_at = False, _collections()

    def close(self) -> None:
        """Nothing is set aside any more."""
        if self._started:
            self._started = False
            gc.unfreeze()


def _collections() -> int:
    return int(gc.get_stats()[1]["collections"])

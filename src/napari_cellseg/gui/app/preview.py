"""The live preview: what the network would see of the visible field. No Qt.

Data flow: something changes (a step, the field of view, the slice) -> one request for the visible field, which
replaces any that has not begun -> helper thread, `Processed.read` -> preview layer and histograms. What steps know
of the whole image is kept between requests.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...preprocess import Processed, Recipe
from .background import Latest
from .session import Histogram

if TYPE_CHECKING:
    from .workspace import Workspace

_BINS = 64


@dataclass(frozen=True, eq=False)
class _Answer:
    view: Processed
    pixels: NDArray[np.float32]
    histogram: Histogram


class Preview:
    """Keeps the preview layer up to date while the preview is on."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self.worker = Latest(workspace.session)
        self._view: Processed | None = None
        self._source: Any = None
        self._shown: tuple[Any, ...] = ()

    def show(self, on: bool) -> None:
        """Switch the preview on or off."""
        self._ws.session.update(preview=on)
        self._shown = ()
        if on:
            self.follow()
        else:
            self.worker.forget()
            self._ws.session.update(histogram=Histogram())
            if self._ws.family is not None:
                self._ws.family.overlays.show_preview(None)

    def hold(self, original: bool) -> None:
        """While a key is held the original is shown."""
        family = self._ws.family
        if family is not None and family.overlays.preview is not None and self._ws.session.preview:
            family.overlays.preview.visible = not original

    def held(self, viewer: Any) -> Generator[None, None, None]:
        """The key for `hold`: pressed before the yield, let go after it."""
        self.hold(original=True)
        yield
        self.hold(original=False)

    def follow(self) -> None:
        """Ask for the visible field again if anything has changed; called often, costs next to nothing."""
        session, family = self._ws.session, self._ws.family
        if not session.preview or family is None:
            return
        box = tuple((s.start, s.stop) for s in family.visible_box())
        if len(box) == 3 and not family.in_slices:  # the middle slice stands for the volume
            middle = (box[0][0] + box[0][1]) // 2
            box = ((middle, middle + 1), *box[1:])
        wanted = (session.image, session.config.recipe, session.channel, box, session.split, family.across)
        if wanted == self._shown:
            return
        self._shown = wanted
        recipe, channel = session.config.recipe, session.channel
        source = family.source()
        mean = family.channels.rgb

        def then(answer: _Answer) -> None:
            if family is self._ws.family:
                self._view = answer.view  # what it knows of the whole image is true in any case
            if wanted == self._shown and family is self._ws.family:
                family.overlays.show_preview(answer.pixels, box, session.split, family.turn.order[-1])
                session.update(histogram=answer.histogram)

        def work() -> _Answer:
            return self._compute(recipe, source, box, channel, mean)

        self.worker.ask(work, then)

    def forget(self) -> None:
        """Another image is open."""
        self.worker.forget()
        self._view, self._source, self._shown = None, None, ()

    # --- in the helper thread ---------------------------------------------------------------------

    def _compute(
        self, recipe: Recipe, source: Any, box: tuple[tuple[int, int], ...], channel: int, mean: bool
    ) -> _Answer:
        start = time.perf_counter()
        volume = source if source.ndim == 4 else source[:, None]
        view = Processed(recipe, volume)
        if self._view is not None and self._source is source:
            view.adopt(self._view)
        self._source = source
        z, y, x = (slice(*s) for s in (box if len(box) == 3 else ((0, 1), *box)))
        after = view.read((z, y, x))
        shown = after.mean(0) if mean and len(after) > 1 else after[min(channel, len(after) - 1)]
        before = np.asarray(volume[:, z, y, x])
        original = before.mean(0) if mean else before[min(channel, len(before) - 1)]
        took = (time.perf_counter() - start) * 1000
        text = f"{shown.shape[-1]} x {shown.shape[-2]} pixels in {took:.0f} ms"
        pixels = np.ascontiguousarray(shown if len(box) == 3 else shown[0])
        return _Answer(view, pixels, _histogram(original, shown, text))


def _histogram(before: NDArray[Any], after: NDArray[Any], text: str) -> Histogram:
    shares, ranges = [], []
    for values in (before, after):
        plain = np.nan_to_num(np.asarray(values, np.float32)[..., ::2, ::2])
        span = float(plain.min()), float(plain.max())
        counts = np.histogram(plain, _BINS, (span[0], span[1] if span[1] > span[0] else span[0] + 1))[0]
        shares.append(tuple((counts / max(counts.max(), 1)).tolist()))
        ranges.append(span)
    return Histogram(shares[0], shares[1], ranges[0], ranges[1], text)

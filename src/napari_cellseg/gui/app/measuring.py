"""Measures the open image's labels or any labels layer, and links the table with the view. No Qt.

Data flow: a copy of the labels -> `measure_objects` in a helper thread -> the table: in the session, and as features of
the layer. A chosen column -> histogram, colours; a chosen row <-> the object that is pointed at. No label is changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from ...api import Measurements
from ...api import open as open_project
from ...errors import CellsegError
from ...events import ObjectsMeasured
from ...measurement import (
    NO_PIXELS,
    Measured,
    array_channels,
    channels_of,
    image_of_project,
    measure_objects,
    tables,
    write_table,
)
from ...project import Edit, Project, copied, image_cover_ratios
from ..layers.objects import Levels, ObjectView, finest
from ..layers.overlays import is_ours
from ..layers.units import spacing_um
from .background import Helper
from .fucci import Fucci
from .measure_ready import MeasureReady
from .measured import Bins, MeasureState, Table, as_features, bins_of, to_class
from .object_classes import ObjectClasses
from .report_errors import report_errors
from .session import Progress

if TYPE_CHECKING:
    from .workspace import Workspace

FIRST = "area", "volume"
"""The column that is shown before the person chooses one."""


class Measuring:
    """The step Measure.

    Attributes
    ----------
    worker
        A helper thread of its own: corrections need not wait for a measurement.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self.worker = Helper(workspace.session)
        self._view = ObjectView(workspace.viewer, self._clicked)
        self.ready = MeasureReady(workspace)
        self.fucci = Fucci(workspace, self._view, self.worker, self._give_to_states)
        self.classes = ObjectClasses(workspace, self._view, self.ready, self._give_to_classes, self._look_at)
        self._stop = threading.Event()
        self._done: list[str] = []
        self._listened: Labels | None = None
        self._edits = 0

    @property
    def state(self) -> MeasureState:
        """What is measured and shown."""
        return self._ws.session.measured

    @property
    def busy(self) -> bool:
        """Whether anything is measured or coloured."""
        return self.worker.busy or self.fucci.busy or self.classes.busy

    # --- what can be measured ---------------------------------------------------------------------

    def look_for_layers(self, event: Any = None) -> None:
        """Which labels and images of the viewer are not ours."""
        others = [x for x in self._ws.viewer.layers if not is_ours(x)]
        labels = tuple(x.name for x in others if isinstance(x, Labels))
        pixels = tuple(x.name for x in others if isinstance(x, Image))
        self._say(labels_there=labels, pixels_there=pixels)
        if self.state.labels and self.state.labels not in labels:
            self.forget()
            self._say(labels="")
        if self.state.pixels not in pixels:
            self._say(pixels="")

    def choose_labels(self, name: str) -> None:
        """Measure this labels layer from now on; "" is the open image."""
        if name != self.state.labels:
            self.forget()
            self.fucci.uncolour()
            self.classes.uncolour()
            self._say(labels=name)

    def choose_pixels(self, name: str) -> None:
        """Measure the intensities of this image layer with a layer that is not ours; "" measures none."""
        self._say(pixels=name)

    def measure_layer(self, layer: Labels) -> None:
        """Measure a labels layer, with the first image layer of its shape."""
        own = self._ws.family is not None and layer is self._ws.family.labels
        self.choose_labels("" if own else layer.name)
        fits = [x.name for x in self._ws.viewer.layers if isinstance(x, Image) and _fits(x, layer) and not is_ours(x)]
        self.choose_pixels("" if own or not fits else fits[0])
        self.measure()

    @report_errors
    def measure(self) -> None:
        """Measure every object, in the helper thread."""
        ws = self._ws
        ws.check_idle()
        name, layer, read = self._foreign() if self.state.labels else self._own()
        self._listen(layer if self.state.labels else None)
        slow = " as soon as its loops are compiled, once on a machine" if self.ready.working else ""
        stop, edits = self._begin("measure", f"Measuring {name}{slow}..."), self._edits

        def work() -> Table:
            self.ready.wait(stop.is_set)
            what = read()
            regions = what.labels if what.classes is not None else None
            return Table(name, measure_objects(what, stop=stop.is_set), regions)

        def take(table: Table) -> None:
            ws.session.update(progress=None)
            if layer in ws.viewer.layers:
                self._take(layer, table, stale=self._edits != edits)

        self._later(work, take)

    @report_errors
    def measure_all(self, path: str | Path) -> None:
        """Measure the labels of all images into a table, and a summary beside it (``NAME_summary``)."""
        ws, path = self._ws, Path(path)
        ws.check_idle()
        ws.settle()
        folder, beside = ws.project().path, path.with_name(f"{path.stem}_summary{path.suffix}")
        stop, total = self._begin("measure all", "Measuring all images..."), len(ws.session.images)
        self._done.clear()

        def work() -> Measurements:
            with open_project(folder) as project:
                return project.measure(csv=path, summary=beside, on_event=self._count, stop=stop.is_set)

        def take(done: Measurements) -> None:
            n = total - len(done.left_out)
            left = "\n".join(f"{s.image} was left out: {s.message}" for s in done.left_out)
            text = (
                "Cancelled; nothing was written."
                if done.stopped
                else f"Measured {n} images: {path.name}, {beside.name}."
            )
            ws.session.update(progress=None, status=text, notice=left or ws.session.notice)

        self._later(work, take)

    # --- the table and the view -------------------------------------------------------------------

    def choose_column(self, name: str) -> None:
        """Show how the values of a column are distributed, and colour by it where objects are coloured."""
        table = self.state.table
        if table is not None and name in table.columns:
            self._say(column=name, bins=bins_of(table, name))
            if self.state.coloured:
                self.colour(True)

    def colour(self, on: bool) -> None:
        """Colour objects by the chosen column, or give them their own colours back."""
        table, layer, column = self.state.table, self._view.layer, self.state.column
        self.fucci.uncolour()
        self.classes.uncolour()
        self._say(coloured=on and table is not None and bool(column))
        if not self.state.coloured or table is None or layer is None:
            self._view.colour(None)
            return
        values, chosen, edits, data = table.values(column), self.state.chosen, self._edits, self._view.pixels
        values = values if chosen is None else np.where(chosen.marked, values, np.nan)
        levels = Levels.by(column, table.labels, values, self.state.bins.span)

        def take(pixels: Any) -> None:
            now = self.state
            wanted = now.coloured and (now.table, now.column, now.chosen) == (table, column, chosen)
            if not wanted or self._view.layer is not layer:
                return
            if self._edits == edits:
                self._view.colour(levels, pixels)
            else:  # they are of labels as they were before
                self.colour(True)

        self.worker.later(lambda: levels.of(data), take)

    def choose_object(self, label: int, *, look: bool = False) -> None:
        """Choose an object and outline it; `look` brings it into view. 0 chooses none."""
        box = self._box(label)
        self._say(object=label if box else 0)
        if box and look:
            self._view.look_at(box)
        self._view.outline(label if box else 0, box)

    def choose_rows(self, rows: NDArray[np.int64] | None) -> None:
        """Choose several objects: only these keep a colour and a row; None, none or all of them choose all again."""
        table = self.state.table
        if table is not None:
            self._say(chosen=table.chosen(rows))
            self.colour(self.state.coloured or self.state.chosen is not None)

    @property
    def chosen_labels(self) -> list[int]:
        """Of the objects that were chosen together."""
        table, chosen = self.state.table, self.state.chosen
        return table.labels[chosen.marked].tolist() if table is not None and chosen is not None else []

    @property
    def to_class(self) -> tuple[int, ...]:
        """Labels of the open image that a class is said of: those that were chosen together, or the chosen one."""
        return to_class(self.state)

    def say_class(self, number: int) -> None:
        """Say the class of what is chosen by its number, 0 takes back; see `ObjectClasses.say_by_number`."""
        self.classes.say_by_number(number, self.to_class)

    @report_errors
    def save(self, path: str | Path) -> None:
        """Write the table as ``measure --csv`` does."""
        table = self.state.table
        if table is None:
            raise CellsegError("Nothing is measured yet.", "Press Measure first.")
        written = write_table(tables({table.name: table.objects})[0], path)
        self._ws.session.update(status=f"Wrote {written.name}: {len(table.labels)} objects.")

    # --- following --------------------------------------------------------------------------------

    def edited(self, edit: Edit, painted: bool = False) -> None:
        """Labels of the open image were changed."""
        self.fucci.edited()
        self.classes.edited()
        if not self.state.labels:
            self._changed()
            self._view.edited(edit.box())

    def opened(self) -> None:
        """Another image is open."""
        self.fucci.opened()
        self.classes.opened()

    def closing(self) -> None:
        """The open image is being closed."""
        progress = self._ws.session.progress
        if progress is not None and progress.kind == "measure":
            self.cancel()
        self.fucci.closing()
        self.classes.closing()
        if not self.state.labels:
            self.forget()

    def forget(self) -> None:
        """The table is of something else."""
        self._view.leave()
        self._listen(None)
        self._say(table=None, stale=False, column="", bins=Bins(), coloured=False, object=0, chosen=None)

    def cancel(self) -> None:
        """Measure no more."""
        self._stop.set()
        self.fucci.cancel()
        self.classes.cancel()

    def follow(self) -> None:
        """Called by the clock."""
        progress, total = self._ws.session.progress, max(1, len(self._ws.session.images))
        if progress is not None and progress.kind == "measure all" and self._done:
            n = len(self._done)
            shown = Progress("measure all", f"Measuring image {min(n + 1, total)} of {total}", n / total)
            self._ws.session.update(progress=shown)
        self.worker.collect()
        self.ready.follow()
        self.fucci.follow()
        self.classes.follow()

    def close(self) -> None:
        """End the thread."""
        self.cancel()
        self._view.leave()
        self._listen(None)
        self.fucci.close()
        self.classes.close()
        self.ready.close()
        self.worker.close()

    # --- inside -----------------------------------------------------------------------------------

    def _own(self) -> tuple[str, Labels, Callable[[], Measured]]:
        """The open image: its name, its layer, and what is measured; that is read in the helper thread."""
        ws = self._ws
        ws.settle()
        store, folder, image, layer = ws.store(), ws.project().path, ws.session.image, ws.layers().labels
        record, instances = store.record, ws.instances

        def read() -> Measured:
            ratios: tuple[float, ...] = ()
            try:
                with Project.open(folder) as own:  # this thread's own connection
                    ratios = image_cover_ratios(own, image)
                    pixels = channels_of(own.read_image(image))
            except CellsegError:
                pixels = NO_PIXELS  # its picture is gone, its labels are there
            labels, state = copied(store.labels, image), copied(store.state, image)
            return image_of_project(labels, state, record.spacing_um, pixels, instances=instances, ratios=ratios)

        return image, layer, read

    def _foreign(self) -> tuple[str, Labels, Callable[[], Measured]]:
        """The same of a layer that is not ours."""
        layers = self._ws.viewer.layers
        layer = layers[self.state.labels]
        image = layers[self.state.pixels] if self.state.pixels else None
        data = finest(layer)
        spacing = spacing_um(layer.scale, layer.units, data.ndim)
        if image is not None and not _fits(image, layer):
            raise CellsegError(
                f"{image.name} has another shape than {layer.name}.", "Choose the image that the labels were made on."
            )

        def read() -> Measured:
            labels = np.array(data)
            pixels = NO_PIXELS
            if image is not None:
                pixels = array_channels(finest(image), labels.shape)
            return Measured(labels, spacing, *pixels)

        return layer.name, layer, read

    def _begin(self, kind: str, text: str) -> threading.Event:
        self._stop = threading.Event()
        self._ws.session.update(problem=None, notice="", progress=Progress(kind, text))
        return self._stop

    def _later(self, work: Callable[[], Any], take: Callable[[Any], None]) -> None:
        """Work in the thread; what goes wrong is shown, a wish to stop only in the status line."""
        stop = self._stop

        def failed(error: CellsegError) -> None:
            self._ws.session.update(progress=None)
            if stop.is_set():
                self._ws.session.update(status="Cancelled; nothing was measured.")
            elif self._ws.session.problem is None:
                self._ws.fail(error)

        self.worker.later(work, take, failed)

    def _take(self, layer: Labels, table: Table, *, stale: bool) -> None:
        """Show what was measured."""
        column = self.state.column
        self._view.watch(layer, table.regions)
        if table.regions is None:  # features are by label, and there labels are classes
            layer.features = as_features(table.frame)
        self._say(table=table, stale=stale, chosen=None)
        self.choose_object(0)
        self.choose_column(column if column in table.columns else next(c for c in FIRST if c in table.columns))
        self._ws.session.update(status=f"Measured {len(table.labels)} objects.")

    def _give_to_states(self) -> None:
        """Nuclei of the open image get the colours of their states."""
        self.choose_labels("")
        self.classes.uncolour()
        self._say(coloured=False)

    def _give_to_classes(self) -> None:
        """Objects of the open image get the colours of their classes."""
        self.choose_labels("")
        self.fucci.uncolour()
        self._say(coloured=False)

    def _look_at(self, label: int) -> None:
        self.choose_object(label, look=True)

    def _box(self, label: int) -> tuple[slice, ...]:
        """The box of an object, of the table's or of the open image's; () where there is none."""
        table, store = self.state.table, self._ws.session.store
        if self.state.labels or store is None or (table is not None and table.regions is not None):
            return table.box(label) if table is not None else ()
        return store.objects.box(store.labels, label) if label in store.objects else ()

    def _listen(self, layer: Labels | None) -> None:
        """Follow edits of a layer that is not ours."""
        for event in ("data", "paint", "labels_update"):
            if self._listened is not None:
                getattr(self._listened.events, event).disconnect(self._changed)
            if layer is not None:
                getattr(layer.events, event).connect(self._changed)
        self._listened = layer

    def _clicked(self, label: int) -> None:
        """An object was clicked on; a tool's click is meant otherwise."""
        if not self._ws.session.tool:
            self.choose_object(label)

    def _changed(self, event: Any = None) -> None:
        self._edits += 1
        if self.state.table is not None:
            self._say(stale=True)

    def _count(self, event: Any) -> None:
        """Called in the helper thread: an image is done."""
        if isinstance(event, ObjectsMeasured):
            self._done.append(event.image)

    def _say(self, **values: Any) -> None:
        self._ws.session.update(measured=replace(self.state, **values))


def _fits(image: Image, layer: Labels) -> bool:
    """Whether an image layer has the shape of a labels layer."""
    shapes = [finest(x).shape for x in (image, layer)]
    return bool((shapes[0][:-1] if image.rgb else shapes[0]) == shapes[1])

"""Predict, live thresholds, plans: what the dock Predict asks of the engine. No Qt.

Data flow: Predict -> `PredictJob` -> tiles and labels, probabilities kept in the project's cache; thresholds ->
`DecodeJob` on the visible field -> outlines over the labels (never in them) -> Apply -> `DecodeJob` on the whole
image -> labels where there are no user edits. Jobs that only look are asked for one at a time; the newest wish waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from psygnal import Signal

from ... import drafts
from ..._types import Span
from ...edits import is_large
from ...engine import DecodeJob, FitJob, PlanJob, PredictJob, Reply, target_of
from ...errors import CellsegError
from ...events import Decoded, Event, Failed, Finished, Fitted, Planned, Predicted, TileDone
from ...probabilities import kept_path, open_kept
from ...project import Project, fitted_target, note_size, said_size
from ...settings import Settings
from ...targets import Target
from .act_words import DRAFT
from .session import Progress

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .workspace import Workspace


class Prediction:
    """Predictions and drafts of the open image."""

    written = Signal(Project, str, PredictJob)
    """A prediction of an image of a project is written."""
    outlines_cleared = Signal()

    def __init__(self, workspace: Workspace, writer: LabelWriter) -> None:
        self._ws, self._writer = workspace, writer
        self._looking: int | None = None
        self._outlining = False
        self._of: tuple[str, tuple[str, ...]] = ("", ())
        self._wishes: dict[str, PlanJob | DecodeJob | FitJob] = {}
        self._centre: tuple[float, ...] | None = None
        self._planned: tuple[object, ...] = ()
        self._running: PredictJob | None = None  # what the labels that come are of

    # --- what the dock does -----------------------------------------------------------------------

    def predict(self) -> None:
        """Label the open image, beginning where the person looks; without a model, by a classical draft."""
        if self._ws.session.current_model is None:
            self.draft()
            return
        self._check_idle()
        self._begin(self._region())

    def predict_region(self, region: Span) -> None:
        """Label a box of the open image again."""
        self._check_idle()
        self._begin(region)

    def _check_idle(self) -> None:
        self._ws.project()
        self._ws.store()
        self._ws.check_idle()

    def _begin(self, region: Span) -> None:
        ws = self._ws
        self._centre = ws.family.centre() if ws.family else None
        shape = ws.store().record.shape
        box = tuple(slice(a, b) for a, b in region) or tuple(slice(0, n) for n in shape)
        job = PredictJob(
            ws.project().path,
            (ws.session.image,),
            self._ws.session.together_now,
            ws.session.config.predict,
            self._ws.session.decoding,
            self._centre,
            region,
            show=not is_large(ws.store(), box),
            live=ws.session.live,
        )
        self._clear_outlines()
        self._running = job
        ws.begin(job, "predict")
        self._writer.begin(box)
        if ws.family is not None:
            ws.family.overlays.clear_maps()

    def retarget(self, target: Target) -> None:
        """Look at other thresholds: outlines of the visible field at once, labels stay as they are."""
        self._ws.session.update(target=target)
        self._ask_outlines()

    def apply(self) -> None:
        """Let the whole image have the labels of the thresholds that are set."""
        target = self._ws.session.decoding
        ws = self._ws
        if target is None or not ws.session.kept:
            raise CellsegError("No probabilities are kept for this image.", "Press Predict first.")
        self._clear_outlines()
        path, image, models = ws.project().path, ws.session.image, self._ws.session.together_now
        self._running = PredictJob(path, (image,), models, ws.session.config.predict, target)
        ws.begin(DecodeJob(path, image, models, target), "decode")

    def reset(self) -> None:
        """Back to the model's own thresholds, also where others were fitted live."""
        self._clear_outlines()
        self._ws.session.update(target=self._ws.session.own if self._ws.session.fitted is not None else None)

    def fit(self) -> None:
        """Look at the thresholds that agree best with what was corrected in the open image."""
        ws, target = self._ws, self._ws.session.decoding
        if target is None or not ws.session.kept:
            raise CellsegError("No probabilities are kept for this image.", "Press Predict first.")
        self._wishes["fit"] = FitJob(ws.project().path, ws.session.image, self._ws.session.together_now, target)
        self._ask()

    # --- what the clock does ----------------------------------------------------------------------

    def follow(self) -> None:
        """Tell a running prediction where the person looks; keep plan and outlines up to date."""
        ws = self._ws
        if ws.family is None or ws.session.current_model is None:
            return
        if self._of != (ws.session.image, self._ws.session.together_now):
            self._ws.model_changed.emit()  # a round was decided, or models were ticked
        centre = ws.family.centre()
        if centre != self._centre:
            self._centre = centre
            if ws.job is not None and ws.session.progress is not None and ws.session.progress.kind == "predict":
                ws.engine.look(ws.job, centre)
            if ws.session.decoded:
                self._ask_outlines()
        self._plan()
        self._ask()

    def take(self, reply: Reply) -> bool:
        """Answers of jobs that only look; True if it was one."""
        if reply.job != self._looking:
            return False
        self._taken(reply.event)
        return True

    def opened(self) -> None:
        """Another image, or another model."""
        self._wishes.clear()
        self._outlining = False
        self._planned = ()
        session = self._ws.session
        self._of = (session.image, self._ws.session.together_now)
        self._clear_outlines()
        given = said_size(session.project, session.image) if session.project is not None else 0.0
        kept = self._kept_models() == self._ws.session.together_now != ()
        fitted = None
        if session.project is not None and session.current_model is not None:
            fitted = fitted_target(session.project, session.current_model)
        session.update(plan=None, given_size=given, target=None, fitted=fitted, decoded="", kept=kept)

    def planned(self, event: Planned) -> None:
        """What a prediction takes, and the size of objects that it sees the image with: learning sees it so, too."""
        session = self._ws.session
        if event.image == session.image and session.project is not None:
            session.update(plan=event)
            late = "plan" in self._wishes or (self._planned and self._planned[-1] != session.given_size)
            if not (session.read_only or session.given_size or late):  # late: from before the person spoke
                with contextlib.suppress(CellsegError):  # a full disk: it is estimated again the next time
                    note_size(session.project, event.image, event.size)

    # --- inside -----------------------------------------------------------------------------------

    def _taken(self, event: Event) -> None:
        session = self._ws.session
        if isinstance(event, Planned):
            self.planned(event)
        elif isinstance(event, Fitted) and event.image == session.image:
            self._take_fitted(event)
        elif isinstance(event, Decoded) and event.image == session.image and self._outlining:
            box = tuple(slice(a, b) for a, b in event.box)
            if self._ws.family is not None:
                self._ws.family.overlays.show_outlines(box, event.labels)
            session.update(decoded=f"{event.objects} objects in view ({event.seconds * 1000:.0f} ms), not applied yet")
        elif isinstance(event, Failed):
            self._wishes.clear()
            if self._outlining:  # nothing was asked for by a click, so nothing is shouted
                session.update(decoded=f"{event.message} {event.hint}")
            else:
                session.update(status=f"{event.message} {event.hint}")
        elif isinstance(event, Finished):
            self._looking = None
            self._ask()

    def _take_fitted(self, event: Fitted) -> None:
        """Show what was fitted; labels stay until the person applies it."""
        if event.target == self._ws.session.decoding:
            text = f"No other thresholds agree better with the {event.objects} corrected objects ({event.before:.2f})."
            self._ws.session.update(status=text)
            return
        text = f"Fitted to {event.objects} corrected objects: agreement {event.before:.2f} -> {event.after:.2f}."
        self._ws.session.update(target=event.target, status=f"{text} Apply to the image?")
        self._ask_outlines()

    def _kept_models(self) -> tuple[str, ...]:
        """The models whose probabilities of the open image are kept."""
        folder, image = self._ws.session.folder, self._ws.session.image
        if folder is None or not image:
            return ()
        try:
            return open_kept(kept_path(folder, image)).models
        except CellsegError:
            return ()

    def _plan(self) -> None:
        """Ask what a prediction will take whenever something that decides it has changed."""
        ws, s = self._ws, self._ws.session
        wanted = (
            s.image,
            self._ws.session.together_now,
            s.config.predict,
            s.field_only and self._region(),
            s.given_size,
        )
        if wanted != self._planned and s.image and ws.engine.ready:
            self._planned = wanted
            job = PlanJob(ws.project().path, s.image, self._ws.session.together_now, s.config.predict, self._region())
            self._wishes["plan"] = job

    def _ask_outlines(self) -> None:
        ws, target = self._ws, self._ws.session.decoding
        if ws.family is None or target is None or not ws.session.kept:
            return
        span = tuple((s.start, s.stop) for s in ws.family.field_to_label())
        self._outlining = True
        self._wishes["decode"] = DecodeJob(
            ws.project().path, ws.session.image, self._ws.session.together_now, target, span
        )
        self._ask()

    def _ask(self) -> None:
        """The engine does one thing after another: nothing is asked while a job runs or an answer is due."""
        if self._looking is None and self._ws.job is None and self._wishes:
            key = next(key for key in ("fit", "decode", "plan") if key in self._wishes)
            self._looking = self._ws.engine.submit(self._wishes.pop(key))

    def _clear_outlines(self) -> None:
        self._wishes.pop("decode", None)
        self._outlining = False  # an answer that is on its way comes too late
        self.outlines_cleared.emit()
        if self._ws.family is not None:
            self._ws.family.overlays.show_outlines(None, None)
        self._ws.session.update(decoded="")

    def _region(self) -> tuple[tuple[int, int], ...]:
        if not self._ws.session.field_only or self._ws.family is None:
            return ()
        return tuple((s.start, s.stop) for s in self._ws.family.field_to_label())

    def tile(self, event: TileDone) -> None:
        """A finished tile of the open image."""
        ws = self._ws
        share = max(event.done / event.total, 1e-6)
        remaining = event.seconds * (1 / share - 1) if event.done else None
        text = f"Predicting {event.image}: tile {event.done}/{event.total}"
        ws.session.update(progress=Progress("predict", text, event.done / event.total, remaining))
        if event.image == ws.session.image and event.labels.size:  # the only tile comes with the whole
            box = tuple(slice(a, b) for a, b in event.box)
            self._writer.tile(event.image, box, event.labels, self._ws.group)
            if event.uncertainty is not None and ws.family is not None:
                ws.family.overlays.show_map("uncertainty", box, event.uncertainty)

    def whole(self, event: Predicted) -> None:
        """Everything is there: objects that cross tiles become one. Numbering runs off the main thread."""
        ws = self._ws
        if event.image != ws.session.image or ws.session.store is None:
            return
        found = f"{event.model} found {event.objects} objects in {event.image} in {event.seconds:.1f} s."
        if self._running is not None:  # said when it is there
            self.write(event, self._running, self._ws.group, lambda: ws.session.update(status=found))

    def write(self, event: Predicted, job: PredictJob, group: str, then: Callable[[], None] = lambda: None) -> None:
        """Write what a job found in the open image, bit by bit; `then` follows when all of it is there."""
        ws, project = self._ws, self._ws.project()

        def written() -> None:
            self.written.emit(project, event.image, job)
            then()

        box = tuple(slice(a, b) for a, b in event.box)
        if is_large(ws.store(), box):
            self._writer.large(event.image, box, event.labels, event.objects, group, written)
        else:
            least = target_of(project, job).min_size
            self._writer.whole(event.image, box, np.asarray(event.labels), least, group, written)
        for name, values in (("uncertainty", event.uncertainty), ("disagreement", event.disagreement)):
            if values is not None and ws.family is not None:
                ws.family.overlays.show_map(name, box, values)
        ws.session.update(kept=bool(event.store))

    def draft(self, by: str | Settings = "otsu") -> None:
        """Label the open image by a method of `drafts.DRAFTS`; the forest learns from corrections first."""
        self._check_idle()
        ws = self._ws
        image, config, instances = ws.session.image, ws.session.config, ws.instances
        path, picture, stop = ws.project().path, ws.project().read_image(image), ws.new_stop()
        own = drafts.DRAFTS[by]() if isinstance(by, str) else cast("drafts.Unlearnt", by)
        group, classes = ws.new_group(DRAFT), ws.project().classes
        drafts.check_task(own, instances=instances, classes=classes)

        def make() -> drafts.Drafted | None:
            if isinstance(own, drafts.PixelClassifier):
                with Project.open(path) as project:  # this thread's own connection
                    method: drafts.Method = drafts.learn(project, own, config)
            else:
                method = own
            if stop.is_set():
                return None
            try:
                return drafts.draft(
                    method, picture.load(), picture.spacing_um, recipe=config.recipe,
                    instances=instances, classes=classes, stop=stop.is_set,
                )  # fmt: skip
            except drafts.DraftStopped:
                return None

        def take(made: drafts.Drafted | None) -> None:
            if made is None or stop.is_set() or image != ws.session.image:
                ws.session.update(progress=None, status="The draft was cancelled.")
                return
            box = tuple(slice(0, n) for n in made.labels.shape)

            def written() -> None:
                ws.session.update(status=f"Drafted: {own.label()}. Correct some objects, then fine-tune a network.")

            ws.session.update(progress=None, notice=drafts.ADVICE if made.doubt else ws.session.notice)
            self._writer.whole(image, box, made.labels, own.min_size, group, written)

        ws.session.update(progress=Progress("draft", f"Drafting: {own.label()}"), notice="")
        ws.helper.later(make, take)

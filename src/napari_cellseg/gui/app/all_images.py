"""What concerns all images of a project at once: how far each is, predict all, export all. No Qt."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ...engine import PredictJob, Reply, note_predicted
from ...errors import CellsegError
from ...project import Forecast, ImageStatus, Project, forecast, image_statuses
from .background import Helper
from .export_all import ExportAll
from .predict_all import PredictAll

if TYPE_CHECKING:
    from ...api import Exporting
    from .label_writer import LabelWriter
    from .prediction import Prediction
    from .workspace import Workspace


class AllImages:
    """Knows how far every image is, and walks through all of them.

    Attributes
    ----------
    worker
        A helper thread of its own: what the person does to the open image need not wait for other images.
    """

    def __init__(self, workspace: Workspace, writer: LabelWriter, prediction: Prediction) -> None:
        self._ws = workspace
        self.worker = Helper(workspace.session)
        self.predict_all = PredictAll(workspace, writer, prediction, self.worker)
        self.export_all = ExportAll(workspace, self.worker)
        self.predict_all.known.connect(self.know)
        self._counting: Project | None = None
        self._foreseeing = self._foresee_again = False

    def predict(self, again: bool) -> None:
        """Predict the images that the current model has not predicted yet, or all of them `again`."""
        self.predict_all.start(again)

    def export(self, what: Exporting) -> None:
        """Write the labels of every image into a folder, or into the images."""
        self.export_all.start(what)

    @property
    def busy(self) -> bool:
        """Whether a walk goes on, or something is counted."""
        return self.worker.busy or self.predict_all.running

    def cancel(self) -> None:
        """Go on with no further image."""
        self.predict_all.cancel()
        self.export_all.cancel()

    def holds(self, image: str) -> bool:
        """Whether an image cannot be opened just now; it will be."""
        return self.predict_all.holds(image)

    def take(self, reply: Reply) -> bool:
        """Answers of the engine; True if it was one for us."""
        return self.predict_all.take(reply)

    def follow(self) -> None:
        """Called by the clock."""
        self.worker.collect()
        self.predict_all.follow()

    def forget(self) -> None:
        """Another project comes."""
        self.predict_all.forget()
        self.export_all.forget()
        self._counting = None
        self._ws.session.update(statuses={}, forecast=Forecast())

    def close(self) -> None:
        """End the thread."""
        self.worker.close()
        self.predict_all.close()
        self.export_all.close()

    # --- how far every image is -------------------------------------------------------------------

    def count(self) -> None:
        """Find out how far images are of which that is not known: once for a project, and for images that are new."""
        ws, project = self._ws, self._ws.project()
        if self._counting is project or all(r.id in ws.session.statuses for r in ws.session.images):
            return
        self._counting = project

        def work() -> dict[str, ImageStatus]:
            with Project.open(project.path) as own:
                return image_statuses(own)

        def take(found: dict[str, ImageStatus]) -> None:
            if self._counting is project:
                self._counting = None
                ws.session.update(statuses=found | ws.session.statuses)  # what came meanwhile is newer

        self.worker.later(work, take)

    def foresee(self) -> None:
        """Find out what a training would learn from; while that is being answered, it is asked once more afterwards."""
        ws, project = self._ws, self._ws.session.project
        self._foresee_again = self._foreseeing
        if project is None or self._foreseeing:
            return
        store, image = ws.session.store, ws.session.image
        arrays = (store.labels, store.state) if store is not None else None
        self._foreseeing = True

        def work() -> Forecast:
            with Project.open(project.path) as own:
                return forecast(own, image, arrays)

        def take(found: Forecast) -> None:
            self._foreseeing = False
            if project is ws.session.project:
                ws.session.update(forecast=found)
            if self._foresee_again:
                self.foresee()

        self.worker.later(work, take, lambda _: take(Forecast()))

    def know(self, project: Project, image: str, status: ImageStatus) -> None:
        """How far an image is now."""
        if project is self._ws.session.project:
            self._ws.session.update(statuses={**self._ws.session.statuses, image: status})

    def closing(self) -> None:
        """The open image is being closed: keep how far it is."""
        self._ws.count()
        session = self._ws.session
        if session.project is not None and session.store is not None:
            counts, before = session.counts, session.statuses.get(session.image, ImageStatus())
            now = replace(before, labelled=counts.objects > 0, corrected=counts.corrected, approved=counts.approved)
            self.know(session.project, session.image, now)

    def predicted(self, project: Project, image: str, job: PredictJob) -> None:
        """A prediction of the open image is written: remember whose it is."""
        with contextlib.suppress(CellsegError):  # a full disk: it is predicted again the next time
            note_predicted(project, image, job)
        self._ws.count()
        if not job.region:
            before = self._ws.session.statuses.get(image, ImageStatus(labelled=True))
            self.know(project, image, replace(before, predicted_by="+".join(job.models)))

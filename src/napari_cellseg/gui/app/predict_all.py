"""Predicts every image of a project: one job of the engine after another, so that each may fail by itself. No Qt.

Data flow: which images are left (settings table) -> `PredictJob` of one image -> labels -> the open image's by the
piece writer, in the ticks of the clock and never during a stroke; another's by `write_prediction` in a helper thread,
with a connection of its own. What is written is remembered, so that a cancelled walk goes on where it was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from ...engine import PredictJob, Reply, unpredicted, write_prediction
from ...errors import CellsegError
from ...events import Failed, Finished, Notice, Predicted, TileDone
from ...project import ImageStatus, Project, image_status
from .act_words import PREDICTION
from .background import Helper
from .session import Problem, Progress
from .tally import Elsewhere, Tally, voxels

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .prediction import Prediction
    from .workspace import Workspace

HINT = "Click one in the list to mend it (a picture that was moved), then press Predict all images again."
AHEAD = 2
"""So many images may be predicted and not written yet: a fast engine must not fill the memory."""
TRIES = 2
"""So often an image is given to the writer of the open image, or to an engine that died."""
DEATHS = 4
"""An engine that dies so often without a prediction between has no use."""


@dataclass
class Walk:
    """One walk through the images.

    Attributes
    ----------
    job
        What is done, with all images; the engine gets them one by one.
    left
        Images that the engine has not had.
    number, image
        The engine's job that runs, and its image.
    ready
        Predictions that wait to be written.
    shown, hidden
        The prediction that is being written into the open image, and into another one.
    wish
        The image that the person wants to open as soon as it is written.
    """

    project: Project
    elsewhere: Elsewhere
    job: PredictJob
    tally: Tally
    left: deque[str] = field(default_factory=deque)
    number: int | None = None
    image: str = ""
    ready: dict[str, Predicted] = field(default_factory=dict)
    shown: Predicted | None = None
    hidden: Predicted | None = None
    wish: str = ""
    tries: dict[str, int] = field(default_factory=dict)
    deaths: int = 0
    looking: bool = True
    cancelled: bool = False

    @property
    def waits(self) -> int:
        """How many predictions are not written yet."""
        return len(self.ready) + (self.shown is not None) + (self.hidden is not None)

    def again(self, image: str) -> bool:
        """Whether it is worth trying this image once more."""
        self.tries[image] = self.tries.get(image, 0) + 1
        return self.tries[image] < TRIES


class PredictAll:
    """The walk through all images; `worker` is the helper thread that writes."""

    known = Signal(Project, str, ImageStatus)
    """How far an image of a project is now."""
    wished = Signal(str)
    """An image that the person wanted to open while it was being written can be opened."""

    def __init__(self, workspace: Workspace, writer: LabelWriter, prediction: Prediction, worker: Helper) -> None:
        self._ws, self._writer, self._prediction, self._worker = workspace, writer, prediction, worker
        self._walk: Walk | None = None
        self._elsewhere: Elsewhere | None = None

    @property
    def running(self) -> bool:
        """Whether a walk goes on."""
        return self._walk is not None

    # --- what the dock does -----------------------------------------------------------------------

    def start(self, again: bool) -> None:
        """Predict the images that the current model has not predicted yet, or all of them `again`."""
        ws = self._ws
        project, models = ws.project(), ws.session.together_now
        ws.check_idle()
        if not models:
            raise CellsegError("There is no model yet.", "Fine-tune one (step Fine-tune).")
        sizes = {r.id: voxels(r.shape) for r in ws.session.images}
        options, target = ws.session.config.predict, ws.session.decoding
        job = PredictJob(project.path, tuple(sizes), models, options, target, show=False, live=ws.session.live)
        tally = Tally("predict all", "Predicting", sizes, HINT)
        self._elsewhere = Elsewhere(project.path)
        walk = self._walk = Walk(project, self._elsewhere, job, tally)
        ws.session.update(
            problem=None, notice="", progress=Progress("predict all", "Looking which images are not predicted yet")
        )

        def look() -> tuple[str, ...]:
            return job.images if again else unpredicted(walk.elsewhere.project(), job)

        self._worker.later(look, partial(self._begin, walk), partial(self._failed, walk))

    def cancel(self) -> None:
        """Predict no more; what is written stays, and what is just being written elsewhere is finished."""
        if self._walk is not None:
            self._walk.cancelled = True
            self._walk.left.clear()
            self._walk.ready.clear()
            self._walk.shown = None

    def forget(self) -> None:
        """Another project comes."""
        if self._walk is not None:
            self._worker.later(self._walk.elsewhere.close, lambda _: None)
            self._walk = None

    def close(self) -> None:
        """The worker has ended: close the project."""
        if self._elsewhere is not None:
            self._elsewhere.close()

    def holds(self, image: str) -> bool:
        """Whether an image cannot be opened now, since it is being written; it will be opened then."""
        if self._walk is None:
            return False
        busy = self._walk.hidden is not None and self._walk.hidden.image == image
        self._walk.wish = image if busy else ""
        if busy:
            self._ws.session.update(status=f"Opening {image} as soon as its labels are written...")
        return busy

    # --- what the clock does ----------------------------------------------------------------------

    def take(self, reply: Reply) -> bool:
        """Answers of the engine; True if it was one for us."""
        walk = self._walk
        if walk is None or reply.job != walk.number:
            return False
        match reply.event:
            case TileDone():
                walk.tally.begin()
                self._show(walk, reply.event.done / reply.event.total)
            case Predicted() if not walk.cancelled:
                walk.deaths = 0
                walk.ready[reply.event.image] = reply.event
            case Notice():
                self._ws.session.update(notice=reply.event.text)
            case Failed():
                self._left_out(walk, reply.event)
            case Finished():
                self._ws.job = walk.number = None
                if walk.image in walk.tally.left_out:
                    walk.tally.end(walk.image)
        return True

    def follow(self) -> None:
        """Write what is ready, ask for the next image, or end."""
        walk = self._walk
        if walk is None or walk.looking:
            return
        self._check_shown(walk)
        for image in () if self._ws.turns.busy else list(walk.ready):  # it may be the one that is just being opened
            if image == self._ws.session.image:
                self._write_shown(walk, image)
            elif walk.hidden is None:
                self._write_hidden(walk, walk.ready.pop(image))
        if walk.number is None and self._ws.job is None:
            if walk.left and walk.waits < AHEAD:
                self._ask(walk)
            elif not walk.left and not walk.waits:
                self._end(walk)

    # --- asking -----------------------------------------------------------------------------------

    def _begin(self, walk: Walk, left: tuple[str, ...]) -> None:
        walk.tally.sizes = {id: walk.tally.sizes[id] for id in left}
        walk.left.extend(() if walk.cancelled else left)
        walk.looking = False
        if not left and walk is self._walk:
            n = len(walk.job.images)
            done = f"{_names(walk)} has predicted {'the image' if n == 1 else f'all {n} images'} already"
            self._finish(walk, f"{done}. Tick Again where done to do it once more.")

    def _ask(self, walk: Walk) -> None:
        ws = self._ws
        walk.image = walk.left.popleft()
        ready = ws.engine.ready is not None
        walk.number = ws.job = ws.engine.submit(replace(walk.job, images=(walk.image,)))
        if ready:
            self._show(walk)
        else:
            progress = walk.tally.progress(walk.image)
            ws.session.update(progress=replace(progress, text=f"{progress.text}: engine starts"))

    def _show(self, walk: Walk, share: float = 0.0) -> None:
        if not walk.cancelled:
            self._ws.session.update(progress=walk.tally.progress(walk.image, share))

    def _left_out(self, walk: Walk, event: Failed) -> None:
        died = self._ws.engine.pid is None
        walk.deaths += died
        if died:
            self._ws.session.update(engine="engine: starting")
        if died and walk.again(walk.image) and not walk.cancelled:
            walk.left.appendleft(walk.image)  # perhaps it was not this image's fault
            return
        walk.tally.leave_out(walk.image, event.message)
        if walk.deaths >= DEATHS:
            walk.left.clear()
            self._ws.session.update(problem=Problem(event.message, event.hint, event.traceback))

    # --- writing ----------------------------------------------------------------------------------

    def _write_shown(self, walk: Walk, image: str) -> None:
        """Into the open image: bit by bit, in the main thread."""
        ws = self._ws
        if walk.shown is not None or ws.family is None or ws.painting:
            return
        event = walk.shown = walk.ready.pop(image)

        def written() -> None:
            if walk.shown is event:
                walk.shown = None
                walk.tally.end(image)

        self._prediction.write(event, walk.job, ws.new_group(PREDICTION), written)

    def _check_shown(self, walk: Walk) -> None:
        """A prediction whose image was closed on the way is written once more, which changes only what was missing."""
        ws = self._ws
        if walk.shown is None or ws.helper.busy or self._writer.busy:
            return
        event, walk.shown = walk.shown, None
        if event.image != ws.session.image or walk.again(event.image):
            walk.ready[event.image] = event
        else:
            problem = ws.session.problem
            walk.tally.leave_out(event.image, problem.message if problem else "Its labels were not written.")
            walk.tally.end(event.image)

    def _write_hidden(self, walk: Walk, event: Predicted) -> None:
        """Into an image that is not open: in the helper thread."""
        walk.hidden = event

        def write() -> ImageStatus:
            project = walk.elsewhere.project()
            write_prediction(project, event, walk.job)
            project.release(event.image)
            return image_status(project, event.image)

        def written(status: ImageStatus) -> None:
            self.known.emit(walk.project, event.image, status)
            self._settled(walk, event.image)

        def failed(error: CellsegError) -> None:
            walk.tally.leave_out(event.image, error.message)
            self._settled(walk, event.image)

        self._worker.later(write, written, failed)

    def _settled(self, walk: Walk, image: str) -> None:
        walk.hidden = None
        walk.tally.end(image)
        wish, walk.wish = walk.wish, ""
        if wish and walk is self._walk:
            self.wished.emit(wish)

    # --- ending -----------------------------------------------------------------------------------

    def _failed(self, walk: Walk, error: CellsegError) -> None:
        if walk is self._walk:
            self._ws.fail(error)
            self._finish(walk, "")

    def _end(self, walk: Walk) -> None:
        n, all_of_them = len(walk.tally.done), len(walk.tally.sizes)
        images = "image" if all_of_them == 1 else "images"
        text = f"{_names(walk)} has predicted {n} {images}."
        if n + len(walk.tally.left_out) < all_of_them:
            ended = "Cancelled" if walk.cancelled else "Stopped"
            text = f"{ended} after {n} of {all_of_them} {images}. Predict all images goes on with the others."
        self._finish(walk, text)

    def _finish(self, walk: Walk, status: str) -> None:
        self._walk = None
        self._worker.later(walk.elsewhere.close, lambda _: None)
        ws = self._ws
        ws.session.update(progress=None, status=status, notice=walk.tally.notice() or ws.session.notice)


def _names(walk: Walk) -> str:
    return "+".join(walk.job.models)

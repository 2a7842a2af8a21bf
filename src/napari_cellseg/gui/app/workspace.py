"""What the parts of one viewer share: viewer, session, engine, helper thread and the layers of the open image. No Qt.

Parts get a `Workspace` and the parts that they use, never the controller. What one part does that others follow is a
signal here, or of that part; the controller's `_connect` says who listens, in which order.
"""

from __future__ import annotations

import threading
import time
import uuid

from napari.components import ViewerModel
from psygnal import Signal

from ...engine import Engine, Job
from ...errors import CellsegError, NothingThere, ProjectDamaged, ProjectGone
from ...project import APPROVED, CORRECTED, Edit, LabelStore, Project
from ..layers.image_layers import ImageLayers
from .act_words import PART, PREDICTION, group_of
from .background import Helper
from .session import Counts, Offer, Problem, Progress, Session
from .turns import Turns

COUNT_AFTER_S = 0.5
"""Objects are counted when nothing has changed for so long."""
RUNNING = {
    "predict": "Predicting",
    "decode": "Decoding",
    "train": "Fine-tuning",
    "show": "Cutting patches",
    "judge": "Judging on held-out corrections",
    "explain": "Explaining",
    "places": "Predicting what the model learnt from",
    "report": "Predicting held-out images for the worst cases",
}
"""What the status line says of a job, by its kind."""


class Offering(CellsegError):
    """A mistake with ways out that the dock can offer."""

    def __init__(self, message: str, hint: str, *offers: Offer) -> None:
        super().__init__(message, hint)
        self.offers = offers


class Workspace:
    """One viewer's shared ground; written in the main thread only.

    Attributes
    ----------
    turns
        Work that is done step by step, so that the window goes on.
    family
        The layers of the open image, None before one is open.
    job
        The engine's job that the person waits for; there is only one at a time.
    cancelled
        The last job that was cancelled: what still comes of it is dropped.
    window
        A name that no other window has, ever; it is part of the names of groups of edits.
    """

    project_opened = Signal()
    image_opened = Signal()
    image_closing = Signal()
    """The layers are still there; pixels that wait to be written must be written now, or never."""
    model_changed = Signal()
    """Another image, or another model (or several) to predict with."""
    settling = Signal()
    """Something is about to change labels: whatever is open must count first."""
    cancelling = Signal()
    edited = Signal(Edit, bool)
    """An edit is shown; and whether it was painted by napari's own tools."""
    user_edited = Signal()
    counted = Signal()

    def __init__(self, viewer: ViewerModel, session: Session, engine: Engine) -> None:
        self.viewer, self.session, self.engine = viewer, session, engine
        self.helper = Helper(session)
        self.turns = Turns()
        self.family: ImageLayers | None = None
        self.job: int | None = None
        self.cancelled: int | None = None
        self.window = uuid.uuid4().hex[:8]
        self._stop = threading.Event()
        self._group, self._groups = (0, ""), 0
        self._count_due = 0.0

    # --- what is open -----------------------------------------------------------------------------

    def project(self) -> Project:
        """The open project, or a mistake to show."""
        if self.session.project is None:
            raise CellsegError("No project is open.", "Make one or open one in the step Image.")
        return self.session.project

    def store(self) -> LabelStore:
        """The open image's labels and state, or a mistake to show."""
        if self.session.store is None:
            raise CellsegError("No image is open.", "Add one in the step Image.")
        return self.session.store

    def layers(self) -> ImageLayers:
        """The open image's layers, or a mistake to show."""
        if self.family is None:
            raise CellsegError("No image is open.", "Add one in the step Image.")
        return self.family

    @property
    def instances(self) -> bool:
        """Whether ids are objects (else classes)."""
        return self.session.project is None or self.session.project.task == "instance"

    def drawn_class(self) -> int:
        """What drawing draws: the brush's class, or (0) a new object.

        Raises
        ------
        CellsegError
            When the brush's label is no class.
        """
        if self.instances or self.family is None:
            return 0
        value, n = int(self.family.labels.selected_label), len(self.project().classes)
        if not 1 <= value <= n:
            raise CellsegError(f"There is no class {value}.", f"Choose 1 to {n} as the brush's label (key N).")
        return value

    @property
    def painting(self) -> bool:
        """Whether the person has a stroke open: nobody else may write now."""
        return self.family is not None and self.family.stroke_open()

    # --- changing labels ----------------------------------------------------------------------------

    def settle(self) -> None:
        """An open stroke counts, and what could not be saved is taken back, before anything else changes labels."""
        self.settling.emit()

    def apply(self, edit: Edit, group: str = "") -> Edit:
        """Log an edit, write it, show it; returns what was written."""
        written = self.store().apply(edit, group)
        self.show(written)
        return written

    def show(self, edit: Edit, *, painted: bool = False) -> None:
        """Show what an edit wrote; napari has shown it already where it was `painted`."""
        if self.family is None:
            return
        foreign, self.store().taken_in = self.store().taken_in, []
        for other in foreign:  # somebody else is working on this image too
            self.family.repaint(other.box())
        if edit.empty:
            return
        if painted:
            self.family.show_state(edit.box())
        else:
            self.family.repaint(edit.box())
        self.edited.emit(edit, painted)
        self._count_due = time.monotonic() + COUNT_AFTER_S

    def show_all(self, written: list[Edit]) -> None:
        """Show what several edits wrote."""
        for edit in written:
            self.show(edit)

    def count(self) -> None:
        """Count the open image's objects, and what is corrected and approved of it."""
        self._count_due = 0.0
        if self.session.store is not None:
            found = self.session.store.objects
            counts = Counts(len(found), found.share(CORRECTED), found.share(APPROVED), *found.known())
            self.session.update(counts=counts)
            self.counted.emit()

    def rest(self) -> None:
        """Called by the clock while nothing is written: count what has changed, and snapshot what is long enough."""
        if self._count_due and time.monotonic() > self._count_due:
            self.count()
        store = self.session.store
        if store is not None and store.snapshot_due:
            self.helper.later(store.prepare_snapshot(), lambda _: None)

    # --- jobs ---------------------------------------------------------------------------------------

    def check_idle(self) -> None:
        """Raise where the person waits for something already."""
        if self.job is not None or self.session.progress is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")

    def begin(self, job: Job, kind: str) -> None:
        """Start a job that the person waits for; there is only one at a time."""
        if self.job is not None:
            raise CellsegError("Something is running already.", "Wait for it, or cancel it.")
        self.job = self.engine.submit(job)
        self._group = self.job, self.new_group(PART if getattr(job, "region", ()) else PREDICTION)
        text = RUNNING[kind] + ("" if self.engine.ready else ": engine starts")
        self.session.update(problem=None, notice="", progress=Progress(kind, text))

    def cancel(self) -> None:
        """End whatever runs; what is finished stays."""
        self.stop_helper()
        self.cancelling.emit()
        if self.job is not None:
            self.cancelled = self.job
            self.engine.cancel(self.job)
            self.session.update(status="Stopping after the current tile or step...")

    @property
    def group(self) -> str:
        """Edits of the running job are undone together: a name that no other job has, of any window; "" without one."""
        if self.job is None:
            return ""
        if self._group[0] != self.job:
            self._group = self.job, self.new_group(PREDICTION)
        return self._group[1]

    def new_group(self, kind: str) -> str:
        """A name for edits that are undone together: what they are, and after which edit a person asked for them."""
        self._groups += 1
        store = self.session.store
        return group_of(kind, self.window, self._groups, store.n if store is not None else 0)

    def new_stop(self) -> threading.Event:
        """What Cancel sets for work in the helper thread."""
        self._stop = threading.Event()
        return self._stop

    def stop_helper(self) -> None:
        """Let work in the helper thread end early."""
        self._stop.set()

    # --- telling ------------------------------------------------------------------------------------

    def fail(self, error: CellsegError, *offers: Offer) -> None:
        """Show a problem until it is read; a slip of the hand only in the status line."""
        if isinstance(error, NothingThere):
            self.session.update(status=f"{error.message} {error.hint}")
            return
        gone = isinstance(error, ProjectGone)
        if gone:
            offers = (Offer("save"),)
        elif isinstance(error, ProjectDamaged):
            offers = (Offer("recover", (error.folder,)),)
        elif isinstance(error, Offering):
            offers = error.offers
        self.session.update(problem=Problem(error.message, error.hint, offers=offers), gone=gone or self.session.gone)

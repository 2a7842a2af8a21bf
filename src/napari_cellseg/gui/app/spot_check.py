"""The spot check in the viewer: from place to place, one key each, through all images. No Qt.

Data flow: `draw` in the helper thread -> places -> the image of the next one is opened, the place shown -> a key or
clicks -> a row in ``project.db`` before the next place comes -> at the end what it says, from the helper thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from psygnal import Signal

from ...errors import CellsegError
from ...project import (
    COUNTED,
    COUNTING,
    GONE,
    RIGHT,
    UNSURE,
    WRONG,
    Project,
    SpotAnswer,
    SpotCheck,
    SpotPlace,
    add_spot_answers,
    is_as_drawn,
    is_outdated,
    spot_checks,
)
from ...trust import Drawing, draw, results, said
from ..layers.spot_marks import SpotMarks
from .report_errors import report_errors
from .session import Progress
from .spot_view import SpotState

if TYPE_CHECKING:
    from .workspace import Workspace

Say = Literal["right", "wrong", "unsure"]
Action = Callable[[], object]
NEAR = 6.0
"""A click so near (pixels, or a twentieth of the field) to an earlier one takes that back."""


class SpotChecks:
    """Asks about random places that nobody has touched."""

    wished = Signal(str)
    """The id of an image that is to be opened."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace
        self._marks = SpotMarks(workspace.viewer, self._click)
        self._check: SpotCheck | None = None
        self._place: SpotPlace | None = None
        self._points: list[tuple[int, ...]] = []
        self._began = 0.0
        self._skipping = False  # an image is being changed for the next place

    def keys(self, others: Mapping[str, Action]) -> dict[str, Action]:
        """Keys, of which some answer while a check runs and do what they do otherwise while none does."""
        own = {"0": self.right, "R": self.wrong, "9": self.unsure, "8": self.back}
        return {key: self._or(own[key], do) if key in own else do for key, do in others.items()}

    def _or(self, own: Action, other: Action) -> Action:
        return lambda: (own if self._place is not None else other)()

    # --- what buttons and keys do -----------------------------------------------------------------

    @report_errors
    def begin(self, objects: int, fields: int) -> None:
        """Draw a new sample and go to its first place."""
        ws = self._ws
        ws.check_idle()
        ws.settle()
        folder, seed = ws.project().path, len(spot_checks(ws.project().db))

        author, stop = ws.project().author, ws.new_stop()

        def work() -> SpotCheck:
            with Project.open(folder) as own:  # this thread's own connection
                own.author = author
                return draw(own, Drawing(objects, fields, seed), stop.is_set)

        def failed(error: CellsegError) -> None:
            ws.session.update(progress=None, status="Cancelled." if stop.is_set() else "")
            if not stop.is_set():
                ws.fail(error)

        text = "Drawing objects and fields that nobody has touched"
        ws.session.update(problem=None, progress=Progress("spot check", text))
        ws.helper.later(work, lambda check: self._take(folder, check), failed)

    @report_errors
    def go_on(self) -> None:
        """Go on with the newest check where it was left."""
        found = spot_checks(self._ws.project().db)
        if not found or not found[-1].open:
            raise CellsegError("There is no open spot check.", "Start one.")
        self._take(self._ws.project().path, found[-1])

    @report_errors
    def right(self) -> None:
        """The object is right; or all cells of the field are clicked."""
        self._answer(RIGHT)

    @report_errors
    def wrong(self) -> None:
        """The object is wrong; or take the last click back."""
        if self._place is not None and self._place.kind == "field":
            self._points = self._points[:-1]
            self._note_points()
        else:
            self._answer(WRONG)

    @report_errors
    def unsure(self) -> None:
        """Nobody could tell: it is left out, and said."""
        self._answer(UNSURE)

    @report_errors
    def back(self) -> None:
        """To the place before; its newest answer counts."""
        if self._check is None or self._place is None:
            return
        before = [p for p in self._check.places if p.number < self._place.number and not self._is_gone(p)]
        if before:
            self._go(before[-1])

    def stop(self) -> None:
        """Leave it here; what was answered is kept."""
        if self._place is not None:
            self._leave()
            self._tell()

    # --- following others -------------------------------------------------------------------------

    def opened(self) -> None:
        """Another project: find out what its checks say."""
        self._forget()
        self._ws.session.update(spot=SpotState())
        self._tell()

    def image_opened(self) -> None:
        """The image of the next place is there; another image that was opened ends it."""
        if self._place is not None and self._place.image == self._ws.session.image:
            self._skipping = False
            self._show()
        elif self._place is not None and not self._skipping:
            self.stop()

    def image_closing(self) -> None:
        """Its layers go."""
        self._marks.clear()

    def predicted(self) -> None:
        """Labels have been predicted again."""
        if self._ws.session.spot.check and not self._ws.session.spot.outdated:
            self._tell()

    # --- inside ---------------------------------------------------------------------------------

    def _take(self, folder: object, check: SpotCheck) -> None:
        """Begin with the first open place of a check, if its project is still open."""
        self._ws.session.update(progress=None)
        project = self._ws.session.project
        if project is None or project.path != folder:
            return
        self._check = check
        self._next(0)

    def _next(self, after: int) -> None:
        """To the first open place after one, or else the first of all; at the end, what it says."""
        assert self._check is not None
        open_ = self._check.open
        place = next((p for p in open_ if p.number > after), open_[0] if open_ else None)
        if place is None:
            self._leave()
            self._ws.session.update(status="The spot check is done.")
            self._tell()
        else:
            self._go(place)

    def _go(self, place: SpotPlace) -> None:
        """Show a place; where its image is another one, that is opened first."""
        ws = self._ws
        self._place, self._points = place, self._points_of(place)
        if place.image == ws.session.image:
            self._show()
            return
        self._skipping = True
        self._marks.clear()
        self.wished.emit(place.image)
        if ws.session.image != place.image:  # being written by a prediction, or its picture is gone: that was said
            self._skipping = False
            self._place = None
            self._tell()

    def _show(self) -> None:
        ws, place = self._ws, self._place
        assert place is not None
        family, store = ws.layers(), ws.store()
        if not is_as_drawn(place, store.labels, store.state, store.objects):
            self._keep(SpotAnswer(place.number, GONE, author=ws.project().author))
            self._next(place.number)
            return
        if ws.session.tool or ws.session.queue:
            ws.session.update(tool="", queue=(), place=-1)
        self._began = time.monotonic()
        if place.kind == "object":
            self._marks.show_object(family, place.object, place.box)
        else:
            self._marks.show_field(family, place.box, self._points)
        ws.session.update(spot=self._state(), status="")

    def _answer(self, word: str) -> None:
        place, ws = self._place, self._ws
        if place is None or self._check is None:
            return
        if ws.session.image != place.image:
            return
        missed, points = 0, tuple(self._points)
        if place.kind == "field" and word == RIGHT:
            word, missed = COUNTED, len(points)
        seconds = round(time.monotonic() - self._began, 2)
        self._keep(SpotAnswer(place.number, word, missed, points, seconds, ws.project().author))
        self._next(place.number)

    def _click(self, voxel: tuple[int, ...]) -> None:
        """A cell without a right outline; near an earlier click, that one is taken back."""
        if self._place is None or self._place.kind != "field":
            return
        side = self._place.box[-1][1] - self._place.box[-1][0]
        reach = max(NEAR, side / 20) ** 2
        gaps = [(p[-2] - voxel[-2]) ** 2 + (p[-1] - voxel[-1]) ** 2 for p in self._points]
        if gaps and min(gaps) <= reach:
            del self._points[gaps.index(min(gaps))]
        else:
            self._points.append(voxel)
        self._note_points()

    @report_errors
    def _note_points(self) -> None:
        """Every click is on disk, though the field is not done."""
        assert self._place is not None
        self._marks.show_points(self._points)
        author = self._ws.project().author
        self._keep(SpotAnswer(self._place.number, COUNTING, len(self._points), tuple(self._points), 0.0, author))
        self._ws.session.update(spot=self._state())

    def _keep(self, answer: SpotAnswer) -> None:
        assert self._check is not None
        self._check = add_spot_answers(self._ws.project().db, self._check, [answer])

    def _points_of(self, place: SpotPlace) -> list[tuple[int, ...]]:
        assert self._check is not None
        answer = self._check.answers.get(place.number)
        return list(answer.points) if answer is not None else []

    def _is_gone(self, place: SpotPlace) -> bool:
        assert self._check is not None
        answer = self._check.answers.get(place.number)
        return answer is not None and answer.answer == GONE

    def _leave(self) -> None:
        self._marks.clear()
        self._place = None
        self._ws.session.update(spot=replace(self._ws.session.spot, place=None))

    def _forget(self) -> None:
        self._marks.clear()
        self._check = self._place = None
        self._skipping = False

    def _state(self) -> SpotState:
        check, place = self._check, self._place
        assert check is not None
        alike = check.of(place.kind) if place is not None else []
        outdated = is_outdated(self._ws.project().db, check)
        first = place is not None and place.number == check.places[0].number
        rank = alike.index(place) + 1 if place is not None else 0
        return replace(
            self._ws.session.spot, check=check.n, open=len(check.open), outdated=outdated, place=place, rank=rank,
            of=len(alike), missed=len(self._points), first=first,
        )  # fmt: skip

    def _tell(self) -> None:
        """Say what the newest check comes to; counted in the helper thread."""
        ws, project = self._ws, self._ws.session.project
        if project is None or not spot_checks(project.db):
            return
        folder = project.path

        def work() -> SpotState:
            with Project.open(folder) as own:
                result = results(own)[-1]
                check = result.check
                return SpotState(check.n, len(check.open), result.outdated, said=tuple(said(result)))

        def take(found: SpotState) -> None:
            if ws.session.project is project and self._place is None:
                ws.session.update(spot=found)

        ws.helper.later(work, take)

"""How projects and images are opened and closed, and what is read of a project for the views. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine import unjudged_models
from ...errors import CellsegError
from ...project import Project
from ..layers import _napari
from .session import Curve, Session
from .training import interrupted_in

if TYPE_CHECKING:
    import threading

    from ..layers.image_layers import LayerFamily
    from .all_images import AllImages
    from .external_edits import Watching
    from .hint_strokes import Hinting
    from .label_writer import PieceWriter
    from .prediction import Predicting
    from .preview import Previewer
    from .review import Reviewing
    from .strokes import Strokes
    from .tools import Tools
    from .window_state import Whereabouts

READ_ONLY = (
    "This project is open in another window, so this one only looks. Close the other window and open the project again "
    "to edit here."
)


class Opening:
    """Takes and leaves projects and images; the controller is one of these."""

    session: Session
    family: LayerFamily | None
    job: int | None
    all_images: AllImages
    hinting: Hinting
    predicting: Predicting
    previewer: Previewer
    reviewing: Reviewing
    strokes: Strokes
    tools: Tools
    watching: Watching
    where: Whereabouts
    writer: PieceWriter
    cancel: Callable[[], None]
    project: Callable[[], Project]
    _stop_helper: threading.Event

    def settle(self) -> None:
        """An open stroke counts, and what could not be saved is taken back, before anything else changes labels."""
        self.keep_together()
        self._finish_stroke()

    def _finish_stroke(self) -> None:
        if self.family is not None:
            _napari.settle(self.family.labels)
        self.strokes.take_back_unsaved()

    def keep_together(self) -> None:
        """Layers of the open image that were removed come back; without image and labels, the image is closed."""
        family = self.family
        if family is None or not (missing := family.missing):
            return
        if family.gone:
            id = self.session.image
            self._close_image()
            self.session.update(status=f"Closed {id}; its labels are saved. The step Image opens it again.")
            return
        family.bring_back()
        names = ", ".join(layer.name for layer in missing)
        self.session.update(
            status=f"{names} came back: the layers of an image stay together. The eye hides one; removing the image "
            "and its labels together closes it."
        )

    def use(self, project: Project) -> None:
        """Let go of what is open and take another project: views see the one or the other, never parts of both."""
        try:
            lists, notice = self._lists(project), self._unusual(project)
        except CellsegError:
            project.close()
            raise
        self._leave()
        read_only = not project.claim()
        notices = (READ_ONLY if read_only else "", notice, self.session.notice)
        self.session.update(
            project=project, config=project.config, image="", canvas=None, problem=None, curve=Curve(), together=(),
            field_only=False, gone=False, read_only=read_only, notice="\n".join(n for n in notices if n), fitted=None,
            target=None,
            status=f"Opened {project.name}." if lists["images"] else "Now add an image.", **lists,
        )  # fmt: skip
        self.all_images.forget()
        self.predicting.opened()
        self.all_images.count()
        if self.session.images:
            self.where.return_there(self.session.images[0].id)

    def recover(self, path: str | Path) -> None:
        """Put a damaged project together again and open it; where it is open, let go of it first."""
        project = self.session.project
        if project is not None and project.path.resolve() == Path(path).resolve():
            self._leave()
            self.session.update(project=None, images=(), models=(), current_model=None, rounds=())
        self.use(Project.recover(path))

    def _leave(self) -> None:
        """Let go of the open project."""
        self.session.update(notice="")
        self.where.remember(at_once=True)
        self.cancel()
        self.job = None  # events of a job of another project must not reach this one
        self.session.update(progress=None)
        self._close_image()
        if self.session.project is not None:
            self._told(self.session.project.close)

    def refresh(self) -> None:
        """Read the lists of images, models and rounds anew."""
        self.session.update(**self._lists(self.project()))
        self.all_images.count()

    def _lists(self, project: Project) -> dict[str, Any]:
        """What the session knows of a project: read here, so that no view needs to read the disk."""
        current = project.current_model
        return {
            "images": tuple(project.images()),
            "models": tuple(project.models()),
            "left_out": tuple(project.left_out()),
            "current_model": current,
            "own": project.model_config(current).target if current else None,
            "rounds": tuple(project.db.rounds()),
            "unfinished": interrupted_in(project),
            "unjudged": tuple(unjudged_models(project)),
            "spoken": project.db.spoken(),
            "holdouts": project.db.holdouts(),
            "guidelines": _guidelines(project)[0],
        }

    def _unusual(self, project: Project) -> str:
        """What a person should know who opens a project: what is left out of it."""
        lines = [f"{one.name} cannot be used: {one.reason}." for one in project.left_out()]
        lines += taken(project.notices)
        set_model = project.db.setting("current_model")
        if set_model and project.current_model is None:
            lines.append(f"The model in use was {set_model}. Choose another one below, or mend its folder.")
        unjudged = unjudged_models(project)
        lines += [f"{id} was trained, but not judged before the window closed: see Rounds." for id in unjudged]
        return "\n".join([*lines, *filter(None, [_guidelines(project)[1]])])

    def _told(self, closing: Callable[[], None]) -> None:
        """Close something; what could not be kept is said and stops nothing, since the log holds every edit."""
        try:
            closing()
        except CellsegError as error:
            text = f"{error.message} {error.hint}"
            self.session.update(notice=f"{self.session.notice}\n{text}".strip())

    def _close_image(self) -> None:
        self._finish_stroke()
        self.watching.settle()
        self._stop_helper.set()
        self.strokes.stop()
        self.reviewing.stop()
        self.tools.detach()
        self.hinting.closing()
        self.writer.reset()
        self.all_images.closing()
        self.previewer.forget()
        if self.family is not None:
            self.family.remove()
            self.family = None
        project, image = self.session.project, self.session.image
        self.session.update(image="", canvas=None)
        if project is not None and image:
            self._told(lambda: project.release(image))


def taken(notices: list[str]) -> list[str]:
    """What was noted, once."""
    found = list(notices)
    notices.clear()
    return found


def _guidelines(project: Project) -> tuple[str, str]:
    """The project's annotation rules, or why they cannot be read."""
    try:
        return project.guidelines(), ""
    except CellsegError as error:
        return "", f"{error.message} {error.hint}"

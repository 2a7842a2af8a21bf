"""What a person can cause, said so that the person can mend it."""

from __future__ import annotations


class CellsegError(Exception):
    """A mistake or a circumstance that the person can do something about.

    Parameters
    ----------
    message
        What was given and why it does not work.
    hint
        What to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type[CellsegError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class NothingThere(CellsegError):
    """A tool was used where it finds nothing to act on: a slip of the hand, said quietly."""


class ProjectDamaged(CellsegError):
    """The database of a project cannot be read; `recover` puts it together again.

    Parameters
    ----------
    folder
        Of the project.
    """

    def __init__(self, message: str, hint: str = "", folder: str = "") -> None:
        super().__init__(message, hint)
        self.folder = folder

    def __reduce__(self) -> tuple[type[ProjectDamaged], tuple[str, str, str]]:  # type: ignore[override]
        return type(self), (self.message, self.hint, self.folder)


class ProjectGone(CellsegError):
    """The folder of an open project was moved, deleted or replaced; what is in memory can be saved elsewhere."""

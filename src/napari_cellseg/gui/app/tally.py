"""How far a walk through all images is, what is left of it, and which images were left out. No Qt."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...project import Project
from .session import Progress

LINES = 5
"""So many images that were left out are named one by one."""
Clock = Callable[[], float]


@dataclass
class Tally:
    """Counts images; time is expected to go with voxels.

    Attributes
    ----------
    kind
        Of the `Progress`.
    verb
        What is done to an image: Predicting, Exporting.
    sizes
        Voxels of every image that is to be done, in that order.
    hint
        What to do about images that were left out.
    left_out
        Why images were left out, by id.
    """

    kind: str
    verb: str
    sizes: dict[str, int]
    hint: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    clock: Clock = time.monotonic
    _voxels: int = 0
    _shown: float = 0.0
    _start: float = 0.0

    def begin(self) -> None:
        """The first image begins now; waiting for an engine does not count."""
        self._start = self._start or self.clock()

    def leave_out(self, image: str, why: str) -> None:
        """An image cannot be done."""
        self.left_out.setdefault(image, why)

    def end(self, image: str) -> None:
        """An image is done, or was left out."""
        self._voxels += self.sizes[image]
        if image not in self.left_out:
            self.done.append(image)

    def progress(self, image: str, share: float = 0.0) -> Progress:
        """What to show while an image is at a share of its own."""
        total = max(1, sum(self.sizes.values()))
        # the next image may begin before the last one is written: what was shown does not go back
        done = self._shown = max(self._shown, (self._voxels + share * self.sizes[image]) / total)
        elapsed = self.clock() - self._start if self._start else 0.0
        remaining = elapsed * (1 - done) / done if done > 0 and elapsed > 1 else None
        number = list(self.sizes).index(image) + 1
        return Progress(self.kind, f"{self.verb} image {number} of {len(self.sizes)}: {image}", done, remaining)

    def notice(self) -> str:
        """Which images were left out and why, "" where none was."""
        if not self.left_out:
            return ""
        n = len(self.left_out)
        lines = [f"{'An image was' if n == 1 else f'{n} images were'} left out; the others are done."]
        lines += [f"• {id}: {why}" for id, why in list(self.left_out.items())[:LINES]]
        lines += [f"• and {n - LINES} more"] * (n > LINES) + [self.hint] * bool(self.hint)
        return "\n".join(lines)


def voxels(shape: tuple[int, ...]) -> int:
    """How many voxels an image of this shape has."""
    return math.prod(shape)


class Elsewhere:
    """A project seen from another thread: a connection of its own to the database, made at the first use there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._project: Project | None = None

    def project(self) -> Project:
        """The project; call it in the other thread only."""
        if self._project is None:
            self._project = Project.open(self.path)
        return self._project

    def close(self) -> None:
        """Close it."""
        if self._project is not None:
            self._project.close()
            self._project = None

"""One image after another, or several at a time: what verbs that look at many of them have in common.

Data flow: a reader for each image, called in turn, here or in other processes -> what it gives of the image, or of each
of its time points -> all of it, with those that could not be used and why. What is made of it is the verb's own.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ..events import ObjectsMeasured, Skipped, Stopped
from ..parts import Answer, Spread, WorkStopped, scheduler
from ._work import Stop, Work

T = TypeVar("T")
Readers = Mapping[str, Callable[[], Mapping[str, T]]]
"""By image, what reads it: by name what there is of it, one for every time point."""


@dataclass(frozen=True, eq=False)
class Found(Generic[T]):
    """What came of all images.

    Attributes
    ----------
    by_image
        What each reader gave, by the image's name; without those that were left out.
    left_out
        Images that could not be used, with message and hint.
    stopped
        Whether it ended early at somebody's wish.
    """

    by_image: dict[str, dict[str, T]] = field(default_factory=dict)
    left_out: tuple[Skipped, ...] = ()
    stopped: bool = False

    @property
    def parts(self) -> dict[str, T]:
        """By name of the image or time point."""
        return {name: part for parts in self.by_image.values() for name, part in parts.items()}


@dataclass(frozen=True, eq=False)
class Away(Generic[T]):
    """Several images at a time, in other processes. Readers then are functions or frozen classes of a module.

    Attributes
    ----------
    scheduler, options
        Who does it (`parts.scheduler`), and options of a batch system.
    folder
        For what goes to and fro, on a disk that all processes see; made where it is missing.
    pack, unpack
        Arrays out of what a reader gives, and back; `pack` is a function of a module, too.
    """

    scheduler: str
    options: Mapping[str, Any]
    folder: Path
    pack: Callable[[Mapping[str, T]], Answer]
    unpack: Callable[[Answer], Mapping[str, T]]


def each_image(
    readers: Readers[T], count: Callable[[T], int], stop: Stop, away: Away[T] | None = None
) -> Work[Found[T]]:
    """Read every image; one that cannot be used is left out, and the rest goes on.

    Parameters
    ----------
    count
        How many objects there are in what a reader gave: events tell it.
    away
        Who reads them instead of this process; events then come in the order in which images are done.

    Raises
    ------
    CellsegError
        When the only image, or none of several, can be used.
    """
    found, left_out = dict[str, Mapping[str, T]](), dict[str, Skipped]()
    for name, parts, seconds in _here(readers, stop) if away is None else _elsewhere(readers, away, stop):
        if not isinstance(parts, CellsegError):
            found[name] = parts
            yield ObjectsMeasured(name, sum(map(count, parts.values())), seconds)
        elif stop():  # it ended because of that
            break
        elif len(readers) == 1:
            raise parts
        else:
            left_out[name] = Skipped(name, parts.message, parts.hint)
            yield left_out[name]
    by_image = {name: dict(found[name]) for name in readers if name in found}
    without = tuple(left_out[name] for name in readers if name in left_out)
    if stop():
        yield Stopped("cancelled")
        return Found(by_image, without, stopped=True)
    if without and not found:
        raise CellsegError(f"No image could be used: {without[0].message}", without[0].hint)
    return Found(by_image, without)


def answer_of(error: CellsegError) -> dict[str, NDArray[Any]]:
    """A mistake of the person, as a process says it."""
    return {"message": np.array(error.message), "hint": np.array(error.hint)}


def mistake_in(answer: Answer) -> CellsegError | None:
    """What a process said that went wrong; None where nothing did."""
    return CellsegError(str(answer["message"]), str(answer["hint"])) if "message" in answer else None


# --- inside ---------------------------------------------------------------------------------------

One = tuple[str, "Mapping[str, T] | CellsegError", float]
"""Of an image: its name, what there is of it or why it cannot be used, and the seconds that it took."""


def _here(readers: Readers[T], stop: Stop) -> Iterator[One[T]]:
    for name, read in readers.items():
        if stop():
            return
        start = time.perf_counter()
        try:
            parts: Mapping[str, T] | CellsegError = read()
        except CellsegError as error:
            parts = error
        yield name, parts, time.perf_counter() - start


def _elsewhere(readers: Readers[T], away: Away[T], stop: Stop) -> Iterator[One[T]]:
    names, folder = list(readers), away.folder / uuid.uuid4().hex
    who = scheduler(away.scheduler, folder / "jobs", away.options)
    way, done_with = Spread(folder / "images", who, {}, stop=stop), folder
    try:
        for number, answer in way.as_done(_Read(away.pack), list(readers.values()), "images"):
            seconds = float(answer["seconds"])
            yield names[number], mistake_in(answer) or away.unpack(answer), seconds
    except WorkStopped:
        return
    except CellsegError:
        done_with = way.folder  # scripts and logs of jobs tell why
        raise
    finally:
        who.close()
        shutil.rmtree(done_with, ignore_errors=True)
        with suppress(OSError):
            away.folder.rmdir()  # unless something else is in it


@dataclass(frozen=True)
class _Read(Generic[T]):
    """One image, read by another process."""

    pack: Callable[[Mapping[str, T]], Answer]

    def __call__(self, read: Callable[[], Mapping[str, T]]) -> Answer:
        start = time.perf_counter()
        try:
            answer = dict(self.pack(read()))
        except CellsegError as error:
            answer = answer_of(error)
        return answer | {"seconds": np.array(time.perf_counter() - start)}

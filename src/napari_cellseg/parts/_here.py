"""Work that goes part by part, done here, one part after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

Answer = Mapping[str, NDArray[Any]]
"""What work on a part says: arrays by name, small against the part."""
Item = TypeVar("Item")


class WorkStopped(Exception):
    """The person does not want the result any more."""


class Parts:
    """Does work part by part in this process. `Spread` does the same work in other processes.

    Whoever has work to do (a decoding, a measurement) says what is to be done with a part, as a callable, and puts the
    answers together; where and when parts are done is decided here. So there is one way to decode, and its labels
    cannot depend on how many processes did it.

    Attributes
    ----------
    stop
        Asked before every part.
    side
        Chunks of what is written are not longer than this along any axis; None: as the writer likes it.
    voxels
        About how large parts are to be; None: as the work likes it.
    """

    side: int | None = None
    voxels: int | None = None

    def __init__(self, stop: Callable[[], bool] = lambda: False) -> None:
        self.stop = stop

    def each(self, work: Callable[[Item], Answer], items: Sequence[Item], name: str = "") -> Iterator[Answer]:
        """Answers to all items, in their order.

        Parameters
        ----------
        work
            What is done with an item. In other processes it is pickled, so it is a function or a frozen class at the
            top of a module. Done twice, it leaves what it leaves done once.
        name
            What a person may call it: "decoding".

        Raises
        ------
        WorkStopped
            When `stop` answers True.
        """
        for item in items:
            if self.stop():
                raise WorkStopped
            yield work(item)

    def do(self, work: Callable[[Item], Answer], items: Sequence[Item], name: str = "") -> None:
        """`each` of work that has nothing to say."""
        for _ in self.each(work, items, name):
            pass

    def sheet(self, out: Any) -> Any:
        """An array like `out` for what is not final: here `out` itself, whose parts are then replaced in place."""
        return out

"""Work on parts done by other processes, each part once, whatever dies meanwhile.

Data flow: items -> a scheduler hands blocks to processes -> each writes its pixels, then its answer, which is the mark
that it is done -> answers, in order, to whoever asked. Pixels and answers go through files that all processes see;
through the scheduler go numbers only. A second start with the same folder asks for what has no mark.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import zarr

from ..errors import CellsegError
from ..files import write_text
from ._block import Block
from ._here import Answer, Item, Parts

_HOLDS = "holds-"
Tell = Callable[[str, int, int], None]
"""Called with what is being done, how many parts are, and how many there are."""


class Scheduler(Protocol):
    """Who has blocks done elsewhere."""

    link: str
    """Where a person can watch; empty where there is no such place."""

    def run(self, block: Block, items: Mapping[int, Any], stop: Callable[[], bool]) -> Iterator[int]:
        """Have these parts done, in any order; yields the number of each when it is.

        Raises
        ------
        WorkStopped
            When `stop` answers True, which is asked about twice a second.
        CellsegError
            When a part cannot be done.
        """
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


class Spread(Parts):
    """Does work part by part in other processes.

    Parameters
    ----------
    folder
        Of this one piece of work, on a disk that all processes see; what is there already is not done again.
    about
        Plain values that decide the result. A folder with others is emptied first.
    """

    def __init__(
        self,
        folder: Path,
        scheduler: Scheduler,
        about: Mapping[str, Any],
        *,
        stop: Callable[[], bool] = lambda: False,
        voxels: int | None = None,
        side: int | None = None,
        tell: Tell = lambda name, done, total: None,
    ) -> None:
        super().__init__(stop)
        self.folder, self.scheduler, self.voxels, self.side, self.tell = folder, scheduler, voxels, side, tell
        self._stages = self._sheets = 0
        self._begin(json.loads(json.dumps({**about, "voxels": voxels, "side": side})))

    def each(self, work: Callable[[Item], Answer], items: Sequence[Item], name: str = "") -> Iterator[Answer]:
        """As of `Parts`; answers come in order, parts are done in any."""
        block = self._block(work, name)
        for _ in self._finished(block, items, name):
            pass
        for number in range(len(items)):
            yield block.answer(number)

    def as_done(self, work: Callable[[Item], Answer], items: Sequence[Item], name: str) -> Iterator[tuple[int, Answer]]:
        """Numbers of items and their answers, in the order in which they come."""
        block = self._block(work, name)
        for number in self._finished(block, items, name):
            yield number, block.answer(number)

    def do(self, work: Callable[[Item], Answer], items: Sequence[Item], name: str = "") -> None:
        """As of `Parts`."""
        for _ in self._finished(self._block(work, name), items, name):
            pass

    def sheet(self, out: Any) -> Any:
        """A new array in the folder: parts that are done twice must find what they found at first."""
        path = self.folder / f"sheet-{self._sheets}.zarr"
        self._sheets += 1
        chunks = getattr(out, "chunks", out.shape)
        made = array_at(path, tuple(out.shape), str(out.dtype), tuple(chunks))
        self.holds(path)
        return made

    def holds(self, path: Path) -> None:
        """Note that parts write to a file or folder in the folder: when it is gone later, their marks say nothing."""
        (self.folder / f"{_HOLDS}{path.name}").touch()

    def forget(self) -> None:
        """The work is done, and its result is somewhere else. Half of the folder is never left under its name."""
        if self.folder.is_dir():
            gone = self.folder.with_name(f"{self.folder.name}.{time.monotonic_ns()}.done")
            self.folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self, about: dict[str, Any]) -> None:
        said = self.folder / "job.json"
        held = [self.folder / p.name.removeprefix(_HOLDS) for p in self.folder.glob(f"{_HOLDS}*")]
        if said.is_file() and all(path.exists() for path in held):
            try:
                if json.loads(said.read_text(encoding="utf-8")) == about:
                    return
            except ValueError:
                pass  # of an older version, or damaged: what lies there is of no use
        self.forget()
        write_text(said, json.dumps(about, indent=1))

    def _block(self, work: Callable[[Any], Answer], name: str) -> Block:
        folder = self.folder / f"{self._stages:02d}-{name.replace(' ', '-')}"
        self._stages += 1
        return Block(work, folder)

    def _finished(self, block: Block, items: Sequence[Any], name: str) -> Iterator[int]:
        done = block.done()
        self.tell(name, len(done), len(items))
        yield from done
        left = {k: item for k, item in enumerate(items) if k not in done}
        if not left:
            return
        for count, number in enumerate(self.scheduler.run(block, left, self.stop), start=len(done) + 1):
            self.tell(name, count, len(items))
            yield number


def array_at(path: Path, shape: tuple[int, ...], dtype: str, chunks: tuple[int, ...]) -> Any:
    """A quickly compressed zarr array of zeros, or the one that lies there.

    Raises
    ------
    CellsegError
        When the folder cannot be written.
    """
    from zarr.codecs import BloscCodec

    try:
        if (path / "zarr.json").is_file():
            return zarr.open_array(str(path), mode="r+")
        path.parent.mkdir(parents=True, exist_ok=True)
        codec = BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle")
        return zarr.create_array(
            str(path), shape=shape, chunks=chunks, dtype=dtype, compressors=[codec], fill_value=0, overwrite=True
        )
    except OSError as error:
        raise CellsegError(f"{path} cannot be written: {error}.", "Check the free space and the rights.") from error

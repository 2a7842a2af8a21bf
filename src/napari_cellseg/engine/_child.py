"""The child process: ``python -m napari_cellseg.engine._child``, spoken to through its standard streams."""

from __future__ import annotations

import io
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from ..base import DEFAULT, base_models
from ..errors import CellsegError
from ..events import Event, Failed, Finished, Ready
from ..files import full_disk
from ..kernels.threads import NETWORKS
from ..nets.place import processor
from ..processes import compute_here
from ..project import Project
from ._frames import BadFrame
from ._jobs import Job, run
from ._messages import CODEC, Cancel, Look, Picture, Reply, Run
from ._pictures import Elsewhere
from ._streams import Speaker, beat, take_streams

if TYPE_CHECKING:
    from ..prediction import Export

LATER_S = 20.0
"""Who has not asked for anything by then has time, or begins with something else."""


def main() -> None:
    """Serve jobs one after another until the pipe to the parent closes."""
    compute_here()
    commands, send = take_streams()
    jobs: queue.Queue[tuple[int, Job]] = queue.Queue()
    cancelled: set[int] = set()
    looks: dict[int, tuple[float, ...]] = {}
    elsewhere = Elsewhere(send)
    if os.environ.get("CELLSEG_PICTURES"):
        Project.finder = elsewhere.find
    threading.Thread(target=beat, args=(send,), daemon=True).start()
    threading.Thread(target=_listen, args=(commands, jobs, cancelled, looks, elsewhere), daemon=True).start()
    send(Reply(0, _greeting()))
    resting, asked = threading.Event(), threading.Event()
    resting.set()
    threading.Thread(target=_prepare, args=(resting, asked), daemon=True).start()
    while True:
        number, job = jobs.get()
        elsewhere.job = number
        resting.clear()
        _serve(number, job, cancelled, looks, partial(_tell, send, number))
        asked.set()
        if jobs.empty():
            resting.set()


def _greeting() -> Ready:
    """What computes; of a processor that is known without torch, and so can a first prediction be."""
    start = time.monotonic()
    device = processor()
    if device is None:
        from ..nets.device import choose

        device = choose()
    return Ready(device.name, device.precision, round(time.monotonic() - start, 2))


def _prepare(resting: threading.Event, asked: threading.Event) -> None:
    """What first jobs would wait for, beside them: a prediction needs none of it, a training waits for what it needs.

    Nothing is begun while a job runs. Modules and compiled loops have locks of their own. Where a first prediction is
    ready, all that it does not need waits until a first job is done, or none was asked for in a while: reading torch
    and its networks takes 6 s of a core, holds Python's lock for long, and cannot be interrupted.
    """
    base = _read_base()
    _compile_loops()
    if base is not None:
        asked.wait(LATER_S)
    for part in (_load_torch, _load_networks, _load_training, _export_base):
        resting.wait()
        part()


def _read_base() -> Export | None:
    """The base model, where it was exported before: a first prediction then waits for nothing. To be kept till then."""
    from ..prediction import read_export

    return read_export(base_models()[DEFAULT])


def _export_base() -> None:
    """Once on a machine, which takes seconds; every project that begins with the base model finds it there."""
    from ..prediction import load_model, make_exports

    make_exports(load_model(base_models()[DEFAULT]))


def _load_torch() -> None:
    from ..nets.device import choose

    choose()


def _load_networks() -> None:
    from ..nets.smp import library

    library()


def _compile_loops() -> None:
    """Call every compiled loop once: the first time on a machine that takes seconds, later it is read from disk.

    The viewer's process finds them there when the first preview is asked for.
    """
    import numpy as np

    from ..preprocess import Clahe, Recipe, TVDenoise
    from ..targets import Distance, decode

    Recipe(steps=(Clahe(tiles=2), TVDenoise(iterations=3)))(np.zeros((1, 16, 16), np.uint8))
    disk = np.hypot(*np.ogrid[-8:8, -8:8]) < 5
    decode(Distance(), np.stack([disk, disk]).astype(np.float32))


def _load_training() -> None:
    import_module("..train", __package__)
    import_module("lightning_fabric")


def _listen(
    commands: io.BufferedReader,
    jobs: queue.Queue[tuple[int, Job]],
    cancelled: set[int],
    looks: dict[int, tuple[float, ...]],
    elsewhere: Elsewhere,
) -> None:
    try:
        while True:
            match message := CODEC.read(commands.readinto):
                case Run(number, job):
                    jobs.put((number, job))
                case Look(number, centre):
                    looks[number] = centre
                case Cancel(number):
                    cancelled.add(number)
                case Picture():
                    elsewhere.take(message)
    except (EOFError, OSError, BadFrame):
        os._exit(0)  # the parent is gone: model folders appear whole or not at all, so leaving at once is safe


def _tell(send: Speaker, number: int, event: Event) -> None:
    send(Reply(number, event))


def _serve(
    number: int, job: Job, cancelled: set[int], looks: dict[int, tuple[float, ...]], tell: Callable[[Event], None]
) -> None:
    try:
        with NETWORKS:  # what is prepared beside it may follow a network just now
            for event in run(job, stop=lambda: number in cancelled, look=lambda: looks.get(number)):
                tell(event)
    except CellsegError as error:
        tell(Failed(error.message, error.hint))
    except OSError as error:
        full = full_disk(error)
        tell(Failed(full.message, full.hint) if full else _bug(error))
    except MemoryError:
        tell(Failed("There is not enough memory for this.", "Lower predict.tile or train.batch."))
    except Exception as error:  # noqa: BLE001 - the boundary of the process: a bug must reach the person
        tell(_bug(error))
    tell(Finished(number))


def _bug(error: Exception) -> Failed:
    """What a person is told of an error that nobody has thought of; called where it is handled."""
    text = f"Something went wrong in the engine: {type(error).__name__}: {error}."
    return Failed(text, "This is a bug; please report it with the details.", traceback.format_exc())


if __name__ == "__main__":
    main()

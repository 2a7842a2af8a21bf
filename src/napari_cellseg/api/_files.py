"""Many files to files of labels: one after another, in several processes, or a large one block by block on a cluster.

Data flow: files, folders and plates -> a `Picture` for every frame -> those that are not done yet -> here, or by a
scheduler: whole pictures where they are small, blocks where one is large -> labels in the folder -> the `Ledger`'s word
on each -> a summary.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from .._types import Span
from ..config import Values
from ..engine import Stop
from ..errors import CellsegError
from ..events import Event, Notice, Predicted, Skipped, Stopped
from ..parts import Answer, Spread, WorkStopped, scheduler
from ._each_image import answer_of, mistake_in
from ._ledger import Ledger, Picture, listed, pictures_of
from ._loose import Labelling, Model, Source, load_model, several
from ._predict import Predicting, check_size
from ._results import Predictions
from ._work import OnEvent, Work, never, verb

if TYPE_CHECKING:
    from ..parts import Scheduler
    from ..prediction import Predictor


@verb
def predict_files(
    pictures: Source | Sequence[Source],
    model: Model | Sequence[Model] = "cells",
    *,
    out: Source,
    format: str = "tif",
    probabilities: bool = False,
    series: str | None = None,
    object_size: float = 0.0,
    region: Span = (),
    settings: Values = (),
    resume: bool = False,
    summary: bool = False,
    dry_run: bool = False,
    scheduler: str = "",
    scheduler_options: Mapping[str, Any] | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Predictions]:
    """Label files, also those larger than memory, into a folder; a file that cannot be used is left out.

    Parameters
    ----------
    pictures : str or Path, or a list of them
        Files, OME-Zarr folders and plates, or folders of pictures.
    model, series, object_size, region, settings, on_event, stop
        As for `predict`; ``series="all"`` takes every image of a file. A plate is taken whole.
    out : str or Path
        A folder, made where it is missing. Labels are ``NAME_labels.FORMAT``; frames are numbered.
    format : str
        ``"tif"``, ``"ome.tif"``, ``"ome.zarr"``, ``"png"`` or ``"npy"``.
    probabilities : bool
        Also write the networks' probabilities, float in [0, 1] with axes (C, Z, Y, X) or (C, Y, X).
    resume : bool
        Leave out what these models, with these settings, have labelled before into this folder, unless the picture has
        changed since.
    summary : bool
        Write ``summary.csv`` and ``summary.html`` into the folder: of every picture its objects, or why it has none.
    dry_run : bool
        Only say what each will take (`events.Planned`); nothing is written.
    scheduler : str
        Who does the work: ``"processes:N"``, ``"local:N"``, an address, ``"slurm"``, ``"jobs:N"``
        (`napari_cellseg.parts.scheduler`); "" for this process. A script that starts processes guards what it does
        with ``if __name__ == "__main__":``. Of pictures too large for memory, and of one alone, blocks are done side by
        side; others are done whole, several at a time.
    scheduler_options : dict
        Of the batch system: ``{"timeout_min": 60, "slurm_partition": "gpu"}``; ``voxels``: about how large blocks are.

    Returns
    -------
    Predictions

    Raises
    ------
    CellsegError
        When a model cannot be used; of a single file, also when it cannot be read.
    """
    paths = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    options = dict(scheduler_options or {})
    how = Predicting(region, check_size(object_size), settings, Path(out), format, probabilities, resume, scheduler)
    left_out: list[Skipped] = []
    wanted = listed(paths, series, how, left_out)
    yield from left_out
    with tempfile.TemporaryDirectory(prefix="cellseg-") as scratch:
        batch = _Batch(several(model), how, Path(scratch), len(paths) == 1 == len(wanted), options)
        batch.left_out, batch.ledger.on = left_out, bool(resume or summary or scheduler)
        yield from batch.labelled(wanted, dry_run, stop)
    if summary and not dry_run:
        batch.ledger.write_summary(wanted, batch.left_out)
    return batch.result


def watch(folder: Path, go: Callable[[], Predictions], *, stop: Stop, pause: Callable[[], None]) -> Predictions:
    """Label what comes into a folder until somebody wishes to stop.

    A picture that is still being written grows: one whose size and time have changed since the look before waits.

    Parameters
    ----------
    go
        Labels what is in the folder and was not labelled yet.
    pause
        Called between two looks.

    Returns
    -------
    Predictions
        Of all that was labelled meanwhile.
    """
    before: dict[Path, tuple[int, int]] | None = None
    labelled, all_of_it = None, Predictions((), {})
    while not stop():
        now = {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in pictures_of(folder)}
        if now and now == before and now != labelled:
            done, labelled = go(), now
            left_out = {s.image: s for s in (*all_of_it.left_out, *done.left_out)}
            all_of_it = replace(
                done, objects=all_of_it.objects | done.objects, left_out=tuple(left_out.values()),
                files=(*all_of_it.files, *done.files), already=(),
            )  # fmt: skip
        before = now
        pause()
    return all_of_it


class _Batch:
    """Pictures under way: what is done with them, and what came of it."""

    def __init__(
        self, models: list[Model], how: Predicting, scratch: Path, alone: bool, options: Mapping[str, Any]
    ) -> None:
        assert how.out is not None
        self.models, self.how, self.alone, self.options = models, how, alone, dict(options)
        self.labelling = Labelling(models, how, scratch)
        self.ledger = Ledger(how.out, self.labelling.digest())
        self.objects: dict[str, int] = {}
        self.files: list[Path] = []
        self.already: tuple[str, ...] = ()
        self.left_out: list[Skipped] = []
        self.stopped = False

    @property
    def result(self) -> Predictions:
        """What came of it so far."""
        names, files = self.labelling.names, tuple(self.files)
        return Predictions(names, self.objects, self.already, tuple(self.left_out), files, self.stopped)

    def labelled(self, wanted: Sequence[Picture], dry_run: bool, stop: Stop) -> Iterator[Event]:
        """Label what is not done yet, or say what it would take."""
        done = [p for p in wanted if self.how.resume and self.ledger.has(p)]
        left = [p for p in wanted if p not in done]
        self.already = tuple(p.name for p in done)
        if done:
            yield Notice(f"{len(done)} of {len(wanted)} pictures were done before.")
        if dry_run:
            yield from self.plans(left)
        elif left:
            yield from self.elsewhere(left, stop) if self.how.scheduler else self.here(left, stop)

    def here(self, left: Sequence[Picture], stop: Stop) -> Iterator[Event]:
        """One after another."""
        for picture in left:
            if self.stopped:
                return
            try:
                image = picture.read()
                for event in self.labelling.events(image, picture.name, stop):
                    if isinstance(event, Predicted):
                        self.done(picture, event.objects, event.seconds, self.labelling.write(event, image))
                    self.stopped |= isinstance(event, Stopped)
                    yield event
            except CellsegError as error:
                yield self.failed(picture, Skipped(picture.name, error.message, error.hint), error)

    def elsewhere(self, left: Sequence[Picture], stop: Stop) -> Iterator[Event]:
        """By a scheduler: small pictures whole, blocks of large ones."""
        own = self.how.out / ".cellseg"  # type: ignore[operator]
        voxels = self.options.pop("voxels", None)
        who = scheduler(self.how.scheduler, own / "jobs", self.options)
        try:
            large = [p for p in left if self.alone or not self._fits(p)]
            if small := [p for p in left if p not in large]:
                yield from self._whole(small, own, who, stop)
            for picture in large:
                if self.stopped:
                    return
                try:
                    yield from self._in_blocks(picture, (own, voxels), who, stop)
                except CellsegError as error:
                    yield self.failed(picture, Skipped(picture.name, error.message, error.hint), error)
        finally:
            who.close()

    def plans(self, left: Sequence[Picture]) -> Iterator[Event]:
        """What each will take."""
        from ..prediction import plan_for

        for picture in left:
            try:
                yield plan_for(picture.read(), self.labelling.networks, picture.name, self.labelling.request)
            except CellsegError as error:
                yield self.failed(None, Skipped(picture.name, error.message, error.hint), error)

    def done(self, picture: Picture, objects: int, seconds: float, file: Path) -> None:
        """A picture's labels are written."""
        self.objects[picture.name] = objects
        self.files.append(file)
        self.ledger.done(picture, objects, seconds, file)

    def failed(self, picture: Picture | None, why: Skipped, error: CellsegError | None = None) -> Skipped:
        """A picture is left out; of one alone the person hears at once."""
        if self.alone and error is not None:
            raise error
        self.left_out.append(why)
        if picture is not None:
            self.ledger.failed(picture, why)
        return why

    # --- inside ---------------------------------------------------------------------------------

    def _fits(self, picture: Picture) -> bool:
        from ..prediction import fits

        shape = (1, *picture.shape)[-3:]
        return fits(self.labelling.networks[0].card.out_channels, (shape[0], shape[1], shape[2]))

    def _whole(self, left: Sequence[Picture], own: Path, who: Scheduler, stop: Stop) -> Iterator[Event]:
        """Several pictures at a time, each by one process."""
        from ..prediction import relayed

        about = {"pictures": [p.state() for p in left], "how": self.labelling.digest()}
        way = Spread(own / "pictures", who, about, stop=stop)
        work = _LabelPicture(self._sent(), replace(self.how, scheduler=""), self.labelling.digest())

        def every(tell: Any) -> None:
            for number, answer in way.as_done(work, left, "pictures"):
                tell(self._told(left[number], answer))

        try:
            yield from relayed(every, way, "all", stop)
        except WorkStopped:
            self.stopped = True
            yield Stopped("cancelled")
        way.forget()

    def _told(self, picture: Picture, answer: Answer) -> Event:
        """What a process says of a picture."""
        if error := mistake_in(answer):
            return self.failed(picture, Skipped(picture.name, error.message, error.hint))
        objects, seconds = int(answer["objects"]), float(answer["seconds"])
        self.done(picture, objects, seconds, Path(str(answer["written"])))
        nothing = np.zeros((0, 0), np.uint32)
        return Predicted(picture.name, "+".join(self.labelling.names), nothing, seconds, (), objects)

    def _in_blocks(
        self, picture: Picture, where: tuple[Path, int | None], who: Scheduler, stop: Stop
    ) -> Iterator[Event]:
        """One picture, several blocks at a time."""
        from ..prediction import Elsewhere, predict_elsewhere

        labelling, (own, voxels) = self.labelling, where
        about = {"picture": picture.state(), "how": labelling.digest()}
        way = Spread(own / f"{picture.name}.blocks", who, about, voxels=voxels)
        path = labelling.path_of(picture.name)
        job = Elsewhere(way, picture.read, _NetworksOf(self._sent()), path.with_suffix(".zarr"), labelling.classes)
        request = replace(labelling.request, folder=way.folder)
        for event in predict_elsewhere(picture.name, job, request, stop=stop):
            if isinstance(event, Predicted):
                if path.suffix == ".zarr":
                    labelling.write_probabilities(event, picture.read())
                    images.put_in_place(job.place, path)
                else:
                    labelling.write(event, picture.read())
                self.done(picture, event.objects, event.seconds, path)
                event = replace(event, labels=np.zeros((0,) * len(event.box), np.uint32), store="")
                way.forget()
            self.stopped |= isinstance(event, Stopped)
            yield event

    def _sent(self) -> tuple[str, ...]:
        """Models as other processes find them."""
        if any(not isinstance(m, str | Path) for m in self.models):
            raise CellsegError(
                "A model in memory cannot be sent to other processes.", "Give its name, its folder or its project."
            )
        return tuple(str(m) if not Path(str(m)).exists() else str(Path(str(m)).resolve()) for m in self.models)


@dataclass(frozen=True)
class _NetworksOf:
    """Models that a worker loads for itself."""

    models: tuple[str, ...]

    def __call__(self) -> list[Predictor]:
        return [network for model in self.models for network in load_model(model).networks]


@dataclass(frozen=True)
class _LabelPicture:
    """One picture, labelled and written; says how many objects there are, or why it was left out."""

    models: tuple[str, ...]
    how: Predicting
    digest: str

    def __call__(self, picture: Picture) -> Answer:
        labelling = _labelling(self)
        try:
            image = picture.read()
            found = next(e for e in labelling.events(image, picture.name, never) if isinstance(e, Predicted))
            file = labelling.write(found, image)
        except CellsegError as error:
            return answer_of(error)
        return {"objects": np.array(found.objects), "seconds": np.array(found.seconds), "written": np.array(str(file))}


_LABELLING: dict[str, Labelling] = {}
"""Of this process: the models and settings of the last batch, loaded once."""


def _labelling(work: _LabelPicture) -> Labelling:
    if work.digest not in _LABELLING:
        _LABELLING.clear()
        scratch = Path(tempfile.mkdtemp(prefix="cellseg-"))
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        _LABELLING[work.digest] = Labelling(list(work.models), work.how, scratch)
    return _LABELLING[work.digest]

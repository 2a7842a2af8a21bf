"""FUCCI: states of the cell cycle of an array's, of files' or of a project's nuclei.

Data flow: labels and channels of one image after another -> means of every nucleus -> one threshold per colour for all
of them -> states, counts, files. What a person said of single nuclei stands over the thresholds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from .._types import Spacing
from ..errors import CellsegError
from ..events import Notice, Skipped
from ..files import write_text
from ..measurement import (
    Measured,
    Threshold,
    channel_number,
    channels_of,
    check_picture_path,
    check_table_path,
    fucci_figure,
    fucci_tables,
    groups_of,
    nuclei_of,
    propose_threshold,
    state_name,
    times_of,
    usual_channels,
    words_by_label,
    write_figure,
    write_table,
)
from ..project import (
    FucciSetup,
    Project,
    fucci_setup,
    put_fucci_setup,
    said_states,
)
from ._each_image import each_image
from ._fucci_said import lost_states, read_corrections
from ._label_files import file_readers, measured_array
from ._objects_said import project_objects
from ._plates import times_of_series
from ._work import OnEvent, Run, Stop, Work, never, verb

if TYPE_CHECKING:
    from pandas import DataFrame

Source = str | Path
Said = Mapping[int, str]
Part = tuple[Measured, Said]
Read = Callable[[], dict[str, Part]]


@dataclass(frozen=True, eq=False)
class FucciResult:
    """States of the cell cycle.

    Attributes
    ----------
    table
        One row per nucleus: image, group, time, label, intensities and their logarithms, ``state``, ``decided_by``.
    summary
        Counts and shares of every image, time point and group.
    thresholds
        By marker, ``red`` and ``green``: value, how it came about, what is doubtful of it.
    nuclei
        What was measured, before any threshold.
    left_out
        Images that could not be used, with message and hint.
    files
        What was written.
    stopped
        Whether it ended early at somebody's wish; nothing is written then.
    """

    table: DataFrame
    summary: DataFrame
    thresholds: dict[str, Threshold]
    nuclei: DataFrame
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Telling:
    """How images are grouped and what is written: see `OpenProject.fucci`."""

    group_by: str = ""
    time_by: str = ""
    csv: Source | None = None
    summary: Source | None = None
    figure: Source | None = None
    json: Source | None = None
    times: Mapping[str, float] = field(default_factory=dict, repr=False)
    """Time points that are known of images, by name: those of the time series of a project."""

    def check(self, names: Sequence[str]) -> None:
        """Raise where an expression or a path cannot be used."""
        groups_of(names, self.group_by)
        times_of(names, self.time_by)
        for path in (self.csv, self.summary):
            if path:
                check_table_path(path)
        if self.figure:
            check_picture_path(self.figure)


def fucci(
    labels: Any,
    image: Any,
    *,
    red: str | int = "",
    green: str | int = "",
    red_threshold: float | None = None,
    green_threshold: float | None = None,
    states: Said | None = None,
) -> FucciResult:
    """States of the cell cycle of the nuclei of a label image.

    Parameters
    ----------
    labels : array, str or Path
        Ids of nuclei, (Z, Y, X) or (Y, X), or a file of masks of any tool.
    image : array, str or Path
        Intensities with an axis of channels, or a picture.
    red, green : str or int
        Channels: names, or numbers from 1.
    red_threshold, green_threshold : float
        Mean intensities above which a nucleus is red or green; proposed from these nuclei where not given.
    states : dict
        States that are known, by label: ``{12: "G1"}``.

    Returns
    -------
    FucciResult

    Raises
    ------
    CellsegError
        When labels, image, channels or thresholds cannot be used.
    """
    said = {int(id): state_name(s) for id, s in (states or {}).items()}
    setup = FucciSetup(str(red), str(green), "", red_threshold, green_threshold)
    part = measured_array(labels, image)
    work: dict[str, Read] = {"image": lambda: {"image": (part, said)}}
    return Run(_told(work, setup, Telling(), never)).result


@verb
def fucci_files(
    labels: Source | Sequence[Source],
    images: Source | Sequence[Source],
    *,
    red: str = "",
    green: str = "",
    nuclear: str = "",
    red_threshold: float | None = None,
    green_threshold: float | None = None,
    corrections: Source | None = None,
    spacing_um: Spacing = None,
    group_by: str = "",
    time_by: str = "",
    csv: Source | None = None,
    summary: Source | None = None,
    figure: Source | None = None,
    json: Source | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[FucciResult]:
    """States of the cell cycle of the nuclei in files of labels; a file that cannot be used is left out.

    Parameters
    ----------
    labels, images : str or Path, or lists of them
        Files of masks of any tool, and the pictures that they were made on, in the same order.
    corrections : str or Path
        A table (``.csv``) with ``image``, ``label``, ``state``: what is known of single nuclei. A table that was
        written here can be edited and given: of one with ``decided_by`` the rows with ``hand`` count.
    red, green, nuclear, red_threshold, green_threshold, group_by, time_by, csv, summary, figure, json, on_event, stop
        As for `OpenProject.fucci`.

    Returns
    -------
    FucciResult

    Raises
    ------
    CellsegError
        When something given does not fit; of a single file, also when it cannot be read.
    """
    said = read_corrections(corrections) if corrections else {}
    how = Telling(group_by, time_by, csv, summary, figure, json)

    def parts(read: Callable[[], dict[str, Measured]]) -> dict[str, Part]:
        return {name: (part, said.get(name, {})) for name, part in read().items()}

    work = {n: partial(parts, read) for n, read in file_readers(labels, images, spacing_um).items()}
    setup = FucciSetup(red, green, nuclear, red_threshold, green_threshold)
    return (yield from _told(work, setup, how, stop))


def fucci_project(
    project: Project, ids: Sequence[str], setup: FucciSetup, how: Telling, stop: Stop
) -> Work[FucciResult]:
    """States of the nuclei of a project; `setup` is kept when it can be used."""
    every = [r.id for r in project.images()]
    asked = [project.image(id).id for id in ids] or every
    work: dict[str, Read] = {id: partial(_of_project, project, id) for id in asked}
    done = yield from _told(work, setup, replace(how, times=times_of_series(project)), stop)
    if not done.stopped:
        put_fucci_setup(project, setup)
    if len(asked) < len(every) and None in (setup.red_threshold, setup.green_threshold):
        yield Notice(f"Thresholds were proposed from {len(asked)} of {len(every)} images; they are for these alone.")
    lost = {id: n for id in asked if (n := lost_states(project, id))}
    for id, n in lost.items():
        yield Notice(f"{id}: {n} of the states that were said by hand lie where no object is any more; they are kept.")
    return done


def merged_setup(project: Project, given: Mapping[str, Any], *, propose: bool = False) -> FucciSetup:
    """What the project has, with what is given over it; `propose` forgets thresholds that were set before."""
    kept = fucci_setup(project)
    if propose:
        kept = replace(kept, red_threshold=None, green_threshold=None)
    return replace(kept, **{name: value for name, value in given.items() if value is not None})


def write_told(
    table: DataFrame, summary: DataFrame, thresholds: Mapping[str, Threshold], how: Telling
) -> tuple[Path, ...]:
    """Write what is asked for; paths of the files."""
    files = [write_table(t, p) for t, p in ((table, how.csv), (summary, how.summary)) if p]
    if how.figure:
        pair = thresholds["red"].value, thresholds["green"].value
        files.append(write_figure(fucci_figure(table, summary, pair), how.figure))
    if how.json:
        rows = json.loads(summary.to_json(orient="records"))
        values = {"thresholds": {m: asdict(t) for m, t in thresholds.items()}, "summary": rows}
        files.append(write_text(how.json, json.dumps(values, indent=2)))
    return tuple(files)


# --- inside ---------------------------------------------------------------------------------------


def _told(work: Mapping[str, Read], setup: FucciSetup, how: Telling, stop: Stop) -> Work[FucciResult]:
    """Measure what is read piece by piece, tell the states, write."""
    how.check(list(work))
    _check_thresholds(setup)

    def measured(read: Read) -> dict[str, DataFrame]:
        return {name: _image_table(name, part, said, setup, stop) for name, (part, said) in read().items()}

    done = yield from each_image({n: partial(measured, read) for n, read in work.items()}, len, stop)
    nuclei = _together(list(done.parts.values()))
    if done.stopped:
        return FucciResult(nuclei, nuclei, {}, nuclei, done.left_out, (), True)
    if not len(nuclei):
        raise CellsegError("There are no nuclei.", "Predict or draft labels first.")
    thresholds = {
        "red": _threshold(setup.red_threshold, nuclei, "red"),
        "green": _threshold(setup.green_threshold, nuclei, "green"),
    }
    for threshold in thresholds.values():
        if threshold.doubt:
            yield Notice(threshold.doubt)
    pair = thresholds["red"].value, thresholds["green"].value
    table, summary = fucci_tables(nuclei, pair, how.group_by, how.time_by, how.times)
    files = write_told(table, summary, thresholds, how)
    return FucciResult(table, summary, thresholds, nuclei, done.left_out, files)


def _together(found: Sequence[DataFrame]) -> DataFrame:
    import pandas as pd

    if not found:
        return pd.DataFrame({"image": [], "label": [], "red": [], "green": [], "by_hand": []})
    return pd.concat(found, ignore_index=True)


def _image_table(name: str, part: Measured, said: Said, setup: FucciSetup, stop: Stop) -> DataFrame:
    if part.image is None:
        raise CellsegError(f"{name} has no picture.", "FUCCI is told from intensities: give the picture.")
    names = part.channels or tuple(str(n + 1) for n in range(part.image.shape[0]))
    usual = usual_channels(names)
    wanted = {"red": setup.red or usual.get("red", ""), "green": setup.green or usual.get("green", "")}
    if nuclear := setup.nuclear or usual.get("nuclear", ""):
        wanted["nuclear"] = nuclear
    places = {marker: channel_number(names, channel, marker) for marker, channel in wanted.items()}
    if places["red"] == places["green"]:
        raise CellsegError(f"Channel {wanted['red']} cannot be both red and green.", "Name two channels.")
    table = nuclei_of(part, places, said, stop)
    table.insert(0, "image", np.full(len(table), name, object))
    return table


def _threshold(given: float | None, nuclei: DataFrame, marker: str) -> Threshold:
    return Threshold(given, "hand") if given is not None else propose_threshold(nuclei[marker], marker)


def _check_thresholds(setup: FucciSetup) -> None:
    for marker in ("red", "green"):
        value = getattr(setup, f"{marker}_threshold")
        if value is not None and not 0 < value < float("inf"):
            raise CellsegError(f"A {marker} threshold of {value:g} cannot be used.", "Give an intensity above 0.")


def _of_project(project: Project, id: str) -> dict[str, Part]:
    labels, record = project_objects(project, id), project.image(id)
    picture: images.Image = project.read_image(id)
    by_hand = words_by_label(labels, said_states(project, id))
    return {id: (Measured(labels, record.spacing_um, *channels_of(picture)), by_hand)}

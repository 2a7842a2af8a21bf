"""A description of a data set: of files with or without masks, or of a project.

Data flow: pictures and labels one after another -> figures of every image and object -> three tables -> files.
"""

from __future__ import annotations

import json as plain
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CellsegError
from ..events import Notice, Skipped
from ..files import write_text
from ..measurement import (
    Described,
    Measured,
    check_table_path,
    components,
    describe_image,
    describe_markdown,
    description,
    groups_of,
    write_table,
)
from ..project import Project
from ._each_image import each_image
from ._pairs import Frames, paired
from ._work import OnEvent, Stop, Work, never, verb

if TYPE_CHECKING:
    from pandas import DataFrame

Source = str | Path
Read = Callable[[], dict[str, Described]]


@dataclass(frozen=True, eq=False)
class Description:
    """What a data set is like.

    Attributes
    ----------
    images
        A row per image.
    summary
        A row per group and figure: n, mean, SD, minimum, quartiles, maximum.
    sizes
        How many images of every size, type and number of channels there are, per group.
    left_out
        Images that could not be read, with message and hint.
    files
        What was written.
    stopped
        Whether it ended early at somebody's wish; nothing is written then.
    """

    images: DataFrame
    summary: DataFrame
    sizes: DataFrame
    left_out: tuple[Skipped, ...] = ()
    files: tuple[Path, ...] = ()
    stopped: bool = False


@dataclass(frozen=True)
class Describing:
    """How images are grouped and what is written: see `describe`."""

    group_by: str = ""
    csv: Source | None = None
    json: Source | None = None
    markdown: Source | None = None


@verb
def describe(
    images: Source | Sequence[Source],
    labels: Source | Sequence[Source] = (),
    *,
    group_by: str = "",
    csv: Source | None = None,
    json: Source | None = None,
    markdown: Source | None = None,
    on_event: OnEvent = None,
    stop: Stop = never,
) -> Work[Description]:
    """Describe a data set: sizes, contrast, intensities; objects per image, their sizes and shapes, and which touch.

    Parameters
    ----------
    images, labels : str or Path, or lists of them
        Pictures and masks of any tool, files or folders; masks are called like their pictures. Time points count as
        images of their own. Pictures without masks have no figures of objects.
    group_by : str
        A regular expression: its first bracket (or all that matches) in the name of an image is its group.
    csv, json, markdown : str or Path
        Files to write: the table of images with the others beside it (``NAME_summary.csv``, ``NAME_sizes.csv``); all
        tables as plain numbers; the summary for a text.
    on_event, stop : callable
        Called with every event; asked again and again whether to end.

    Returns
    -------
    Description

    Raises
    ------
    CellsegError
        When something given does not fit; of a single picture, also when it cannot be read.
    """
    how = Describing(group_by, csv, json, markdown)
    work = {name: partial(_of_frames, read, stop) for name, read in paired(images, labels).items()}
    return (yield from _described(work, how, stop))


def describe_project(project: Project, ids: Sequence[str], how: Describing, stop: Stop) -> Work[Description]:
    """Describe images of a project as they are labelled now; those without any label have no figures of objects."""
    every = [project.image(id).id for id in ids] or [r.id for r in project.images()]
    if not every:
        raise CellsegError("The project has no images.", "Add some first.")
    for id in every:
        if (reason := _picture_gone(project, id)) is not None:
            yield Notice(f"Intensities of {id} are not described. {reason}")
    return (yield from _described({id: partial(_of_project, project, id, stop) for id in every}, how, stop))


# --- inside ---------------------------------------------------------------------------------------


def _described(work: Mapping[str, Read], how: Describing, stop: Stop) -> Work[Description]:
    groups_of(list(work), how.group_by)
    if how.csv:
        check_table_path(how.csv)
    done = yield from each_image(work, lambda d: len(next(iter(d.objects.values()), ())), stop)
    found = done.parts
    tables = description(found, groups_of(list(found), how.group_by if found else ""))
    return Description(*tables, done.left_out, () if done.stopped else _write(tables, how), done.stopped)


def _write(tables: tuple[DataFrame, DataFrame, DataFrame], how: Describing) -> tuple[Path, ...]:
    images, summary, sizes = tables
    files: list[Path] = []
    if how.csv:
        path = Path(how.csv)
        files += [write_table(images, path)]
        files += [
            write_table(table, path.with_name(f"{path.stem}_{name}{path.suffix}"))
            for name, table in (("summary", summary), ("sizes", sizes))
        ]
    if how.json:
        values = {"images": images, "summary": summary, "sizes": sizes}
        rows = {name: plain.loads(table.to_json(orient="records")) for name, table in values.items()}
        files.append(write_text(how.json, plain.dumps(rows, indent=2)))
    if how.markdown:
        files.append(write_text(how.markdown, describe_markdown(summary, sizes)))
    return tuple(files)


def _of_frames(read: Frames, stop: Stop) -> dict[str, Described]:
    found = {}
    for name, frame in read().items():
        what = Measured(frame.labels, frame.spacing_um) if frame.labels is not None else None
        found[name] = describe_image(frame.picture.channels_first(), what, rgb=frame.picture.rgb, stop=stop)
    return found


def _of_project(project: Project, id: str, stop: Stop) -> dict[str, Described]:
    labels, state = project.load_labels(id)
    record = project.image(id)
    known = bool(labels.any() or state.any())
    objects = labels if project.task == "instance" else components(labels)[0]
    pixels: Any = project.read_image(id).channels_first() if _picture_gone(project, id) is None else None
    what = Measured(objects, record.spacing_um) if known or pixels is None else None
    return {id: describe_image(pixels, what, rgb=record.in_colour, stop=stop)}


def _picture_gone(project: Project, id: str) -> str | None:
    try:
        project.read_image(id)
    except CellsegError as error:
        return f"{error.message} {error.hint}"
    return None

"""Models out to other programs and to machines without torch, and in from bioimage.io."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import images
from ..errors import CellsegError
from ..project import Project, find_model

if TYPE_CHECKING:
    from ..exchange import ExportedModel

Source = str | Path
PICTURES = 8
"""Of a project, which its model is tried on."""


def export_model(
    model: Source,
    out: Source,
    form: str = "onnx",
    *,
    pictures: Sequence[Any] = (),
    force: bool = False,
    authors: Sequence[str] = (),
    licence: str = "",
    cite: Sequence[tuple[str, str]] = (),
    data: str = "",
    name: str = "",
) -> ExportedModel:
    """Export a model for machines without torch and for other programs; every export is compared with torch.

    Parameters
    ----------
    model : str or Path
        Name of a base model, a model folder, or a project, whose current model is meant.
    out : str or Path
        A folder that is not there yet; of a bioimage.io package also the name of a zip file.
    form : str
        ``onnx`` and ``torchscript``: model folders that predict here, the first one without torch. ``onnx-int8``: the
        same with 8-bit numbers, smaller and faster and not quite the same. ``bioimageio``: a package with all of them,
        for QuPath, ilastik, deepImageJ.
    pictures : list of array, str or Path
        What the export is tried on (and 8 bit calibrated with); without any those of the model's project, else
        synthetic ones.
    force : bool
        Also export what differs too much from torch.
    authors, licence, cite, data, name
        What a bioimage.io package says of the model: names; an SPDX licence; (text, DOI) of papers; what it was trained
        on; how it is called. Base models know theirs.

    Returns
    -------
    ExportedModel
        Where it is, how far it agrees with torch, and a warning where there is one.

    Raises
    ------
    CellsegError
        When it cannot be exported or differs too much; nothing is left behind.
    """
    from ..exchange import Statement, Wanted, export_folder

    path = find_model(model)
    chosen, words = _pictures(path, pictures)
    statement = Statement(tuple(authors), licence, tuple((text, doi) for text, doi in cite), data, name)
    return export_folder(path.resolve(), Wanted(form, Path(out), chosen, words, force, statement))  # type: ignore[arg-type]


def import_model(
    package: Source, out: Source, *, read: str = "", channels: Sequence[int] = (), object_size: float = 0.0
) -> Path:
    """Make a model folder of a bioimage.io package: one of ours as it was, another program's to predict with.

    Parameters
    ----------
    package : str or Path
        A folder with ``bioimageio.yaml``, or its zip file. Nothing is downloaded.
    out : str or Path
        The model folder, which is not there yet.
    read : str
        How the outputs of another program's network are understood: ``foreground`` (its pieces are objects),
        ``boundary``, ``distance``, ``flows`` (as Cellpose's), ``classes`` or ``mask``.
    channels : list of int
        Which of its outputs those are, in the order of `read`, from 0.
    object_size : float
        2D: images are enlarged or reduced, so that objects have this diameter (pixels) in its eyes; 0: as they are.

    Returns
    -------
    Path
        The folder, which `predict` and new projects take as a model.

    Raises
    ------
    CellsegError
        When it cannot be read, with what it is that cannot; nothing is left behind.
    """
    from ..exchange import Asked, import_package

    if not Path(package).exists():
        raise CellsegError(f"There is nothing at {package}.", "Give a downloaded package: a folder or a zip file.")
    return import_package(Path(package), Path(out), Asked(read, tuple(channels), object_size))


def _pictures(path: Path, given: Sequence[Any]) -> tuple[list[images.Image], str]:
    """What an export is tried on, and in words."""
    if len(given):
        read = [images.read(p) if isinstance(p, str | Path) else images.from_array(p) for p in given]
        return [picture.frame(0) for picture in read], ""
    folder = path.resolve().parent.parent
    if path.resolve().parent.name != "models" or not (folder / "project.toml").is_file():
        return [], ""
    with Project.open(folder) as project:
        ids = [record.id for record in project.images()]
        step = max(1, -(-len(ids) // PICTURES))
        found = [project.read_image(id) for id in ids[::step]]
        return found, f"{len(found)} of the project's pictures" if found else ""

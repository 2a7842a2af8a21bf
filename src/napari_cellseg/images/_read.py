"""One reader per file format, chosen by suffix; every reader answers with an `Image`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from ..errors import CellsegError
from ._image import AXES, READ_ERRORS, Image, canonical

_MICROMETRES = {
    "m": 1e6, "meter": 1e6, "mm": 1e3, "millimeter": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0,
    "microns": 1.0, "micrometer": 1.0, "nm": 1e-3, "nanometer": 1e-3, "inch": 25400.0, "cm": 1e4,
    "centimeter": 1e4, "angstrom": 1e-4,
}  # fmt: skip
SAMPLE_VOXELS = 64_000_000
"""Images up to this many voxels are checked whole, larger ones by planes."""


def read(path: str | Path, axes: str | None = None, spacing_um: tuple[float, ...] | None = None) -> Image:
    """Read a picture lazily.

    Parameters
    ----------
    path
        TIFF, OME-TIFF, ImageJ TIFF, PNG, JPEG, BMP or NPY file, or an OME-Zarr folder.
    axes
        One letter of ``TCZYX`` per dimension; read from the metadata where not given. Pages of a plain TIFF
        count as Z.
    spacing_um
        Voxel size in um per spatial axis, in the order (Z, Y, X); read from the metadata where not given.

    Raises
    ------
    CellsegError
        When the file is missing, damaged, of an unknown format, or its axes are ambiguous.
    """
    path = Path(path)
    if not path.exists():
        raise CellsegError(f"There is no file {path}.", "Check the name, or whether the drive is mounted.")
    reader = _reader(path)
    try:
        image = reader(path, axes)
    except CellsegError:
        raise
    except READ_ERRORS as error:
        raise CellsegError(
            f"{path.name} cannot be read: {error}.",
            "The file may be truncated or not what its name says. Open it in Fiji to check, or copy it again.",
        ) from error
    if spacing_um is not None:
        image = _with_spacing(image, spacing_um)
    if min(image.data.shape, default=0) == 0:
        raise CellsegError(f"{path.name} is empty: its shape is {image.data.shape}.", "Export it again.")
    return image


def check_content(image: Image) -> None:
    """Refuse pictures that cannot hold a cell.

    Raises
    ------
    CellsegError
        For images below 8 x 8 pixels, of a dtype that holds no intensities, entirely NaN or infinite, or
        constant; and for damaged pixel data.
    """
    name = image.source.name if image.source else "The image"
    if min(image.spatial_shape[-2:]) < 8:
        shape = " x ".join(map(str, image.spatial_shape))
        raise CellsegError(f"{name} is only {shape} pixels.", "Give an image of at least 8 x 8 pixels.")
    if image.data.dtype.kind not in "uifb":
        raise CellsegError(f"{name} holds {image.data.dtype}, not intensities.", "Export it as 8 or 16 bit.")
    low, high = np.inf, -np.inf
    for frame in range(image.n_frames) if image.data.size <= SAMPLE_VOXELS else (0, image.n_frames - 1):
        for values in _samples(image.frame(frame)):
            finite = values[np.isfinite(values)]
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise CellsegError(f"{name} holds no finite value: every pixel is NaN or infinite.", "Export it again.")
    if low == high:
        raise CellsegError(
            f"{name} has the value {low:g} everywhere.",
            "Nothing can be segmented in it. Check the channel and the export.",
        )


def fingerprint(path: str | Path) -> str:
    """A fast checksum that notices a changed file without reading all of it.

    Size and SHA-256 of the first, middle and last MiB of a file; names and sizes of all files of a folder.
    """
    path = Path(path)
    digest = hashlib.sha256()
    if path.is_dir():
        for item in sorted(path.rglob("*")):
            if item.is_file():
                digest.update(f"{item.relative_to(path).as_posix()}:{item.stat().st_size};".encode())
        return digest.hexdigest()[:32]
    size, block = path.stat().st_size, 1 << 20
    digest.update(str(size).encode())
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2 - block // 2), max(0, size - block)}):
            file.seek(start)
            digest.update(file.read(block))
    return digest.hexdigest()[:32]


def _samples(image: Image) -> list[NDArray[Any]]:
    if image.data.size <= SAMPLE_VOXELS or "Z" not in image.axes:
        return [image.load()]
    depth = image.length("Z")
    z = image.axes.index("Z")
    picks = sorted({0, depth // 4, depth // 2, 3 * depth // 4, depth - 1})
    return [Image(da.take(image.data, [i], axis=z), image.axes, source=image.source).load() for i in picks]


def _with_spacing(image: Image, spacing_um: tuple[float, ...]) -> Image:
    n = len(image.spatial_axes)
    if len(spacing_um) not in (n, 3) or any(not np.isfinite(s) or s <= 0 for s in spacing_um):
        raise CellsegError(
            f"The voxel size {spacing_um} does not fit the axes {image.spatial_axes}.",
            f"Give {n} positive numbers in um, for example --spacing {','.join(['0.5'] * n)}.",
        )
    return Image(image.data, image.axes, tuple(spacing_um[-n:]), image.channels, image.source)


def _reader(path: Path) -> Callable[[Path, str | None], Image]:
    if path.is_dir():
        return _read_zarr
    readers = {".tif": _read_tiff, ".tiff": _read_tiff, ".npy": _read_npy}
    readers |= dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp"), _read_picture)
    if path.suffix.lower() not in readers:
        raise CellsegError(
            f"{path.name} has a format that cannot be read.",
            f"Use one of {', '.join(sorted(readers))} or an OME-Zarr folder; Fiji converts most others to TIFF.",
        )
    return readers[path.suffix.lower()]


def _finish(
    path: Path, data: da.Array, axes: str, spacing: dict[str, float] | None = None, channels: tuple[str, ...] = ()
) -> Image:
    """Reorder the axes and keep the voxel size of those that are left."""
    if data.dtype == bool:  # filters, percentiles and screens want numbers
        data = data.astype(np.uint8)
    data, axes = canonical(data, axes)
    letters = [letter for letter in axes if letter in "ZYX"]
    known = spacing and all(letter in spacing and spacing[letter] > 0 for letter in letters)
    size = tuple(float(spacing[letter]) for letter in letters) if spacing and known else None
    return Image(data, axes, size, channels, path)


# --- TIFF ---------------------------------------------------------------------------------------------


class _TiffArray:
    """A TIFF series as an array that opens the file for each access, so that no handle stays open."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype, self.ndim = path, shape, dtype, len(shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with tifffile.TiffFile(self.path) as file, file.series[0].aszarr(level=0) as store:
            return np.asarray(zarr.open_array(store, mode="r")[key])


def _read_tiff(path: Path, axes: str | None) -> Image:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        shape, dtype = tuple(series.shape), np.dtype(series.dtype)
        found = axes or _tiff_axes(path, series.axes)
        spacing = _tiff_spacing(file)
        chunks = tuple(series.keyframe.chunks)
    if len(found) != len(shape):
        canonical(da.zeros(shape), found)
    tail = min(len(chunks), len(shape))
    chunk = (1,) * (len(shape) - tail) + tuple(
        n if c < 64 else min(n, max(1, 512 // c) * c)
        for n, c in zip(shape[len(shape) - tail :], chunks[len(chunks) - tail :], strict=True)
    )
    lazy = da.from_array(_TiffArray(path, shape, dtype), chunks=chunk, asarray=False, meta=np.empty((0,), dtype))
    return _finish(path, lazy, found, spacing)


def _tiff_axes(path: Path, axes: str) -> str:
    """Map tifffile's letters to ours: samples are channels, unnamed pages are Z."""
    letters = axes.replace("S", "C")
    for unnamed in "IQRA":
        if unnamed in letters and "Z" not in letters:
            letters = letters.replace(unnamed, "Z", 1)
    if len(set(letters)) != len(letters) or not set(letters) <= set(AXES):
        raise CellsegError(
            f"The axes of {path.name} are ambiguous: the file calls them {axes!r}.",
            f"Say which is which with one letter of {AXES} per dimension, for example --axes TZCYX.",
        )
    return letters


def _tiff_spacing(file: tifffile.TiffFile) -> dict[str, float] | None:
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata)
    spacing: dict[str, float] = {}
    imagej = file.imagej_metadata or {}
    unit = _MICROMETRES.get(str(imagej.get("unit", "")).replace("\\u00B5", "µ"))
    page = file.pages.first
    tag = page.tags.get("ResolutionUnit")
    if unit is None and tag is not None:
        unit = {2: 25400.0, 3: 1e4}.get(int(tag.value))
    for letter, name in (("X", "XResolution"), ("Y", "YResolution")):
        resolution = page.tags.get(name)
        if unit and resolution is not None and resolution.value[0] and resolution.value[1]:
            spacing[letter] = unit * resolution.value[1] / resolution.value[0]
    if unit and "spacing" in imagej:
        spacing["Z"] = abs(float(imagej["spacing"])) * unit
    # 72 or 96 dots an inch is what drawing programs write; no microscope has such pixels
    return spacing if spacing and spacing.get("X", 1e9) < 200 else None


def _ome_spacing(xml: str) -> dict[str, float] | None:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return None
    spacing = {}
    for letter in "XYZ":
        size = pixels.get(f"PhysicalSize{letter}")
        unit = _MICROMETRES.get(pixels.get(f"PhysicalSize{letter}Unit", "µm"))
        if size and unit:
            spacing[letter] = float(size) * unit
    return spacing or None


# --- the others ---------------------------------------------------------------------------------------


def _read_picture(path: Path, axes: str | None) -> Image:
    import imageio.v3 as imageio

    pixels = np.asarray(imageio.imread(path))
    if pixels.ndim == 3 and pixels.shape[-1] in (2, 4) and np.ptp(pixels[..., -1]) == 0:
        pixels = pixels[..., :-1]  # a constant alpha says nothing
    return _finish(path, da.from_array(pixels), axes or ("YX" if pixels.ndim == 2 else "YXC"))


def _read_npy(path: Path, axes: str | None) -> Image:
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    last = pixels.shape[-1] if pixels.ndim == 3 else 0
    guess = {2: "YX", 3: "YXC" if last in (3, 4) else "ZYX", 4: "ZCYX", 5: "TZCYX"}
    ambiguous = pixels.ndim not in guess or (pixels.ndim == 3 and last < 8 and last not in (3, 4))
    if axes is None and ambiguous:
        raise CellsegError(
            f"The axes of {path.name} are ambiguous: its shape is {pixels.shape}.",
            f"Say which is which with one letter of {AXES} per dimension, for example --axes CYX.",
        )
    return _finish(path, da.from_array(pixels), axes or guess[pixels.ndim])


def _read_zarr(path: Path, axes: str | None) -> Image:
    node = zarr.open(str(path), mode="r")
    if isinstance(node, zarr.Array):
        return _finish(path, da.from_zarr(node), axes or AXES[-node.ndim :])
    attributes: dict[str, Any] = dict(node.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise CellsegError(
            f"{path.name} is a folder without OME-Zarr metadata.",
            "Give an image file, or an OME-Zarr folder that holds 'multiscales'.",
        )
    level = scales[0]["datasets"][0]
    named = [a if isinstance(a, dict) else {"name": a} for a in scales[0].get("axes", [])]
    letters = "".join(str(a["name"]).upper() for a in named)
    scale = next((t["scale"] for t in level.get("coordinateTransformations", []) if t["type"] == "scale"), None)
    spacing = None
    if scale:
        units = [_MICROMETRES.get(re.sub("metre", "meter", str(a.get("unit", "")))) for a in named]
        spacing = {x: s * u for x, s, u in zip(letters, scale, units, strict=True) if u and x in "ZYX"}
    array: Any = node[level["path"]]
    names = tuple(
        str(c.get("label", "")) for c in attributes.get("ome", attributes).get("omero", {}).get("channels", [])
    )
    return _finish(path, da.from_zarr(array), axes or letters or AXES[-array.ndim :], spacing, names)

"""Specimens to try things on: synthetic ones with exact truth, real ones by download with a checksum."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from .errors import CellsegError


@dataclass(frozen=True)
class Download:
    """A file on the web, known by its SHA-256."""

    url: str
    sha256: str
    megabytes: int
    about: str


NUCLEI = Download(
    "https://github.com/stardist/stardist/releases/download/0.1.0/dsb2018.zip",
    "e44921950edce378063aa4457e625581ba35b4c2dbd9a07c19d48900129f386f",
    80,
    "fluorescence images of the 2018 Data Science Bowl (BBBC038, CC0), as selected for StarDist",
)


def synthetic_cells(
    shape: tuple[int, ...] = (512, 512), n: int = 60, *, radius: float = 14.0, touching: float = 0.4, seed: int = 0
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Blob-like cells of uneven brightness on an uneven background, with blur and camera noise.

    Parameters
    ----------
    shape
        (Z, Y, X) or (Y, X).
    n
        Number of cells to try to place.
    radius
        Mean radius in pixels of the plane; in a volume the depth is half of it.
    touching
        Share of the cells that are placed beside another one.

    Returns
    -------
    tuple
        Image uint16 and labels uint32 of the given shape; the labels are exact.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint32)
    centres: list[NDArray[np.float64]] = []
    aspect = np.array([0.5, 1.0, 1.0])[-len(shape) :]
    for id in range(1, n + 1):
        centre = rng.uniform(0, shape)
        if centres and rng.random() < touching:
            direction = rng.normal(size=len(shape))
            step = 1.8 * radius * aspect * direction / np.linalg.norm(direction)
            centre = centres[rng.integers(len(centres))] + step
        if (centre < 0).any() or (centre >= shape).any():
            continue
        size = radius * rng.uniform(0.75, 1.25, len(shape)) * aspect
        box, mask = _ellipsoid(shape, centre, size, rng)
        free = mask & (labels[box] == 0)
        if free.sum() > 0.6 * mask.sum():
            labels[box][free] = id
            centres.append(centre)
    labels = _largest_pieces(labels)
    return _expose(labels, rng), labels


def synthetic_spheroid(
    shape: tuple[int, ...] = (24, 160, 160), n: int = 110, *, radius: float = 9.0, depth: float = 0.35, seed: int = 0
) -> tuple[NDArray[np.uint16], NDArray[np.uint32], dict[int, str]]:
    """Nuclei with the two fluorescences of FUCCI and a stain of all nuclei: blurred, noisy, dimmer deep inside.

    Red (Cdt1) and green (Geminin) of a nucleus that has them are lognormal, and so is what is seen of a colour that a
    nucleus does not make; 4 % of every colour is seen in the other.

    Parameters
    ----------
    shape, n, radius
        As for `synthetic_cells`.
    depth
        The share of light that is lost at the far end of the first axis.

    Returns
    -------
    tuple
        Image (3, ...) uint16 of red, green, nuclear; labels uint32; the state of every nucleus by its label (as
        `napari_cellseg.measurement` names them).
    """
    rng = np.random.default_rng(seed)
    labels = synthetic_cells(shape, n, radius=radius, seed=seed)[1]
    ids = np.arange(1, int(labels.max()) + 1)
    which = rng.choice(4, ids.size, p=(0.42, 0.12, 0.38, 0.08))
    on = np.array([(True, True, False, False), (False, True, True, False)])[:, which]
    bright = np.exp(np.where(on, rng.normal(np.log(5000), 0.35, on.shape), rng.normal(np.log(350), 0.25, on.shape)))
    stain = np.exp(rng.normal(np.log(4000), 0.2, ids.size))
    fade = np.linspace(1, 1 - depth, shape[0]).reshape(-1, *(1,) * (labels.ndim - 1))
    channels = [_fluorescence(labels, values, fade, rng) for values in (*(bright + 0.04 * bright[::-1]), stain)]
    names = ("G1", "G1 to S", "S/G2/M", "M to G1")
    return np.stack(channels), labels, {int(id): names[k] for id, k in zip(ids, which, strict=True)}


def synthetic_micrograph(
    shape: tuple[int, ...] = (520, 520), n: int = 1, *, radius: float = 140.0, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Cells as in electron microscopy: a smooth nucleus in a dark envelope, rough cytoplasm, a bright background.

    Parameters
    ----------
    shape
        (Z, Y, X) or (Y, X). In a volume nuclei are balls whose slices are 5 pixels thick, and cells are columns.
    n
        1: a cell in the middle; more: cells side by side along X. They touch each other and what lies beyond.
    radius
        Of the nuclei (pixels); cells are 1.7 times as wide.

    Returns
    -------
    tuple
        Image uint8 and classes uint32 of the given shape: 1 envelope, 2 nucleus, 3 cell, 4 background.
    """
    rng = np.random.default_rng(seed)
    volume = shape if len(shape) == 3 else (1, *shape)
    z, y, x = np.indices(volume, sparse=True)
    out = np.full(volume, 4, np.uint32)
    out[np.broadcast_to(np.abs(y - volume[1] / 2) < radius / 2, volume)] = 3
    depth = 5.0 * (z - (volume[0] - 1) / 2)
    for k in range(n):
        middle = volume[2] * (k + 0.5) / n
        wave = 1 + 0.04 * np.sin(5 * np.arctan2(y - volume[1] / 2, x - middle) + k)
        flat = (y - volume[1] / 2) ** 2 + (x - middle) ** 2
        away = np.sqrt(depth**2 + flat) / wave
        out[np.broadcast_to(np.sqrt(flat) <= 1.7 * radius * wave, volume)] = 3
        out[away <= radius + 3] = 1
        out[away <= radius - 3] = 2
    rough = np.stack([ndi.gaussian_filter(rng.normal(size=volume[1:]), 6) for _ in range(volume[0])])
    grey = ndi.gaussian_filter(np.array([0, 75, 148, 125, 205], np.float32)[out], (0, 1.5, 1.5))
    grey += np.where(out == 3, 22 * rough / rough.std(), 0) + rng.normal(0, 10, volume)
    image = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return (image, out) if len(shape) == 3 else (image[0], out[0])


def download(item: Download, folder: Path, timeout_s: float = 20.0) -> Path:
    """Fetch a file once, check it, and return its path.

    Raises
    ------
    CellsegError
        When the network does not allow it or the checksum is wrong; nothing half-fetched stays.
    """
    path = folder / Path(item.url).name
    if path.is_file() and _sha256(path) == item.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with urllib.request.urlopen(item.url, timeout=timeout_s) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        if (found := _sha256(part)) != item.sha256:
            raise CellsegError(
                f"{path.name} arrived damaged: its SHA-256 is {found[:12]}..., not {item.sha256[:12]}....",
                "Try again; if it stays so, the file on the web was changed.",
            )
        os.replace(part, path)
    except (OSError, urllib.error.URLError) as error:
        raise CellsegError(
            f"{path.name} ({item.about}, {item.megabytes} MB) cannot be downloaded: {error}.",
            f"Without a network, put the file at {path}.",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def unpack_nuclei(archive: Path, folder: Path) -> list[tuple[Path, Path, str]]:
    """Unpack `NUCLEI`; returns (image, labels, split) with split train or test."""
    with zipfile.ZipFile(archive) as file:
        members = [m for m in file.namelist() if m.endswith(".tif")]
        file.extractall(folder, members)
    found = []
    for image in sorted(folder.glob("dsb2018/*/images/*.tif")):
        labels = image.parents[1] / "masks" / image.name
        if labels.is_file():
            found.append((image, labels, image.parents[1].name))
    return found


def _ellipsoid(
    shape: tuple[int, ...], centre: NDArray[Any], size: NDArray[Any], rng: np.random.Generator
) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    reach = np.ceil(size * 1.5).astype(int)
    box = tuple(slice(max(0, int(c) - r), min(n, int(c) + r + 1)) for c, r, n in zip(centre, reach, shape, strict=True))
    grid = np.meshgrid(*[np.arange(s.start, s.stop) - c for s, c in zip(box, centre, strict=True)], indexing="ij")
    angle = rng.uniform(0, np.pi)
    y, x = grid[-2], grid[-1]
    turned = [*grid[:-2], y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)]
    distance = sum((g / s) ** 2 for g, s in zip(turned, size, strict=True))
    return box, np.asarray(distance <= 1)


def _largest_pieces(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Keep the largest piece of every label and number them without gaps."""
    import cc3d

    pieces = cc3d.connected_components(labels, connectivity=4 if labels.ndim == 2 else 6)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(sizes.size, np.uint32)
    owner[pieces.ravel()] = labels.ravel()
    out = np.zeros_like(labels)
    number = 0
    for id in np.unique(owner[owner > 0]):
        mine = np.flatnonzero(owner == id)
        best = mine[sizes[mine].argmax()]
        if sizes[best] >= 20:
            number += 1
            out[pieces == best] = number
    return out


def _expose(labels: NDArray[np.uint32], rng: np.random.Generator) -> NDArray[np.uint16]:
    """What a camera would see of the labels."""
    brightness = rng.uniform(0.35, 1.0, int(labels.max()) + 1)
    brightness[0] = 0
    sigma = (0.7, 1.2, 1.2)[-labels.ndim :]
    texture = 1 + 0.25 * ndi.gaussian_filter(rng.normal(size=labels.shape), sigma) * 5
    light = ndi.gaussian_filter(brightness[labels] * texture, sigma)
    ramp = np.linspace(0.05, 0.12, labels.shape[-1])
    photons = rng.poisson(np.clip(light + ramp, 0, None) * 400)
    counts = np.clip(photons * 30 + rng.normal(600, 60, labels.shape), 0, 65535)
    return np.asarray(counts, np.uint16)


def _fluorescence(
    labels: NDArray[np.uint32], values: NDArray[np.float64], fade: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint16]:
    """A channel in which every object has a brightness; `fade` is the share of light that is left of each plane."""
    sigma = (0.7, 1.2, 1.2)[-labels.ndim :]
    texture = 1 + 0.2 * ndi.gaussian_filter(rng.normal(size=labels.shape), sigma) * 5
    light = ndi.gaussian_filter(np.concatenate([[0.0], values])[labels] * texture, sigma) * fade + 60
    noise = rng.normal(0, np.sqrt(np.clip(light, 0, None)) * 2 + 12)
    return np.asarray(np.clip(light + noise + 200, 0, 65535), np.uint16)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def moving_cells(
    shape: tuple[int, ...] = (128, 128),
    frames: int = 12,
    cells: int = 12,
    *,
    radius: float = 7.0,
    speed: float = 2.0,
    dividing: int = 3,
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.uint32], dict[int, int]]:
    """A movie of round cells that wander, some of which divide, with the truth.

    Parameters
    ----------
    shape
        (Y, X) or (Z, Y, X) of a frame.
    speed
        Pixels per frame.
    dividing
        How many cells divide, at different times.

    Returns
    -------
    tuple
        Pictures (T, ...) uint8; labels (T, ...) uint32, where the label is the number of the track; and the mother of
        every daughter.
    """
    rng = np.random.default_rng(seed)
    n = len(shape)
    size = np.array(shape, float)
    living = {k + 1: _Cell(p, _turned(rng, n) * speed, radius) for k, p in enumerate(_apart(rng, size, cells, radius))}
    when = dict(zip(rng.permutation(list(living))[:dividing].tolist(), _times(frames, dividing), strict=True))
    labels, pictures = np.zeros((frames, *shape), np.uint32), np.zeros((frames, *shape), np.uint8)
    parents: dict[int, int] = {}
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in shape), indexing="ij"), axis=-1)
    for t in range(frames):
        for mother in [k for k in living if when.get(k) == t]:
            cell, way = living.pop(mother), _turned(rng, n)
            for side in (-1, 1):
                number = max([*living, *parents, cells]) + 1
                parents[number] = mother
                place = cell.place + side * way * 0.62 * cell.radius
                living[number] = _Cell(place, side * way * speed * 0.6, cell.radius * 0.74)
        for number, cell in living.items():
            inside = ((grid - cell.place) ** 2).sum(axis=-1) <= cell.radius**2
            labels[t][inside & (labels[t] == 0)] = number
        light = ndi.gaussian_filter((labels[t] > 0).astype(np.float32), 1.0) * 150 + rng.normal(30, 6, shape)
        pictures[t] = np.clip(light, 0, 255)
        _move(list(living.values()), size, speed, rng)
    return pictures, labels, parents


@dataclass
class _Cell:
    """A round cell: its middle, how far it goes in a frame, its radius."""

    place: NDArray[np.float64]
    velocity: NDArray[np.float64]
    radius: float


def _turned(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """A direction."""
    way = rng.normal(size=n)
    return np.asarray(way / np.linalg.norm(way))


def _times(frames: int, n: int) -> list[int]:
    """When cells divide: in the middle half of a movie."""
    return [int(t) for t in np.linspace(frames // 4, max(frames // 4, 3 * frames // 4), n)]


def _apart(rng: np.random.Generator, size: NDArray[np.float64], n: int, radius: float) -> list[NDArray[np.float64]]:
    """Places whose distance is three radii at least, as many as there is room for."""
    found: list[NDArray[np.float64]] = []
    for _ in range(200 * n):
        place = rng.uniform(np.minimum(radius, size / 3), size - np.minimum(radius, size / 3))
        if len(found) < n and all(np.linalg.norm(place - other) > 3 * radius for other in found):
            found.append(place)
    return found


def _move(cells: list[_Cell], size: NDArray[np.float64], speed: float, rng: np.random.Generator) -> None:
    """Cells go on, turn a little, leave each other and the border alone."""
    for cell in cells:
        for other in cells:
            between = cell.place - other.place
            distance = float(np.linalg.norm(between))
            if other is not cell and distance < 1.15 * (cell.radius + other.radius):
                cell.velocity = cell.velocity + between / max(distance, 1e-6) * speed * 0.5
        cell.velocity = cell.velocity + rng.normal(0, speed * 0.15, len(size))
        cell.velocity *= speed / max(float(np.linalg.norm(cell.velocity)), 1e-6) if speed else 0.0
        step = cell.place + cell.velocity
        out = (step < cell.radius) | (step > size - cell.radius)
        cell.velocity = np.where(out, -cell.velocity, cell.velocity)
        rim = np.minimum(cell.radius, size / 3)
        cell.place = np.clip(cell.place + cell.velocity, rim, size - rim)

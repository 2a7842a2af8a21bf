"""Augmentation as declarations: how a training patch is changed before a network sees it.

Data flow: a `Source` (a whole plane or volume) and a centre -> a patch cut with a margin -> turned, bent, mirrored ->
changed in contrast, sharpness and noise. Slices of a volume are all treated alike and never turned out of their plane,
since voxels are seldom cubes. Pixels are interpolated linearly, hard targets and masks by nearest neighbour; beyond the
border pixels are mirrored and nothing is known.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ._types import Float
from .settings import Settings, members

Grid = tuple[Float, Float]
"""Where every pixel of a patch comes from: x and y in the source, (side, side) float32 each."""
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Patch:
    """What a network learns from at once.

    Attributes
    ----------
    pixels
        (C, Z, Y, X) float32.
    target
        (K, Z, Y, X) float32.
    known
        (Z, Y, X) bool.
    """

    pixels: Float
    target: Float
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    """Where a patch is taken: slices of the source, centre (x, y) and side in pixels; whether targets are classes.

    A fixed one is not shifted. The target comes with a `rim` all round, in which nothing is mirrored: what is then to
    be encoded from it goes on beyond the patch, but not beyond the image.
    """

    slices: NDArray[np.int64]
    outside: NDArray[np.bool_]
    centre: tuple[float, float]
    side: int
    hard: bool
    fixed: bool = False
    rim: int = 0


class AugmentationBase(Settings):
    """What augmentations have in common."""

    @abstractmethod
    def grid(self, cut: Cut, rng: Rng) -> Grid:
        """Where the pixels of the patch come from."""

    @abstractmethod
    def tone(self, pixels: Float, rng: Rng) -> Float:
        """Other contrast, sharpness, noise; of the same shape."""

    def __call__(self, source: Patch, cut: Cut, rng: Rng) -> Patch:
        """A patch (C, depth, side, side) of a source, changed at random."""
        grid = self.grid(cut, rng)
        soft = cv2.INTER_NEAREST if cut.hard else cv2.INTER_LINEAR
        pixels = _warp(source.pixels, cut, grid, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
        if cut.rim:
            target = _warp(source.target, cut, _wider(grid, cut.rim), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
        else:
            target = _warp(source.target, cut, grid, soft, cv2.BORDER_REFLECT_101)
        known = _warp(source.known[None], cut, grid, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)[0] > 0
        known[cut.outside] = False
        return Patch(self.tone(pixels, rng), target, known)


class Standard(AugmentationBase):
    """Turned by any angle, mirrored, scaled; then gamma, brightness, contrast, blur and noise, all a little."""

    title: ClassVar[str] = "Standard"
    kind: Literal["standard"] = "standard"
    scale: float = Field(1.5, ge=1, le=4, description="Patches are enlarged or shrunk by up to this factor.")
    strength: float = Field(1.0, ge=0, le=5, description="How much contrast, sharpness and noise change.")
    tones: Literal["all", "brightness and contrast"] = Field(
        "all", description="What changes: gamma, contrast, brightness, sharpness and noise, or two of them only."
    )
    invert: float = Field(0.0, ge=0, le=1, description="Chance that bright and dark change places.")

    def grid(self, cut: Cut, rng: Rng) -> Grid:
        """A turn, a mirror, a scale, a shift of up to a quarter."""
        zoom = float(np.exp(rng.uniform(-np.log(self.scale), np.log(self.scale))))
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
        if rng.random() < 0.5:
            turn[:, 0] *= -1
        return _affine(_shifted(cut, rng), turn)

    def tone(self, pixels: Float, rng: Rng) -> Float:
        """Gamma, contrast, brightness, blur, noise, inversion."""
        much = self.strength
        if self.tones != "all":
            return self._brighter(pixels, rng)
        if rng.random() < 0.5:
            power = np.exp(much * rng.uniform(-0.25, 0.25))
            pixels = np.power(np.clip(pixels, 0, None), np.float32(power), dtype=np.float32)
        pixels = self._brighter(pixels, rng)
        if rng.random() < 0.3:
            sigma = max(much, 1e-3) * rng.uniform(0.3, 1.5)
            pixels = _each(pixels, lambda p: cv2.GaussianBlur(p, (0, 0), sigma))
        if rng.random() < 0.5:
            pixels = pixels + rng.normal(0, much * rng.uniform(0, 0.05), pixels.shape).astype(np.float32)
        if self.invert and rng.random() < self.invert:
            pixels = np.float32(1) - pixels  # 0 and 1 are the ends of the range that normalisation made
        return pixels

    def _brighter(self, pixels: Float, rng: Rng) -> Float:
        """Contrast and brightness."""
        gain = np.exp(self.strength * np.log(rng.uniform(0.85, 1.15)))
        return pixels * np.float32(gain) + np.float32(self.strength * rng.uniform(-0.05, 0.05))


class TwoStage(AugmentationBase):
    """The scheme of Das et al. 2025: one photometric change or none, then always one geometric one, by chance."""

    title: ClassVar[str] = "Two stages"
    kind: Literal["two_stage"] = "two_stage"
    chance: float = Field(0.8, ge=0, le=1, description="Chance of a photometric change.")

    def grid(self, cut: Cut, rng: Rng) -> Grid:
        """One of elastic, grid distortion, affine with shear, crops, mirror, quarter turn, transposition."""
        cut = _shifted(cut, rng)
        change = GEOMETRIC[list(GEOMETRIC)[rng.integers(len(GEOMETRIC))]]
        return change(cut, rng)

    def tone(self, pixels: Float, rng: Rng) -> Float:
        """None, or one of motion blur, defocus, noise, hue and saturation, brightness, gamma, CLAHE, inversion..."""
        if rng.random() >= self.chance:
            return pixels
        change = PHOTOMETRIC[list(PHOTOMETRIC)[rng.integers(len(PHOTOMETRIC))]]
        return np.asarray(change(pixels, rng), np.float32)


class Unchanged(AugmentationBase):
    """Patches as they are."""

    title: ClassVar[str] = "None"
    kind: Literal["none"] = "none"

    def grid(self, cut: Cut, rng: Rng) -> Grid:
        """Straight."""
        return _affine(cut, np.eye(2))

    def tone(self, pixels: Float, rng: Rng) -> Float:
        """As they are."""
        return pixels


Augmentation = Annotated[Standard | TwoStage | Unchanged, Field(discriminator="kind")]
AUGMENTATIONS: tuple[type[AugmentationBase], ...] = members(Augmentation)


# --- geometric changes: where pixels come from -----------------------------------------------------


def _elastic(cut: Cut, rng: Rng) -> Grid:
    """Simard et al. 2003: random displacements, smoothed."""
    field = rng.uniform(-1, 1, (2, cut.side, cut.side)).astype(np.float32)
    sigma = cut.side / 16
    smooth = [cv2.GaussianBlur(f, (0, 0), sigma) for f in field]
    reach = rng.uniform(0.02, 0.05) * cut.side
    x, y = _affine(cut, np.eye(2))
    dx, dy = (f * np.float32(reach / max(float(np.abs(f).max()), 1e-6)) for f in smooth)
    return x + dx, y + dy


def _grid_distortion(cut: Cut, rng: Rng) -> Grid:
    """A coarse grid whose lines are moved by up to 30 % of their distance."""
    steps = 5
    moved = rng.uniform(-0.3, 0.3, (2, steps + 1, steps + 1)).astype(np.float32) * (cut.side / steps)
    moved[:, [0, -1]] = moved[:, :, [0, -1]] = 0
    x, y = _affine(cut, np.eye(2))
    dx, dy = (cv2.resize(m, (cut.side, cut.side), interpolation=cv2.INTER_LINEAR) for m in moved)
    return x + dx, y + dy


def _sheared(cut: Cut, rng: Rng) -> Grid:
    angle, zoom = np.deg2rad(rng.uniform(-45, 45)), rng.uniform(0.8, 1.25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    shear = np.tan(np.deg2rad(rng.uniform(-15, 15, 2)))
    return _affine(cut, turn @ np.array([[1, shear[0]], [shear[1], 1]]))


def _cropped(cut: Cut, rng: Rng) -> Grid:
    """A part of the patch, resized to all of it."""
    share = rng.uniform(0.6, 1.0)
    room = (1 - share) * cut.side / 2
    x, y = _affine(cut, np.eye(2) * share)
    dx, dy = rng.uniform(-room, room, 2).astype(np.float32)
    return x + dx, y + dy


def _padded_and_cropped(cut: Cut, rng: Rng) -> Grid:
    """Moved by up to a quarter; what comes in from outside is beyond the patch."""
    x, y = _affine(cut, np.eye(2))
    dx, dy = np.round(rng.uniform(-cut.side / 4, cut.side / 4, 2)).astype(np.float32)
    return x + dx, y + dy


def _mirrored(cut: Cut, rng: Rng) -> Grid:
    signs = [(-1, 1), (1, -1), (-1, -1)][rng.integers(3)]
    return _affine(cut, np.diag(signs).astype(float))


def _quarter_turn(cut: Cut, rng: Rng) -> Grid:
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    return _affine(cut, np.linalg.matrix_power(quarter, int(rng.integers(1, 4))))


def _transposed(cut: Cut, rng: Rng) -> Grid:
    return _affine(cut, np.array([[0.0, 1.0], [1.0, 0.0]]))


GEOMETRIC: dict[str, Callable[[Cut, Rng], Grid]] = {
    "elastic": _elastic,
    "grid distortion": _grid_distortion,
    "affine with shear": _sheared,
    "crop": _cropped,
    "pad and crop": _padded_and_cropped,
    "mirror": _mirrored,
    "quarter turn": _quarter_turn,
    "transposition": _transposed,
}


# --- photometric changes: (C, Z, Y, X) -> the same ----------------------------------------------------


def _motion_blur(pixels: Float, rng: Rng) -> Float:
    side = int(rng.choice((3, 5, 7)))
    kernel = np.zeros((side, side), np.float32)
    angle, middle = rng.uniform(0, np.pi), (side - 1) / 2
    reach = np.linspace(-middle, middle, 4 * side)
    rows, columns = np.rint(middle + reach * np.sin(angle)), np.rint(middle + reach * np.cos(angle))
    kernel[rows.astype(int), columns.astype(int)] = 1
    return _each(pixels, lambda p: cv2.filter2D(p, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101))


def _defocus(pixels: Float, rng: Rng) -> Float:
    radius = int(rng.integers(1, 4))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (y**2 + x**2 <= radius**2).astype(np.float32)
    return _each(pixels, lambda p: cv2.filter2D(p, -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT_101))


def _gaussian_noise(pixels: Float, rng: Rng) -> Float:
    return pixels + rng.normal(0, rng.uniform(0.01, 0.08), pixels.shape).astype(np.float32)


def _sensor_noise(pixels: Float, rng: Rng) -> Float:
    """Shot noise: its variance grows with the signal."""
    electrons = rng.uniform(50, 500)
    spread = np.sqrt(np.clip(pixels, 0, None) / electrons)
    return np.asarray(pixels + rng.normal(0, 1, pixels.shape) * spread, np.float32)


def _brightness_and_contrast(pixels: Float, rng: Rng) -> Float:
    middle = np.float32(pixels.mean())
    changed = (pixels - middle) * np.float32(rng.uniform(0.7, 1.3)) + middle + np.float32(rng.uniform(-0.2, 0.2))
    return np.asarray(changed, np.float32)


def _gamma(pixels: Float, rng: Rng) -> Float:
    return np.power(np.clip(pixels, 0, None), np.float32(np.exp(rng.uniform(-0.5, 0.5))), dtype=np.float32)


def _clahe(pixels: Float, rng: Rng) -> Float:
    tool = cv2.createCLAHE(clipLimit=float(rng.uniform(1, 4)), tileGridSize=(4, 4))
    low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return pixels
    scale = 255 / (high - low)  # with 65,536 levels a small tile would be equalised without a limit

    def equalised(plane: Float) -> Float:
        return tool.apply(((plane - low) * scale).astype(np.uint8)).astype(np.float32) / scale + low

    return _each(pixels, equalised)


def _inverted(pixels: Float, rng: Rng) -> Float:
    return np.asarray(pixels.min() + pixels.max() - pixels, np.float32)


def _channels_shuffled(pixels: Float, rng: Rng) -> Float:
    return pixels[rng.permutation(len(pixels))]


def _hue_and_saturation(pixels: Float, rng: Rng) -> Float:
    """Of colour pictures: hue, saturation and value moved a little; of others the value."""
    if len(pixels) != 3:
        return np.asarray(pixels + np.float32(rng.uniform(-0.1, 0.1)), np.float32)
    hue, saturation, value = rng.uniform(-20, 20), rng.uniform(-0.15, 0.15), rng.uniform(-0.1, 0.1)
    out = np.empty_like(pixels)
    for z in range(pixels.shape[1]):
        hsv = cv2.cvtColor(np.ascontiguousarray(np.moveaxis(np.clip(pixels[:, z], 0, 1), 0, -1)), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = np.mod(hsv[..., 0] + np.float32(hue), 360)
        hsv[..., 1:] = np.clip(hsv[..., 1:] + np.array((saturation, value), np.float32), 0, 1)
        out[:, z] = np.moveaxis(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), -1, 0)
    return out


def _greyscale(pixels: Float, rng: Rng) -> Float:
    return np.repeat(pixels.mean(0, keepdims=True), len(pixels), axis=0).astype(np.float32)


def _zoom_blur(pixels: Float, rng: Rng) -> Float:
    """The mean of the picture and of enlarged ones, as if the lens zoomed while the shutter was open."""
    factors = np.arange(1, rng.uniform(1.05, 1.15), 0.01)

    def blurred(plane: Float) -> Float:
        middle = ((plane.shape[1] - 1) / 2, (plane.shape[0] - 1) / 2)
        turns = [cv2.getRotationMatrix2D(middle, 0, float(f)) for f in factors]
        zoomed = [cv2.warpAffine(plane, t, plane.shape[::-1], borderMode=cv2.BORDER_REFLECT_101) for t in turns]
        return np.asarray(np.mean(zoomed, axis=0), np.float32)

    return _each(pixels, blurred)


PHOTOMETRIC: dict[str, Callable[[Float, Rng], Float]] = {
    "motion blur": _motion_blur,
    "defocus": _defocus,
    "Gaussian noise": _gaussian_noise,
    "sensor noise": _sensor_noise,
    "brightness and contrast": _brightness_and_contrast,
    "gamma": _gamma,
    "CLAHE": _clahe,
    "inversion": _inverted,
    "channel shuffle": _channels_shuffled,
    "hue, saturation, value": _hue_and_saturation,
    "greyscale": _greyscale,
    "zoom blur": _zoom_blur,
}


# --- inside ---------------------------------------------------------------------------------------


def _shifted(cut: Cut, rng: Rng) -> Cut:
    """The place may lie anywhere in the inner half of the patch; by whole pixels, so that nothing is blurred."""
    if cut.fixed:
        return cut
    shift = np.round(rng.uniform(-cut.side / 4, cut.side / 4, 2))
    return replace(cut, centre=(cut.centre[0] + shift[0], cut.centre[1] + shift[1]))


def _affine(cut: Cut, matrix: NDArray[np.floating[Any]]) -> Grid:
    """A linear map about the middle pixel: mirrored and turned patches meet whole pixels and are not blurred."""
    at = np.arange(cut.side, dtype=np.float64) - cut.side // 2
    x = matrix[0, 0] * at[None, :] + matrix[0, 1] * at[:, None] + cut.centre[0]
    y = matrix[1, 0] * at[None, :] + matrix[1, 1] * at[:, None] + cut.centre[1]
    return x.astype(np.float32), y.astype(np.float32)


def _wider(grid: Grid, rim: int) -> Grid:
    """A grid that goes on for `rim` pixels on all sides as it comes to its borders."""
    x, y = (np.pad(g, rim, mode="reflect", reflect_type="odd") for g in grid)
    return x, y


def _warp(values: NDArray[Any], cut: Cut, grid: Grid, interpolation: int, border: int) -> Float:
    """(C, Z, Y, X) -> (C, depth, *grid), reading only the part that the grid reaches."""
    height, width = values.shape[-2:]
    x, y = grid if border == cv2.BORDER_CONSTANT else (_reflected(grid[0], width), _reflected(grid[1], height))
    top, left = max(0, int(y.min()) - 2), max(0, int(x.min()) - 2)
    bottom, right = min(height, int(y.max()) + 3), min(width, int(x.max()) + 3)
    if bottom <= top or right <= left:
        return np.zeros((len(values), len(cut.slices), *x.shape), np.float32)
    part = values[:, cut.slices, top:bottom, left:right].astype(np.float32)
    x, y = x - np.float32(left), y - np.float32(top)
    mode = cv2.BORDER_CONSTANT if border == cv2.BORDER_CONSTANT else cv2.BORDER_REPLICATE
    out = [cv2.remap(np.ascontiguousarray(p), x, y, interpolation, borderMode=mode) for c in part for p in c]
    return np.asarray(np.stack(out).reshape(len(values), len(cut.slices), *x.shape), np.float32)


def _reflected(at: Float, n: int) -> Float:
    """Coordinates mirrored at the first and the last voxel, as often as it takes."""
    period = max(2 * (n - 1), 1)
    folded = np.mod(at, np.float32(period))
    return np.asarray(np.minimum(folded, np.float32(period) - folded) if n > 1 else np.zeros_like(at), np.float32)


def _each(pixels: Float, change: Callable[[Float], Any]) -> Float:
    """Change every plane of (C, Z, Y, X)."""
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    return np.asarray(np.stack([change(np.ascontiguousarray(p)) for p in planes]).reshape(pixels.shape), np.float32)

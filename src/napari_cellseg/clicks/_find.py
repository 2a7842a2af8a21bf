"""From a prompt to the shape of one object in a plane."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cc3d
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .._types import Mask
from ..preprocess import Processed
from ..zoom import GRID, MOST, Zoom
from ._maps import SIDE, prompt_maps
from ._network import ClickNetwork, features_of

if TYPE_CHECKING:
    from ..nets.device import Device
    from ..nets.features import Features

Point = tuple[float, float]
CONTEXT = 32
"""The base network sees so many of its pixels round the window."""
STRIDE = 32
RIM = 2
"""An object that comes so close to the end of the window may go on beyond it."""
AWAY = 1.6
"""What does not fit into the window is looked at from so much further away."""
LOOKS = 4
"""So often at most."""
CRUMB = 0.4
"""What is smaller than this share of the diameter that the network knows may be a part of a larger object."""
LEAST = 0.15
"""Factor below which an object is no longer looked at from further away."""


@dataclass(frozen=True)
class Prompt:
    """What a person says of one object in a plane, in pixels.

    Attributes
    ----------
    inside
        Places (row, column) that belong to the object, in the order in which they were clicked.
    outside
        Places that do not; after each place in `inside` and these, what was found is corrected.
    box
        (start, stop) of rows and columns that hold it; None where none was drawn.
    """

    inside: tuple[Point, ...] = ()
    outside: tuple[Point, ...] = ()
    box: tuple[Point, Point] | None = None

    @property
    def centre(self) -> Point:
        """The middle of the box, or of the places that belong to the object."""
        if self.box is not None:
            (a, b), (c, d) = self.box
            return (a + b) / 2, (c + d) / 2
        rows, columns = zip(*self.inside, strict=True)
        return (min(rows) + max(rows)) / 2, (min(columns) + max(columns)) / 2

    def heard(self, n: int) -> Prompt:
        """What was said at first and in `n` later places: those inside, then those outside."""
        first = 0 if self.box is not None else 1
        inside = self.inside[: first + n]
        return replace(self, inside=inside, outside=self.outside[: max(0, first + n - len(self.inside))])

    @property
    def later(self) -> int:
        """How many places correct what was found first."""
        return len(self.inside) + len(self.outside) - (0 if self.box is not None else 1)


@dataclass(frozen=True, eq=False)
class Shape:
    """An object in a plane: `mask` has the size of `box`, (start, stop) of rows and columns."""

    box: tuple[tuple[int, int], tuple[int, int]]
    mask: Mask

    @property
    def centre(self) -> Point:
        """Its centroid."""
        rows, columns = np.nonzero(self.mask)
        (top, _), (left, _) = self.box
        return float(rows.mean() + top), float(columns.mean() + left)

    def overlap(self, other: Shape) -> float:
        """Intersection over union."""
        sides = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(self.box, other.box, strict=True)]
        one, two = (shape.inside(sides) for shape in (self, other))
        return float((one & two).sum() / max(1, (one | two).sum()))

    def inside(self, sides: list[tuple[int, int]] | tuple[tuple[int, int], ...]) -> Mask:
        """Its part in a box that may lie anywhere."""
        out = np.zeros([b - a for a, b in sides], bool)
        cut, own = [], []
        for (a, b), (c, d) in zip(sides, self.box, strict=True):
            low, high = max(a, c), min(b, d)
            cut.append(slice(low - a, max(low, high) - a))
            own.append(slice(low - c, max(low, high) - c))
        out[tuple(cut)] = self.mask[tuple(own)]
        return out


@dataclass(frozen=True, eq=False)
class Finder:
    """Finds objects in the planes of one picture.

    Attributes
    ----------
    picture
        The picture through the base model's recipe.
    base
        The base network, which tells its features.
    network
        What was trained to heed prompts.
    device
        Where both are.
    size
        Diameter that the base network knows, in its pixels.
    zoom
        How the base network sees this picture.
    """

    picture: Processed
    base: Features
    network: ClickNetwork
    device: Device
    size: float
    zoom: Zoom
    _windows: dict[tuple[int, int, int, int], _Window] = field(default_factory=dict, repr=False)

    def find(self, prompt: Prompt, z: int = 0) -> Shape | None:
        """The object that a prompt asks for in a slice; None where nothing was found.

        What does not fit into the window is looked at from further away. Where a click finds hardly anything, the
        size of objects that is known of the picture may be wrong: other sizes are tried, and the answer that depends
        least on the threshold is taken.
        """
        zoom = self._zoom(prompt)
        look = self._look(prompt, z, zoom)
        for _ in range(LOOKS):
            if look.fits or zoom.factor / AWAY < LEAST:
                break
            zoom = Zoom(round(zoom.pixels * AWAY))
            look = self._look(prompt, z, zoom)
        if prompt.box is None and look.diameter < CRUMB * self.size:
            others = [self._look(prompt, z, other) for other in self._other_zooms()]
            look = max((look, *(other for other in others if other.fits)), key=_Look.steadiness)
        return look.window.shape(look.logits, prompt)

    def follow(self, shape: Shape, z: int) -> Shape | None:
        """The same object in another slice, from its shape in the one beside; None where it has ended."""
        zoom = self._zoom(Prompt(box=shape.box))
        window = self._window(shape.centre, z, zoom)
        logits = self._ask(window, prompt_maps(shape=window.seen(shape)))
        return window.shape(logits, Prompt((shape.centre,)))

    # --- inside ---------------------------------------------------------------------------------

    def _look(self, prompt: Prompt, z: int, zoom: Zoom) -> _Look:
        window = self._window(prompt.centre, z, zoom)
        logits = self._answer(window, prompt)
        return _Look(window, logits, not window.reaches_beyond(logits, self.picture.shape[1:]))

    def _other_zooms(self) -> list[Zoom]:
        """From nearer, and from further away."""
        pixels = {max(round(GRID / MOST), round(self.zoom.pixels * AWAY**k)) for k in (-1, 1, 2, 3)}
        return [Zoom(n) for n in sorted(pixels - {self.zoom.pixels}) if GRID / n >= LEAST]

    def _zoom(self, prompt: Prompt) -> Zoom:
        """A box tells the size of its object; a click leaves it to what is known of the picture."""
        if prompt.box is None:
            return self.zoom
        longest = max(b - a for a, b in prompt.box)
        fits = self.size / 2 <= longest * self.zoom.factor <= SIDE / 2
        return self.zoom if fits else Zoom.between(longest, self.size)

    def _window(self, centre: Point, z: int, zoom: Zoom) -> _Window:
        row, column = (round(v * zoom.factor) - SIDE // 2 for v in centre)
        key = (z, row, column, zoom.pixels)
        if key not in self._windows:
            self._windows.clear()
            self._windows[key] = self._seen(row, column, z, zoom)
        return self._windows[key]

    def _seen(self, row: int, column: int, z: int, zoom: Zoom) -> _Window:
        """Features of a window, with repeated ones beyond the ends of the picture."""
        spans, stride = [], zoom.stride(STRIDE)
        for start, n in zip((row, column), self.picture.shape[1:], strict=True):
            low, high = ((start + d) / zoom.factor for d in (-CONTEXT, SIDE + CONTEXT))
            first = max(0, int(low)) // stride * stride
            spans.append((first, min(n, max(first + 1, int(np.ceil(high / stride)) * stride))))
        y, x = (slice(a, b) for a, b in spans)
        pixels = zoom.into(self.picture.read((slice(z, z + 1), y, x))[:, 0][None])
        missing = [(-n) % STRIDE for n in pixels.shape[-2:]]  # of a picture at its own size
        tensor = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device.torch)
        padded = F.pad(tensor, (0, missing[1], 0, missing[0]), mode="replicate")
        with torch.inference_mode(), self.device.autocast():
            seen = features_of(padded, *self.base(padded.contiguous(memory_format=torch.channels_last)))
        corner = tuple(round(a * zoom.factor) for a, _ in spans)
        top, left = row - corner[0], column - corner[1]
        height, width = seen.shape[-2:]
        rim = (max(0, -left), max(0, left + SIDE - width), max(0, -top), max(0, top + SIDE - height))
        rows, columns = (slice(v + pad, v + pad + SIDE) for v, pad in ((top, rim[2]), (left, rim[0])))
        features = F.pad(seen, rim, mode="replicate")[..., rows, columns]
        return _Window(features, (row, column), spans, (int(pixels.shape[-2]), int(pixels.shape[-1])), zoom)

    def _answer(self, window: _Window, prompt: Prompt) -> NDArray[np.float32]:
        """Logits of the window: what was said first, then every further place with what was found before it."""
        shape: Mask | None = None
        for n in range(prompt.later + 1):
            heard = prompt.heard(n)
            inside, outside = ([window.there(p) for p in places] for places in (heard.inside, heard.outside))
            box = None if prompt.box is None else window.box_there(prompt.box)
            logits = self._ask(window, prompt_maps(inside, outside, box, shape))
            shape = logits > 0
        return logits

    def _ask(self, window: _Window, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            prompts = torch.from_numpy(maps)[None].to(window.features.device)
            return np.asarray(self.network(window.features, prompts)[0, 0].float().cpu().numpy())


@dataclass(frozen=True, eq=False)
class _Look:
    """What the network says of a window, (SIDE, SIDE) logits, and whether all of the object is in it."""

    window: _Window
    logits: NDArray[np.float32]
    fits: bool

    @property
    def diameter(self) -> float:
        """Of a circle as large as what was found, in pixels of the window."""
        return float(np.sqrt((self.logits > 0).sum() * 4 / np.pi))

    def steadiness(self) -> float:
        """The share of the shape that another threshold would leave (the stability score of Segment Anything)."""
        return float((self.logits > 1).sum() / max(1, (self.logits > -1).sum()))


@dataclass(frozen=True, eq=False)
class _Window:
    """What the network sees: `features` (1, F, SIDE, SIDE), the corner at its size, and the part of the picture.

    `read` are (start, stop) of rows and columns of the picture that were read, `sides` theirs at the network's size.
    """

    features: torch.Tensor
    corner: tuple[int, int]
    read: list[tuple[int, int]]
    sides: tuple[int, int]
    zoom: Zoom

    def there(self, point: Point) -> Point:
        """A place in the picture as one in the window."""
        row, column = ((v + 0.5) * self.zoom.factor - 0.5 - c for v, c in zip(point, self.corner, strict=True))
        return row, column

    def box_there(self, box: tuple[Point, Point]) -> tuple[Point, Point]:
        """A box in the picture as one in the window."""
        rows, columns = (
            (a * self.zoom.factor - c, b * self.zoom.factor - c) for (a, b), c in zip(box, self.corner, strict=True)
        )
        return rows, columns

    def reaches_beyond(self, logits: NDArray[np.float32], picture: tuple[int, int]) -> bool:
        """Whether what was found comes to the window's end where the picture goes on."""
        found = logits > 0
        for axis, (corner, n) in enumerate(zip(self.corner, picture, strict=True)):
            if corner > 0 and found.take(range(RIM), axis).any():
                return True
            if corner + SIDE < n * self.zoom.factor and found.take(range(SIDE - RIM, SIDE), axis).any():
                return True
        return False

    def seen(self, shape: Shape) -> Mask:
        """A shape in the picture as the window sees it, (SIDE, SIDE)."""
        places = [
            ((np.arange(SIDE) + c + 0.5) / self.zoom.factor - 0.5).round().astype(int) for c in self.corner
        ]  # the pixels of the picture in whose middles those of the window lie
        sides = tuple((int(p[0]), int(p[-1]) + 1) for p in places)
        rows, columns = (p - p[0] for p in places)
        return shape.inside(sides)[np.ix_(rows, columns)]

    def shape(self, logits: NDArray[np.float32], prompt: Prompt) -> Shape | None:
        """What logits say in pixels of the picture: the piece that was asked for, without holes.

        It is the piece at the first place; without one, or where that lies outside, the greatest.
        """
        from scipy.ndimage import binary_fill_holes

        whole = np.full((1, *self.sides), -20, np.float32)
        cut, own = [], []
        for corner, (first, _), n in zip(self.corner, self.read, self.sides, strict=True):
            start = corner - round(first * self.zoom.factor)
            low, high = max(0, start), min(n, start + SIDE)
            cut.append(slice(low, max(low, high)))
            own.append(slice(low - start, max(low, high) - start))
        whole[0][tuple(cut)] = logits[tuple(own)]
        height, width = (b - a for a, b in self.read)
        found = self.zoom.back(whole, (height, width))[0][:height, :width] > 0
        pieces = cc3d.connected_components(found, connectivity=4)
        at = self._piece_at(pieces, prompt)
        if not at:
            return None
        mask = np.asarray(binary_fill_holes(pieces == at))
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        spans = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        top, left = self.read[0][0], self.read[1][0]
        box = (
            (top + int(rows[0]), top + int(rows[-1]) + 1), (left + int(columns[0]), left + int(columns[-1]) + 1)
        )  # fmt: skip
        return Shape(box, mask[spans])

    def _piece_at(self, pieces: NDArray[np.integer], prompt: Prompt) -> int:
        for point in prompt.inside[:1] if prompt.box is None else ():
            row, column = (int(round(v)) - a for v, (a, _) in zip(point, self.read, strict=True))
            if 0 <= row < pieces.shape[0] and 0 <= column < pieces.shape[1] and pieces[row, column]:
                return int(pieces[row, column])
        sizes = np.bincount(pieces.ravel(), minlength=1)
        sizes[0] = 0
        return int(sizes.argmax()) if sizes.max() else 0

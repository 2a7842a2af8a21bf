"""The intensities of nuclei by marker, from whatever holds labels and channels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CellsegError
from ._objects import Measured, measure_objects

if TYPE_CHECKING:
    from pandas import DataFrame

_USUAL = {
    "red": {"red", "cdt1", "mko2", "mcherry", "rfp", "kusabira", "tritc"},
    "green": {"green", "geminin", "mag", "azami", "gfp", "egfp", "mvenus", "venus", "fitc"},
    "nuclear": {"hoechst", "dapi", "nuclear", "nuclei", "sir"},
}
"""What channels are usually called; only a proposal."""


def channel_number(names: Sequence[str], wanted: str, marker: str) -> int:
    """The place of a channel among all, from 0.

    Parameters
    ----------
    names
        Of all channels.
    wanted
        A name, whatever its capitals, or a number from 1.
    marker
        What it is wanted for: ``red``, ``green`` or ``nuclear``.

    Raises
    ------
    CellsegError
        When there is no such channel, or none was named.
    """
    there = [name.casefold() for name in names]
    if wanted.strip().casefold() in there:
        return there.index(wanted.strip().casefold())
    if wanted.strip().isdigit() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    named = ", ".join(f"{n} ({name})" if name != str(n) else name for n, name in enumerate(names, 1)) or "none"
    what = f"There is no channel {wanted!r} for {marker}." if wanted else f"Nobody said which channel is {marker}."
    raise CellsegError(what, f"Channels are: {named}. Give a name or a number.")


def usual_channels(names: Sequence[str]) -> dict[str, str]:
    """Channels whose names say what they are, by marker: ``{"red": "mCherry"}``."""
    found: dict[str, str] = {}
    for marker, words in _USUAL.items():
        fits = [n for n in names if words & set(re.findall(r"[a-z0-9]+", n.casefold()))]
        if len(fits) == 1:
            found[marker] = fits[0]
    return found


def nuclei_of(
    what: Measured, channels: Mapping[str, int], by_hand: Mapping[int, str], stop: Callable[[], bool]
) -> DataFrame:
    """Mean intensities of the nuclei of one image.

    Parameters
    ----------
    what
        With an image.
    channels
        Place of the channel by marker (``red``, ``green``, perhaps ``nuclear``).
    by_hand
        What a person said of nuclei, by label.

    Returns
    -------
    pandas.DataFrame
        ``label``, a column per marker, ``by_hand``.

    Raises
    ------
    CellsegError
        When the image does not fit the labels, or it was stopped.
    """
    some = _Some(what.image, tuple(channels.values()))
    found = measure_objects(replace(what, image=some, channels=tuple(channels)), ("intensity_mean",), stop=stop).table
    table = found[["label", *(f"intensity_mean_{m}" for m in channels)]].copy()
    table.columns = ["label", *channels]
    table["by_hand"] = np.array([by_hand.get(int(label), "") for label in table["label"]], object)
    return table


class _Some:
    """Some channels of an image; it is read only where it is asked for."""

    def __init__(self, image: Any, channels: tuple[int, ...]) -> None:
        self._image, self._channels = image, channels
        self.shape, self.dtype = (len(channels), *image.shape[1:]), image.dtype

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return self._image[(self._channels[key[0]], *key[1:])]

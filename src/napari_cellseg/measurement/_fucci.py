"""States of the cell cycle from FUCCI: two fluorescences of nuclei and one threshold for each.

Data flow: means of red (Cdt1) and green (Geminin) of all nuclei of an experiment -> a threshold per colour, proposed on
their logarithms or set by a person -> one of four states per nucleus, unless a person said which -> counts and shares.

Sources: Sakaue-Sawano et al., Cell 132 (2008); states and thresholds as in Tiling 2024. Background is no guide for the
thresholds: what nuclei have of a colour that they do not make is more than what lies beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import CellsegError
from ._summary import groups_of
from ._times import known_times

if TYPE_CHECKING:
    from pandas import DataFrame

Marker = Literal["red", "green"]
MARKERS: tuple[Marker, ...] = ("red", "green")


@dataclass(frozen=True)
class FucciState:
    """A state of the cell cycle: its name, its name in columns, what is on in it, its colour and meaning."""

    name: str
    key: str
    red: bool
    green: bool
    colour: str
    description: str


FUCCI_STATES = (
    FucciState("G1", "g1", True, False, "#e8554d", "red alone (Cdt1): before the DNA is copied"),
    FucciState("G1 to S", "g1_to_s", True, True, "#f2c744", "red and green: copying begins"),
    FucciState("S/G2/M", "s_g2_m", False, True, "#3fbf7f", "green alone (Geminin): copying, growing, dividing"),
    FucciState("M to G1", "m_to_g1", False, False, "#6fa8ff", "neither: just divided (seen in the nuclear stain only)"),
)
STATE_NAMES = tuple(s.name for s in FUCCI_STATES)
UNKNOWN_STATE = "unknown"
"""The state of nuclei one of whose intensities is not known."""

FEW = 12
"""Fewer nuclei than this do not show two populations."""
APART = 2.0
"""Two populations are taken for two if they lie so far apart (Ashman's D; Ashman et al., Astron. J. 108, 1994)."""
RARE = 3
"""So many nuclei at least make a population."""
CLEAR, SMALL = 3.0, 0.05
"""Few nuclei cannot convince BIC. Two populations so far apart, each with such a share, are taken all the same, which
is said: of one normal population it happens in 20 % of 20 nuclei, 10 % of 57, 0 % of 150 (60 trials each)."""
STANDS_OUT = 3.0
"""With one population, positive is what lies so many robust standard deviations above its median."""


@dataclass(frozen=True)
class Threshold:
    """From which mean intensity a nucleus has a colour.

    Attributes
    ----------
    value
        In the units of the image; a nucleus is positive above it.
    how
        ``mixture``: where two normal distributions of the logarithms are equally likely; ``spread``: there was one
        population; ``hand``: a person set it.
    doubt
        What should be looked at, "" for nothing.
    """

    value: float
    how: Literal["mixture", "spread", "hand"]
    doubt: str = ""


def propose_threshold(means: Any, marker: str = "red") -> Threshold:
    """A threshold for the mean intensities of nuclei, on their logarithms.

    Two normal distributions are fitted to log10 (expectation-maximisation). They are taken where they explain the
    nuclei better than one (BIC), lie apart (`APART`) and none is a handful (`RARE`): the threshold is where a nucleus
    belongs to either with the same probability. Few nuclei that lie clearly apart (`CLEAR`) are taken for two
    populations without BIC, which is said as a doubt. Else there is one population, and nuclei are positive that stand
    out of it: above the median + `STANDS_OUT` x 1.4826 x the median deviation; that is said as a doubt.

    Parameters
    ----------
    means
        (N,) intensities of nuclei; what is not finite or not above 0 is left out.
    marker
        Named in the doubt.

    Raises
    ------
    CellsegError
        When no nucleus has an intensity above 0.
    """
    given = np.asarray(means, np.float64)
    logs = np.log10(given[np.isfinite(given) & (given > 0)])
    if not logs.size:
        raise CellsegError(
            f"No nucleus has any {marker}, so no threshold can be proposed.",
            "Check which channel it is, or set the threshold by hand.",
        )
    between, sure = _between(logs)
    if between is not None:
        doubt = "" if sure else f"{logs.size} nuclei hardly show two populations in {marker}: look at the plot."
        return Threshold(float(10**between), "mixture", doubt)
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    why = f"only {logs.size} nuclei" if logs.size < FEW else "one population of nuclei"
    return Threshold(
        float(10 ** (middle + STANDS_OUT * spread)), "spread",
        f"There is {why} in {marker}: only what stands out counts as positive. If all are positive, or none, set the "
        "threshold by hand.",
    )  # fmt: skip


def fucci_states(red: Any, green: Any, thresholds: tuple[float, float]) -> NDArray[np.int8]:
    """The state of every nucleus, (N,) numbers into `FUCCI_STATES`; -1 where an intensity is not known."""
    r, g = np.asarray(red, np.float64), np.asarray(green, np.float64)
    has = (r > thresholds[0]).astype(np.int8), (g > thresholds[1]).astype(np.int8)
    of = np.array([[next(n for n, s in enumerate(FUCCI_STATES) if (s.red, s.green) == (a, b)) for b in (False, True)]
                   for a in (False, True)], np.int8)  # fmt: skip
    return np.where(np.isfinite(r) & np.isfinite(g), of[has], np.int8(-1)).astype(np.int8)


def state_name(text: str) -> str:
    """The state that a text means, by name or key, whatever its capitals.

    Raises
    ------
    CellsegError
        When it is none.
    """
    wanted = text.strip().casefold()
    for state in FUCCI_STATES:
        if wanted in (state.name.casefold(), state.key):
            return state.name
    raise CellsegError(f"{text!r} is no state of the cell cycle.", f"States are: {', '.join(STATE_NAMES)}.")


def with_states(nuclei: DataFrame, thresholds: tuple[float, float]) -> DataFrame:
    """The nuclei with their logarithms and states.

    Parameters
    ----------
    nuclei
        One row per nucleus: ``image``, ``label``, ``red``, ``green``, perhaps ``nuclear``, and ``by_hand``: the state
        that a person said, "" where nobody did.

    Returns
    -------
    pandas.DataFrame
        The same, with ``red_log10``, ``green_log10``, ``state`` and ``decided_by`` (threshold or hand) for ``by_hand``.
    """
    table = nuclei.drop(columns="by_hand")
    for marker in MARKERS:
        values = table[marker].to_numpy(np.float64)
        table[f"{marker}_log10"] = np.log10(values, out=np.full(len(values), np.nan), where=values > 0)
    codes = fucci_states(table["red"], table["green"], thresholds)
    measured = np.array([*STATE_NAMES, UNKNOWN_STATE], object)[codes]
    by_hand = nuclei["by_hand"].to_numpy(object)
    said = by_hand != ""
    table["state"] = np.where(said, by_hand, measured)
    table["decided_by"] = np.where(said, "hand", "threshold")
    return table


def count_states(table: DataFrame) -> DataFrame:
    """How many nuclei are in every state, and their share of those whose state is known.

    Parameters
    ----------
    table
        As from `with_states`, with ``group`` and ``time`` (NaN where there is none).

    Returns
    -------
    pandas.DataFrame
        A row per image, per time point of a group, per group; see `FUCCI_FIGURES`.
    """
    import pandas as pd

    rows = [_counted("image", name, part) for name, part in table.groupby("image", sort=False)]
    for (group, time), part in table.groupby(["group", "time"], sort=True):  # rows without a time are in no such group
        rows.append(_counted("time", f"{group}, t = {time:g}", part))
    rows += [_counted("group", name, part) for name, part in table.groupby("group", sort=True)]
    return pd.DataFrame(rows, columns=[name for name, _ in FUCCI_FIGURES])


def fucci_tables(
    nuclei: DataFrame,
    thresholds: tuple[float, float],
    group_by: str = "",
    time_by: str = "",
    times: Mapping[str, float] | None = None,
) -> tuple[DataFrame, DataFrame]:
    """The nuclei with ``group``, ``time`` and states, and their counts.

    Parameters
    ----------
    nuclei, thresholds
        As for `with_states`.
    group_by, time_by
        See `groups_of` and `times_of`.
    times
        Time points that are known of images, by name.

    Raises
    ------
    CellsegError
        When an expression cannot be used.
    """
    table = with_states(nuclei, thresholds)
    names = [str(n) for n in table["image"].unique()]
    groups, times = groups_of(names, group_by), known_times(names, times or {}, time_by)
    table.insert(1, "group", np.array([groups[str(n)] for n in table["image"]], object))
    table.insert(2, "time", np.array([times[str(n)] for n in table["image"]], np.float64))
    return table, count_states(table)


FUCCI_FIGURES = (
    ("level", "Whether the row is of an image, of a time point of a group, or of a group."),
    ("name", "Of the image, time point or group."),
    ("group", "The group that it belongs to."),
    ("time", "The time point, as a number; empty where there is none."),
    ("images", "Number of images."),
    ("nuclei", "Number of nuclei."),
    *((f"n_{s.key}", f"Nuclei in {s.name}: {s.description}.") for s in FUCCI_STATES),
    ("n_unknown", "Nuclei one of whose intensities is not known."),
    *((f"share_{s.key}", f"Share of {s.name} among the nuclei whose state is known, in %.") for s in FUCCI_STATES),
    ("by_hand", "Nuclei whose state a person said."),
)
"""The columns of `count_states`, with their meaning."""


# --- inside ---------------------------------------------------------------------------------------


def _counted(level: str, name: Any, part: DataFrame) -> tuple[Any, ...]:
    states = part["state"].to_numpy(object)
    counts = [int((states == s).sum()) for s in STATE_NAMES]
    known = sum(counts)
    times = part["time"].unique()
    return (
        level, name, part["group"].iloc[0], float(times[0]) if len(times) == 1 else float("nan"),
        part["image"].nunique(), len(part), *counts, len(part) - known,
        *(100 * n / known if known else float("nan") for n in counts), int((part["decided_by"] == "hand").sum()),
    )  # fmt: skip


def _between(logs: NDArray[np.float64]) -> tuple[float | None, bool]:
    """Where two populations are equally likely (None where there are not two), and whether these are sure."""
    from sklearn.mixture import GaussianMixture

    if logs.size < FEW or np.ptp(logs) < 1e-6:
        return None, False
    values = logs[:, None]
    one = GaussianMixture(1, random_state=0).fit(values)
    two = GaussianMixture(2, n_init=5, random_state=0).fit(values)
    low, high = np.argsort(two.means_.ravel())
    means, deviations = two.means_.ravel(), np.sqrt(two.covariances_.ravel())
    apart = np.sqrt(2) * (means[high] - means[low]) / np.hypot(deviations[low], deviations[high])
    smaller = float(two.weights_.min())
    sure = two.bic(values) < one.bic(values) and apart >= APART
    if smaller * logs.size < RARE or not (sure or (apart >= CLEAR and smaller >= SMALL)):
        return None, False
    grid = np.linspace(means[low], means[high], 2001)
    upper = two.predict_proba(grid[:, None])[:, high]
    return float(grid[int(np.argmax(upper > 0.5))]), bool(sure)

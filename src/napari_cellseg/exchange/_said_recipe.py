"""Preprocessing in bioimage.io's words, there and back, where both have words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import CellsegError
from ..preprocess import (
    ChannelPick,
    Grey,
    MinMaxNormalize,
    PercentileNormalize,
    Recipe,
    StepBase,
    ZScoreNormalize,
)


def in_their_words(recipe: Recipe, dimensions: int) -> list[dict[str, Any]] | None:
    """bioimage.io's operations that do what a recipe does to its (first) channels; None where they have no words.

    Steps that choose a channel are left out: the tensor that is described is that channel.
    """
    steps = list(recipe.active)
    while steps and isinstance(steps[0], Grey | ChannelPick):
        steps.pop(0)
    if len(steps) != 1:
        return None
    axes = list("zyx"[-dimensions:])
    return _one(steps[0], axes)


def _one(step: StepBase, axes: list[str]) -> list[dict[str, Any]] | None:
    kwargs: dict[str, Any] = {"axes": axes}
    if isinstance(step, PercentileNormalize):
        scaled = {"id": "scale_range", "kwargs": kwargs | {"min_percentile": step.low, "max_percentile": step.high}}
        return [scaled, *([{"id": "clip", "kwargs": {"min": 0.0, "max": step.clip}}] if step.clip else [])]
    if isinstance(step, MinMaxNormalize):
        return [{"id": "scale_range", "kwargs": kwargs | {"min_percentile": 0.0, "max_percentile": 100.0}}]
    if isinstance(step, ZScoreNormalize):
        return [{"id": "zero_mean_unit_variance", "kwargs": kwargs}]
    return None


@dataclass(frozen=True)
class Understood:
    """A recipe, and what is left to do to its result: ``gain * value + offset``."""

    recipe: Recipe
    gain: float = 1.0
    offset: float = 0.0


def in_our_words(operations: Sequence[dict[str, Any]], n_channels: int) -> Understood:
    """The recipe that does what bioimage.io's operations do.

    Raises
    ------
    CellsegError
        When we have no words for one, or nothing makes pictures of different ranges alike.
    """
    steps: list[StepBase] = []
    gain, offset = 1.0, 0.0
    for operation in operations:
        id, kwargs = str(operation["id"]), dict(operation.get("kwargs") or {})
        if id == "ensure_dtype":
            continue
        if id in ("scale_linear", "fixed_zero_mean_unit_variance"):
            a, b = _linear(id, kwargs)
            gain, offset = (gain * a, offset * a + b) if steps else (1.0, 0.0)  # what is normalised after it forgets it
        elif id == "clip" and steps and (gain, offset) == (1.0, 0.0) and _clips(steps[-1], kwargs):
            steps[-1] = steps[-1].model_copy(update={"clip": float(kwargs["max"])})
        elif (step := _step(id, kwargs, n_channels)) is not None and not steps:
            steps.append(step)
        else:
            raise CellsegError(
                f"The package prepares its input by {id}{_with(kwargs)}, which cannot be said in a recipe here.",
                "Understood are scale_range, zero_mean_unit_variance and what scales by constants after them.",
            )
    if not steps:
        raise CellsegError(
            "The package does not normalise its input, so it only knows intensities of one kind of picture.",
            "Models that begin with scale_range or zero_mean_unit_variance can be read.",
        )
    return Understood(Recipe(steps=tuple(steps)), gain, offset)


def _step(id: str, kwargs: dict[str, Any], n_channels: int) -> StepBase | None:
    axes = kwargs.get("axes")
    per_channel = axes is not None and "channel" not in axes and {"x", "y"} <= set(axes)
    if not (per_channel or n_channels == 1):
        return None
    if id == "zero_mean_unit_variance":
        return ZScoreNormalize()
    if id != "scale_range" or kwargs.get("reference_tensor"):
        return None
    low, high = float(kwargs.get("min_percentile", 0.0)), float(kwargs.get("max_percentile", 100.0))
    if (low, high) == (0.0, 100.0):
        return MinMaxNormalize()
    return PercentileNormalize(low=low, high=high, clip=0) if low <= 49 and high >= 51 else None


def _clips(step: StepBase, kwargs: dict[str, Any]) -> bool:
    """Whether a clip is what a recipe's normalisation may do itself: at 0, and at some value of 1 or more."""
    ends = kwargs.get("min"), kwargs.get("max")
    others = [v for k, v in kwargs.items() if k not in ("min", "max") and v is not None]
    return isinstance(step, PercentileNormalize) and ends[0] == 0 and (ends[1] or 0) >= 1 and not others


def _linear(id: str, kwargs: dict[str, Any]) -> tuple[float, float]:
    names = ("gain", "offset") if id == "scale_linear" else ("mean", "std")
    first, second = (kwargs.get(n, d) for n, d in zip(names, (1.0, 0.0), strict=True))
    a, b = (v[0] if isinstance(v, list | tuple) and len(set(v)) == 1 else v for v in (first, second))
    if not all(isinstance(v, int | float) for v in (a, b)):
        raise CellsegError(
            f"The package scales channels by different constants ({id}), which cannot be said here.",
            "Models that treat all channels alike can be read.",
        )
    return (float(a), float(b)) if id == "scale_linear" else (1 / float(b), -float(a) / float(b))


def _with(kwargs: dict[str, Any]) -> str:
    said = ", ".join(f"{k}={v}" for k, v in kwargs.items() if v is not None)
    return f" ({said})" if said else ""

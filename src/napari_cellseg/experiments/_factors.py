"""What a study varies: a factor is a name, its levels, and how a level changes what a training begins with.

Any setting is a factor, too, by its key (``model.encoder=resnet18/resnet34``); its levels must be given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from .._types import Labels, Mask
from ..config import Config
from ..drafts import OtsuWatershed, draft
from ..errors import CellsegError
from ..preprocess import Recipe, recipe
from ..presets import preset
from ..project import SOURCES, Project, label_sources, labels_before, labels_of_cycle, review_cycles
from ._scratch import Truth


@dataclass(frozen=True)
class Variant:
    """What one training begins with.

    Attributes
    ----------
    labels
        Of the images that may be learnt from, by id; they are approved.
    unknown
        Where in these nothing is said, by id; elsewhere all is known.
    split
        Shares of val and test of a new division of all images; None: the project's own.
    """

    config: Config
    labels: Mapping[str, Labels]
    unknown: Mapping[str, Mask] = field(default_factory=dict)
    split: tuple[float, float] | None = None


class Given:
    """The project that is studied, its truth, and drafts, which are made once."""

    def __init__(self, project: Project, config: Config, truth: Truth) -> None:
        self.project, self.config, self.truth = project, config, truth
        self.drafts = cache(self._draft)
        self.made: set[str] = set()

    def _draft(self, id: str) -> Labels:
        """Labels before a person touched an image; Otsu's threshold with watershed where there were none."""
        before = labels_before(self.project, id)
        if before is not None:
            return before
        self.made.add(id)
        image, instances = self.project.read_image(id), self.project.task == "instance"
        return draft(OtsuWatershed(), self.config.recipe(image.load()), image.spacing_um, instances=instances).labels


Change = Callable[[Variant, str, Given], Variant]


@dataclass(frozen=True)
class Factor:
    """One thing that is varied.

    Attributes
    ----------
    levels
        Those of a project where nobody says which; the level of comparison first.
    change
        A variant with a level instead of what it had; raises CellsegError where there is no such level.
    """

    name: str
    about: str
    levels: Callable[[Given], tuple[str, ...]]
    change: Change


@dataclass(frozen=True)
class Varied:
    """A factor and the levels that are compared."""

    factor: Factor
    levels: tuple[str, ...]


def varied(text: str, given: Given) -> Varied:
    """A factor as it was typed, ``loss`` or ``loss=dice/focal`` or ``train.learning_rate=1e-3/1e-4``.

    Raises
    ------
    CellsegError
        When there is no such factor, or no level of it.
    """
    name, _, levels = text.partition("=")
    factor = FACTORS.get(name.strip()) or _setting(name.strip())
    some = tuple(level.strip() for level in levels.split("/") if level.strip()) or factor.levels(given)
    if len(set(some)) < len(some) or not some:
        raise CellsegError(f"The levels of {factor.name} are not told apart: {text}.", "Give each once.")
    return Varied(factor, some)


# --- inside ---------------------------------------------------------------------------------------


def _setting(key: str) -> Factor:
    """Any setting by its key."""
    if "." not in key:
        raise CellsegError(
            f"There is no factor {key or 'given'}.",
            f"Factors: {', '.join(FACTORS)}; or the key of any setting, for example model.encoder=resnet18/resnet34.",
        )

    def none(given: Given) -> tuple[str, ...]:
        raise CellsegError(f"{key} has no levels of its own.", f"Give them: {key}=ONE/ANOTHER.")

    return Factor(key, "", none, lambda v, level, _: _with(v, f"{key}={level}"))


def _with(variant: Variant, *assignments: str) -> Variant:
    return replace(variant, config=variant.config.with_values(assignments))


def _no(factor: str, level: str, levels: str) -> CellsegError:
    return CellsegError(f"{factor} has no level {level!r}.", f"Levels: {levels}.")


def _recipe(variant: Variant, level: str, given: Given) -> Variant:
    own = {"raw": Recipe(), "preprocessed": given.config.recipe}.get(level) or recipe(level)
    return replace(variant, config=variant.config.model_copy(update={"recipe": own}))


def _labels(variant: Variant, level: str, given: Given) -> Variant:
    shares = {"corrected": (), "draft": given.truth.pool, "mixed": given.truth.pool[::2]}
    if level not in shares:
        raise _no("labels", level, "draft, corrected, mixed (a draft in every second image)")
    return replace(variant, labels={**variant.labels, **{id: given.drafts(id) for id in shares[level]}})


def _cycles(given: Given) -> tuple[str, ...]:
    closed = tuple(str(c.n) for c in review_cycles(given.project.db) if c.closed is not None)
    if not closed:
        raise CellsegError(
            f"{given.project.name} has no closed review cycle.", "See: napari-cellseg review-cycle; or step Rounds."
        )
    return closed


def _cycle(variant: Variant, level: str, given: Given) -> Variant:
    if level not in (levels := _cycles(given)):
        raise _no("cycle", level, ", ".join(levels))
    then = {id: labels_of_cycle(given.project, id, int(level))[0] for id in given.truth.pool}
    return replace(variant, labels={**variant.labels, **then})


def _sources(given: Given) -> tuple[str, ...]:
    there = {n for id in given.truth.pool for n in np.unique(label_sources(given.project, id)).tolist()}
    return ("all", *(name for n, name in enumerate(SOURCES) if n in there and n))


def _source(variant: Variant, level: str, given: Given) -> Variant:
    if level == "all":
        return variant
    if level not in SOURCES:
        raise _no("sources", level, f"all, {', '.join(SOURCES)}")
    others = {id: _of_others(given, id, SOURCES.index(level)) for id in given.truth.pool}
    return replace(variant, unknown={**variant.unknown, **others})


def _of_others(given: Given, id: str, source: int) -> Mask:
    """Voxels of objects (of classes: voxels) that come from another source, told by most of their voxels."""
    labels, found = given.truth.labels[id], label_sources(given.project, id)
    mine = found == source
    if given.project.task == "semantic":
        return np.asarray((labels > 0) & ~mine)
    ids, places = np.unique(labels, return_inverse=True)
    places = places.reshape(-1)
    share = np.bincount(places, mine.reshape(-1)) / np.bincount(places)
    return np.asarray(((share < 0.5) & (ids > 0))[places].reshape(labels.shape))


def _split(variant: Variant, level: str, given: Given) -> Variant:
    if level == "given":
        return variant
    numbers = level.split("-")
    if len(numbers) != 3 or not all(n.isdecimal() for n in numbers) or sum(map(int, numbers)) != 100:
        raise _no("split", level, "given, or percents of train-val-test, for example 80-10-10")
    return replace(variant, split=(int(numbers[1]) / 100, int(numbers[2]) / 100))


def _slices(variant: Variant, level: str, given: Given) -> Variant:
    """Which slices of volumes are learnt from."""
    if all(labels.ndim == 2 for labels in given.truth.labels.values()):
        raise CellsegError(f"{given.project.name} has no volumes.", "The factor slices is of volumes.")
    return _with(variant, "sampling.slices=[]" if level == "all" else f'sampling.slices=["{level}"]')


def _weights(variant: Variant, level: str, given: Given) -> Variant:
    named = {"random": "none", "pretrained": "imagenet", "base": "base"}
    if level not in named:
        raise _no("weights", level, ", ".join(named))
    return _with(variant, f"model.weights={named[level]}")


def _fixed(*levels: str) -> Callable[[Given], tuple[str, ...]]:
    return lambda given: levels


def _key(key: str) -> Change:
    """Levels that are values of a setting."""
    return lambda variant, level, _: _with(variant, f"{key}={level}")


FACTORS = {
    f.name: f
    for f in (
        Factor("recipe", "the bare normalisation, the project's recipe, or a published one",
               _fixed("raw", "preprocessed"), _recipe),
        Factor("labels", "as they were before a person touched them, as corrected, or mixed (a draft in every second "
               "image)", _fixed("draft", "corrected"), _labels),
        Factor("cycle", "labels at the close of each review cycle", _cycles, _cycle),
        Factor("sources", "objects of one source only; those of others are unknown", _sources, _source),
        Factor("split", "percents of train-val-test, drawn anew by density; given: the project's own",
               _fixed("given", "80-10-10", "70-20-10"), _split),
        Factor("model", "kinds of networks", _fixed("unet", "msunet", "smp"), _key("model.kind")),
        Factor("weights", "what a network begins with: random, pretrained (ImageNet) or of the base model",
               _fixed("random", "pretrained", "base"), _weights),
        Factor("loss", "kinds of losses", _fixed("cross_entropy", "dice", "focal", "dice_focal"), _key("loss.kind")),
        Factor("rate", "learning rates", _fixed("1e-4", "3e-4", "1e-3"), _key("train.learning_rate")),
        Factor("slices", "slices of volumes, first:step:last; all of them", _fixed("1:4:9999", "1:2:9999", "all"),
               _slices),
        Factor("preset", "published trainings", _fixed("aziz-2026", "gautam-2025"),
               lambda variant, level, _: replace(variant, config=preset(level).apply(variant.config))),
    )
}  # fmt: skip
"""By name, in the order in which they are listed."""

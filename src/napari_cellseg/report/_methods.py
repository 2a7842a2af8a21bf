"""A paragraph of methods to paste into a paper: what was done, said in words, from the folder alone."""

from __future__ import annotations

from collections import Counter

from ..config import Config
from ..project import ModelCard
from ..settings import Settings
from ._story import MEASURED, Story, Stretch

_INSIDE = ("kind", "on")
"""Fields that say which class it is, which its label says already, and that it is there."""
_OPTIMISERS = {"adamw": "AdamW", "adam": "Adam"}


def methods(story: Story) -> str:
    """Images, preprocessing, network, training, annotation, result, versions; plain text."""
    parts = (_images(story), _network(story), _training(story), _annotation(story), _reviews(story), _result(story),
             _trust(story), _versions(story))  # fmt: skip
    return " ".join(part for part in parts if part)


def settings_in_words(settings: Settings) -> str:
    """The label of a declaration and its numbers and names: ``Local contrast (CLAHE) (clip limit 3.0, tiles 8)``."""
    values = {n: getattr(settings, n) for n in type(settings).model_fields if n not in _INSIDE}
    told = [f"{n.replace('_', ' ')} {v}" for n, v in values.items() if isinstance(v, int | float | str) and v != ""]
    return settings.label() + (f" ({', '.join(told)})" if told else "")


def _images(story: Story) -> str:
    n = len(story.images)
    if not n:
        return ""
    splits = Counter(r.split for r in story.images)
    volumes = sum(len(r.shape) == 3 for r in story.images)
    kind = "volumes" if volumes == n else "images" if not volumes else "images and volumes"
    sizes = sorted({" x ".join(map(str, r.shape)) for r in story.images})
    size = sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    voxel = sorted({" x ".join(f"{s:g}" for s in r.spacing_um) for r in story.images if r.spacing_um})
    spacing = f", {voxel[0]} um per voxel" if len(voxel) == 1 else ""
    words = {"train": "for training", "val": "for choosing and judging models", "test": "for testing only"}
    split = ", ".join(f"{splits[name]} {text}" for name, text in words.items() if splits[name])
    what = "Objects" if story.task == "instance" else f"The classes {', '.join(story.classes)}"
    return f"{what} were segmented in {n} {kind} ({size} pixels{spacing}): {split}."


def _network(story: Story) -> str:
    if not story.models:  # labels came from people, drafts or files
        return ""
    config = story.config
    steps = "; ".join(settings_in_words(step) for step in config.recipe.steps) or "none"
    return (
        f"Preprocessing: {steps}. A network ({settings_in_words(config.model)}) predicted "
        f"{settings_in_words(config.target)}{_seen_at(config)}."
    )


def _seen_at(config: Config) -> str:
    return (
        f", in images scaled so that objects are {config.object_size:g} pixels wide"
        if config.object_size and config.model.dimensions == 2
        else ""
    )


def _training(story: Story) -> str:
    trained = [m for m in story.models if m.steps and "from" not in m.metrics]
    if not trained:
        return "No network was trained here."
    config, train = story.config, story.config.train
    card = next((m for m in trained if m.id == story.current), trained[-1])
    rate = train.learning_rate * (train.child_rate if card.parent else 1)
    began = f"with the weights of {_root(story, card)}" if _root(story, card) else "with new weights"
    return (
        f"It was trained in {len(trained)} round{'s' if len(trained) > 1 else ''}, beginning {began}, on what had been "
        f"corrected and approved, and on nothing else: {settings_in_words(config.loss)}, "
        f"{_OPTIMISERS[config.optimiser.method]} with a peak rate of {rate:g} ({config.optimiser.schedule}), batches "
        f"of {train.batch} patches of {train.patch} pixels, augmentation: {settings_in_words(config.augmentation)}, "
        f"seed {card.seed}. The model in use ({card.id}) learnt {card.steps} steps from {len(card.images)} "
        f"image{'s' if len(card.images) != 1 else ''}; parts of {story.images_held_out} images judged only."
    )


def _root(story: Story, card: ModelCard) -> str:
    """The oldest ancestor that was not trained here; "" where it began with new weights."""
    known = {m.id: m for m in story.models}
    seen: set[str] = set()
    while card.parent is not None and card.parent in known and card.id not in seen:
        seen.add(card.id)
        card = known[card.parent]
    return str(card.metrics.get("from", card.id)) if "from" in card.metrics or not card.steps else ""


def _annotation(story: Story) -> str:
    total = sum(e.actions for e in story.by_person.values())
    if not total:
        return ""
    minutes = sum(e.seconds for e in story.by_person.values()) / 60
    people = len(story.by_person)
    who = "one person" if people == 1 else f"{people} people"
    return f"Annotation by {who} took {total} actions in {minutes:.0f} minutes, pauses above 20 s left out."


def _reviews(story: Story) -> str:
    """The closed review cycles, and how far the last one agrees with the one before."""
    done = [told for told in story.cycles if told.cycle.closed is not None]
    if not done:
        return ""
    people = list(dict.fromkeys(told.cycle.reviewer for told in done))
    words = f"Labels went through {len(done)} review cycle{'s' * (len(done) != 1)} ({', '.join(people)})"
    last = done[-1].result
    if not (agreed := last.pooled.agreement):
        return f"{words}."
    before = f"cycle {last.against}" if last.against else "the labels before it"
    return (
        f"{words}; the last one agreed with {before} with a Dice of {agreed['dice']:.3f}, an IoU of "
        f"{agreed['iou']:.3f} and Cohen's kappa {agreed['kappa']:.3f}, all pixels of all images together."
    )


def _result(story: Story) -> str:
    kept = [s for s in story.rounds if s.round is not None and s.round.decision == "keep"]
    if not kept:
        return ""
    first, last = story.rounds[0], kept[-1]
    clauses = [
        f"{title} {_change(first, last, name)}" for name, title in MEASURED.items() if _change(first, last, name)
    ]
    words = f"On what was held out, from before the first to after the last kept round: {', '.join(clauses)}."
    if story.own_truth:
        words += " Part of what judged were a model's own masks, approved as they were."
    return words if clauses else ""


def _trust(story: Story) -> str:
    """The newest spot check of labels that are as they are now."""
    done = [r for r in story.spot_checks if r.precision.value is not None and not r.outdated]
    if not done:
        return ""
    result = done[-1]
    p, r, n = result.precision, result.recall, result.right + result.wrong
    words = (
        f"Of {result.check.objects:,} objects that nobody had touched, {n} were drawn at random (seed "
        f"{result.check.seed}) and judged: precision {p.value:.2f} (95 % interval {p.low:.2f} to {p.high:.2f}, exact, "
        "finite set)"
    )
    if r.value is not None:
        words += (
            f"; recall {r.value:.2f} ({r.low:.2f} to {r.high:.2f}, Korn and Graubard 1998) from counts of missed "
            f"objects in {result.fields_counted} random fields"
        )
    return f"{words}."


def _change(first: Stretch, last: Stretch, name: str) -> str:
    before, after = first.metric(name, "before"), last.metric(name, "after")
    if after is None:
        return ""
    return f"{after:.3f}" if before is None else f"{before:.3f} to {after:.3f}"


def _versions(story: Story) -> str:
    card = next((m for m in story.models if m.id == story.current and m.versions), None)
    if card is None:
        return ""
    return "Versions: " + ", ".join(f"{name} {number}" for name, number in card.versions.items()) + "."

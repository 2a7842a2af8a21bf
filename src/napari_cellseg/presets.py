"""Trainings that people have published: all that decides one, as changes of a configuration.

What a paper leaves open is said in `Preset.source` and chosen by us; what it states is set to the letter
(`tests/test_papers.py`). Our own defaults, which do better here, are what a project has without any preset.
"""

from __future__ import annotations

from dataclasses import dataclass

from .config import Config
from .errors import CellsegError
from .preprocess import PRESETS, Recipe

_TRAIN = (
    "patch", "batch", "depth", "learning_rate", "weight_decay", "epochs", "averaging", "remember", "blend",
    "child_rate", "extend", "checks", "keep_epochs", "from_scratch",
)  # fmt: skip
"""Of the settings `train`, what a published training decides; time and seed stay unless it names them."""


@dataclass(frozen=True)
class Preset:
    """A published training.

    Attributes
    ----------
    name
        As typed.
    title
        As shown.
    source
        Where it comes from, and what the paper leaves open.
    values
        Assignments as for ``--set``.
    recipe
        Key of the published preprocessing; the project's own stays where it is empty.
    """

    name: str
    title: str
    source: str
    values: tuple[str, ...]
    recipe: str = ""

    def apply(self, config: Config) -> Config:
        """The configuration with this training; where the paper is silent, time, seed and recipe stay, nothing else."""
        new = Config()
        patches = {name: getattr(new.train, name) for name in _TRAIN}
        fresh = {name: getattr(new, name) for name in ("model", "loss", "sampling", "augmentation", "optimiser")}
        fresh |= {"train": config.train.model_copy(update=patches), "object_size": 0.0, "precision": new.precision}
        fresh |= {"recipe": _recipe(self.recipe)} if self.recipe else {}
        return config.model_copy(update=fresh).with_values(list(self.values))


def _recipe(key: str) -> Recipe:
    return next(p.recipe for p in PRESETS if p.key == key)


_PLAIN = (
    "train.from_scratch=true", "train.remember=0", "train.blend=false", "train.averaging=0", "train.child_rate=1",
    "train.extend=0", "train.weight_decay=0", "optimiser.method=adam", "optimiser.schedule=constant",
    "optimiser.warm_up=0", "optimiser.clip=0", "augmentation.kind=none",
)  # fmt: skip
"""What no paper has: parents, averages, warm-up, clipping, weight decay, augmentation; a paper that has one says so."""
_FOREGROUND = ("target.kind=foreground", "target.min_size=0")
_EVERY = ("sampling.places=every", "sampling.overlap=0.0", "sampling.kinds=0")

# --- Das et al. 2025 ------------------------------------------------------------------------------------

_DAS = (
    *_PLAIN, *_FOREGROUND, *_EVERY, "train.learning_rate=1e-4", "train.batch=16", "train.epochs=45", "train.patch=256",
    "optimiser.schedule=staircase", "optimiser.factor=0.9", "optimiser.patience=5",
)  # fmt: skip
_DAS_MODELS = (
    *_DAS, "optimiser.every=9000", "train.keep_epochs=true", "augmentation.kind=two_stage",
    "augmentation.chance=0.923", "sampling.variants=21",
)  # fmt: skip
_DAS_LOSSES = {
    "focal": (
        "0.3 focal + 0.6 Dice + 0.1 edges",
        ("loss.kind=sum", 'loss.terms=[{kind="focal", weight=0.3, alpha=0.25, gamma=2.0}, {kind="dice", weight=0.6}, '
         '{kind="edges", weight=0.1}]'),
    ),
    "bce": (
        "balanced cross entropy + Dice",
        ("loss.kind=sum", 'loss.terms=[{kind="cross_entropy", balanced=true}, {kind="dice"}]'),
    ),
}  # fmt: skip
_DAS_NETWORKS = {
    "model-1": ("densenet_unet", ("optimiser.kernel_l2=1e-4", "sampling.rare=0.25", "sampling.hard=0.25")),
    "model-2": ("attention_vgg_unet", ("sampling.rare=0.25", "sampling.hard=0.25", "precision=fp16")),
    "model-3": ("instance_activation_unet", ()),
}
_DAS_ENCODERS = {
    "densenet121": "densenet121", "inceptionv3": "inceptionv3", "vgg16": "vgg16", "mobilenetv2": "mobilenet_v2",
    "resnet50": "resnet50", "efficientnetb0": "efficientnet-b0",
}  # fmt: skip


def _das() -> tuple[Preset, ...]:
    """Six encoders under one decoder; three networks with two losses."""
    compared = tuple(
        Preset(
            f"das-2025-{name}",
            f"Unstained cells: {name} under a U-Net (Das et al. 2025)",
            "Frozen encoder, Dice + cross entropy with the inside weighted 10:1, 1e-4 x 0.9 every 10,000 steps. No "
            "augmentation is stated for the comparison.",
            (*_DAS, "model.kind=frozen_encoder_unet", f"model.encoder={encoder}", "optimiser.every=10000",
             "loss.kind=sum", 'loss.terms=[{kind="dice"}, {kind="cross_entropy", inside=10.0}]'),
        )
        for name, encoder in _DAS_ENCODERS.items()
    )  # fmt: skip
    return compared + tuple(
        Preset(
            f"das-2025-{name}-{loss}",
            f"Unstained cells: {name.upper()}, {title} (Das et al. 2025)",
            f"Frozen encoder, {title}, 1e-4 x 0.9 every 9,000 steps, 21 variants of every patch, every epoch kept. The "
            "shares of rare and hard patches (a quarter each) are ours.",
            (*_DAS_MODELS, f"model.kind={kind}", *values, *own),
        )
        for name, (kind, own) in _DAS_NETWORKS.items()
        for loss, (title, values) in _DAS_LOSSES.items()
    )


# --- Karabag et al. 2023 --------------------------------------------------------------------------------

_KARABAG = (
    *_PLAIN, *_EVERY, "sampling.overlap=0.5", "model.kind=unet", "model.block=plain", "model.norm=none",
    "model.width=64", "model.levels=3", "model.deep_dropout=0.5", "model.rectify=true", "loss.kind=cross_entropy",
    "train.patch=128", "train.batch=64", "train.epochs=15", "train.learning_rate=1e-3", "target.kind=semantic",
    "target.fill_holes=true", "target.closing=3", "target.min_size=3200", "target.shell=1", "target.shell_inside=2",
    "target.shell_outside=3", "target.shell_min_size=800",
)  # fmt: skip
_KARABAG_SLICES = {
    "": ("36,000 pairs: slices 101:2:180", '"101:2:180"'),
    "-300": ("135,000 pairs: slices 1:2:300", '"1:2:300"'),
    "-ten-cells": ("135,000 pairs: slices 230:10:370 of ten cells", '"230:10:370"'),
    "-both": ("270,000 pairs: slices 1:2:300 of the first image, 230:10:370 of the others", '"1:2:300", "230:10:370"'),
}


def _karabag() -> tuple[Preset, ...]:
    """One network, four choices of slices; the truth (manual, automatic, mixed) is that of the project."""
    return tuple(
        Preset(
            f"karabag-2023{name}",
            f"Electron microscopy, {title.split(':')[0]} (Karabag et al. 2023)",
            f"U-Net of depth 3 with 64 features, without batch norm; {title}. Classes of the project, in this order: "
            "envelope, nucleus, cell. The dilation of the clean-up (3 pixels) is ours.",
            (*_KARABAG, f"sampling.slices=[{slices}]"),
            "karabag-2023",
        )
        for name, (title, slices) in _KARABAG_SLICES.items()
    )


# --- Tiling 2024 ----------------------------------------------------------------------------------------

_TILING = (
    *_PLAIN, *_EVERY, "model.kind=unet3d", "model.width=64", "model.flat=0", "target.kind=boundary",
    "target.edge=dilation", "target.width=1.0", "train.patch=500", "train.depth=15", "train.batch=1",
)  # fmt: skip
_TILING_RUNS = {
    "fineyogurt": ("IoU", ("loss.kind=iou", "loss.class_weights=[1.0, 2.0, 1.5]", "train.learning_rate=1e-4")),
    "comicfirefly": (
        "cross entropy, the best U-Net",
        ("loss.kind=cross_entropy", "loss.class_weights=[1.0, 3.0, 2.0]", "train.learning_rate=1e-3"),
    ),
    "amberglitter": (
        "cross entropy",
        ("loss.kind=cross_entropy", "loss.class_weights=[1.0, 3.0, 2.0]", "train.learning_rate=1e-4"),
    ),
    "drawnfirebrand": (
        "focal",
        ("loss.kind=focal", "loss.gamma=7.0", "loss.class_weights=[1.0, 1.0, 1.0]", "train.learning_rate=1e-4"),
    ),
}


def _tiling() -> tuple[Preset, ...]:
    """Four runs of one network."""
    return tuple(
        Preset(
            f"tiling-2024-{name}",
            f"Nuclei in spheroids, 3D: {name}, {title} (Tiling 2024)",
            "3D U-Net 64 to 512, interior and edge by dilation, a constant rate. Length and batch are not stated: time "
            "is the project's. Of the three inputs this is 15 x 500 x 500; the others: train.depth=18 with "
            "train.patch=350, train.depth=20 with train.patch=500.",
            (*_TILING, *values),
            "tiling-2024",
        )
        for name, (title, values) in _TILING_RUNS.items()
    )


TRAININGS: tuple[Preset, ...] = (
    Preset(
        "aziz-2026",
        "Phase contrast (Aziz et al. 2026)",
        "Multi-scale U-Net, linear Dice + focal, 256-pixel patches side by side, none without a cell. Dropout rate and "
        "batch norm are not stated; alpha and gamma are those of the library they name.",
        (
            *_PLAIN, *_FOREGROUND, *_EVERY, "sampling.empty=0", "model.kind=msunet", "model.width=16", "model.levels=4",
            "loss.kind=dice_focal", "loss.linear=true", "loss.alpha=0.25", "loss.gamma=2.0", "train.patch=256",
            "train.batch=2", "train.epochs=50", "train.learning_rate=1e-3", "train.seed=42",
        ),
        "aziz-2026",
    ),
    *_das(),
    Preset(
        "gautam-2025",
        "Stained nuclei (Gautam & Gautam 2025)",
        "Residual U-Net with batch norm, binary cross entropy + Dice. Patches of 256, batch 16, at most 100 epochs and "
        "a patience of 10 are ours: the paper states none.",
        (
            *_PLAIN, *_FOREGROUND, *_EVERY, "model.kind=unet", "model.block=residual", "model.width=16",
            "model.levels=4", "model.norm=batch", "loss.kind=sum", 'loss.terms=[{kind="cross_entropy"}, {kind="dice"}]',
            "augmentation.kind=standard", "augmentation.scale=1", 'augmentation.tones="brightness and contrast"',
            "train.patch=256", "train.batch=16", "train.epochs=100", "optimiser.patience=10",
            "train.learning_rate=1e-3",
        ),
        "gautam-2025",
    ),
    *_karabag(),
    *_tiling(),
)  # fmt: skip


def preset(name: str) -> Preset:
    """One of `TRAININGS`.

    Raises
    ------
    CellsegError
        When there is no such preset.
    """
    for found in TRAININGS:
        if found.name == name:
            return found
    alike = [p.name for p in TRAININGS if p.name.startswith(name)]
    if name and alike:
        raise CellsegError(f"{name!r} names {len(alike)} trainings.", f"Choose one: {', '.join(alike)}.")
    raise CellsegError(f"There is no preset {name!r}.", f"Presets: {', '.join(p.name for p in TRAININGS)}.")

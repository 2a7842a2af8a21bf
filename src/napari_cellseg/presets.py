"""Trainings that people have published: network, loss, patches and optimiser, as changes of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from .config import Config
from .errors import CellsegError

_TRAIN = ("patch", "batch", "depth", "learning_rate", "weight_decay")
"""Of the settings `train`, what a published training decides."""


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
        Assignments as for ``--set``. The target stays the project's, except where the loss counts its channels.
    """

    name: str
    title: str
    source: str
    values: tuple[str, ...]

    def apply(self, config: Config) -> Config:
        """The configuration with this training; recipe, target, time and seed stay, nothing else of before does."""
        new = Config()
        patches = {name: getattr(new.train, name) for name in _TRAIN}
        fresh = {name: getattr(new, name) for name in ("model", "loss", "sampling", "augmentation", "optimiser")}
        fresh["train"] = config.train.model_copy(update=patches)
        return config.model_copy(update=fresh).with_values(list(self.values))


TRAININGS: tuple[Preset, ...] = (
    Preset(
        "aziz-2026",
        "Phase contrast (Aziz et al. 2026)",
        "Multi-scale U-Net, Dice + focal, 128-pixel patches with 50 % overlap, almost no empty ones.",
        (
            "model.kind=msunet", "loss.kind=dice_focal", "train.patch=128", "sampling.places=grid",
            "sampling.overlap=0.5", "sampling.empty=0.1", "optimiser.method=adam", "train.learning_rate=1e-3",
        ),
    ),
    Preset(
        "gautam-2025",
        "Stained nuclei (Gautam & Gautam 2025)",
        "Residual U-Net with batch norm, binary cross entropy + Dice, 256-pixel patches side by side.",
        (
            "model.kind=unet", "loss.kind=sum", 'loss.terms=[{kind="cross_entropy"}, {kind="dice"}]',
            "train.patch=256", "sampling.places=grid", "sampling.overlap=0.0", "optimiser.method=adam",
            "train.learning_rate=1e-3",
        ),
    ),
    Preset(
        "das-2025",
        "Unstained cells, bright field (Das et al. 2025)",
        "Frozen encoder, 0.3 focal + 0.6 Dice + 0.1 edges, one photometric and one geometric change per patch.",
        (
            "model.kind=frozen_encoder_unet", "loss.kind=sum",
            'loss.terms=[{kind="focal", weight=0.3, alpha=0.25, gamma=2.0}, {kind="dice", weight=0.6}, '
            '{kind="edges", weight=0.1}]',
            "augmentation.kind=two_stage", "train.weight_decay=1e-4", "optimiser.method=adam",
            "train.learning_rate=1e-3", "train.patch=256",
        ),
    ),
    Preset(
        "karabag-2023",
        "Electron microscopy, four classes (Karabag et al. 2023)",
        "Plain U-Net with four levels and 64 features, cross entropy; batch norm is our addition.",
        (
            "model.kind=unet", "model.block=plain", "model.width=64", "loss.kind=cross_entropy", "train.patch=64",
            "train.batch=16", "optimiser.method=adam", "train.learning_rate=1e-3",
        ),
    ),
    Preset(
        "tiling-2024",
        "Nuclei in spheroids, 3D (Tiling 2024)",
        "3D U-Net, interior and edge by dilation, IoU with class weights 1, 2, 1.5, rate x 0.9 every 9,000 steps.",
        (
            "model.kind=unet3d", "model.width=64", "model.flat=0", "target.kind=boundary", "target.edge=dilation",
            "target.width=1.0", "loss.kind=iou", "loss.class_weights=[1.0, 2.0, 1.5]", "train.patch=64",
            "train.depth=16", "train.batch=2", "optimiser.method=adam", "optimiser.schedule=exponential",
            "train.learning_rate=1e-3",
        ),
    ),
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
    raise CellsegError(f"There is no preset {name!r}.", f"Presets: {', '.join(p.name for p in TRAININGS)}.")

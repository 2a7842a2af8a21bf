"""The one schema of everything that decides what a network is, learns and predicts; TOML in and out."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tomli_w
from pydantic import Field, field_validator, model_validator

from .augmentation import Augmentation, Standard
from .errors import CellsegError
from .losses import DiceFocal, Loss
from .models import Model, Smp
from .preprocess import Recipe
from .settings import Settings, validated
from .targets import Distance, Semantic, Target

if TYPE_CHECKING:
    from torch import nn

Values = Sequence[str] | Mapping[str, Any]
"""Settings as texts ``train.seconds=60``, or as a mapping ``{"train.seconds": 60}``."""
Precision = Literal["auto", "fp32", "bf16", "fp16"]
SIZE = 30.0
"""Diameter (pixels) of objects in the eyes of the base model, and of networks that begin with what it knows."""


class Train(Settings):
    """How long and with what patches a network learns."""

    seconds: float = Field(60.0, gt=0, le=604_800, description="Training aims to end after this time (s).")
    least: int = Field(100, ge=1, le=1_000_000, description="The clock does not end a training before so many steps.")
    extend: int = Field(
        2, ge=0, le=100, description="While it improves on what is held out, it goes on, at most so often by half."
    )
    epochs: int = Field(
        0, ge=0, le=100_000,
        description="So many times through all patches of the grid, whatever the clock says; 0: the clock decides.",
    )  # fmt: skip
    steps: int = Field(100_000, ge=1, le=10_000_000, description="Training stops after this many steps, if earlier.")
    patch: int = Field(192, ge=32, le=2048, multiple_of=2, description="Side of the training patches (pixels).")
    depth: int = Field(16, ge=4, le=256, description="Slices of the training patches of 3D networks.")
    batch: int = Field(8, ge=1, le=256, description="Patches per step.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Peak learning rate.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Weight decay of all weights.")
    margin: int = Field(8, ge=0, le=128, description="A correction vouches for this margin around the object (pixels).")
    child_rate: float = Field(0.5, gt=0, le=1, description="Share of the learning rate when starting from a model.")
    replay: float = Field(0.7, ge=0, le=1, description="Share of patches from corrections of earlier rounds.")
    remember: float = Field(
        1.0, ge=0, le=10,
        description="What the parent says where there are no user edits weighs so much of what is known; less with "
        "fewer than 10 objects.",
    )  # fmt: skip
    blend: bool = Field(
        True, description="At the end, try weights between the parent's and the new ones on what is held out."
    )
    averaging: float = Field(0.99, ge=0, lt=1, description="Decay of the running average of the weights; 0: none.")
    checks: int = Field(
        8, ge=1, le=1000, description="Validations, spread over the training; with epochs, there is one after each."
    )
    keep_epochs: bool = Field(False, description="Keep the weights after every epoch, for ensembles of the best ones.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of every random choice.")
    checkpoint: float = Field(20.0, ge=0, le=86_400, description="Saved at least this often, for resuming (s).")
    tensorboard: bool = Field(False, description="Also write files for TensorBoard.")
    from_scratch: bool = Field(False, description="Start from new weights instead of the current model.")
    trial: Literal["auto", "always", "never"] = Field(
        "auto",
        description="After training from the current model, train as long from new weights and keep what is better on "
        "what is held out; auto: where the current model hardly knew the objects (Dice below 0.82 before).",
    )


class Sampling(Settings):
    """Where training patches are taken."""

    places: Literal["anywhere", "grid", "every"] = Field(
        "anywhere",
        description="Patches round any known voxel; or on a grid with a set overlap; or every patch of that grid once "
        "an epoch, in an order by chance, without what does not fit in whole.",
    )
    variants: int = Field(
        1, ge=1, le=1000, description="Every patch: comes so often in an epoch, each time changed in another way."
    )
    slices: tuple[str, ...] = Field(
        (),
        description="Slices of volumes that are learnt from, as first:step:last counted from 1, one entry for each "
        "image; the last one is for all images after it. None: all that are known.",
    )
    sources: tuple[Literal["manual", "automatic"], ...] = Field(
        ("manual",),
        min_length=1,
        description="Whose labels are learnt from: what a person corrected, approved or imported (manual), what a "
        "classical draft said and nobody has looked at since (automatic), or both. Only manual ones ever judge.",
    )
    overlap: float = Field(0.5, ge=0, le=0.9, description="Share that neighbouring patches of the grid have in common.")
    empty: float = Field(1.0, ge=0, le=1, description="Share of the patches without any object that is kept.")
    kinds: float = Field(
        0.5, ge=0, le=1, description="0: every image counts the same; 1: every kind of image does, however few it has."
    )
    rare: float = Field(0.0, ge=0, le=1, description="Share of patches round voxels of the rarest class.")
    hard: float = Field(0.0, ge=0, le=1, description="Share of patches from places with a high recent loss.")

    @field_validator("slices")
    @classmethod
    def _ranges(cls, slices: tuple[str, ...]) -> tuple[str, ...]:
        for text in slices:
            numbers = text.split(":")
            if len(numbers) != 3 or not all(n.isdecimal() and int(n) > 0 for n in numbers):
                raise ValueError(f"{text!r} is not first:step:last, for example 101:2:180")
        return slices


class Optimiser(Settings):
    """How weights are moved."""

    method: Literal["adamw", "adam"] = Field("adamw", description="Adam with decoupled weight decay, or Adam with L2.")
    schedule: Literal["cosine", "exponential", "staircase", "plateau", "constant"] = Field(
        "cosine",
        description="How the learning rate falls; staircase: exponential, but in steps; plateau: when validation stops "
        "improving.",
    )
    warm_up: int = Field(20, ge=0, le=100_000, description="The rate rises over so many steps at the beginning.")
    factor: float = Field(0.9, gt=0, lt=1, description="Exponential and plateau: the learning rate times this...")
    every: int = Field(9000, ge=1, le=10_000_000, description="...every so many steps (exponential, staircase).")
    wait: int = Field(3, ge=1, le=1000, description="...after so many validations without improvement (plateau).")
    patience: int = Field(
        0, ge=0, le=1000, description="Stop after so many validations (epochs) without improvement; 0: never."
    )
    clip: float = Field(1.0, ge=0, le=1000, description="Gradients longer than this are shortened; 0: never.")
    kernel_l2: float = Field(
        0.0, ge=0, le=1, description="The sum of squares of all convolution kernels, times this, is added to the loss."
    )
    freeze: Literal["nothing", "encoder"] = Field("nothing", description="What does not learn.")
    unfreeze: float = Field(
        0.0, ge=0, le=1, description="A frozen encoder learns again, from its deepest part on, by this share; 0: never."
    )


class Predict(Settings):
    """How an image is predicted."""

    mode: Literal["auto", "slices", "volume", "three axes"] = Field(
        "auto",
        description="Volumes: slice by slice, as a volume (3D networks), or along three axes and averaged. "
        "auto: volumes for 3D networks; for 2D ones three axes where voxels are nearly cubes, else slices.",
    )
    tile: int = Field(
        0, ge=0, le=8192, multiple_of=32, description="Side of a tile (pixels); 0 chooses by memory and speed."
    )
    overlap: int = Field(
        0, ge=0, le=1024, multiple_of=2, description="Neighbouring tiles share this much (pixels); 0 asks the network."
    )
    batch: int = Field(0, ge=0, le=256, description="Tiles computed at once; 0 chooses.")
    memory: float = Field(1.0, ge=0.1, le=1000, description="A tile may need this much memory (GB).")
    flips: bool = Field(False, description="Average over mirrored tiles: four times slower, a little better.")
    combine: Literal["mean", "vote"] = Field(
        "mean", description="Several models: average their probabilities, or let the majority decide."
    )
    uncertainty: bool = Field(False, description="Also show where the prediction is uncertain (entropy).")
    runtime: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="What computes on processors; auto: OpenVINO where it is installed and agrees with torch.",
    )
    ease: float = Field(
        0.65, gt=0, le=1,
        description="Three axes: objects begin at this share of the threshold, since the views seldom agree at an "
        "object's ends.",
    )  # fmt: skip
    join_overlap: float = Field(
        0.25, gt=0, le=1, description="Objects of neighbouring slices are one where they share this much (IoU)."
    )


class Config(Settings):
    """Recipe + target + model + loss + training (patches, augmentation, optimiser) + prediction."""

    recipe: Recipe = Recipe()
    target: Target = Distance()
    model: Model = Smp()
    loss: Loss = DiceFocal()
    train: Train = Train()
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Standard()
    optimiser: Optimiser = Optimiser()
    predict: Predict = Predict()
    object_size: float = Field(
        0.0, ge=0, le=256,
        description="2D networks see images enlarged or reduced, so that objects have this diameter (pixels); "
        "0: as they are.",
    )  # fmt: skip
    precision: Precision = Field(
        "auto",
        description="auto: bf16 where the device has it, fp16 with loss scaling on GPUs that have not, else fp32; fp16 "
        "is for GPUs, elsewhere it means auto.",
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, values: Any) -> Any:
        """Until version 0.3 the scale of the augmentation was a setting of the training."""
        train = values.get("train") if isinstance(values, dict) else None
        if isinstance(train, dict) and "scale" in train:
            train = dict(train)
            augmentation = {"kind": "standard", "scale": train.pop("scale")} | dict(values.get("augmentation", {}))
            return values | {"train": train, "augmentation": augmentation}
        return values

    def build_loss(self) -> nn.Module:
        """The loss of all channels of the target."""
        return self.target.loss(self.loss.build(exclusive=self.target.exclusive))

    def to_toml(self) -> str:
        """The whole configuration as TOML."""
        return tomli_w.dumps(self.model_dump(mode="json"))

    def with_values(self, assignments: Values) -> Config:
        """A copy with assignments applied: ``key.key=value`` texts (see `assigned`), or a mapping of keys to values.

        Raises
        ------
        CellsegError
            When a key is unknown or a value does not fit.
        """
        values: dict[str, Any] = self.model_dump(mode="json")
        for key, value in assigned(assignments):
            _assign(values, key, value)
        return validated(Config, values)


def default_config(task: str = "instance") -> Config:
    """The starting point of a new project."""
    if task == "semantic":
        return Config(target=Semantic())
    return Config(target=Distance(prominence=0.2, finer=0.1), object_size=SIZE)  # best on val images of four kinds


def parse_config(text: str) -> Config:
    """Read a configuration from TOML text.

    Raises
    ------
    CellsegError
        When the text is not TOML or its values do not fit.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CellsegError(f"The configuration is not valid TOML: {error}.", "Compare with docs/config.md.") from error
    return validated(Config, values)


def read_config(path: str | Path) -> Config:
    """Read a configuration file (see `parse_config`)."""
    try:
        return parse_config(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CellsegError(f"The configuration {path} cannot be read: {error}.", "Check the path.") from error


def assigned(values: Values, example: str = "train.seconds=60") -> list[tuple[str, Any]]:
    """Keys and values of assignments ``key=value``, or of a mapping; values are TOML, bare words are strings.

    Raises
    ------
    CellsegError
        When a text is not an assignment; the hint shows `example`.
    """
    if isinstance(values, Mapping):
        return [(key, v.model_dump(mode="json") if isinstance(v, Settings) else v) for key, v in values.items()]
    found: list[tuple[str, Any]] = []
    for assignment in values:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise CellsegError(f"{assignment!r} is not an assignment.", f"Write key=value, for example {example}.")
        try:
            found.append((key.strip(), tomllib.loads(f"v = {text}")["v"]))
        except tomllib.TOMLDecodeError:
            found.append((key.strip(), text.strip()))
    return found


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    node: Any = values
    for part in path:
        node = node[int(part)] if isinstance(node, list) and part.isdigit() and int(part) < len(node) else (
            node.get(part) if isinstance(node, dict) else None
        )  # fmt: skip
    if not isinstance(node, dict):
        raise CellsegError(f"There is no setting {key!r}.", f"Settings: {', '.join(values)}.")
    if last == "kind" and node.get("kind") != value:
        node.clear()  # another member of the union starts from its own defaults
    node[last] = value

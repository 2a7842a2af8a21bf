"""What a converted network is tried on, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._types import Float
from ..prediction import TRIALS, FileNetwork, Form, load_model, padded, seen, sha256, trial
from ._convert import Source
from ._wanted import Wanted

PIECES = 12
"""Of pictures, at most, that are tried; as many others calibrate."""
MORE = 1.5
"""Other runtimes were seen to need up to so many times the memory of torch."""


@dataclass(frozen=True)
class Pieces:
    """What a network is tried on and calibrated with, (1, C, [Z], Y, X) each, and what that is in words."""

    tried: list[Float]
    calibrating: list[Float]
    words: str


def pieces(model: Source, wanted: Wanted) -> Pieces:
    """From the pictures, alternately to calibrate and to try; without any, blobs with noise."""
    if not wanted.pictures:
        shapes = TRIALS[model.dimensions]
        made = [padded(trial(model.card.in_channels, shape), model.strides) for shape in shapes]
        return Pieces(made, [], "synthetic blobs")
    (predictor,) = load_model(model.path)
    predictor = predictor.plain  # an export to OpenVINO, which takes as long, is of no use here
    each = max(2, -(-PIECES // len(wanted.pictures)))
    found = [piece for image in wanted.pictures for piece in seen(image, predictor, each)]
    chosen = [found[k] for k in np.unique(np.linspace(0, len(found) - 1, 2 * PIECES).round().astype(int))]
    tried, calibrating = chosen[::2], chosen[1::2] or chosen
    return Pieces(tried, calibrating, wanted.tried_on or f"{len(wanted.pictures)} pictures")


def described(model: Source, folder: Path, file: str, form: Form) -> FileNetwork:
    """What is known of a converted network."""
    (predictor,) = load_model(model.path)
    plain = predictor.plain
    needs = MORE * plain.bytes_per_voxel
    return FileNetwork(file, form, sha256(folder / file), model.strides, plain.reach, needs)

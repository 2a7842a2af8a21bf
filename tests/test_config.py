from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.augmentation import AUGMENTATIONS
from napari_cellseg.config import Config, default_config, parse_config
from napari_cellseg.drafts import DRAFTS
from napari_cellseg.errors import CellsegError
from napari_cellseg.losses import LOSSES
from napari_cellseg.models import MODELS
from napari_cellseg.preprocess import STEPS, Recipe
from napari_cellseg.targets import TARGETS

UNIONS = [*STEPS, *TARGETS, *MODELS, *LOSSES, *DRAFTS.values(), *AUGMENTATIONS]


@pytest.mark.parametrize("task", ["instance", "semantic"])
def test_toml_round_trip(task):
    config = default_config(task)
    assert parse_config(config.to_toml()) == config


@given(
    st.sampled_from(TARGETS), st.sampled_from(LOSSES), st.lists(st.sampled_from(STEPS), max_size=3),
    st.floats(1e-6, 1, exclude_min=True), st.integers(0, 2**31 - 1),
)  # fmt: skip
def test_any_config_survives_toml(target, loss, steps, rate, seed):
    config = Config(target=target(), loss=loss(), recipe=Recipe(steps=tuple(s() for s in steps)))
    train = config.train.model_copy(update={"learning_rate": rate, "seed": seed})
    config = config.model_copy(update={"train": train})
    assert parse_config(config.to_toml()) == config


@pytest.mark.parametrize("cls", UNIONS, ids=lambda c: c.__name__)
def test_every_setting_is_described(cls):
    assert cls.__doc__
    assert cls.label()
    for name, info in cls.model_fields.items():
        assert name == "kind" or info.description, name


def test_assignments():
    config = Config().with_values(
        ["train.seconds=5", "model.encoder=resnet34", "target.kind=boundary", "target.width=3"]
    )
    assert config.train.seconds == 5
    assert config.model.encoder == "resnet34"
    assert config.target.kind == "boundary"
    assert config.target.width == 3
    assert config.with_values(["recipe.steps.0.low=2.5"]).recipe.steps[0].low == 2.5


@pytest.mark.parametrize(
    "given", ["train.seconds", "train.secnds=3", "train.seconds=-1", "nothing.here=1", "target.kind=circle"]
)
def test_bad_assignments_name_the_field(given):
    with pytest.raises(CellsegError) as caught:
        Config().with_values([given])
    assert given.split("=")[0].split(".")[0] in str(caught.value)


def test_bad_toml_is_a_persons_mistake():
    with pytest.raises(CellsegError, match="TOML"):
        parse_config("train = ")

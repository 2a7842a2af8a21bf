from __future__ import annotations

import pytest

from napari_cellseg.augmentation import AUGMENTATIONS
from napari_cellseg.config import Config, Optimiser, Predict, Sampling, Train
from napari_cellseg.drafts import DRAFTS
from napari_cellseg.gui.qt.settings_form import SettingsForm, limits
from napari_cellseg.losses import LOSSES
from napari_cellseg.models import MODELS
from napari_cellseg.preprocess import STEPS
from napari_cellseg.targets import TARGETS

ALL = [*STEPS, *TARGETS, *MODELS, *LOSSES, *DRAFTS.values(), *AUGMENTATIONS, Train, Sampling, Optimiser, Predict]


@pytest.mark.parametrize("cls", ALL, ids=lambda c: c.__name__)
def test_defaults_round_trip(qtbot, cls):
    form = SettingsForm(cls())
    qtbot.addWidget(form)
    assert form.value() == cls()


FIELDS = [(cls, name) for cls in ALL for name, info in cls.model_fields.items() if info.annotation in (int, float)]


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=lambda v: getattr(v, "__name__", v))
@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
def test_every_number_round_trips_over_its_range(qtbot, cls, name, share):
    info = cls.model_fields[name]
    low, high = limits(info)
    value = low + share * (min(high, 1e6) - low)
    if info.annotation is int:
        step = next((r.multiple_of for r in info.metadata if getattr(r, "multiple_of", None)), 1)
        value = int(value) // step * step
        value = max(value, -(-int(low) // step) * step)
    else:
        value = min(max(round(value, 6), low), high)
    wanted = cls.model_validate({**cls().model_dump(), name: value})
    form = SettingsForm(cls())
    qtbot.addWidget(form)
    form.setValue(wanted)
    assert getattr(form.value(), name) == pytest.approx(value, rel=1e-9, abs=1e-10)


def test_small_learning_rates_are_shown_and_kept(qtbot):
    form = SettingsForm(Config().train.model_copy(update={"learning_rate": 1e-3}))
    qtbot.addWidget(form)
    assert form.value().learning_rate == 1e-3
    assert "0.001" in form._widgets["learning_rate"].native.text()


def test_editing_tells_the_new_settings(qtbot):
    form = SettingsForm(Train(), ("seconds",))
    qtbot.addWidget(form)
    with qtbot.waitSignal(form.valueChanged) as caught:
        form._widgets["seconds"].value = 90
    assert caught.args[0] == Train(seconds=90)
    with qtbot.assertNotEmitted(form.valueChanged):
        form.setValue(Train(seconds=5))

"""After a training the page Fine-tune shows a field as the models before and after it see it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cellseg.gui.app.before_after import SIDE, field_of
from napari_cellseg.gui.app.crops import OUTLINE, grey, outlined
from napari_cellseg.gui.qt.page_finetune import FineTunePage
from napari_cellseg.project import Holdout

from .waiting import spin


def test_outlines_lie_inside_objects_and_dim_cells_are_seen():
    labels = np.zeros((20, 30), np.uint32)
    labels[3:9, 4:12], labels[3:9, 12:20] = 1, 2
    picture = outlined(grey(np.linspace(0, 0.1, 600, dtype=np.float32).reshape(20, 30)), labels)
    drawn = (picture == OUTLINE).all(-1)
    assert not drawn[labels == 0].any()
    assert drawn[3, 4:20].all()
    assert drawn[4:8, 11:13].all()  # between two that touch
    assert not drawn[5:7, 6:10].any()
    assert picture[-1, -1, 0] == 255


@pytest.mark.parametrize(
    ("boxes", "middle"), [(None, (64, 80)), ((((10, 30), (100, 140)),), (20, 120)), ((), (64, 80))]
)
def test_the_field_is_where_nothing_was_learnt(opened, project, boxes, middle):
    project.close()
    session = opened(project.path, engine=False).session
    if boxes is not None:
        session.update(holdouts={"cells": Holdout("cells", boxes)})
    field, held_out = field_of(session, ((0, 128), (0, 160)))
    assert held_out == (boxes is not None)
    assert [b - a for a, b in field] == [min(SIDE, 128), min(SIDE, 160)]
    assert all(0 <= a <= m < b <= n for (a, b), m, n in zip(field, middle, (128, 160), strict=True))


@pytest.mark.slow
def test_a_training_shows_both_models_until_the_person_decides(opened, rough, rough_truth, qtbot):
    controller = opened(rough)
    page = FineTunePage(controller)
    qtbot.addWidget(page)
    controller.views.changed.connect(page.show_view)
    controller.predict()
    spin(controller, lambda: not controller.busy)
    labels, truth = controller.family.labels, rough_truth
    for id in range(1, 9):
        labels.data_setitem(np.nonzero(truth == id), 1000 + id)
    controller.actions.approve_image()
    values = ["train.steps=4", "train.extend=0", "train.patch=64", "train.batch=2", "train.trial=never"]
    controller.configure(controller.session.config.with_values(values))
    controller.training.fine_tune()
    spin(controller, lambda: controller.session.before_after is not None and not controller.busy)
    pair = controller.session.before_after
    assert (pair.before.model, pair.after.model) == (
        controller.session.rounds[-1].parent,
        controller.session.rounds[-1].child,
    )
    assert pair.before.picture.shape == pair.after.picture.shape
    assert page.pair.isVisibleTo(page)
    assert page.pair.texts[1].text().startswith(f"After ({pair.after.model}): {pair.after.objects} object")
    controller.training.keep()
    spin(controller, lambda: controller.session.before_after is None)
    assert not page.pair.isVisibleTo(page)
    controller.views.changed.disconnect(page.show_view)

"""What holds for the window, the child, the command line, and workers for blocks: where dask computes pixels."""

from __future__ import annotations

import dask
import dask.base
import dask.local
import dask.threaded
import pytest

from napari_cellseg import cli
from napari_cellseg.api._work import verb
from napari_cellseg.engine import _child
from napari_cellseg.events import Notice
from napari_cellseg.gui.app import warm_up
from napari_cellseg.parts import Block
from napari_cellseg.processes import compute_here


class Begun(Exception):
    """The child has begun, and is not needed any longer."""


def child(monkeypatch) -> None:
    def begin():
        raise Begun

    monkeypatch.setattr(_child, "take_streams", begin)
    with pytest.raises(Begun):
        _child.main()


PLACES = {
    "window": lambda _: warm_up.warm_up().join(),
    "command line": lambda _: cli.main(["images", "nowhere.cellseg"]),
    "child": child,
}


@pytest.mark.parametrize("begin", PLACES.values(), ids=PLACES)
def test_pixels_are_computed_without_looking_for_a_cluster(begin, monkeypatch):
    """To look for one dask imports dask.distributed where it is installed, which takes seconds."""
    with dask.config.set(scheduler=None):
        begin(monkeypatch)
        assert dask.config.get("scheduler") is dask.threaded.get
        assert dask.base.get_scheduler() is dask.threaded.get


def test_a_block_computes_its_pixels_where_it_is_done(tmp_path):
    seen = []

    def work(item):
        seen.append(dask.config.get("scheduler"))
        return {}

    with dask.config.set(scheduler=None):
        Block(work, tmp_path)(0, None)
        assert dask.config.get("scheduler") is None
    assert seen == [dask.threaded.get]


def test_a_verb_computes_here_and_leaves_the_script_what_it_had():
    seen = []

    @verb
    def work():
        seen.append(dask.config.get("scheduler", None))
        yield Notice("one")
        seen.append(dask.config.get("scheduler", None))

    with dask.config.set(scheduler=None):
        for _ in work.events():
            assert dask.config.get("scheduler") is None
    with dask.config.set(scheduler="synchronous"):
        work()
    assert seen == [dask.threaded.get] * 2 + ["synchronous"] * 2


def test_who_told_dask_where_to_compute_is_heeded():
    with dask.config.set(scheduler="synchronous"), compute_here():
        assert dask.config.get("scheduler") == "synchronous"

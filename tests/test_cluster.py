"""Images labelled block by block by other processes, whatever dies meanwhile: the labels of one process."""

from __future__ import annotations

import importlib.util
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import zarr
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_cellseg.config import Config, Predict
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import BlockDone, Predicted, Stopped
from napari_cellseg.images import label_levels, read
from napari_cellseg.models import UNet3D
from napari_cellseg.nets.device import choose
from napari_cellseg.parts import Block, Parts, Spread, WorkStopped, scheduler
from napari_cellseg.prediction import Elsewhere, ModelsAt, PictureAt, Predictor, Request, predict, predict_elsewhere
from napari_cellseg.prediction._elsewhere import grouped
from napari_cellseg.preprocess import Recipe
from napari_cellseg.project import ModelCard, Project
from napari_cellseg.samples import synthetic_cells
from napari_cellseg.targets import Boundary, Distance, Flows, Foreground, Rays, Semantic, decode_into

from .light_blocks import always_dies, double, fails, once_per_life
from .test_decode import noise
from .test_predict import Seen


class Shuffled:
    """Blocks done here, in a random order, each after a journey through pickle as if to another process."""

    link = ""

    def __init__(self, seed: int = 0, dies_after: int | None = None) -> None:
        self._random, self._left = random.Random(seed), dies_after

    def run(self, block, items, stop):
        numbers = list(items)
        self._random.shuffle(numbers)
        for number in numbers:
            if stop():
                raise WorkStopped
            if self._left == 0:
                raise CellsegError("The client died.")
            if self._left is not None:
                self._left -= 1
            there, item = pickle.loads(pickle.dumps((block, items[number])))
            yield there(number, item)

    def close(self) -> None:
        pass


class InMemory:
    """A picture on a disk that pickle leaves where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self):
        return read(self.path)


class Small:
    """A network without a folder, built by every process alike."""

    def __init__(self, dimensions: int, target) -> None:
        self.dimensions, self.target = dimensions, target

    def __call__(self) -> list[Predictor]:
        channels = self.target.channels(1, self.dimensions)
        config = Config(recipe=Recipe(), target=self.target)
        if self.dimensions == 3:
            config = config.model_copy(update={"model": UNet3D(width=2)})
        card = ModelCard(
            id="s", parent=None, created=0.0, in_channels=1, out_channels=channels, n_classes=1, edits_until=0
        )
        network = Seen(self.dimensions, channels).eval()
        if self.target.exclusive:  # else all classes would be equally probable everywhere
            with torch.no_grad():
                network.layer.weight[0].mul_(-1)
                network.layer.bias[0].mul_(-1)
        return [Predictor(card.id, network, config, card, choose("fp32"))]


def found(events) -> Predicted:
    return next(e for e in events if isinstance(e, Predicted))


def by_blocks(folder: Path, picture, models, request, *, who=None, side=32, voxels=3000) -> np.ndarray:
    way = Spread(folder, who or Shuffled(), {"test": 1}, side=side, voxels=voxels)
    done = found(predict_elsewhere("x", Elsewhere(way, picture, models, folder / "x.ome.zarr"), request))
    return np.asarray(done.labels[:])


# --- decoding part by part ------------------------------------------------------------------------


class Noise:
    """Probabilities that any process makes again."""

    def __init__(self, *what) -> None:
        self.what = what

    def __call__(self, box):
        if not hasattr(self, "made"):
            self.made = noise(*self.what)
        return self.made[(slice(None), *box)]

    def __getstate__(self):
        return {"what": self.what}


@pytest.mark.long
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(
        [
            Distance(min_size=5),
            Boundary(min_size=3),
            Flows(min_size=2, steps=20),
            Rays(min_size=1, rays=8, scale=3),
            Semantic(min_size=6),
            Foreground(min_size=1),
        ]
    ),
    shape=st.sampled_from([(1, 70, 90), (9, 33, 41), (3, 64, 20)]),
    voxels=st.sampled_from([150, 900, 4000]),
    planar=st.booleans(),
    levels=st.sampled_from([0, 4]),
    seed=st.integers(0, 1000),
)
def test_parts_in_any_order_decode_as_the_whole(tmp_path_factory, target, shape, voxels, planar, levels, seed):
    folder, chunk = tmp_path_factory.mktemp("parts"), (1 if planar else 4, 16, 8)
    given_there = Noise(shape, target.channels(1, 2 if planar else 3), seed, levels)
    whole = np.zeros(shape, np.uint32)
    n = decode_into(target, given_there, shape, whole, planar=planar)
    out = zarr.create_array(str(folder / "out"), shape=shape, chunks=tuple(map(min, chunk, shape)), dtype="uint32")
    way = Spread(folder / "job", Shuffled(seed), {})
    assert n == decode_into(target, given_there, shape, out, planar=planar, chunk=out.chunks, voxels=voxels, way=way)
    np.testing.assert_array_equal(out[:], whole)


# --- images ---------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(
        [*(t(min_size=5) for t in (Distance, Boundary, Semantic, Foreground)), Rays(min_size=5, rays=8)]
    ),
    dimensions=st.sampled_from([2, 3]),
    shape=st.sampled_from([(120, 150), (5, 100, 130)]),
    flips=st.booleans(),
    voxels=st.sampled_from([3000, 20_000]),
    seed=st.integers(0, 100),
)
def test_labels_are_those_of_one_process(tmp_path_factory, target, dimensions, shape, flips, voxels, seed):
    assume(not target.obstacle(dimensions, flips=flips))
    assume(dimensions == 2 or len(shape) == 3)
    folder = tmp_path_factory.mktemp("image")
    np.save(folder / "p.npy", synthetic_cells(shape, 30, radius=11, seed=seed)[0])
    models, request = Small(dimensions, target), Request(Predict(tile=64, overlap=16, flips=flips), show=False)
    one = np.asarray(found(predict(read(folder / "p.npy"), models(), request=request)).labels)
    assert one.any()
    many = by_blocks(folder / "job", InMemory(folder / "p.npy"), models, request, voxels=voxels)
    np.testing.assert_array_equal(many, one)


def test_three_axes_and_a_region_are_those_of_one_process(tmp_path):
    pixels, _ = synthetic_cells((20, 70, 90), 40, radius=9, seed=4)
    np.save(tmp_path / "p.npy", pixels)
    models, picture = Small(2, Distance(min_size=5)), InMemory(tmp_path / "p.npy")
    for name, region in (("whole", ()), ("part", ((3, 19), (5, 70), (11, 80)))):
        request = Request(Predict(tile=64, overlap=16, mode="three axes"), region=region, show=False)
        one = np.asarray(found(predict(picture(), models(), request=request)).labels)
        many = by_blocks(tmp_path / name, picture, models, request)
        assert one.max() > 3
        np.testing.assert_array_equal(many, one)


@pytest.fixture(scope="module")
def setting(trained, tmp_path_factory) -> tuple[Path, Path, np.ndarray, Request]:
    """A picture on disk, a model's folder, the labels that one process gives, and how."""
    folder = tmp_path_factory.mktemp("setting")
    np.save(folder / "p.npy", synthetic_cells((300, 420), 60, radius=11, seed=1)[0])
    with Project.open(trained) as project:
        model = project.model_path(project.current_model).resolve()
    request = Request(Predict(tile=96, overlap=32), show=False)
    one = np.asarray(found(predict(read(folder / "p.npy"), ModelsAt((model,))(), request=request)).labels)
    assert one.max() > 20
    return folder / "p.npy", model, one, request


def test_every_block_writes_whole_chunks_and_a_pyramid_follows(setting, tmp_path):
    picture, model, one, request = setting
    way = Spread(tmp_path / "job", Shuffled(3), {}, side=64, voxels=10_000)
    job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), tmp_path / "x.ome.zarr")
    events = list(predict_elsewhere("x", job, request))
    np.testing.assert_array_equal(found(events).labels[:], one)
    image = read(job.place)
    assert image.axes == "YX"
    assert [level.shape for level in image.coarser] == [(150, 210)]
    np.testing.assert_array_equal(np.asarray(image.coarser[0]), one[::2, ::2])
    stages = {e.stage: e.total for e in events if isinstance(e, BlockDone)}
    assert list(stages) == ["network", "basins", "labels", "pyramid"]
    assert stages["network"] > 5
    assert stages["basins"] > 5


@pytest.mark.parametrize("after", [0, 3, 11, 30])
def test_what_was_done_when_the_client_died_is_not_done_again(setting, tmp_path, after):
    picture, model, one, request = setting

    def go(who) -> list:
        way = Spread(tmp_path / "job", who, {"a": 1}, side=64, voxels=10_000)
        job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), tmp_path / "x.ome.zarr")
        return list(predict_elsewhere("x", job, request))

    with pytest.raises(CellsegError, match="died"):
        go(Shuffled(after, dies_after=after))
    marks = {p: p.stat().st_mtime_ns for p in (tmp_path / "job").glob("*/*/*.npz")}
    assert len(marks) == after
    np.testing.assert_array_equal(found(go(Shuffled(1))).labels[:], one)
    assert {p: p.stat().st_mtime_ns for p in marks} == marks


def test_another_piece_of_work_begins_afresh(tmp_path):
    for about, left in (({"a": 1}, True), ({"a": 2}, False)):
        Spread(tmp_path / "job", Shuffled(), {"a": 1}).do(double, [1, 2], "work")
        assert list((tmp_path / "job").glob("*/*/*.npz"))
        Spread(tmp_path / "job", Shuffled(), about)
        assert bool(list((tmp_path / "job").glob("*/*/*.npz"))) == left


@pytest.mark.parametrize("what", ["labels.ome.zarr", "sums", "sheet-0.zarr"])
def test_marks_whose_pixels_are_gone_say_nothing(setting, tmp_path, what):
    """As where a client died after it had given the labels their name, and before it said so."""
    picture, model, one, request = setting
    for _ in range(2):
        way = Spread(tmp_path / "job", Shuffled(1), {"a": 1}, side=128, voxels=40_000)
        job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), tmp_path / "x.ome.zarr")
        np.testing.assert_array_equal(found(predict_elsewhere("x", job, request)).labels[:], one)
        (tmp_path / "job" / what).rename(tmp_path / f"moved-{random.random()}")


def test_stop_ends_it_and_a_second_start_goes_on(setting, tmp_path):
    picture, model, one, request = setting
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    way = Spread(tmp_path / "job", Shuffled(), {}, side=64, voxels=10_000)
    job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), tmp_path / "x.ome.zarr")
    assert isinstance(list(predict_elsewhere("x", job, request, stop=stop))[-1], Stopped)
    way = Spread(tmp_path / "job", Shuffled(), {}, side=64, voxels=10_000)
    job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), tmp_path / "x.ome.zarr")
    np.testing.assert_array_equal(found(predict_elsewhere("x", job, request)).labels[:], one)


KINDS = ["processes:2", "local:2", "jobs:2"]


@pytest.fixture(params=KINDS)
def who(request, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))  # where other processes find this module
    if request.param.startswith("local"):
        pytest.importorskip("distributed")
    if request.param.startswith("jobs"):
        pytest.importorskip("submitit")
    made = scheduler(request.param, tmp_path / "logs")
    yield made
    made.close()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_processes_that_die_are_replaced_and_their_blocks_done(who, tmp_path):
    (tmp_path / "marks").mkdir()
    items = [(tmp_path / "marks", k) for k in range(8)]
    got = list(Spread(tmp_path / "job", who, {}).each(once_per_life, items, "work"))
    assert [int(a["twice"]) for a in got] == [2 * k for k in range(8)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_a_block_cannot_do_is_said_in_its_words(who, tmp_path):
    with pytest.raises(CellsegError, match="cannot be done"):
        Spread(tmp_path / "job", who, {}).do(fails, [1], "work")


@pytest.mark.slow
def test_a_block_that_kills_its_process_every_time_is_named(tmp_path):
    who = scheduler("processes:1", tmp_path)
    try:
        with pytest.raises(CellsegError, match="block 0 died 5 times"):
            Spread(tmp_path / "job", who, {}).do(always_dies, [1], "work")
    finally:
        who.close()


@pytest.fixture
def spawned():
    """Finds the workers of a process that live, as the benchmark does."""
    path = Path(__file__).parents[1] / "benchmarks" / "cluster.py"
    spec = importlib.util.spec_from_file_location("cluster", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.spawned


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS[:2])
def test_workers_killed_while_running_leave_the_labels_as_they_are(setting, spawned, tmp_path, kind):
    """Some worker is killed at every third block, at any stage."""
    if kind.startswith("local"):
        pytest.importorskip("distributed")
    picture, model, one, request = setting
    who, kills, rng = scheduler(kind, tmp_path / "logs"), 0, random.Random(7)
    try:
        way = Spread(tmp_path / "job", who, {}, side=128, voxels=40_000)
        job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), tmp_path / "x.ome.zarr")
        for event in predict_elsewhere("x", job, request):
            due = isinstance(event, BlockDone) and event.done in (1, 3) and kills < 3
            if due and (workers := spawned(os.getpid())):
                rng.choice(workers).kill()
                kills += 1
    finally:
        who.close()
    assert kills == 3
    np.testing.assert_array_equal(found([event]).labels[:], one)


CLIENT = """
import sys
from pathlib import Path
from napari_cellseg.config import Predict
from napari_cellseg.events import BlockDone
from napari_cellseg.parts import Spread, scheduler
from napari_cellseg.prediction import Elsewhere, ModelsAt, PictureAt, Request, predict_elsewhere

if __name__ == "__main__":
    picture, model, folder = map(Path, sys.argv[1:])
    who = scheduler("processes:1", folder / "logs")
    way = Spread(folder / "job", who, {}, side=64, voxels=10_000)
    job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), folder / "x.ome.zarr")
    for event in predict_elsewhere("x", job, Request(Predict(tile=96, overlap=32), show=False)):
        if isinstance(event, BlockDone):
            print(event.stage, event.done, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [4, 40])
def test_a_killed_client_is_started_again_and_goes_on(setting, tmp_path, blocks):
    picture, model, one, request = setting
    (tmp_path / "client.py").write_text(CLIENT)
    command = [sys.executable, str(tmp_path / "client.py"), str(picture), str(model), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        for _ in range(blocks):
            assert client.stdout.readline()
        workers = psutil.Process(client.pid).children(recursive=True)
        client.kill()
    assert workers
    assert psutil.wait_procs(workers, timeout=600)[1] == [], "nobody has anything for them to do any more"
    assert by_blocks_again(tmp_path, picture, model, request, one) >= blocks - 3


def by_blocks_again(folder: Path, picture, model, request, one) -> int:
    """How many blocks the second start found done; its labels are `one`."""
    done = len(list((folder / "job").glob("*/*/*.npz")))
    way = Spread(folder / "job", Shuffled(), {}, side=64, voxels=10_000)
    job = Elsewhere(way, PictureAt(picture), ModelsAt((model,)), folder / "x.ome.zarr")
    np.testing.assert_array_equal(found(predict_elsewhere("x", job, request)).labels[:], one)
    return done


# --- smaller things -------------------------------------------------------------------------------


@pytest.mark.parametrize("voxels", [1, 10_000, 10**9])
def test_groups_of_tiles_hold_every_tile_once(setting, voxels):
    from napari_cellseg.prediction import make_plan

    picture, model, _, request = setting
    plan = make_plan(ModelsAt((model,))(), (20, 200, 300), request.options.model_copy(update={"mode": "three axes"}))
    groups = grouped(plan.tiles, voxels)
    assert sorted(map(hash, plan.tiles)) == sorted(hash(t) for _, tiles in groups for t in tiles)
    for box, tiles in groups:
        assert len({t.axis for t in tiles}) == 1
        for tile in tiles:
            assert all(b.start <= t.start and t.stop <= b.stop for b, t in zip(box, tile.box, strict=True))


def test_a_damaged_answer_is_named(tmp_path):
    block = Block(double, tmp_path)
    block(0, 4)
    assert int(block.answer(0)["twice"]) == 8
    block.path(0).write_bytes(b"PK\x03\x04 half")
    with pytest.raises(CellsegError, match="block 0 cannot be read"):
        block.answer(0)


def test_levels_that_lie_there_are_opened(tmp_path):
    made = label_levels(tmp_path / "p", tmp_path / "x.ome.zarr", (600, 300), None, (), None, 128)
    made[0][:5, :5] = 7
    again = label_levels(tmp_path / "p", tmp_path / "x.ome.zarr", (600, 300), None, (), None, 128)
    assert again[0][2, 2] == 7
    assert [a.chunks for a in again] == [(128, 128)] * 3 or again[-1].shape == (150, 75)


@pytest.mark.parametrize("name", ["local", "local:0", "processes:two", "jobs:"])
def test_a_scheduler_that_says_no_number_is_refused(name, tmp_path):
    with pytest.raises(CellsegError, match="how many processes"):
        scheduler(name, tmp_path)


def test_without_the_extra_the_line_to_install_it_is_said(tmp_path, monkeypatch):
    for module, name in (("distributed", "local:1"), ("submitit", "jobs:1")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(CellsegError) as error:
            scheduler(name, tmp_path)
        assert 'pip install "napari-cellseg[cluster]"' in error.value.hint


def test_without_slurm_the_script_is_written(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    who = scheduler("slurm", tmp_path / "logs", {"timeout_min": 90, "mem_gb": 16, "slurm_partition": "gpu", "jobs": 8})
    with pytest.raises(CellsegError, match="no SLURM"):
        Spread(tmp_path / "job", who, {}).do(double, list(range(100)), "work")
    script = (tmp_path / "logs" / "dry-run.sh").read_text()
    for line in ("#SBATCH --array=0-7%8", "#SBATCH --time=90", "#SBATCH --partition=gpu", "#SBATCH --mem=16GB"):
        assert line in script


def test_parts_here_can_be_stopped():
    with pytest.raises(WorkStopped):
        list(Parts(lambda: True).each(double, [1]))

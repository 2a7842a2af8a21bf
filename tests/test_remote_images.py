"""OME-Zarr at an address: a server on this machine, asked for metadata and for the parts that are looked at."""

from __future__ import annotations

import functools
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr.writer import write_plate_metadata, write_well_metadata

from napari_cellseg import images
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import Project
from napari_cellseg.samples import synthetic_cells

from .test_formats import objects, picture


class Served:
    """A folder behind an address, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, []
        served = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def served(tmp_path) -> Iterator[Served]:
    (tmp_path / "www").mkdir()
    served = Served(tmp_path / "www")
    yield served
    served.close()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_address_is_read_part_by_part(served, version):
    there = picture(served.folder / "a.ome.zarr", version)
    image, here = images.read(served.address("a.ome.zarr")), images.read(there)
    assert (image.axes, image.spacing_um, image.data.shape) == (here.axes, here.spacing_um, here.data.shape)
    assert len(image.coarser) == len(here.coarser) > 0
    assert not [p for p in served.asked if p.endswith(("/0/0", "/c/0/0/0/0/0"))]  # no pixels yet
    before = len(served.asked)
    part = np.asarray(image.data[1, 2, 5:20, 30:50])
    np.testing.assert_array_equal(part, np.asarray(here.data[1, 2, 5:20, 30:50]))
    assert len(served.asked) - before == 1  # the one chunk that it lies in


def test_plates_and_labels_at_an_address(served):
    plate = zarr.open_group(str(served.folder / "p.zarr"), mode="w", zarr_format=3)
    write_plate_metadata(plate, ["A"], ["1"], ["A/1"])
    write_well_metadata(plate.require_group("A/1"), ["0", "1"])
    for field in "01":
        picture(served.folder / "p.zarr" / "A" / "1" / field, "0.5", (2, 60, 80), "cyx")
    images.write_labels_inside(served.folder / "p.zarr" / "A" / "1" / "1", "cells", objects((60, 80)))
    address = served.address("p.zarr")
    assert [s.key for s in images.series_in(address)] == ["A/1/0", "A/1/1"]
    image = images.read(address, series="A/1/1")
    (labels,) = images.labels_inside(image.source)
    assert images.address(labels) == f"{address}/A/1/1/labels/cells"
    np.testing.assert_array_equal(images.read_labels(labels), objects((60, 80)))
    with pytest.raises(CellsegError, match="holds 2 images"):
        images.read(address)


def test_a_collection_at_an_address_is_asked_for_its_numbers(served):
    root = zarr.open_group(str(served.folder / "c.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for number in "012":
        picture(served.folder / "c.zarr" / number, "0.4", (60, 80), "yx")
    assert [s.key for s in images.series_in(served.address("c.zarr"))] == ["0", "1", "2"]


def test_a_project_refers_to_an_address(served, tmp_path, capsys):
    """Added, listed, read again by another session, known when it is added twice, and labelled without a project."""
    pixels = synthetic_cells((96, 128), 10, radius=11, seed=5)[0]
    group = zarr.open_group(str(served.folder / "cells.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=pixels.shape, dtype=pixels.dtype)[:] = pixels
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ]
    address, project = served.address("cells.zarr"), str(tmp_path / "p.cellseg")
    assert main(["new", project]) == 0
    assert main(["add", project, address]) == 0
    assert main(["add", project, address]) == 0
    assert "in the project already" in capsys.readouterr().out
    with Project.open(project) as own:
        (record,) = own.images()
        assert record.id == "cells"
        assert record.source == address
        assert record.spacing_um == (0.5, 0.5)
        np.testing.assert_array_equal(own.read_image("cells").load()[0], pixels)
    assert main(["draft", project, "--method", "otsu"]) == 0
    assert main(["export", project, "--inside", "mine"]) == 2
    assert "is only read" in capsys.readouterr().err
    group.create_array("1", shape=(8, 8), dtype="uint8")
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "1", "coordinateTransformations": scale}]}
    ]
    with Project.open(project) as own, pytest.raises(CellsegError):  # another picture lies there now
        own.read_image("cells")


def test_an_address_that_holds_nothing_says_so(served):
    for name in ("none.zarr", "plain"):
        (served.folder / "plain").mkdir(exist_ok=True)
        with pytest.raises(CellsegError, match="no OME-Zarr at http://127") as told:
            images.read(served.address(name))
        assert "Check the address" in told.value.hint


def test_an_address_that_nobody_answers_at_says_so():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CellsegError, match=f"http://127.0.0.1:{port}/a.zarr does not answer"):
        images.read(f"http://127.0.0.1:{port}/a.zarr")


def test_a_server_that_goes_away_while_pixels_are_read(served):
    picture(served.folder / "a.ome.zarr", "0.5")
    image = images.read(served.address("a.ome.zarr"))
    served.server.shutdown()
    served.thread.join()
    served.server.server_close()
    with pytest.raises(CellsegError, match=r"pixels of a\.ome\.zarr cannot be read"):
        image.load()


@pytest.mark.parametrize(
    ("address", "package"), [("http://127.0.0.1/a.zarr", "aiohttp"), ("s3://bucket/a.zarr", "s3fs")]
)
def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch, address, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CellsegError) as told:
        images.read(address)
    assert 'pip install "napari-cellseg[remote]"' in told.value.hint
    assert told.value.message.startswith(address)


def test_addresses_are_kept_as_they_are():
    for address in ("https://host.org/a/b.zarr", "s3://bucket/a b.zarr", "http://host:80/x.zarr/A/1/0"):
        assert images.is_remote(address)
        assert images.is_remote(Path(address))
        assert images.address(Path(address)) == address
        assert images.absolute(address) == Path(address)
    for path in ("a.zarr", "/data/https/a.zarr", "C:/data/a.zarr", "http:"):
        assert not images.is_remote(path)

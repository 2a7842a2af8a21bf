"""An engine on another machine: what it computes is what a child of one's own does, and every end may die."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.cli import main
from napari_cellseg.engine import DecodeJob, Engine, LiveJob, PredictJob, TrainJob, run
from napari_cellseg.engine._frames import HEAD, MARK
from napari_cellseg.engine.remote import client as remote_client
from napari_cellseg.engine.remote.mirror import Mirror, trees
from napari_cellseg.engine.remote.scratch import Scratch, digests, picture_tree, scratch_copies
from napari_cellseg.engine.remote.server import FIRST_WORDS
from napari_cellseg.engine.remote.tokens import add_token, keep_token, owner, proof, read_token, read_tokens
from napari_cellseg.engine.remote.words import PIECE, VERSION, Challenge, Login, Offer, Put, Refused
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import (
    Connection,
    Decoded,
    Event,
    Failed,
    Judged,
    Predicted,
    Ready,
    Refined,
    Saved,
    StepDone,
    Stopped,
)
from napari_cellseg.probabilities import kept_path, open_kept
from napari_cellseg.project import Project, unfinished_runs

from .conftest import SMALL
from .test_engine import finished, wait

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tests' signals; the code is the same")
LONG = [*SMALL, "train.steps=100000", "train.seconds=500"]


@dataclass
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    folder: Path
    tokens: Path

    def token(self, name: str) -> Path:
        """A window's file with the token of a person."""
        path = self.folder / f"token of {name}"
        keep_token(path, read_tokens(self.tokens)[name])
        return path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start(folder: Path, port: int = 0, *more: str) -> Running:
    tokens = folder / "tokens"
    if not tokens.exists():
        for name in ("anna", "bert"):
            add_token(tokens, name)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "napari_cellseg.cli", "engine", "--listen", str(port), "--tokens", str(tokens),
            "--folder", str(folder / "scratch"), *more,
        ],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("Listening on 127.0.0.1:"), line
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return Running(process, int(line.split(",")[0].rpartition(":")[2]), folder, tokens)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = start(tmp_path_factory.mktemp("server"))
    yield made
    made.process.terminate()
    assert made.process.wait(600) == 130


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(port: int = 0, *more: str) -> Running:
        made.append(start(tmp_path, port, *more))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def engines() -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(server: Running, name: str = "anna", port: int = 0) -> Engine:
        made.append(Engine(f"127.0.0.1:{port or server.port}", server.token(name)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained project that a test may change."""
    shutil.copytree(trained.parent, tmp_path / "own")
    return tmp_path / "own" / trained.name


class Proxy:
    """A way to a server that can be cut."""

    def __init__(self, port: int) -> None:
        self._to, self._open = port, []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.cuts = self._socket.getsockname()[1], 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._socket.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self._to))
            self._open += [here, there]
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a: socket.socket, b: socket.socket) -> None:
        try:
            while data := a.recv(1 << 16):
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            end.close()

    def cut(self) -> None:
        """End every connection, as a bad line does."""
        self.cuts += 1
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._socket.close()
        self.cut()


def only(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def config_of(path: Path, values: list[str]):
    with Project.open(path) as project:
        return project.config.with_values(values)


# --- the same as here ----------------------------------------------------------------------------


def test_labels_are_those_of_a_child_here_and_what_was_sent_is_not_sent_again(server, engines, own):
    engine = engines(server)
    job = PredictJob(own, ("cells1",), ("v1",))
    engine.submit(job)
    events = wait(engine, finished)
    assert only(events, Connection)[0].up
    assert "127.0.0.1" in only(events, Ready)[0].device
    (there,) = only(events, Predicted)
    (here,) = only(list(run(job)), Predicted)
    np.testing.assert_array_equal(there.labels, here.labels)
    with Project.open(own) as project:
        target = project.model_config("v1").target
        assert project.db.rows("SELECT kind, outcome FROM runs")[-2:] == [("PredictJob", "done")] * 2
    shutil.rmtree(own / "cache")
    sent = {path: path.stat().st_mtime_ns for path in (server.folder / "scratch").rglob("pictures/**/*.npy")}
    assert sent
    engine.submit(job)
    events = wait(engine, finished)
    assert sent == {path: path.stat().st_mtime_ns for path in sent}
    (again,) = only(events, Predicted)
    assert again.store == str(kept_path(own, "cells1"))
    assert open_kept(kept_path(own, "cells1")).models == ("v1",)
    engine.submit(DecodeJob(own, "cells1", ("v1",), target, ((10, 40), (20, 60))))
    (part,) = only(wait(engine, finished), Decoded)
    (same,) = only(list(run(DecodeJob(own, "cells1", ("v1",), target, ((10, 40), (20, 60))))), Decoded)
    np.testing.assert_array_equal(part.labels, same.labels)


def test_live_learns_there_and_its_head_comes_home(server, engines, own):
    engine = engines(server)
    with Project.open(own) as project:
        labels, state = project.load_labels("cells1")
    job = LiveJob(own, "cells1", "v1", ((0, 96), (0, 128)), labels, state)
    engine.submit(job)
    *firsts, there = only(wait(engine, finished), Refined)  # a second one where other thresholds are better
    head = own / "cache" / "heads" / "v1.safetensors"
    assert head.is_file() == there.adapted
    shutil.rmtree(own / "cache", ignore_errors=True)
    *others, here = only(list(run(job)), Refined)
    assert len(firsts) == len(others)
    assert (there.adapted, there.target) == (here.adapted, here.target)
    if there.labels is not None:
        np.testing.assert_array_equal(there.labels, here.labels)


@pytest.mark.long
def test_a_model_that_was_trained_there_is_a_model_here(server, engines, own):
    engine = engines(server)
    engine.submit(TrainJob(own, config_of(own, [*SMALL, "train.steps=4"])))
    events = wait(engine, finished)
    (saved,) = only(events, Saved)
    assert only(events, Judged)[0].parent == "v1"
    with Project.open(own) as project:
        assert project.model_card(saved.model).parent == "v1"
        assert project.db.rows("SELECT id FROM models ORDER BY number")[-1] == (saved.model,)
        assert project.db.new_model_id(None) == "v3"
        assert not project.left_out()
    assert not list((own / "runs").glob("*"))
    engine.submit(PredictJob(own, ("cells1",), (saved.model,)))
    (there,) = only(wait(engine, finished), Predicted)
    (here,) = only(list(run(PredictJob(own, ("cells1",), (saved.model,)))), Predicted)
    np.testing.assert_array_equal(there.labels, here.labels)


@pytest.mark.long
def test_a_cancelled_training_keeps_a_model(server, engines, own):
    engine = engines(server)
    number = engine.submit(TrainJob(own, config_of(own, LONG)))
    wait(engine, lambda e: isinstance(e, StepDone) and e.step >= 3)
    engine.cancel(number)
    (saved,) = only(wait(engine, finished), Saved)
    assert saved.stopped_by == "person"
    assert (own / "models" / saved.model / "weights.safetensors").is_file()


def test_what_is_cancelled_before_it_is_sent_is_never_begun(server, engines, own):
    engine = engines(server)
    engine.cancel(engine.submit(TrainJob(own, config_of(own, LONG))))
    events = wait(engine, finished)
    assert only(events, Stopped) or only(events, Saved)[0].stopped_by == "person"
    assert not only(events, Failed)


def test_a_persons_mistake_comes_back_with_a_hint(server, engines, own):
    engine = engines(server)
    engine.submit(PredictJob(own, ("nobody",), ("v1",)))
    assert "nobody" in only(wait(engine, finished), Failed)[0].message
    (own.parent / "cells2.npy").rename(own.parent / "elsewhere.npy")
    engine.submit(PredictJob(own, ("cells2",), ("v1",)))
    assert "cells2.npy" in only(wait(engine, finished), Failed)[0].message


def test_pictures_on_a_disk_of_both_are_not_sent(tmp_path, servers, engines, own):
    engine = engines(servers(0, "--map", f"{own.parent}={own.parent}"))
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    assert only(wait(engine, finished), Predicted)
    assert not list((tmp_path / "scratch").rglob("*.npy"))


# --- lost connections and dead ends ---------------------------------------------------------------


def test_a_line_that_breaks_costs_nothing(server, engines, own):
    proxy = Proxy(server.port)
    engine = engines(server, port=proxy.port)
    engine.submit(TrainJob(own, config_of(own, [*SMALL, "train.steps=40", "train.seconds=100"])))
    wait(engine, lambda e: isinstance(e, StepDone) and e.step >= 3)
    proxy.cut()
    events = wait(engine, lambda e: isinstance(e, Connection) and e.up)
    events += wait(engine, finished)
    steps = [e.step for e in only(events, StepDone)]
    assert steps == list(range(steps[0], steps[0] + len(steps)))  # none lost, none twice
    assert only(events, Saved)
    assert not only(events, Failed)
    proxy.close()


@pytest.mark.long
def test_a_killed_server_is_told_of_and_what_it_left_comes_home(tmp_path, servers, engines, own):
    server = servers()
    engine = engines(server)
    engine.submit(TrainJob(own, config_of(own, [*LONG, "train.checks=1000", "train.checkpoint=1"])))
    wait(engine, lambda e: isinstance(e, StepDone) and e.step >= 8)
    scratch = tmp_path / "scratch"
    end = time.monotonic() + 1200
    while not list(scratch.rglob("checkpoint.safetensors")):
        assert time.monotonic() < end
        time.sleep(0.05)
    server.kill()
    events = wait(engine, lambda e: isinstance(e, Connection) and not e.up)
    servers(server.port)
    events += wait(engine, finished)
    assert "started again" in only(events, Failed)[0].message
    assert only(events, Connection)[-1].up
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    assert only(wait(engine, finished), Predicted)
    assert unfinished_runs(own / "runs") == ["v2"]  # it can be gone on with, there or here


@pytest.mark.long
def test_a_window_that_dies_leaves_no_orphan_and_its_training_is_not_lost(tmp_path, servers, engines, own):
    server = servers(0, "--keep", "30")
    first = engines(server)
    first.submit(TrainJob(own, config_of(own, [*SMALL, "train.steps=30"])))
    wait(first, lambda e: isinstance(e, StepDone))
    os.kill(first.pid, signal.SIGKILL)
    waiting = tmp_path / "scratch"
    end = time.monotonic() + 1200
    while not [p for p in waiting.rglob("waiting.json") if "models/v2" in p.read_text()]:
        assert time.monotonic() < end
        time.sleep(0.1)
    second = engines(server)
    end = time.monotonic() + 1200
    while not (own / "models" / "v2").is_dir():  # as soon as the first session has ended
        assert time.monotonic() < end
        second.submit(PredictJob(own, ("cells1",), ("v1",)))
        wait(second, finished)
        second.replace()
        wait(second, lambda e: isinstance(e, Ready))
    with Project.open(own) as project:
        assert project.model_card("v2").parent == "v1"


def test_a_server_without_an_engine_left_says_so(tmp_path, engines, own, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    token = tmp_path / "token"
    keep_token(token, "a" * 20)
    monkeypatch.setattr(remote_client, "PATIENCE_S", 1.0)
    told: list[Event] = []
    client = remote_client.Client(f"127.0.0.1:{port}", token, "auto", told.append)
    threading.Thread(target=client.keep_connected, daemon=True).start()
    with pytest.raises(CellsegError, match="cannot be reached"):
        client.connected()
    assert not told[0].up


# --- who may come in --------------------------------------------------------------------------------


def test_a_wrong_token_is_refused(server, tmp_path, own):
    token = tmp_path / "token"
    keep_token(token, "wrong" * 5)
    engine = Engine(f"127.0.0.1:{server.port}", token)
    engine.submit(PredictJob(own, ("cells1",), ("v1",)))
    events = wait(engine, finished)
    assert "token is not one of this server's" in only(events, Failed)[0].message
    assert not only(events, Predicted)
    engine.close()


def test_another_version_is_refused_and_who_cannot_prove_the_token_is_no_server(server):
    token = read_token(server.token("anna"))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        challenge = FIRST_WORDS.read(connection.recv_into)
        said = proof(token, "client", challenge.nonce, "n")
        login = Login("0.0.1", "n", said, "", 0, "auto", "w")
        connection.sendall(b"".join(FIRST_WORDS.encode(login)))
        assert "version" in FIRST_WORDS.read(connection.recv_into).message
    assert owner({"a": token}, proof(token, "server", "x", "n"), "client", "x", "n") is None  # no echo of one's own


def test_a_proof_is_for_one_connection(server):
    token, nonces = read_token(server.token("anna")), []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            challenge = FIRST_WORDS.read(connection.recv_into)
            assert isinstance(challenge, Challenge)
            nonces.append(challenge.nonce)
            said = proof(token, "client", nonces[0], "n")
            login = Login(VERSION, "n", said if len(nonces) > 1 else "", "", 0, "auto", "w")
            connection.sendall(b"".join(FIRST_WORDS.encode(login)))
            assert isinstance(FIRST_WORDS.read(connection.recv_into), Refused)
    assert nonces[0] != nonces[1]


@pytest.mark.parametrize("seed", range(4))
def test_garbage_before_a_login_is_answered_by_the_end(server, seed):
    rng = np.random.default_rng(seed)
    whole = b"".join(FIRST_WORDS.encode(Login(VERSION, "n", "p", "", 0, "auto", "w")))
    for n in range(40):
        data = [rng.bytes(60), whole[: int(rng.integers(0, len(whole)))], HEAD.pack(MARK, 1 << 30, 1 << 40), whole][
            n % 4
        ]
        with socket.create_connection(("127.0.0.1", server.port), timeout=600) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 12):
                    pass
            except OSError:
                pass
    assert server.process.poll() is None


@pytest.mark.long
def test_two_people_are_kept_apart(server, engines, own, tmp_path):
    shutil.copytree(own.parent, tmp_path / "hers")
    hers = tmp_path / "hers" / own.name
    anna, bert = engines(server, "anna"), engines(server, "bert")
    with Project.open(hers) as project:
        project.db.put_setting("secret", "hers")
    bert.submit(PredictJob(own, ("cells1",), ("v1",)))
    anna.submit(PredictJob(hers, ("cells2",), ("v1",)))
    assert only(wait(anna, finished), Predicted)[0].image == "cells2"
    assert only(wait(bert, finished), Predicted)[0].image == "cells1"
    homes = {path.name.rpartition("-")[0]: path for path in (server.folder / "scratch").iterdir()}
    assert set(homes) == {"anna", "bert"}
    assert all(stat.S_IMODE(home.stat().st_mode) == 0o700 for home in homes.values())
    assert not [db for db in homes["bert"].rglob("*.db") if b"secret" in db.read_bytes()]


def test_tokens_are_private_and_shown_once(tmp_path, capsys):
    tokens = tmp_path / "tokens"
    assert main(["engine", "--add", "anna", "--tokens", str(tokens)]) == 0
    assert read_tokens(tokens)["anna"] in capsys.readouterr().out
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    assert main(["engine", "--add", "anna", "--tokens", str(tokens)]) == 2
    assert main(["engine", "--add", "../x", "--tokens", str(tokens)]) == 2
    assert main(["engine", "--listen", "nowhere", "--tokens", str(tokens)]) == 2
    assert main(["engine", "--map", "/a=/nowhere", "--tokens", str(tokens)]) == 2
    tokens.chmod(0o644)
    with pytest.raises(CellsegError, match="Others may read"):
        read_tokens(tokens)
    tokens.chmod(0o600)
    tokens.write_text("anna short\n")
    with pytest.raises(CellsegError, match="16 characters"):
        read_tokens(tokens)
    with pytest.raises(CellsegError, match="no token"):
        keep_token(tmp_path / "t", "two words")
    with pytest.raises(CellsegError, match="There is no token"):
        read_token(tmp_path / "missing")


# --- scratch copies ---------------------------------------------------------------------------------


def test_copies_that_nobody_works_with_are_deleted_unless_something_waits_in_them(tmp_path):
    old, fetched, busy, new = (Scratch(tmp_path / name, "") for name in ("old", "waits", "runs", "new"))
    for copy in (old, fetched, busy, new):
        copy.use()
    (fetched.project / "models" / "v1").mkdir(parents=True)
    fetched.keep("models/v1")
    (busy.project / "runs" / "v2").mkdir(parents=True)
    for name in ("old", "waits", "runs"):
        os.utime(tmp_path / name / "used", (0, 0))
    unused = [copy for copy in scratch_copies(tmp_path) if copy.unused_for(86400)]
    assert [copy.project for copy in unused] == [old.project]
    unused[0].forget()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "runs", "waits"]
    fetched.taken("models/v1")
    assert fetched.unused_for(86400)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "models/../../x",
        "models//x",
        "",
        ".",
        "models/a\\b",
        "models/c:d",
        "other/x",
        "models/\0",
    ],
)
def test_no_path_leads_out_of_a_scratch_copy(tmp_path, path):
    with pytest.raises(CellsegError):
        Scratch(tmp_path / "s", "").place(path)


def test_a_piece_outside_of_its_file_is_refused(tmp_path):
    scratch, nothing = Scratch(tmp_path / "s", ""), np.zeros((0, 16), np.uint8)
    scratch.offer(Offer("models/v1", ("a",), np.array([10], np.int64), nothing))
    for pieces, data in (([1], 10), ([-1], 10), ([0], 5), ([1 << 40], 10)):
        put = Put("models/v1", "a", np.array(pieces, np.int64), np.zeros(data, np.uint8))
        with pytest.raises(CellsegError):
            scratch.put(put)
    assert (scratch.project / "models/v1/a").read_bytes() == bytes(10)


def test_names_of_pictures_stay_names():
    assert picture_tree("C:\\data\\cells.ome.tif").endswith("/cells.ome.tif")
    assert picture_tree("/data/../..").count("/") == 2
    assert picture_tree("/a/x.tif") != picture_tree("/b/x.tif")


FILES = st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e"]), st.integers(0, 3 * PIECE + 5), max_size=4)


@given(st.lists(st.tuples(FILES, st.integers(0, 9), st.booleans()), min_size=1, max_size=4))
def test_a_mirror_is_what_it_mirrors_whatever_changes(tmp_path_factory, rounds):
    folder = tmp_path_factory.mktemp("mirror")
    scratch = Scratch(folder / "there", "")
    sent: list[int] = []

    def send(message: Offer | Put) -> None:
        if isinstance(message, Offer):
            scratch.offer(message)
        else:
            sent.append(len(message.data))
            scratch.put(message)

    def make() -> Mirror:
        return Mirror(folder / "here", send, scratch.offer, folder)

    mirror, here = make(), folder / "here" / "models" / "v1"
    for files, seed, fresh in rounds:
        shutil.rmtree(here, ignore_errors=True)
        for name, size in files.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(np.random.default_rng(seed).bytes(size))
        mirror = make() if fresh else mirror  # another session knows nothing
        mirror.update("models/v1", here)
        there = scratch.project / "models" / "v1"
        got = {p.relative_to(there).as_posix(): p.read_bytes() for p in there.rglob("*") if p.is_file()}
        assert got == {name: (here / name).read_bytes() for name in files}
        sent.clear()
        mirror.update("models/v1", here)
        make().update("models/v1", here)
        assert sum(sent) <= 1 << 18  # small trees are sent whole, of others nothing
    shutil.rmtree(folder)


def test_a_correction_costs_a_few_pieces_of_the_database(own, tmp_path):
    scratch, sent = Scratch(tmp_path / "there", ""), []

    def send(message: Offer | Put) -> None:
        if isinstance(message, Put):
            sent.append(len(message.data))
            scratch.put(message)
        else:
            scratch.offer(message)

    job = PredictJob(own, ("cells1",), ("v1",))
    with Project.open(own) as project:
        with project.db.transaction() as connection:
            connection.execute("INSERT INTO settings VALUES ('large', ?)", ("x" * 3_000_000,))
        mirror = Mirror(own, send, scratch.offer, tmp_path)
        mirror.bring_up_to_date(project, job)
        assert "models/v1" in trees(project, job)
        first = sum(sent)
        sent.clear()
        mirror.bring_up_to_date(project, job)
        assert not sent
        project.approve_labels("cells1", np.ones((96, 128), np.uint32))
        mirror.bring_up_to_date(project, job)
        assert 0 < sum(sent) < 6 * PIECE < first
    scratch.prepare()
    with sqlite3.connect(scratch.project / "project.db") as there, sqlite3.connect(own / "project.db") as here:
        query = "SELECT n, image, voxels FROM edits ORDER BY n"
        assert there.execute(query).fetchall() == here.execute(query).fetchall()
    assert digests(own / "project.toml", 1).tolist() == digests(scratch.project / "project.toml", 1).tolist()

"""What goes between the window and its engine: back as it was sent, or refused; nothing in it is executed."""

from __future__ import annotations

import ast
import io
import math
import os
import struct
import subprocess
import sys
import time
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

import napari_cellseg.engine
from napari_cellseg.config import Config, Predict
from napari_cellseg.engine import Engine, LiveJob, PredictJob, Reply
from napari_cellseg.engine._codec import Codec, fits
from napari_cellseg.engine._frames import HEAD, MARK, BadFrame, Limits, packed, read_frame
from napari_cellseg.engine._messages import CODEC, DOWN, UP, Beat, Look, Run
from napari_cellseg.errors import CellsegError
from napari_cellseg.events import Failed, Finished, Notice, Predicted, StepDone
from napari_cellseg.probabilities import OnlyPlane
from napari_cellseg.settings import Settings, members
from napari_cellseg.targets import Target

MESSAGES = sorted({k for k in (*DOWN, *UP) if is_dataclass(k)}, key=lambda k: k.__name__)
SETTINGS = (Config(), Predict(tile=96), Predict(flips=True), *(kind() for kind in members(Target)))
WORDS = st.text(max_size=12)
NUMBERS = st.floats(allow_nan=True)
PLAIN = st.none() | st.booleans() | st.integers() | NUMBERS | WORDS
DTYPES = ("bool", "uint8", "uint16", "uint32", "int64", "float16", "float32", "float64")


def arrays(dtype: Any) -> st.SearchStrategy[Any]:
    return st_numpy.arrays(dtype, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


ANY = st.recursive(
    PLAIN | st.sampled_from(SETTINGS[3:]) | st.sampled_from(DTYPES).flatmap(arrays),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(WORDS, inner),
    max_leaves=4,
)


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a declared type: whatever a dataclass of ours may hold."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([of(arg) for arg in args])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is np.ndarray:
        return arrays(get_args(args[1])[0])
    if origin is tuple:
        return st.lists(of(args[0]), max_size=3).map(tuple) if args[-1] is ... else st.tuples(*map(of, args))
    if origin in (dict, Mapping):
        return st.dictionaries(of(args[0]), of(args[1]), max_size=3)
    if origin in (list, Sequence):
        return st.lists(of(args[0]), max_size=3)
    simple = {Any: ANY, int: st.integers(), float: NUMBERS, str: WORDS, bool: st.booleans(), type(None): st.none()}
    if hint in simple:
        return simple[hint]
    if hint is Path:
        return WORDS.filter(lambda text: "\0" not in text).map(Path)
    if issubclass(hint, Settings):
        return st.sampled_from([s for s in SETTINGS if type(s) is hint])
    subclasses = [k for k in MESSAGES if issubclass(k, hint)]
    return st.one_of([message(k) for k in subclasses if k is hint or hint not in MESSAGES])


def message(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{f.name: of(hints[f.name]) for f in fields(kind)})


def same(one: Any, other: Any) -> bool:
    """Equal in type, value and shape, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def sent(value: Any) -> bytes:
    return b"".join(CODEC.encode(value))


def back(data: bytes, **limits: int) -> Any:
    return CODEC.read(io.BytesIO(data).readinto, Limits(**limits))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda k: k.__name__)
def test_every_event_and_job_comes_back_as_it_was(kind):
    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    @given(message(kind))
    def check(value: Any) -> None:
        assert same(back(sent(value)), value)
        assert all(fits(hint, getattr(value, name)) for name, hint in get_type_hints(kind).items())

    check()


def test_all_settings_come_back(tmp_path):
    for values in SETTINGS:
        assert back(sent(values)) == values


def test_arrays_of_any_order_and_endianness_come_back():
    values = np.arange(60, dtype=">u4").reshape(3, 4, 5).transpose(2, 0, 1)[::2, ::-1]
    got = back(sent(Reply(1, Predicted("a", "v1", values, 1.0)))).event.labels
    np.testing.assert_array_equal(got, values)
    assert got.dtype == np.uint32
    got[:] = 0  # it is its receiver's own


def test_labels_in_a_folder_come_as_their_path(tmp_path):
    flat = zarr.create_array(str(tmp_path / "labels.zarr"), shape=(1, 5, 6), dtype="uint32", chunks=(1, 5, 6))
    flat[:] = np.arange(30).reshape(1, 5, 6)
    data = sent(Reply(1, Predicted("a", "v1", OnlyPlane(flat), 1.0)))
    assert len(data) < 1000
    got = back(data).event.labels
    assert isinstance(got, OnlyPlane)
    np.testing.assert_array_equal(np.asarray(got), np.arange(30).reshape(5, 6))
    with pytest.raises(ValueError, match="read.only"):
        got.array[0, 0, 0] = 1
    where = []
    Codec(UP, lambda path: where.append(path) or got.array).read(io.BytesIO(data).readinto)
    assert where == [str(tmp_path / "labels.zarr")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(Reply(1, Predicted("a", "v1", object(), 1.0)), "object", id="object"),
        pytest.param(Reply(1, Predicted("a", "v1", np.array(["a"]), 1.0)), "<U1", id="texts"),
        pytest.param(Reply(1, Predicted("a", "v1", np.array([{}], object), 1.0)), "object", id="objects"),
        pytest.param(Reply(1, Predicted("a", "v1", os.system, 1.0)), "builtin", id="function"),
    ],
)
def test_what_has_no_place_in_a_message_is_not_sent(value, reason):
    with pytest.raises(BadFrame, match=reason):
        CODEC.encode(value)


def raw(text: str, body: bytes = b"") -> bytes:
    return HEAD.pack(MARK, len(text), len(body)) + text.encode() + body


def framed(message: str, arrays: str = "[]", body: bytes = b"") -> bytes:
    return raw(f'{{"message":{message},"arrays":{arrays}}}', body)


REFUSED = {
    "garbage": b"\x80\x05\x95" + bytes(40),
    "another version": b"CSF2" + sent(Beat())[4:],
    "huge header": HEAD.pack(MARK, 1 << 31, 0),
    "huge body": HEAD.pack(MARK, 2, 1 << 63) + b"{}",
    "no JSON": raw("os.system"),
    "half JSON": raw('{"message":'),
    "not ASCII": HEAD.pack(MARK, 2, 0) + b"\xff\xfe",
    "a list": raw("[]"),
    "more than that": raw('{"message":1,"arrays":[],"more":1}'),
    "deep": framed("[" * 100_000 + "]" * 100_000),
    "digits": framed("9" * 10_000),
    "only a number": framed("1"),
    "only a tuple": framed('{"$":"tuple","of":[]}'),
    "no class": framed('{"$":"os.system","command":"true"}'),
    "a builtin": framed('{"$":"Popen"}'),
    "without a kind": framed('{"number":1}'),
    "a kind that is no name": framed('{"$":[]}'),
    "unknown field": framed('{"$":"Beat","more":1}'),
    "missing field": framed('{"$":"Cancel"}'),
    "wrong type": framed('{"$":"Cancel","number":"1"}'),
    "a bool for a number": framed('{"$":"Cancel","number":true}'),
    "a float for a number": framed('{"$":"Cancel","number":1.5}'),
    "an event for a job": framed('{"$":"Run","number":1,"job":{"$":"Beat"}}'),
    "settings out of range": framed('{"$":"Predict","values":{"tile":-5}}'),
    "settings that are none": framed('{"$":"Predict","values":{"command":"true"}}'),
    "settings of another kind": framed('{"$":"Predict","values":5}'),
    "no such array": framed('{"$":"array","n":0}'),
    "an array from the end": framed('{"$":"array","n":-1}', '[["|u1",[1]]]', b"1"),
    "objects": framed("1", '[["|O",[1]]]', bytes(8)),
    "texts": framed("1", '[["<U1",[2]]]', bytes(8)),
    "fields": framed("1", '[["V8",[1]]]', bytes(8)),
    "dtype of another kind": framed("1", '[[{"a":1},[1]]]', bytes(8)),
    "negative shape": framed("1", '[["|u1",[-8]]]', bytes(8)),
    "shape that overflows": framed("1", f'[["|u1",[{1 << 40},{1 << 40}]]]', bytes(8)),
    "shape of floats": framed("1", '[["|u1",[8.0]]]', bytes(8)),
    "another size": framed("1", '[["|u1",[9]]]', bytes(8)),
    "many arrays": framed("1", "[" + ",".join(['["|u1",[0]]'] * 100) + "]"),
    "many axes": framed("1", f'[["|u1",{[1] * 40}]]', b"1"),
    "no bools": framed("1", '[["|b1",[1]]]', b"\x07"),
    "a path with a null": framed('{"$":"stored","path":"\\u0000","plane":false}'),
    "nothing there": framed('{"$":"stored","path":"/nowhere","plane":false}'),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_none_of_ours_is_refused_with_a_reason(data):
    with pytest.raises(CellsegError, match="not understood"):
        back(data)


def test_a_frame_that_ends_early_is_an_end(tmp_path):
    job = LiveJob(tmp_path, "a", "v1", ((0, 4), (0, 4)), np.ones((4, 4), np.uint32), np.ones((4, 4), np.uint8))
    whole = sent(Run(3, job))
    assert same(back(whole).job, job)
    for n in range(len(whole)):
        with pytest.raises(EOFError):
            back(whole[:n])


def test_limits_are_held_before_anything_is_read():
    values = np.zeros(1000, np.uint8)
    data = b"".join(packed(1, [values]))
    assert read_frame(io.BytesIO(data).readinto)[0] == 1
    asked: list[int] = []

    def read(buffer: memoryview) -> int:
        asked.append(len(buffer))
        return stream.readinto(buffer)

    stream = io.BytesIO(data)
    with pytest.raises(BadFrame, match="1,000"):
        read_frame(read, Limits(body=999))
    assert sum(asked) == HEAD.size


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_frames_are_refused_or_something_of_ours(data):
    frames = [
        sent(Run(1, PredictJob(Path("p"), ("a",), ("v1",), Predict()))), sent(Look(2, (1.0, 2.0))),
        sent(Reply(1, Predicted("a", "v1", np.zeros((3, 4), np.uint32), 1.0))),
        sent(Reply(2, StepDone(1, 0.5, 1.0, 2.0))),
    ]  # fmt: skip
    frame = bytearray(data.draw(st.sampled_from(frames)))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(frame) - 1), st.integers(0, 255)), max_size=5)):
        frame[at] = byte
    frame = frame[: data.draw(st.integers(0, len(frame)))] + data.draw(st.binary(max_size=20))
    try:
        got = back(bytes(frame), body=1 << 20, header=1 << 20)
    except (EOFError, BadFrame):
        return
    assert type(got) in CODEC.kinds.values()


def test_nothing_in_the_engine_can_run_what_it_reads():
    folder = Path(napari_cellseg.engine.__file__).parent
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not names & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "multiprocessing.connection"}, path
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not calls & {"eval", "exec", "__import__"}, path


@pytest.mark.parametrize("garbage", [b"garbage" * 9, HEAD.pack(MARK, 1 << 31, 0), b""], ids=["text", "huge", "end"])
def test_a_child_that_gets_garbage_leaves(garbage):
    child = subprocess.run(
        [sys.executable, "-m", "napari_cellseg.engine._child"], input=garbage, capture_output=True, timeout=1500,
    )  # fmt: skip
    assert child.returncode == 0
    assert b"Traceback" not in child.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_a_child_that_says_garbage_is_ended_and_told_of(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho this is no frame of ours at all\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    engine = Engine()
    number = engine.submit(PredictJob(tmp_path, ("a",), ("v1",)))
    process, events, end = engine._process, [], time.monotonic() + 1200
    while not any(isinstance(e, Finished) for e in events):
        events += [reply.event for reply in engine.poll()]
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "not understood" in next(e.text for e in events if isinstance(e, Notice))
    assert "stopped unexpectedly" in next(e.message for e in events if isinstance(e, Failed))
    assert process.returncode is not None
    assert not engine.busy
    assert number == 1
    engine.close()

"""The report of a project: work, rounds, methods, page; from Python and the command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_cellseg as cs
from napari_cellseg.cli import main
from napari_cellseg.errors import CellsegError
from napari_cellseg.project import EditRow, Project, difference, undone_edits
from napari_cellseg.report import actions, methods, page, summed, tell
from napari_cellseg.report._effort import PAUSE


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A project with a round, to be changed."""
    return Path(shutil.copytree(trained.parent, tmp_path / "work")) / trained.name


class Clock:
    """Time as the test wants it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1.7e9
        monkeypatch.setattr("time.time", lambda: self.now)

    def after(self, seconds: float) -> None:
        self.now += seconds


def paint(project: Project, image: str, at: int, author: str, tool: str = "brush", state: int = 1) -> None:
    """One edit of four voxels."""
    store = project.store(image)
    store.author = author
    box = (slice(at, at + 2), slice(0, 2))
    labels = store.labels[box].copy() if tool.startswith("approve") else np.full((2, 2), store.next_id(), np.uint32)
    store.apply(difference(tool, store.labels, store.state, box, labels, np.full((2, 2), state, np.uint8)))


def test_work_is_counted_by_tool_and_person_without_pauses(project: Project, monkeypatch):
    clock, (image,) = Clock(monkeypatch), (r.id for r in project.images())
    paint(project, image, 0, "Ada")
    for seconds, author, tool in (
        (5, "Ada", "brush"), (3, "Emmy", "split"), (2, "Ada", "approve object"), (PAUSE + 1, "Ada", "brush"),
        (4, "Emmy", "brush"), (PAUSE, "Ada", "merge"),
    ):  # fmt: skip
        clock.after(seconds)
        paint(project, image, int(clock.now) % 50 * 2, author, tool, 2 if tool.startswith("approve") else 1)
    people = summed(actions(project), lambda a: a.author)
    # Ada: first (no time), 5, 5 since her last, a pause, 24 - also a pause; Emmy: first, then 2 + 21 + 4
    assert (people["Ada"].actions, people["Ada"].timed, people["Ada"].seconds) == (5, 2, 10.0)
    assert (people["Emmy"].actions, people["Emmy"].timed) == (2, 0)
    tools = summed(actions(project), lambda a: a.tool)
    assert {name: e.actions for name, e in tools.items()} == {"brush": 4, "split": 1, "approve object": 1, "merge": 1}
    assert tools["approve object"].each == 5.0
    assert tools["merge"].each is None


def test_what_was_taken_back_is_no_work_and_what_was_done_again_is(project: Project, monkeypatch):
    clock, (image,) = Clock(monkeypatch), (r.id for r in project.images())
    store = project.store(image)
    for at in (0, 4, 8):
        clock.after(2)
        paint(project, image, at, "Ada")
    store.undo()
    store.undo()
    store.redo()
    assert [a.voxels for a in actions(project)] == [4, 4]
    project.draft_labels(image, np.ones(store.labels.shape, np.uint32))
    assert len(actions(project)) == 2  # a draft is nobody's work


@given(st.lists(st.sampled_from(["do", "undo", "redo"]), max_size=30))
def test_undone_is_what_a_stack_says(steps):
    """A model of undo and redo with two stacks."""
    rows, done, taken = [], [], []
    for n, step in enumerate(steps, 1):
        source = {"do": None, "undo": done, "redo": taken}[step]
        if source is None:
            rows.append(EditRow(n, "a", 0.0, "x", "brush", "", None, ((0, 1),), 1))
            done.append(n)
            taken.clear()
        elif source:
            which = source.pop()
            rows.append(EditRow(n, "a", 0.0, "x", step, "", which, ((0, 1),), 1))
            (taken if step == "undo" else done).append(which)
    live = {r.n for r in rows if r.tool == "brush"} - undone_edits(rows)
    assert live == set(done)


def test_the_log_is_cut_where_trainings_took_it_up(copied: Path, monkeypatch):
    clock = Clock(monkeypatch)
    with Project.open(copied) as project:
        before = tell(project)
        assert [s.round.child for s in before.rounds] == [project.current_model]
        image = project.images()[0].id
        clock.after(5)
        paint(project, image, 0, "Ada")
        clock.after(5)
        paint(project, image, 0, "Ada", "approve object", 2)
        story = tell(project)
    assert len(story.stretches) == 2
    rest = story.stretches[-1]
    assert rest.round is None
    assert rest.effort.actions == 2
    assert rest.effort.seconds == 5
    assert rest.corrected == 4
    assert rest.share == 4 / (4 + rest.confirmed)
    assert rest.objects == 1, "the same object was painted, then approved"


class Checked(HTMLParser):
    """Every tag is closed, and nothing is fetched from elsewhere."""

    EMPTY = ("meta", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.sources += [v for k, v in attrs if k in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def checked(text: str) -> Checked:
    parser = Checked()
    parser.feed(text)
    assert parser.open == []
    assert all(s.startswith("data:image/png;base64,") for s in parser.sources)
    assert "url(" not in text
    assert not re.search(r"<script|<link|@import", text)
    return parser


def test_a_page_stands_alone_and_names_are_texts(tmp_path: Path, picture):
    with Project.create(tmp_path / "a<b>&'c") as project:
        project.add_image(picture[0])
        text = page(tell(project))
    found = checked(text)
    assert "a<b>&'c" in found.text
    assert "<b>&'c" not in text
    assert "No network has been trained yet." in found.text
    assert "No network was trained here." in found.text
    assert "A network (" not in found.text, "there is none that could have predicted"


def test_rounds_worst_cases_and_methods_are_told(copied: Path, tmp_path: Path):
    with cs.open(copied) as project:
        done = project.report(tmp_path / "out" / "r.html", cases=2, as_numbers=tmp_path / "r.json")
        current = project.current_model
        story = tell(project.project)
    assert done.rounds == 1
    assert done.cases in (0, 1, 2)
    found = checked((tmp_path / "out" / "r.html").read_text())
    round_ = story.rounds[0]
    assert f"{round_.metric('iou', 'after'):.3f}" in found.text
    assert found.text.count("IoU 0.") >= done.cases
    text = methods(story)
    assert text in found.text
    for part in (
        "2 images (96 x 128 pixels)",
        "encoder tu-test_resnet",
        "Normalise",
        f"({current})",
        "torch ",
        "seed 0",
    ):
        assert part in text
    numbers = json.loads((tmp_path / "r.json").read_text())
    assert numbers["objects_corrected_or_approved"] == 0, "imported masks were no work here"
    assert numbers["rounds"][0]["metrics"]["ap50"]["after"] == round_.metric("ap50", "after")
    assert numbers["current_model"] == current


def test_work_is_told_by_object(project: Project, monkeypatch):
    clock, (image,) = Clock(monkeypatch), (r.id for r in project.images())
    for at in (0, 4, 8, 8):
        clock.after(6)
        paint(project, image, at, "Ada", "brush")
    story = tell(project)
    assert story.objects_known == 3, "the last stroke was over the one before"
    assert "3 objects are corrected or approved: 1.3 actions and 6 s for each of them." in page(story)


def test_the_command_line_writes_the_same(copied: Path, tmp_path: Path, capsys):
    with cs.open(copied) as project:
        project.report(tmp_path / "a.html", cases=0, as_numbers=tmp_path / "a.json")
    assert main(["report", str(copied), "--out", str(tmp_path / "b.html"), "--cases", "0", "--json",
                 str(tmp_path / "b.json")]) == 0  # fmt: skip
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert str(tmp_path / "b.html") in capsys.readouterr().out


def test_what_cannot_be_written_is_said_and_leaves_nothing(copied: Path, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["report", str(copied), "--out", str(tmp_path / "file" / "r.html"), "--cases", "0"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "in the way"
    with cs.open(copied) as project, pytest.raises(CellsegError, match="-1 cases"):
        project.report(tmp_path / "r.html", cases=-1)
    assert not (tmp_path / "r.html").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_without_a_network_shows_it(copied: Path, tmp_path: Path):
    from skimage.io import imread

    with cs.open(copied) as project:
        project.report(tmp_path / "r.html", cases=0)
    shot = tmp_path / "shot.png"
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * 0.0.0.0",
         "--window-size=1000,1600", f"--screenshot={shot}", f"file://{tmp_path / 'r.html'}"],
        check=True, capture_output=True, timeout=1500,
    )  # fmt: skip
    pixels = imread(shot)[..., :3]
    assert (pixels < 100).any(-1).mean() > 0.002  # text and curves
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100

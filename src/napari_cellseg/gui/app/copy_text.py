"""What a step does, as a command to type and as lines of Python, for whoever wants to do it again elsewhere. No Qt."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .session import Session


@dataclass(frozen=True)
class Call:
    """A verb of the command line and of `napari_cellseg.open`, with its arguments.

    Attributes
    ----------
    options
        By their names in Python; those of the command line follow from them. `settings` is a mapping.
    """

    project: str
    verb: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """A line for a shell."""
        words = ["napari-cellseg", self.verb, self.project]
        for name, value in self.options.items():
            for flag, text in _flags(name, value):
                words += [flag, *([text] if text else [])]
        return shlex.join(words)

    @property
    def python(self) -> str:
        """Lines of a script."""
        arguments = ", ".join(f"{name}={_plain(value)!r}" for name, value in self.options.items())
        return (
            "import napari_cellseg as cs\n\n"
            f"with cs.open({self.project!r}) as project:\n    project.{self.verb}({arguments})\n"
        )


_FLAGS = {"images": "--image", "models": "--model", "settings": "--set"}


def _flags(name: str, value: Any) -> list[tuple[str, str]]:
    """An option as pairs of flag and text."""
    flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
    if isinstance(value, bool):
        return [(flag, "")] if value else []
    if isinstance(value, Mapping):
        return [(flag, f"{key}={given}") for key, given in value.items()]
    return [(flag, str(one)) for one in (value if isinstance(value, tuple) else (value,))]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def calls(s: Session) -> dict[str, Call]:
    """What can be copied, by the title of the step: nothing before a project is open."""
    if s.project is None:
        return {}
    path, image = str(s.project.path), {"images": (s.image,)} if s.image else {}
    found = {
        "Image": Call(path, "export", {"out": "labels"}),
        "Correct": Call(path, "export", {**image, "out": "labels"}),
        "Fine-tune": Call(path, "train"),
    }
    if not s.measured.labels:
        found["Measure"] = Call(path, "measure", {**image, "csv": f"{s.image or 'objects'}.csv"})
    if s.current_model:
        changed = _changed(s)
        found["Predict"] = Call(
            path, "predict", {**image, "models": s.together_now, **({"settings": changed} if changed else {})}
        )
        found["Rounds"] = Call(path, "evaluate", {"model": s.current_model})
    return found


def _changed(s: Session) -> dict[str, Any]:
    """The thresholds that the person has set otherwise than the model's own."""
    if s.chosen is None or s.own is None:
        return {}
    own = s.own.model_dump()
    return {f"target.{name}": value for name, value in s.chosen.model_dump().items() if own.get(name) != value}

"""What an undo takes back, in a person's words: ``stroke on object 12``. Pure functions. No Qt."""

from __future__ import annotations

import numpy as np

from ...project import ANSWER, Act, Edit

WORDS = {
    "paint": "stroke", "brush": "stroke", "erase": "erasing", "fill": "fill", "polygon": "polygon",
    "outside": "change by another plugin", "script": "change by a script", "import": "masks taken as truth",
    "approve object": "approve",
    "recover": "what the recovery found",
}  # fmt: skip
"""Where a tool's name is not what a person calls what it does."""
DRAFT, CLEANED, PART, PREDICTION, HINTED = "draft", "clean", "part", "predict", "hinted"
"""How groups of edits by a machine begin: they tell what was asked for."""
BY_ALGORITHM = (DRAFT, CLEANED)
"""Of these, the source is no network."""
LARGEST = 1 << 20
"""Edits of more voxels are not read to see whose they are."""


def group_of(kind: str, window: str, number: int, n: int) -> str:
    """The name of a group of edits that are undone together, asked for after edit `n`."""
    return f"{kind}-{window}-{number}@{n}"


def act_text(act: Act | None, edit: Edit | None = None, classes: tuple[str, ...] = ()) -> str:
    """What an act is, "" for none.

    Parameters
    ----------
    edit
        Its voxels, where it is one small edit of a person: they tell the object.
    classes
        Names of the labels, where these are classes.
    """
    if act is None:
        return ""
    row = act.meant[0]
    if not row.by_hand:
        return _by_machine(row.group, row.tool)
    what = WORDS.get(row.tool, f"going back to edit {row.tool[8:]}" if row.tool.startswith("restore ") else row.tool)
    whose = _whose(edit, classes) if edit is not None else ""
    return " ".join(filter(None, (what, whose, "and Live's answer" if act.answered else "")))


def takes_all(act: Act | None) -> bool:
    """Whether it is the labels of a whole image that go."""
    return act is not None and act_text(act).endswith("of the whole image")


def _by_machine(group: str, tool: str) -> str:
    """What nobody did by hand."""
    kind = group.split("-")[0]
    if group.startswith(ANSWER):
        return "Live's answer"
    if kind == HINTED:
        return "Live's answer to a hint"
    if kind == CLEANED:
        return "clean-up of the whole image"
    if kind == PART:
        return "prediction of a part of the image"
    return f"{'draft' if DRAFT in (kind, tool) else 'prediction'} of the whole image"


def _whose(edit: Edit, classes: tuple[str, ...]) -> str:
    """``on object 12``: the object that was made or changed, else the one that was taken away."""
    changed = edit.new_labels != edit.old_labels
    new, old = (np.unique(v[changed] if changed.any() else v) for v in (edit.new_labels, edit.old_labels))
    ids = new[new > 0] if (new > 0).any() else old[old > 0]
    if not len(ids):
        return ""
    if len(ids) > 1:
        return f"on {len(ids)} {'classes' if classes else 'objects'}"
    id = int(ids[0])
    return f"on {classes[id - 1]}" if classes and id <= len(classes) else f"on object {id}"

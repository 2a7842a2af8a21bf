"""Two label sets of the open image: where they differ, and whose outline counts. No Qt.

Data flow: other labels (files, copies of the project, the model) -> their consensus, if there are several -> `compare`
in the helper thread -> differences in the review queue and an agreement layer -> mine (approve) or theirs (an edit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ... import edits
from ...boxes import around
from ...engine import DecodeJob
from ...errors import CellsegError
from ...evaluate import Difference, Item, agreement, agreement_map, compare, consensus, pairwise, regions
from ...project import labels_of_others

if TYPE_CHECKING:
    from .controller import Controller

Labels = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Found:
    """What a comparison found.

    Attributes
    ----------
    theirs
        The other labels, or what most annotators (the open image's among them) say.
    text
        Figures, for people.
    map
        See `agreement_map`.
    regions
        Connected regions of both sides, in projects of classes.
    """

    theirs: Labels
    text: str
    differences: list[Difference]
    map: NDArray[np.uint8]
    regions: tuple[Labels, Labels] | None


class Comparing:
    """Compares the open image's labels with others."""

    def __init__(self, controller: Controller) -> None:
        self._c = controller
        self._theirs: Labels | None = None
        self._regions: tuple[Labels, Labels] | None = None
        self._differences: list[Difference] = []
        self.job: int | None = None
        """The job whose labels are for comparing, and for nothing else."""
        self._waits = False

    # --- where theirs come from -------------------------------------------------------------------

    def with_files(self, paths: Sequence[Path]) -> None:
        """Masks in any format that can be read, or copies of this project by other annotators."""
        record, classes = self._c.canvas().record, self._c.project().meanings
        self._compare(lambda: labels_of_others(paths, record, classes, [_MINE]))

    def with_model(self) -> None:
        """What the current model says, from its kept probabilities."""
        c = self._c
        target = c.predicting.target()
        if target is None or not c.session.kept:
            raise CellsegError("No probabilities are kept for this image.", "Press Predict first.")
        c.begin(DecodeJob(c.project().path, c.session.image, c.predicting.models(), target), "decode")
        self.job, self._waits = c.job, True

    def answered(self, theirs: Labels, name: str) -> None:
        """What the model says is there; nobody may be interested any more."""
        if self._waits:
            self._waits = False
            self.show(theirs, name)

    def show(self, theirs: Labels, name: str) -> None:
        """Compare with labels of the image's shape."""
        self._compare(lambda: {name: theirs})

    def _compare(self, load: Callable[[], dict[str, Labels]]) -> None:
        """Load what others say and compare, off the main thread."""
        c = self._c
        canvas, image, instances = c.canvas(), c.session.image, c.instances()
        n_classes = 1 if instances else len(c.project().classes)

        def take(found: Found) -> None:
            if image == c.session.image and c.family is not None:
                self._take(found)

        c.session.update(status="Comparing...")
        c.helper.later(lambda: _found(canvas.labels.copy(), load(), n_classes, instances), take)

    def _take(self, found: Found) -> None:
        c = self._c
        self._theirs, self._regions, self._differences = found.theirs, found.regions, found.differences
        assert c.family is not None
        c.family.overlays.show_agreement(found.map)
        ids = [d.left[0] if d.left and c.instances() else 0 for d in found.differences]
        items = [Item(i, d.box, 1 - d.iou, (_WORDS[d.kind],)) for i, d in zip(ids, found.differences, strict=True)]
        c.session.update(compared=f"{c.session.image} against {found.text}")
        c.reviewing.load(items, "difference")

    def stop(self) -> None:
        """Take the comparison away."""
        self._theirs, self._regions, self._differences, self._waits = None, None, [], False
        if self._c.family is not None:
            self._c.family.overlays.show_agreement(None)
        self._c.session.update(compared="")

    # --- whose outline counts ---------------------------------------------------------------------

    def mine(self) -> None:
        """The open image's objects are right: approve them."""
        c, difference = self._c, self._current()
        scene = c.correcting.scene().at(None)
        if self._regions is not None:
            box = tuple(slice(a, b) for a, b in difference.box)
            c.apply(edits.approve_mask(scene, box, self._place(difference, box)))
        for id in difference.left if self._regions is None else ():
            if id in scene.objects:
                piece = scene.piece(id)
                if (scene.state[piece.box][piece.mask] != 2).any():
                    c.apply(edits.approve_object(scene, piece))
        c.reviewing.leave("approved")

    def theirs(self) -> None:
        """The other side is right: its objects replace ours in this place."""
        c, difference = self._c, self._current()
        assert self._theirs is not None
        box = tuple(slice(a, b) for a, b in difference.box)
        scene = c.correcting.scene().at(None)
        if self._regions is not None:  # only these regions: others in the box are other places
            shapes = np.where(self._place(difference, box), self._theirs[box], scene.labels[box]).astype(np.uint32)
            c.apply(edits.replace_objects(scene, box, (), shapes))
        else:
            ids = [i for i in difference.left if i in scene.objects]
            box = around((box, *(scene.piece(id).box for id in ids)))  # they may have grown or moved since
            shapes = np.where(np.isin(self._theirs[box], difference.right), self._theirs[box], 0).astype(np.uint32)
            c.apply(edits.replace_objects(scene, box, ids, shapes))
        c.reviewing.leave("fixed")

    def _place(self, difference: Difference, box: tuple[slice, ...]) -> NDArray[np.bool_]:
        """Where the regions of one difference lie, of the box's shape."""
        assert self._regions is not None
        mine, theirs = (side[box] for side in self._regions)
        return np.asarray(np.isin(mine, difference.left) | np.isin(theirs, difference.right))

    def _current(self) -> Difference:
        place = self._c.session.place
        if self._theirs is None or not 0 <= place < len(self._differences):
            raise CellsegError("No difference is shown.", "Compare with other labels first.")
        return self._differences[place]


_WORDS = {
    "only left": "only in mine", "only right": "only in theirs", "split": "one in mine, several in theirs",
    "merged": "several in mine, one in theirs", "outline": "another outline",
}  # fmt: skip
_MINE = "mine"


def _found(mine: Labels, others: dict[str, Labels], n_classes: int, instances: bool) -> Found:
    sides = {_MINE: mine, **others}
    if len(others) == 1:
        ((name, theirs),) = others.items()
        pairs = {}
    else:
        name, theirs = f"the consensus of {len(sides)}", consensus(list(sides.values()), instances=instances)
        pairs = pairwise(sides, n_classes)
    differences = compare(mine, theirs, instances=instances)
    lines = [f"{name}: {_figures(agreement(mine, theirs, n_classes))}, {len(differences)} differences."]
    lines += [f"{a} - {b}: {_figures(figures)}" for (a, b), figures in pairs.items()]
    both = None if instances else (regions(mine), regions(theirs))
    return Found(theirs, "\n".join(lines), differences, agreement_map(mine, theirs), both)


def _figures(figures: dict[str, float]) -> str:
    return f"Dice {figures['dice']:.3f}, kappa {figures['kappa']:.3f}"

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
from ..._types import Labels
from ...boxes import around
from ...engine import Reply
from ...errors import CellsegError
from ...evaluation import Difference, Item, agreement, agreement_map, compare, consensus, pairwise, regions
from ...project import Project, copied, labels_of_others
from .model_labels import ModelLabels
from .report_errors import after_settling

if TYPE_CHECKING:
    from .label_writer import LabelWriter
    from .review import Review
    from .workspace import Workspace


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


class Comparison:
    """Compares the open image's labels with others."""

    def __init__(self, workspace: Workspace, writer: LabelWriter, review: Review) -> None:
        self._ws, self._writer, self._review = workspace, writer, review
        self._theirs: Labels | None = None
        self._regions: tuple[Labels, Labels] | None = None
        self._differences: list[Difference] = []
        self._model = ModelLabels(workspace)

    # --- where theirs come from -------------------------------------------------------------------

    def with_files(self, paths: Sequence[Path]) -> None:
        """Masks in any format that can be read, or copies of this project by other annotators."""
        record, folder = self._ws.store().record, self._ws.project().path

        def load() -> dict[str, Labels]:
            with Project.open(folder) as own:  # this thread's own connection
                return labels_of_others(paths, record, own.meanings, [_MINE], own)

        self._compare(load)

    def with_model(self) -> None:
        """What the current model says, from its kept probabilities."""
        self._model.ask(self.show)

    def take(self, reply: Reply) -> bool:
        """The labels that the model was asked for; True if it was them."""
        return self._model.take(reply)

    def replaced(self) -> None:
        """A prediction changes the labels that were compared."""
        if self._ws.session.compared:
            self._review.stop()
            self._ws.session.update(notice="The comparison has ended: a prediction changed the labels. Compare again.")

    def show(self, theirs: Labels, name: str) -> None:
        """Compare with labels of the image's shape."""
        self._compare(lambda: {name: theirs})

    def _compare(self, load: Callable[[], dict[str, Labels]]) -> None:
        """Load what others say and compare, off the main thread."""
        ws = self._ws
        store, image, instances = ws.store(), ws.session.image, ws.instances
        n_classes = 1 if instances else len(ws.project().classes)

        def take(found: Found) -> None:
            if image == ws.session.image and ws.family is not None:
                self._take(found)

        ws.session.update(status="Comparing...")
        ws.helper.later(lambda: _found(copied(store.labels, image), load(), n_classes, instances), take)

    def _take(self, found: Found) -> None:
        ws = self._ws
        self._theirs, self._regions, self._differences = found.theirs, found.regions, found.differences
        assert ws.family is not None
        ws.family.overlays.show_agreement(found.map)
        ids = [d.left[0] if d.left and ws.instances else 0 for d in found.differences]
        items = [Item(i, d.box, 1 - d.iou, (_WORDS[d.kind],)) for i, d in zip(ids, found.differences, strict=True)]
        ws.session.update(compared=f"{ws.session.image} against {found.text}")
        self._review.load(items, "difference")

    def stop(self) -> None:
        """Take the comparison away."""
        self._theirs, self._regions, self._differences = None, None, []
        self._model.forget()
        if self._ws.family is not None:
            self._ws.family.overlays.show_agreement(None)
        self._ws.session.update(compared="")

    # --- whose outline counts ---------------------------------------------------------------------

    @after_settling
    def approve_place(self) -> None:
        """Approve the place of the review that is shown, a difference or not, and go on."""
        if self._ws.session.compared and self._ws.session.queue:
            self.mine()
        else:
            self._review.approve()

    def mine(self) -> None:
        """The open image's objects are right: approve them."""
        ws, difference = self._ws, self._current()
        context = self._writer.context().at(None)
        if self._regions is not None:
            box = tuple(slice(a, b) for a, b in difference.box)
            ws.apply(edits.approve_mask(context, box, self._place(difference, box)))
        for id in difference.left if self._regions is None else ():
            if id in context.objects:
                piece = context.piece(id)
                if (context.state[piece.box][piece.mask] != 2).any():
                    ws.apply(edits.approve_object(context, piece))
        self._review.leave("approved")

    def theirs(self) -> None:
        """The other side is right: its objects replace ours in this place."""
        ws, difference = self._ws, self._current()
        assert self._theirs is not None
        box = tuple(slice(a, b) for a, b in difference.box)
        context = self._writer.context().at(None)
        if self._regions is not None:  # only these regions: others in the box are other places
            shapes = np.where(self._place(difference, box), self._theirs[box], context.labels[box]).astype(np.uint32)
            ws.apply(edits.replace_objects(context, box, (), shapes))
        else:
            ids = [i for i in difference.left if i in context.objects]
            box = around((box, *(context.piece(id).box for id in ids)))  # they may have grown or moved since
            shapes = np.where(np.isin(self._theirs[box], difference.right), self._theirs[box], 0).astype(np.uint32)
            ws.apply(edits.replace_objects(context, box, ids, shapes))
        self._review.leave("fixed")

    def _place(self, difference: Difference, box: tuple[slice, ...]) -> NDArray[np.bool_]:
        """Where the regions of one difference lie, of the box's shape."""
        assert self._regions is not None
        mine, theirs = (side[box] for side in self._regions)
        return np.asarray(np.isin(mine, difference.left) | np.isin(theirs, difference.right))

    def _current(self) -> Difference:
        place = self._ws.session.place
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

"""A volume seen from the side: slices are XZ or YZ instead of XY, and tools act in them as in any slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._types import Box
from ..project import Edit, Objects

T = TypeVar("T")


@dataclass(frozen=True)
class Turn:
    """The axes of an image in another order: the one along which slices follow each other first, the others as before.

    Attributes
    ----------
    ndim
        2 or 3.
    across
        The axis of slices: 0 for XY, 1 for XZ, 2 for YZ; 0 in 2D.
    """

    ndim: int
    across: int = 0

    @property
    def order(self) -> tuple[int, ...]:
        """The axes, in their new order."""
        return (self.across, *(axis for axis in range(self.ndim) if axis != self.across))

    @property
    def _inverse(self) -> tuple[int, ...]:
        return tuple(int(axis) for axis in np.argsort(self.order))

    def there(self, values: tuple[T, ...]) -> tuple[T, ...]:
        """A point, a box or a shape, as it is with the axes in the new order."""
        return tuple(values[axis] for axis in self.order)

    def back(self, values: tuple[T, ...]) -> tuple[T, ...]:
        """The inverse of `there`."""
        return tuple(values[axis] for axis in self._inverse)

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """A view of an array with the axes in the new order."""
        return values.transpose(self.order)

    def array_back(self, values: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `array`."""
        return values.transpose(self._inverse)

    def line(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Points, (N, ndim)."""
        return points[:, self.order]

    def places(self, index: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Flat positions in an array of the turned shape, of those in the array as it was; not sorted."""
        where = np.unravel_index(index, self.back(shape))
        return np.asarray(np.ravel_multi_index(self.there(where), shape), np.int64)

    def edit_back(self, edit: Edit) -> Edit:
        """An edit of a turned array as one of the array as it was."""
        shape = self.back(edit.shape)
        places = np.ravel_multi_index(self.back(np.unravel_index(edit.index, edit.shape)), shape)
        order = np.argsort(places)
        return Edit(
            edit.tool,
            shape,
            np.asarray(places[order], np.int64),
            edit.old_labels[order],
            edit.new_labels[order],
            edit.old_state[order],
            edit.new_state[order],
        )


@dataclass(frozen=True, eq=False)
class TurnedObjects:
    """The index of an image's objects, asked with turned boxes and arrays."""

    objects: Objects
    turn: Turn

    def __contains__(self, id: int) -> bool:
        return id in self.objects

    def count(self, id: int) -> int:
        """Voxels of an object."""
        return self.objects.count(id)

    def box(self, labels: NDArray[np.uint32], id: int) -> Box:
        """The smallest box of an object of turned labels.

        Raises
        ------
        CellsegError
            When there is no such object.
        """
        return self.turn.there(self.objects.box(self.turn.array_back(labels), id))

    def within(self, box: Box) -> NDArray[np.uint32]:
        """Ids whose boxes reach into a turned box."""
        return self.objects.within(self.turn.back(box))

"""Geometry that targets share: anisotropy, depth inside objects, removal of small pieces."""

from __future__ import annotations

from typing import Any

import cc3d
import cv2
import edt
import numpy as np
from numpy.typing import NDArray

from .._types import Float, Labels, Spacing
from ..matching import numbered


def anisotropy(spacing: Spacing, ndim: int) -> tuple[float, ...]:
    """Voxel size relative to X, so that lengths are in pixels of the plane."""
    return tuple(s / spacing[-1] for s in spacing[-ndim:]) if spacing else (1.0,) * ndim


def depth(labels: Labels, spacing: Spacing) -> Float:
    """Distance of every object voxel to the outside of its own object, in pixels of the plane."""
    ids = np.ascontiguousarray(labels, np.uint32)
    found = np.asarray(edt.edt(ids, anisotropy=anisotropy(spacing, labels.ndim), black_border=False), np.float32)
    return np.minimum(found, np.float32(max(labels.shape)))  # infinite where an object fills the whole image


def per_object_max(labels: Labels, values: Float) -> Float:
    """At every voxel, the maximum of `values` over the voxel's object."""
    labels, _ = numbered(labels)
    top = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    inside = labels > 0
    np.maximum.at(top, labels[inside], values[inside])
    top[0] = 1
    return np.asarray(top[labels], np.float32)


def radii(mask: NDArray[np.bool_], spacing: Spacing) -> Float:
    """The greatest depth of every connected piece of a mask, in pixels of the plane."""
    pieces = np.asarray(cc3d.connected_components(mask), np.uint32)
    top = np.zeros(int(pieces.max(initial=0)) + 1, np.float32)
    if mask.ndim != 2 or set(anisotropy(spacing, 2)) != {1.0}:
        np.maximum.at(top, pieces[mask], depth(mask.view(np.uint8), spacing)[mask])
        return top[1:]
    # the same to the bit, by as many threads as there are: squares are whole numbers, which a root has rounded
    far = cv2.distanceTransform(np.ascontiguousarray(mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.maximum.at(top, pieces[mask], far[mask])
    return np.minimum(np.sqrt(np.rint(np.square(top[1:]))), np.float32(max(mask.shape)))


def drop_small(labels: NDArray[Any], min_size: int) -> Labels:
    """Remove objects below `min_size` voxels and number the rest 1..n in raster order."""
    labels, _ = numbered(labels)
    sizes = np.bincount(labels.ravel())
    keep = sizes >= max(min_size, 1)
    keep[0] = False
    lookup = np.zeros(sizes.size, np.uint32)
    order = first_seen(labels)
    order = order[keep[order]]
    lookup[order] = np.arange(1, order.size + 1, dtype=np.uint32)
    return np.asarray(lookup[labels], np.uint32)


def first_seen(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Ids in the order in which a raster scan meets them, without 0."""
    labels, behind = numbered(labels)
    flat = labels.ravel()
    position = np.full(int(flat.max(initial=0)) + 1, flat.size, np.int64)
    inside = np.flatnonzero(flat)
    position[flat[inside][::-1]] = inside[::-1]
    position[0] = flat.size
    ids = np.flatnonzero(position < flat.size)
    return behind[ids[np.argsort(position[ids], kind="stable")]]

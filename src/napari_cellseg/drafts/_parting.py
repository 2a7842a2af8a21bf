"""From a mask to objects: how deep every voxel lies, how large the objects are, and where two of them touch."""

from __future__ import annotations

import cc3d
import edt
import numpy as np

from .._types import Float, Labels, Mask, Spacing
from ..targets import part


def anisotropy(spacing: Spacing, ndim: int) -> tuple[float, ...]:
    """Voxel size relative to X, so that lengths are in pixels of the plane; ones where it is not known."""
    return tuple(s / spacing[-1] for s in spacing[-ndim:]) if spacing else (1.0,) * ndim


def smoothed(values: Float, sigma: float, spacing: Spacing) -> Float:
    """Gaussian smoothing by `sigma` pixels of the plane, along Z by as many um."""
    sigmas = [sigma / a for a in anisotropy(spacing, values.ndim)]
    from ..kernels import blur

    return blur.gaussian(values, sigmas)


def depth(mask: Mask, spacing: Spacing) -> Float:
    """Distance of every voxel of a mask (Z, Y, X) or (Y, X) to the outside, in pixels of the plane."""
    found = edt.edt(np.ascontiguousarray(mask), anisotropy=anisotropy(spacing, mask.ndim), black_border=False)
    return np.minimum(np.asarray(found, np.float32), np.float32(max(mask.shape)))  # infinite where nothing is outside


def typical_radius(mask: Mask, inside: Float) -> float:
    """Median, weighted by their areas, of the greatest depth of the connected pieces of a mask (pixels).

    Without the weights it would be the radius of the specks.
    """
    if not mask.any():
        return 1.0
    pieces = np.asarray(cc3d.connected_components(mask))
    top = np.zeros(int(pieces.max()) + 1, np.float32)
    np.maximum.at(top, pieces[mask], inside[mask])
    radii = np.sort(top[1:])
    weights = np.cumsum(radii.astype(np.float64) ** mask.ndim)
    return float(radii[np.searchsorted(weights, weights[-1] / 2)])


def parted(mask: Mask, spacing: Spacing, smooth: float, prominence: float, min_size: int) -> Labels:
    """Watershed of the depth, seeded at its h-maxima.

    Parameters
    ----------
    smooth
        Smoothing of the depth, as a share of the typical radius; never less than a pixel.
    prominence
        How far the depth must rise for a separate object (pixels of the plane).
    """
    inside = depth(mask, spacing)
    sigma = max(1.0, smooth * typical_radius(mask, inside))
    return part(smoothed(inside, sigma, spacing), mask, prominence, min_size)

"""Lengths of boundaries from how often lines cross them (Cauchy and Crofton).

A boundary in the plane has the length 1/2 * integral over all lines of the number of crossings; a surface in space has
twice the mean over all directions of the crossings per area (Santalo, Integral Geometry and Geometric Probability,
1976). Here lines go through the pixels in 4 directions of a plane and 13 of a volume; each stands for the directions
that are nearer to it than to the others (Ohser and Muecklich, Statistical Analysis of Microstructures, 2000; Legland
et al., Image Analysis & Stereology 26, 2007), which holds for pixels that are not square, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def weights(spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """What a crossing in each of `kernels.boundary.DIRECTIONS` adds: um (of a plane) or um^2 (of a volume)."""
    from ..kernels.boundary import DIRECTIONS

    size = np.array(spacing, np.float64)
    steps = (DIRECTIONS[:4, 1:] if len(spacing) == 2 else DIRECTIONS) * size
    length = np.linalg.norm(steps, axis=1)
    between = size.prod() / length  # distance between lines, or area per line
    if len(spacing) == 2:
        return np.asarray(_angles(steps) * between / 2)
    return np.asarray(2 * _solid_angles(steps / length[:, None]) * between)


def _angles(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The angle (radians) that each direction stands for; together pi."""
    angle = np.arctan2(steps[:, 0], steps[:, 1]) % np.pi
    order = np.argsort(angle)
    gaps = np.diff(np.append(angle[order], angle[order[0]] + np.pi))
    out = np.empty(len(steps))
    out[order] = (gaps + np.roll(gaps, 1)) / 2
    return out


def _solid_angles(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of all directions that each stands for; together 1."""
    from scipy.spatial import SphericalVoronoi

    cells = SphericalVoronoi(np.concatenate([directions, -directions]))
    return np.asarray(cells.calculate_areas()[: len(directions)] / (2 * np.pi))

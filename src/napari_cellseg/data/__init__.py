"""From a project and a configuration to training patches.

Data flow: labels, state and pixels of every image -> `Plane`s (known, held out, new) -> `TrainingSet.draw` says where
the patches of a step lie -> `Loader` cuts and augments them in threads, some steps ahead -> `Batch` of torch tensors.
Everything random depends on the seed and the number of the step alone, so a resumed training sees what an
uninterrupted one would have seen.
"""

from __future__ import annotations

from ._loader import Loader
from ._planes import Plane
from ._sampling import AHEAD, Batch, Draw, TrainingSet, whole_image

__all__ = ["AHEAD", "Batch", "Draw", "Loader", "Plane", "TrainingSet", "whole_image"]

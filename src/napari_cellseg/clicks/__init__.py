"""One object from a click, a few clicks or a box: the base network's features, and a small network that heeds a person.

Data flow: a `Prompt` in pixels of a plane -> a window of the picture at the size that the base network knows -> its
frozen features, and the prompt drawn as maps -> `ClickNetwork` -> a `Shape` in pixels of the plane. In volumes the
shape of a slice is what is asked for in the next one.

Sources: clicks as maps, and learning from simulated further clicks, K. Sofiiuk et al., "Reviving iterative training
with mask guidance for interactive segmentation", ICIP 2022; a light network over features that are computed once,
A. Kirillov et al., "Segment Anything", ICCV 2023.
"""

from __future__ import annotations

from ._find import Finder, Prompt, Shape
from ._maps import MAPS, SIDE, prompt_maps
from ._network import ClickNetwork, features_of
from ._through import through

__all__ = ["MAPS", "SIDE", "ClickNetwork", "Finder", "Prompt", "Shape", "features_of", "prompt_maps", "through"]

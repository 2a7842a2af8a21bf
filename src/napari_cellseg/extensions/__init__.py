"""What other packages add, announced as entry points.

| entry point | what it names | shown as |
|---|---|---|
| ``napari_cellseg.networks`` | a class derived from `ModelBase` | ``--set model.kind=KIND`` |
| ``napari_cellseg.drafts`` | a class derived from `DraftMethod` | ``draft --method KIND``, a button of *Predict* |
| ``napari_cellseg.readers`` | path -> array or (array, axes, um per voxel); named like the ending | a format |

Such a module imports `ModelBase` and `DraftMethod` from here, where nothing else of ours is needed, and torch only in
`build`: the viewer's process knows the declaration and never torch.
"""

from __future__ import annotations

from ._contracts import DraftMethod, DraftStopped, ModelBase
from ._load import Problem, declarations, functions, kind_of, problems

__all__ = ["DraftMethod", "DraftStopped", "ModelBase", "Problem", "declarations", "functions", "kind_of", "problems"]

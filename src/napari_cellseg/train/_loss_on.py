"""The loss of a model on images that it has not learnt from."""

from __future__ import annotations

import torch
from torch import nn

from ..config import Config
from ..data import whole_image
from ..nets.place import Device
from ..project import ImageRecord, Project


@torch.inference_mode()
def loss_on(
    project: Project, record: ImageRecord, network: nn.Module, config: Config, device: Device
) -> tuple[float, int]:
    """The loss that a network was trained with on an image, times known voxels, and how many these are.

    As a training validates: patch by patch, side by side, as they are. What regularises a training (the L2 norm of its
    kernels, the parent it remembers) is no part of it. Voxels are those of the image as the network sees it.

    Parameters
    ----------
    network
        In evaluation mode, on `device`; its output are logits.

    Raises
    ------
    CellsegError
        When the picture cannot be read.
    """
    loss = config.build_loss().to(device.torch)
    total, voxels = 0.0, 0
    for batch in whole_image(project, record, config):
        with device.autocast():
            output = network(batch.pixels.to(device.torch))
        known = batch.known.to(device.torch)
        n = int(known.sum())
        total += float(loss(output, batch.target.to(device.torch), known)) * n
        voxels += n
    return total, voxels

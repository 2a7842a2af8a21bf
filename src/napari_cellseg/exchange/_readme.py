"""The documentation inside a bioimage.io package."""

from __future__ import annotations

from ._agreement import Agreement
from ._convert import Source
from ._wanted import Statement

_CHANNELS = {
    "distance": "Channel 1 is the probability that a pixel belongs to an object, channel 2 the distance to the "
    "object's "
    "border, 1 at its deepest point. Labels: smooth the distance a little, take its hills inside the foreground "
    "(watershed), one object each.",
    "boundary": "Channels are the probabilities of background, edge and interior. Labels: number the connected "
    "pieces of "
    "the interior, then grow them into the edge.",
    "flows": "Channel 1 is the foreground; the others are flows to the middle of each object, coded as (1 + flow) / 2. "
    "Labels: let pixels follow the flows, and number where they end (Cellpose's dynamics).",
    "rays": "Channel 1 says how deep inside an object a pixel is; the others are distances to its border along rays. "
    "Labels: "
    "non-maximum suppression of star-convex polygons (StarDist).",
    "semantic": "One probability per class, the background first. Labels: the most probable class.",
    "foreground": "The probability of being foreground. Labels: where it exceeds the threshold.",
}  # fmt: skip


def readme(model: Source, said: Statement, found: Agreement, normalises: bool) -> str:
    """What a person must know to use the model elsewhere."""
    target = model.config.target
    parts = [
        f"# {said.name}",
        f"A network of napari-cellseg for {'objects' if target.instances else 'classes'} in {model.dimensions}D "
        "images.",
        "## Images",
        *_images(model, normalises),
        "## What it gives",
        _CHANNELS.get(target.kind, target.label()),
        f"Settings of this model: `{target.model_dump_json()}`. napari-cellseg makes labels of it by itself.",
        "## Training data",
        said.data + ".",
        *_measured(model),
        "## Validation",
        f"ONNX and TorchScript were compared with the network in torch when this package was made: {found}. Before "
        "you rely "
        "on it, look at its labels in some of your own images, or measure them: `napari-cellseg evaluate`.",
        "## Weights",
        "`weights.onnx` and `weights.torchscript.pt` run without napari-cellseg. `weights.state_dict.pt` needs it, "
        "since "
        "it builds the network (`napari_cellseg.exchange.build_network`): blocks, encoder and padding are its own "
        "code. "
        "`weights.safetensors`, `config.toml` and `card.json` are the model's own folder: `napari-cellseg model "
        "import` "
        "makes of this package the model that it was, which can be fine-tuned.",
    ]
    return "\n\n".join(parts) + "\n"


def _images(model: Source, normalises: bool) -> list[str]:
    steps = ", ".join(step.model_dump_json() for step in model.config.recipe.active) or "none"
    said = [f"Channels: {model.card.in_channels}. The recipe of napari-cellseg: `{steps}`."]
    if normalises:
        said.append(
            "The package says the same in bioimage.io's words (`preprocessing`), so it takes raw intensities. In "
            "napari-cellseg percentiles are those of the whole image, elsewhere often of a tile. A step that chooses "
            "or "
            "mixes channels is left to you: give the channel that it would choose."
        )
    else:
        said.append(
            "bioimage.io has no words for this recipe. **The input, and the test input, are intensities after it**: "
            "other "
            "programs must be given prepared images; napari-cellseg prepares them by itself."
        )
    if size := model.config.object_size:
        said.append(
            f"**Objects should have a diameter of about {size:g} pixels.** napari-cellseg enlarges or reduces images "
            "to that "
            "size and brings the answer back; bioimage.io has no words for it, so other programs must be given "
            "images at "
            "that size."
        )
    return said


def _measured(model: Source) -> list[str]:
    """Figures and limits from the card, where it has any."""
    metrics, said = model.card.metrics, []
    if isinstance(measured := metrics.get("measured"), dict):
        rows = [f"| {kind} | {v.get('images')} | {v.get('iou')} | {v.get('ap50')} |" for kind, v in measured.items()]
        said.append("\n".join(["| images that were kept back | n | IoU | AP@0.5 |", "|---|---|---|---|", *rows]))
    if limits := metrics.get("limits"):
        said.append(f"Limits: {limits}")
    if licence := metrics.get("licence"):
        said.append(f"Licences: {licence}.")
    return said

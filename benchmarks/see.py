"""Speed of preview and prediction, beside the bare forward pass, MONAI, scikit-image and OpenCV in the same run.

usage: python benchmarks/see.py [--json FILE]         (MONAI is measured where it is installed: pip install monai)

Every figure is the best of several repetitions, peers and ours in turn, all with the same threads.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZE = (1536, 2048)


def best(repeats: int, **functions: Callable[[], Any]) -> dict[str, float]:
    """Least seconds of each function; they take turns, so that a busy moment of the machine hits all."""
    least = dict.fromkeys(functions, float("inf"))
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def picture() -> np.ndarray:
    """2048 x 1536 pixels, uint8, with cells."""
    from napari_cellseg.samples import synthetic_cells

    pixels, _ = synthetic_cells(SIZE, 1500, radius=14, seed=0)
    return cv2.normalize(pixels, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def preprocessing(pixels: np.ndarray) -> dict[str, float]:
    """CLAHE + TV in full, against scikit-image's pair; a visible field of 1024 x 768."""
    from skimage.exposure import equalize_adapthist
    from skimage.restoration import denoise_tv_chambolle

    from napari_cellseg.preprocess import Clahe, Processed, Recipe, TVDenoise

    recipe = Recipe(steps=(Clahe(), TVDenoise()))
    tile = tuple(n // 8 for n in SIZE)

    def peer() -> np.ndarray:
        return denoise_tv_chambolle(
            equalize_adapthist(pixels, kernel_size=tile, clip_limit=0.01), weight=0.1, eps=0, max_num_iter=20
        )

    # a person panning over an open image: what steps know of the whole is there already
    view = Processed(recipe, pixels[None, None])
    view.read((slice(0, 1), slice(0, 64), slice(0, 64)))
    places = iter(range(10_000))

    def field() -> np.ndarray:
        k = next(places)
        return view.read((slice(0, 1), slice(k % 700, k % 700 + 768), slice(k % 900, k % 900 + 1024)))

    def first() -> np.ndarray:
        return Processed(recipe, pixels[None, None]).read((slice(0, 1), slice(300, 1068), slice(400, 1424)))

    times = best(5, ours=lambda: recipe(pixels[None]), skimage=peer, field=field, field_first=first)
    ours = recipe(pixels[None])[0]
    expected = cv2.createCLAHE(2.0, (8, 8)).apply(pixels)
    only = np.rint(Recipe(steps=(Clahe(),))(pixels[None])[0] * 255)
    exact = denoise_tv_chambolle(expected.astype(np.float32) / 255, weight=0.1, eps=0, max_num_iter=20)
    default = denoise_tv_chambolle(expected.astype(np.float32) / 255, weight=0.1)
    return {
        "full_ms": times["ours"] * 1e3, "skimage_ms": times["skimage"] * 1e3,
        "times_faster": times["skimage"] / times["ours"], "field_ms": times["field"] * 1e3,
        "field_first_ms": times["field_first"] * 1e3, "clahe_differs": float((only != expected).sum()),
        "tv_max_difference": float(np.abs(ours - exact).max()),
        "tv_max_difference_default_stop": float(np.abs(ours - default).max()),
    }  # fmt: skip


def prediction(pixels: np.ndarray) -> dict[str, float]:
    """The engine's tiles against one bare pass over everything and against sliding windows."""
    import dask.array as da
    import torch

    from napari_cellseg.config import Config
    from napari_cellseg.images import Image
    from napari_cellseg.models import Smp
    from napari_cellseg.nets.device import choose, fused
    from napari_cellseg.prediction import Predictor, Request, plan_for, predict
    from napari_cellseg.preprocess import Recipe
    from napari_cellseg.project import ModelCard

    torch.manual_seed(0)
    declared = Smp(architecture="Unet", encoder="resnet18", weights="none", detail=0)
    device = choose()
    bare = device.place(declared.build(1, 2).eval())
    plain = declared.build(1, 2).eval()
    plain.load_state_dict(bare.state_dict())
    quick = declared.build(1, 2).eval()
    quick.load_state_dict(bare.state_dict())
    quick = device.place(fused(quick))
    card = ModelCard("bench", None, 0.0, in_channels=1, out_channels=2, n_classes=1, edits_until=0)
    config = Config(recipe=Recipe(steps=()), model=declared)
    model = Predictor("bench", quick, config, card, device)
    image = Image(da.from_array(pixels), "YX")
    x = torch.from_numpy(pixels[None, None].astype(np.float32) / 255)
    near = x.contiguous(memory_format=torch.channels_last)

    def tiles() -> None:
        from napari_cellseg.prediction._run import _Run

        run = _Run(image, [model], "x", Request(show=False), lambda: None)
        list(run.tiles(lambda: False))  # everything but decoding: preprocessing, network, blending

    @torch.inference_mode()
    def forward(network: torch.nn.Module, tensor: torch.Tensor) -> None:
        with device.autocast():
            network(tensor).float().sigmoid()

    jobs: dict[str, Callable[[], Any]] = {
        "tiles": tiles,
        "whole": lambda: list(predict(image, model, request=Request(show=False))),
        "bare": lambda: forward(bare, near),
        "bare_fused": lambda: forward(quick, near),
    }
    try:
        from monai.inferers import SlidingWindowInferer
    except ImportError:
        pass
    else:
        usual = SlidingWindowInferer((256, 256), sw_batch_size=1, overlap=0.25)
        jobs["monai"] = torch.inference_mode()(lambda: usual(x, plain).sigmoid())
        jobs["monai_channels_last"] = lambda: forward(lambda t: usual(t, bare), near)
    times = best(3, **jobs)
    planned = plan_for(image, [model], "x", Request())
    out = {f"{name}_s": value for name, value in times.items()}
    out |= {
        "precision": device.precision, "tile": list(planned.tile), "overlap": planned.overlap, "n_tiles": planned.tiles,
        "planned_s": planned.seconds, "planned_gb": planned.bytes / 1e9,
        "tiles_over_bare": times["tiles"] / times["bare"],
        "tiles_over_bare_fused": times["tiles"] / times["bare_fused"],
    }  # fmt: skip
    for name in ("monai", "monai_channels_last"):
        if name in times:
            out[f"{name}_over_tiles"] = times[name] / times["tiles"]
    return out


def runtime(pixels: np.ndarray) -> dict[str, float]:
    """The default network from a model folder, as it predicts on this machine, against its bare pass in torch."""
    import tempfile

    import dask.array as da
    import torch

    from napari_cellseg.config import Config
    from napari_cellseg.images import Image
    from napari_cellseg.models import save_weights
    from napari_cellseg.nets.device import choose
    from napari_cellseg.prediction import Request, load_model
    from napari_cellseg.prediction._run import _Run
    from napari_cellseg.preprocess import Recipe
    from napari_cellseg.project import ModelCard, write_model

    torch.manual_seed(0)
    config = Config(recipe=Recipe(steps=())).with_values(["model.weights=none"])
    device, network = choose(), config.model.build(1, 2).eval()
    card = ModelCard("bench", None, 0.0, in_channels=1, out_channels=2, n_classes=1, edits_until=0)
    near = torch.from_numpy(pixels[None, None].astype(np.float32) / 255).contiguous(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder), card, config, lambda p: save_weights(p / "weights.safetensors", network))
        (model,) = load_model(path)
        bare = device.place(network)
        image = Image(da.from_array(pixels), "YX")

        @torch.inference_mode()
        def forward() -> None:
            with device.autocast():
                bare(near).float().sigmoid()

        def tiles() -> None:
            list(_Run(image, [model], "x", Request(show=False), lambda: None).tiles(lambda: False))

        times = best(3, tiles=tiles, bare=forward)
        computes = "torch" if model.runtime is None else "openvino"
    return {
        "network": config.model.label(), "computes": computes, "precision": device.precision,
        **{f"{name}_s": value for name, value in times.items()}, "tiles_over_bare": times["tiles"] / times["bare"],
    }  # fmt: skip


def first_tile(pixels: np.ndarray) -> dict[str, float]:
    """From the click to labels of the field in the viewer's process (warm engine), and from Cancel to the end."""
    import tempfile

    from napari_cellseg.config import Config
    from napari_cellseg.engine import Engine, PredictJob
    from napari_cellseg.events import Finished, TileDone
    from napari_cellseg.losses import DiceFocal
    from napari_cellseg.project import ModelCard, Project, write_model

    with tempfile.TemporaryDirectory() as name, Project.create(Path(name) / "p") as project:
        np.save(Path(name) / "cells.npy", pixels)
        project.add_image(Path(name) / "cells.npy")
        config = Config(loss=DiceFocal()).with_values(["model.weights=none"])
        card = ModelCard("v1", None, 0.0, in_channels=1, out_channels=2, n_classes=1, edits_until=0)

        def weights(path: Path) -> None:
            from napari_cellseg.models import save_weights

            save_weights(path / "weights.safetensors", config.model.build(1, 2))

        write_model(project.models_folder, card, config, weights)
        engine, seen = Engine(), []

        def click(cancel: bool) -> tuple[float, float]:
            number, start, first, asked = (
                engine.submit(PredictJob(project.path, ("cells",), ("v1",))),
                time.perf_counter(),
                0.0,
                0.0,
            )
            while True:
                for reply in engine.poll():
                    if isinstance(reply.event, TileDone) and not first:
                        first = time.perf_counter() - start
                        seen.append(reply.event.box)
                        if cancel:
                            engine.cancel(number)
                            asked = time.perf_counter()
                    if isinstance(reply.event, Finished):
                        return first, time.perf_counter() - asked
                time.sleep(0.001)

        click(cancel=False)
        firsts = [click(cancel=True) for _ in range(4)]
        engine.close()
    return {"first_tile_s": min(f for f, _ in firsts), "cancel_s": max(c for _, c in firsts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "see.json")
    options = parser.parse_args()
    pixels = picture()
    results = {}
    for group, measure in (
        ("preprocessing", preprocessing),
        ("prediction", prediction),
        ("default network", runtime),
        ("click", first_tile),
    ):
        results[group] = values = measure(pixels)
        print(group, flush=True)
        for name, value in values.items():
            print(f"  {name:<32} {value:.4g}" if isinstance(value, float) else f"  {name:<32} {value}", flush=True)
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

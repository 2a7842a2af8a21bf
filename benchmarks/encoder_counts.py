"""Which decoder has as many parameters as Das et al. 2025 state for their six encoders: rules, counted by formula.

usage: python benchmarks/encoder_counts.py

Nothing is built: the channels of Keras' encoders at each resolution are written down here. The first table has the
rules of docs/learning.md; then 720 rules are tried with every mixture of layers as skips.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

STATED = {
    "VGG16": 5.53, "ResNet50": 31.05, "DenseNet121": 15.65, "InceptionV3": 19.86, "MobileNetV2": 1.39,
    "EfficientNetB0": 2.04,
}  # fmt: skip
"""Millions that learn."""
NEAR = 0.0055
JOINED = {
    "VGG16": (512, 512, 256, 128, 64), "ResNet50": (2048, 1024, 512, 256, 64), "DenseNet121": (1024, 512, 256, 128, 64),
    "InceptionV3": (2048, 768, 288, 192, 64), "MobileNetV2": (1280, 96, 32, 24, 16),
    "EfficientNetB0": (1280, 112, 40, 24, 16),
}  # fmt: skip
"""Channels of the bridge and the skips, deepest first: outputs of blocks."""
WIDENED = JOINED | {
    "DenseNet121": (1024, 1024, 512, 256, 64), "MobileNetV2": (1280, 576, 192, 144, 96),
    "EfficientNetB0": (1280, 672, 240, 144, 96),
}  # fmt: skip
"""The same where blocks are widest."""
LAYERS = {
    "VGG16": ((512,), (512,), (512, 256), (256, 128), (128, 64)),
    "ResNet50": ((2048,), (1024, 256), (512, 128), (256, 64), (64,)),
    "DenseNet121": ((1024,), (1024, 512, 256, 128), (512, 256, 128), (256, 128, 64), (64,)),
    "InceptionV3": ((2048,), (768,), (288, 256, 192), (192, 80, 64), (64, 32)),
    "MobileNetV2": ((1280, 320, 960), (576, 96, 384, 64), (192, 32), (144, 24), (96, 16, 32)),
    "EfficientNetB0": ((1280, 320, 1152), (672, 112, 480, 80), (240, 40), (144, 24), (96, 16, 32)),
}
"""Channels that any layer has at a resolution, the bridge first."""
WIDTHS: tuple[Sequence[int], ...] = (
    (), (512, 256, 128, 64), (256, 128, 64, 32), (128, 64, 32, 16), (1024, 512, 256, 128), (64, 64, 64, 64),
    (128, 128, 128, 128), (256, 256, 256, 256), (96, 64, 32, 16), (256, 128, 64, 64),
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A decoder: size of the transposed convolutions, norms, convolutions after each join, widths, last layer.

    `widths` are () where a block has as many channels as its skip; `last` is 0 where 1 x 1 follows the last block.
    """

    kernel: int = 3
    norm: bool = True
    refine: int = 0
    widths: Sequence[int] = ()
    last: int = 64
    separable: bool = False

    def learning(self, layers: Sequence[int]) -> float:
        """Millions of parameters that learn, with biases, as Keras counts."""
        total, now = 0, layers[0]
        for n, skip in enumerate(layers[1:]):
            width = self.widths[n] if self.widths else skip
            total += self._convolution(now, width, self.kernel)
            now = width + skip
            for _ in range(self.refine):
                separate = 9 * now + now * width + (3 if self.norm else 1) * width
                total += separate if self.separable else self._convolution(now, width, 3)
                now = width
        if self.last:
            total, now = total + self._convolution(now, self.last, self.kernel), self.last
        return (total + now + 1) / 1e6

    def _convolution(self, before: int, after: int, kernel: int) -> int:
        return kernel * kernel * before * after + (3 if self.norm else 1) * after


NAMED = {
    "as many channels as the skip, joined": (Rule(), JOINED),
    "the same, widened": (Rule(), WIDENED),
    "the same, joined, separable refinement": (Rule(refine=1, separable=True), JOINED),
    "2 x 2, refined once, joined": (Rule(kernel=2, refine=1, last=0), JOINED),
    "512, 256, 128, 64": (Rule(widths=WIDTHS[1]), JOINED),
    "256, 128, 64, 32": (Rule(widths=WIDTHS[2]), JOINED),
    "256, 128, 64, 32, 16, two 3 x 3 each": (Rule(widths=WIDTHS[2], refine=2, last=16), JOINED),
}


def rules() -> Iterator[Rule]:
    """Every rule that is tried with all mixtures of layers."""
    for kernel, norm, refine, widths, last in itertools.product(
        (2, 3, 4), (True, False), (0, 1, 2), WIDTHS, (0, 16, 32, 64)
    ):
        yield Rule(kernel, norm, refine, widths, last)


def nearest(rule: Rule, encoder: str) -> tuple[float, Sequence[int]]:
    """The count that comes nearest to the stated one, and the layers that give it."""
    counts = ((rule.learning(layers), layers) for layers in itertools.product(*LAYERS[encoder]))
    return min(counts, key=lambda found: abs(found[0] - STATED[encoder]))


def main() -> None:
    """Print both tables."""
    print(f"| decoder | {' | '.join(STATED)} |\n|---|{'---|' * len(STATED)}")
    print(f"| stated | {' | '.join(f'{n:.2f}' for n in STATED.values())} |")
    for name, (rule, layers) in NAMED.items():
        print(f"| {name} | {' | '.join(f'{rule.learning(layers[e]):.2f}' for e in STATED)} |")
    found = [({e: nearest(rule, e) for e in STATED}, rule) for rule in rules()]
    fitting = [
        ([e for e, (count, _) in each.items() if abs(count - STATED[e]) < NEAR], each, rule) for each, rule in found
    ]
    most = max(len(names) for names, *_ in fitting)
    print(f"\n{len(fitting)} rules with every mixture of layers: the most that one fits is {most} of {len(STATED)}.")
    for names, each, rule in fitting:
        if len(names) == most:
            print(f"- {rule}: " + ", ".join(f"{e} {each[e][0]:.2f} {each[e][1]}" for e in names))


if __name__ == "__main__":
    main()

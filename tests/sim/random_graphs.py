"""Random graphs of the blocks that edge networks are made of; any tensor may be the source of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import (
    Concat,
    Conv,
    Gate,
    Interleave,
    Node,
    Pool,
    Resample,
    Shape,
    Subsample,
)
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import Spec

IMAGES: tuple[Shape, ...] = ((5, 6, 3), (1, 20, 2), (7, 4, 4), (16, 1, 3), (6, 6, 1))
"""Maps and signals."""

LARGEST = 10
"""Rows or columns of a map that is still doubled."""

ZERO = 100
"""Zero point of all tensors but images and gates, so that any two can be joined."""


@dataclass
class Draft:
    """A graph that grows: ``add`` takes a node under construction and gives its name."""

    rng: np.random.Generator
    spec: Spec
    prefix: str
    image: Shape
    nodes: list[Node] = field(default_factory=list)

    def network(self) -> Network:
        """With all tensors as results that nothing reads, and sometimes one more."""
        read = {name for node in self.nodes for name in node.inputs}
        results = [node.name for node in self.nodes if node.name not in read]
        inner = [node.name for node in self.nodes if node.name in read]
        if inner and self.rng.random() < 0.3:
            results.append(str(self.rng.choice(inner)))
        return self._as_it_is(tuple(results))

    def _as_it_is(self, outputs: tuple[str, ...] = ()) -> Network:
        channels = self.image[2]
        same = Requantize(np.zeros(channels, np.int64), np.full(channels, 256), np.full(channels, 8))
        return Network(Input("image", self.image, same), tuple(self.nodes), self.spec.slots, outputs=outputs)

    def shapes(self) -> dict[str, Shape]:
        """Of all tensors."""
        return {"image": self.image, **(shapes(self._as_it_is()) if self.nodes else {})}

    def add(self, make: Callable[[str], Node]) -> str:
        """A node, and the name that it got."""
        self.nodes.append(make(f"{self.prefix}node{len(self.nodes)}"))
        return self.nodes[-1].name

    def check(self) -> None:
        """Raise a ShiftbookError unless the accelerator runs all of it."""
        check_runnable(self._as_it_is(), self.spec)

    def conv(self, source: str, integers: np.ndarray, shift: int, zero: int = ZERO, **rest: object) -> str:
        """A layer of these weights [O, kh, kw, I]; ``shift`` brings its sums into 8 bits."""
        outputs = len(integers)
        requantize = Requantize(
            self.rng.integers(-300, 300, outputs),
            self.rng.integers(300, 1024, outputs),
            np.full(outputs, shift),
            zero,
            high=int(self.rng.integers(200, 256)),
            residual_multiplier=int(self.rng.integers(1, 1024)) if "residual" in rest else None,
            function=self.function(zero),
        )
        weights = code_weights(integers.astype(np.int16), "test", self.spec)
        return self.add(lambda name: Conv(name, source, weights, requantize, **rest))

    def function(self, zero: int = ZERO) -> FunctionTable | None:
        """None, or one of a few, so that some follow themselves."""
        if self.rng.random() < 0.6:
            return None
        return FunctionTable(np.random.default_rng(int(self.rng.integers(3))).bytes(256), zero)

    def drawn(self, source: str, outputs: int, kernel: tuple[int, int], **rest: object) -> str:
        """A layer of random weights; padding keeps the size but for the stride."""
        channels = self.shapes()[source][2] // int(rest.get("groups", 1))
        integers = self.rng.integers(-12, 13, (outputs, *kernel, channels))
        (top, bottom), (left, right) = (((size - 1) // 2, size // 2) for size in kernel)
        shift = int(12 + np.log2(integers[0].size) / 2)
        return self.conv(source, integers, shift, padding=(top, bottom, left, right), **rest)

    def some(self, source: str, outputs: int, **rest: object) -> str:
        """A layer of a random kernel that is one pixel wide along the sides of signals."""
        sides = self.shapes()[source][:2]
        kernel = tuple(1 if side == 1 else int(self.rng.integers(1, 4)) for side in sides)
        return self.drawn(source, outputs, kernel, **rest)


def added(draft: Draft, source: str) -> str:
    """Two to four branches, activated or not, and the sum of them and perhaps of their source."""
    channels = draft.shapes()[source][2]
    operands = [draft.some(source, channels) for _ in range(draft.rng.integers(2, 5))]
    total = operands.pop()
    for operand in [*operands, *([source] if draft.rng.random() < 0.5 else [])]:
        total = draft.conv(total, np.eye(channels)[:, None, None], 10, residual=operand)
    return total


def gated(draft: Draft, source: str) -> str:
    """A tensor times a pixel that a squeeze and a layer make of it."""
    height, width, channels = draft.shapes()[source]
    multiplier = max(1, min(1023, (1 << 14) // (height * width)))
    average = Requantize(np.array([0]), np.array([multiplier]), np.array([14]), ZERO)
    squeezed = draft.add(
        lambda name: Pool(name, source, "average", (height, width), (1, 1), requantize=average)
    )
    pixel = draft.some(squeezed, channels, zero=0)
    one = np.array([1])
    zero = ZERO if source != "image" else 0
    scaled = Requantize(
        -zero * one, one, int(draft.rng.integers(6, 9)) * one, ZERO, function=draft.function()
    )
    return draft.add(lambda name: Gate(name, source, pixel, scaled))


def sliced(draft: Draft, source: str) -> str:
    """Channels apart, one part through a layer, and parts, the layer and the whole joined in some order."""
    channels = draft.shapes()[source][2]
    cut = int(draft.rng.integers(1, channels)) if channels > 1 else 1
    every = np.eye(channels)[:, None, None]
    parts = [draft.conv(source, part, 10) for part in (every[:cut], every[cut:]) if len(part)]
    parts.append(draft.some(parts[0], int(draft.rng.integers(1, 5))))
    joined = draft.rng.permutation(parts * 2)[: draft.rng.integers(2, 5)].tolist()
    return draft.add(lambda name: Concat(name, tuple(joined)))


def doubled(draft: Draft, source: str) -> str:
    """Twice as large: each pixel four times, or the four phases of a transposed convolution."""
    if max(draft.shapes()[source][:2]) > LARGEST:
        return pooled(draft, source)
    outputs = int(draft.rng.integers(1, 4))
    phases = [source] if draft.rng.random() < 0.5 else [draft.some(source, outputs) for _ in range(4)]
    return draft.add(lambda name: Interleave(name, tuple(phases * (4 // len(phases)))))


def pooled(draft: Draft, source: str) -> str:
    """Half the size by maximum or average."""
    sides = draft.shapes()[source][:2]
    kernel = tuple(min(side, int(draft.rng.integers(1, 4))) for side in sides)
    average = Requantize(
        np.array([0]), np.array([(1 << 10) // (kernel[0] * kernel[1])]), np.array([10]), ZERO
    )
    kind, requantize = ("max", None) if draft.rng.random() < 0.5 else ("average", average)
    strides = (2, 2) if min(sides) > 1 else (1, 1)
    return draft.add(lambda name: Pool(name, source, kind, kernel, strides, requantize=requantize))


def multiplied(draft: Draft, source: str) -> str:
    """The product of two maps, pixel by pixel."""
    channels = int(draft.rng.integers(1, 6))
    one = np.array([1])
    left, right = draft.some(source, channels), draft.some(source, channels, zero=0)
    scaled = Requantize(
        -ZERO * one, one, int(draft.rng.integers(6, 9)) * one, ZERO, function=draft.function()
    )
    return draft.add(lambda name: Gate(name, left, right, scaled))


def resampled(draft: Draft, source: str) -> str:
    """Other lines along one side: each third, as with a stride of 3, or sums of neighbours anywhere."""
    height, width, _ = draft.shapes()[source]
    axis, length = ("rows", height) if draft.rng.random() < 0.5 else ("columns", width)
    if draft.rng.random() < 0.4:
        first, weights, shift = np.arange(0, length, 3), np.ones((-(-length // 3), 1), np.int16), 0
    else:
        taps = int(draft.rng.integers(1, min(length, 3) + 1))
        first = draft.rng.integers(0, length - taps + 1, draft.rng.integers(1, LARGEST))
        weights = draft.rng.integers(-30, 90, (len(first), taps)).astype(np.int16)
        shift = int(draft.rng.integers(5, 8))
    return draft.add(lambda name: Resample(name, source, axis, first, weights, shift))


def subsampled(draft: Draft, source: str) -> str:
    """Every second or third pixel, with channels of zero beside those that are there."""
    stride, before, after = (int(number) for number in draft.rng.integers((2, 0, 0), (4, 3, 3)))
    return draft.add(lambda name: Subsample(name, source, stride, before, after))


def plain(draft: Draft, source: str) -> str:
    """A layer: dense, grouped or depthwise, with a stride or without."""
    channels = draft.shapes()[source][2]
    groups = int(draft.rng.choice([1, channels]))
    outputs = groups * int(draft.rng.integers(1, max(2, 5 // groups + 1)))
    stride = int(draft.rng.integers(1, 3))
    return draft.some(source, outputs, groups=groups, stride=(stride, stride))


MAKERS = (added, added, gated, multiplied, sliced, doubled, pooled, resampled, subsampled, plain)


def graph(seed: int, most: int, image: Shape, spec: Spec) -> Network:
    """The graph of a seed, of one to ``most`` blocks; those that the accelerator refuses are drawn again."""
    draft = Draft(np.random.default_rng(seed), spec, f"graph{seed}.", image)
    done = 0
    while done < 1 + seed % most:
        before = list(draft.nodes)
        source = str(draft.rng.choice(list(draft.shapes())))
        try:
            MAKERS[draft.rng.integers(len(MAKERS))](draft, source)
            draft.check()
            done += 1
        except ShiftbookError:
            draft.nodes = before
    return draft.network()


def forest(first: int, count: int, most: int, image: Shape, spec: Spec) -> Network:
    """The graphs of consecutive seeds side by side, on one image: a simulation for all."""
    graphs = [graph(seed, most, image, spec) for seed in range(first, first + count)]
    nodes = tuple(node for each in graphs for node in each.nodes)
    return replace(graphs[0], nodes=nodes, outputs=tuple(name for each in graphs for name in each.results))

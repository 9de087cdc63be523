"""What the engine runs for a network: every node as one or more layers of weights.

The engine knows one kind of layer, a convolution with groups, a residual and a clamp. Average pooling is
a depthwise one whose weights are 1; the normalization of the input and subsampling are 1 x 1 ones with
one weight for each output channel; maximum pooling is a depthwise one in which lanes keep the larger
instead of adding up. Channels are concatenated by where a tensor lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping import views
from shiftbook.golden.mapping.batch import APART, Joined, batched, joined
from shiftbook.golden.mapping.conv_passes import SUMS, engine_passes
from shiftbook.golden.mapping.identity import identity
from shiftbook.golden.mapping.job import Memory, Pass, View
from shiftbook.golden.mapping.nodes import check_node, node_passes
from shiftbook.golden.mapping.nodes.resample import LINES
from shiftbook.golden.mapping.padded import PADDED
from shiftbook.golden.model.network import Network, zero_points
from shiftbook.golden.model.nodes import Conv, Shape
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.spec import Spec

PIXELS = ".pixels"
"""What the name of the input's raw pixels ends with."""

TAKEN = (SUMS, LINES, PADDED, PIXELS)
"""Ends of names of tensors that no node makes."""


@dataclass(frozen=True, eq=False)
class Plan:
    """All passes of a network, and the tensors that they need in memory.

    Attributes
    ----------
    passes
        In the order in which they run.
    tensors
        Shapes of the tensors in memory, by name: the raw pixels, what nodes make, and what lies between the
        passes of a node. In a batch those of one image, or of four that are joined.
    views
        Where the tensor of every node lies, and that of the raw pixels; of a batch those of the first image.
    batch
        Images.
    join
        What meets several of them in one tile.
    """

    passes: tuple[Pass, ...]
    tensors: dict[str, Shape]
    views: dict[str, View]
    batch: int = 1
    join: Joined = APART

    def view(self, name: str, image: int) -> View:
        """Where the tensor of a node lies for an image of the batch."""
        return self.join.place(self.views[name], image)

    def images(self, tensor: str) -> int:
        """Images of a tensor in memory; four that are joined are one."""
        return self.join.count(tensor, self.batch)


def plan(network: Network, spec: Spec, batch: int = 1) -> Plan:
    """Plan a network that is coded for this spec's slots.

    Parameters
    ----------
    batch
        Images that the program takes at once.

    Raises
    ------
    ShiftbookError
        Names the first layer that the engine cannot run, and why; or ``batch`` is less than 1.
    """
    if batch < 1:
        raise ShiftbookError(f"batch must be at least 1, not {batch}")
    found = shapes(network)
    for name in found:
        if any(name.endswith(end) and name.removesuffix(end) in found for end in TAKEN):
            raise ShiftbookError(
                f"layer {name}: names that end with {' or '.join(TAKEN)} are taken: rename it"
            )
    pixels = network.input.name + PIXELS
    places = {
        **views.place(network, found),
        pixels: View(pixels, 0, network.input.shape[2], network.input.shape[2]),
    }
    join = joined(network, found, places, spec) if batch > 1 else APART
    inside = Memory(spec, join.shapes(found), places, zero_points(network))
    stored = join.stored(places)
    memory = replace(inside, views=stored)
    for node in network.nodes:
        check_node(node, memory)
    result = _normalization(network, pixels, memory)
    for node in network.nodes:
        result += node_passes(node, inside if node.name in join.nodes else memory)
    tensors = _tensors(result, {pixels: network.input.shape, **inside.shapes}, places)
    if batch > 1:
        result = batched(result, tensors, join, batch, spec)
    return Plan(tuple(result), tensors, stored, batch, join)


def plan_layer(conv: Conv, source: Shape, spec: Spec) -> tuple[Pass, ...]:
    """The passes of one layer alone, on an input of shape ``source``."""
    outputs = [conv.name, *([conv.residual] if conv.residual else [])]
    channels = {**dict.fromkeys(outputs, conv.outputs), conv.source: source[2]}
    views = {name: View(name, 0, count, count) for name, count in channels.items()}
    return tuple(engine_passes(conv, source, views, 0, 0, spec))


def _normalization(network: Network, pixels: str, memory: Memory) -> list[Pass]:
    """From the raw pixels to the network's first tensor."""
    name, shape = network.input.name, network.input.shape
    conv = identity(name, pixels, shape[2], 0, 0, 1, network.input.requantize, memory.spec)
    return engine_passes(conv, shape, memory.views, 0, 0, memory.spec)


def _tensors(passes: list[Pass], made: dict[str, Shape], places: dict[str, View]) -> dict[str, Shape]:
    """Shapes of the tensors in memory: those that are no part of another, and those between passes."""
    roots = {view.tensor for view in places.values()}
    tensors = {name: shape for name, shape in made.items() if name in roots}
    for step in passes:
        if step.target.tensor not in roots and step.target.region is None:
            part = step.target
            most = max(part.whole, part.first + part.channels, tensors.get(part.tensor, (0, 0, 0))[2])
            tensors[part.tensor] = (*step.layout.output, most)
    return tensors

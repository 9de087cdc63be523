"""Several images at once: what a pass does for all of them, and which layers meet them in one tile.

In memory the images of a tensor follow each other. A pass takes them as further rows of tiles below those of
the first: it begins once, its streams are fetched once where their buffers hold them, and the loader pads
each image by itself. Passes that store their outputs apart, or whose residual is a gate for each channel, run
once for each image.

A map of one pixel leaves all lanes but one idle. So four images of such a tensor are stored as the pixels of
one of 2 x 2, as `golden.model.nodes.interleave.Interleave` does, where 1 x 1 layers alone read it: these run
once for four images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa.addresses import TILE_WIDTH
from shiftbook.golden.mapping import tiles
from shiftbook.golden.mapping.conv_passes import group_passes
from shiftbook.golden.mapping.job import Pass, View
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.mapping.views import STORED
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv, Node, Shape
from shiftbook.golden.model.nodes.interleave import PHASES
from shiftbook.golden.spec import Spec

TOGETHER = len(PHASES)
"""Images whose single pixels are one map."""


@dataclass(frozen=True)
class Joined:
    """What meets several images in one tile.

    Attributes
    ----------
    nodes
        Names of the layers that do.
    tensors
        Names of the tensors that they read and make.
    """

    nodes: frozenset[str] = frozenset()
    tensors: frozenset[str] = frozenset()

    def shapes(self, of_one: Mapping[str, Shape]) -> dict[str, Shape]:
        """Shapes of all tensors as they lie in memory, from those of an image."""
        return {name: (2, 2, each[2]) if name in self.tensors else each for name, each in of_one.items()}

    def stored(self, views: Mapping[str, View]) -> dict[str, View]:
        """Where layers that meet one image store it."""
        return {name: view.interleaved(1) if name in self.tensors else view for name, view in views.items()}

    def place(self, view: View, image: int) -> View:
        """Where an image of the batch is."""
        if view.tensor not in self.tensors:
            return replace(view, image=image)
        return replace(view, image=image // TOGETHER, phases=1 << image % TOGETHER)

    def count(self, tensor: str, batch: int) -> int:
        """Images of a tensor in memory."""
        return -(-batch // TOGETHER) if tensor in self.tensors else batch


APART = Joined()
"""Nothing does."""


def joined(network: Network, shapes: Mapping[str, Shape], views: Mapping[str, View], spec: Spec) -> Joined:
    """Find the layers that can meet several images in one tile: 1 x 1 on maps of one pixel."""
    if not spec.interleaves:
        return APART
    pixels = {name for name, shape in shapes.items() if shape[:2] == (1, 1) and views[name].tensor == name}
    makers: dict[str, Node] = {node.name: node for node in network.nodes}
    nodes = {node.name for node in network.nodes if isinstance(node, Conv) and _of_pixels(node, pixels)}
    while True:
        apart = {name for node in network.nodes if node.name not in nodes for name in node.inputs}
        together = {
            name
            for name in pixels - apart
            if name in nodes or isinstance(makers.get(name), STORED)  # can store it where it belongs
        }
        fewer = {name for name in nodes if {name, *makers[name].inputs} <= together}
        if fewer == nodes:
            tensors = {name for node in nodes for name in (node, *makers[node].inputs)}
            return Joined(frozenset(nodes), frozenset(tensors))
        nodes = fewer


def _of_pixels(node: Conv, pixels: set[str]) -> bool:
    plain = node.span == (1, 1) and node.stride == (1, 1) and not any(node.padding)
    return plain and {node.name, *node.inputs} <= pixels


def batched(
    steps: Sequence[Pass], tensors: Mapping[str, Shape], join: Joined, batch: int, spec: Spec
) -> list[Pass]:
    """The passes of a batch from those of its first image, or of its first four where they are joined.

    Raises
    ------
    ShiftbookError
        A layer has more tiles than the accelerator counts.
    """
    apart = interleaved(steps)
    placed = {name: image_beats(name, shape, apart, spec) for name, shape in tensors.items()}
    result: list[Pass] = []
    for step in steps:
        own = replace(
            step,
            source=_spaced(step.source, placed),
            target=_spaced(step.target, placed),
            residual=None if step.residual is None else _spaced(step.residual, placed),
        )
        count = join.count(step.source.tensor, batch) if step.node in join.nodes else batch
        if count > 1 and _follow_each_other(own, tensors, apart):
            result += below_each_other(replace(own, images=range(batch)), count, spec)
        else:
            result += _one_by_one(own, join, batch)
    return result


def _one_by_one(step: Pass, join: Joined, batch: int) -> Iterator[Pass]:
    """A pass for each image, or for each four."""
    together = step.node in join.nodes
    each = TOGETHER if together else 1
    for number, first in enumerate(range(0, batch, each)):
        place = partial(_numbered, image=number) if together else partial(join.place, image=first)
        yield replace(
            step,
            source=place(step.source),
            target=place(step.target),
            residual=None if step.residual is None else place(step.residual),
            images=range(first, min(batch, first + each)),
        )


def _numbered(view: View, image: int) -> View:
    return replace(view, image=image)


def _follow_each_other(step: Pass, tensors: Mapping[str, Shape], apart: frozenset[str]) -> bool:
    """Whether images lie below each other in what is written and added, tile after tile."""
    if step.target.phases or step.target.region is not None or step.gating == "channel":
        return False
    views = [step.target, *([] if step.residual is None else [step.residual])]
    return all(view.tensor not in apart and tensors[view.tensor][:2] == step.layout.output for view in views)


def below_each_other(step: Pass, count: int, spec: Spec) -> list[Pass]:
    """A pass over the tiles of several images.

    Where there is room in the banks, the next image is loaded while one runs; layers of groups are cut to
    make room.
    """
    rows, cols = step.layout.tiles
    if count * rows * cols >= 1 << TILE_WIDTH:
        raise ShiftbookError(
            f"layer {step.node}: {count} images are {count * rows * cols:,} tiles and the accelerator counts "
            f"{(1 << TILE_WIDTH) - 1:,}: lower the batch"
        )
    layout = replace(step.layout, tiles=(count * rows, cols), images=count)
    # A ring of two columns, a tile's own and padding, has no room for a next image.
    beside = replace(layout, wrap=False, left=1, right=1) if layout.wrap else layout
    room = tiles.capacity(layout.halo_rows, layout.phased, tiles.ample_ring(beside), spec)
    if layout.local_channels <= room:
        return [replace(step, layout=tiles.in_banks(beside, step.node, layout.local_channels, spec))]
    at_once = room // (layout.local_channels // step.conv.groups)
    if step.conv.groups > 1 and at_once and not (step.maximum or step.partial_in or step.partial_out):
        return group_passes(replace(step, layout=beside), at_once, spec)
    return [replace(step, layout=tiles.in_banks(layout, step.node, layout.local_channels, spec))]


def interleaved(steps: Iterable[Pass]) -> frozenset[str]:
    """Names of tensors that are stored as some of their pixels after others."""
    return frozenset(step.target.tensor for step in steps if step.target.phases)


def image_beats(tensor: str, shape: Shape, apart: frozenset[str], spec: Spec) -> int:
    """Beats from an image of a tensor to the next.

    Behind those of the tensor, the lower blocks may be written of tiles that end above them.
    """
    layout = TensorLayout(*shape, spec)
    spare = layout.row_step if tensor in apart and layout.blocks[0] % 2 else 0
    return layout.beats + spare


def _spaced(view: View, beats: Mapping[str, int]) -> View:
    return replace(view, image_step=beats[view.tensor])

"""One layer as the engine runs it, and where it finds its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from shiftbook.golden.coding.layer_coding import LayerCoding
from shiftbook.golden.coding.placement import Placement
from shiftbook.golden.mapping.tiles import Geometry
from shiftbook.golden.model.nodes import Activations, Conv, Shape
from shiftbook.golden.model.nodes.interleave import PHASES
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import Spec


@dataclass(frozen=True)
class Region:
    """Some rows and columns of a tensor, from the first pixel of a block on.

    Attributes
    ----------
    top, left
        Its first row and column.
    height, width
        Its rows and columns.
    within
        Columns of the tensor.
    """

    top: int
    left: int
    height: int
    width: int
    within: int

    def block(self, row: int, column: int, spec: Spec) -> int:
        """Number, within the tensor, of a block that has this row and column among the region's."""
        columns = -(-self.within // spec.cols)
        return (self.top // spec.rows + row) * columns + self.left // spec.cols + column


@dataclass(frozen=True)
class View:
    """Some channels of a tensor in memory, of all pixels or of some.

    Attributes
    ----------
    tensor
        Name of the node that makes it, or of the whole that it is a part of.
    first, channels
        The first channel, and how many.
    whole
        Channels of the whole tensor.
    phases
        0: of all pixels. Else bit ``2 dy + dx`` says whether it is the pixels (2 y + dy, 2 x + dx); of
        several bits all are the same.
    region
        Rows and columns; None: all. With ``phases`` 0 only.
    image, image_step
        In a batch: which of the tensor's images it is, or the first of those that a pass takes, and beats
        from an image to the next.
    """

    tensor: str
    first: int
    channels: int
    whole: int
    phases: int = 0
    region: Region | None = None
    image: int = 0
    image_step: int = 0

    @property
    def start(self) -> int:
        """Its first beat, from that of the tensor's first image."""
        return self.image * self.image_step + self.first

    def part(self, first: int, channels: int) -> View:
        """Some of these channels."""
        return replace(self, first=self.first + first, channels=channels)

    def interleaved(self, phases: int) -> View:
        """Some of these pixels, which are all."""
        return View(self.tensor, self.first, self.channels, self.whole, phases)

    @property
    def grid(self) -> tuple[int, tuple[int, int]]:
        """Rows and columns from pixel to pixel, and the first one; of several phases those of the first."""
        if not self.phases:
            return 1, (0, 0)
        return 2, next(phase for n, phase in enumerate(PHASES) if self.phases >> n & 1)

    def pixels(self, whole: Activations) -> list[Activations]:
        """What this is of a tensor's pixels [H, W, C]: all, a region, or those of each of its phases."""
        found = whole[..., self.first : self.first + self.channels]
        if self.region is not None:
            rows = slice(self.region.top, self.region.top + self.region.height)
            return [found[rows, self.region.left : self.region.left + self.region.width]]
        if not self.phases:
            return [found]
        return [found[dy::2, dx::2] for n, (dy, dx) in enumerate(PHASES) if self.phases >> n & 1]


Gating = Literal["channel", "pixel"]


@dataclass(frozen=True, eq=False)
class Pass:
    """One layer as the engine runs it.

    Attributes
    ----------
    node
        Name of the node that it is for.
    conv
        Kernel, stride, padding, groups and requantizer.
    coding
        What is coded, and how; of the weights of ``conv`` but for maximum pooling.
    layout
        On the grid.
    source, target, residual
        What it reads, writes and adds.
    pad
        What lies outside of the input.
    residual_zero_point
        Zero point of the residual.
    maximum
        Whether lanes keep the larger instead of adding up.
    whole
        The layer whose accumulators these are: of all input channels.
    partial_in
        Whether ``residual`` is partial sums, with the residuals beside them.
    partial_out
        Whether partial sums leave.
    gating
        Whether ``residual`` is no residual: of a "channel" its first pixel is the multiplier, of a "pixel"
        its own.
    source_block
        Row and column of the block of ``source`` where what it reads begins.
    images
        Those of the batch that it runs.
    """

    node: str
    conv: Conv
    coding: LayerCoding
    layout: Geometry
    source: View
    target: View
    residual: View | None
    pad: int
    residual_zero_point: int
    maximum: bool
    whole: Conv
    partial_in: bool
    partial_out: bool
    gating: Gating | None = None
    source_block: tuple[int, int] = (0, 0)
    images: range = range(1)

    @property
    def weights(self) -> Weights:
        """What is coded."""
        return self.coding.weights

    @property
    def placement(self) -> Placement:
        """Where it lives."""
        return self.coding.placement


@dataclass(frozen=True)
class Memory:
    """What a network's tensors are and where they lie.

    Attributes
    ----------
    spec
        Of the accelerator.
    shapes, views, zero_points
        By name of the node that makes the tensor.
    """

    spec: Spec
    shapes: Mapping[str, Shape]
    views: Mapping[str, View]
    zero_points: Mapping[str, int]

"""Convolution, with groups, a residual, and copies that share weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.checks import check_requantize, check_weights
from shiftbook.golden.model.integer import accumulate, requantize, span_of
from shiftbook.golden.model.nodes.base import Activations, Node, Shape, shape_text
from shiftbook.golden.model.nodes.window import spend_padding, window_positions
from shiftbook.golden.model.weights import Requantize, Weights


@dataclass(frozen=True)
class Conv(Node):
    """Convolution; a fully connected layer is one whose kernel covers its whole input.

    With ``copies`` above 1 it is a 1x1 convolution whose weights [O / copies, 1, 1, I / copies] meet each
    of ``copies`` consecutive runs of input channels, which makes as many runs of output channels. The
    requantizer has an entry for each of all O output channels. Negative padding leaves out rows and columns
    of the input.
    """

    source: str
    weights: Weights
    requantize: Requantize
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, bottom, left, right
    groups: int = 1
    residual: str | None = None
    copies: int = 1
    dilation: tuple[int, int] = (1, 1)

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first tap of the kernel to its last one."""
        _, rows, cols, _ = self.weights.integers.shape
        return span_of((rows, cols), self.dilation)

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.copies * len(self.weights.integers)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,) if self.residual is None else (self.source, self.residual)

    def role(self, number: int) -> str:
        return ("source", "residual")[number]

    @property
    def requantizer(self) -> Requantize:
        return self.requantize

    def texts(self) -> list[tuple[str, str]]:
        return [*super().texts(), ("a layer's scheme", self.weights.scheme)]

    def zero_point(self, inputs: Sequence[int]) -> int:
        return self.requantize.output_zero_point

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        check_weights(self.name, self.weights, slots)
        check_requantize(self.name, self.requantize, self.outputs, residual=self.residual is not None)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        result = self._own_shape(inputs[0])
        if self.residual is not None and inputs[1] != result:
            raise ShiftbookError(
                f"layer {self.name}: makes {shape_text(result)} but its residual {self.residual} is "
                f"{shape_text(inputs[1])}"
            )
        return result

    def spend(self, budget: Budget, inputs: Sequence[Shape], output: Shape) -> None:
        super().spend(budget, inputs, output)
        spend_padding(self.name, budget, inputs[0], self.padding)
        shape = self.weights.integers.shape
        budget.weights(self.name, prod(shape))
        budget.operations(self.name, prod(output) * prod(shape[1:]))

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        """Copies lie side by side like pixels, since their kernel is 1x1."""
        images = inputs[0]
        count, rows, cols, _ = images.shape
        accumulator = accumulate(
            images.reshape(count, rows, cols * self.copies, -1) if self.copies > 1 else images,
            self.weights.integers,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            pad_value=zero_points[0],
        )
        if self.copies > 1:
            accumulator = accumulator.reshape(count, rows, cols, -1)
        if self.residual is None:
            return requantize(accumulator, self.requantize)
        return requantize(accumulator, self.requantize, inputs[1], zero_points[1])

    def _own_shape(self, source: Shape) -> Shape:
        if self.weights.integers.ndim != 4 or 0 in self.weights.integers.shape:
            raise ShiftbookError(
                f"layer {self.name}: weights must be [O, kh, kw, I], not {self.weights.integers.shape}"
            )
        outputs, _, _, channels = self.weights.integers.shape
        if min(self.dilation) < 1:
            raise ShiftbookError(f"layer {self.name}: dilation must be at least 1, not {self.dilation}")
        if self.copies != 1:
            self._check_copies(source[2])
            return source[0], source[1], self.outputs
        if self.groups < 1 or outputs % self.groups or channels * self.groups != source[2]:
            raise ShiftbookError(
                f"layer {self.name}: {self.groups} groups of {channels} input channels to {outputs} output "
                f"channels do not fit a source of {source[2]} channels"
            )
        return *window_positions(self.name, source, self.span, self.stride, self.padding, crops=True), outputs

    def _check_copies(self, channels: int) -> None:
        plain = self.weights.integers.shape[1:3] == (1, 1) and self.groups == 1
        if self.copies < 1 or not plain or self.stride != (1, 1) or any(self.padding):
            raise ShiftbookError(
                f"layer {self.name}: {self.copies} copies must be 1 or more, of a 1x1 kernel in one group, "
                "with stride 1 and no padding"
            )
        each = self.weights.integers.shape[3]
        if each * self.copies != channels:
            raise ShiftbookError(
                f"layer {self.name}: {self.copies} copies of {each} input channels do not fit a source of "
                f"{channels} channels"
            )

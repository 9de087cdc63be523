"""Structural checks of a network: what must hold before anything runs it."""

from __future__ import annotations

from math import isfinite, prod

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError, is_plain
from shiftbook.golden.limits import Budget, limits
from shiftbook.golden.model.integer import (
    LARGEST_ACTIVATION,
    MAX_ACCUMULATOR_WIDTH,
    MAX_MULTIPLIER,
    MAX_RESIDUAL_MULTIPLIER,
    MAX_SHIFT,
    output_size,
)
from shiftbook.golden.model.network import (
    Concat,
    Conv,
    Network,
    Pool,
    Requantize,
    Subsample,
    Vectors,
    Weights,
    zero_points,
)

Shape = tuple[int, int, int]

MAX_CODEWORDS = 256
"""Of one codebook."""

MAX_NAME = 256
"""Characters of a name."""

MAX_WINDOW = (1 << MAX_ACCUMULATOR_WIDTH - 1) // (LARGEST_ACTIVATION + 1)
"""Pixels of an average's window: their sum fits the accumulator."""


def validate(network: Network) -> None:
    """Raise a ShiftbookError, naming the layer, unless every backend can rely on the network."""
    shapes(network)
    _check_texts(network)
    for name, scale in network.scales.items():
        if not isfinite(scale):
            raise ShiftbookError(f"the scale of {name} must be finite, not {scale}")
    _check_requantize(network.input.name, network.input.requantize, network.input.shape[2], residual=False)
    if not 1 <= network.slots <= 16:
        raise ShiftbookError(f"slots must be in 1..16, not {network.slots}")
    zero = zero_points(network)
    for node in network.nodes:
        if isinstance(node, Conv):
            _check_weights(node.name, node.weights, network.slots)
            _check_requantize(node.name, node.requantize, node.outputs, residual=node.residual is not None)
        elif isinstance(node, Pool):
            if (node.requantize is not None) != (node.kind == "average"):
                raise ShiftbookError(f"layer {node.name}: average pooling, and only it, needs a requantizer")
            if node.requantize is not None:
                _check_requantize(node.name, node.requantize, 1, residual=False)
                if prod(node.kernel) > MAX_WINDOW:
                    raise ShiftbookError(
                        f"layer {node.name}: an average over {prod(node.kernel)} pixels can exceed "
                        f"{MAX_ACCUMULATOR_WIDTH} accumulator bits: the window must have at most {MAX_WINDOW}"
                    )
        elif isinstance(node, Concat) and len({zero[source] for source in node.sources}) > 1:
            points = [zero[source] for source in node.sources]
            raise ShiftbookError(f"layer {node.name}: joins tensors of zero points {points}: they must agree")


def _check_texts(network: Network) -> None:
    """Names reach terminals, tables and files: none may break a line or hold a terminal escape."""
    texts = [("the name of the input", network.input.name)]
    texts += [("a layer's name", node.name) for node in network.nodes]
    texts += [("a layer's scheme", node.weights.scheme) for node in network.nodes if isinstance(node, Conv)]
    texts += [("the name of a class", name) for name in network.classes]
    texts += [("the name of a scale", name) for name in network.scales]
    for what, text in texts:
        if not is_plain(text) or len(text) > MAX_NAME:
            raise ShiftbookError(
                f"{what} must be at most {MAX_NAME} visible characters and blanks, not {text!r:.80}"
            )


def shapes(network: Network) -> dict[str, Shape]:
    """Height, width and channels of every tensor, by name of the node that makes it.

    Nothing is allocated for the network before what it asks for is known to be within `golden.limits`.

    Raises
    ------
    ShiftbookError
        A name is used twice, a source is unknown or comes later, shapes do not fit together, or they are
        larger than the limits allow.
    """
    found: dict[str, Shape] = {}
    bounds = limits()
    bounds.check("the network has too many nodes", "nodes", len(network.nodes))
    budget = Budget(bounds)
    if len(network.input.shape) != 3 or min(network.input.shape) < 1:
        raise ShiftbookError(f"input shape must be (height, width, channels), not {network.input.shape}")
    found[network.input.name] = network.input.shape
    budget.tensor(network.input.name, prod(network.input.shape))
    if not network.nodes:
        raise ShiftbookError("the network has no layer")
    for node in network.nodes:
        if node.name in found:
            raise ShiftbookError(f"layer name {node.name} is used twice")
        if isinstance(node, Concat):
            found[node.name] = _joined_shape(node, found)
            budget.tensor(node.name, prod(found[node.name]))
            continue
        if node.source not in found:
            raise ShiftbookError(f"layer {node.name}: its source {node.source!r} is no earlier layer")
        found[node.name] = _output_shape(node, found[node.source])
        _spend(budget, node, found[node.source], found[node.name])
        if isinstance(node, Conv) and node.residual is not None:
            if node.residual not in found or node.residual == node.name:
                raise ShiftbookError(f"layer {node.name}: its residual {node.residual!r} is no earlier layer")
            if found[node.residual] != found[node.name]:
                raise ShiftbookError(
                    f"layer {node.name}: makes {_text(found[node.name])} but its residual {node.residual} is "
                    f"{_text(found[node.residual])}"
                )
    return found


def _spend(budget: Budget, node: Conv | Pool | Subsample, source: Shape, target: Shape) -> None:
    """What running a node takes: its output, its padded input, its weights and its work."""
    budget.tensor(node.name, prod(target))
    if isinstance(node, Subsample):
        return
    top, bottom, left, right = node.padding
    if any(node.padding):
        budget.tensor(node.name, (source[0] + top + bottom) * (source[1] + left + right) * source[2])
    if isinstance(node, Conv):
        shape = node.weights.integers.shape
        budget.weights(node.name, prod(shape))
        budget.operations(node.name, prod(target) * prod(shape[1:]))
    else:
        budget.operations(node.name, prod(target) * prod(node.kernel))


def _joined_shape(node: Concat, found: dict[str, Shape]) -> Shape:
    unknown = [source for source in node.sources if source not in found]
    if unknown or not node.sources:
        raise ShiftbookError(f"layer {node.name}: its sources {node.sources!r} must be earlier layers")
    sizes = {found[source][:2] for source in node.sources}
    if len(sizes) > 1:
        raise ShiftbookError(
            f"layer {node.name}: joins tensors of {' and '.join(_text(found[s]) for s in node.sources)}: "
            "their heights and widths must agree"
        )
    height, width = sizes.pop()
    return height, width, sum(found[source][2] for source in node.sources)


def _output_shape(node: Conv | Pool | Subsample, source: Shape) -> Shape:
    height, width, channels = source
    if isinstance(node, Subsample):
        if node.stride < 1 or min(node.before, node.after) < 0:
            raise ShiftbookError(
                f"layer {node.name}: stride must be at least 1 and added channels at least 0, not "
                f"{(node.stride, node.before, node.after)}"
            )
        return -(-height // node.stride), -(-width // node.stride), node.before + channels + node.after
    if isinstance(node, Conv):
        if node.weights.integers.ndim != 4 or 0 in node.weights.integers.shape:
            raise ShiftbookError(
                f"layer {node.name}: weights must be [O, kh, kw, I], not {node.weights.integers.shape}"
            )
        outputs, kernel_rows, kernel_cols, inputs = node.weights.integers.shape
        kernel = (kernel_rows, kernel_cols)
        if node.copies != 1:
            _check_copies(node, channels)
            return height, width, node.outputs
        if node.groups < 1 or outputs % node.groups or inputs * node.groups != channels:
            raise ShiftbookError(
                f"layer {node.name}: {node.groups} groups of {inputs} input channels to {outputs} output "
                f"channels do not fit a source of {channels} channels"
            )
    else:
        outputs, kernel = channels, node.kernel
        if min(kernel) < 1 or (
            node.kind == "max" and (max(node.padding[:2]) >= kernel[0] or max(node.padding[2:]) >= kernel[1])
        ):
            raise ShiftbookError(f"layer {node.name}: window {kernel} must exceed its padding {node.padding}")
    if min(node.stride) < 1 or min(node.padding) < 0:
        raise ShiftbookError(
            f"layer {node.name}: stride must be at least 1 and padding at least 0, not "
            f"{node.stride} and {node.padding}"
        )
    rows, cols = output_size(height, width, kernel, node.stride, node.padding)
    if min(rows, cols) < 1:
        raise ShiftbookError(
            f"layer {node.name}: a {kernel[0]}x{kernel[1]} window does not fit {_text(source)}"
        )
    return rows, cols, outputs


def _check_copies(node: Conv, channels: int) -> None:
    plain = node.weights.integers.shape[1:3] == (1, 1) and node.groups == 1
    if node.copies < 1 or not plain or node.stride != (1, 1) or any(node.padding):
        raise ShiftbookError(
            f"layer {node.name}: {node.copies} copies must be 1 or more, of a 1x1 kernel in one group, with "
            f"stride 1 and no padding"
        )
    inputs = node.weights.integers.shape[3]
    if inputs * node.copies != channels:
        raise ShiftbookError(
            f"layer {node.name}: {node.copies} copies of {inputs} input channels do not fit a source of "
            f"{channels} channels"
        )


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _check_range(name: str, what: str, values: NDArray[np.generic] | int, low: int, high: int) -> None:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise ShiftbookError(f"layer {name}: {what} must be integers, not {array.dtype}")
    if array.size and (array.min() < low or array.max() > high):
        bad = int(array.min() if array.min() < low else array.max())
        raise ShiftbookError(f"layer {name}: {what} must be in {low}..{high}, not {bad}")


def _check_requantize(name: str, parameters: Requantize, channels: int, residual: bool) -> None:
    if (parameters.residual_multiplier is not None) != residual:
        raise ShiftbookError(f"layer {name}: a residual and a residual multiplier need each other")
    if parameters.residual_multiplier is not None:
        multiplier = parameters.residual_multiplier
        _check_range(name, "residual multiplier", multiplier, 0, MAX_RESIDUAL_MULTIPLIER)
    limit = 1 << MAX_ACCUMULATOR_WIDTH - 1
    for what, values, low, high in (
        ("bias", parameters.bias, -limit, limit - 1),
        ("multiplier", parameters.multiplier, 0, MAX_MULTIPLIER),
        ("shift", parameters.shift, 0, MAX_SHIFT),
    ):
        if np.shape(values) != (channels,):
            raise ShiftbookError(
                f"layer {name}: {what} must have shape {(channels,)}, not {np.shape(values)}"
            )
        _check_range(name, what, values, low, high)
    _check_range(name, "zero point", parameters.zero_point, 0, LARGEST_ACTIVATION)
    _check_range(name, "low clamp", parameters.low, 0, LARGEST_ACTIVATION)
    _check_range(name, "high clamp", parameters.high, parameters.low, LARGEST_ACTIVATION)


def _check_weights(name: str, weights: Weights, slots: int) -> None:
    if weights.vectors is None:
        _check_codebook(name, weights)
    else:
        _check_vectors(name, weights, weights.vectors)
    magnitude = np.abs(weights.integers).reshape(len(weights.integers), -1).sum(1, dtype=np.int64)
    if magnitude.max() * LARGEST_ACTIVATION >= 1 << MAX_ACCUMULATOR_WIDTH - 1:
        raise ShiftbookError(
            f"layer {name}: output channel {int(magnitude.argmax())} can exceed "
            f"{MAX_ACCUMULATOR_WIDTH} accumulator bits"
        )
    slot_of = weights.slot_of_channel
    if slot_of is not None:
        if slot_of.shape != weights.integers.shape[3:]:
            raise ShiftbookError(
                f"layer {name}: slot_of_channel must have shape {weights.integers.shape[3:]}, "
                f"not {slot_of.shape}"
            )
        _check_range(name, "slot of channel", slot_of, 0, slots - 1)


def _check_codebook(name: str, weights: Weights) -> None:
    """Every weight is in the layer's codebook."""
    codebook = weights.codebook
    if codebook.ndim != 1 or not 1 <= codebook.size <= 256 or np.any(np.diff(codebook.astype(np.int64)) <= 0):
        raise ShiftbookError(f"layer {name}: the codebook must hold 1 to 256 distinct ascending integers")
    _check_range(name, "codebook", codebook, -128, 127)
    _check_range(name, "weights", weights.integers, -128, 127)
    if not weights.gapless and 0 in codebook:
        raise ShiftbookError(
            f"layer {name}: 0 in the codebook of a layer with gaps, where a zero has no code"
        )
    # A table of the 256 weights: searching the codebook for each weight is slow on large networks.
    known = np.zeros(256, bool)
    known[codebook.astype(np.int64) + 128] = True
    known[128] |= not weights.gapless
    for (
        channel
    ) in weights.integers:  # one at a time: indices of all weights would take eight times their memory
        unknown = ~known[channel.astype(np.int64) + 128]
        if unknown.any():
            raise ShiftbookError(f"layer {name}: weight {int(channel[unknown][0])} is not in its codebook")


def _check_vectors(name: str, weights: Weights, vectors: Vectors) -> None:
    """Every code names a codeword, and has a code word."""
    codewords, lengths = vectors.codebooks.codewords, vectors.codebooks.lengths
    if codewords.ndim != 3 or not 0 < codewords.shape[1] <= MAX_CODEWORDS or 0 in codewords.shape:
        raise ShiftbookError(
            f"layer {name}: codebooks must be [M, K, d] with K up to {MAX_CODEWORDS}, not {codewords.shape}"
        )
    _check_range(name, "codewords", codewords, -128, 127)
    books, entries, _ = codewords.shape
    if lengths.shape != (entries,):
        raise ShiftbookError(
            f"layer {name}: {entries} codewords need as many code lengths, not {lengths.shape}"
        )
    codes, present = vectors.codes, vectors.present
    outputs = len(weights.integers)
    if codes.shape != (*present.shape, books) or present.ndim != 3 or len(present) != outputs:
        raise ShiftbookError(
            f"layer {name}: codes and presence must be [{outputs}, W, V, {books}] and [{outputs}, W, V], "
            f"not {codes.shape} and {present.shape}"
        )
    _check_range(name, "codes", codes, 0, entries - 1)
    without = lengths[codes[present]] == 0
    if without.any():
        raise ShiftbookError(f"layer {name}: code {codes[present][without][0]} has no Huffman code word")
    if weights.gapless != bool(present.all()):
        raise ShiftbookError(f"layer {name}: gapless must tell whether all vectors are present")
    if weights.slot_of_channel is not None:
        raise ShiftbookError(f"layer {name}: vectors are cut where channels live in their default slots")

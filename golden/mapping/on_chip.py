"""Which tensors stay in the tensor buffer, and where: as many moved beats as possible are spared.

A tensor lives from the first pass that writes it to the last one that reads it. Passes overlap, but what a
pass writes begins to leave when the one before is over with all it reads, and what is loaded ahead was there
before. So two tensors can have the same place where no pass needs both.

A sum may take the place of its residual: each beat of that is read, in the order in which the sum is written,
before the sum's own beat leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.spec import PARTIAL_BYTES, Spec


class Stay(NamedTuple):
    """A tensor in the tensor buffer.

    Attributes
    ----------
    word
        Its first one.
    size
        Words of all images of the batch.
    first, last
        Numbers of the passes from which and up to which it is needed.
    beats
        That are not moved on the bus because of it.
    """

    word: int
    size: int
    first: int
    last: int
    beats: int


@dataclass(frozen=True)
class _Tensor:
    """One that may stay; see `Stay`.

    Attributes
    ----------
    over
        The tensor, if there is one, whose very place it may take while that is still read.
    """

    name: str
    size: int
    first: int
    last: int
    beats: int
    over: str | None

    def meets(self, other: _Tensor) -> bool:
        """Whether a pass needs both."""
        return self.first <= other.last and other.first <= self.last


Order = Callable[[_Tensor], float]

ORDERS: tuple[Order, ...] = (
    lambda each: -each.beats / (each.size * (each.last - each.first + 1)),
    lambda each: -each.beats / each.size,
    lambda each: -each.beats,
)
"""In which tensors are tried, each where it fits first; the order that spares most is taken."""


def on_chip(
    passes: Sequence[Pass],
    sizes: Mapping[str, int],
    host: Collection[str],
    spec: Spec,
) -> dict[str, Stay]:
    """Choose the tensors that stay.

    Parameters
    ----------
    passes
        Of a program.
    sizes
        Beats of every tensor, those of all images of the batch.
    host
        Names of those that the host writes or reads.
    spec
        Words of the buffer; each tensor begins at a multiple of the longest burst.

    Returns
    -------
    stays
        By name. Where no word is free when it is needed, a tensor is not among them.
    """
    if not spec.tensor_kib:
        return {}
    tensors = _tensors(passes, sizes, spec)
    fitting = [each for each in tensors if each.name not in host and each.size <= spec.tensor_words]
    found = [_arranged(sorted(fitting, key=order), spec) for order in ORDERS]
    return max(found, key=lambda stays: sum(stay.beats for stay in stays.values()))


def _arranged(tensors: Sequence[_Tensor], spec: Spec) -> dict[str, Stay]:
    """Give each tensor in turn the first place that is free, if there is one."""
    stays: dict[str, Stay] = {}
    placed: list[_Tensor] = []
    for tensor in tensors:
        others = [(stays[each.name].word, each) for each in placed if tensor.meets(each)]
        shared = [word for word, each in others if _may_share(tensor, each)]
        ends = [_aligned(word + each.size, spec) for word, each in others]
        for word in [*sorted(shared), *sorted({0, *ends})]:
            if word + tensor.size <= spec.tensor_words and all(
                _apart(word, tensor, there, each) for there, each in others
            ):
                stays[tensor.name] = Stay(word, tensor.size, tensor.first, tensor.last, tensor.beats)
                placed.append(tensor)
                break
    return stays


def _apart(word: int, tensor: _Tensor, there: int, other: _Tensor) -> bool:
    """Whether two tensors that meet do not disturb each other."""
    if word == there and _may_share(tensor, other):
        return True
    return word + tensor.size <= there or there + other.size <= word


def _may_share(one: _Tensor, other: _Tensor) -> bool:
    return one.name == other.over or other.name == one.over


def _aligned(word: int, spec: Spec) -> int:
    return -(-word // spec.burst_beats) * spec.burst_beats


def _tensors(passes: Sequence[Pass], sizes: Mapping[str, int], spec: Spec) -> list[_Tensor]:
    """When each is needed, and by how many beats."""
    writes: dict[str, list[int]] = {name: [] for name in sizes}
    reads: dict[str, list[int]] = {name: [] for name in sizes}
    beats = dict.fromkeys(sizes, 0)
    for number, step in enumerate(passes):
        for name, count in moved(step, spec):
            beats[name] += count
        writes[step.target.tensor].append(number)
        reads[step.source.tensor].append(number)
        if step.residual is not None:
            reads[step.residual.tensor].append(number)
    found = []
    for name, written in writes.items():
        if written:
            first, last = written[0], max([*written, *reads[name]])
            over = _residual(passes, first, reads)
            found.append(_Tensor(name, sizes[name], first, last, beats[name], over))
    return found


def _residual(passes: Sequence[Pass], first: int, reads: Mapping[str, Sequence[int]]) -> str | None:
    """The tensor in whose place the one may lie that pass ``first`` begins to write."""
    residual = passes[first].residual
    if residual is None:
        return None
    both = passes[first : reads[residual.tensor][-1] + 1]
    return residual.tensor if _in_place(both, passes[first].target.tensor) else None


def _in_place(steps: Sequence[Pass], target: str) -> bool:
    """Whether all of these passes write the target, beat for beat in the place of one and the same residual.

    They are those that need both.
    """
    residual = steps[0].residual
    return residual is not None and all(
        step.residual is not None
        and step.residual.tensor == residual.tensor
        and step.source.tensor not in (residual.tensor, target)
        and replace(step.residual, tensor=target) == step.target
        and step.gating != "channel"
        and not (step.partial_in or step.partial_out or step.target.phases)
        for step in steps
    )


def moved(step: Pass, spec: Spec) -> list[tuple[str, int]]:
    """Beats that a pass reads of its source and residual, and writes: name of the tensor, and how many."""
    found = [(step.source.tensor, _loaded(step, spec))]
    outputs = len(step.conv.weights.integers)
    tiles = step.layout.tiles[0] * step.layout.tiles[1]
    if step.residual is not None:
        each = PARTIAL_BYTES if step.partial_in else 1
        found.append((step.residual.tensor, tiles * spec.block_beats * each * outputs))
    each = PARTIAL_BYTES if step.partial_out else 1
    blocks = _quarters(step, spec) if step.target.phases else tiles
    return [*found, (step.target.tensor, blocks * spec.block_beats * each * outputs)]


def _quarters(step: Pass, spec: Spec) -> int:
    """Blocks that are written where a tile is four, of which the right two may not be there."""
    rows, columns = step.layout.tiles
    return 2 * rows * min(2 * columns, -(-2 * step.layout.output[1] // spec.cols))


def _loaded(step: Pass, spec: Spec) -> int:
    """Beats that the loader reads: of the blocks that a tile needs and that are there, for all tiles."""
    layout = step.layout
    blocks = TensorLayout(*layout.source, step.source.whole, spec).blocks
    beats = layout.first_block + (layout.first_beat + np.arange(layout.row_beats)) // spec.block_beats
    lines = np.arange(layout.image_rows)[:, None] * layout.stride + beats
    columns = np.arange(-layout.left, layout.tiles[1] + layout.right)[:, None] * layout.stride
    columns = columns + np.arange(layout.stride)
    there = [
        np.count_nonzero((each >= 0) & (each < size))
        for each, size in zip((lines, columns), blocks, strict=True)
    ]
    return layout.images * int(np.prod(there)) * step.source.channels

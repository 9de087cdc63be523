"""Which weight slot holds which weight position, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]


class TableEntry(NamedTuple):
    """One entry of a slot's tap table: a kernel tap and the first local channel that it covers."""

    ky: int
    kx: int
    channel: int


@dataclass(frozen=True, eq=False)
class Placement:
    """Where every weight position of an output channel lives.

    Attributes
    ----------
    mode
        ``"channel"``: a slot holds some of the channels, and a table entry is one tap of all of them.
        ``"scatter"``: every slot holds all channels, and a table entry is one (tap, channel).
    slots
        Weight slots W.
    channel_bits
        k: the low bits of a local position that are the local channel; the others are the table entry.
    entries
        Entries of a slot's tap table, the same number for all slots.
    slot, position
        [kh, kw, I] the slot of each position, and its local position there.
    source
        [W, P] the flat position ``(ky * kw + kx) * I + c`` at each local position; -1 where there is none.
    channels
        W arrays: the input channels that a slot holds, in local order.
    table
        W lists of ``entries`` table entries; entries without any position repeat entry 0.
    """

    mode: Literal["channel", "scatter"]
    slots: int
    channel_bits: int
    entries: int
    slot: Ints
    position: Ints
    source: Ints
    channels: tuple[Ints, ...]
    table: tuple[tuple[TableEntry, ...], ...]

    @property
    def positions(self) -> int:
        """P: local positions of one output channel in each slot."""
        return self.entries << self.channel_bits


def place(
    kernel: tuple[int, int],
    channels: int,
    slots: int,
    spec: Spec,
    slot_of_channel: ArrayLike | None = None,
) -> Placement:
    """Place the positions of one output channel.

    Parameters
    ----------
    kernel
        (kh, kw).
    channels
        Input channels I of one group.
    slots
        Weight slots W.
    spec
        Its ``position_width`` and ``gap_symbols`` bound what fits. An engine can run no more taps than its
        ``table_entries``, which `golden.mapping.legality` checks; here they only choose the mode.
    slot_of_channel
        [I] slots 0..W-1, each at most ceil(I / W) times; None is ``c % W``. Only where the mode is "channel".

    Raises
    ------
    ShiftbookError
        The positions do not fit the spec, or slot_of_channel is no such assignment.
    """
    if min(*kernel, channels, slots) < 1:
        raise ShiftbookError(f"kernel {kernel}, channels {channels} and slots {slots} must be at least 1")
    taps = kernel[0] * kernel[1]
    scattered = -(-taps * channels // slots)
    even = channels >= slots and channels % slots == 0
    by_channel = even or scattered > spec.table_entries
    entries = taps if by_channel else scattered
    positions = entries << (_local_bits(channels, slots) if by_channel else 0)
    if positions + spec.gap_symbols > 1 << spec.position_width:
        raise ShiftbookError(
            f"{positions} positions of an output channel in a slot, plus a gap of {spec.gap_symbols}, "
            f"do not fit the spec's position_width of {spec.position_width} bits"
        )
    if by_channel:
        return _by_channel(kernel, channels, slots, slot_of_channel)
    if slot_of_channel is not None:
        raise ShiftbookError(f"slot_of_channel has no meaning for {channels} channels scattered over slots")
    return _scattered(kernel, channels, slots)


def default_slots(channels: int, slots: int) -> Ints:
    """[I] the slot of each channel where no other assignment is given."""
    return np.arange(channels) % slots


def _local_bits(channels: int, slots: int) -> int:
    """Bits of a local channel where slots share the channels."""
    return (-(-channels // slots) - 1).bit_length()


def _by_channel(
    kernel: tuple[int, int], channels: int, slots: int, slot_of_channel: ArrayLike | None
) -> Placement:
    if slot_of_channel is None:
        owner = default_slots(channels, slots)
    else:
        owner = np.asarray(slot_of_channel, dtype=np.int64)
    most = -(-channels // slots)
    if owner.shape != (channels,) or owner.min() < 0 or owner.max() >= slots:
        raise ShiftbookError(f"slot_of_channel must hold {channels} slots in 0..{slots - 1}")
    if np.bincount(owner).max() > most:
        raise ShiftbookError(
            f"slot_of_channel must give each slot at most {most} of {channels} channels, "
            f"not {np.bincount(owner).tolist()}"
        )
    held = tuple(np.flatnonzero(owner == slot) for slot in range(slots))
    local = np.zeros(channels, dtype=np.int64)
    for members in held:
        local[members] = np.arange(len(members))
    channel_bits = _local_bits(channels, slots)
    kh, kw = kernel
    tap = np.arange(kh * kw).reshape(kh, kw, 1)
    position = (tap << channel_bits) | local
    table = tuple(TableEntry(ky, kx, 0) for ky in range(kh) for kx in range(kw))
    slot = np.broadcast_to(owner, position.shape)
    return Placement(
        mode="channel",
        slots=slots,
        channel_bits=channel_bits,
        entries=kh * kw,
        slot=slot,
        position=position,
        source=_source(slot, position, slots, (kh * kw) << channel_bits),
        channels=held,
        table=(table,) * slots,
    )


def _scattered(kernel: tuple[int, int], channels: int, slots: int) -> Placement:
    kh, kw = kernel
    flat = np.arange(kh * kw * channels).reshape(kh, kw, channels)
    slot, position = flat % slots, flat // slots
    entries = -(-flat.size // slots)
    source = _source(slot, position, slots, entries)
    table = []
    for own in np.where(source >= 0, source, source[:, :1]):
        coordinates = np.stack(np.unravel_index(np.maximum(own, 0), flat.shape), axis=1)
        table.append(tuple(TableEntry(*entry) for entry in coordinates.tolist()))
    return Placement(
        mode="scatter",
        slots=slots,
        channel_bits=0,
        entries=entries,
        slot=slot,
        position=position,
        source=source,
        channels=(np.arange(channels),) * slots,
        table=tuple(table),
    )


def _source(slot: Ints, position: Ints, slots: int, positions: int) -> Ints:
    source = np.full((slots, positions), -1, dtype=np.int64)
    source[slot.ravel(), position.ravel()] = np.arange(slot.size)
    return source


def balance(
    integers: NDArray[np.int16],
    codebook: NDArray[np.int16],
    work_per_code: ArrayLike,
    slots: int,
    *,
    seed: int = 0,
    trials: int = 1024,
    partners: int = 64,
) -> NDArray[np.uint8]:
    """Assign channels to slots so that slots finish an output channel at about the same time.

    All slots wait for the slowest at the end of each output channel, so the cost is the sum over output
    channels of the largest slot's work. Starts from ``c % W`` and swaps two channels as long as that helps.

    Parameters
    ----------
    integers
        [O, kh, kw, I] weights; 0 is free (pruned).
    codebook, work_per_code
        [K] the distinct weights, ascending, and the cycles that each takes (``golden.coding.terms.work``).
    slots
        W, a divisor of I.
    seed, trials, partners
        Channels tried, and how many partners each is tried against; the result depends on nothing else.

    Returns
    -------
    slot_of_channel
        [I], every slot I / W times.
    """
    channels = integers.shape[3]
    if channels % slots:
        raise ShiftbookError(f"balance needs a number of channels that {slots} divides, not {channels}")
    cycles = np.asarray(work_per_code)[np.clip(np.searchsorted(codebook, integers), 0, len(codebook) - 1)]
    load = np.where(integers != 0, cycles, 0).sum(axis=(1, 2)).astype(np.int32)  # [O, I]
    rng = np.random.default_rng(seed)
    owner = default_slots(channels, slots)
    sums = np.stack([load[:, owner == w].sum(axis=1) for w in range(slots)], axis=1)
    least = int(np.maximum(-(-load.sum(axis=1) // slots), load.max(axis=1)).sum())  # no swap gets below
    idle = 0
    for trial in range(trials if slots > 1 else 0):
        if sums.max(axis=1).sum() == least:
            break
        if trial % channels == 0:
            order = rng.permutation(channels)
        channel = order[trial % channels]
        others = np.flatnonzero(owner != owner[channel])
        others = rng.permutation(others)[:partners]
        gains = sums.max(axis=1).sum() - _cost_after_swaps(sums, load, owner, channel, others)
        best = int(gains.argmax())
        idle = 0 if gains[best] > 0 else idle + 1
        if gains[best] > 0:
            _swap(sums, load, owner, channel, int(others[best]))
        elif idle == channels:
            break
    return owner.astype(np.uint8)


def _cost_after_swaps(sums: Ints, load: Ints, owner: Ints, channel: int, others: Ints) -> Ints:
    """[n] the cost if ``channel`` changed places with each of ``others``."""
    mine = owner[channel]
    change = load[:, others] - load[:, [channel]]  # [O, n]: what my slot would gain
    most = sums[:, [mine]] + change
    for w in range(sums.shape[1]):
        if w != mine:
            np.maximum(most, sums[:, [w]] - np.where(owner[others] == w, change, 0), out=most)
    cost: Ints = most.sum(axis=0)
    return cost


def _swap(sums: Ints, load: Ints, owner: Ints, a: int, b: int) -> None:
    """Let two channels change places."""
    change = load[:, b] - load[:, a]
    sums[:, owner[a]] += change
    sums[:, owner[b]] -= change
    owner[a], owner[b] = owner[b], owner[a]

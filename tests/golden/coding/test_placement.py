"""Placement against the rules written out position by position."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.golden.coding.placement import balance, default_slots, place
from shiftbook.golden.coding.terms import work
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT, Spec


@st.composite
def placements(draw):
    """Arguments of place, with an assignment of the channels where one is allowed."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    slots = draw(st.integers(1, 8))
    channels = draw(st.integers(1, 24))
    owner = None
    if channels % slots == 0 and draw(st.booleans()):
        owner = np.array(draw(st.permutations(default_slots(channels, slots).tolist())))
    spec = Spec(table_entries=draw(st.sampled_from([16, 64])))
    return kernel, channels, slots, spec, owner


def by_the_rules(kernel, channels, slots, spec, owner):
    """{(ky, kx, c): (slot, local position)}, entries and k, from the text of the format."""
    taps = list(product(range(kernel[0]), range(kernel[1])))
    scattered = -(-len(taps) * channels // slots)
    if (channels >= slots and channels % slots == 0) or scattered > spec.table_entries:
        most = -(-channels // slots)
        k = next(bits for bits in range(10) if 1 << bits >= most)
        held = {slot: [] for slot in range(slots)}
        for c in range(channels):
            held[c % slots if owner is None else owner[c]].append(c)
        where = {
            (ky, kx, c): (slot, (tap << k) + local)
            for tap, (ky, kx) in enumerate(taps)
            for slot, members in held.items()
            for local, c in enumerate(members)
        }
        return "channel", where, len(taps), k
    flat = [(ky, kx, c) for ky, kx in taps for c in range(channels)]
    return "scatter", {f: (i % slots, i // slots) for i, f in enumerate(flat)}, scattered, 0


@given(placements())
def test_place_follows_the_rules(arguments):
    kernel, channels, *_ = arguments
    got = place(*arguments)
    mode, where, entries, k = by_the_rules(*arguments)
    assert (got.mode, got.entries, got.channel_bits, got.positions) == (mode, entries, k, entries << k)
    for (ky, kx, c), (slot, position) in where.items():
        assert (got.slot[ky, kx, c], got.position[ky, kx, c]) == (slot, position)
        assert got.source[slot, position] == (ky * kernel[1] + kx) * channels + c
        # the tap table and the local channel lead back to the weight
        entry = got.table[slot][position >> k]
        local = entry.channel + (position & ((1 << k) - 1))
        assert (entry.ky, entry.kx, got.channels[slot][local]) == (ky, kx, c)
    assert (got.source >= 0).sum() == len(where)


@given(placements())
def test_positions_ascend_in_the_order_of_the_filter(arguments):
    got = place(*arguments)
    for slot in range(got.slots):
        own = got.position[got.slot == slot]  # in the order (ky, kx, channel)
        assert (np.diff(own) > 0).all()


@given(placements())
def test_padding_entries_repeat_entry_zero(arguments):
    got = place(*arguments)
    for slot in range(got.slots):
        assert len(got.table[slot]) == got.entries
        for entry in range(got.entries):
            first = entry << got.channel_bits
            if (got.source[slot, first : first + (1 << got.channel_bits)] < 0).all():
                assert got.table[slot][entry] == got.table[slot][0]


@pytest.mark.parametrize(
    ("kernel", "channels", "slots", "mode", "positions"),
    [
        ((3, 3), 64, 4, "channel", 9 << 4),
        ((3, 3), 24, 4, "channel", 9 << 3),  # 6 channels a slot, in 3 bits
        ((3, 3), 3, 4, "scatter", 7),
        ((3, 3), 1, 4, "scatter", 3),
        ((1, 1), 10, 4, "scatter", 3),
        ((3, 3), 30, 4, "channel", 9 << 3),  # 68 entries would be too many: padded
    ],
)
def test_modes(kernel, channels, slots, mode, positions):
    got = place(kernel, channels, slots, DEFAULT)
    assert (got.mode, got.positions) == (mode, positions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ((3, 3), 8192, 4, DEFAULT),
            (
                "18432 positions of an output channel in a slot, plus a gap of 64, do not fit the spec's "
                "position_width of 14 bits"
            ),
        ),
        (
            ((3, 3), 3, 4, DEFAULT, [0, 1, 2]),
            "slot_of_channel has no meaning for 3 channels scattered over slots",
        ),
        (((1, 1), 4, 2, DEFAULT, [0, 1, 2, 0]), "slot_of_channel must hold 4 slots in 0..1"),
        (((1, 1), 4, 2, DEFAULT, [0, 1, 0]), "slot_of_channel must hold 4 slots in 0..1"),
        (
            ((1, 1), 4, 2, DEFAULT, [0, 1, 0, 0]),
            "slot_of_channel must give each slot at most 2 of 4 channels, not [3, 1]",
        ),
        (((0, 3), 4, 2, DEFAULT), "kernel (0, 3), channels 4 and slots 2 must be at least 1"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ShiftbookError) as caught:
        place(*arguments)
    assert str(caught.value) == message


def cost(integers, codebook, owner, slots) -> int:
    """Cycles if an output channel takes as long as its slowest slot."""
    rows = dict(zip(codebook.tolist(), work(codebook, DEFAULT).tolist(), strict=True))
    total = 0
    for kernel in integers:
        per_slot = [0] * slots
        for (_, _, c), value in np.ndenumerate(kernel):
            per_slot[owner[c]] += rows.get(int(value), 0)
        total += max(per_slot)
    return total


def uneven_layer(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codebook = np.array([-85, -8, 8, 85], dtype=np.int16)
    integers = rng.choice(codebook, size=(12, 3, 3, 16))
    integers[rng.random(integers.shape) > rng.random(16) ** 2] = 0  # some channels are denser than others
    return integers, codebook


@pytest.mark.parametrize("slots", [2, 4, 8])
def test_balance_saves_cycles_and_keeps_the_slots_full(slots):
    integers, codebook = uneven_layer(slots)
    owner = balance(integers, codebook, work(codebook, DEFAULT), slots, seed=1)
    assert owner.dtype == np.uint8
    assert (np.bincount(owner) == 16 // slots).all()
    before = cost(integers, codebook, default_slots(16, slots), slots)
    assert cost(integers, codebook, owner, slots) < 0.98 * before
    place((3, 3), 16, slots, DEFAULT, owner)


def test_balance_ends_where_no_swap_helps():
    integers, codebook = uneven_layer(7)
    owner = balance(integers, codebook, work(codebook, DEFAULT), 4)
    least = cost(integers, codebook, owner, 4)
    for a, b in product(range(16), range(16)):
        swapped = owner.copy()
        swapped[[a, b]] = owner[[b, a]]
        assert cost(integers, codebook, swapped, 4) >= least


def test_balance_depends_on_its_seed_only():
    integers, codebook = uneven_layer(3)
    first, second = (balance(integers, codebook, work(codebook, DEFAULT), 4, seed=5) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_balance_with_one_slot_has_nothing_to_do():
    integers, codebook = uneven_layer(3)
    assert not balance(integers, codebook, work(codebook, DEFAULT), 1).any()


def test_balance_refuses_channels_that_slots_do_not_divide():
    with pytest.raises(ShiftbookError) as caught:
        balance(np.ones((1, 1, 1, 6), np.int16), np.array([1], np.int16), [1], 4)
    assert str(caught.value) == "balance needs a number of channels that 4 divides, not 6"

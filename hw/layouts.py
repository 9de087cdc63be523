"""Amaranth shapes from the address map and the spec."""

from __future__ import annotations

from amaranth import signed
from amaranth.lib import data

from golden.spec import ACTIVATION_WIDTH, Spec
from hw import registers


def struct(layout: registers.Layout) -> data.StructLayout:
    """The word that `registers` describes, as an Amaranth shape."""
    return data.StructLayout({f.name: signed(f.width) if f.signed else f.width for f in layout})


def config_word() -> data.StructLayout:
    """One write to the address map."""
    return data.StructLayout({"address": registers.ADDRESS_WIDTH, "data": registers.DATA_WIDTH})


def tile_word(spec: Spec) -> data.StructLayout:
    """One pixel for every bank of the slots in ``slot_mask``; bank (r, c) is byte ``r * cols + c``."""
    return data.StructLayout(
        {
            "slot_mask": spec.slots,
            "address": spec.address_width,
            "plane": ACTIVATION_WIDTH * spec.lanes,
        }
    )

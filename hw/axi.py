"""AXI buses, each as one interface: channels, and in each channel its fields, valid and ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amaranth import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

Fields = Mapping[str, int]
"""Widths by name."""


class Axi(wiring.Signature):
    """A bus, seen from its manager; its wires are called as AXI has them, see `wire_name`.

    Parameters
    ----------
    aw, w, b, ar, r
        The fields of each channel. The manager sends AW, W and AR.
    """

    def __init__(self, *, aw: Fields, w: Fields, b: Fields, ar: Fields, r: Fields) -> None:
        super().__init__(
            {
                "aw": Out(_Channel(aw)),
                "w": Out(_Channel(w)),
                "b": In(_Channel(b)),
                "ar": Out(_Channel(ar)),
                "r": In(_Channel(r)),
            }
        )


class _Channel(wiring.Signature):
    """A channel, seen from its sender."""

    def __init__(self, fields: Fields) -> None:
        sent = {name: Out(width) for name, width in fields.items()}
        super().__init__({**sent, "valid": Out(1), "ready": In(1)})

    def create(self, *, path: Iterable[str | int] = (), src_loc_at: int = 0) -> wiring.PureInterface:
        """An interface, whose signals have the names of its wires."""
        path = tuple(path)
        interface = super().create(path=path, src_loc_at=src_loc_at + 1)
        for name, member in self.members.items():
            setattr(interface, name, Signal(member.shape, name=wire_name(*path, name)))
        return interface


def wire_name(bus: str | int, *path: str | int) -> str:
    """``s_axi_awaddr`` for ``addr`` of the channel ``aw`` of the bus ``s_axi``."""
    return f"{bus}_{''.join(map(str, path))}"


def port_name(component: wiring.Component, path: tuple[str | int, ...]) -> str:
    """What a port is called in Verilog, by its path in the component's signature."""
    member = component.signature.members[path[0]]
    is_bus = member.is_signature and Axi in (type(member.signature), type(member.signature.flip()))
    return wire_name(*path) if is_bus else "__".join(map(str, path))

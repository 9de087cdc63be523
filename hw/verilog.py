"""From Amaranth components to RTLIL and Verilog, with one module for each distinct component.

Amaranth itself gives every instance a module of its own and specializes it to its surroundings. Here each
component is converted alone, with its whole signature as ports, and components that were constructed
alike share one module: 64 lanes are one module, which a synthesizer maps once and a report counts 64 times.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from amaranth import ClockSignal, Const, Elaboratable, Fragment, Instance, ResetSignal, Value
from amaranth.back import rtlil, verilog
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring

from shiftbook.hw.axi import port_name
from shiftbook.hw.portable import portable

PORT = re.compile(r"^  wire width \d+ (?:signed )?(?:input|output) \d+ +(?:signed )?\\(\S+)$", re.MULTILINE)

ZERO = re.compile(r"^ *\S+\[\d+\] = \d+'h0+;\n", re.MULTILINE)
"""An initial value of a memory word that is 0."""

OBJECTS = 100_000
"""New objects after which Python searches for garbage while a design is converted."""


def rtlil_text(component: wiring.Component, name: str) -> str:
    """RTLIL of ``component`` and of all below it; the top module is called ``name``.

    Modules below are called ``{name}_{class in snake case}``, with a number after it where a class was
    constructed in several ways. The same component gives the same text, always.
    """
    modules = _Modules(name)
    with _rare_collections():
        modules.convert(component, Fragment.get(component, None), name)
    return "\n".join(modules.texts.values())


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Search for garbage rarely: Amaranth makes millions of objects that live on, and is twice as fast so."""
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def emit(component: wiring.Component, name: str) -> str:
    """Verilog of ``component`` and of all below it; see `rtlil_text`.

    Memories begin with any content: the host writes what is read. Saying 0 word by word would cost a
    simulator a quarter of its speed and Yosys most of its time.
    """
    return to_verilog(rtlil_text(component, name))


@lru_cache(maxsize=8)
def to_verilog(text: str) -> str:
    """Verilog of an RTLIL text, by a process of Yosys; kept, because callers come back with the same text."""
    return portable(ZERO.sub("", verilog._convert_rtlil_text(text, strip_internal_attrs=True)))


def module_name(component: wiring.Component, top: str) -> str:
    """Name of the module of ``component`` below a top module, if it is the first of its class to be met."""
    kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(component).__name__).lower()
    return f"{top}_{kind}"


class _Modules:
    """The distinct modules met so far.

    Parameters
    ----------
    prefix
        What the names of all modules below the top begin with.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.texts: dict[str, str] = {}  # by module name, a module after all that it contains
        self._names: dict[object, str] = {}  # by what was constructed

    def convert(self, component: wiring.Component, fragment: Fragment, name: str) -> None:
        """Convert ``component``, elaborated as ``fragment``, after all that it contains."""
        self._replace_components(fragment)
        text = rtlil.convert(_Shell(component, fragment), name="module", emit_src=False)
        if name != self.prefix:
            text = text.replace("attribute \\top 1\n", "", 1)
        self.texts[name] = text.replace("module \\module\n", f"module \\{name}\n", 1)

    def _module_of(self, component: wiring.Component, fragment: Fragment) -> str:
        """Name of the module of ``component``, which is converted unless one like it was."""
        key = _construction(component)
        if key not in self._names:
            name = module_name(component, self.prefix)
            same = sum(known == name or known.startswith(f"{name}_v") for known in self.texts)
            name += f"_v{same + 1}" if same else ""
            self.convert(component, fragment, name)
            self._names[key] = name
        return self._names[key]

    def _replace_components(self, fragment: Fragment) -> None:
        """Put an instance of its module in the place of every component below ``fragment``."""
        for index, (child, label, location) in enumerate(fragment.subfragments):
            component = next((o for o in child.origins or () if isinstance(o, wiring.Component)), None)
            # a memory has no signature: it stays a memory of the component that asked for it
            if component is None or not component.signature.members:
                self._replace_components(child)
                continue
            module = self._module_of(component, child)
            present = set(PORT.findall(self.texts[module]))
            ports: list[tuple[str, str, Value]] = [
                ("i" if member.flow == wiring.In else "o", port, value)
                for port, member, value in _ports(component)
                if port in present
            ]
            for port, signal in (("clk", ClockSignal()), ("rst", ResetSignal())):
                if port in present:
                    ports.append(("i", port, signal))
            fragment.subfragments[index] = (Instance(module, *ports), label, location)


class _Shell(Elaboratable):
    """What Amaranth converts: ports and content, both there already.

    Parameters
    ----------
    component
        Gives the ports; Amaranth's own conversion refuses the constants that `_ports` leaves out.
    fragment
        The elaborated content.
    """

    def __init__(self, component: wiring.Component, fragment: Fragment) -> None:
        self.fragment = fragment
        members = {}
        for port, member, value in _ports(component):
            members[port] = wiring.Member(member.flow, value.shape())
            setattr(self, port, value)
        self.signature = wiring.Signature(members)

    def elaborate(self, platform: object) -> Fragment:
        return self.fragment


def _construction(component: wiring.Component) -> tuple[object, ...]:
    """Class and plain attributes, of which a component's content must be a function."""
    plain = (
        (name, repr(value))
        for name, value in vars(component).items()
        if name not in component.signature.members and not name.startswith("_")
    )
    return (type(component), *sorted(plain))


def _ports(component: wiring.Component) -> list[tuple[str, wiring.Member, Value]]:
    """Name, member and signal of every port; constants (an always ready stream's ``ready``) are none."""
    ports = []
    for path, member, value in component.signature.flatten(component):
        value = value.as_value() if isinstance(value, ValueCastable) else value
        if not isinstance(value, Const):
            ports.append((port_name(component, path), member, value))
    return ports

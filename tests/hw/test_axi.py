# amaranth: UnusedElaboratable=no
"""The wires of the buses have the names that AXI and its tools give them."""

from __future__ import annotations

import re
from pathlib import Path

from shiftbook.hw.axi import port_name
from shiftbook.hw.system.accelerator import Accelerator
from shiftbook.hw.system.store import Store
from tests.hw.small import small

BOARD = Path(__file__).parents[2] / "sim" / "board.v"


def ports(component) -> list[str]:
    return [port_name(component, path) for path, _, _ in component.signature.flatten(component)]


def test_buses_are_called_as_in_axi() -> None:
    found = ports(Accelerator(small("shift")))
    host = {name for name in found if name.startswith("s_axi_")}
    told = set(
        re.findall(r"^    (?:in|out)put wire (?:\[\S+\] )?(s_axi_\w+)", BOARD.read_text(), re.MULTILINE)
    )
    assert host == told
    assert len(found) == len(set(found))
    assert {"m_axi_awaddr", "m_axi_wlast", "m_axi_bresp", "m_axi_arlen", "m_axi_rdata", "irq"} <= set(found)
    assert "m_axi_rdatachk" not in found


def test_other_ports_are_called_by_their_path() -> None:
    assert {"write_address__valid", "response__ready", "room"} <= set(ports(Store(small("shift"))))

import numpy as np
import pytest
from amaranth.lib.wiring import Out

from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.register_file import RegisterFile
from shiftbook.sim import bench
from tests.hw.benches import Paced, ports
from tests.hw.small import small


def golden(spec: Spec, writes: list[tuple[int, int]]) -> list[dict[str, int]]:
    """After each write: the registers one cycle later, and the enables and indices of all memories."""
    fields = registers.register_fields(spec)
    values = {register.name.lower(): 0 for register in fields}
    result = []
    for address, word in writes:
        region, index = divmod(address, 1 << registers.INDEX_WIDTH)
        if region == Region.REGISTERS and index in fields:
            register = Register(index)
            (value,) = bit_fields.unpack((fields[register],), word % (1 << fields[register].width)).values()
            values[register.name.lower()] = value
        seen = dict(values)
        for memory in registers.layouts(spec):
            if memory == Region.TAPS:
                for slot in range(spec.slots):
                    seen[f"write_taps__{slot}__enable"] = int(
                        region == memory and index // spec.table_entries == slot
                    )
            else:
                seen[f"write_{memory.name.lower()}__enable"] = int(region == memory)
        result.append(seen)
    return result


@pytest.mark.parametrize("pauses", bench.PAUSES[:2])
@pytest.mark.parametrize("spec", [small("shift", table_entries=12), small("int8")], ids=["coded", "dense"])
def test_writes(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(0)
    writes = [
        (int(registers.address(region, index)), int(rng.integers(0, 1 << 32)))
        for region in (*registers.layouts(spec), Region.REGISTERS)
        for index in range(registers.depths(spec).get(region, len(Register)))
    ]
    # other parts of the accelerator live there
    others = (Region.LAYER, Region.STREAMS, Region.OWNERS, Region.COMMANDS)
    writes += [(int(registers.address(region, index)), 0) for region in others for index in range(20)]
    block = RegisterFile(spec)
    latency = {name: int(not name.startswith("write_")) for name in ports(block, Out)}
    observed = bench.observe(
        Paced(block, latency),
        inputs={
            "input": [
                {"config__payload": {"address": address, "data": word}, "config__valid": 1}
                for address, word in writes
            ]
        },
        outputs={"output": len(writes)},
        pauses=pauses,
    )["output"]
    known = set(registers.register_fields(spec))  # registers start out unknown
    for (address, word), got, want in zip(writes, observed, golden(spec, writes), strict=True):
        enabled = {name: value for name, value in want.items() if name.endswith("__enable")}
        assert {name: got[name] for name in enabled} == enabled, hex(address)
        for name in (name for name, value in enabled.items() if value):
            prefix = name.removesuffix("__enable")
            index = address % (1 << registers.INDEX_WIDTH)
            slot = int(prefix.split("__")[1]) if "taps" in prefix else 0
            assert got[f"{prefix}__index"] == index - slot * spec.table_entries
            layout = registers.layouts(spec)[Region(address >> registers.INDEX_WIDTH)]
            assert got[f"{prefix}__data"] == word % (1 << bit_fields.width(layout))
    final = {register.name.lower() for register in known}
    assert {name: observed[-1][name] for name in final} == {
        name: golden(spec, writes)[-1][name] for name in final
    }

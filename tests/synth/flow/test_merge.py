from shiftbook.synth.flow.mapping import map_designs
from shiftbook.synth.flow.merge import Design, merge
from shiftbook.synth.flow.weights import load_weights
from tests.synth import designs

LEAF = "module leaf(a, y);\n  input a;\n  output y;\n  assign y = {body};\nendmodule\n"
TOP = "module top(a, y);\n  input a;\n  output y;\n  leaf only (\n    .a(a),\n    .y(y)\n  );\nendmodule\n"


def design(body: str) -> Design:
    return Design("top", TOP + LEAF.format(body=body))


def test_a_module_of_several_designs_is_there_once() -> None:
    merged = merge({"a": design("~a"), "b": design("~a")})
    assert merged.verilog.count("endmodule") == 2
    assert merged.names["a"] == merged.names["b"]


def test_a_module_is_another_where_what_is_below_differs() -> None:
    merged = merge({"a": design("~a"), "b": design("a")})
    assert merged.verilog.count("endmodule") == 4
    assert not set(merged.names["a"].values()) & set(merged.names["b"].values())


def test_numbers_of_the_verilog_writer_make_no_difference() -> None:
    one, two = (design(f"\\$auto$writer.cc:1:dump${n}  & a") for n in (7, 19))
    assert merge({"a": one, "b": two}).verilog.count("endmodule") == 2
    crossed = [design(f"\\$auto$w${n}  ^ \\$auto$w${m}  ^ \\$auto$w${n} ") for n, m in ((1, 2), (2, 1))]
    assert merge({"a": crossed[0], "b": crossed[1]}).verilog.count("endmodule") == 2
    assert (
        merge({"a": crossed[0], "b": design("\\$auto$w$1  ^ \\$auto$w$1  ^ \\$auto$w$1 ")}).verilog.count(
            "endmodule"
        )
        == 4
    )


def test_each_design_gets_its_own_netlist_under_its_own_names() -> None:
    tree = Design("tree", designs.HIERARCHY)
    quad = Design("quad", designs.HIERARCHY)
    netlists = map_designs({"tree": tree, "quad": quad}, load_weights())
    assert netlists["tree"].instances() == {"tree": 1, "quad": 3, "pair": 7, "xor_cell": 14}
    assert netlists["quad"].instances() == {"quad": 1, "pair": 2, "xor_cell": 4}

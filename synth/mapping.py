"""From Verilog to a mapped netlist: the one flow that every engine and baseline goes through.

No timing constraint: the figures are gates at relaxed timing. Memories stay memory cells.
"""

from __future__ import annotations

from golden.errors import ShiftbookError
from synth.liberty import Liberty
from synth.netlist import CellCost, Netlist, parse_stat
from synth.yosys import Yosys, YosysError, find_yosys

GATES = "AND,NAND,OR,NOR,XOR,XNOR,MUX"

DESIGN = "design.v"
PLAIN = "plain.json"
BOOTH = "booth.json"


def map_design(
    verilog: str,
    top: str,
    prices: CellCost,
    *,
    flat: bool = False,
    liberty: Liberty | None = None,
    yosys: Yosys | None = None,
) -> Netlist:
    """Map ``verilog`` to gates, or to the cells of a Liberty library.

    A module that multiplies is mapped twice, with Yosys' default multiplier and with Booth's, and counts as
    the cheaper one.

    Parameters
    ----------
    prices
        Decides what is cheaper.
    flat
        Dissolve the hierarchy first: logic is then also optimized across module borders.

    Raises
    ------
    ShiftbookError
        If the library cannot map the design.
    YosysError
        If Yosys refuses the Verilog, which is a bug of the generator.
    """
    runner = yosys or find_yosys()
    inputs: dict[str, str | bytes] = {DESIGN: verilog}
    if liberty is not None:
        inputs |= liberty.files
    try:
        result = runner.run(flow(top, flat=flat, liberty=liberty), inputs, [PLAIN, BOOTH])
    except YosysError as error:
        if liberty is None:
            raise
        raise ShiftbookError(f"the design cannot be mapped to {liberty.names}: {_explain(error)}") from None
    return parse_stat(result[PLAIN], top).cheaper_of(parse_stat(result[BOOTH], top), prices)


def flow(top: str, *, flat: bool, liberty: Liberty | None) -> list[str]:
    """The Yosys script: the whole design, then the modules that multiply once more with Booth's encoding."""
    return [
        f"read_verilog -sv {DESIGN}",
        f"hierarchy -check -top {top}",
        # Verilog's "if (enable) memory[address] <= data" reads as don't care values while not enabled. Left
        # alone they turn into an AND gate for each bit of address and data of every memory.
        "proc",
        "opt_expr -mux_undef",
        *(["flatten -noscopeinfo"] if flat else []),
        "design -save read",
        *_gates(f"synth -top {top} -run begin:fine", liberty, PLAIN),
        "design -load read",
        # Without a top, or else nothing below an empty one would be kept.
        "setattr -mod -unset top *",
        "select -set multiplying t:$mul %m",
        "blackbox * @multiplying %d",
        *_gates("synth -run begin:fine -booth", liberty, BOOTH),
    ]


def _gates(synth: str, liberty: Liberty | None, stat: str) -> list[str]:
    """Script lines from modules as read to a count of their cells."""
    if liberty is None:
        mapping = [f"abc -g {GATES}"]
    else:
        files = " ".join(f"-liberty {name}" for name in liberty.files)
        mapping = [f"dfflibmap {files}", f"abc {files}"]
    # $mem_v2 cells become memories again in the end, so that stat counts their bits.
    return [synth, "opt", "techmap", *mapping, "opt_clean", "memory_unpack", f"tee -q -o {stat} stat -json"]


def _explain(error: YosysError) -> str:
    """Why a library does not do; abc itself only crashes where a basic gate is missing."""
    if "ABC" in error.reason:
        return "abc needs at least a buffer, an inverter and a NAND or NOR gate"
    return error.reason.removeprefix("ERROR: ")

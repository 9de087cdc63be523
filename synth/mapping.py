"""From Verilog to a mapped netlist: the one flow that every engine and baseline goes through.

No timing constraint: the figures are gates at relaxed timing. Memories stay memory cells.
"""

from __future__ import annotations

from golden.errors import ShiftbookError
from synth.liberty import Liberty
from synth.netlist import Netlist, parse_stat
from synth.yosys import Yosys, YosysError, find_yosys

GATES = "AND,NAND,OR,NOR,XOR,XNOR,MUX"

DESIGN = "design.v"
STAT = "stat.json"


def flow(top: str, *, booth: bool, flat: bool, liberty: Liberty | None) -> list[str]:
    """The Yosys script."""
    options = " -booth" * booth + " -flatten" * flat
    if liberty is None:
        gates = [f"abc -g {GATES}"]
    else:
        files = " ".join(f"-liberty {name}" for name in liberty.files)
        gates = [f"dfflibmap {files}", f"abc {files}"]
    return [
        f"read_verilog -sv {DESIGN}",
        # Verilog's "if (enable) memory[address] <= data" reads as don't care values while not enabled. Left
        # alone they turn into an AND gate for each bit of address and data of every memory.
        "proc",
        "opt_expr -mux_undef",
        f"synth -top {top} -run begin:fine{options}",
        "opt",
        "techmap",
        *gates,
        "opt_clean",
        # Flattening leaves notes on where cells came from; they are no hardware.
        *(["delete t:$scopeinfo"] if flat else []),
        # $mem_v2 cells become memories again so that stat counts their bits.
        "memory_unpack",
        f"tee -q -o {STAT} stat -json",
    ]


def map_once(
    verilog: str,
    top: str,
    *,
    booth: bool = False,
    flat: bool = False,
    liberty: Liberty | None = None,
    yosys: Yosys | None = None,
) -> Netlist:
    """Map ``verilog`` to gates, or to the cells of a Liberty library.

    Parameters
    ----------
    booth
        Booth encode multipliers.
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
        result = runner.run(flow(top, booth=booth, flat=flat, liberty=liberty), inputs, [STAT])
    except YosysError as error:
        if liberty is None:
            raise
        raise ShiftbookError(f"the design cannot be mapped to {liberty.names}: {_explain(error)}") from None
    return parse_stat(result[STAT], top)


def _explain(error: YosysError) -> str:
    """Why a library does not do; abc itself only crashes where a basic gate is missing."""
    if "ABC" in error.reason:
        return "abc needs at least a buffer, an inverter and a NAND or NOR gate"
    return error.reason.removeprefix("ERROR: ")

"""Verilog for other people's tools: simulators of all standards run it, lint tools say nothing of it.

Yosys writes correct Verilog that `verilator -Wall` still warns of. What the text can mend is mended. Each
kind of warning that is left is waived around the statements that are known to cause it, and nowhere else;
the head of the file says why. A warning of any other kind, or of any other statement, is still seen: that
of a register that nothing reads, for example, or of an input of the top module that is not in `UNREAD`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Waiver:
    """Warnings that a statement causes by what it is.

    Attributes
    ----------
    statement
        Matches the beginning of its line.
    kinds
        Verilator's names of the warnings.
    reason
        Why they are none.
    """

    statement: re.Pattern[str]
    kinds: tuple[str, ...]
    reason: str


UNREAD = ("s_axi_awprot", "s_axi_arprot", "m_axi_bid", "m_axi_rid")
"""Inputs that a bus has and the top module does not read."""

MODULE = re.compile(r"module ")

TOP = (
    Waiver(
        re.compile(rf"  input (?:\[\S+\] )?(?:{'|'.join(UNREAD)});$"),
        ("UNUSEDSIGNAL",),
        "There is no protection, and one ID is in use: AXI lets both be ignored.",
    ),
)
"""Of the top module alone."""

BELOW = (
    Waiver(
        re.compile(r"  input "),
        ("UNUSEDSIGNAL",),
        "A module below the top takes a whole bundle, and a clock its reset, and reads what it needs.",
    ),
)
"""Of the modules below it."""

EVERYWHERE = (
    Waiver(MODULE, ("DECLFILENAME",), "All modules are in one file, and its name is the user's."),
    Waiver(
        re.compile(r"  wire "),
        ("UNUSEDSIGNAL",),
        "A result is as wide as it can become and is used as far as it is needed; parts of bundles and open "
        "outputs have names for the sake of waveforms.",
    ),
    Waiver(
        re.compile(r"  reg .* = .*;$"),
        ("PROCASSINIT",),
        "After power-up a register has the value that reset gives it too.",
    ),
    Waiver(
        re.compile(r"  initial \S+ <= 0;$"),
        ("INITIALDLY",),
        "It wakes every always @* once, and has to come after all of them wait.",
    ),
    Waiver(
        re.compile(r"  assign "),
        ("WIDTHEXPAND", "WIDTHTRUNC", "CMPCONST", "UNSIGNED"),
        "The shorter operand is extended as the standard says; ! asks whether a number is 0; of a shifted "
        "word the low bits are taken; a bound that a range cannot reach is that of other parameters.",
    ),
)

NO_BITS = re.compile(r"^  wire \[-1:0\] \S+ ?;\n", re.MULTILINE)
"""A number that can only be 0 and that nothing reads; to Verilog this is one of two bits."""

WAKING = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+)  = 0;\n", re.MULTILINE)
"""A register whose first change is to wake every ``always @*``."""

CONSTANT = re.compile(r"^  always @\*\n    (\S+ = \d+'[bdh][0-9a-f]+;)\n", re.MULTILINE)
"""Bits of a variable that are always the same."""

Line = tuple[str, Waiver | None]


def portable(text: str) -> str:
    """Verilog that means the same to all simulators, and of which ``verilator --lint-only -Wall`` is silent.

    To Verilog-2005 the initial value of a variable is an assignment, to SystemVerilog it is none: there
    ``always @*`` waits for the first change of an input, and outputs that depend on nothing that changes
    stay unknown for good. So the value that wakes it is assigned, when everything waits. An ``always @*``
    that assigns a constant has no input at all, and gets a register of its own to wait for.

    Parameters
    ----------
    text
        As Yosys writes it, the top module first.
    """
    text = WAKING.sub(r"  reg \1 ;\n  initial \1 <= 0;\n", NO_BITS.sub("", text))
    text = CONSTANT.sub(_woken, text)
    lines = _complete_cases(text.splitlines())
    legend = (f"// {', '.join(w.kinds)}: {w.reason}" for w in (*TOP, *BELOW, *EVERYWHERE))
    return "\n".join(["// Warnings that are waived below, and why:", *legend, *_waived(lines), ""])


def _woken(constant: re.Match[str]) -> str:
    """A constant's ``always @*`` with something to wait for."""
    register = f"\\$constant${constant.start()}"
    return (
        f"  reg {register} ;\n  initial {register} <= 0;\n"
        f"  always @* begin\n    if ({register} ) begin end\n    {constant[1]}\n  end\n"
    )


def _complete_cases(lines: Sequence[str]) -> Iterator[str]:
    """Say of a case that not all values have an arm: for the others nothing happens.

    Where Yosys has found that one of the arms is always taken (``full_case``) it is left as it is: a
    default would make a latch of it.
    """
    incomplete: list[bool] = []  # of the cases that a line is in
    previous = ""
    for line in lines:
        statement = line.lstrip()
        if statement.startswith("casez "):
            incomplete.append("full_case" not in previous)
        elif statement.startswith("default:"):
            incomplete[-1] = False
        elif statement == "endcase" and incomplete.pop():
            yield line.replace("endcase", "  default: ;")
        yield line
        previous = line


def _waived(lines: Iterator[str]) -> Iterator[str]:
    """The lines, with a waiver around each run of lines that need the same one."""
    for waiver, run in groupby(_assigned(lines), key=lambda each: each[1]):
        kinds = waiver.kinds if waiver else ()
        yield from (f"/* verilator lint_off {kind} */" for kind in kinds)
        yield from (line for line, _ in run)
        yield from (f"/* verilator lint_on {kind} */" for kind in kinds)


def _assigned(lines: Iterator[str]) -> Iterator[Line]:
    """Each line with its waiver, if it has one."""
    modules = 0
    for line in lines:
        modules += bool(MODULE.match(line))
        waivers = (*EVERYWHERE, *(TOP if modules == 1 else BELOW))
        yield line, next((w for w in waivers if w.statement.match(line)), None)

"""What a cell costs: gate weights in NAND2 equivalents, read from one data table."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import check_file

NAND2_TABLE = Path(__file__).with_name("nand2.toml")
"""The table that is used unless the user loads another."""

MEMORY_CELLS = frozenset({"$mem_v2", "$memrd_v2", "$memwr_v2", "$meminit", "$meminit_v2"})
"""Memories stay memories: they have no gates here and are counted in bits."""

FLIP_FLOP_PARTS = ("plain", "enable", "reset")

# Yosys spells a fine-grained flip-flop $_DFF_P_, $_DFFE_PN_, $_SDFF_PP0_, $_SDFFCE_PP0P_, $_DFF_PP0_ ... :
# S means a synchronous reset, E or CE an enable; the second kind of plain DFF (three letters and no S)
# has an asynchronous reset.
FLIP_FLOP = re.compile(r"\$_(?P<sync>S?)DFF(?P<enable>C?E?)_(?P<pins>[NP]{1,2}[01]?[NP]?)_")


@dataclass(frozen=True)
class GateWeights:
    """Weights of the mapped cells.

    Parameters
    ----------
    gates
        GE by cell type, such as ``{"$_NAND_": 1.0}``.
    plain, enable, reset
        GE of a D flip-flop, and what an enable and a reset add.
    """

    gates: Mapping[str, float]
    plain: float
    enable: float
    reset: float

    def cell(self, kind: str) -> float:
        """GE of one cell.

        Raises
        ------
        ShiftbookError
            If the table has no weight for this cell: a cell is never counted as free by default.
        """
        if kind in MEMORY_CELLS:
            return 0.0
        if kind in self.gates:
            return self.gates[kind]
        match = FLIP_FLOP.fullmatch(kind)
        if match is None:
            raise ShiftbookError(f"no gate weight for cell {kind!r}: the table must name it under [gates]")
        has_reset = any(digit in match["pins"] for digit in "01")
        return self.plain + self.enable * bool(match["enable"]) + self.reset * has_reset

    def total(self, cells: Mapping[str, int]) -> float:
        """GE of a bag of cells, by type."""
        return sum(count * self.cell(kind) for kind, count in sorted(cells.items()))


def load_weights(path: Path | None = None) -> GateWeights:
    """Read a gate weight table (TOML; ``nand2.toml`` beside this file is the default and the example).

    Raises
    ------
    ShiftbookError
        If the file cannot be read, or lacks a part, or holds something that is not a weight.
    """
    source = NAND2_TABLE if path is None else path
    check_file(source, "name a TOML file of gate weights")
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = first_line(error)
        raise ShiftbookError(f"gate weights {source} must be a readable TOML file: {reason}") from None
    gates, flip_flop = table.get("gates"), table.get("flip_flop")
    if not isinstance(gates, dict) or not isinstance(flip_flop, dict):
        raise ShiftbookError(f"gate weights {source} must have the tables [gates] and [flip_flop]")
    if sorted(flip_flop) != sorted(FLIP_FLOP_PARTS):
        found = ", ".join(sorted(flip_flop)) or "nothing"
        raise ShiftbookError(f"[flip_flop] in {source} must have plain, enable and reset, not {found}")
    for name, value in (*gates.items(), *flip_flop.items()):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ShiftbookError(f"the weight of {name} in {source} must be a number >= 0, not {value!r}")
    return GateWeights(gates=gates, **flip_flop)

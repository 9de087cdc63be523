"""FPGAs: which chips, what of an engine fits them, and the flow from a component to cells and megahertz."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from amaranth.lib import wiring

from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.pins import Pins
from shiftbook.hw.verilog import emit, module_name
from shiftbook.synth.flow.netlist import parse_stat
from shiftbook.synth.flow.yosys import Yosys
from shiftbook.synth.fpga.nextpnr import Nextpnr, Routed

TOP = "pins"
DESIGN = "design.v"
STAT = "stat.json"
NETLIST = "netlist.json"

SEED = 1
"""Of place and route: the same seed gives the same figures."""


@dataclass(frozen=True)
class Fpga:
    """A chip, and the engine that it gets unless another is asked for.

    Parameters
    ----------
    family, device, package
        nextpnr's family, and names of the chip.
    arguments
        What tells nextpnr the same.
    synthesis
        Yosys command; ``dsp`` is added to it, or ``no_dsp``.
    no_dsp
        Option for multipliers of LUTs.
    dsp
        Option for multipliers of DSP blocks, or None where the chip has none.
    kinds
        What is counted: for each kind a pattern of its cells in Yosys' netlist.
    lut_sites
        LUTs that a cell of each of these kinds takes.
    resources
        What the chip has of each, in nextpnr's words.
    lanes
        Grid, rows and columns.
    slots, tile_words, codebook_rows
        Of its spec.
    """

    family: str
    device: str
    package: str
    arguments: tuple[str, ...]
    synthesis: str
    no_dsp: str
    dsp: str | None
    kinds: Mapping[str, str]
    lut_sites: Mapping[str, int]
    resources: tuple[str, ...]
    lanes: tuple[int, int]
    slots: int
    tile_words: int
    codebook_rows: int

    def spec(self, preset: str, lanes: tuple[int, int] | None = None) -> Spec:
        """A preset, made small enough for the chip.

        Raises
        ------
        ShiftbookError
            There is no such grid.
        """
        rows, cols = self.lanes if lanes is None else lanes
        spec = replace(
            PRESETS[preset],
            slots=self.slots,
            tile_words=self.tile_words,
            codebook_rows=self.codebook_rows,
        )
        return spec.on_grid(rows, cols)


FPGAS = {
    "ecp5": Fpga(
        family="ecp5",
        device="LFE5U-85F-6",
        package="CABGA756",
        arguments=(
            "--85k",
            "--package",
            "CABGA756",
            "--speed",
            "6",
            "--freq",
            "100",
            "--lpf-allow-unconstrained",
        ),
        # Wide LUTs cost up to eight LUTs for a little delay; without them all engines are a third smaller.
        synthesis="synth_ecp5 -nowidelut",
        no_dsp="-nodsp",
        dsp="",
        kinds={
            "lut4": "LUT4",
            "carry": "CCU2C",
            "lut_ram": "TRELLIS_DPR16X4",
            "flip_flop": "TRELLIS_FF",
            "block_ram": "DP16KD|PDPW16KD",
            "dsp": "MULT18X18D|ALU54B",
        },
        lut_sites={"lut4": 1, "carry": 2, "lut_ram": 4},
        resources=("TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "MULT18X18D"),
        lanes=(4, 4),
        slots=2,
        tile_words=1024,
        codebook_rows=1024,
    ),
    "ice40": Fpga(
        family="ice40",
        device="iCE40HX8K",
        package="CT256",
        arguments=("--hx8k", "--package", "ct256", "--freq", "50", "--pcf-allow-unconstrained"),
        synthesis="synth_ice40",
        no_dsp="",
        dsp=None,
        kinds={
            "lut4": "SB_LUT4",
            "carry": "SB_CARRY",
            "flip_flop": r"SB_DFF\w*",
            "block_ram": r"SB_RAM40_4K\w*",
            "dsp": "SB_MAC16",
        },
        lut_sites={"lut4": 1},
        resources=("ICESTORM_LC", "ICESTORM_RAM", "ICESTORM_DSP"),
        lanes=(4, 2),
        slots=2,
        tile_words=512,
        codebook_rows=256,
    ),
}
FPGAS["up5k"] = replace(
    FPGAS["ice40"],
    device="iCE40UP5K",
    package="SG48",
    arguments=("--up5k", "--package", "sg48", "--freq", "12", "--pcf-allow-unconstrained"),
    synthesis="synth_ice40 -device u",
    dsp="-dsp",
    lanes=(2, 2),
)
"""Chips by their name on the command line."""


@dataclass(frozen=True)
class Synthesized:
    """A component and its `Pins` in cells of a chip, before place and route.

    Parameters
    ----------
    cells, pins
        Of each of the two, by kind.
    netlist
        Of both, as nextpnr reads it.
    verilog_sha256
        Of the Verilog that was synthesized.
    yosys
        The version of Yosys.
    """

    cells: Mapping[str, int]
    pins: Mapping[str, int]
    netlist: str
    verilog_sha256: str
    yosys: str


def synthesize(component: wiring.Component, fpga: Fpga, *, dsp: bool, yosys: Yosys) -> Synthesized:
    """Wrap a component in `Pins` and map both, apart from each other, to the chip's cells."""
    verilog = emit(Pins(component), TOP)
    inner = module_name(component, TOP)
    out = yosys.run(flow(fpga, inner, dsp=dsp), {DESIGN: verilog}, [STAT, NETLIST])
    modules, version = parse_stat(out[STAT], (inner,))
    cells, pins = (count(modules[name].cells, fpga) for name in (inner, TOP))
    return Synthesized(cells, pins, out[NETLIST], hashlib.sha256(verilog.encode()).hexdigest(), version)


def flow(fpga: Fpga, inner: str, *, dsp: bool) -> list[str]:
    """The Yosys script; ``inner`` is the module of the wrapped component."""
    options = fpga.dsp if dsp and fpga.dsp is not None else fpga.no_dsp
    return [
        f"read_verilog -sv {DESIGN}",
        f"hierarchy -check -top {TOP}",
        "proc",
        # As for gates: else memories get AND gates that no designer would build.
        "opt_expr -mux_undef",
        # Booth's multipliers take fewer LUTs than those that Yosys makes otherwise.
        *([] if dsp else ["wreduce", "booth"]),
        f"setattr -mod -set keep_hierarchy 1 {inner}",
        f"{fpga.synthesis} {options} -top {TOP}",
        f"tee -q -o {STAT} stat -json",
        f"setattr -mod -unset keep_hierarchy {inner}",
        "flatten -noscopeinfo",
        "opt_clean -purge",
        f"write_json {NETLIST}",
    ]


def place(synthesized: Synthesized, fpga: Fpga, nextpnr: Nextpnr) -> Routed:
    """Place and route what `synthesize` made.

    Raises
    ------
    DoesNotFit
        The chip is too small.
    """
    options = [*fpga.arguments, "--seed", str(SEED), "--timing-allow-fail"]
    return nextpnr.place_and_route(synthesized.netlist, options)


def count(cells: Mapping[str, int], fpga: Fpga) -> dict[str, int]:
    """Cells by kind, and ``lut``: the LUTs that those of all kinds take."""
    kinds = {
        kind: sum(number for cell, number in cells.items() if re.fullmatch(pattern, cell))
        for kind, pattern in fpga.kinds.items()
    }
    return {"lut": sum(sites * kinds[kind] for kind, sites in fpga.lut_sites.items()), **kinds}

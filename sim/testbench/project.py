"""What other tools want to know of the Verilog: a file list, the clock, a FuseSoC core description."""

from __future__ import annotations

from shiftbook.golden.isa.host_map import VERSION


def file_list(verilog: str) -> str:
    """A file list, as simulators and synthesizers take it by ``-f``."""
    return f"{verilog}\n"


def constraints(period: float) -> str:
    """Timing constraints (SDC) for a clock of ``period`` nanoseconds."""
    return (
        "# The accelerator has one clock, clk, and a synchronous reset, rst. Times are in nanoseconds.\n"
        f"create_clock -name clk -period {period:g} [get_ports clk]\n"
    )


def core_description(verilog: str, sdc: str) -> str:
    """A core description for FuseSoC (CAPI2).

    Parameters
    ----------
    verilog, sdc
        Names of the files, which are in the same folder.
    """
    return f"""CAPI=2:

name: "::accelerator:{VERSION}"
description: "Runs convolutional networks by shifting and adding: AXI4-Lite slave, AXI4 master, interrupt"

filesets:
  rtl:
    files: [{verilog}]
    file_type: verilogSource-2005
  constraints:
    files: [{sdc}]
    file_type: SDC

targets:
  default: &default
    filesets: [rtl]
    toplevel: accelerator
  synth:
    <<: *default
    filesets: [rtl, constraints]
  lint:
    <<: *default
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
"""

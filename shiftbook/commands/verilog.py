"""`shiftbook verilog`: the accelerator or its engine as a Verilog file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from shiftbook.console import say
from shiftbook.golden.errors import ShiftbookError, one_line
from shiftbook.golden.files import check_writable, write_text
from shiftbook.options import Json, named
from shiftbook.options.engine import EngineGroup, Slots
from shiftbook.options.groups import grouped

Part = Literal["accelerator", "engine"]


@grouped
def verilog(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE.v", parser=named, help="Where to write the Verilog."),
    ],
    engine: EngineGroup,
    slots: Slots = None,
    part: Annotated[
        Part,
        typer.Option(help="accelerator: with its buses. engine: what `shiftbook gates` measures."),
    ] = "accelerator",
    json_file: Json = None,
) -> None:
    """Write the accelerator as Verilog, for tools of your own.

    The file is what `shiftbook run --backend rtl` simulates: one module for each distinct component, the top
    module is called accelerator. The engine is a part of it. Same options, same text.

    \b
    Examples:
      shiftbook verilog --lanes 7x7 -o accelerator.v
      shiftbook verilog --lanes 4x4 --preset focused --part engine -o engine.v
    """
    if engine.bus_parity and part == "engine":
        raise ShiftbookError("the engine has no bus: --bus-parity needs --part accelerator")
    if engine.tensor_buffer and part == "engine":
        raise ShiftbookError("the engine has no tensor buffer: --tensor-buffer needs --part accelerator")
    check_writable(output, json_file)
    spec = engine.spec().given(slots=slots)
    from shiftbook.hw.engine.engine import Engine
    from shiftbook.hw.system.accelerator import Accelerator
    from shiftbook.hw.verilog import emit
    from shiftbook.results.verilog import Verilog
    from shiftbook.results.writing import write_result

    text = emit(Engine(spec) if part == "engine" else Accelerator(spec), part)
    write_text(output, text)
    modules = text.count("\nendmodule")
    written = {"file": str(output), "top": part, "modules": modules, "spec": spec.as_json()}
    write_result(json_file, Verilog, written)
    say(f"{one_line(str(output))}: top module {part}, {modules} modules, {text.count(chr(10)):,} lines")

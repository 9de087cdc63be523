"""`shiftbook verilog`: the engine as a Verilog file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftbook.files import check_writable, write_json, write_text
from shiftbook.options import Json, Lanes, Preset, make_spec

TOP = "engine"


def verilog(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.v", help="Where to write the Verilog.")
    ],
    lanes: Lanes = "8x8",
    preset: Preset = "default",
    json_file: Json = None,
) -> None:
    """Write the engine as Verilog, for tools of your own.

    The file is what `shiftbook run --backend rtl` simulates and what `shiftbook gates` measures: one
    module for each distinct component, the top module is called engine. Same options, same text.

    \b
    Example:
      shiftbook verilog --lanes 4x4 --preset focused -o engine.v
    """
    check_writable(output, json_file)
    spec = make_spec(preset, lanes)
    from hw.engine import Engine
    from hw.verilog import emit

    text = emit(Engine(spec), TOP)
    write_text(output, text)
    modules = text.count("\nendmodule")
    write_json(json_file, {"file": str(output), "top": TOP, "modules": modules, "spec": spec.as_json()})
    typer.echo(f"{output}: top module {TOP}, {modules} modules, {text.count(chr(10)):,} lines")

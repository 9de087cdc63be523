"""`shiftbook energy`: what networks' memory accesses and logic take on engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftbook.console import Progress, progress_bar, say, table
from shiftbook.files_read import data_files
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import absolute, check_writable
from shiftbook.options import Json
from shiftbook.options.engine import EngineGroup
from shiftbook.options.groups import grouped
from shiftbook.options.images import Crop, One, Resize
from shiftbook.options.placed import Placed, placed
from shiftbook.synth.technologies.technology import DEFAULT, Technology, energetic, with_energies

if TYPE_CHECKING:
    from shiftbook.api.energy import Energy
    from shiftbook.api.logic_energy import LogicEnergy, Sampling
    from shiftbook.api.silicon_rows import OnEngine

WINDOWS = 100
"""How many are sampled unless somebody says otherwise."""


@grouped
def energy(
    checkpoints: Annotated[
        list[Placed],
        typer.Argument(
            metavar="CKPT[:PRESET]",
            parser=placed,
            help="Checkpoints that compress wrote, each on its engine or that of --preset.",
        ),
    ],
    engine: EngineGroup,
    data: One = None,
    resize: Resize = None,
    crop: Crop = None,
    tech: Annotated[
        str,
        typer.Option(
            "--tech", metavar="NAME", help=f"Whose memories and cells: {', '.join(with_energies())}."
        ),
    ] = DEFAULT,
    memories_only: Annotated[
        bool, typer.Option("--memories-only", help="Leave the logic out, which takes minutes.")
    ] = False,
    windows: Annotated[
        int | None,
        typer.Option(
            "--windows", metavar="N", help=f"Samples of the logic, spread over the run. Default: {WINDOWS}."
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Energy of memory accesses and logic, for one image.

    The accelerator's RTL runs an image and counts every read and write of every memory; accesses do not
    depend on the pixels, and logic does a little: --data takes an image in place of noise. Each access is
    priced by the technology's published SRAM macros. In windows of the run, the RTL tells the ports and
    states of all modules; they are played again on the gates that the modules are mapped to, whose outputs
    must be the same, and each change is priced by the technology's cell library. Where that is not here,
    logic is not counted. As always, every output integer is compared with the golden model. See
    docs/energy.md.

    Several checkpoints give a table in place of the details: area and longest path of each engine, as gates
    --tech counts them, with cycles and energy, relative to the first. FILE of --json gets each row as soon as
    it is counted, and a row that it has already is not counted again.

    \b
    Examples:
      shiftbook energy digits.ckpt --memories-only
      shiftbook energy digits.ckpt --data digits --windows 400
      shiftbook energy narrow.ckpt --preset shift4 --tech asap7 --json energy.json
      shiftbook energy int8.ckpt:int8 narrow.ckpt:shift4 --tech asap7 --json silicon.json
      shiftbook energy int8.ckpt:int8 narrow.ckpt:shift4 --tile-words auto --json fitted.json
    """
    check_writable(json_file, inputs=[*(each.path for each in checkpoints), *data_files(data, (json_file,))])
    asked = [option for option, given in (("--resize", resize), ("--crop", crop)) if given is not None]
    if data is None and asked:
        raise ShiftbookError(f"{asked[0]} needs images: add --data D")
    if len(checkpoints) > 1 and engine.tensor_buffer:
        raise ShiftbookError(
            f"--tensor-buffer {engine.tensor_buffer}: the area of several checkpoints is the engine's, which "
            "has no tensor buffer: give a single checkpoint, or leave the buffer out"
        )
    json_file = json_file and absolute(json_file)
    engines = [engine if each.preset is None else replace(engine, preset=each.preset) for each in checkpoints]
    for each in engines:
        each.check()
    sampled, why_not = _sampled(energetic(tech), memories_only, windows)
    from shiftbook.api.logic_energy import Sampling
    from shiftbook.commands.run import failures_told
    from shiftbook.on_silicon import silicon_rows, silicon_table

    sampling = Sampling(sampled) if sampled else None
    with progress_bar() as progress, failures_told():
        rows = [
            _row(placed.path, each, data, resize, crop, progress)
            for placed, each in zip(checkpoints, engines, strict=True)
        ]
        if len(rows) == 1:
            told = _one(rows[0], tech, sampling, data, json_file, progress)
        else:
            told = silicon_table(silicon_rows(rows, tech, sampling, data, json_file, progress))
    say("\n".join([told, *([f"logic is not counted: {why_not}"] if why_not else [])]))


def _row(
    path: Path,
    engine: EngineGroup,
    data: str | None,
    resize: int | None,
    crop: int | None,
    progress: Progress,
) -> OnEngine:
    """A checkpoint on its engine, with the image that it runs on."""
    from shiftbook.api.silicon_rows import OnEngine
    from shiftbook.commands.run import dataset_of
    from shiftbook.golden.storage.checkpoint import load

    network = load(path)
    spec, image = engine.spec_for(network), None
    if data is not None:
        image = dataset_of(data, network, progress, limit=1, resize=resize, crop=crop).images
    return OnEngine(str(path), engine.preset, network, spec, image)


def _one(
    row: OnEngine,
    tech: str,
    sampling: Sampling | None,
    data: str | None,
    json_file: Path | None,
    progress: Progress,
) -> str:
    """Count and write the energy of one checkpoint; its tables."""
    from shiftbook.api.energy import energy as energy_of
    from shiftbook.results.energy import Energy as Written
    from shiftbook.results.writing import write_result

    found = energy_of(row.network, row.spec, tech, progress, sampling, image=row.image)
    arguments = {"checkpoint": row.checkpoint, "data": data, "preset": row.engine}
    write_result(json_file, Written, {**arguments, **found.to_dict()})
    return energy_table(found)


def _sampled(technology: Technology, memories_only: bool, windows: int | None) -> tuple[int, str]:
    """How many windows of the logic are sampled, and why none are."""
    from shiftbook.api.logic_energy import LEAST

    if memories_only:
        if windows is not None:
            raise ShiftbookError(
                "--windows samples the logic, which --memories-only leaves out: give one of them"
            )
        return 0, "--memories-only"
    if windows is not None and windows < LEAST:
        raise ShiftbookError(
            f"--windows must be at least {LEAST}, not {windows}: their spread tells the error"
        )
    try:
        technology.library()
    except ShiftbookError as error:
        if windows is not None:
            raise
        return 0, str(error)
    return windows or WINDOWS, ""


def energy_table(found: Energy) -> str:
    """The energy for people: layers, memories, logic, and all of it."""
    parts = [_layer_table(found), "", _memory_table(found), ""]
    if found.logic is not None:
        parts += [_logic_table(found.logic), ""]
    return "\n".join([*parts, *_totals(found)])


def _layer_table(found: Energy) -> str:
    heads = ("layer", "cycles/image", "memories, nJ/image", "pJ/MAC", "logic, nJ/image")
    layers = [
        (
            each.name,
            each.cycles,
            each.pj / 1e3,
            each.pj / each.macs if each.macs else None,
            None if each.logic_pj is None else each.logic_pj / 1e3,
        )
        for each in found.layers
    ]
    return table(heads if found.logic else heads[:-1], [row if found.logic else row[:-1] for row in layers])


def _memory_table(found: Energy) -> str:
    heads = ("memory", "count", "words x bits", "reads", "writes", "pJ/read", "pJ/write", "nJ/image")
    memories = [
        (
            each.name,
            each.count,
            f"{each.words:,} x {each.bits}",
            each.reads,
            each.writes,
            each.read_pj,
            each.write_pj,
            None if each.pj is None else each.pj / 1e3,
        )
        for each in found.memories
    ]
    note = f"-: flip-flops ({found.uncounted_bits:,} bits), which are not counted here"
    return f"{table(heads, memories)}\n{note}"


def _logic_table(logic: LogicEnergy) -> str:
    heads = ("module", "count", "sampled", "cells", "no glitches, nJ", "nJ/image", "clock, nJ")
    modules = [
        (
            each.name,
            each.instances,
            each.sampled,
            each.cells,
            each.settled_pj / 1e3,
            each.pj / 1e3,
            each.clock_pj / 1e3,
        )
        for each in logic.modules
    ]
    note = (
        f"{logic.windows:,} windows of {logic.length} cycles, standard error {100 * logic.error:.1f} %; "
        f"{logic.compared:,} bits equal in RTL and netlist"
    )
    return f"{table(heads, modules)}\n{note}"


def _totals(found: Energy) -> list[str]:
    """A line for the memories; with logic one for each of its figures, and one for all together."""
    what = f"({found.technology}, {found.lanes} lanes, {found.cycles:,} cycles, {found.macs:,} MACs)"
    lines = [f"memories {_figures(found, found.pj)} {what}"]
    if found.logic is not None and found.total_pj is not None:
        clock = f"{100 * found.logic.clock_pj / found.logic.pj:.0f} % of it the clock"
        memories = f"{100 * found.pj / found.total_pj:.0f} % of it memories"
        lines += [
            f"logic (no glitches) {_figures(found, found.logic.settled_pj)}",
            f"logic {_figures(found, found.logic.pj)}, {clock}",
            f"together {_figures(found, found.total_pj)}, {memories}",
        ]
    return lines


def _figures(found: Energy, pj: float) -> str:
    per_mac = f"{pj / found.macs:.3f} pJ per MAC, " if found.macs else ""
    return f"{pj / 1e6:.3f} microjoules an image, {per_mac}{pj / found.cycles:.2f} pJ a cycle"

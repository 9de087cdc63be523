"""`shiftbook energy`: what a network's memory accesses take on an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shiftbook.console import progress_bar, say, table
from shiftbook.golden.files import absolute, check_writable
from shiftbook.options import Checkpoint, Json
from shiftbook.options.engine import EngineGroup
from shiftbook.options.groups import grouped
from shiftbook.synth.technologies.technology import DEFAULT, energetic, with_energies

if TYPE_CHECKING:
    from shiftbook.api.energy import Energy


@grouped
def energy(
    checkpoint: Checkpoint,
    engine: EngineGroup,
    tech: Annotated[
        str,
        typer.Option("--tech", metavar="NAME", help=f"Whose memories: {', '.join(with_energies())}."),
    ] = DEFAULT,
    json_file: Json = None,
) -> None:
    """Energy of a checkpoint's memory accesses, for one image.

    The accelerator's RTL runs an image of noise and counts every read and write of every memory; accesses do
    not depend on the pixels. Each is priced by the technology's published SRAM macros. Memories that take
    less area as flip-flops are part of the logic, whose energy is not in the figure: see docs/energy.md. As
    always, every output integer is compared with the golden model.

    \b
    Examples:
      shiftbook energy digits.ckpt
      shiftbook energy narrow.ckpt --preset shift4 --tech ihp-sg13g2 --json energy.json
    """
    check_writable(json_file, inputs=[checkpoint])
    json_file = json_file and absolute(json_file)
    engine.check()
    energetic(tech)
    from shiftbook.api.energy import energy as energy_of
    from shiftbook.commands.run import failures_told
    from shiftbook.golden.storage.checkpoint import load
    from shiftbook.results.energy import Energy as Written
    from shiftbook.results.writing import write_result

    network = load(checkpoint)
    spec = engine.spec_for(network)
    with progress_bar() as progress, failures_told():
        found = energy_of(network, spec, tech, progress)
    arguments = {"checkpoint": str(checkpoint), "preset": engine.preset}
    write_result(json_file, Written, {**arguments, **found.to_dict()})
    say(energy_table(found))


def energy_table(found: Energy) -> str:
    """The energy for people: layers, memories, and all of it."""
    layers = [
        (each.name, each.cycles, each.pj / 1e3, each.pj / each.macs if each.macs else None)
        for each in found.layers
    ]
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
    heads = ("memory", "count", "words x bits", "reads", "writes", "pJ/read", "pJ/write", "nJ/image")
    total = (
        f"memories {found.pj / 1e6:.3f} microjoules an image, "
        f"{'' if found.per_mac is None else f'{found.per_mac:.3f} pJ per MAC, '}"
        f"{found.pj / found.cycles:.2f} pJ a cycle "
        f"({found.technology}, {found.lanes} lanes, {found.cycles:,} cycles, {found.macs:,} MACs)"
    )
    note = f"-: flip-flops ({found.uncounted_bits:,} bits), which are logic and not counted here"
    tables = table(("layer", "cycles/image", "nJ/image", "pJ/MAC"), layers), table(heads, memories)
    return "\n".join([tables[0], "", tables[1], note, "", total])

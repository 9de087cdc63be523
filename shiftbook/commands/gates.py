"""`shiftbook gates`: what the engine and its rivals cost in logic and memories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiftbook.console import print_rich, progress_bar
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable
from shiftbook.golden.spec import PRESETS
from shiftbook.options import Json, make_spec
from shiftbook.options.groups import grouped
from shiftbook.options.measuring import EnginesGroup, ExtentGroup, LayerGroup, RulerGroup
from shiftbook.options.tile_words import AUTO, fitted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shiftbook.results.base import Record
    from shiftbook.synth.flow.measure import Progress

Result = tuple["type[Record]", dict[str, Any], "RenderableType"]
"""What a report holds, the report, and the table of it."""

OWN_OPTIONS = {
    "--fpga": ("--lanes", "--engine"),
    "--paper-layer": ("--weights", "--channels"),
    "--unrolled": ("--weights", "--layer", "--channels"),
}
"""What goes with the reports on something else than the gates of engines."""

PARTS = ("--layer", "--channels")
"""What chooses a part, and means nothing for engines."""


@grouped
def gates(
    engines: EnginesGroup, ruler: RulerGroup, layers: LayerGroup, extent: ExtentGroup, json_file: Json = None
) -> None:
    """Count the gates and memories of the engine and of its rivals.

    Synthesizes the shift-add engine and the multiplier engines that it competes with.
    All engines come from one generator and differ only in their lane and its feed. Figures are NAND2
    equivalents (GE) of the netlist that Yosys maps, of two multiplier architectures the better one, by
    module and per lane. Memories are SRAM macros of a published technology, in GE by their area; the total
    has both. docs/gates.md says how it is counted.

    --fpga, --paper-layer and --unrolled measure something else instead.

    \b
    Examples:
      shiftbook gates
      shiftbook gates --lanes 4x4 --json gates.json
      shiftbook gates --slots 16 --requantizers 16 --engine shift
      shiftbook gates --tile-words auto --network net.ckpt
      shiftbook gates --system --json gates.json
      shiftbook gates --tech asap7
      shiftbook gates --liberty cells_a.lib.gz --liberty cells_b.lib.gz
      shiftbook gates --fpga ecp5 --engine shift --engine int8
      shiftbook gates --paper-layer --json layer.json
      shiftbook gates --unrolled net.ckpt --layer layer1.0.conv1
    """
    from shiftbook.results.writing import write_result

    if extent.bus_parity and not extent.system:
        raise ShiftbookError("the engine has no bus: --bus-parity needs --system")
    if extent.tensor_buffer and not extent.system:
        raise ShiftbookError("the engine has no tensor buffer: --tensor-buffer needs --system")
    inputs = [ruler.weights, layers.unrolled, extent.network, *(ruler.liberty or [])]
    check_writable(json_file, inputs=inputs)
    _check(engines, ruler, layers, extent)
    library = ruler.library()
    check_writable(json_file, inputs=library)
    with progress_bar() as show:

        def progress(done: int, total: int, what: str) -> None:
            show(f"after {what}" if engines.fpga else "synthesis", done, total)

        if engines.fpga is not None:
            record, report, table = _placed(engines.fpga, engines, progress)
        elif layers.paper_layer:
            record, report, table = _paper_layer(layers.channels, ruler.weights, progress)
        elif layers.unrolled is not None and layers.layer is not None:
            record, report, table = _unrolled(
                layers.unrolled, layers.layer, layers.channels, ruler.weights, progress
            )
        else:
            record, report, table = _engines(engines, ruler.weights, library, extent, progress)
    write_result(json_file, record, report)
    print_rich(table)


def _check(engines: EnginesGroup, ruler: RulerGroup, layers: LayerGroup, extent: ExtentGroup) -> None:
    """Refuse what does not go together."""
    reports = {
        "--fpga": engines.fpga,
        "--paper-layer": layers.paper_layer or None,
        "--unrolled": layers.unrolled,
    }
    options = {
        "--lanes": engines.lanes,
        "--slots": engines.slots,
        "--requantizers": engines.requantizers,
        "--engine": engines.engines,
        "--liberty": ruler.liberty,
        "--tech": ruler.tech,
        "--weights": ruler.weights,
        "--flat": extent.flat,
        "--system": extent.system or None,
        "--bus": extent.bus,
        "--bus-parity": extent.bus_parity or None,
        "--tile-words": extent.tile_words,
        "--tensor-buffer": extent.tensor_buffer,
        "--network": extent.network,
        "--layer": layers.layer,
        "--channels": layers.channels,
    }
    asked = [name for name, value in reports.items() if value is not None]
    if len(asked) > 1:
        raise ShiftbookError(f"{asked[0]} and {asked[1]} are two reports: choose one")
    for name, value in options.items():
        if value is None:
            continue
        owners = [report for report, own in OWN_OPTIONS.items() if name in own]
        if asked and asked[0] not in owners:
            raise ShiftbookError(f"{name} does not go with {asked[0]}: leave it out")
        if not asked and name in PARTS:
            raise ShiftbookError(f"{name} chooses a part of --unrolled CKPT, which is missing")
    if (extent.tile_words == AUTO) != (extent.network is not None):
        raise ShiftbookError("--tile-words auto and --network CKPT go together: the network says the banks")
    if reports["--unrolled"] is not None and options["--layer"] is None:
        raise ShiftbookError("--unrolled needs --layer NAME; shiftbook inspect CKPT lists the names")


def _engines(
    engines: EnginesGroup,
    weights: Path | None,
    library: Sequence[Path],
    extent: ExtentGroup,
    progress: Progress,
) -> Result:
    from shiftbook.results.gates import GateReport
    from shiftbook.synth.flow.gates import gate_report
    from shiftbook.synth.flow.report import gate_table

    names = tuple(PRESETS) if engines.engines is None else engines.engines
    spec = make_spec("shift", "8x8" if engines.lanes is None else engines.lanes, bus=extent.bus)
    report = gate_report(
        (spec.rows, spec.cols),
        slots=engines.slots,
        requantizers=engines.requantizers,
        engines=names,
        bus=extent.bus,
        bus_parity=extent.bus_parity,
        tile_words=_tile_words(engines, names, extent),
        tensor_kib=extent.tensor_buffer,
        weights=weights,
        liberty=library,
        flat=extent.flat,
        system=extent.system,
        progress=progress,
    )
    return GateReport, report, gate_table(report)


def _tile_words(engines: EnginesGroup, names: Sequence[str], extent: ExtentGroup) -> int | None:
    """Words of all engines' activation banks, where options say them."""
    if extent.tile_words is None:
        return None
    networks = []
    if extent.network is not None:
        from shiftbook.golden.storage.checkpoint import load

        networks = [load(extent.network)]
    specs = {
        name: make_spec(
            name,
            "8x8" if engines.lanes is None else engines.lanes,
            engines.slots,
            extent.bus,
            requantizers=engines.requantizers,
        )
        for name in names
        if name in PRESETS
    }
    return next((spec.tile_words for spec in fitted(specs, extent.tile_words, networks).values()), None)


def _placed(chip: str, engines: EnginesGroup, progress: Progress) -> Result:
    from shiftbook.results.chip import ChipReport
    from shiftbook.synth.flow.gates import COMPARED
    from shiftbook.synth.fpga.report import fpga_report, fpga_table

    spec = None if engines.lanes is None else make_spec("shift", engines.lanes)
    grid = None if spec is None else (spec.rows, spec.cols)
    chosen = COMPARED if engines.engines is None else engines.engines
    report = fpga_report(chip, grid, engines=chosen, progress=progress)
    return ChipReport, report, fpga_table(report)


def _paper_layer(channels: int | None, weights: Path | None, progress: Progress) -> Result:
    from shiftbook.results.layer import PaperLayer
    from shiftbook.synth.unrolled.layer_report import paper_table
    from shiftbook.synth.unrolled.paper_layer import SLICE, paper_layer_report

    channels = SLICE if channels is None else channels
    report = paper_layer_report(weights=weights, channels=channels, progress=progress)
    return PaperLayer, report, paper_table(report)


def _unrolled(
    checkpoint: Path, layer: str, channels: int | None, weights: Path | None, progress: Progress
) -> Result:
    from shiftbook.results.layer import UnrolledLayer
    from shiftbook.synth.unrolled.checkpoint_layer import checkpoint_layer_report
    from shiftbook.synth.unrolled.layer_report import layer_table

    report = checkpoint_layer_report(checkpoint, layer, channels=channels, weights=weights, progress=progress)
    return UnrolledLayer, report, layer_table(report)

"""`shiftbook compare`: checkpoints side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftbook.console import Progress, progress_bar, say, table
from shiftbook.files_read import data_files
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable
from shiftbook.options import Json, make_spec, named
from shiftbook.options.batch import check_batch
from shiftbook.options.comparing import MeasureGroup
from shiftbook.options.groups import grouped
from shiftbook.options.tile_words import fitted

if TYPE_CHECKING:
    from shiftbook.api.compare import Price
    from shiftbook.golden.spec import Spec
    from shiftbook.results.gates import Priced

Row = dict[str, Any]


@grouped
def compare(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="CKPT...", parser=named, help="Checkpoints; the first is the baseline."),
    ],
    measure: MeasureGroup,
    json_file: Json = None,
) -> None:
    """Compare checkpoints: size, cycles, gates, accuracy.

    Each checkpoint runs on the engine with the least gates and memories times cycles. A cheaper engine
    refuses weights that it cannot represent. total x cycles is relative to the first checkpoint: the silicon
    for equally many images per second at the same clock.

    \b
    Columns:
      MACs     products per image, zeros included
      ratio    the network in 32-bit floats over all stored bits, as inspect has it
      moved    bytes on the memory bus per image: program, weights, tensors
      cycles   per image, with the bus: by the model, or with --rtl counted by the RTL itself, every
               output integer compared with the golden model; with --batch N an image's share of those of N
               images at once
      GE       NAND2 equivalents of the engine: logic, and the total with memories (see gates)
      memory bits  of the engine; --tile-words auto gives all engines the smallest activation banks that
               cost no checkpoint 1 % of its cycles
      with buses   the same of the whole accelerator, where gates --system counted it
      area x cycles x period   where gates --tech or --liberty measured: total area, and the longest path

    \b
    Examples:
      shiftbook compare int8.ckpt focused.ckpt --data digits
      shiftbook compare int8.ckpt focused.ckpt --tile-words auto
      shiftbook gates --system --json gates.json
      shiftbook compare int8.ckpt focused.ckpt --gates gates.json --rtl --data digits --json compare.json
    """
    data = measure.data
    check_writable(json_file, inputs=[*checkpoints, measure.gates, *data_files(data, [json_file])])
    from shiftbook.api.checkpoint import load
    from shiftbook.api.compare import comparison_rows
    from shiftbook.api.images import images
    from shiftbook.commands.run import failures_told
    from shiftbook.results.compare import Comparison
    from shiftbook.results.writing import write_result

    specs = measure.specs()
    check_batch(measure.batch)
    if measure.rtl and data is None:
        raise ShiftbookError("--rtl runs an image: add --data")
    loaded = [load(path) for path in checkpoints]
    specs = fitted(specs, measure.tile_words, [each.network for each in loaded], measure.batch)
    with progress_bar() as progress, failures_told():
        channels = loaded[0].input_shape[2]
        dataset = (
            None if data is None else images(data, limit=measure.limit, channels=channels, progress=progress)
        )

        def count(names: Sequence[str]) -> dict[str, Price]:
            counted = _gates(measure.gates, measure.lanes, {name: specs[name] for name in names}, progress)
            return {name: _price(counted[name], specs[name]) for name in names}

        rows = comparison_rows(
            loaded, specs, count, dataset, rtl=measure.rtl, batch=measure.batch, progress=progress
        )
    write_result(json_file, Comparison, {"lanes": measure.lanes, "data": data, "rows": rows})
    say(comparison_table(rows))


def _price(found: Priced, spec: Spec) -> Price:
    """What an engine costs; its accelerator only where its bus is the one asked for."""
    from shiftbook.api.compare import Price

    same_bus = found.spec.bus_bytes == spec.bus_bytes
    return Price(
        ge=found.total_ge,
        whole_ge=found.whole_ge,
        accelerator_ge=found.accelerator_ge if same_bus else None,
        accelerator_whole_ge=found.accelerator_whole_ge if same_bus else None,
        memory_bits=found.memory_bits,
        whole_area=found.whole_area,
        delay=found.delay,
    )


def _gates(file: Path | None, lanes: str, specs: Mapping[str, Spec], progress: Progress) -> dict[str, Priced]:
    """What the gate report says of each engine, from a file or from synthesis."""
    from shiftbook.gate_file import checked, read_engines

    (words,) = {spec.tile_words for spec in specs.values()}
    if file is not None:
        return read_engines(file, lanes, list(specs), words)
    from shiftbook.synth.flow.gates import gate_report

    grid = make_spec("shift", lanes)
    report = gate_report(
        (grid.rows, grid.cols),
        tile_words=words,
        engines=list(specs),
        progress=lambda done, total, what: progress("synthesis", done, total),
    )
    return checked(report, "the synthesis")


HEADER = (
    "checkpoint",
    "scheme",
    "weights",
    "density",
    "MACs",
    "stored bytes",
    "ratio",
    "moved bytes",
    "engine",
    "cycles",
    "logic, GE",
    "memory bits",
    "accuracy",
    "logic x cycles",
)

TOTALS = {
    "accelerator_relative": "logic with buses",
    "whole_ge": "total, GE",
    "accelerator_whole_relative": "total with buses",
    "timed_relative": "area x cycles x period",
    "whole_relative": "total x cycles",
}
"""Columns that stand where all rows have them, the headline last."""


def comparison_table(rows: list[Row]) -> str:
    """The rows for people."""
    totals = {name: head for name, head in TOTALS.items() if all(name in row for row in rows)}
    cells = []
    for row in rows:
        accuracy = row.get("accuracy")
        cells.append(
            (
                Path(row["checkpoint"]).name,
                row["scheme"],
                row["weights"],
                row["density"],
                row["macs"],
                -(-row["stored_bits"] // 8),
                f"{row['ratio']:.2f}x",
                row["moved_bytes"],
                row["engine"],
                row["cycles"],
                round(row["ge"]),
                row["memory_bits"],
                None if accuracy is None else f"{100 * accuracy:.2f} %",
                f"{row['relative']:.3f}",
                *(round(row[name]) if name.endswith("ge") else f"{row[name]:.3f}" for name in totals),
            )
        )
    compared = [row["compared"] for row in rows if "compared" in row]
    note = f"\ncycles are the RTL's: 0 mismatches in {sum(compared):,} integers" if compared else ""
    return table((*HEADER, *totals.values()), cells) + _batches(rows) + note


def _batches(rows: list[Row]) -> str:
    """When the images of a batch are done."""
    found = [
        f"\n{Path(row['checkpoint']).name}: all {row['batch']} images of a batch are done after "
        f"{row['batch_cycles']:,} cycles"
        for row in rows
        if row.get("batch", 1) > 1
    ]
    return "".join(found)

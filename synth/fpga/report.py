"""The FPGA report: engines on one chip, side by side, as JSON and as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.engine.engine import Engine
from shiftbook.synth.flow.gates import BASELINE, COMPARED, Json, versions
from shiftbook.synth.flow.measure import Progress
from shiftbook.synth.flow.yosys import find_yosys
from shiftbook.synth.fpga.fpga import FPGAS, SEED, Fpga, Synthesized, place, synthesize
from shiftbook.synth.fpga.nextpnr import DoesNotFit, Routed, find_nextpnr

MULTIPLIERS = {"lut": False, "dsp": True}
"""What multipliers are made of, and whether DSP blocks may be used."""

COMPARED_FIGURES = ("lut", "fmax")


def fpga_report(
    chip: str,
    lanes: tuple[int, int] | None = None,
    *,
    engines: Sequence[str] = COMPARED,
    progress: Progress | None = None,
) -> Json:
    """Synthesize, place and route engines on a chip.

    Parameters
    ----------
    chip
        A name from `FPGAS`.
    lanes
        (rows, cols) of the grid; the chip's own by default.
    engines
        Names from `golden.spec.PRESETS`.
    progress
        Called after every step.

    Returns
    -------
    report
        JSON. ``device``, ``package``, ``seed``. ``engines``: by name, ``spec`` and, by what multipliers are
        made of (`MULTIPLIERS`), what `describe` says. ``ratios``: the same over the dense int8 engine.
        ``versions``.

    Raises
    ------
    ShiftbookError
        There is no such chip, engine or grid; nextpnr is not installed; or an engine does not fit the chip.
    """
    if chip not in FPGAS:
        raise ShiftbookError(f"an FPGA must be one of {', '.join(FPGAS)}, not {chip!r}")
    unknown = [name for name in engines if name not in PRESETS]
    if unknown or not engines:
        raise ShiftbookError(
            f"engines must be some of {', '.join(PRESETS)}, not {', '.join(unknown) or 'none'}"
        )
    fpga = FPGAS[chip]
    nextpnr, yosys = find_nextpnr(fpga.family), find_yosys()
    specs = {name: fpga.spec(name, lanes) for name in engines}
    made_of = [kind for kind, dsp in MULTIPLIERS.items() if not dsp or fpga.dsp is not None]
    steps = [(name, kind) for name in specs for kind in made_of]
    described: Json = {name: {"spec": spec.as_json()} for name, spec in specs.items()}
    version = ""
    for number, (name, kind) in enumerate(steps):
        synthesized = synthesize(Engine(specs[name]), fpga, dsp=MULTIPLIERS[kind], yosys=yosys)
        _tell(progress, 2 * number + 1, 2 * len(steps), f"{name}: synthesis")
        try:
            routed = place(synthesized, fpga, nextpnr)
        except DoesNotFit as error:
            raise ShiftbookError(_too_large(name, specs[name], fpga, error)) from None
        _tell(progress, 2 * number + 2, 2 * len(steps), f"{name}: place and route")
        described[name][kind] = describe(synthesized, routed, fpga)
        version = synthesized.yosys
    return {
        "fpga": chip,
        "device": fpga.device,
        "package": fpga.package,
        "seed": SEED,
        "engines": described,
        "ratios": ratios(described, made_of),
        "versions": {**versions(version), "nextpnr": nextpnr.version()},
    }


def _tell(progress: Progress | None, done: int, total: int, what: str) -> None:
    if progress is not None:
        progress(done, total, what)


def _too_large(name: str, spec: Spec, fpga: Fpga, error: DoesNotFit) -> str:
    needs = ", ".join(f"{need:,} {kind} of {have:,}" for kind, (need, have) in error.used.items())
    return (
        f"the {name} engine of {spec.rows}x{spec.cols} lanes does not fit {fpga.device}: it needs {needs}; "
        "choose fewer lanes"
    )


def describe(synthesized: Synthesized, routed: Routed, fpga: Fpga) -> Json:
    """One engine on the chip as JSON.

    The engine's own cells by kind, of which ``lut`` is the sum in LUTs. ``pins``: those of the registers
    around it. ``used``: cells of the chip, of both, as [used, available]. ``fmax``: MHz.
    ``verilog_sha256``: of the text that was synthesized, registers included.
    """
    return {
        **synthesized.cells,
        "pins": dict(synthesized.pins),
        "used": {kind: list(routed.used[kind]) for kind in fpga.resources if kind in routed.used},
        "fmax": round(routed.fmax, 2),
        "verilog_sha256": synthesized.verilog_sha256,
    }


def ratios(engines: Json, made_of: Iterable[str]) -> Json:
    """LUTs and frequency of every engine over those of the dense int8 engine; empty without that one."""
    if BASELINE not in engines:
        return {}
    return {
        name: {
            kind: {
                key: round(engine[kind][key] / engines[BASELINE][kind][key], 4) for key in COMPARED_FIGURES
            }
            for kind in made_of
        }
        for name, engine in engines.items()
    }


def fpga_table(report: Json) -> RenderableType:
    """Engines side by side.

    Parameters
    ----------
    report
        What `fpga_report` returns.
    """
    spec = next(iter(report["engines"].values()))["spec"]
    table = Table(
        title=f"Engines of {spec['rows']}x{spec['cols']} lanes, {spec['slots']} slots, on {report['device']}",
        title_justify="left",
    )
    table.add_column("engine", no_wrap=True)
    for head in ("multipliers", "LUTs", "x int8", "carry", "flip-flops", "block RAM", "DSP", "MHz", "x int8"):
        table.add_column(head, justify="right")
    table.add_column("fullest", no_wrap=True)
    for kind in MULTIPLIERS:
        for name, engine in report["engines"].items():
            if kind in engine:
                table.add_row(
                    *_row(name, kind, engine[kind], report["ratios"]), style="dim" * (name == BASELINE)
                )
    made_with = f"{report['versions']['yosys'].split(' (')[0]}, {report['versions']['nextpnr']}"
    notes = (
        f"Cells of the engine alone. MHz: after place and route ({made_with}, seed {report['seed']}).\n"
        "Fullest: what the chip has least left of, with the registers in the place of pins."
    )
    return Group(table, Text(notes, style="dim"))


def _row(name: str, kind: str, placed: Json, ratios: Json) -> list[str]:
    ratio = {key: f"{value:.2f}" for key, value in ratios.get(name, {}).get(kind, {}).items()}
    counts = [f"{placed[key]:,}" for key in ("carry", "flip_flop", "block_ram", "dsp")]
    luts, fmax = f"{placed['lut']:,}", f"{placed['fmax']:,.1f}"
    fullest, (used, available) = max(placed["used"].items(), key=lambda item: item[1][0] / item[1][1])
    full = f"{used / available:.0%} {fullest}"
    return [name, kind.upper(), luts, ratio.get("lut", ""), *counts, fmax, ratio.get("fmax", ""), full]

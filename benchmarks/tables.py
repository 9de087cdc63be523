"""The tables of the documents, from the JSON that commands wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import array_tables, energy_tables, engine_tables, library_tables, scaling_tables
from benchmarks.markdown import Column, Json, count, markdown, name_of, number, percent, ratio
from shiftbook.golden.mapping.spent import PARTS
from shiftbook.golden.spec import DEFAULT
from shiftbook.synth.flow.gates import DECODER


def compare(results: Sequence[Json]) -> str:
    """Of `shiftbook compare`: checkpoints with their gates x cycles over those of the first."""
    rows = [row for result in results for row in result["rows"]]
    base = rows[0]
    for row in rows:
        for gates, relative in (("ge", "relative"), ("accelerator_ge", "accelerator_relative")):
            if gates in row and gates in base:
                row[relative] = row[gates] * row["cycles"] / (base[gates] * base["cycles"])
    columns = [
        Column("checkpoint", name_of),
        Column("scheme", lambda row: str(row["scheme"])),
        Column("density", percent("density", 0)),
        Column("MACs", count("macs")),
        Column("stored bytes", lambda row: f"{-(-row['stored_bits'] // 8):,}"),
        Column("moved bytes", count("moved_bytes")),
        Column("engine", lambda row: f"`{row['engine']}`"),
        Column("cycles", count("cycles")),
        Column("GE", count("ge")),
        Column("GE per MAC/cycle", lambda row: f"{row['ge'] * row['cycles'] / row['macs']:,.0f}"),
        Column("accuracy", percent("accuracy")),
        Column("GE x cycles", ratio("relative")),
        Column("with buses", ratio("accelerator_relative")),
    ]
    if all("whole_ge" in row for row in rows):
        for row in rows:
            row["whole_relative"] = row["whole_ge"] * row["cycles"] / (base["whole_ge"] * base["cycles"])
        columns.append(Column("total x cycles", ratio("whole_relative")))
    return markdown(columns, rows)


def stored(results: Sequence[Json]) -> str:
    """Of `shiftbook compare --data`: what checkpoints hold, and how right they are."""
    rows = [row for result in results for row in result["rows"]]
    columns = [
        Column("checkpoint", name_of),
        Column("scheme", lambda row: str(row["scheme"])),
        Column("density", percent("density", 0)),
        Column("epochs", lambda row: "" if row["epochs"] is None else str(row["epochs"])),
        Column("accuracy", percent("accuracy")),
        Column("float", percent("float_accuracy")),
        Column("ratio", lambda row: f"{row['ratio']:.2f}x"),
        Column("bits per weight", lambda row: f"{row['stored_bits'] / row['weights']:.3f}"),
    ]
    return markdown(columns, rows)


def gates(results: Sequence[Json]) -> str:
    """Of `shiftbook gates`: engines, and with ``--system`` what surrounds them."""
    columns = [
        Column("engine", lambda row: f"`{row['name']}`"),
        Column("lane, GE", count("lane_ge")),
        Column("engine, GE", count("total_ge")),
        Column("x int8", ratio("relative")),
        Column("GE per term", count("ge_per_term")),
        Column("decoders", decoder_share),
        Column("accelerator, GE", count("accelerator_ge")),
        Column("engine's memory bits", count("memory_bits")),
    ]
    rows = engines(results)
    if all("whole_ge" in row for row in rows):
        columns += [Column("memories, GE", count("memory_ge")), Column("total, GE", count("whole_ge"))]
    return markdown(columns, rows)


def engines(results: Sequence[Json]) -> list[Json]:
    """The engines of a report of `shiftbook gates`, with their names and their gates over dense int8's."""
    (report,) = results
    return [
        {"name": name, **engine, "relative": report["ratios"].get(name, {}).get("total")}
        for name, engine in report["engines"].items()
    ]


def flat(results: Sequence[Json]) -> str:
    """Of `shiftbook gates --flat`: engines without hierarchy beside the sum of their modules."""
    columns = [
        Column("engine", lambda row: f"`{row['name']}`"),
        Column("sum of modules, GE", count("total_ge")),
        Column("flat, GE", count("flat_ge")),
        Column("flat over sum", lambda row: f"{row['flat_ge'] / row['total_ge']:.3f}"),
    ]
    return markdown(columns, engines(results))


def chip(results: Sequence[Json]) -> str:
    """Of `shiftbook gates --fpga`: engines on chips, without the chips' multipliers and with them."""
    rows = []
    for report in results:
        for name, engine in report["engines"].items():
            for way in ("lut", "dsp"):
                if way in engine:
                    relative = report["ratios"].get(name, {}).get(way, {})
                    more = {"lut_ratio": relative.get("lut"), "fmax_ratio": relative.get("fmax")}
                    rows.append({"name": name, "device": report["device"], **engine[way], **more})
    columns = [
        Column("chip", lambda row: str(row["device"])),
        Column("engine", lambda row: f"`{row['name']}`"),
        Column("LUTs", count("lut")),
        Column("x int8", ratio("lut_ratio")),
        Column("carry", count("carry")),
        Column("flip-flops", count("flip_flop")),
        Column("block RAM", count("block_ram")),
        Column("multipliers", count("dsp")),
        Column("MHz", number("fmax", 1)),
        Column("x int8", ratio("fmax_ratio")),
    ]
    return markdown(columns, rows)


def decoder_share(engine: Json) -> str:
    """The share of an engine's gates between the weight streams and the lanes."""
    decoders = sum(m["total_ge"] for name, m in engine["modules"].items() if DECODER.fullmatch(name))
    return f"{100 * decoders / engine['total_ge']:.1f} %"


def run(results: Sequence[Json]) -> str:
    """Of `shiftbook run --backend rtl`: networks on the accelerator."""
    columns = [
        Column("checkpoint", name_of),
        Column("lanes, preset", lambda row: f"{row['lanes']}, `{row['preset']}`"),
        Column("integers compared", count("compared")),
        Column("mismatches", count("mismatches")),
        Column("cycles", count("cycles")),
        Column("by the model", lambda row: f"{sum(layer['modelled_cycles'] for layer in row['layers']):,}"),
        Column("utilization", percent("utilization", 1)),
        Column("of convolutions", percent("convolution_utilization", 1)),
        Column("simulated in", lambda row: f"{row['simulation_seconds']:.1f} s"),
    ]
    return markdown(columns, results)


def spent(results: Sequence[Json]) -> str:
    """Of `shiftbook run --backend rtl`: what cycles were spent on, by the accelerator's counters."""

    def share(*counters: str, sign: int = -1) -> Callable[[Json], str]:
        def cell(row: Json) -> str:
            first, *others = (sum(layer[name] for layer in row["layers"]) for name in counters)
            return f"{100 * (first + sign * sum(others)) / row['cycles']:.1f} %"

        return cell

    columns = [
        Column("checkpoint", name_of),
        Column("a slot issues", share("issue")),
        Column("drain or wait in a tile", share("busy", "issue")),
        Column("between tiles", share("cycles", "busy")),
        Column("of that, input", share("load_wait")),
        Column("bus reads", share("read_beats")),
        Column("bus writes", share("write_beats")),
    ]
    return markdown(columns, results)


def share(part: str) -> Callable[[Json], str]:
    """The share of a network's lane-slot-cycles that went to one use."""
    return lambda row: f"{100 * row['spent'][part] / sum(row['spent'].values()):.1f} %"


def explained(results: Sequence[Json]) -> str:
    """Of `shiftbook run --explain`: where all lane-slot-cycles of networks go, by the cycle model."""

    columns = [
        Column("network", name_of),
        Column("lanes", lambda row: str(row["lanes"])),
        Column("cycles", count("cycles")),
        *(Column(part.replace("_", " "), share(part)) for part in PARTS),
    ]
    return markdown(columns, results)


def modelled(results: Sequence[Json]) -> str:
    """Of `benchmarks.cycle_model`: cycles of networks on the RTL and by the model."""
    columns = [
        Column("network", name_of),
        Column("lanes", lambda row: str(row["lanes"])),
        Column("RTL, cycles", count("cycles")),
        Column("model, cycles", count("modelled_cycles")),
        Column("error", lambda row: f"{100 * (row['modelled_cycles'] / row['cycles'] - 1):+.2f} %"),
        Column("exact layers", lambda row: f"{row['exact_layers']} of {row['layers']}"),
    ]
    return markdown(columns, [row for result in results for row in result["rows"]])


def batched(results: Sequence[Json]) -> str:
    """Of `benchmarks.batches`: an image alone, and several at once."""
    rows = [row for result in results for row in result["rows"]]
    alone = {row["checkpoint"]: row["cycles"] for row in rows if row["batch"] == 1}

    def change(row: Json) -> str:
        ratio = row["cycles_per_image"] / alone[row["checkpoint"]]
        return "" if row["batch"] == 1 else f"{100 * (ratio - 1):+.1f} %"

    columns = [
        Column("network", name_of),
        Column("batch", lambda row: str(row["batch"])),
        Column("cycles of the batch", count("cycles")),
        Column("RTL, cycles", count("rtl_cycles")),
        Column("cycles an image", count("cycles_per_image")),
        Column("to one image alone", change),
        Column("images in 10^6 cycles", number("images_per_megacycle", 2)),
        *(Column(name, share(name)) for name in ("useful", "idle", "drain", "bus", "fill")),
        Column("program, bytes", count("program_bytes")),
        Column("memory, bytes", count("image_bytes")),
    ]
    return markdown(columns, rows)


def buffered(results: Sequence[Json]) -> str:
    """Of `benchmarks.tensor_buffer`: what is moved with buffers of several sizes."""
    rows = [row for result in results for row in result["rows"]]
    without = {row["checkpoint"]: row for row in rows if row["kib"] == 0}

    def share(key: str) -> Callable[[Json], str]:
        return lambda row: f"{row[key] / without[row['checkpoint']][key]:.3f}"

    columns = [
        Column("network", name_of),
        Column("KiB", count("kib")),
        Column("tensors on chip", lambda row: f"{row['stays']} of {row['tensors']}"),
        Column("moved bytes", count("moved_bytes")),
        Column("of those without", share("moved_bytes")),
        Column("weights, bytes", count("weight_bytes")),
        Column("program, bytes", count("program_bytes")),
        Column("cycles", count("cycles")),
        Column("of those without", share("cycles")),
    ]
    return markdown(columns, rows)


def layer(results: Sequence[Json]) -> str:
    """Of `shiftbook gates --paper-layer`: methods, in the paper and measured, in millions of gates."""

    def view(*keys: str) -> Callable[[Json], str]:
        def cell(row: Json) -> str:
            found: Any = row
            for key in keys:
                found = (found or {}).get(key)
            if not found:
                return ""
            gates = found["gates"] if "gates" in found else found["layer_ge"]
            each = found["per_mac"] if "per_mac" in found else found["ge_per_mac"]
            return f"{gates / 1e6:,.1f} ({each:,.1f}; {found['ratio']:.2f}x)"

        return cell

    (report,) = results
    columns = [
        Column("method", lambda row: str(row["title"])),
        Column("paper", view("paper")),
        Column("programmable", view("programmable")),
        Column("weights fixed", view("unrolled", "1.0")),
        Column("fixed, 20 % of them", view("unrolled", "0.2")),
    ]
    return markdown(columns, list(report["methods"].values()))


def trains(results: Sequence[Json]) -> str:
    """Of `benchmarks.tensor_train`: what ADMM gains over plain TT-SVD; seeds share a row."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for result in results:
        for times, found in result.items():
            for row in found:
                groups.setdefault((times, row["method"]), []).append(row)

    def mean(row: Json) -> str:
        found = [f"{100 * seed['accuracy']:.2f}" for seed in row["seeds"]]
        average = sum(seed["accuracy"] for seed in row["seeds"]) / len(found)
        return f"{100 * average:.2f} %" + (f" ({', '.join(found)})" if len(found) > 1 else "")

    rows = [{**seeds[0], "seeds": seeds} for seeds in groups.values()]
    columns = [
        Column("weights", lambda row: f"{row['weights']:.2f}x"),
        Column("MACs", lambda row: f"{row['macs']:.2f}x"),
        Column("found by", lambda row: str(row["method"])),
        Column("epochs of ADMM", count("admm_epochs")),
        Column("of cores", count("core_epochs")),
        Column("accuracy", mean),
    ]
    return markdown(columns, rows)


STUDIED = (0.2, 1.0)
"""Densities of the study that the document shows."""


def organisations(results: Sequence[Json]) -> str:
    """Of `benchmarks.organisations`: each engine, and its 10^9 gates x cycles with the cycles in brackets."""

    def column(scheme: str, density: float) -> Column:
        def text(row: Json) -> str:
            found = row["networks"].get((scheme, density), {})
            if found.get("cycles") is None:
                return ""
            return f"{found['product'] / 1e9:.2f} ({found['cycles'] / 1e3:.0f}k)"

        return Column(f"{scheme} {100 * density:.0f} %", text)

    (result,) = results
    rows: dict[tuple[str, int], Json] = {}
    for entry in result["rows"]:
        row = rows.setdefault((entry["lane"], entry["slots"]), {**entry, "networks": {}})
        row["networks"][entry["scheme"], entry["density"]] = entry
    networks = sorted(
        dict.fromkeys((entry["scheme"], entry["density"]) for entry in result["rows"]), key=lambda key: key[1]
    )
    columns = [
        Column("lane", lambda row: str(row["lane"])),
        Column("W", lambda row: str(row["slots"])),
        Column("engine, GE", count("ge")),
        *(column(scheme, density) for scheme, density in networks if density in STUDIED),
    ]
    return markdown(columns, list(rows.values()))


DEFAULT_ENGINE = {"preset": "shift", "lanes": "8x8", "slots": DEFAULT.slots, "bus": DEFAULT.bus_bytes}
"""As a study names it."""

SHARES = ("accuracy", "float_accuracy", "lost", "density")
"""Measures that are read as percent."""


def study(results: Sequence[Json]) -> str:
    """Of `shiftbook sweep`: every point, the one with the lowest last objective first."""
    (report,) = results
    return markdown(_study_columns(report), _ranked(report, report["points"]))


def front(results: Sequence[Json]) -> str:
    """Of `shiftbook sweep`: the points that no other beats, and the default engine."""
    (report,) = results
    points = [point for point in report["points"] if point["front"] or point["engine"] == DEFAULT_ENGINE]
    return markdown(_study_columns(report), _ranked(report, points))


def _study_columns(report: Json) -> list[Column]:
    """What was chosen, where it differs from point to point, and all measures."""
    points = report["points"]
    columns = []
    for table in ("compression", "engine"):
        names = dict.fromkeys(name for point in points for name in point[table])
        texts = {name: {repr(point[table].get(name)) for point in points} for name in names}
        columns += [Column(name, _chosen(table, name)) for name in names if len(texts[name]) > 1]
    columns += [Column(name.replace("_", " "), _measured(name)) for name in points[0]["values"]]
    return [*columns, Column("on the front", lambda point: "yes" if point["front"] else "")]


def _ranked(report: Json, points: Sequence[Json]) -> list[Json]:
    """Points without an error, the lowest last objective first."""
    last = list(report["objectives"])[-1]
    return sorted((p for p in points if p["error"] is None), key=lambda point: point["values"][last])


def _chosen(table: str, name: str) -> Callable[[Json], str]:
    def cell(point: Json) -> str:
        value = point[table].get(name, "")
        if isinstance(value, dict):  # shares by layer
            return ", ".join(sorted({str(share) for share in value.values()}))
        return str(value)

    return cell


def _measured(name: str) -> Callable[[Json], str]:
    def cell(point: Json) -> str:
        value = point["values"][name]
        if value is None:
            return ""
        return f"{100 * value:.2f} %" if name in SHARES else f"{round(value):,}"

    return cell


TABLES: dict[str, Callable[[Sequence[Json]], str]] = {
    "compare": compare,
    "stored": stored,
    "gates": gates,
    "flat": flat,
    "cells": library_tables.cells,
    "totals": library_tables.totals,
    "technologies": library_tables.technologies,
    "peers": library_tables.peers,
    "chip": chip,
    "run": run,
    "spent": spent,
    "explained": explained,
    "batched": batched,
    "buffered": buffered,
    "modelled": modelled,
    "layer": layer,
    "trains": trains,
    "organisations": organisations,
    "study": study,
    "front": front,
    "rivals": engine_tables.rivals,
    "against": engine_tables.against,
    "arrays": array_tables.arrays,
    "arrays_over": array_tables.arrays_over,
    "arrays_whole": array_tables.arrays_whole,
    "grouped": engine_tables.grouped,
    "scaled": scaling_tables.scaled,
    "scaled_rivals": scaling_tables.scaled_rivals,
    "scaled_spent": scaling_tables.scaled_spent,
    "pairs": engine_tables.pairs,
    "energies": energy_tables.energies,
    "energy_memories": energy_tables.energy_memories,
    "energy_modules": energy_tables.energy_modules,
    "energy_totals": energy_tables.energy_totals,
    "silicon": energy_tables.silicon,
}

"""`shiftbook run`: a checkpoint on images, on the golden model or on the simulated RTL."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shiftbook.console import Progress, progress_bar, say, table
from shiftbook.files_read import data_files, source_file
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import absolute, check_writable, write_json
from shiftbook.golden.spec import Spec
from shiftbook.options import (
    Bus,
    BusParity,
    Checkpoint,
    Crop,
    Data,
    Json,
    Lanes,
    Preset,
    Resize,
    make_spec,
    named,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shiftbook.frontend.data.dataset import Dataset
    from shiftbook.golden.model.network import Network

    Images = NDArray[np.uint8]
    Labels = NDArray[np.int64]

UTILIZATION = "a lane owns an output pixel: where a layer has fewer pixels than lanes, utilization stays low"
SHOWN_PREDICTIONS = 10
Backend = Literal["golden", "rtl"]
Layer = dict[str, Any]
"""JSON values of one layer."""
SPENT = ("busy", "issue", "stream_wait", "output_wait", "load_wait", "read_beats", "write_beats")
"""Counters of the accelerator that are reported besides its cycles and rows."""

BUILDING = "building the simulator (once for a spec)"
FAILED = 1
"""Exit code where golden and RTL differ or the simulator fails: nothing that the user did wrong."""


def run(
    checkpoint: Checkpoint,
    data: Data,
    backend: Annotated[
        Backend,
        typer.Option(help="golden: the NumPy model, fast. rtl: the engine's Verilog, compared with golden."),
    ] = "golden",
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="At most N images, drawn with a fixed seed. Default: all.")
    ] = None,
    resize: Resize = None,
    crop: Crop = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--float",
            metavar="SOURCE",
            help="The network that compress was given. Also tell the accuracy that it has in float on these "
            "images, and on how many of them the checkpoint gives its answer.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=named, help="The weights that compress was given with it."),
    ] = None,
    lanes: Lanes = "8x8",
    preset: Preset = "default",
    bus: Bus = None,
    bus_parity: BusParity = False,
    wave: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.fst",
            parser=named,
            help="Record the RTL's signals in FILE.fst; use it with a small limit.",
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Run a checkpoint on images: predictions, accuracy, cycles.

    Images go in as raw 8-bit pixels, everything else is integers of the checkpoint. Cycles, micro-ops
    (codebook rows that slots issue) and lane utilization of each layer come from the cycle model: micro-ops
    and busy cycles are exact, the share of the buses is an estimate. On the RTL all of them come from the
    accelerator's own counters. With --backend rtl every output integer of every layer is compared with the
    golden model; the first difference ends the run and is told by layer, position and both values.

    Agreement (--float) needs no labels and is the finer measure: it counts what compressing changed, also on
    images that the float network gets wrong.

    Where the data has its own train and test folders, the test folder is taken, and of digits the images
    that compress held out; else all of it.

    \b
    Examples:
      shiftbook run digits.ckpt --data digits
      shiftbook run digits.ckpt --data digits --float zoo:digits
      shiftbook run digits.ckpt --data digits --backend rtl --limit 64 --json run.json
      shiftbook run digits.ckpt --data digits --backend rtl --limit 1 --lanes 4x4 --wave out.fst
    """
    check_writable(
        *(json_file, wave),
        inputs=[checkpoint, weights, source_file(source), *data_files(data, (json_file, wave))],
    )
    json_file, wave = (path and absolute(path) for path in (json_file, wave))
    if wave is not None and backend != "rtl":
        raise ShiftbookError("--wave records signals of the RTL: add --backend rtl")
    if weights is not None and source is None:
        raise ShiftbookError("--weights are those of the float network: add --float SOURCE")
    spec = make_spec(preset, lanes, bus=bus, bus_parity=bus_parity)
    from shiftbook.frontend.data import dataset as datasets
    from shiftbook.frontend.data.frame import Frame
    from shiftbook.golden.storage.checkpoint import load

    network = load(checkpoint)
    spec = make_spec(preset, lanes, network.slots, bus, bus_parity)
    with progress_bar() as progress:
        frame = Frame(resize, crop)
        dataset = datasets.load(data, "all", limit=limit, frame=frame, progress=progress)
        datasets.check_shape(dataset, network.input.shape)
        answers = None if source is None else _float_answers(network, dataset, source, weights, progress)
        report = run_report(network, dataset, spec, backend, wave=wave, progress=progress)
    if answers is not None:
        report |= _against(answers, report, _labels(dataset, network))
    write_json(json_file, {"checkpoint": str(checkpoint), "data": data, "preset": preset, **report})
    say(run_table(report))


def run_report(
    network: Network,
    dataset: Dataset,
    spec: Spec,
    backend: Backend,
    *,
    wave: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Run and measure: the report that `shiftbook run --json` writes, less its arguments."""
    labels = _labels(dataset, network)
    started = time.perf_counter()
    if backend == "golden":
        outputs = _run_golden(network, dataset.images, progress)
        layers, facts = modelled_layers(network, spec), {"mismatches": None}
    else:
        outputs, layers, facts = _run_rtl(network, dataset.images, spec, wave, progress)
    seconds = time.perf_counter() - started
    predictions = outputs.argmax(axis=1)
    known = [layer["cycles"] for layer in layers]
    return {
        "backend": backend,
        "lanes": f"{spec.rows}x{spec.cols}",
        "images": len(dataset),
        "accuracy": None if labels is None else float((predictions == labels).mean()),
        **facts,
        "cycles": None if None in known else sum(known),
        "utilization": None if None in known else mean_utilization(layers),
        "convolution_utilization": None if None in known else _of_convolutions(network, layers),
        "layers": layers,
        "predictions": predictions.tolist(),
        "classes": list(network.classes),
        "seconds": round(seconds, 3),
    }


def _float_answers(
    network: Network, dataset: Dataset, source: str, weights: Path | None, progress: Progress
) -> Labels:
    """The classes that the float network gives the images."""
    from shiftbook.frontend.reference import float_answers

    progress("float network", 0, 1)
    answers = float_answers(network, dataset.images, source, weights, progress)
    progress("float network", 1, 1)
    return answers


def _against(answers: Labels, report: dict[str, Any], labels: Labels | None) -> dict[str, Any]:
    """What the float network's answers say about those of the checkpoint."""
    return {
        "float_accuracy": None if labels is None else float((answers == labels).mean()),
        "agreement": float((answers == report["predictions"]).mean()),
    }


def _labels(dataset: Dataset, network: Network) -> Labels | None:
    """The data's labels by the network's own numbers: by name where both sides name their classes."""
    import numpy as np

    from shiftbook.frontend.data.dataset import check_labels
    from shiftbook.golden.model.validate import shapes

    if dataset.labels is None:
        return None
    names, known = dataset.classes, {name: number for number, name in enumerate(network.classes)}
    if names != network.classes and names and set(names) <= set(known):
        # a folder that lacks some classes numbers the others differently
        return np.array([known[name] for name in names])[dataset.labels]
    check_labels(dataset, int(np.prod(shapes(network)[network.nodes[-1].name])))
    return dataset.labels


def golden_accuracy(network: Network, dataset: Dataset, progress: Progress) -> float | None:
    """Share of right answers of the golden model; None where the data has no labels."""
    labels = _labels(dataset, network)
    outputs = _run_golden(network, dataset.images, progress) if labels is not None else None
    return None if outputs is None else float((outputs.argmax(axis=1) == labels).mean())


def _run_golden(network: Network, images: Images, progress: Progress) -> Images:
    from shiftbook.golden.model import executor

    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress("running images", done, len(images))

    return executor.run(network, images, progress=count).outputs


def _run_rtl(
    network: Network, images: Images, spec: Spec, wave: Path | None, progress: Progress
) -> tuple[Images, list[Layer], Layer]:
    """Outputs, layers as the RTL's own counters have them, and facts about the simulation.

    Returning means that there was no mismatch: the first one ends the run.
    """
    from shiftbook.sim.driver import Mismatch, run_rtl
    from shiftbook.sim.simulator import SimulationError

    building = True

    def show(done: int, total: int, layer: str) -> None:
        nonlocal building
        if building:
            progress(BUILDING, 1, 1)
            building = False
        progress("simulated cycles", done, total)

    progress(BUILDING, 0, 1)
    try:
        result = run_rtl(network, images, spec, wave=wave, progress=show)
    except (Mismatch, SimulationError) as error:
        say(f"{'mismatch' if isinstance(error, Mismatch) else 'simulation failed'}: {error}", err=True)
        raise typer.Exit(FAILED) from None
    layers: list[Layer] = [
        {
            "name": layer.name,
            "cycles": layer.counters.cycles,
            "micro_ops": layer.counters.rows,
            "utilization": layer.utilization,
            "modelled_cycles": layer.model,
            "compared": layer.integers,
            **{name: getattr(layer.counters, name) for name in SPENT},
        }
        for layer in result.layers
    ]
    return (
        result.outputs,
        layers,
        {
            "mismatches": 0,
            "compared": result.integers,
            "simulated_cycles": result.simulated_cycles,
            "simulation_seconds": round(result.seconds, 3),
            "build_seconds": round(result.build_seconds, 3),
        },
    )


def modelled_layers(network: Network, spec: Spec) -> list[Layer]:
    """Cycles of one image from the cycle model; a single entry with a note where a layer cannot be run."""
    from shiftbook.golden.mapping.cycles import utilization
    from shiftbook.golden.mapping.legality import check_runnable
    from shiftbook.golden.program.image import build

    try:
        check_runnable(network, spec)
        image = build(network, spec)
    except ShiftbookError as error:
        return [{"name": "", "cycles": None, "micro_ops": None, "utilization": None, "note": str(error)}]
    layers: dict[str, Layer] = {}
    for step, cost in zip(image.plan.passes, image.costs(), strict=True):
        found = layers.setdefault(
            step.node, {"name": step.node, "cycles": 0, "micro_ops": 0, "useful": 0, "busy": 0}
        )
        for name, more in (
            ("cycles", cost.cycles),
            ("micro_ops", cost.rows),
            ("useful", cost.useful),
            ("busy", cost.busy),
        ):
            found[name] += more
    for found in layers.values():
        found["utilization"] = utilization(found.pop("useful"), found["cycles"], spec)
    return list(layers.values())


def run_table(report: dict[str, Any]) -> str:
    """The report for people."""
    rows = [
        (layer["name"], layer["cycles"], layer["micro_ops"], layer["utilization"])
        for layer in report["layers"]
    ]
    lines = [table(("layer", "cycles/image", "micro-ops/image", "utilization"), rows)]
    lines.append(UTILIZATION)
    for layer in report["layers"]:
        if "note" in layer:
            lines.append(f"no cycles: {layer['note']}")
    shown = ", ".join(_class_name(report, number) for number in report["predictions"][:SHOWN_PREDICTIONS])
    more = ", ..." if report["images"] > SHOWN_PREDICTIONS else ""
    lines.append(f"predictions {shown}{more}")
    accuracy = "no labels" if report["accuracy"] is None else f"{100 * report['accuracy']:.2f} %"
    lines.append(f"images {report['images']:,}  accuracy {accuracy}")
    if "agreement" in report:
        float_accuracy = report["float_accuracy"]
        known = "" if float_accuracy is None else f"accuracy {100 * float_accuracy:.2f} %, "
        lines.append(f"float {known}agreement with it {100 * report['agreement']:.2f} %")
    if report["mismatches"] is not None:
        lines.append(
            f"mismatches {report['mismatches']} in {report['compared']:,} integers of all layers, "
            f"{report['simulated_cycles']:,} cycles simulated in {report['simulation_seconds']:.1f} s"
        )
    if report["cycles"] is not None:
        lines.append(
            f"cycles {report['cycles']:,} an image on {report['lanes']} lanes, "
            f"utilization {100 * report['utilization']:.1f} %{_conv_share(report)}"
        )
    if report["backend"] == "rtl":
        lines.append(_spent(report))
    return "\n".join(lines)


def _conv_share(report: dict[str, Any]) -> str:
    share = report["convolution_utilization"]
    return "" if share is None else f", of convolutions {100 * share:.1f} %"


def _spent(report: dict[str, Any]) -> str:
    """Where the cycles went, by the accelerator's counters."""
    totals = {name: sum(layer[name] for layer in report["layers"]) for name in (*SPENT, "modelled_cycles")}
    share = {name: 100 * total / report["cycles"] for name, total in totals.items()}
    return (
        f"of them {share['issue']:.1f} % issue, {share['busy'] - share['issue']:.1f} % drain or wait "
        f"(streams {share['stream_wait']:.1f} %, outputs {share['output_wait']:.1f} %), "
        f"{100 - share['busy']:.1f} % are between tiles (input {share['load_wait']:.1f} %); the bus read in "
        f"{share['read_beats']:.1f} % and wrote in {share['write_beats']:.1f} %; the model says "
        f"{totals['modelled_cycles']:,} cycles"
    )


def mean_utilization(layers: list[Layer]) -> float:
    """Over all layers, each as long as it runs."""
    import numpy as np

    return float(
        np.average([row["utilization"] for row in layers], weights=[row["cycles"] for row in layers])
    )


def _of_convolutions(network: Network, layers: list[Layer]) -> float | None:
    """The same over the convolutions whose output has more than a pixel; None where there are none."""
    from shiftbook.golden.model.nodes import Conv
    from shiftbook.golden.model.validate import shapes

    sizes = shapes(network)
    chosen = {n.name for n in network.nodes if isinstance(n, Conv) and sizes[n.name][:2] != (1, 1)}
    found = [layer for layer in layers if layer["name"] in chosen]
    return mean_utilization(found) if found else None


def _class_name(report: dict[str, Any], number: int) -> str:
    return report["classes"][number] if number < len(report["classes"]) else str(number)

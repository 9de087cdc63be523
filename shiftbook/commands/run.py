"""`shiftbook run`: a checkpoint on images, on the golden model or on the simulated RTL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftbook.console import Progress, progress_bar, say, table
from shiftbook.explained import spent_table, with_spent, without_images
from shiftbook.files_read import data_files, source_file
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import absolute, check_writable
from shiftbook.golden.spec import Spec
from shiftbook.in_batches import batch_line, with_batch
from shiftbook.options import Checkpoint, Json, named
from shiftbook.options.batch import Batch, check_batch
from shiftbook.options.engine import EngineGroup
from shiftbook.options.groups import grouped
from shiftbook.options.running import Backend, FloatGroup, ImagesGroup

if TYPE_CHECKING:
    from shiftbook.api.cycles import LayerCycles
    from shiftbook.api.images import Labels
    from shiftbook.frontend.data.dataset import Dataset
    from shiftbook.golden.model.network import Network

UTILIZATION = "a lane owns an output pixel: where a layer has fewer pixels than lanes, utilization stays low"
SHOWN_PREDICTIONS = 10
SPENT = ("busy", "issue", "stream_wait", "output_wait", "load_wait", "read_beats", "write_beats")
"""Counters of the accelerator that are reported besides its cycles and rows."""

FAILED = 1
"""Exit code where golden and RTL differ or the simulator fails: nothing that the user did wrong."""


@grouped
def run(
    checkpoint: Checkpoint,
    images: ImagesGroup,
    reference: FloatGroup,
    engine: EngineGroup,
    batch: Batch = 1,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Tell where all cycles of all lanes and slots go, by layer; needs no images.",
        ),
    ] = False,
    wave: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.fst",
            parser=named,
            help="Record the RTL's signals in FILE.fst; use it with a small limit.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            parser=named,
            help="Save the network's results: an array of integers [N, h, w, c] each, by name, with its "
            "scale and zero point.",
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Run a checkpoint on images: predictions, accuracy, cycles.

    Images go in as raw 8-bit pixels (floats become such by the checkpoint's own scale), everything else is
    integers of the checkpoint. Cycles, micro-ops
    (codebook rows that slots issue) and lane utilization of each layer come from the cycle model: micro-ops
    and busy cycles are exact, the share of the buses is an estimate. On the RTL all of them come from the
    accelerator's own counters. With --backend rtl every output integer of every layer is compared with the
    golden model; the first difference ends the run and is told by layer, position and both values.

    Agreement (--float) needs no labels and is the finer measure: it counts what compressing changed, also on
    images that the float network gets wrong.

    With --explain a table shares out each layer's lane-slot-cycles (its cycles x lanes x slots): in a cycle a
    lane adds a row of a slot, or that chance is lost to one cause, such as the drain or the bus. All parts
    add up to 100 %. It needs a checkpoint and an engine, and no images: try it with several --lanes.

    With --batch N the accelerator takes N images at once: weights come once for all of them where the engine
    can keep them, and no layer waits for the one before. Cycles of layers are then those of a batch, which
    are also the time until its images are done; the last line says what an image takes.

    Where the data has its own train and test folders, the test folder is taken, and of digits the images
    that compress held out; else all of it.

    \b
    Examples:
      shiftbook run digits.ckpt --data digits
      shiftbook run digits.ckpt --data digits --float zoo:digits
      shiftbook run digits.ckpt --explain --lanes 4x4
      shiftbook run digits.ckpt --data digits --batch 8
      shiftbook run digits.ckpt --data digits --backend rtl --limit 64 --json run.json
      shiftbook run digits.ckpt --data digits --backend rtl --limit 1 --lanes 4x4 --wave out.fst
    """
    source, weights = reference.source, reference.weights
    written = (json_file, wave, save)
    read = [checkpoint, weights, source_file(source), *data_files(images.data, written)]
    check_writable(*written, inputs=read)
    json_file, wave, save = (path and absolute(path) for path in written)
    if wave is not None and images.backend != "rtl":
        raise ShiftbookError("--wave records signals of the RTL: add --backend rtl")
    if weights is not None and source is None:
        raise ShiftbookError("--weights are those of the float network: add --float SOURCE")
    _check_images(images, source, explain, save)
    check_batch(batch)
    engine.check()  # before images are read
    from shiftbook.api.explain import explain as explain_network
    from shiftbook.golden.storage.checkpoint import load
    from shiftbook.results.run import Run
    from shiftbook.results.writing import write_result

    network = load(checkpoint)
    spec = engine.spec_for(network, batch)
    explanation = explain_network(network, spec, batch) if explain else None
    report, told = {}, []
    if images.data is not None:
        report = _on_images(network, spec, images, images.data, reference, batch, wave, save)
        told.append(run_table(report, "image" if batch == 1 else "batch"))
    if explanation is not None:
        report = with_spent(report or without_images(explanation), explanation)
        told.append(spent_table(explanation))
    if batch > 1:
        report = with_batch(report, network, spec, batch)
        told.append(batch_line(report))
    arguments = {"checkpoint": str(checkpoint), "data": images.data, "preset": engine.preset}
    write_result(json_file, Run, {**arguments, **report})
    say("\n".join(told))


def _check_images(images: ImagesGroup, source: str | None, explain: bool, save: Path | None) -> None:
    """Refuse options of images where there are none."""
    if images.data is not None:
        return
    asked = [*images.asked(), *([] if source is None else ["--float"]), *([] if save is None else ["--save"])]
    if asked:
        raise ShiftbookError(f"{asked[0]} needs images: add --data D")
    if not explain:
        raise ShiftbookError("there are no images: add --data D, or --explain, which needs none")


def _on_images(
    network: Network,
    spec: Spec,
    images: ImagesGroup,
    data: str,
    reference: FloatGroup,
    batch: int,
    wave: Path | None,
    save: Path | None,
) -> dict[str, Any]:
    """The report of the images, and of the float network where one is named."""
    from shiftbook.api.images import labels_of

    source, weights = reference.source, reference.weights
    with progress_bar() as progress:
        chosen = {"limit": images.limit, "resize": images.resize, "crop": images.crop}
        dataset = dataset_of(data, network, progress, **chosen)
        answers = None if source is None else _float_answers(network, dataset, source, weights, progress)
        report = run_report(
            network, dataset, spec, images.backend, batch=batch, wave=wave, save=save, progress=progress
        )
    if answers is not None:
        report |= _against(answers, report, labels_of(dataset, network))
    return report


def dataset_of(
    data: str,
    network: Network,
    progress: Progress,
    *,
    limit: int | None,
    resize: int | None,
    crop: int | None,
) -> Dataset:
    """The images that the options choose, of the network's shape."""
    from shiftbook.frontend.data import dataset as datasets
    from shiftbook.frontend.data.frame import Frame
    from shiftbook.frontend.data.network_input import for_network

    frame, channels = Frame(resize, crop), network.input.shape[2]
    dataset = datasets.load(data, "all", limit=limit, frame=frame, channels=channels, progress=progress)
    return for_network(dataset, network)


def run_report(
    network: Network,
    dataset: Dataset,
    spec: Spec,
    backend: Backend,
    *,
    batch: int = 1,
    wave: Path | None = None,
    save: Path | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Run and measure: the report that `shiftbook run --json` writes, less its arguments."""
    from shiftbook.api.answers import answers_of
    from shiftbook.api.cycles import cycles_of, lanes_of, mean_utilization
    from shiftbook.api.simulation import simulate

    started = time.perf_counter()
    layers: Sequence[LayerCycles] = ()
    notes: list[dict[str, Any]] = []
    if backend == "golden":
        answers = answers_of(network, dataset, progress)
        facts: dict[str, object] = {"mismatches": None}
        try:
            layers = cycles_of(network, spec, batch).layers
        except ShiftbookError as error:
            notes = [{"name": "", "cycles": None, "micro_ops": None, "utilization": None, "note": str(error)}]
    else:
        with failures_told():
            simulation = simulate(network, dataset, spec, batch=batch, wave=wave, progress=progress)
        answers, facts, layers = simulation.answers, simulation.facts(), simulation.layers
    seconds = time.perf_counter() - started
    if save is not None:
        from shiftbook.saved_results import save_results

        save_results(save, network, answers.outputs)
    return {
        "backend": backend,
        "lanes": lanes_of(spec),
        "images": len(dataset),
        "accuracy": answers.accuracy,
        **facts,
        "cycles": sum(layer.cycles for layer in layers) if layers else None,
        "utilization": mean_utilization(layers) if layers else None,
        "convolution_utilization": _of_convolutions(network, layers),
        "layers": [asdict(layer) for layer in layers] or notes,
        "predictions": answers.predictions.tolist(),
        "classes": list(network.classes),
        "results": {name: list(tensor.shape[1:]) for name, tensor in answers.outputs.items()},
        "seconds": round(seconds, 3),
    }


@contextmanager
def failures_told() -> Iterator[None]:
    """RTL and golden or its mapped logic differ, or the simulator fails: say it and end with `FAILED`."""
    from shiftbook.sim.driver import Mismatch
    from shiftbook.sim.simulator import SimulationError
    from shiftbook.synth.power.replay import Difference

    try:
        yield
    except (Mismatch, SimulationError, Difference) as error:
        say(f"{'simulation failed' if isinstance(error, SimulationError) else 'mismatch'}: {error}", err=True)
        raise typer.Exit(FAILED) from None


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


def run_table(report: dict[str, Any], each: str = "image") -> str:
    """The report for people; ``each`` is what counts are of, an image or a batch."""
    rows = [
        (layer["name"], layer["cycles"], layer["micro_ops"], layer["utilization"])
        for layer in report["layers"]
    ]
    lines = [table(("layer", f"cycles/{each}", f"micro-ops/{each}", "utilization"), rows)]
    lines.append(UTILIZATION)
    for layer in report["layers"]:
        if "note" in layer:
            lines.append(f"no cycles: {layer['note']}")
    lines += _answers(report)
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
            f"cycles {report['cycles']:,} {'an' if each == 'image' else 'a'} {each} on {report['lanes']} "
            f"lanes, utilization {100 * report['utilization']:.1f} %{_conv_share(report)}"
        )
    if report["backend"] == "rtl":
        lines.append(_spent(report))
    return "\n".join(lines)


def _answers(report: dict[str, Any]) -> list[str]:
    """Predictions and accuracy; where there are no class scores, what there is."""
    from shiftbook.api.answers import class_name

    if not report["predictions"]:
        shapes = (f"{name} {'x'.join(map(str, shape))}" for name, shape in report["results"].items())
        return [f"images {report['images']:,}  results {', '.join(shapes)}"]
    shown = ", ".join(
        class_name(tuple(report["classes"]), number) for number in report["predictions"][:SHOWN_PREDICTIONS]
    )
    more = ", ..." if report["images"] > SHOWN_PREDICTIONS else ""
    accuracy = "no labels" if report["accuracy"] is None else f"{100 * report['accuracy']:.2f} %"
    return [f"predictions {shown}{more}", f"images {report['images']:,}  accuracy {accuracy}"]


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


def _of_convolutions(network: Network, layers: Sequence[LayerCycles]) -> float | None:
    """Mean utilization of the convolutions whose output has more than a pixel; None where there are none."""
    from shiftbook.api.cycles import mean_utilization
    from shiftbook.golden.model.nodes import Conv
    from shiftbook.golden.model.validate import shapes

    sizes = shapes(network)
    chosen = {n.name for n in network.nodes if isinstance(n, Conv) and sizes[n.name][:2] != (1, 1)}
    found = [layer for layer in layers if layer.name in chosen]
    return mean_utilization(found) if found else None

"""Reports on single layers as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shiftbook.synth.flow.gates import Json


def paper_table(report: Json) -> RenderableType:
    """The paper's column beside both measured views, and what the mean costs.

    Parameters
    ----------
    report
        What `synth.unrolled.paper_layer.paper_layer_report` returns.
    """
    layer = report["layer"]
    decoder = report["huffman"]
    slices = layer["pixels"] * layer["channels"] // layer["slice"]
    yosys = report["versions"]["yosys"].split(" (")[0]
    notes = (
        f"GE: NAND2 equivalents ({yosys}, weights {report['weights']}). M: 10^6. GE/MAC: gates over "
        "multiplications a cycle.\n"
        "programmable: weights arrive each cycle; one unit of 900 inputs for each of 6,400 outputs.\n"
        f"fixed: weights in gates, drawn with seed {report['seed']}, all of them or the largest 20 %; adder "
        f"graphs of {layer['slice']} output channels, counted {slices} times.\n"
        f"A Huffman decoder has {decoder['decoder_ge']:,.0f} GE and feeds {layer['pixels']} pixels. The "
        f"paper's {decoder['paper_gates']:,} gates would pay one for {decoder['macs_per_decoder']:,} "
        "multiplications."
    )
    return Group(methods_table(report["methods"]), mean_table(report["mean"]), Text(notes, style="dim"))


def methods_table(methods: Json) -> Table:
    """One row a method."""
    title = "A 3 x 3 convolution, 8 x 8 x 100 to 8 x 8 x 100, in one cycle: gates"
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("method")
    for head in ("paper, M", "programmable, M", "fixed, M", "fixed 20 %, M"):
        table.add_column(head, justify="right")
        table.add_column("ratio", justify="right")
        table.add_column("GE/MAC", justify="right")
    for row in methods.values():
        shown = [row["programmable"], row["unrolled"].get("1.0"), row["unrolled"].get("0.2")]
        table.add_row(row["title"], *_paper(row["paper"]), *(cell for view in shown for cell in _view(view)))
    return table


def _paper(paper: Json | None) -> tuple[str, ...]:
    if paper is None:
        return ("", "", "")
    return (f"{paper['gates'] / 1e6:,.1f}", f"{paper['ratio']:.2f}", f"{paper['per_mac']:.1f}")


def _view(view: Json | None) -> tuple[str, ...]:
    if view is None:
        return ("", "", "")
    return (f"{view['layer_ge'] / 1e6:,.1f}", f"{view['ratio']:.2f}", f"{view['ge_per_mac']:.1f}")


def mean_table(costs: list[Json]) -> Table:
    """What the mean costs over plain shifts, in percent."""
    names = {
        "focused": "second term",
        "focused_sums": "masked sums",
        "shift3": "unsigned shift, 3 bit",
        "shift4": "signed shift, 4 bit",
    }
    table = Table(title="What the mean adds to plain shifts", title_justify="left", pad_edge=False)
    table.add_column("mean as")
    table.add_column("over")
    for head in ("paper", "programmable", "fixed", "fixed 20 %"):
        table.add_column(head, justify="right")
    for cost in costs:
        percents = (cost["paper"], cost["programmable"], cost["1.0"], cost["0.2"])
        table.add_row(
            names[cost["mean"]], names[cost["plain"]], *("" if p is None else f"+{p:.2f} %" for p in percents)
        )
    return table


def layer_table(report: Json) -> RenderableType:
    """One layer of a checkpoint.

    Parameters
    ----------
    report
        What `synth.unrolled.checkpoint_layer.checkpoint_layer_report` returns.
    """
    table = Table(title=f"{report['layer']} with its weights fixed in gates", title_justify="left")
    for head in ("scheme", "channels", "density", "MACs", "adders", "depth", "GE a pixel", "GE/MAC"):
        table.add_column(head, justify="right")
    table.add_row(
        report["scheme"],
        f"{report['channels']} of {report['of_channels']}",
        f"{report['density']:.1%}",
        f"{report['macs']:,}",
        f"{report['adders']:,}",
        str(report["depth"]),
        f"{report['ge']:,.0f}",
        f"{report['ge_per_mac']:.1f}",
    )
    notes = (
        f"Of one output pixel; MACs count zeros too. Each {report['slice']} output channels share "
        "sub-expressions. No registers, no requantizers."
    )
    return Group(table, Text(notes, style="dim"))

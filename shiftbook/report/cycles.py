"""Where the cycles of each layer went."""

from __future__ import annotations

from shiftbook.report.plot import Plot
from shiftbook.report.stacks import stacked_plot
from shiftbook.results.run import Counters, Run

COUNTED = {
    "issue": "blue",
    "stream wait": "sand",
    "output wait": "rose",
    "drain": "sky",
    "input wait": "plum",
    "between tiles": "grey",
}
"""By the counters of the RTL."""

MODELLED = {"in tiles": "blue", "between tiles": "grey"}
"""By the cycle model."""


def cycles_plot(run: Run, slug: str) -> Plot | None:
    """A bar a layer; None where the engine cannot run the network."""
    layers = [layer for layer in run.layers if layer.cycles is not None and layer.busy is not None]
    if not layers or len(layers) < len(run.layers):
        return None
    counted = all(layer.issue is not None for layer in layers)
    hues = COUNTED if counted else MODELLED
    spent = [_counted(layer) if counted else _modelled(layer) for layer in layers]
    series = {name: [parts[i] for parts in spent] for i, name in enumerate(hues)}
    source = "counted by the RTL" if counted else "by the cycle model"
    title = f"Cycles per {'image' if run.batch is None else 'batch'} by layer, {source}"
    rows = [layer.name for layer in layers]
    return stacked_plot(f"{slug}.cycles", title, rows, series, list(hues.values()), "cycles", row_height=17)


def _counted(layer: Counters) -> list[int]:
    """Parts that add up to the layer's cycles; a cycle that two counters have is the first one's."""
    busy, cycles = layer.busy or 0, layer.cycles or 0
    parts, left = [], min(busy, cycles)
    for counter in (layer.issue, layer.stream_wait, layer.output_wait):
        parts.append(min(counter or 0, left))
        left -= parts[-1]
    between = max(cycles - busy, 0)
    load = min(layer.load_wait or 0, between)
    return [*parts, left, load, between - load]


def _modelled(layer: Counters) -> list[int]:
    busy = min(layer.busy or 0, layer.cycles or 0)
    return [busy, (layer.cycles or 0) - busy]

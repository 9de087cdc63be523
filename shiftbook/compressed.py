"""What `compress` says when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiftbook.golden.errors import one_line

if TYPE_CHECKING:
    from shiftbook.frontend.compress import Report


def summary(report: Report) -> str:
    """The report for people."""
    from shiftbook.golden.statistics.decomposed import decomposed_layers, savings

    sizes, facts = report.sizes, report.network.facts
    size = f"ratio {sizes.ratio:.2f}x, {sizes.bits_per_weight:.3f} bits per weight, {report.seconds:.0f} s"
    lines = [f"{one_line(str(report.path))}: {size}"]
    if "weights" in facts:
        lines.append(f"weights: {one_line(str(facts['weights']))}")
    chains = decomposed_layers(report.network, sizes)
    if chains:
        saved = savings(report.network, sizes, chains)
        lines.append(
            f"{len(chains)} layers decomposed: {saved.weights:.2f}x fewer weights, {saved.macs:.2f}x "
            f"fewer MACs, with the cores' scheme {saved.ratio:.2f}x fewer bits"
        )
    if report.accuracy is not None and report.float_accuracy is not None:
        cores = facts.get("cores_accuracy")
        between = f"cores in float {100 * cores:.2f} %, " if isinstance(cores, float) else ""
        lines.append(
            f"accuracy float {100 * report.float_accuracy:.2f} %, {between}compressed "
            f"{100 * report.accuracy:.2f} % on {report.images:,} held out images"
        )
    return "\n".join(lines)

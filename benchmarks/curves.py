"""Draws what `benchmarks.tensor_train --json` wrote: how training went, with and without ADMM.

    python -m benchmarks.curves docs/results/tensor_train_long.json docs/tensor-train-curves.svg

A line is the mean of all seeds, of the right answers on the training images after each epoch.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.command import start
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_bytes

Json = dict[str, Any]

COLOURS, STYLES = ("tab:blue", "tab:red", "tab:green"), ("-", "--", ":")
"""A colour for each ratio, a style for each method."""


def means(rows: list[Json]) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """The mean curve of each method that trained."""
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        if row.get("curve"):
            found.setdefault(row["method"], []).append(row["curve"])
    return {method: np.mean(curves, axis=0) for method, curves in found.items()}


def draw(report: Json) -> bytes:
    """The plot as SVG.

    Raises
    ------
    ShiftbookError
        The report has no curves.
    """
    plt.rcParams.update({"svg.hashsalt": "shiftbook", "svg.fonttype": "none", "font.size": 10})
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for colour, (ratio, rows) in zip(COLOURS, report.items(), strict=False):
        for style, (method, curve) in zip(STYLES, means(rows).items(), strict=False):
            label = f"{ratio}x, {method}"
            axes.plot(np.arange(1, len(curve) + 1), 100 * curve, style, color=colour, label=label)
    if not axes.lines:
        raise ShiftbookError("the file has no curves: give what benchmarks.tensor_train --json wrote")
    axes.set(xlabel="epoch", ylabel="right answers in training, %")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return file.getvalue()


def main() -> None:
    """Read, draw and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("json", type=Path)
    parser.add_argument("svg", type=Path)
    arguments = parser.parse_args()
    check_writable(arguments.svg, inputs=[arguments.json])
    write_bytes(arguments.svg, draw(json.loads(arguments.json.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    start(main)

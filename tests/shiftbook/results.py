"""Small results of every command that a report takes, as their JSON, and a page taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from shiftbook import cli

Json = dict[str, Any]

VOID = {"meta", "br", "link", "img", "input", "hr"}


def row(checkpoint: str, engine: str, gate_cycles: float, accuracy: float | None, **other: object) -> Json:
    return {
        "checkpoint": checkpoint,
        "scheme": "int8" if engine == "int8" else "focused",
        "weights": 1000,
        "density": 0.5,
        "macs": 50000,
        "stored_bits": 4001,
        "ratio": 8.2,
        "engine": engine,
        "moved_bytes": 700,
        "cycles": 100,
        "ge": gate_cycles / 100,
        "gate_cycles": gate_cycles,
        "relative": gate_cycles / 4000,
        **({} if accuracy is None else {"images": 40, "accuracy": accuracy}),
        **other,
    }


def compare(*rows: Json) -> Json:
    rows = rows or (
        row("runs/base.ckpt", "int8", 4000.0, 0.9),
        row("runs/small.ckpt", "two_term", 1000.0, 0.895),
    )
    return {"lanes": "8x8", "data": "digits", "rows": list(rows)}


def engine(lane: float, *, kind: str) -> Json:
    plain: Json = {"memory_bits": 0, "memory_ge": 0, "cells": {}}
    modules = {
        f"{kind}_lane": {"instances": 64, "ge": lane, "total_ge": 64 * lane, **plain},
        "rotator": {"instances": 4, "ge": 100.0, "total_ge": 400.0, **plain},
        "rotator_v2": {"instances": 1, "ge": 10.0, "total_ge": 10.0, **plain},
        "bank_memory": {
            **plain,
            "instances": 128,
            "ge": 0,
            "total_ge": 0,
            "memory_bits": 2048,
            "memory_ge": 1000.0,
        },
    }
    total = 64 * lane + 410
    figures = {"lane_ge": lane, "total_ge": total, "ge_per_lane": total / 64, "ge_per_term": total / 256}
    memories = {"memory_bits": 2048, "memory_ge": 1000.0, "whole_ge": total + 1000}
    return {**figures, **memories, "modules": modules, "spec": {"rows": 8, "cols": 8}}


def gates() -> Json:
    return {
        "engines": {"shift": engine(10.0, kind="shift"), "int8": engine(30.0, kind="multiply")},
        "ratios": {
            "shift": {"lane": 0.3333, "total": 0.4506, "whole": 0.6156},
            "int8": {"lane": 1.0, "total": 1.0, "whole": 1.0},
        },
        "one_slot_lanes": {"shift_ge": 5.0, "int8_ge": 10.0, "ratio": 0.5},
        "versions": {"yosys": "Yosys 0.70 (git sha1 abc)", "amaranth": "0.5.10", "shiftbook": "0.1.0"},
        "weights": "nand2.toml",
        "liberty": None,
        "memories": "asap7",
    }


def run(checkpoint: str = "runs/small.ckpt", *, rtl: bool = True) -> Json:
    counters = {"issue": 60, "stream_wait": 5, "output_wait": 7, "load_wait": 11, "modelled_cycles": 99}
    layer = {"cycles": 100, "micro_ops": 4, "utilization": 0.5, "busy": 80, **(counters if rtl else {})}
    layers = [{"name": name, **layer} for name in ("conv1", "head")]
    return {
        "checkpoint": checkpoint,
        "data": "digits",
        "preset": "two_term",
        "backend": "rtl" if rtl else "golden",
        "lanes": "8x8",
        "images": 3,
        "accuracy": None,
        "mismatches": 0 if rtl else None,
        **({"compared": 12345} if rtl else {}),
        "cycles": 200,
        "utilization": 0.5,
        "layers": layers,
        "predictions": [0, 1, 2],
        "classes": ["a", "b"],
        "seconds": 1.0,
    }


def explained() -> Json:
    """Without images; of the network's lane-slot-cycles a quarter is in conv1."""
    parts = ("useful", "idle", "skips", "slot_wait", "drain", "bus", "fill")
    spent = dict(zip(parts, (400, 100, 0, 50, 250, 0, 200), strict=True))
    layers = [
        {"name": name, "cycles": cycles, "spent": {part: cycles * value for part, value in spent.items()}}
        for name, cycles in (("conv1", 25), ("head", 75))
    ]
    whole = {part: 100 * value for part, value in spent.items()}
    told = {"data": None, "images": 0, "predictions": [], "cycles": 100, "slots": 4}
    return {**run(rtl=False), **told, "layers": layers, "spent": whole}


def inspect(checkpoint: str = "runs/small.ckpt", layer: str = "conv1") -> Json:
    figures = {"weights": 100, "density": 0.4, "stored_bits": 300, "nonzero": 40}
    parts = [{"share": 0.5, "mean": -12.0, "sigma": 4.0}, {"share": 0.5, "mean": 12.0, "sigma": 0.0}]
    focused = {
        "name": layer,
        "scheme": "focused",
        "gapless": False,
        **figures,
        "integers": [-16, -8, 0, 12],
        "counts": [10, 10, 60, 20],
        "levels": [-16, -8, 8, 12, 16],
        "components": parts,
        "mixture": {"share": [0.5, 0.5], "mean": [-1.0, 1.0], "sigma": [0.1, 0.1], "separation": 3.25},
    }
    dense = {
        **focused,
        "name": "head",
        "scheme": "int8",
        "gapless": True,
        "components": None,
        "mixture": None,
    }
    return {
        "checkpoint": checkpoint,
        "facts": {},
        "ratio": 10.5,
        "bits_per_weight": 3.0,
        "weights": 200,
        "stored_bits": 600,
        "header_bytes": 50,
        "layers": [focused, dense],
    }


def compress(checkpoint: str = "runs/small.ckpt") -> Json:
    return {
        "checkpoint": checkpoint,
        "source": "zoo:digits",
        "scheme": "focused",
        "bits": 5,
        "density": 0.2,
        "epochs": 3,
        "seed": 0,
        "images": 40,
        "float_accuracy": 0.97,
        "accuracy": 0.9625,
        "ratio": 10.5,
        "bits_per_weight": 3.0,
        "weights": 200,
        "stored_bits": 600,
        "seconds": 1.5,
    }


def point(number: int, scheme: str, density: float, accuracy: float | None, **other: object) -> Json:
    error = None if accuracy is not None else "layer conv2: weight 3 is not in the lanes' range"
    return {
        "number": number,
        "network": "digits",
        "compression": {"scheme": scheme, "density": density},
        "engine": {"preset": "two_term"},
        "values": {"accuracy": accuracy, "cycles": None if accuracy is None else round(9000 * density)},
        "error": error,
        "compared": None,
        "feasible": accuracy is not None,
        "front": False,
        **other,
    }


def sweep() -> Json:
    return {
        "study": "small study",
        "search": "grid",
        "seed": 0,
        "objectives": {"accuracy": "max", "cycles": "min"},
        "constraints": {"accuracy": {"at_least": 0.8, "at_most": None}},
        "points": [
            point(0, "shift", 0.1, 0.875, front=True),
            point(1, "shift", 0.4, 0.75, feasible=False),
            point(2, "focused", 0.2, None),
            point(3, "focused", 0.5, 0.9375, front=True),
            point(4, "focused", 0.6, 0.9375),
        ],
        "hypervolume": [0.25, 0.25, 0.25, 0.5, 0.5],
    }


RESULTS = {
    "compare": compare,
    "gates": gates,
    "run": run,
    "inspect": inspect,
    "compress": compress,
    "sweep": sweep,
}


def write(folder: Path, **files: object) -> Path:
    """Each file as JSON, under names that say nothing."""
    folder.mkdir(exist_ok=True)
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    return folder


class Page(HTMLParser):
    """A page's elements; it asserts that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, Mapping[str, str | None]]] = []
        self.texts: list[str] = []
        self.drawn: list[str] = []  # those of plots
        self.feed(text)
        self.close()
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} twice"
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"{tag} is no element of SVG and cannot close itself"
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"{tag} was never opened"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)
        if "svg" in self.open:
            self.drawn.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        """Of an attribute, wherever it is."""
        return [value for _, found in self.attributes if (value := found.get(name)) is not None]


def made(folder: Path, *options: str) -> str:
    """The page that the command makes of a folder."""
    page = folder.parent / "report.html"
    assert cli.main(["report", str(folder), "-o", str(page), *options]) == 0
    return page.read_text(encoding="utf-8")

"""The gates of two small engines, by module, pinned for one version of Yosys and Amaranth.

    python -m tests.synth.expected_gates

writes them anew: do it only when a change of the hardware is meant to change them, and look at the diff.
"""

import json
from pathlib import Path
from typing import Any

from shiftbook.synth.flow.gates import gate_report

FILE = Path(__file__).with_suffix(".json")
ENGINES = ("shift", "int8")
LANES = (2, 2)
SLOTS = 2


def pinned(report: dict[str, Any]) -> dict[str, Any]:
    """What is pinned of a report: of each engine its gates and memory bits, in all and by module."""
    return {
        "versions": {
            "yosys": report["versions"]["yosys"].split(" (")[0],
            "amaranth": report["versions"]["amaranth"],
        },
        "one_slot_lanes": report["one_slot_lanes"],
        "engines": {
            name: {
                **{key: engine[key] for key in ("lane_ge", "total_ge", "memory_bits")},
                "modules": {
                    module: {key: entry[key] for key in ("instances", "ge", "memory_bits")}
                    for module, entry in sorted(engine["modules"].items())
                },
            }
            for name, engine in report["engines"].items()
        },
    }


if __name__ == "__main__":
    counted = pinned(gate_report(LANES, slots=SLOTS, engines=ENGINES, flat=False))
    FILE.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")

"""The gates of two small engines, by module, pinned for one version of Yosys and Amaranth.

    python -m tests.synth.expected_gates

writes them anew: do it only when a change of the hardware is meant to change them, and look at the diff.
"""

import json
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from hw.engine import Engine
from synth.gates import describe, engine_spec
from synth.measure import Ruler, measure
from synth.weights import load_weights

FILE = Path(__file__).with_suffix(".json")
PINNED = {"shift": "default", "int8": "int8"}
LANES = (2, 2)
SLOTS = 2


def count() -> dict[str, Any]:
    """Versions, and of each small engine its gates and memory bits, in all and by module."""
    ruler = Ruler(load_weights())
    specs = {name: engine_spec(preset, LANES, SLOTS) for name, preset in PINNED.items()}
    measured = measure({name: partial(Engine, spec) for name, spec in specs.items()}, ruler, flat=True)
    result: dict[str, Any] = {"versions": {}, "engines": {}}
    for name, spec in specs.items():
        described = describe(spec, measured[name], ruler)
        result["engines"][name] = {
            **{key: described[key] for key in ("lane_ge", "total_ge", "flat_ge", "memory_bits")},
            "modules": {
                module: {key: entry[key] for key in ("instances", "ge", "memory_bits")}
                for module, entry in described["modules"].items()
            },
        }
    yosys = measured["shift"].gates.yosys.split(" (")[0]
    result["versions"] = {"yosys": yosys, "amaranth": metadata.version("amaranth")}
    return result


if __name__ == "__main__":
    FILE.write_text(json.dumps(count(), indent=1) + "\n", encoding="utf-8")

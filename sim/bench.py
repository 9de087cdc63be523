"""Test one block on simulated RTL: component, stimulus, and what came out.

A block test states nothing but data::

    @pytest.mark.parametrize("pauses", bench.PAUSES)
    def test_block(pauses: bench.Pauses) -> None:
        observed = bench.observe(
            Block(spec),
            inputs={"input": stimulus},            # payloads, stream by stream
            outputs={"output": len(expected)},     # how many to take
            constants={"zero_point": 7},           # any other input port
            pauses=pauses,
        )
        assert observed["output"] == expected

A stream in an array of ports is named as in Verilog: ``"codes__2"``. Payloads are integers, or
dictionaries and lists for structured ones.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from amaranth.hdl import Shape, ShapeLike, Signal
from amaranth.lib import data, wiring

from shiftbook.hw.verilog import emit
from shiftbook.sim import simulator
from shiftbook.sim.pauses import NEVER
from shiftbook.sim.pauses import PAUSES as PAUSES
from shiftbook.sim.pauses import Pauses as Pauses

_verilog: WeakKeyDictionary[wiring.Component, str] = WeakKeyDictionary()
"""Of components that were simulated: converting one takes longer than simulating it."""


def pack(shape: ShapeLike, value: Any) -> int:
    """The bits of ``value`` (integer, or dictionary or list for a layout) as an unsigned integer."""
    if isinstance(shape, data.Layout):
        return int(shape.const(value).as_bits())
    width = Shape.cast(shape).width
    return int(value) & ((1 << width) - 1)


def unpack(shape: ShapeLike, bits: int) -> Any:
    """The inverse of :func:`pack`."""
    if isinstance(shape, data.Layout):
        parts = {
            name: unpack(field.shape, bits >> field.offset & ((1 << field.width) - 1))
            for name, field in shape
        }
        return [parts[i] for i in range(len(parts))] if isinstance(shape, data.ArrayLayout) else parts
    plain = Shape.cast(shape)
    negative = plain.signed and bits >> (plain.width - 1) & 1
    return bits - (1 << plain.width) if negative else bits


def observe(
    component: wiring.Component,
    *,
    inputs: Mapping[str, Iterable[Any]],
    outputs: Mapping[str, int],
    constants: Mapping[str, Any] | None = None,
    pauses: Pauses = NEVER,
    settle: int = 20,
    limit: int = 100_000,
    wave: Path | None = None,
) -> dict[str, list[Any]]:
    """Run ``component`` in a simulator and return what its output streams gave.

    Parameters
    ----------
    component
        The block, one clock domain ``sync``.
    inputs
        Payloads of every input stream.
    outputs
        How many payloads to take from every output stream.
    constants
        Values of other input ports, held throughout.
    pauses
        Idle and backpressure.
    settle
        Cycles to watch after the last expected payload; one more payload is an error.
    limit
        Cycles after which the block counts as hung.
    wave
        Where to write a waveform (FST).

    Raises
    ------
    sim.simulator.SimulationError
        The block hangs, gives too much, or does not build.
    """
    ports = _ports(component)
    job = {
        "inputs": {
            name: [pack(ports[f"{name}__payload"], item) for item in items] for name, items in inputs.items()
        },
        "outputs": dict(outputs),
        "constants": {name: pack(ports[name], value) for name, value in (constants or {}).items()},
        "pauses": asdict(pauses),
        "settle": settle,
        "limit": limit,
    }
    with tempfile.TemporaryDirectory(prefix="shiftbook-") as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps(job))
        env = {"SHIFTBOOK_JOB": os.fspath(path), **simulator.NO_ASSERTIONS}
        simulate(component, "shiftbook.sim.bench_cocotb", env=env, wave=wave)
        observed = json.loads(path.with_suffix(".result").read_text())
    return {
        name: [unpack(ports[f"{name}__payload"], bits) for bits in items] for name, items in observed.items()
    }


def simulate(
    component: wiring.Component,
    module: str,
    *,
    env: Mapping[str, str] | None = None,
    wave: Path | None = None,
) -> None:
    """Run the cocotb tests of Python module ``module`` on ``component``; what :func:`observe` cannot say.

    A component that was simulated before is not converted again.
    """
    if component not in _verilog:
        _verilog[component] = emit(component, "top")
    build = simulator.build(_verilog[component], "top", wave=wave is not None)
    simulator.run(build, module, env=env, wave=wave)


def _ports(component: wiring.Component) -> dict[str, ShapeLike]:
    """Shape of every port by its Verilog name."""
    shapes: dict[str, ShapeLike] = {}
    for path, _, value in component.signature.flatten(component):
        shapes["__".join(str(part) for part in path)] = (
            value.shape() if isinstance(value, data.View | Signal) else Shape.cast(value.shape())
        )
    return shapes

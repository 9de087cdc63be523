"""The accelerator on cocotbext-axi's buses: backpressure, errors, aborts, and correct results after each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from cocotbext.axi import AxiResp

from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import image
from shiftbook.golden.program.host import DONE, ERROR
from shiftbook.golden.spec import Spec
from shiftbook.hw.system import load_planner, sequencer
from shiftbook.hw.system.sequencer import Fault
from shiftbook.sim import board, simulator
from tests.sim import end_cocotb
from tests.sim.axi_cocotb import BASE
from tests.sim.networks import IMAGES, SMALL, everything

assert BASE % image.ALIGNMENT == 0


def network() -> Network:
    whole = everything(SMALL)
    return Network(whole.input, whole.nodes[:6], whole.slots)


PORTS = ("clk", "rst", "irq", "s_axi_*", "m_axi_*")
INNER = [f"accelerator_{name}" for name in ("sequencer.start", "supervisor.abort", "*.state", "*.fsm_state")]
"""What cocotb may see: anything else would cost a quarter of the speed."""


class Built(NamedTuple):
    """An accelerator, and its simulator."""

    spec: Spec
    build: simulator.Build


@pytest.fixture(scope="module", params=[0, 4], ids=["all in memory", "tensors on chip"])
def built(request: pytest.FixtureRequest) -> Built:
    spec = replace(SMALL, tensor_kib=request.param)
    return Built(spec, simulator.build(board.verilog(spec), "accelerator", public=(*PORTS, *INNER)))


def prepare(folder: Path, spec: Spec) -> tuple[dict[str, int], TensorLayout, np.ndarray]:
    """Leave the image there; where the last tensor is, how it lies, and what it must be."""
    net = network()
    whole = image.build(net, spec)
    assert bool(whole.stays) == bool(spec.tensor_kib)
    contents = whole.contents()
    place = whole.places[whole.input]
    at = whole.offset(whole.input)
    contents[at : at + place.layout.size] = place.layout.pack(IMAGES[0])
    contents.tofile(folder / "image.bin")
    last = net.nodes[-1].name
    view = whole.plan.views[last]
    layout = whole.places[view.tensor].layout
    want = executor.run(net, IMAGES[:1], keep=True).tensors[last][0]
    return {"offset": whole.offset(view.tensor), "size": layout.size}, layout, want


def unhex(text: str) -> np.ndarray:
    """Bytes of memory, as the simulator leaves them."""
    return np.frombuffer(bytes.fromhex(text), np.uint8)


def play(built: Built, folder: Path, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every order ends as it says, and the run after it is right; what came out."""
    common, layout, want = prepare(folder, built.spec)
    (folder / "orders.json").write_text(json.dumps([{**common, **order} for order in orders]))
    simulator.run(built.build, "tests.sim.axi_cocotb", folder=folder)
    results = json.loads((folder / "results.json").read_text())
    assert len(results) == len(orders)
    for order, result in zip(orders, results, strict=True):
        assert result["fault"] in order["ends"], order
        if result["fault"] == "done":
            assert np.array_equal(layout.unpack(unhex(result["outputs"])), want), order
        assert result["again"] == "done", order
        assert np.array_equal(layout.unpack(unhex(result["after"])), want), order
    return results


def test_backpressure_on_all_channels(built: Built, tmp_path: Path) -> None:
    orders = [
        {"kind": "none", "pauses": pauses, "seed": seed, "ends": ["done"]}
        for seed, pauses in enumerate((0.0, 0.3, 0.6))
    ]
    play(built, tmp_path, orders)


def test_bus_errors(built: Built, tmp_path: Path) -> None:
    writes = (0, 5) if built.spec.tensor_kib else (0, 5, 40)
    orders = [
        {"kind": kind, "place": place, "response": response, "ends": [f"{kind.upper()}_{response}"]}
        for kind, places in (("read", (0, 3, 60, 333)), ("write", writes))
        for place in places
        for response in ("SLVERR", "DECERR")
    ]
    play(built, tmp_path, orders)


def test_a_stalled_bus(built: Built, tmp_path: Path) -> None:
    # Where tensors stay on the chip, the last layer alone writes to memory.
    writing = (20, 900) if not built.spec.tensor_kib else (8000,)
    orders = [
        {"kind": "stall", "channel": channel, "cycle": cycle, "watchdog": 300, "ends": ["STALLED"]}
        for channel, cycles in enumerate(((20, 900), (20, 900), writing, writing, writing))
        for cycle in cycles
    ]
    play(built, tmp_path, orders)


def test_abort_at_any_time(built: Built, tmp_path: Path) -> None:
    cycles = [*range(0, 120, 17), *np.random.default_rng(0).integers(120, 6000, 12).tolist()]
    orders = [{"kind": "abort", "cycle": cycle, "ends": ["ABORTED", "done"]} for cycle in cycles]
    orders.append({"kind": "abort", "cycle": 20_000, "ends": ["done"]})  # there is nothing to abort
    play(built, tmp_path, orders)


def test_a_start_while_busy(built: Built, tmp_path: Path) -> None:
    """Nobody's next image is touched, and the run that goes on keeps what it was started with."""
    cycles = [0, 1, 7, *np.random.default_rng(1).integers(20, 5000, 12).tolist()]
    orders = [{"kind": "intrude", "cycle": cycle, "ends": ["done"]} for cycle in cycles]
    image_bytes = prepare(tmp_path, built.spec) and (tmp_path / "image.bin").read_bytes()
    for result in play(built, tmp_path, orders):
        assert result["refused"] == {"start": AxiResp.SLVERR, "continue": AxiResp.SLVERR, "events": 8}
        assert bytes.fromhex(result["bystander"])[: len(image_bytes)] == image_bytes


def test_abort_in_each_state(built: Built, tmp_path: Path) -> None:
    order, layout, want = prepare(tmp_path, built.spec)
    (tmp_path / "order.json").write_text(json.dumps(order))
    simulator.run(built.build, "tests.sim.abort_cocotb", folder=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    counts = {
        "sequencer": len(sequencer.State),
        "planner": len(load_planner.State),
        "store": 3,
        "residual_reader": 2,
    }
    every = {(unit, state) for unit, count in counts.items() for state in range(count)}
    idle = ("sequencer", sequencer.State.IDLE.value)  # there is nothing to abort
    paused = ("sequencer", sequencer.State.PAUSE.value)
    for pause, missed in ((True, {idle}), (False, {idle, paused})):
        struck = {(r["unit"], r["states"][r["unit"]]) for r in results if r["pause"] == pause}
        assert struck == every - missed
    for result in results:
        assert result["fault"] == "ABORTED", result
        assert result["again"] == "done", result
        assert np.array_equal(layout.unpack(unhex(result["after"])), want), result


def test_a_run_ends_once(built: Built, tmp_path: Path) -> None:
    """Done or given up and not both, when the very last write fails and when an abort comes last of all."""

    def ended(fault: Fault) -> dict[str, int]:
        done = fault == Fault.NONE
        return {"events": DONE if done else ERROR, "done": int(done), "fault": fault}

    prepare(tmp_path, built.spec)
    simulator.run(built.build, "tests.sim.end_cocotb", folder=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["plain"] == results["again"] == ended(Fault.NONE)
    assert results["writes"] == {
        "SLVERR": ended(Fault.WRITE_SLVERR),
        "DECERR": ended(Fault.WRITE_DECERR),
    }
    last = results["last"]
    struck = [result.pop("cycle") for result in results["aborts"]]
    assert struck == list(range(last - end_cocotb.BEFORE, last + end_cocotb.AFTER))
    for cycle, result in zip(struck, results["aborts"], strict=True):
        assert result == ended(Fault.ABORTED if cycle <= last else Fault.NONE), cycle - last

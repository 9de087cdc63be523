"""Build Verilog with Verilator and run cocotb modules on it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path
from xml.etree import ElementTree

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import filled_output
from shiftbook.sim import cache, verilator
from shiftbook.sim.verilator import Design, compile_design, find_tools
from shiftbook.sim.verilator import SimulationError as SimulationError
from shiftbook.sim.verilator import version as version

NO_ASSERTIONS = {"COCOTB_REWRITE_ASSERTION_FILES": ""}
"""Environment for a module that asserts nothing: a fifth of the time in which cocotb starts."""


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
        Patterns of the names in ``top``, or ``module.name`` in another module, that cocotb may see. Every
        visible name costs speed.
    parameters
        Values of parameters of ``top``.

    Raises
    ------
    ShiftbookError
        A package, a C++ compiler or make is missing or does not work, or the cache cannot be used.
    SimulationError
        Verilator or the compiler refuses the source.
    """
    started = time.perf_counter()
    design = Design(verilog, top, wave, tuple(public), tuple((parameters or {}).items()))
    tools = find_tools()
    recipe = Path(verilator.__file__).read_bytes()
    name = cache.key(recipe, repr(astuple(tools)), repr(astuple(design)))
    folder, made = cache.entry(f"sim-{name}", lambda work: compile_design(work, design, tools))
    _restore_mode(folder / top)
    return Build(folder, top, wave, time.perf_counter() - started if made else 0.0)


def _restore_mode(executable: Path) -> None:
    """Make a simulator executable again: a copied cache may have lost its mode, and not its bytes."""
    if not os.access(executable, os.X_OK):
        try:
            executable.chmod(0o755)
        except OSError as error:
            raise _unusable(executable, error) from error


def _unusable(executable: Path, error: OSError) -> ShiftbookError:
    return ShiftbookError(
        f"the simulator {executable} cannot be run: {error.strerror}; set SHIFTBOOK_CACHE to a folder of "
        "yours whose files may be executed"
    )


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
        Where to write a waveform (FST): whole, also of a test that fails, or not at all.

    Raises
    ------
    ShiftbookError
        ``wave`` is given but the simulator was built without waveforms; or the system does not run it.
    SimulationError
        A test failed, or the simulator died; the message is cocotb's, with the end of the log.
    """
    from cocotb_tools.runner import get_runner

    if wave is not None and not simulator.wave:
        raise ShiftbookError(f"no waveform {str(wave)!r}: the simulator was built without them")
    with tempfile.TemporaryDirectory(prefix="shiftbook-") as scratch:
        log, results = Path(scratch, "log"), Path(scratch, "results.xml")
        runner = get_runner("verilator")
        runner.log.disabled = True  # it repeats what the results file says
        with nullcontext() if wave is None else filled_output(wave) as trace:
            stopped: BaseException | None = None
            try:
                runner.test(
                    module,
                    simulator.top,
                    hdl_toplevel_lang="verilog",
                    build_dir=simulator.folder,
                    test_dir=folder or scratch,
                    results_xml=str(results),
                    test_args=[] if trace is None else ["--trace", "--trace-file", str(trace.resolve())],
                    extra_env={"COCOTB_ANSI_OUTPUT": "0", **(env or {})},
                    log_file=log,
                )
            except OSError as error:
                raise _unusable(simulator.folder / simulator.top, error) from error
            except (RuntimeError, SystemExit) as error:
                # cocotb's runner leaves by sys.exit where pytest runs it; the results file says more.
                stopped = error
            if not results.exists():  # it ended in the middle
                raise SimulationError(_failure(results, log)) from stopped
        if message := _failure(results, log):
            raise SimulationError(message) from stopped
        if stopped is not None:
            raise SimulationError(f"the simulator stopped: {stopped}") from stopped


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

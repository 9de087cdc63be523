"""Memories of the simulated accelerator whose accesses are counted, port by port, in the RTL itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COUNTS = "accesses.out"
"""Of the simulator's working directory; see sim/memory_probe.v."""

MODULE = re.compile(r"^module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
MEMORY = re.compile(r"^  memory width (\d+) size (\d+) \\(\S+)$", re.MULTILINE)
PORT = re.compile(r"^  cell \$mem(rd|wr)_v2 .*?\n  end\n", re.MULTILINE | re.DOTALL)
NAME = re.compile(r'parameter \\MEMID "\\\\(\S+)"')
CLOCKED = re.compile(r"parameter \\CLK_ENABLE 1\n")
WIDTH = re.compile(r"parameter \\WIDTH (\d+)\n")
ENABLE = re.compile(r"connect \\EN (.*)\n")
DIRECTIONS = {"rd": "read", "wr": "write"}

PROBE = r"""  cell \memory_probe \probe_{number}
    parameter \PORT "{port}"
    parameter \WIDTH {width}
    connect \clk \clk
    connect \enable {enable}
  end

"""


@dataclass(frozen=True)
class MemoryKind:
    """A memory that a module declares.

    Attributes
    ----------
    module, name
        The module, without the name of the whole before it, and the memory within.
    words, bits
        Its words, and bits of a word.
    reads, writes
        Ports.
    clocked
        Whether every read takes a clock edge.
    """

    module: str
    name: str
    words: int
    bits: int
    reads: int
    writes: int
    clocked: bool

    @property
    def key(self) -> str:
        """Tells it apart from others."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class MemoryAccesses:
    """What all memories of a kind did for one image.

    Attributes
    ----------
    kind
        What they are.
    instances
        How many there are.
    reads, writes
        int64 [passes]: cycles in which a port was used, all instances and ports together, from the end of
        the pass before to the end of this one. Of what overlaps, the pass that ends first gets it.
    """

    kind: MemoryKind
    instances: int
    reads: NDArray[np.int64]
    writes: NDArray[np.int64]


def probed(text: str) -> str:
    """RTLIL with a probe at every port of every memory."""
    return MODULE.sub(lambda module: module[0][: -len("end\n")] + _probes(module) + "end\n", text)


def declared_memories(text: str) -> list[MemoryKind]:
    """The memories that the modules of an RTLIL text declare."""
    return [kind for module in MODULE.finditer(text) for kind in _declared(module)]


def read_counts(folder: Path, kinds: list[MemoryKind], passes: int) -> list[MemoryAccesses]:
    """What the probes wrote in a folder, for a program of so many passes."""
    totals: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line in (folder / COUNTS).read_text().splitlines():
        port, place, total = line.split()
        totals[port][place].append(int(total))
    return [_accesses(kind, totals, passes) for kind in kinds]


def _declared(module: re.Match[str]) -> Iterator[MemoryKind]:
    """The memories of a module."""
    ports = defaultdict(list)
    for port in PORT.finditer(module[2]):
        ports[_found(NAME, port[0])].append((port[1], bool(CLOCKED.search(port[0]))))
    for width, size, name in MEMORY.findall(module[2]):
        reads = [clocked for direction, clocked in ports[name] if direction == "rd"]
        yield MemoryKind(
            module=module[1].partition("_")[2],
            name=name,
            words=int(size),
            bits=int(width),
            reads=len(reads),
            writes=len(ports[name]) - len(reads),
            clocked=all(reads),
        )


def _probes(module: re.Match[str]) -> str:
    """Cells that watch the ports of a module's memories."""
    found = []
    for number, port in enumerate(PORT.finditer(module[2])):
        name = f"{module[1].partition('_')[2]}.{_found(NAME, port[0])}.{DIRECTIONS[port[1]]}"
        width = int(_found(WIDTH, port[0])) if port[1] == "wr" else 1
        found.append(PROBE.format(number=number, port=name, width=width, enable=_found(ENABLE, port[0])))
    return "".join(found)


def _accesses(kind: MemoryKind, totals: dict[str, dict[str, list[int]]], passes: int) -> MemoryAccesses:
    places = totals[f"{kind.key}.read"] or totals[f"{kind.key}.write"]
    instances = len(places) // max(1, kind.reads if totals[f"{kind.key}.read"] else kind.writes)
    reads, writes = (_by_pass(totals[f"{kind.key}.{port}"], passes) for port in ("read", "write"))
    return MemoryAccesses(kind, instances, reads, writes)


def _by_pass(places: dict[str, list[int]], passes: int) -> NDArray[np.int64]:
    """Differences of totals; the last pass gets what comes until the accelerator is done."""
    if not places:
        return np.zeros(passes, np.int64)
    told = np.array(list(places.values()), np.int64).sum(axis=0)
    ends = np.append(told[: passes - 1], told[-1])
    return np.diff(ends, prepend=0)


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None
    return found[1]

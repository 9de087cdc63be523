"""Windows of time in which the simulated accelerator tells the values of its modules' wires."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.sim.probes import MODULE

Wire = tuple[str, int]
"""A wire's name, and which bit of it."""

Watched = Mapping[str, Sequence[Wire]]
"""Wires by module."""

ROOT = "board.accelerator"
"""Path of the accelerator in the simulator."""

PLAN, TOLD = "windows.hex", "windows.out"
"""Of the simulator's working directory; see sim/logic_probe.v."""

MOST = 65_534
"""Windows that the simulator can remember."""

WIRE = re.compile(r"^  wire .*?(\S+)$", re.MULTILINE)

PROBE = r"""  cell \logic_probe \logic_probe
    parameter \WIDTH {width}
    connect \values {{ {values} }}
  end

"""

CONTROL = r"""  cell \sample_windows \sampling
    connect \clk \clk
  end

"""


@dataclass(frozen=True)
class Windows:
    """When to sample.

    Parameters
    ----------
    starts
        First cycle of each, rising, counted while the accelerator works.
    length
        Cycles of each.
    """

    starts: tuple[int, ...]
    length: int


@dataclass(frozen=True)
class Samples:
    """What to sample.

    Parameters
    ----------
    watched
        Wires of modules; the top is the accelerator.
    paths
        Instances that tell theirs, by module; paths begin with `ROOT`.
    windows
        When.
    """

    watched: Watched
    paths: Mapping[str, Sequence[str]]
    windows: Windows


@dataclass(frozen=True, eq=False)
class Told:
    """What was sampled.

    Attributes
    ----------
    values
        By module, uint8 [instances, wires, cycles], in the order of the paths and wires that were asked for.
    passes
        int [windows]: how many passes had ended where each window begins.
    length
        Cycles of a window; ``cycles`` above are those of the first window, then of the next.
    """

    values: Mapping[str, NDArray[np.uint8]]
    passes: NDArray[np.int64]
    length: int


def spread(cycles: int, count: int, length: int, seed: int = 0) -> Windows:
    """Windows spread over a run: its equal parts have one each, at a place that the seed tells.

    Raises
    ------
    ShiftbookError
        They do not fit the run, or are none.
    """
    if not 1 <= count <= MOST:
        raise ShiftbookError(f"windows must be 1 to {MOST:,}, not {count:,}")
    part = cycles // count
    if part < length:
        raise ShiftbookError(
            f"a run of {cycles:,} cycles is too short for {count:,} windows of {length} cycles: take at most "
            f"{cycles // length:,}"
        )
    places = np.random.default_rng(seed).integers(0, part - length + 1, count)
    return Windows(tuple((np.arange(count) * part + places).tolist()), length)


def sampled(text: str, watched: Watched, top: str) -> str:
    """RTLIL with a probe in every module whose wires are watched, and the windows in the top module."""

    def with_probe(module: re.Match[str]) -> str:
        body = module[0][: -len("end\n")]
        if wires := watched.get(module[1]):
            body += PROBE.format(width=len(wires), values=" ".join(_sliced(wires, module[0])[::-1]))
        return body + (CONTROL if module[1] == top else "") + "end\n"

    return MODULE.sub(with_probe, text)


def prepare(folder: Path, samples: Samples) -> None:
    """Tell a simulator, before it starts in a folder, what is sampled."""
    plan = (samples.windows.length, *samples.windows.starts)
    (folder / PLAN).write_text("".join(f"{number:x}\n" for number in plan))
    for paths in samples.paths.values():
        for path in paths:
            _file(folder, path).touch()


def read_samples(folder: Path, samples: Samples) -> Told:
    """What the simulator wrote into its folder. A window that the run's end cut is left out."""
    told = (folder / TOLD).read_text().split() if (folder / TOLD).exists() else []
    length = samples.windows.length
    values, whole = {}, len(told)
    for module, paths in samples.paths.items():
        width = len(samples.watched[module])
        read = [_read(_file(folder, path), width) for path in paths]
        for path, each in zip(paths, read, strict=True):
            if told and not each.size:
                raise RuntimeError(f"the simulator knows no instance {path}")
        whole = min([whole, *(each.shape[1] // length for each in read)])
        values[module] = read
    if not whole:
        raise ShiftbookError("the run was too short: no window of samples was in it")
    return Told(
        {module: np.stack([each[:, : whole * length] for each in read]) for module, read in values.items()},
        np.array(told[:whole], np.int64),
        length,
    )


def _sliced(wires: Sequence[Wire], module: str) -> list[str]:
    """Bits, the first first, as RTLIL has them; neighbours of a wire together."""
    declared = set(WIRE.findall(module))
    runs: list[list[Any]] = []
    for name, bit in wires:
        if runs and runs[-1][0] == name and runs[-1][2] == bit - 1:
            runs[-1][2] = bit
        else:
            runs.append([name, bit, bit])
    public = {name: f"\\{name}" if f"\\{name}" in declared else name for name, _, _ in runs}
    return [f"{public[name]} [{last}:{first}]" for name, first, last in runs]


def _file(folder: Path, path: str) -> Path:
    return folder / f"{path}.logic_probe.samples"


def _read(file: Path, width: int) -> NDArray[np.uint8]:
    """uint8 [wires, cycles] of hexadecimal lines, whose last digit has the first wires."""
    digits = -(-width // 4)
    text = np.fromfile(file, np.uint8)
    lines = text[: len(text) // (digits + 1) * (digits + 1)].reshape(-1, digits + 1)[:, -2::-1]
    numbers = np.where(lines > ord("9"), lines - ord("a") + 10, lines - ord("0"))
    bits = numbers[:, :, None] >> np.arange(4, dtype=np.uint8) & 1
    return np.ascontiguousarray(bits.reshape(len(lines), 4 * digits)[:, :width].T)

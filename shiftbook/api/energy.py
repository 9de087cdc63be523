"""What an accelerator's memories and logic take for one image; the RTL counts the accesses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shiftbook.api.cycles import lanes_of
from shiftbook.api.logic_energy import LogicEnergy, Sampling, logic_energy, map_accelerator, plan, windows_of
from shiftbook.api.simulation import BUILDING
from shiftbook.api.table import Row, Table
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import Spec
from shiftbook.golden.statistics.decomposed import macs_of

if TYPE_CHECKING:
    from shiftbook.sim.driver import RtlResult
    from shiftbook.sim.probes import MemoryAccesses
    from shiftbook.synth.flow.memories import MemoryCost

NAMES = {
    "bank_memory.memory": "activation banks",
    "lookup.rows": "codebook rows",
    "lookup.taps": "tap tables",
    "huffman_decoder.memory": "symbols of gaps and codes",
    "function_table.table": "function tables",
    "stream_buffer.memory": "stream buffers",
    "load_writer.owners": "slots of channels",
    "store.memory": "outputs to be stored",
    "residual_reader.memory": "residuals",
    "read_master.queue": "bursts that were asked for",
    "tensor_buffer.memory": "tensors on the chip",
    "tensor_buffer.queue": "bursts of the tensor buffer",
}
"""Memories by module and name, for people."""


@dataclass(frozen=True)
class MemoryEnergy:
    """All memories of a kind, for one image.

    Attributes
    ----------
    name
        What they are.
    count, words, bits
        How many, the words of each, and the bits of a word.
    held_by
        Macros, or flip-flops.
    reads, writes
        Accesses, of all of them together.
    read_pj, write_pj
        Picojoules of one access; None for flip-flops, which count as logic.
    """

    name: str
    count: int
    words: int
    bits: int
    held_by: str
    reads: int
    writes: int
    read_pj: float | None
    write_pj: float | None

    @property
    def pj(self) -> float | None:
        """Of all accesses."""
        if self.read_pj is None or self.write_pj is None:
            return None
        return self.reads * self.read_pj + self.writes * self.write_pj


@dataclass(frozen=True)
class LayerEnergy:
    """One layer, for one image.

    Attributes
    ----------
    name
        The node's; for the normalization of raw pixels the input's.
    cycles
        From the end of the layer before.
    macs
        Products of the layer, zeros included; None where it is no convolution.
    pj
        Of all memories in macros, in these cycles.
    logic_pj
        Of the logic; None where it is not counted, or too few samples lie in the layer.
    """

    name: str
    cycles: int
    macs: int | None
    pj: float
    logic_pj: float | None = None


@dataclass(frozen=True)
class Energy(Table):
    """Energy of a network's memory accesses on an engine, and of its logic, for one image.

    Attributes
    ----------
    technology
        Whose macros these are.
    lanes
        The grid, such as 8x8.
    memories
        Those that take most first; those of flip-flops, which are not counted, last.
    layers
        In the order in which they run.
    logic
        None where it is not counted.
    """

    technology: str
    lanes: str
    memories: tuple[MemoryEnergy, ...]
    layers: tuple[LayerEnergy, ...]
    logic: LogicEnergy | None = None

    @property
    def pj(self) -> float:
        """Of all memories in macros."""
        return sum(memory.pj or 0.0 for memory in self.memories)

    @property
    def cycles(self) -> int:
        """Of all layers."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def macs(self) -> int:
        """Products of all convolutions, zeros included."""
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def total_pj(self) -> float | None:
        """Of memories and logic together; None where logic is not counted."""
        return None if self.logic is None else self.pj + self.logic.pj

    @property
    def per_mac(self) -> float | None:
        """Picojoules of the memories for a product; None where there are none."""
        return self.pj / self.macs if self.macs else None

    @property
    def uncounted_bits(self) -> int:
        """Of memories of flip-flops, which are logic."""
        return sum(each.count * each.words * each.bits for each in self.memories if each.pj is None)

    def to_dict(self) -> Row:
        return {
            "technology": self.technology,
            "lanes": self.lanes,
            "cycles": self.cycles,
            "macs": self.macs,
            "pj": self.pj,
            "total_pj": self.total_pj,
            "logic": self.logic and self.logic.to_dict(),
            "memories": [{**asdict(memory), "pj": memory.pj} for memory in self.memories],
            "layers": self.rows(),
        }

    def rows(self) -> list[Row]:
        """One for each layer."""
        return [asdict(layer) for layer in self.layers]

    def __repr__(self) -> str:
        logic = "" if self.logic is None else f" and {self.logic.pj / 1e6:.3f} in logic"
        return f"Energy({self.pj / 1e6:.3f} microjoules per image in memories{logic} of {self.technology})"


def energy(
    network: Network,
    spec: Spec,
    technology: str,
    progress: Progress = quiet,
    sampling: Sampling | None = None,
    *,
    image: NDArray[np.uint8] | None = None,
) -> Energy:
    """Count a network's memory accesses on the simulated accelerator, sample its logic, and price both.

    Every integer is compared with the golden model as always.

    Parameters
    ----------
    sampling
        Of the logic; None leaves it out.
    image
        uint8 [N, H, W, C], of which the first counts; None takes noise. The accesses do not depend on the
        pixels, and the logic does.

    Raises
    ------
    ShiftbookError
        The engine cannot run the network; or there is no such technology, or no energies of its memories; or
        with ``sampling`` its cells are not here, or the run is too short.
    sim.driver.Mismatch
        RTL and golden model differ.
    sim.simulator.SimulationError
        The simulator does not build or start.
    synth.power.replay.Difference
        RTL and mapped netlist differ.
    """
    from shiftbook.sim.driver import run_rtl
    from shiftbook.synth.flow.memories import MemoryCost
    from shiftbook.synth.flow.weights import load_weights
    from shiftbook.synth.technologies.technology import energetic

    prices = MemoryCost(load_weights(), energetic(technology))
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, (1, *network.input.shape), np.uint8)
    mapped = samples = None
    if sampling is not None:
        windows = windows_of(network, spec, sampling)
        mapped = map_accelerator(spec, technology, progress)
        samples = plan(mapped, sampling, windows)
    progress(BUILDING, 0, 1)
    result = run_rtl(
        network,
        image,
        spec,
        probes=True,
        samples=samples,
        progress=lambda done, total, layer: progress("simulated cycles", done, total),
    )
    logic = None
    by_layer: dict[str, float] = {}
    if mapped is not None and result.told is not None:
        logic, by_layer = logic_energy(mapped, result.told, result.cycles, result.passes, progress)
    return Energy(
        technology=technology,
        lanes=lanes_of(spec),
        memories=_memories(result.accesses, prices),
        layers=_layers(network, result, prices, by_layer),
        logic=logic,
    )


def _memories(accesses: Sequence[MemoryAccesses], prices: MemoryCost) -> tuple[MemoryEnergy, ...]:
    """All kinds; those that are alike in name, size and holder are one."""
    found: dict[tuple[object, ...], MemoryEnergy] = {}
    for each in accesses:
        memory = _memory(each, prices)
        key = (memory.name, memory.words, memory.bits, memory.held_by)
        same = found.get(key)
        if same is not None:
            memory = replace(
                memory,
                count=same.count + memory.count,
                reads=same.reads + memory.reads,
                writes=same.writes + memory.writes,
            )
        found[key] = memory
    return tuple(sorted(found.values(), key=lambda memory: (memory.pj is None, -(memory.pj or 0.0))))


def _memory(each: MemoryAccesses, prices: MemoryCost) -> MemoryEnergy:
    from shiftbook.synth.technologies.memory import Memory

    kind = each.kind
    held = prices.held(Memory(kind.words, kind.bits, kind.reads, kind.writes, kind.clocked))
    return MemoryEnergy(
        name=name_of(kind.key),
        count=each.instances,
        words=kind.words,
        bits=kind.bits,
        held_by=held.held_by,
        reads=int(each.reads.sum()),
        writes=int(each.writes.sum()),
        read_pj=held.read,
        write_pj=held.write,
    )


def _layers(
    network: Network, result: RtlResult, prices: MemoryCost, logic: Mapping[str, float]
) -> tuple[LayerEnergy, ...]:
    """What memories and logic take while each layer runs; of the logic what a cycle of a layer takes."""
    spent = np.zeros(len(result.passes))
    for each in result.accesses:
        memory = _memory(each, prices)
        if memory.read_pj is not None and memory.write_pj is not None:
            spent += each.reads * memory.read_pj + each.writes * memory.write_pj
    by_layer: dict[str, float] = dict.fromkeys(result.passes, 0.0)
    for name, pj in zip(result.passes, spent.tolist(), strict=True):
        by_layer[name] += pj
    macs = macs_of(network)
    return tuple(
        LayerEnergy(
            layer.name,
            layer.counters.cycles,
            macs.get(layer.name),
            by_layer[layer.name],
            logic[layer.name] * layer.counters.cycles if layer.name in logic else None,
        )
        for layer in result.layers
    )


def name_of(key: str) -> str:
    """What people call a memory; variants of a module and numbered memories are alike."""
    module, _, name = key.partition(".")
    plain = f"{re.sub(r'_v[0-9]+$', '', module)}.{re.sub(r'_[0-9]+$', '', name)}"
    return NAMES.get(plain, f"{plain.replace('_', ' ').replace('.', ': ')}")

"""The memory image of a network: header, streams, tensors, and the program at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.isa.checksum import checksum
from shiftbook.golden.isa.program_format import MAGIC, Command, fingerprint, header_words
from shiftbook.golden.mapping.ahead import ahead
from shiftbook.golden.mapping.course.program import Told
from shiftbook.golden.mapping.cycles import LATENCY, PassCycles, network_cycles
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.mapping.passes import PIXELS, Plan
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.commands import Commands
from shiftbook.golden.program.layer_program import Codebook, Job, Place, stream_data, write_pass
from shiftbook.golden.spec import Spec

Bytes = NDArray[np.uint8]

ALIGNMENT = 4096
"""Of the image, of the first tensor and of the program, in bytes."""


@dataclass(frozen=True, eq=False)
class Image:
    """What the host puts into memory, and what it finds where.

    Attributes
    ----------
    spec
        The accelerator's.
    plan
        What the program does; one layer of the accelerator is one pass.
    constants
        uint8: header and streams, from the beginning of the image.
    program
        uint8: the commands, from ``program_offset``.
    program_offset
        In bytes, from the beginning of the image.
    places
        Of each tensor in memory.
    told
        Of each pass, for the cycle model.
    outputs
        Names of the network's results.
    """

    spec: Spec
    plan: Plan
    constants: Bytes
    program: Bytes
    program_offset: int
    places: dict[str, Place]
    told: tuple[Told, ...]
    outputs: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes from the beginning of the image to the end of the program."""
        return self.program_offset + len(self.program)

    @property
    def input(self) -> str:
        """Name of the tensor that takes the raw pixels."""
        return next(name for name in self.places if name.endswith(PIXELS))

    def offset(self, tensor: str) -> int:
        """Bytes from the beginning of the image to a tensor."""
        return self.places[tensor].address * self.spec.bus_bytes

    def costs(self, latency: int = LATENCY) -> list[PassCycles]:
        """What each pass costs by the cycle model, in its program."""
        return network_cycles(self.plan.passes, self.spec, latency=latency, told=self.told)

    def layer_costs(self) -> dict[str, list[PassCycles]]:
        """The same by name of the node, in the order in which nodes run."""
        result: dict[str, list[PassCycles]] = {}
        for step, cost in zip(self.plan.passes, self.costs(), strict=True):
            result.setdefault(step.node, []).append(cost)
        return result

    def contents(self) -> Bytes:
        """The whole image, tensors as zeros."""
        whole = np.zeros(self.size, np.uint8)
        whole[: len(self.constants)] = self.constants
        whole[self.program_offset :] = self.program
        return whole


def build(network: Network, spec: Spec) -> Image:
    """Build the image of a network, once it is checked; every tensor has a place of its own.

    Raises
    ------
    ShiftbookError
        Names the first layer that the accelerator cannot run, and why.
    """
    steps = check_runnable(network, spec)
    beat = spec.bus_bytes
    header_size = 4 * header_words(spec)
    # The streams come first, because their sizes do not depend on where anything is.
    places = {name: Place(0, TensorLayout(*shape, spec)) for name, shape in steps.tensors.items()}
    found = [[_padded(stream, beat) for stream in stream_data(step, spec)] for step in steps.passes]
    contents = [[stream.tobytes() for stream in streams] for streams in found]
    unique = dict.fromkeys(content for each in contents for content in each)  # copies share weights
    sizes = np.cumsum([header_size, *map(len, unique)])
    starts = dict(zip(unique, (sizes // beat).tolist(), strict=False))
    addresses = [[starts[content] for content in each] for each in contents]
    at = _aligned(int(sizes[-1]))
    for name, place in places.items():
        places[name] = Place(at // beat, place.layout)
        at = _aligned(at + place.layout.size + _spare(steps, name, place.layout), beat * spec.burst_beats)
    program_offset = _aligned(at)
    jobs = list(map(Job, steps.passes, ahead(steps.passes, spec), found, addresses))
    words, counts = _program(jobs, places, spec)
    program = _padded(words.view(np.uint8), beat)
    header = np.zeros(header_words(spec), np.uint32)
    header[:4] = MAGIC, fingerprint(spec), len(program) // beat, program_offset // beat
    header[-1] = checksum(header[:-1])
    constants = np.frombuffer(b"".join([header.tobytes(), *unique]), np.uint8)
    told = [
        Told(each, number == 0, len(program) // beat, tuple(at))
        for number, (each, at) in enumerate(zip(counts, addresses, strict=True))
    ]
    return Image(spec, steps, constants, program, program_offset, places, tuple(told), network.results)


def _spare(steps: Plan, tensor: str, layout: TensorLayout) -> int:
    """Bytes behind a tensor that may be written: the lower blocks of tiles that end above them."""
    interleaved = any(step.target.tensor == tensor and step.target.phases for step in steps.passes)
    return layout.row_step * layout.spec.bus_bytes if interleaved and layout.blocks[0] % 2 else 0


def _program(
    jobs: list[Job], places: dict[str, Place], spec: Spec
) -> tuple[NDArray[np.uint32], list[tuple[int, ...]]]:
    """The words, and how many there are for each command of each pass."""
    commands, codebook = Commands(), Codebook(spec)
    counts = []
    for job in jobs:
        write_pass(commands, job, places, codebook, spec)
        counts.append(commands.counts())
    commands.command(Command.END)
    counts[-1] += commands.counts()
    return commands.words(), counts


def _padded(data: Bytes, size: int) -> Bytes:
    """With zeros up to a multiple of ``size``."""
    return np.concatenate([data, np.zeros(-len(data) % size, np.uint8)])


def _aligned(value: int, alignment: int = ALIGNMENT) -> int:
    return -(-value // alignment) * alignment

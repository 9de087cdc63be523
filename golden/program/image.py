"""The memory image of a network: header, streams, tensors, and the program at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa.addresses import MEMORY_ADDRESS_WIDTH
from shiftbook.golden.isa.checksum import checksum
from shiftbook.golden.isa.program_format import MAGIC, Command, fingerprint, header_words
from shiftbook.golden.mapping.ahead import ahead
from shiftbook.golden.mapping.batch import image_beats, interleaved
from shiftbook.golden.mapping.course.program import Local, Told
from shiftbook.golden.mapping.cycles import LATENCY, PassCycles, network_cycles
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.mapping.on_chip import Stay, on_chip
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
    stays
        Tensors that are in the tensor buffer.
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
    stays: dict[str, Stay]
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

    def offset(self, tensor: str, image: int = 0) -> int:
        """Bytes from the beginning of the memory image, or of the tensor buffer, to a tensor; in a batch to
        one of its images, see `golden.mapping.job.View`.
        """
        place = self.places[tensor]
        return (place.address + image * place.step) * self.spec.bus_bytes

    def first(self, name: str, image: int) -> int:
        """Bytes to the first value of a node's tensor for an image of the batch."""
        view, spec = self.plan.view(name, image), self.spec
        dy, dx = view.grid[1]
        beat = dy // spec.beat_rows * view.whole + view.first
        within = dy % spec.beat_rows * spec.pitch + dx
        return self.offset(view.tensor, view.image) + beat * spec.bus_bytes + within

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


def build(network: Network, spec: Spec, batch: int = 1) -> Image:
    """Build the image of a network, once it is checked; in memory every tensor has a place of its own.

    Parameters
    ----------
    batch
        Images that the program takes at once.

    Raises
    ------
    ShiftbookError
        Names the first layer that the accelerator cannot run, and why; or there is no batch of this size,
        or no address for all of its tensors.
    """
    steps = check_runnable(network, spec, batch)
    beat = spec.bus_bytes
    header_size = 4 * header_words(spec)
    # The streams come first, because their sizes do not depend on where anything is.
    apart = interleaved(steps.passes)
    places = {
        name: Place(0, TensorLayout(*shape, spec), image_beats(name, shape, apart, spec))
        for name, shape in steps.tensors.items()
    }
    found = _streams(steps.passes, spec)
    contents = [[stream.tobytes() for stream in streams] for streams in found]
    unique = dict.fromkeys(content for each in contents for content in each)  # copies share weights
    ends = np.cumsum([header_size, *map(len, unique)])
    starts = dict(zip(unique, (ends // beat).tolist(), strict=False))
    addresses = [[starts[content] for content in each] for each in contents]
    at = _aligned(int(ends[-1]))
    sizes = {name: steps.images(name) * place.step for name, place in places.items()}
    stays = on_chip(steps.passes, sizes, _of_the_host(network, steps), spec)
    for name, place in places.items():
        if name in stays:
            places[name] = replace(place, address=stays[name].word, local=True)
            continue
        places[name] = replace(place, address=at // beat)
        at = _aligned(at + sizes[name] * beat, beat * spec.burst_beats)
    program_offset = _aligned(at)
    jobs = list(map(Job, steps.passes, ahead(steps.passes, spec), found, addresses))
    words, counts = _program(jobs, places, spec)
    program = _padded(words.view(np.uint8), beat)
    _check_addresses(program_offset + len(program), batch)
    header = np.zeros(header_words(spec), np.uint32)
    header[:4] = MAGIC, fingerprint(spec), len(program) // beat, program_offset // beat
    header[-1] = checksum(header[:-1])
    constants = np.frombuffer(b"".join([header.tobytes(), *unique]), np.uint8)
    told = [
        Told(each, number == 0, len(program) // beat, tuple(at), _local(step, stays))
        for number, (each, at, step) in enumerate(zip(counts, addresses, steps.passes, strict=True))
    ]
    return Image(spec, steps, constants, program, program_offset, places, stays, tuple(told), network.results)


def _of_the_host(network: Network, steps: Plan) -> set[str]:
    """Tensors that the host writes or reads."""
    return {steps.views[name].tensor for name in (network.input.name + PIXELS, *network.results)}


def _local(step: Pass, stays: Mapping[str, Stay]) -> Local:
    """What of a pass's tensors is in the tensor buffer."""
    residual = step.residual is not None and step.residual.tensor in stays
    return Local(step.source.tensor in stays, step.target.tensor in stays, residual)


def _streams(passes: Sequence[Pass], spec: Spec) -> list[list[Bytes]]:
    """The streams of each pass, in whole beats; passes of several images share them."""
    found: dict[tuple[int, int], list[Bytes]] = {}
    for step in passes:
        same = id(step.conv), id(step.coding)
        if same not in found:
            found[same] = [_padded(stream, spec.bus_bytes) for stream in stream_data(step, spec)]
    return [found[id(step.conv), id(step.coding)] for step in passes]


def _check_addresses(size: int, batch: int) -> None:
    if size > 1 << MEMORY_ADDRESS_WIDTH:
        raise ShiftbookError(
            f"a batch of {batch} takes {size:,} bytes of memory and an address has {MEMORY_ADDRESS_WIDTH} "
            "bits: lower the batch"
        )


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

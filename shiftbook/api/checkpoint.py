"""A compressed network: what it stores, answers and takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from shiftbook.api.answers import Answers, answers_of
from shiftbook.api.arguments import maybe, path_of, whole
from shiftbook.api.cycles import Cycles, cycles_of
from shiftbook.api.energy import Energy
from shiftbook.api.energy import energy as energy_of
from shiftbook.api.engines import Engine, spec_of
from shiftbook.api.explain import Explanation
from shiftbook.api.explain import explain as explain_network
from shiftbook.api.images import Images
from shiftbook.api.images import images as load_images
from shiftbook.api.logic_energy import Sampling
from shiftbook.api.simulation import Simulation, simulate
from shiftbook.api.table import Row, Table
from shiftbook.comparison import scheme_of
from shiftbook.frontend.data.frame import Frame
from shiftbook.golden.errors import one_line
from shiftbook.golden.files import check_writable
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.golden.statistics.sizes import LayerSize, Sizes, stored_sizes
from shiftbook.golden.storage import checkpoint as storage
from shiftbook.synth.technologies.technology import DEFAULT as TECHNOLOGY
from shiftbook.synth.technologies.technology import energetic

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset


class Checkpoint(Table):
    """What `compress` makes and `load` reads.

    Attributes
    ----------
    name
        The file or the model that it came from.
    network
        Its integers.
    sizes
        Every stored bit.
    coding
        What its streams are coded for.
    """

    def __init__(self, name: str, network: Network, sizes: Sizes, coding: Spec = DEFAULT) -> None:
        self.name, self.network, self.sizes, self.coding = name, network, sizes, coding

    @property
    def scheme(self) -> str:
        """What `compress` was asked for, else the schemes of the layers."""
        return scheme_of(self.network)

    @property
    def ratio(self) -> float:
        """Bits of weights and biases as 32-bit floats, over all stored bits."""
        return self.sizes.ratio

    @property
    def bits_per_weight(self) -> float:
        """All stored bits over the number of weights."""
        return self.sizes.bits_per_weight

    @property
    def accuracy(self) -> float | None:
        """Share of right answers on the images that `compress` held out; None where it had no labels."""
        return self._share("accuracy")

    @property
    def float_accuracy(self) -> float | None:
        """The same of the network before it was compressed."""
        return self._share("float_accuracy")

    def _share(self, fact: str) -> float | None:
        value = self.network.facts.get(fact)
        return float(value) if isinstance(value, int | float) else None

    @property
    def layers(self) -> list[LayerSize]:
        """Convolutions and fully connected layers, in the order in which they run."""
        return list(self.sizes.layers)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, perhaps none."""
        return self.network.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        return self.network.input.shape

    def run(
        self,
        images: Images,
        *,
        limit: int | None = None,
        resize: int | None = Frame.resize,
        crop: int | None = Frame.crop,
        progress: Progress = quiet,
    ) -> Answers:
        """Run images on the golden model, in exact integers.

        Parameters
        ----------
        images
            uint8 [N, H, W, C], floats where the network was compressed on floats, or anything that
            `compress` takes as data.
        limit
            At most so many of them, drawn with a fixed seed.
        resize, crop
            Of photographs in folders, as of `compress`.
        progress
            Called as ``progress(what, done, total)``.

        Raises
        ------
        ShiftbookError
            Images or labels do not fit the network.
        """
        return answers_of(self.network, self._images(images, limit, resize, crop, progress), progress)

    def cycles(self, engine: Engine = DEFAULT, *, batch: int = 1) -> Cycles:
        """Count what an image takes on an engine, or a batch of them, by the cycle model.

        Parameters
        ----------
        engine
            Name of a preset, or a spec. A preset gets the weight slots that the checkpoint is coded for.
        batch
            Images that the accelerator takes at once, 1 or more.

        Raises
        ------
        ShiftbookError
            There is no such engine, or it cannot run the network, or not so many images at once.
        """
        return cycles_of(self.network, self._spec(engine), whole("batch", batch, 1))

    def explain(self, engine: Engine = DEFAULT, *, batch: int = 1) -> Explanation:
        """Tell where the lane-slot-cycles of an image or a batch go on an engine, by the cycle model.

        Parameters
        ----------
        engine, batch
            See `cycles`.

        Raises
        ------
        ShiftbookError
            See `cycles`.
        """
        return explain_network(self.network, self._spec(engine), whole("batch", batch, 1))

    def energy(
        self,
        engine: Engine = DEFAULT,
        tech: str = TECHNOLOGY,
        *,
        images: Images | None = None,
        logic: Sampling | None = None,
        resize: int | None = Frame.resize,
        crop: int | None = Frame.crop,
        progress: Progress = quiet,
    ) -> Energy:
        """What memory accesses and logic take on an engine, for an image; see docs/energy.md.

        Parameters
        ----------
        engine
            See `cycles`.
        tech
            Whose memories: ``shiftbook energy --help`` lists the technologies.
        images, resize, crop
            See `run`; one of them is drawn. None takes noise, which makes no difference to memories.
        logic
            How its logic is sampled, ``Sampling()`` for the usual way; None leaves it out. It takes minutes,
            and the technology's cell library.
        progress
            See `run`.

        Raises
        ------
        ShiftbookError
            See `cycles`; or there is no such technology, or a tool is missing.
        Mismatch
            RTL and golden model differ.
        SimulationError
            The simulator does not build or start.
        Difference
            RTL and mapped logic differ.
        """
        energetic(tech)
        spec, image = self._spec(engine), None
        if images is not None:
            image = self._images(images, 1, resize, crop, progress).images
        return energy_of(self.network, spec, tech, progress, logic, image=image)

    def simulate(
        self,
        images: Images,
        engine: Engine = DEFAULT,
        *,
        limit: int | None = None,
        resize: int | None = Frame.resize,
        crop: int | None = Frame.crop,
        batch: int = 1,
        wave: str | os.PathLike[str] | None = None,
        progress: Progress = quiet,
    ) -> Simulation:
        """Run images on the simulated RTL and compare every integer of every layer with the golden model.

        Parameters
        ----------
        images, limit, resize, crop, progress
            See `run`.
        engine, batch
            See `cycles`; the images fill batches.
        wave
            A file that records the signals (FST); use it with a small limit.

        Raises
        ------
        ShiftbookError
            See `run` and `cycles`; or a tool is missing.
        Mismatch
            RTL and golden model differ: tells layer, image, position and both values.
        SimulationError
            The simulator does not build or start.
        """
        spec = self._spec(engine)
        file = maybe(path_of, "wave", wave)
        check_writable(file)
        dataset = self._images(images, limit, resize, crop, progress)
        return simulate(self.network, dataset, spec, batch=batch, wave=file, progress=progress)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the checkpoint; the whole file appears under its name or nothing changes.

        Raises
        ------
        ShiftbookError
            It cannot be written.
        """
        target = path_of("path", path)
        check_writable(target)
        storage.save(self.network, target, self.coding)
        return target

    def to_dict(self) -> Row:
        return {
            "name": self.name,
            "facts": dict(self.network.facts),
            "accuracy": self.accuracy,
            "float_accuracy": self.float_accuracy,
            "ratio": self.ratio,
            "bits_per_weight": self.bits_per_weight,
            "weights": self.sizes.weights,
            "stored_bits": self.sizes.stored_bits,
            "layers": self.rows(),
        }

    def rows(self) -> list[Row]:
        """One for each layer."""
        return [layer.as_json() for layer in self.layers]

    def __repr__(self) -> str:
        right = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.2f} %"
        return (
            f"Checkpoint({one_line(self.name)}: {self.scheme}, {len(self.layers)} "
            f"layers, ratio {self.ratio:.2f}x{right})"
        )

    def _spec(self, engine: Engine) -> Spec:
        return spec_of(engine, self.network.slots)

    def _images(
        self, images: Images, limit: int | None, resize: int | None, crop: int | None, progress: Progress
    ) -> Dataset:
        from shiftbook.frontend.data.network_input import for_network

        channels = self.input_shape[2]
        dataset = load_images(
            images, limit=limit, resize=resize, crop=crop, channels=channels, progress=progress
        )
        return for_network(dataset, self.network)


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint, decode all of it and check everything.

    Raises
    ------
    ShiftbookError
        The file cannot be read, is foreign, damaged or newer, or its content contradicts itself.
    """
    source = path_of("path", path)
    contents = storage.read(source)
    network = storage.network_of(contents, source)
    coding = storage.coding_of(contents.graph["coding"])
    return Checkpoint(str(source), network, stored_sizes(contents, network), coding)

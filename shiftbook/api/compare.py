"""Checkpoints side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from shiftbook.api.answers import answers_of
from shiftbook.api.arguments import whole, wrong
from shiftbook.api.checkpoint import Checkpoint, load
from shiftbook.api.engines import Engine, by_name
from shiftbook.api.gates import Gates, gates_of
from shiftbook.api.images import Data, images
from shiftbook.api.simulation import check_batches, simulate
from shiftbook.api.table import Row, Table
from shiftbook.comparison import Json, Load, cheapest, loads, relate, share, stored
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import PRESETS, Spec

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset


@dataclass(frozen=True)
class Compared:
    """A checkpoint on the engine on which its gates and memories times cycles are least.

    Attributes
    ----------
    checkpoint, scheme, engine
        Names.
    weights, density
        Of the network: positions, and the share of them that is not 0.
    macs
        Products per image, zeros included.
    stored_bits, moved_bytes
        Bits of the file's tensors; bytes on the memory bus per image.
    ratio
        Bits of the float weights over the bits that are stored, see `golden.statistics.sizes`.
    cycles
        Of an image: by the model, or counted by the RTL; of a batch its share, rounded up.
    batch, batch_cycles
        Images that the engine takes at once, and the cycles until all of them are done.
    ge
        Gates of the engine, memories apart.
    gate_cycles, relative
        Gates times cycles, and that over the first checkpoint's.
    whole_ge, whole_relative
        Gates and memories of the engine, and these times cycles over the first checkpoint's.
    ge_per_mac
        Gates over the products of the dense network that are done in a cycle.
    accelerator_ge, accelerator_relative, accelerator_whole_ge, accelerator_whole_relative
        The same with the gates of the whole accelerator, where they are known.
    whole_area, delay, timed_relative
        Where a cell library was named: area of gates and memories, the longest path within a module in
        picoseconds, and area times cycles times that path over the first checkpoint's.
    tile_words, memory_bits
        Words of an activation bank; bits of all memories of the engine, where they are known.
    epochs, float_accuracy
        What `compress` noted.
    images, accuracy
        Measured now, where images were given.
    modelled_cycles, compared
        With the RTL: what the model says, and integers compared with the golden model.
    """

    checkpoint: str
    scheme: str
    weights: int
    density: float
    macs: int
    stored_bits: int
    ratio: float
    engine: str
    moved_bytes: int
    cycles: int
    ge: float
    gate_cycles: float
    relative: float
    ge_per_mac: float
    whole_ge: float | None = None
    whole_relative: float | None = None
    accelerator_ge: float | None = None
    accelerator_relative: float | None = None
    accelerator_whole_ge: float | None = None
    accelerator_whole_relative: float | None = None
    whole_area: float | None = None
    delay: float | None = None
    timed_relative: float | None = None
    tile_words: int | None = None
    memory_bits: int | None = None
    epochs: int | None = None
    float_accuracy: float | None = None
    images: int | None = None
    accuracy: float | None = None
    modelled_cycles: int | None = None
    compared: int | None = None
    batch: int = 1
    batch_cycles: int | None = None


@dataclass(frozen=True)
class Comparison(Table):
    """Checkpoints in the order in which they were given; the first is the baseline."""

    checkpoints: tuple[Compared, ...]

    def to_dict(self) -> Row:
        return {"rows": self.rows()}

    def rows(self) -> list[Row]:
        """One for each checkpoint."""
        return [asdict(row) for row in self.checkpoints]

    def __repr__(self) -> str:
        each = ", ".join(
            f"{row.checkpoint} on {row.engine} "
            f"{row.relative if row.whole_relative is None else row.whole_relative:.3f}"
            for row in self.checkpoints
        )
        return f"Comparison(GE x cycles: {each})"


def compare(
    checkpoints: Sequence[Checkpoint | str | os.PathLike[str]],
    data: Data | None = None,
    *,
    engines: Sequence[Engine] | None = None,
    gates: Sequence[Gates] | None = None,
    rtl: bool = False,
    batch: int = 1,
    limit: int | None = None,
    progress: Progress = quiet,
) -> Comparison:
    """Compare checkpoints: size, cycles, gates, accuracy.

    Parameters
    ----------
    checkpoints
        Checkpoints or their files; the first is the baseline.
    data, limit
        Images for the accuracy, as of `Checkpoint.run`; None measures none.
    engines
        To choose from: names of presets, or specs. None takes those of ``gates``, or else all presets.
    gates
        What `gates` counted, so that nothing is synthesized again.
    rtl
        Whether to count the cycles on the RTL, with the first image or batch, in place of the model's.
    batch
        Images that an engine takes at once.
    progress
        Called as ``progress(what, done, total)``.

    Raises
    ------
    ShiftbookError
        There is no such checkpoint or engine, no engine runs a network, ``gates`` lacks an engine, or images
        do not fit.
    Mismatch
        RTL and golden model differ.
    """
    _check_list("checkpoints", "a list of checkpoints or of their paths", checkpoints)
    _check_list("engines", "a list of engines", engines)
    _check_list("gates", "a list of what sb.gates() gives", gates)
    if not checkpoints:
        raise ShiftbookError("checkpoints must be at least one, not none")
    loaded = [each if isinstance(each, Checkpoint) else load(each) for each in checkpoints]
    known = {found.engine: found for found in gates or ()}
    if engines is None:
        specs = {name: found.spec for name, found in known.items()} or by_name(PRESETS)
    else:
        specs = by_name(engines)
    channels = loaded[0].input_shape[2]
    dataset = None if data is None else images(data, limit=limit, channels=channels, progress=progress)

    def count(names: Sequence[str]) -> dict[str, Price]:
        found = known if gates is not None else _counted(names, specs, progress)
        missing = [name for name in names if name not in found or found[name].spec != specs[name]]
        if missing:
            raise ShiftbookError(f"gates must have every engine: {missing[0]} is missing, or of another spec")
        return {name: _price(found[name]) for name in names}

    rows = comparison_rows(loaded, specs, count, dataset, rtl=rtl, batch=batch, progress=progress)
    return Comparison(tuple(Compared(**row) for row in rows))


def _check_list(name: str, right: str, values: object) -> None:
    """Refuse one thing where several are expected."""
    if values is not None and not isinstance(values, list | tuple):
        raise wrong(name, right, values)


def _counted(names: Sequence[str], specs: Mapping[str, Spec], progress: Progress) -> dict[str, Gates]:
    counted = gates_of({name: specs[name] for name in names}, progress=progress)
    return {found.engine: found for found in counted}


@dataclass(frozen=True)
class Price:
    """What an engine costs; None where it was not measured.

    Attributes
    ----------
    ge, whole_ge
        Gates of the engine, memories apart and with them.
    accelerator_ge, accelerator_whole_ge
        The same of the accelerator around it.
    memory_bits
        Of the engine's memories.
    whole_area, delay
        In a cell library: area with memories, and picoseconds of the longest path within a module.
    """

    ge: float
    whole_ge: float | None = None
    accelerator_ge: float | None = None
    accelerator_whole_ge: float | None = None
    memory_bits: int | None = None
    whole_area: float | None = None
    delay: float | None = None

    def known(self) -> Json:
        """What was measured, as a row has it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _price(found: Gates) -> Price:
    return Price(
        ge=found.total_ge,
        whole_ge=found.whole_ge,
        accelerator_ge=found.accelerator_ge,
        accelerator_whole_ge=found.accelerator_whole_ge,
        memory_bits=found.memory_bits,
    )


def _costs(prices: Mapping[str, Price]) -> dict[str, float]:
    """GE by which an engine is chosen: with memories where all engines know them."""
    if all(price.whole_ge is not None for price in prices.values()):
        return {name: price.whole_ge or price.ge for name, price in prices.items()}
    return {name: price.ge for name, price in prices.items()}


def comparison_rows(
    checkpoints: Sequence[Checkpoint],
    specs: Mapping[str, Spec],
    count: Callable[[Sequence[str]], Mapping[str, Price]],
    dataset: Dataset | None,
    *,
    rtl: bool,
    batch: int = 1,
    progress: Progress,
) -> list[Json]:
    """The rows that `shiftbook compare --json` writes, and of which a `Comparison` is made.

    Parameters
    ----------
    specs
        Engines to choose from, by name.
    count
        Gives the gates of the named engines; called once, with those that run any of the networks.
    dataset
        Images for the accuracy.

    Raises
    ------
    ShiftbookError
        See `compare`.
    """
    if rtl and dataset is None:
        raise ShiftbookError("the RTL runs an image: give data")
    whole("batch", batch, 1)
    if dataset is not None:
        from shiftbook.frontend.data.network_input import check_fits

        for checkpoint in checkpoints:
            check_fits(dataset, checkpoint.network)
    found = [_loads(checkpoint, specs, batch) for checkpoint in checkpoints]
    prices = count(sorted({load.engine for each in found for load in each}))
    ge = _costs(prices)
    rows = []
    for checkpoint, each in zip(checkpoints, found, strict=True):
        chosen = cheapest(each, ge)
        row = _row(checkpoint, chosen, prices[chosen.engine], specs[chosen.engine])
        if batch > 1:
            row |= {"batch": batch, "batch_cycles": chosen.batch_cycles}
        if dataset is not None:
            spec = replace(specs[chosen.engine], slots=checkpoint.network.slots)
            row |= _measured(checkpoint, dataset, chosen, spec, batch if rtl else None, progress)
        rows.append(row)
    return relate(rows)


def _loads(checkpoint: Checkpoint, specs: Mapping[str, Spec], batch: int) -> list[Load]:
    """What the network takes on each engine; a refusal says which checkpoint it is about."""
    try:
        return loads(checkpoint.network, specs, batch)
    except ShiftbookError as error:
        raise ShiftbookError(f"{checkpoint.name}: {error}") from None


def _row(checkpoint: Checkpoint, load: Load, price: Price, spec: Spec) -> Json:
    return {
        "checkpoint": checkpoint.name,
        **stored(checkpoint.network, checkpoint.sizes),
        "engine": load.engine,
        "moved_bytes": load.moved,
        "cycles": load.cycles,
        "tile_words": spec.tile_words,
        "memory_bits": None,
        **price.known(),
    }


def _measured(
    checkpoint: Checkpoint, dataset: Dataset, load: Load, spec: Spec, rtl: int | None, progress: Progress
) -> Json:
    """Accuracy on the golden model; with ``rtl`` those of the first so many images at once on the RTL."""
    from shiftbook.frontend.data.network_input import for_network

    network = checkpoint.network
    dataset = for_network(dataset, network)
    accuracy = None if dataset.labels is None else answers_of(network, dataset, progress).accuracy
    row: Json = {"images": len(dataset), "accuracy": accuracy}
    if rtl is not None:
        check_batches(min(rtl, len(dataset)), rtl)
        run = simulate(network, dataset.take(np.arange(rtl)), spec, batch=rtl, progress=progress)
        row |= {
            "modelled_cycles": load.cycles,
            "cycles": share(run.cycles, rtl),
            "compared": run.compared,
            **({"batch_cycles": run.cycles} if rtl > 1 else {}),
        }
    return row

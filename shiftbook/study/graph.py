"""The graph of a study: from points to tasks, each known once however many points need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.study.keys import file_digest
from shiftbook.study.material import Material
from shiftbook.study.point import Choice, Point
from shiftbook.study.study import Study, Technology
from shiftbook.study.task import Task, make_task
from shiftbook.study.tasks.options import (
    BUDGET,
    chain_plan,
    check_budget,
    recodes,
    training_options,
    weights_options,
)

SHARD = 1000
"""Images whose right answers a task counts."""

UNPRUNED = ("scheme", "bits", "uniform", "end_bits", "seed")
"""Options that a budget's curves depend on."""


BEHIND_ANY_BUS: Mapping[str, Any] = {
    "bus_bytes": 64,
    "burst_beats": DEFAULT.burst_beats,
    "outstanding": DEFAULT.outstanding,
    "buffer_beats": DEFAULT.buffer_beats,
    "bus_parity": False,
    "tensor_kib": 0,
}
"""What a spec says of the buses, which the engine alone does not have."""


class Graph:
    """The tasks of a study's points.

    Parameters
    ----------
    materials
        Of the networks, by name.

    Attributes
    ----------
    tasks
        By key; those that a task needs stand before it.
    """

    def __init__(self, study: Study, materials: Mapping[str, Material]) -> None:
        self.study, self.materials = study, materials
        self.tasks: dict[str, Task] = {}
        self.kinds = study.kinds
        self.places = _technology_places(study.technology)
        self.digests = {name: file_digest(Path(place)) for name, place in self.places.items()}
        self._count = 0

    def add(self, choice: Choice) -> Point:
        """The next point, with its tasks; a choice that makes no sense becomes a point with an error."""
        number = self._count
        self._count += 1
        try:
            return Point(number, choice, self._tasks(number, choice))
        except ShiftbookError as error:
            return Point(number, choice, error=str(error))

    def check(self, choice: Choice) -> None:
        """Refuse a choice that makes no sense whatever its results are.

        Raises
        ------
        ShiftbookError
            An option is out of range, or of another scheme; or there is no such engine.
        """
        self._tasks(-1, choice, kept=False)

    def _tasks(self, number: int, choice: Choice, kept: bool = True) -> dict[str, tuple[str, ...]]:
        made: list[Task] = []
        spec = choice.spec
        network = self._network(made, choice, spec)
        material = self.materials[choice.network]
        tasks: dict[str, tuple[str, ...]] = {}
        measured: dict[str, Any] = {"images": material.images}
        places = {"images": material.images_place}
        if "accuracy" in self.kinds:
            shards = [(i, min(i + SHARD, material.count)) for i in range(0, material.count, SHARD)]
            found = [
                make_task("accuracy", {**measured, "shard": shard}, {"network": network}, places)
                for shard in shards
            ]
            made += found
            tasks["accuracy"] = tuple(task.key for task in found)
        if "float" in self.kinds:
            tasks["float"] = (self._float(made, material),)
        if "load" in self.kinds:
            made.append(make_task("load", {"spec": spec.as_json()}, {"network": network}))
            tasks["load"] = (made[-1].key,)
        if "gates" in self.kinds:
            made.append(self._gates(spec))
            tasks["gates"] = (made[-1].key,)
        every = self.study.check.rtl_every
        if every is not None and number % every == 0:
            options = {"spec": spec.as_json(), **measured, "count": self.study.check.images}
            made.append(make_task("rtl", options, {"network": network}, places))
            tasks["rtl"] = (made[-1].key,)
        if kept:
            self.tasks.update((task.key, task) for task in made)
        return tasks

    def _network(self, made: list[Task], choice: Choice, spec: Spec) -> str:
        """The tasks that end in a checkpoint; its key."""
        compression = choice.compression
        needs: dict[str, str] = {}
        if BUDGET in compression:
            check_budget(compression)
            needs["curves"] = self._curves(made, choice, spec)
        return self._compress(made, choice.network, compression, spec.slots, needs)

    def _compress(
        self,
        made: list[Task],
        network: str,
        compression: Mapping[str, Any],
        slots: int,
        needs: Mapping[str, str],
    ) -> str:
        material = self.materials[network]
        if recodes(compression, weights_options(compression, slots)):
            slots = DEFAULT.slots
        training_options(compression)
        chain_plan(compression)
        options = {**material.options, "compression": dict(compression), "slots": slots}
        needs = {**self._weights(made, material), **needs}
        made.append(make_task("compress", options, needs, material.places))
        return made[-1].key

    def _curves(self, made: list[Task], choice: Choice, spec: Spec) -> str:
        """What pruning each layer costs, and what it saves on the engine."""
        material = self.materials[choice.network]
        if "data" not in material.places:
            raise ShiftbookError("a budget is shared out by what images say: give the network its data")
        dense = {name: value for name, value in choice.compression.items() if name in UNPRUNED}
        options = {**material.options, "compression": {**dense, "density": 1.0}, "slots": DEFAULT.slots}
        made.append(make_task("sensitivity", options, self._weights(made, material), material.places))
        needs = {"sensitivity": made[-1].key}
        made.append(make_task("curves", {"spec": spec.as_json()}, needs))
        return made[-1].key

    def _weights(self, made: list[Task], material: Material) -> dict[str, str]:
        if not material.trained:
            return {}
        made.append(make_task("train", {"source": material.source, "seed": 0}))
        return {"weights": made[-1].key}

    def _float(self, made: list[Task], material: Material) -> str:
        options = {**material.options, "images": material.images}
        places = {**material.places, "images": material.images_place}
        made.append(make_task("float", options, self._weights(made, material), places))
        return made[-1].key

    def _gates(self, spec: Spec) -> Task:
        """The gates of an engine, which are the same behind any bus unless the buses count, too."""
        system = self.study.technology.system
        counted = spec if system else replace(spec, **BEHIND_ANY_BUS)
        options = {"spec": counted.as_json(), "system": system, "files": self.digests}
        return make_task("gates", options, None, self.places)


def _technology_places(technology: Technology) -> dict[str, str]:
    """Where the files that gates are counted with are."""
    places = {f"liberty {i:03}": file for i, file in enumerate(technology.liberty)}
    if technology.weights is not None:
        places["weights"] = technology.weights
    return {name: str(Path(place).absolute()) for name, place in places.items()}

"""What a network answers: class scores, and how many of them are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from shiftbook.api.images import Labels, labels_of
from shiftbook.api.table import Row, Table
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.validate import class_count
from shiftbook.golden.progress import Progress, quiet

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Answers(Table):
    """Class scores of images, or other results, as integers.

    Attributes
    ----------
    outputs
        uint8 [N, h, w, c] by the names of the network's results.
    scores
        uint8 [N, classes]; [N, 0] where the network gives maps or several results instead.
    labels
        int64 [N], or None where there are none.
    classes
        Names of the classes, perhaps none.
    """

    outputs: dict[str, NDArray[np.uint8]]
    scores: NDArray[np.uint8]
    labels: Labels | None = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def predictions(self) -> Labels:
        """int64 [N]: the class with the highest score of each image; [0] where there are no scores."""
        return self.scores.argmax(axis=1) if self.scores.shape[1] else np.zeros(0, np.int64)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None without labels."""
        return None if self.labels is None else float((self.predictions == self.labels).mean())

    @property
    def names(self) -> list[str]:
        """The predictions by name; a class without a name is its number."""
        return [class_name(self.classes, number) for number in self.predictions.tolist()]

    def to_dict(self) -> Row:
        return {
            "images": len(self),
            "accuracy": self.accuracy,
            "predictions": self.predictions.tolist(),
            "labels": None if self.labels is None else self.labels.tolist(),
            "classes": list(self.classes),
            "scores": self.scores.tolist(),
        }

    def rows(self) -> list[Row]:
        """One for each image; none where there are no class scores."""
        labels = [None] * len(self) if self.labels is None else self.labels.tolist()
        if not self.scores.shape[1]:
            return []
        each = zip(
            self.predictions.tolist(), self.names, self.scores.max(axis=1).tolist(), labels, strict=True
        )
        return [{"prediction": p, "name": name, "score": score, "label": y} for p, name, score, y in each]

    def __repr__(self) -> str:
        right = "no labels" if self.accuracy is None else f"accuracy {100 * self.accuracy:.2f} %"
        return f"Answers({len(self):,} images, {right})"


class Run(Protocol):
    """Results of a run, see `golden.model.executor.Result`."""

    @property
    def outputs(self) -> NDArray[np.uint8]: ...

    @property
    def results(self) -> dict[str, NDArray[np.uint8]]: ...


def class_name(classes: tuple[str, ...], number: int) -> str:
    """The name of a class, or its number where it has none."""
    return classes[number] if number < len(classes) else str(number)


def answers_of(network: Network, dataset: Dataset, progress: Progress = quiet) -> Answers:
    """Run images on the golden model.

    Raises
    ------
    ShiftbookError
        Images or labels do not fit the network.
    """
    labels, done = labels_of(dataset, network), 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress("running images", done, len(dataset))

    return answers(network, executor.run(network, dataset.images, progress=count), labels)


def answers(network: Network, run: Run, labels: Labels | None) -> Answers:
    """What a run of a network answers."""
    scores = run.outputs if class_count(network) is not None else run.outputs[:, :0]
    return Answers(run.results, scores, labels, network.classes)

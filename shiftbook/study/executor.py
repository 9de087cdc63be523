"""Where bundles of tasks are done: in this process, or see `study.cluster`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from shiftbook.study.perform import Outcome, perform
from shiftbook.study.store import Store
from shiftbook.study.task import Task


class Executor(Protocol):
    """Does bundles of tasks, which do not depend on each other."""

    @property
    def free(self) -> int:
        """Bundles that it would take now, so that no worker waits for the next."""

    @property
    def workers(self) -> int:
        """Tasks that are done at the same time."""

    def submit(self, bundle: Sequence[Task]) -> None:
        """Begin with a bundle."""

    def wait(self) -> list[Outcome]:
        """What has ended; empty where a bundle has to be done again.

        Raises
        ------
        ShiftbookError
            The store or the cluster is lost.
        """


class InProcess:
    """One task after another, in this process."""

    workers = 1

    def __init__(self, store: Store) -> None:
        self.store = store
        self.bundles: deque[Sequence[Task]] = deque()

    @property
    def free(self) -> int:
        """One bundle at a time."""
        return 1 - len(self.bundles)

    def submit(self, bundle: Sequence[Task]) -> None:
        """Keep the bundle for `wait`."""
        self.bundles.append(bundle)

    def wait(self) -> list[Outcome]:
        """Do the oldest bundle."""
        return [perform(task, self.store) for task in self.bundles.popleft()]

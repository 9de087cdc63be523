"""Running a graph of tasks: what the store has is not done again, and nothing waits that could run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from shiftbook.study.executor import Executor
from shiftbook.study.perform import Outcome, recorded
from shiftbook.study.store import Store
from shiftbook.study.task import Task

BUNDLE_SECONDS = 0.25
"""That a bundle of short tasks should take, so that sending it costs little beside."""

MOST_IN_BUNDLE = 256
"""A bundle that is lost is done again."""


class Execution:
    """The tasks of a study on an executor.

    Parameters
    ----------
    told
        Called with every outcome, in the order in which tasks end.
    changed
        Called whenever tasks were sent, too.

    Attributes
    ----------
    outcomes
        Of all tasks that are done, by key.
    computed
        How many of them were not in the store.
    running
        Tasks that were sent to workers and have not ended.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        told: Callable[[Outcome], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.store, self.executor, self.told, self.changed = store, executor, told, changed
        self.outcomes: dict[str, Outcome] = {}
        self.computed = 0
        self.running = 0
        self._ready: deque[Task] = deque()
        self._waiting: dict[str, set[str]] = {}
        self._dependents: dict[str, list[Task]] = {}
        self._kind_of: dict[str, str] = {}
        self._spent: dict[str, tuple[int, float]] = {}

    def run(self, graph: Mapping[str, Task], wanted: Iterable[str]) -> None:
        """Do the wanted tasks of a graph, and those that they need.

        Parameters
        ----------
        graph
            Tasks by key.
        wanted
            Keys whose outcomes are asked for.

        Raises
        ------
        ShiftbookError
            The store or the cluster is lost.
        """
        todo = self._look_up(graph, wanted)
        for key in reversed(todo):
            self._add(graph[key], todo)
        while self._ready or self.running:
            while self._ready and self.executor.free > 0:
                bundle = self._bundle()
                self.running += len(bundle)
                self.executor.submit(bundle)
            self.changed()
            for outcome in self.executor.wait() if self.running else ():
                self.running -= 1
                self._end(outcome)

    def _look_up(self, graph: Mapping[str, Task], wanted: Iterable[str]) -> dict[str, None]:
        """Keys that have to be done, in the order of the graph; the others' outcomes are told."""
        missing: set[str] = set()
        asked = {key for key in wanted if key not in self.outcomes}
        while asked:
            found = self.store.get_many(asked)
            for record in found.values():
                self._tell(recorded(record))
            missing |= asked - found.keys()
            needed = {need for key in asked - found.keys() for need in graph[key].needs.values()}
            asked = needed - missing - self.outcomes.keys()
        return {key: None for key in graph if key in missing}

    def _add(self, task: Task, todo: Mapping[str, None]) -> None:
        """Put a task where it belongs: among those that can run, or behind those that it needs."""
        self._kind_of[task.key] = task.kind
        self._waiting[task.key] = {need for need in task.needs.values() if need in todo}
        for need in self._waiting[task.key]:
            self._dependents.setdefault(need, []).append(task)
        if not self._waiting[task.key]:
            self._start(task)

    def _start(self, task: Task) -> None:
        """A task whose needs are met runs; one whose needs failed fails with them."""
        failed = next((self.outcomes[need] for need in task.needs.values() if self._failed(need)), None)
        if failed is None:
            self._ready.appendleft(task)  # what is begun is finished first
        else:
            self._tell(Outcome(task.key, None, failed.error))
            self._release(task.key)

    def _failed(self, key: str) -> bool:
        return self.outcomes[key].error is not None

    def _bundle(self) -> list[Task]:
        """The next tasks that can run: several of one kind where these are short, shared among workers."""
        first = self._ready.popleft()
        count, seconds = self._spent.get(first.kind, (0, 0.0))
        most = 1 if not count else int(BUNDLE_SECONDS * count / max(seconds, 1e-6))
        share = -(-(len(self._ready) + 1) // self.executor.workers)
        most = max(1, min(most, share, MOST_IN_BUNDLE))
        bundle = [first]
        while len(bundle) < most and self._ready and self._ready[0].kind == first.kind:
            bundle.append(self._ready.popleft())
        return bundle

    def _end(self, outcome: Outcome) -> None:
        kind = self._kind_of[outcome.key]
        count, seconds = self._spent.get(kind, (0, 0.0))
        self._spent[kind] = (count + 1, seconds + outcome.seconds)
        self.computed += outcome.seconds > 0
        self._tell(outcome)
        self._release(outcome.key)

    def _release(self, key: str) -> None:
        """Let the tasks run that waited for this one only."""
        for task in self._dependents.pop(key, ()):
            self._waiting[task.key].discard(key)
            if not self._waiting[task.key]:
                self._start(task)

    def _tell(self, outcome: Outcome) -> None:
        self.outcomes[outcome.key] = outcome
        self.told(outcome)

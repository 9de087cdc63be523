"""Bundles of tasks on Dask: a local cluster that is started here, or a scheduler that runs already."""

from __future__ import annotations

import logging
import math
import queue
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.study import keys
from shiftbook.study.perform import Outcome, perform_all
from shiftbook.study.store import Store
from shiftbook.study.task import Task

MISSING = "workers need dask and distributed: pip install 'shiftbook[sweep]', or give --workers 0"

AHEAD = 3
"""Bundles under way for each worker: one that it does, and some that wait, so that it never does."""

CONNECT_SECONDS = 10
"""That a scheduler has to answer, and to have a worker."""

LOOK_SECONDS = 1.0
"""Between two looks at whether the scheduler is still there."""


class Cluster:
    """An executor that sends bundles to the workers of a Dask scheduler.

    Dask blames every bundle that a worker held when it died, the waiting ones too. So their tasks become
    suspects: once nothing else runs, each runs alone, and only one that kills
    its workers even then is to blame.

    Parameters
    ----------
    client
        Connected.
    address
        Of the scheduler, for messages.
    store
        That all workers reach by the same URL.
    """

    def __init__(self, client: Any, address: str, store: Store) -> None:
        self.client, self.address, self.store = client, address, store
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.running: dict[str, tuple[Any, Sequence[Task]]] = {}
        self.suspects: deque[Task] = deque()
        self.count = 0
        self._threads = 1
        self._looked = -math.inf
        self._look()

    @property
    def workers(self) -> int:
        """Threads of all workers, as they were at the last look."""
        return self._threads

    @property
    def free(self) -> int:
        """See `AHEAD`; none while suspects wait to run alone."""
        return 0 if self.suspects else AHEAD * self.workers - len(self.running)

    def submit(self, bundle: Sequence[Task]) -> None:
        """Send a bundle; a worker that dies with it is no reason to lose it."""
        self.count += 1
        name = f"{bundle[0].kind}-{self.count}-{bundle[0].key[:12]}"
        sent = [task.as_json() for task in bundle]
        future = self.client.submit(perform_all, sent, self.store.url, key=name, pure=False)
        self.running[name] = (future, bundle)
        future.add_done_callback(self.ended.put)

    def wait(self) -> list[Outcome]:
        """What has ended; see `Executor.wait`."""
        alone = self.suspects.popleft() if self.suspects and not self.running else None
        if alone is not None:
            self.submit([alone])
        while True:
            try:
                future = self.ended.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._look()
                continue
            self._look()
            return self._outcomes(future, alone)

    def _outcomes(self, future: Any, alone: Task | None) -> list[Outcome]:
        """Results of a bundle; none where it is suspect of having killed its workers."""
        from distributed import KilledWorker

        _, bundle = self.running.pop(future.key)
        try:
            found: list[Outcome] = future.result()
        except ShiftbookError:
            raise
        except KilledWorker:
            if alone is None:
                self.suspects.extend(bundle)
                return []
            told = f"{alone.kind}: every worker that tried it died; give workers more memory"
            return [Outcome(alone.key, None, told)]
        except (OSError, CancelledError) as error:  # tasks raise neither: the connection is lost
            raise self._lost() from error
        except Exception as error:
            self._check_alive()
            raise ShiftbookError(
                f"a worker of {self.address} failed: {type(error).__name__}: {first_line(error)}"
            ) from error
        return found

    def _look(self) -> None:
        """See whether the scheduler is there, and how many workers it has now."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self._check_alive()
            try:
                self._threads = max(1, sum(self.client.nthreads().values()))
            except OSError as error:
                raise self._lost() from error

    def _check_alive(self) -> None:
        if self.client.status != "running":
            raise self._lost()

    def _lost(self) -> ShiftbookError:
        return ShiftbookError(
            f"the scheduler {self.address} went away; when it is back, the same command goes on"
        )


@contextmanager
def local_cluster(workers: int, store: Store) -> Iterator[Cluster]:
    """Workers of this machine, one thread each, for as long as the block takes.

    Raises
    ------
    ShiftbookError
        Dask is not installed.
    """
    distributed = _distributed()
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield Cluster(client, cluster.scheduler_address, store)


@contextmanager
def running_cluster(address: str, store: Store) -> Iterator[Cluster]:
    """The workers of a scheduler that runs already.

    Parameters
    ----------
    address
        Such as ``tcp://host:8786``.

    Raises
    ------
    ShiftbookError
        It does not answer, has no workers, or one of them has another version of something.
    """
    distributed = _distributed()
    try:
        _knock(address)
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ShiftbookError(
            f"there is no scheduler at {address}: {first_line(error)}; start one with `dask scheduler`, or "
            "leave --scheduler out"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ShiftbookError(
                f"the scheduler {address} has no workers: start some with `dask worker {address}`"
            ) from error
        check_versions(client.run(keys.everything))
        yield Cluster(client, address, store)


def _knock(address: str) -> None:
    """Raise ValueError or OSError unless something listens; a client that found nothing cannot be closed."""
    from distributed.comm import get_address_host_port

    if not address.startswith("ucx"):  # its addresses have no port to knock at
        host, port = get_address_host_port(address)
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()


def check_versions(workers: Mapping[str, dict[str, str]]) -> None:
    """Refuse workers that would compute something else.

    Parameters
    ----------
    workers
        What `study.keys.everything` says on each, by address.

    Raises
    ------
    ShiftbookError
        One of them differs.
    """
    here = keys.everything()
    for address, there in workers.items():
        differs = keys.difference(here, there)
        if differs is not None:
            raise ShiftbookError(
                f"the worker {address} differs: {differs}; install the same versions everywhere"
            )


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ShiftbookError(MISSING) from error
    return distributed

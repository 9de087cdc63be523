"""Runs mutants in worker processes within bounds of memory and time; knows nothing of what is mutated.

A *target* is a module with two functions: ``mutate(rng, folder)`` writes one mutant into an empty folder
and returns its path; ``judge(path)`` returns whether it was accepted, and raises unless the mutant was
either refused by a ShiftbookError or gave the right answer. The same seed makes the same mutant.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import signal
import tempfile
import traceback
import warnings
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType

MEMORY = 2 << 30
"""Bytes that a mutant may take beside the program and its libraries."""

SECONDS = 20
"""Of computing, which is what a machine that is busy with other things does not stretch."""

PATIENCE = 15
"""A mutant that waits and does not compute is given up after this many times as long."""

BATCH = 100
"""Mutants that a worker judges before it reports."""


@dataclass(frozen=True)
class Failure:
    """A mutant that was neither refused in one line nor right, and what was raised."""

    target: str
    seed: int
    error: str
    saved: Path | None


@dataclass
class Tally:
    """What became of the mutants of one target."""

    accepted: int = 0
    refused: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.accepted += other.accepted
        self.refused += other.refused
        self.failures += other.failures


class OutOfTime(BaseException):
    """Not an Exception: nothing that reads a file may take it for a damaged one."""


def run(
    target: str,
    seeds: range,
    keep: Path,
    *,
    workers: int = 1,
    seconds: int = SECONDS,
    patience: int = PATIENCE,
) -> Tally:
    """Judge the mutants of ``seeds``; those that fail are kept in the folder ``keep``."""
    tally = Tally()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _limit)
    batches = [seeds[first : first + BATCH] for first in range(0, len(seeds), BATCH)]
    with pool:
        futures: list[Future[Tally]] = [
            pool.submit(_batch, target, batch, keep, seconds, patience) for batch in batches
        ]
        for batch, future in zip(batches, futures, strict=True):
            try:
                tally.add(future.result())
            except BrokenProcessPool:
                tally.failures.append(Failure(target, batch.start, f"a worker died in {batch}", None))
                break
    return tally


def _limit() -> None:
    warnings.simplefilter("error")


def _bound_memory() -> None:
    """Measured from what is mapped now, which with PyTorch is a lot of address space."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (bound, resource.RLIM_INFINITY))


def _out_of_time(signal_number: int, frame: FrameType | None) -> None:
    raise OutOfTime


def _allow(seconds: int, patience: int = 0) -> None:
    """Bound what follows, or with 0 no longer: by the time it computes, and by the time it takes in all."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(patience * seconds)


def _batch(target: str, seeds: range, keep: Path, seconds: int, patience: int) -> Tally:
    module = import_module(target)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.signal(signal.SIGPROF, _out_of_time)
    tally = Tally()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            path = module.mutate(random.Random(f"{target} {seed}"), Path(folder))
            _bound_memory()
            _allow(seconds, patience)
            try:
                accepted = module.judge(path)
            except (Exception, OutOfTime, SystemExit, KeyboardInterrupt):
                _allow(0)
                error = traceback.format_exc(limit=-3)
                tally.failures.append(Failure(target, seed, error, _saved(path, keep / f"{target}-{seed}")))
            else:
                tally.accepted += accepted
                tally.refused += not accepted
            finally:
                _allow(0)
    return tally


def _saved(path: Path, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, place, dirs_exist_ok=True)
        return place
    return Path(shutil.copyfile(path, place.with_name(place.name + path.suffix)))

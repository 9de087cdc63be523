"""Where training runs: on which device, and on how many processes when torchrun launched them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from shiftbook.golden.errors import ShiftbookError, first_line


class Finished(SystemExit):
    """Ends a process whose work is done; the first one alone goes on."""

    def __init__(self) -> None:
        super().__init__(0)


@dataclass(frozen=True)
class Processes:
    """One of some processes that train together; they start alike and stay alike.

    Members
    -------
    device : what this one computes on
    rank, count : which of how many it is
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def share(self, size: int) -> slice:
        """Which of ``size`` images of a batch are this process's."""
        return slice(size * self.rank // self.count, size * (self.rank + 1) // self.count)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their means over all processes."""
        if self.count > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)
                tensor /= self.count


@contextmanager
def repeatable() -> Iterator[None]:
    """Within it, convolutions on a GPU add up in an order that does not change from run to run."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True):
        yield


def launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def own_device() -> torch.device:
    """What a process computes on that is alone: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def processes() -> Iterator[Processes]:
    """The processes that torchrun launched, or this one alone, on a GPU where there is one."""
    cuda = torch.cuda.is_available()
    if not launched():
        yield Processes(own_device())
        return
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if cuda else "gloo")
    except (RuntimeError, ValueError) as error:
        first = first_line(error)
        raise ShiftbookError(f"the processes of torchrun cannot reach each other: {first}") from error
    try:
        yield Processes(device, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()

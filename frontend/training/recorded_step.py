"""The part of a training step that a device computes; a GPU records its kernels once and replays them.

A small network's kernels take a few microseconds each, and Python takes longer to launch them: replayed as
one CUDA graph, a step of ResNet-20 is limited by the GPU instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Step = Callable[..., tuple[Tensor, ...]]
"""Takes tensors on the device and returns tensors on it."""

WARM_UP = 3
"""Calls before recording: libraries choose their kernels and take their memory in the first ones."""


class RecordedStep:
    """Calls ``step``; on a GPU replays what it did.

    A step that cannot be recorded, such as one of a network that looks at values, is called each time.

    Parameters
    ----------
    step
        Must do the same for tensors of the same shapes, and change other tensors in place. Gradients may be
        made anew.
    device
        Where its arguments are wanted.
    record
        Whether to record at all; a processor never does.
    """

    def __init__(self, step: Step, device: torch.device, record: bool = True) -> None:
        self.step, self.device = step, device
        self.records = record and device.type == "cuda"
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: tuple[Tensor, ...] = ()
        self.outputs: tuple[Tensor, ...] = ()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the step does; the next call may overwrite it.

        Parameters
        ----------
        inputs
            On any device, of the same shapes in every call.
        """
        if not self.records:
            return self.step(*(value.to(self.device) for value in inputs))
        self.calls += 1
        if self.calls <= WARM_UP:
            return self._aside(*(value.to(self.device) for value in inputs))
        if self.graph is None:
            self.inputs = tuple(value.to(self.device).clone() for value in inputs)
            if not self._record():
                return self.step(*self.inputs)
        for static, value in zip(self.inputs, inputs, strict=True):
            static.copy_(value, non_blocking=True)
        assert self.graph is not None
        self.graph.replay()
        return self.outputs

    def _aside(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call the step on a stream of its own, as recording asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            outputs = self.step(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return outputs

    def _record(self) -> bool:
        """Record the step, and tell whether that was possible."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.outputs = self.step(*self.inputs)
        except RuntimeError:
            torch.cuda.synchronize()
            self.records = False
            return False
        self.graph = graph
        return True


class Figures:
    """Sums of loss and right answers over an epoch.

    Reading them from a GPU waits until it is done, so they are read now and then.

    Parameters
    ----------
    device
        Where they come from.
    """

    EVERY = 64
    """Steps between two readings from a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.every = self.EVERY if device.type == "cuda" else 1
        self.pending: list[Tensor] = []
        self.steps, self.loss_sum, self.hits = 0, 0.0, 0
        self.infinite: tuple[int, float] | None = None
        """The first step whose loss is not finite, from 1 on, and that loss."""

    def add(self, figures: Tensor) -> None:
        """Take [loss, right answers] of the next step."""
        self.pending.append(figures.clone())
        if len(self.pending) >= self.every:
            self.read()

    def read(self) -> None:
        """Read all that are pending."""
        if not self.pending:
            return
        found = torch.stack(self.pending).double().cpu().numpy()
        bad = np.flatnonzero(~np.isfinite(found[:, 0]))
        if len(bad) and self.infinite is None:
            self.infinite = self.steps + int(bad[0]) + 1, float(found[bad[0], 0])
        self.loss_sum += float(found[:, 0].sum())
        self.hits += round(float(found[:, 1].sum()))
        self.steps += len(found)
        self.pending.clear()

    @property
    def loss(self) -> float:
        """Mean of the steps that were read; NaN before the first reading."""
        return self.loss_sum / self.steps if self.steps else math.nan

    def text(self) -> str:
        """For people who watch."""
        return f", loss {self.loss:.3f}" if self.steps else ""

"""Training of float weights: what any such loop does, and places for what a particular one does."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from shiftbook.frontend.data.batches import Images, Labels, Normalizer, augment, batch_count, batches
from shiftbook.frontend.training.finetune import Diverged, distillation_loss, is_fast_bfloat16
from shiftbook.frontend.training.processes import Processes, repeatable
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.recorded_step import Figures, RecordedStep
from shiftbook.frontend.training.schedule import rate_at
from shiftbook.frontend.training.training_files import append_log, digest_of, load_state, save_state
from shiftbook.golden.progress import Progress, quiet


class FloatTraining:
    """Stochastic gradient descent with Nesterov momentum; the rate follows half a cosine to 0.

    A run is a function of its arguments, on one machine with one number of threads and processes; it can be
    resumed from any of its epochs. Each process trains on its share of every batch, and gradients are
    averaged.

    Parameters
    ----------
    model
        Trained in place.
    data
        Raw images and labels.
    mean, std
        Input normalization, one value a channel.
    recipe
        Rate, momentum, decay, batch, distillation, mirroring and bfloat16 of it count.
    teacher
        Where the recipe asks for distillation, the network whose answers are wanted; None takes the model
        as it is now.
    """

    name = "training"
    """In logs and errors."""

    def __init__(
        self,
        model: nn.Module,
        data: tuple[Images, Labels],
        mean: Sequence[float],
        std: Sequence[float],
        epochs: int,
        seed: int,
        recipe: Recipe,
        processes: Processes,
        teacher: nn.Module | None = None,
    ) -> None:
        self.model, self.data, self.mean, self.std = model, data, mean, std
        self.epochs, self.seed, self.recipe, self.processes = epochs, seed, recipe, processes
        self.digest = digest_of(model, data)
        _move(self.model, processes.device, torch.channels_last)
        self.teacher = copy.deepcopy(teacher or model) if recipe.distill else None
        if self.teacher is not None:
            _move(self.teacher, processes.device, torch.channels_last)
            self.teacher.eval()
        self.flip = recipe.mirrors(data[0])
        fast = is_fast_bfloat16(processes.device)
        self.bfloat16 = fast if recipe.bfloat16 is None else recipe.bfloat16
        self.normalize = Normalizer(mean, std, processes.device)
        # Processes exchange gradients within a step, which is not recorded.
        self.forth_and_back = RecordedStep(self._forth_and_back, processes.device, processes.count == 1)
        self.steps_per_epoch = batch_count(len(data[0]), recipe.batch)
        self.epoch = 0
        self.optimizer = self._optimizer()

    def _optimizer(self) -> torch.optim.SGD:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": self.recipe.decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        momentum, fused = self.recipe.momentum, self.processes.device.type == "cuda"
        return torch.optim.SGD(groups, lr=self.recipe.rate, momentum=momentum, nesterov=True, fused=fused)

    def penalty(self) -> Tensor | None:
        """What is added to the loss."""
        return None

    def after_step(self, step: int) -> None:
        """Do what is due after so many steps."""

    def facts(self) -> dict[str, Any]:
        """What the log gets about an epoch besides loss, accuracy, rate and time."""
        return {}

    def identity(self) -> dict[str, Any]:
        """What else must be the same for a state to be this run's."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """What a state holds besides the model and the optimizer; loaded in place."""
        return {}

    def go(self, progress: Progress = quiet, state: Path | None = None, log: Path | None = None) -> None:
        """Run all epochs that are left; those that ``state`` holds are done.

        Raises
        ------
        ShiftbookError
            Training diverges, or ``state`` belongs to another run.
        """
        if not self.processes.first:
            progress, log = quiet, None
        if state is not None and os.path.exists(state):
            self.restore(state)
        elif state is not None:
            self.save(state)  # A place that cannot be written shows before the work, not after it.
        while self.epoch < self.epochs:
            try:
                with repeatable():
                    record = self.run_epoch(progress)
            except Diverged:
                if state is not None and self.processes.first:
                    state.unlink(missing_ok=True)
                raise
            if log is not None:
                append_log(log, record)
            if state is not None:
                self.save(state)
        _move(self.model, torch.device("cpu"), torch.contiguous_format)
        self.model.eval()

    def run_epoch(self, progress: Progress) -> dict[str, Any]:
        """Train for one epoch and return its log record."""
        began = time.monotonic()
        random = np.random.default_rng([self.seed, 0, self.epoch])
        total = self.steps_per_epoch * self.epochs
        figures, rate = Figures(self.processes.device), 0.0
        self.model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + self.epoch)
            for index, (images, labels) in enumerate(batches(*self.data, self.recipe.batch, random)):
                step = self.epoch * self.steps_per_epoch + index
                rate = rate_at(step / total) * self.recipe.rate
                images = augment(images, self.mean, self.flip, random)
                figures.add(self.train_step(images, labels, rate))
                self._check(figures)
                self.after_step(step + 1)
                what = f"{self.name}: epoch {self.epoch + 1}/{self.epochs}{figures.text()}"
                progress(what, step + 1, total)
        figures.read()
        self._check(figures)
        self.processes.average(b for b in self.model.buffers() if b.is_floating_point())
        if not all(bool(value.isfinite().all()) for value in self.model.state_dict().values()):
            raise self.diverged(f"weights are not finite after epoch {self.epoch + 1}")
        self.epoch += 1
        return {
            "stage": self.name,
            "epoch": self.epoch,
            "loss": figures.loss,
            "accuracy": figures.hits / (self.steps_per_epoch * min(self.recipe.batch, len(self.data[0]))),
            **self.facts(),
            "rate": rate,
            "seconds": round(time.monotonic() - began, 1),
        }

    def _check(self, figures: Figures) -> None:
        """Raise `Diverged` where a loss is not finite."""
        if figures.infinite is not None:
            step, loss = figures.infinite
            raise self.diverged(f"the loss is {loss} in epoch {self.epoch + 1}, step {step}")

    def diverged(self, what: str) -> Diverged:
        """Return the error that says ``what`` went wrong and what would help."""
        return Diverged(f"{self.name} diverged: {what}; use a learning rate below {self.recipe.rate}")

    def train_step(self, images: Images, labels: Labels, rate: float) -> Tensor:
        """Take one optimizer step; return the loss and the number of right answers, of all processes: [2]."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        mine = self.processes.share(len(images))
        (figures,) = self.forth_and_back(torch.from_numpy(images[mine]), torch.from_numpy(labels[mine]))
        self.processes.average(p.grad for p in self._trained() if p.grad is not None)
        self.optimizer.step()
        if self.processes.count > 1:
            self.processes.average([figures])
            figures[1] *= self.processes.count
        return figures

    def _trained(self) -> Iterator[Tensor]:
        """All parameters that the optimizer moves."""
        return (p for group in self.optimizer.param_groups for p in group["params"])

    def _forth_and_back(self, images: Tensor, target: Tensor) -> tuple[Tensor]:
        """Make the gradients; return the loss and the number of right answers, of this process."""
        inputs, device = self.normalize(images), self.processes.device
        # Without a cache: it would hold on to what a recorded step computes anew.
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False):
            answer = self.model(inputs)
            with torch.no_grad():
                wanted = None if self.teacher is None else self.teacher(inputs)
        loss = distillation_loss(answer.float(), target, wanted, self.recipe)
        penalty = self.penalty()
        for parameter in self._trained():
            parameter.grad = None
        (loss if penalty is None else loss + penalty).backward()
        return (torch.stack((loss.detach(), (answer.detach().argmax(1) == target).sum().float())),)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a state to be this run's."""
        return {
            "stage": self.name,
            "epochs": self.epochs,
            "seed": self.seed,
            "data": self.digest,
            "recipe": asdict(self.recipe),
            "processes": self.processes.count,
            **self.identity(),
        }

    def save(self, path: Path) -> None:
        """Write the state to ``path``, atomically."""
        if self.processes.first:
            save_state(
                path,
                {
                    "identity": self._identity(),
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "tensors": self.tensors(),
                    "epoch": self.epoch,
                },
            )

    def restore(self, path: Path) -> None:
        """Go on from the state in ``path``."""
        saved = load_state(path, self._identity())
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                tensor.copy_(saved["tensors"][name])
        self.epoch = saved["epoch"]


def _move(model: nn.Module, device: torch.device, layout: torch.memory_format) -> None:
    """Bring a model to a device, its convolutions' weights in a memory layout; parameters stay themselves."""
    model.to(device)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)

"""Prune a network and quantize more and more of its weights while training it.

The weights of the layers, their masks and grids stay on the processor. Each step rounds them there, and sends
the weights in force to the device that computes the network, as one tensor, and their gradient back: this is
little beside the activations, and the GPU's part of a step is the same for every scheme.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.data.batches import (
    Images,
    Labels,
    Normalizer,
    augment,
    batch_count,
    batches,
)
from shiftbook.frontend.training.evaluation import share_right
from shiftbook.frontend.training.layer_state import (
    States,
    by_scheme,
    follow,
    kept_share,
    prune_layers,
    refresh,
)
from shiftbook.frontend.training.processes import own_device, repeatable
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.recorded_step import Figures, RecordedStep
from shiftbook.frontend.training.schedule import Stage, stage_at
from shiftbook.frontend.training.training import Data, Training
from shiftbook.frontend.training.training_files import append_log, digest_of, load_state, save_state
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress


class Diverged(ShiftbookError):
    """The loss is no longer finite; more epochs cannot help."""


class FineTuning:
    """One run of pruning and incremental quantization.

    Parameters
    ----------
    model
        The float network, which is trained in place.
    states
        Its layers.
    training
        With data.
    density
        Share of weights to keep in (0, 1], over all layers that are pruned.
    teacher
        The network whose answers distillation asks for; None takes the model as it is now.
    """

    def __init__(
        self,
        model: nn.Module,
        states: States,
        training: Training,
        density: float,
        epochs: int,
        teacher: nn.Module | None = None,
        own: Mapping[str, float] | None = None,
    ) -> None:
        assert training.data is not None
        data, recipe = training.data, training.recipe
        self.model, self.states, self.data = model, states, data
        self.mean, self.std = training.mean, training.std
        self.density, self.epochs, self.seed, self.recipe = density, epochs, training.seed, recipe
        self.own = dict(own or {})
        self.teacher = copy.deepcopy(teacher or model).eval() if recipe.distill else None
        self.flip = recipe.mirrors(data[0])
        self.device = own_device()
        self._place(self.device)
        fast = is_fast_bfloat16(self.device)
        self.bfloat16 = fast if recipe.bfloat16 is None else recipe.bfloat16
        self.normalize = Normalizer(self.mean, self.std, self.device)
        self.forth_and_back = RecordedStep(self._forth_and_back, self.device)
        self.steps_per_epoch = batch_count(len(data[0]), recipe.batch)
        self.digest = digest_of(model, data)
        self.epoch = 0
        self.quantized = 0.0
        self.next_refresh = 0
        self.refresh_interval = recipe.refresh_first
        self.codebooks: list[nn.Parameter] = []
        self.optimizer = self._optimizer()

    def _place(self, device: torch.device) -> None:
        """Bring the model and its teacher to a device, but leave the weights of the layers where they are."""
        weights = {name: state.weight.data for name, state in self.states.items()}
        self.model.to(device)
        for name, state in self.states.items():
            state.weight.data = weights[name]
        if self.teacher is not None:
            self.teacher.to(device)

    def _optimizer(self) -> torch.optim.Optimizer:
        decayed = [p for p in self.model.parameters() if p.requires_grad and p.dim() > 1]
        others = [p for p in self.model.parameters() if p.requires_grad and p.dim() <= 1]
        alphas = [state.alpha for state in self.states.values()]
        groups = [
            {"params": decayed, "weight_decay": self.recipe.decay, "peak": self.recipe.rate},
            {"params": others, "weight_decay": 0.0, "peak": self.recipe.rate},
            # A layer's scale sums the gradients of all its weights.
            {"params": alphas, "weight_decay": 0.0, "peak": 0.1 * self.recipe.rate},
        ]
        groups = [group for group in groups if group["params"]]
        momentum, together = self.recipe.momentum, True if self.device.type == "cuda" else None
        return torch.optim.SGD(
            groups, lr=self.recipe.rate, momentum=momentum, nesterov=True, foreach=together
        )

    def go(
        self,
        progress: Progress,
        state: Path | None,
        log: Path | None,
        validation: Data | None,
    ) -> None:
        """Run all epochs that are left; those that ``state`` holds are done."""
        if state is not None and os.path.exists(state):
            self.restore(state)
        elif state is not None:
            self.save(state)  # A place that cannot be written shows before the work, not after it.
        while self.epoch < self.epochs:
            try:
                with repeatable():
                    record = self.run_epoch(progress)
            except Diverged:
                if state is not None:
                    state.unlink(missing_ok=True)
                raise
            if validation is not None:
                record["validation_accuracy"] = self.accuracy(validation)
            if log is not None:
                append_log(log, record)
            if state is not None:
                self.save(state)
        if self.quantized < 1:  # there were too few steps for every part of the schedule
            last = self.stage(1.0)
            self.prepare(last, self.steps_per_epoch * self.epochs)
            self.encode(last, self.steps_per_epoch * self.epochs)
        self._place(torch.device("cpu"))

    def run_epoch(self, progress: Progress) -> dict[str, Any]:
        """Train for one epoch and return its log record."""
        began = time.monotonic()
        random = np.random.default_rng([self.seed, 0, self.epoch])
        total = self.steps_per_epoch * self.epochs
        figures, stage = Figures(self.device), None
        self.model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + self.epoch)
            for index, (images, labels) in enumerate(batches(*self.data, self.recipe.batch, random)):
                step = self.epoch * self.steps_per_epoch + index
                stage = self.stage(step / total)
                self.prepare(stage, step)
                self.encode(stage, step)
                images = augment(images, self.mean, self.flip, random)
                figures.add(self.train_step(images, labels, stage.rate))
                self._check(figures)
                progress(f"epoch {self.epoch + 1}/{self.epochs}{figures.text()}", step + 1, total)
        figures.read()
        self._check(figures)
        assert stage is not None
        if not all(bool(value.isfinite().all()) for value in self.model.state_dict().values()):
            raise self.diverged(f"weights are not finite after epoch {self.epoch + 1}")
        self.epoch += 1
        return {
            "epoch": self.epoch,
            "loss": figures.loss,
            "accuracy": figures.hits / (self.steps_per_epoch * min(self.recipe.batch, len(self.data[0]))),
            "density": kept_share(self.states),
            "quantized": self.quantized,
            "rate": stage.rate * self.recipe.rate,
            "seconds": round(time.monotonic() - began, 1),
        }

    def _check(self, figures: Figures) -> None:
        """Raise `Diverged` where a loss is not finite."""
        if figures.infinite is not None:
            step, loss = figures.infinite
            raise self.diverged(f"the loss is {loss} in epoch {self.epoch + 1}, step {step}")

    def diverged(self, what: str) -> Diverged:
        """Return the error that says ``what`` went wrong and what would help."""
        return Diverged(f"training diverged: {what}; use a learning rate below {self.recipe.rate}")

    def stage(self, progress: float) -> Stage:
        """The stage at a share of all steps; weights are pruned as long as any layer is."""
        lowest = min((self.density, *self.own.values()))
        stage = stage_at(progress, lowest, self.recipe.prune_share)
        return replace(stage, density=stage_at(progress, self.density, self.recipe.prune_share).density)

    def prune(self, progress: float, density: float) -> None:
        """Prune all layers as far as they should be at a share of all steps."""
        share = self.recipe.prune_share
        own = {name: stage_at(progress, target, share).density for name, target in self.own.items()}
        prune_layers(self.states, density, self.recipe.balance, own=own)

    def prepare(self, stage: Stage, step: int) -> None:
        """Bring masks, chosen weights and grids to where ``stage`` wants them before ``step``."""
        if stage.pruning:
            if step % self.recipe.prune_every == 0:
                self.prune(step / (self.steps_per_epoch * self.epochs), stage.density)
            return
        if self.quantized == 0.0 and min((self.density, *self.own.values())) < 1:
            # From here on the masks are fixed: meet the density exactly.
            self.prune(1.0, self.density)
        if stage.quantized > self.quantized:
            self.quantized = stage.quantized
            for state in self.states.values():
                state.choose(stage.quantized)
            self.refresh_interval = self.recipe.refresh_first
        elif step < self.next_refresh or stage.settled >= self.recipe.refit_share:
            return
        refresh((state for state in self.states.values() if state.scheme.incremental), self.seed)
        self.next_refresh = step + self.refresh_interval
        self.refresh_interval *= 2

    def encode(self, stage: Stage, step: int) -> None:
        """Bring the codes of vectors to where ``stage`` wants them before ``step``."""
        vectors = [state for state in self.states.values() if not state.scheme.incremental]
        if not vectors or stage.pruning:
            return
        settled = stage.settled >= self.recipe.refit_share
        unfit = any(state.quantizer is None for state in vectors)
        if unfit or (not settled and step % self.recipe.refit_every == 0):
            refresh(vectors, self.seed)
            self._learn_codebooks()
        elif not settled:
            follow(vectors, self.seed)
        if self.recipe.noise < 1:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            for state in vectors:
                state.draw(1.0 if settled else self.recipe.noise, generator)

    def _learn_codebooks(self) -> None:
        """Give the optimizer what it does not know of yet."""
        known = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        found = [p for s in self.states.values() if s.quantizer is not None for p in s.quantizer.parameters()]
        new = {id(p): p for p in found if id(p) not in known}
        if new:
            group = {"params": list(new.values()), "weight_decay": 0.0, "peak": self.recipe.rate}
            self.optimizer.add_param_group(group)
            self.codebooks += new.values()

    def effective(self) -> Tensor:
        """Return the weights in force of all layers, one after the other, as one vector."""
        return torch.cat([state.effective().flatten() for state in self.states.values()])

    def by_name(self, weights: Tensor) -> dict[str, Tensor]:
        """Return what `effective` gave as parameters, by name."""
        parts = weights.split([state.weight.numel() for state in self.states.values()])
        return {
            f"{name}.weight": part.view(state.weight.shape)
            for (name, state), part in zip(self.states.items(), parts, strict=True)
        }

    def train_step(self, images: Images, labels: Labels, rate: float) -> Tensor:
        """Take one optimizer step; return the loss and the number of right answers, [2]."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["peak"]
        weights = self.effective()
        figures, gradient = self.forth_and_back(
            weights.detach(), torch.from_numpy(images), torch.from_numpy(labels)
        )
        for state in self.states.values():
            state.weight.grad = state.alpha.grad = None
        for parameter in self.codebooks:
            parameter.grad = None
        weights.backward(gradient.to(weights.device))
        self.optimizer.step()
        return figures

    def _forth_and_back(self, weights: Tensor, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the number of right answers, and the gradient of the weights in force.

        The gradients of all parameters besides are made too.
        """
        weights = weights.detach().requires_grad_()
        inputs, device = self.normalize(images), self.device.type
        # Without a cache: it would hold on to what a recorded step computes anew.
        with torch.autocast(device, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False):
            answer = torch.func.functional_call(self.model, self.by_name(weights), (inputs,))
            with torch.no_grad():
                wanted = None if self.teacher is None else self.teacher(inputs)
        answer = answer.float()
        loss = distillation_loss(answer, target, wanted, self.recipe)
        for parameter in self.model.parameters():
            parameter.grad = None
        loss.backward()
        assert weights.grad is not None
        hits = (answer.detach().argmax(1) == target).sum().float()
        return torch.stack((loss.detach(), hits)), weights.grad

    def accuracy(self, data: Data) -> float:
        """Return the accuracy with the weights now in force."""
        with torch.no_grad():
            weights = self.by_name(self.effective().to(self.device))

        def call(inputs: Tensor) -> Tensor:
            return torch.func.functional_call(self.model, weights, (inputs,))

        return share_right(self.model, call, data, self.mean, self.std, self.bfloat16, self.device)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a state to be this run's."""
        scheme = {name: f"{s.scheme.name}, {s.scheme.describe()}" for name, s in self.states.items()}
        return {
            "schemes": scheme,
            "density": self.density,
            **({"densities": self.own} if self.own else {}),
            "epochs": self.epochs,
            "seed": self.seed,
            "data": self.digest,
            "recipe": asdict(self.recipe),
        }

    def save(self, path: Path) -> None:
        """Write the state to ``path``, atomically."""
        state = {
            "identity": self._identity(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "run": (self.epoch, self.quantized, self.next_refresh, self.refresh_interval),
            "layers": {
                name: (s.mask, s.chosen, s.alpha.detach(), s.fitted_on, s.fits, s.saved())
                for name, s in self.states.items()
            },
        }
        save_state(path, state)

    def restore(self, path: Path) -> None:
        """Go on from the state in ``path``."""
        saved = load_state(path, self._identity())
        self.model.load_state_dict(saved["model"])
        self.epoch, self.quantized, self.next_refresh, self.refresh_interval = saved["run"]
        for name, state in self.states.items():
            state.mask, state.chosen, alpha, state.fitted_on, state.fits, _ = saved["layers"][name]
            with torch.no_grad():
                state.alpha.copy_(alpha)
        names = {id(state): name for name, state in self.states.items()}
        for scheme, members in by_scheme(self.states.values()):
            parts = [s.part(self.seed, s.fitted_on) for s in members if s.fitted_on is not None]
            if parts:
                tensors = [saved["layers"][names[id(state)]][5] for state in members]
                for state, quantizer in zip(members, scheme.restore(parts, tensors), strict=True):
                    state.quantizer = quantizer
        self._learn_codebooks()
        self.optimizer.load_state_dict(saved["optimizer"])


def distillation_loss(answer: Tensor, target: Tensor, wanted: Tensor | None, recipe: Recipe) -> Tensor:
    """The loss of scores [N, classes] for labels [N] and, where given, for the float network's scores."""
    loss = functional.cross_entropy(answer, target)
    if wanted is None:
        return loss
    heat, share = recipe.temperature, recipe.distill
    apart = functional.kl_div(
        functional.log_softmax(answer / heat, 1),
        functional.log_softmax(wanted.float() / heat, 1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - share) * loss + share * heat**2 * apart


def is_fast_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 pays: on a GPU that has it, or a processor with tile multiplication (AMX)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())

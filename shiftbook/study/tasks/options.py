"""The options of a compression as a study names them, and as the front end takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT

TENSOR_TRAIN = "tensor-train"

SCHEME = ("bits", "dim", "codebooks", "codewords", "terms", "per_layer")
"""Options of the scheme that is named."""

RECIPE = ("rate", "batch", "noise")
"""Options of fine-tuning, beside its epochs."""

CHAINS = ("ratio", "admm_epochs", "core_epochs")
"""Options of a tensor train, beside the scheme of its cores."""

BUDGET = "budget"
"""Share of the unpruned network's cycles that layers, each pruned as far as it bears, may take together."""

PLAIN = ("density", "densities", "uniform", "balance", "importance", "seed")
"""Options of any scheme, which the front end calls the same."""


def weights_options(options: Mapping[str, Any], slots: int) -> CompressionOptions:
    """What weights become.

    Raises
    ------
    ShiftbookError
        There is no such scheme, or a number is out of range.
    """
    scheme = options.get("scheme", "focused")
    scheme = options.get("cores", "int8") if scheme == TENSOR_TRAIN else scheme
    given = {name: options[name] for name in PLAIN if name in options}
    if "end_bits" in options:
        given["uniform_bits"] = options["end_bits"]
    return CompressionOptions(
        scheme=scheme,
        options={name: options[name] for name in SCHEME if name in options},
        spec=replace(DEFAULT, slots=slots),
        **given,
    )


def training_options(options: Mapping[str, Any]) -> TrainingOptions:
    """Whether and how to fine-tune.

    Raises
    ------
    ShiftbookError
        A number is out of range.
    """
    recipe = Recipe(**{name: options[name] for name in RECIPE if name in options})
    return TrainingOptions(epochs=options.get("epochs", 0), recipe=recipe)


def chain_plan(options: Mapping[str, Any]) -> Plan | None:
    """How layers become chains; None where they stay as they are.

    Raises
    ------
    ShiftbookError
        A number is out of range.
    """
    if options.get("scheme") != TENSOR_TRAIN:
        return None
    return Plan(**{name: options[name] for name in CHAINS if name in options})


def recodes(options: Mapping[str, Any], chosen: CompressionOptions) -> bool:
    """Whether a checkpoint for other weight slots is the same integers, dealt anew.

    Vectors are cut for the slots, and balanced pruning looks at them.
    """
    return chosen.make_scheme().incremental and not options.get("balance", False)


def check_budget(options: Mapping[str, Any]) -> None:
    """Refuse a budget that makes no sense, or that other options contradict.

    Raises
    ------
    ShiftbookError
        It is no share, or densities are given, too, or the scheme has vectors.
    """
    budget = options[BUDGET]
    if not 0 < budget <= 1:
        raise ShiftbookError(
            f"budget must be in (0, 1], the share of the unpruned network's cycles, not {budget}"
        )
    for name in ("density", "densities", "balance"):
        if name in options:
            raise ShiftbookError(f"a budget finds the density of each layer: leave {name} out")
    scheme = options.get("scheme", "focused")
    if scheme == TENSOR_TRAIN or not weights_options(options, DEFAULT.slots).make_scheme().incremental:
        raise ShiftbookError(f"a budget is for schemes of single weights, not for {scheme!r}")

"""A model that a program hands over itself, where else the name of its source stands."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from shiftbook.frontend.importing.foreign import told
from shiftbook.golden.errors import ShiftbookError, first_line


class GivenModel(str):
    """A source that is a model itself; as text, for facts and messages, it names the model's class.

    Parameters
    ----------
    model
        It is never changed.
    """

    model: nn.Module

    def __new__(cls, model: nn.Module) -> GivenModel:
        source = super().__new__(cls, f"python:{type(model).__qualname__}")
        source.model = model
        return source

    def copy(self) -> nn.Module:
        """A model of the caller's own.

        Raises
        ------
        ShiftbookError
            It cannot be copied.
        """
        with told(lambda error: f"{self} cannot be copied: {type(error).__name__}: {first_line(error)}"):
            return copy.deepcopy(self.model, _computed(self.model))


def _computed(model: nn.Module) -> dict[int, Any]:
    """For copy.deepcopy: weights that modules compute from others, which torch refuses to copy itself."""
    values = (value for module in model.modules() for value in vars(module).values())
    return {id(v): v.detach().clone() for v in values if isinstance(v, Tensor) and not v.is_leaf}


def called(factory: Callable[[], object]) -> GivenModel:
    """The model that a factory returns.

    Raises
    ------
    ShiftbookError
        It fails, or returns something else.
    """
    name = getattr(factory, "__qualname__", type(factory).__name__)
    with told(lambda error: f"{name} fails: {type(error).__name__}: {first_line(error)}"):
        model = factory()
    if not isinstance(model, nn.Module):
        raise ShiftbookError(f"{name} must return a torch.nn.Module, not {type(model).__name__}")
    return GivenModel(model)

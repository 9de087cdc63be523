"""Designs with one deliberate bug, which a proof must refute."""

from __future__ import annotations

import inspect
from types import ModuleType


def mutant(module: ModuleType, right: str, wrong: str) -> ModuleType:
    """A copy of ``module`` in whose source ``wrong`` stands where ``right`` stood, once.

    Raises
    ------
    ValueError
        The source does not have ``right`` exactly once: the design has changed, and its mutants must too.
    """
    source = inspect.getsource(module)
    if source.count(right) != 1:
        raise ValueError(f"{module.__name__} must have {right!r} once, not {source.count(right)} times")
    copy = ModuleType(module.__name__)
    exec(compile(source.replace(right, wrong), module.__file__ or module.__name__, "exec"), vars(copy))
    return copy

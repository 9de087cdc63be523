"""Kinds of tasks: one class in one file of this package, found by scanning it."""

from __future__ import annotations

import importlib
from functools import cache

from shiftbook.golden.registry import classes_in
from shiftbook.study.tasks.base import Work


@cache
def works() -> dict[str, Work]:
    """Every kind of task by its name."""
    return {kind.name: kind() for kind in classes_in(__name__, __path__, Work)}


def work_of(name: str) -> Work:
    """The kind of task that has a name; one outside this package is named ``module:class``."""
    module, _, kind = name.partition(":")
    return works()[name] if not kind else getattr(importlib.import_module(module), kind)()

"""Programs that ``torch.export.save`` wrote, without running what a pickle in one asks for."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import check_file

SUFFIX = ".pt2"

ARITHMETIC = re.compile(r"[\w\s+\-*/(),]*")
"""What the size of a tensor may be computed with: torch hands such texts to SymPy, which evaluates them."""


def load_program(path: Path) -> nn.Module:
    """The program as a module.

    Raises
    ------
    ShiftbookError
        There is no such file, it holds something else, or it could run code when it is read.
    """
    check_file(path, "name a program that torch.export.save wrote")
    try:
        _check_expressions(path)
        with _no_pickles():
            program = torch.export.load(path)
        module: nn.Module = program.module()
    except ShiftbookError:
        raise
    except Exception as error:  # damaged files make it raise nearly anything
        raise ShiftbookError(f"{path} holds no program of torch.export.save: {first_line(error)}") from error
    module.eval = partial(_stay, module)  # type: ignore[method-assign]  # an exported module knows one mode
    module.train = partial(_stay, module)  # type: ignore[method-assign]
    return module


def _stay(module: nn.Module, mode: bool = False) -> nn.Module:
    return module


def _check_expressions(path: Path) -> None:
    """Refuse sizes that are more than arithmetic."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".json"):
                for text in _expressions(json.loads(archive.read(member))):
                    if not ARITHMETIC.fullmatch(text) or "__" in text:
                        raise ShiftbookError(f"{path} has a size that is no arithmetic: {text!r:.80}")


def _expressions(found: Any) -> Iterator[str]:
    """The texts in nested JSON that stand for sizes."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "expr_str" and isinstance(value, str):
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(found, list):
        for value in found:
            yield from _expressions(value)


@contextmanager
def _no_pickles() -> Iterator[None]:
    """Let torch load tensors alone."""
    from torch.export.pt2_archive import _package

    def refuse(*args: Any, **options: Any) -> Any:
        raise ShiftbookError("the program holds Python objects besides tensors, which are never loaded")

    with ExitStack() as stack:
        load = torch.load
        stack.enter_context(
            patch.object(
                torch, "load", lambda *args, **options: load(*args, **{**options, "weights_only": True})
            )
        )
        stack.enter_context(patch.object(torch._C, "_pickle_load_obj", refuse, create=True))
        stack.enter_context(patch.object(_package, "pickle", _Unpickler(refuse), create=True))
        yield


class _Unpickler:
    """Stands for the module ``pickle``."""

    def __init__(self, refuse: Any) -> None:
        self.loads = self.load = refuse
